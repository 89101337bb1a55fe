//! What is said before anything is made: findings, the least policy, the lock file.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;

use llmhost_emulator::testing::RecordingProxy;
use serde_json::Value;
use support::{Scene, emulator};

const FILE: &str = "llm-on-eks.toml";

/// The findings of a validation: severity, code and step.
fn findings(scene: &Scene, args: &[&str]) -> BTreeSet<(String, String, String)> {
    let ran = scene.llmhost(&[&["validate", FILE, "--json"], args].concat());
    let lines = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON line"));
    let found = lines.filter(|line| line["event"] == "finding").map(|line| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let address = text(&line["address"]);
        let step = address.split('/').next().unwrap_or_default().to_owned();
        (text(&line["severity"]), text(&line["code"]), step)
    });
    found.collect()
}

#[test]
fn every_finding_of_a_plan_has_its_severity_and_step() {
    let cases = [
        ("nat = \"single\"", "nat = \"none\"", ("error", "no-route-out", "gpu")),
        ("disk_gib = 100", "disk_gib = 100\nami_type = \"AL2023_x86_64_STANDARD\"", ("error", "ami-type", "gpu")),
        ("disk_gib = 100", "disk_gib = 100\nami_type = \"AL2023_ARM_64_NVIDIA\"", ("error", "ami-type", "gpu")),
        ("disk_gib = 20\n", "disk_gib = 20\nami_type = \"AL2023_x86_64_NVIDIA\"\n", ("warning", "ami-type", "cpu")),
        ("disk_gib = 100", "disk_gib = 20", ("warning", "small-disk", "gpu")),
        ("max = 2\nlabels", "max = 40\nlabels", ("warning", "few-addresses", "gpu")),
        (
            "cluster = \"llm-cluster\" }",
            "cluster = \"llm-cluster\", security_groups = { front = { rules = [{ name = \"in\", port = 22, sources = [\"0.0.0.0/0\"] }] } } }",
            ("warning", "ssh-open-to-world", "network"),
        ),
        (
            "cluster = \"llm-cluster\" }",
            "cluster = \"llm-cluster\", security_groups = { front = { rules = [{ name = \"in\", port = 8000, sources = [\"0.0.0.0/0\"] }] } } }",
            ("warning", "port-open-to-world", "network"),
        ),
        ("", "", ("warning", "endpoint-open-to-world", "cluster")),
    ];
    for (from, to, (severity, code, step)) in cases {
        let scene = Scene::with_examples();
        if !from.is_empty() {
            scene.edit(FILE, from, to);
        }
        let found = findings(&scene, &[]);
        let wanted = (severity.to_owned(), code.to_owned(), step.to_owned());
        assert!(found.contains(&wanted), "{wanted:?} in {found:?}");
    }
}

#[test]
fn what_is_wrong_with_a_step_is_said_before_anything_is_asked() {
    for (from, to, words) in [
        ("min = 1\nmax = 2\nlabels", "min = 3\nmax = 2\nlabels", &["step gpu", "min 3, desired 3, max 2"][..]),
        ("[\"t3.medium\"]", "[\"t3.medium\", \"g5.xlarge\"]", &["step cpu", "need different images"]),
        ("[\"t3.medium\"]", "[\"medium\"]", &["step cpu", "does not look like an instance type"]),
        ("disk_gib = 20", "disk_gib = 5", &["disk_gib", "at least 20", "llm-on-eks.toml:"]),
        ("image = \"${vars.image}\"", "image = \"\"", &["step server", "not the name of an image"]),
        ("s3://${models.bucket}/demo", "/home/me/model", &["step server", "not an s3:// address"]),
        ("{ min = 1, max = 2 }", "{ min = 3, max = 2 }", &["replicas.max is 2"]),
        ("= \"model-server\"", "= \"Model_Server\"", &["step identity", "not a valid name for Kubernetes"]),
        ("prefix = \"demo\"\n", "prefix = \"*\"\n", &["step identity", "is a pattern"]),
        ("prefix = \"demo\"\n", "dynamodb_tables = [\"a/*\"]\n", &["'a/*' is not the name of a table"]),
        (
            "oidc_provider_arn = \"${cluster.oidc_provider_arn}\"\n",
            "",
            &["oidc_provider_arn is missing", "pod-identity"],
        ),
        ("\"audit\", ", "\"everything\", ", &["step cluster", "'everything' is not one of api, audit"]),
        ("name = \"llm-cluster\"\nrole", "name = \"llm cluster\"\nrole", &["not a valid name for EKS"]),
        ("node_role = \"EKSNodeRole\"", "node_role = \"EKS Node\"", &["step roles", "not a valid name for IAM"]),
        ("logging = [", "oidc_provider = false\nlogging = [", &["oidc_provider_arn is missing"]),
    ] {
        let scene = Scene::with_examples();
        scene.edit(FILE, from, to);
        let ran = scene.llmhost(&["validate", FILE]);
        assert!(ran.status == 1 || ran.status == 2, "{to}: {ran:?}");
        ran.says(words);
    }
}

#[test]
fn the_example_has_one_finding_and_a_stated_range_clears_it() {
    let scene = Scene::with_examples();
    assert_eq!(findings(&scene, &["--online", "--emulate"]).len(), 1);
    scene.edit(FILE, "logging = [", "public_access_cidrs = [\"203.0.113.0/24\"]\nlogging = [");
    assert_eq!(findings(&scene, &["--online", "--emulate"]), BTreeSet::new());
    scene.llmhost(&["validate", FILE, "--online", "--emulate"]).status(0);
}

#[test]
fn a_finding_shows_the_line_and_the_fix() {
    let scene = Scene::with_examples();
    scene.edit(FILE, "nat = \"single\", ", "nat = \"none\", ");
    let ran = scene.llmhost(&["validate", FILE]).status(1);
    insta::assert_snapshot!(ran.said(&scene));
}

#[test]
fn a_cluster_whose_nodes_get_no_network_is_told() {
    let scene = Scene::with_examples();
    scene.edit(FILE, "logging = [", "addons = { coredns = {} }\nlogging = [");
    let told = ("warning".to_owned(), "no-network-add-on".to_owned(), "cluster".to_owned());
    assert!(findings(&scene, &[]).contains(&told));
    scene.edit(FILE, "coredns = {}", "vpc-cni = {}");
    assert!(!findings(&scene, &[]).contains(&told));
}

#[test]
fn what_only_aws_can_tell_is_asked_and_asking_changes_nothing() {
    for (from, to, code, step) in [
        ("default = \"g4dn.xlarge\"", "default = \"g4dn.xlagre\"", "unknown-instance-type", "gpu"),
        ("disk_gib = 100\nmin = 1\nmax = 2", "disk_gib = 100\nmin = 20\nmax = 20", "quota", "gpu"),
        (
            "name = \"llm-cluster\"\nrole_arn",
            "name = \"llm-cluster\"\nversion = \"1.12\"\nrole_arn",
            "version-not-offered",
            "cluster",
        ),
    ] {
        let scene = Scene::with_examples();
        scene.edit(FILE, from, to);
        let found = findings(&scene, &["--online", "--emulate"]);
        assert!(found.contains(&("error".to_owned(), code.to_owned(), step.to_owned())), "{code} in {found:?}");
        scene.llmhost(&["validate", FILE, "--online", "--emulate"]).status(1).says(&[code, "llm-on-eks.toml:"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_checks_only_read() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    scene.at(proxy.url(), &["validate", FILE, "--online"]).status(0);
    assert!(!proxy.requests().is_empty());
    assert_eq!(proxy.mutating(), 0, "{:?}", proxy.requests());
    assert!(!scene.path(".llmhost").exists());
}

/// A pipeline of the given name and region with a network, roles, a cluster and a bucket.
fn stack(scene: &Scene, file: &str, name: &str, region: &str, azs: usize) {
    let text = format!(
        "[pipeline]\nname = \"{name}\"\nregion = \"{region}\"\n[steps.net]\nuses = \"vpc\"\n\
         with = {{ name = \"llm\", cluster = \"llm\", azs = {azs}, nat = \"none\", security_groups = {{}} }}\n\
         [steps.roles]\nuses = \"iam\"\n[steps.cluster]\nuses = \"eks\"\n\
         with = {{ name = \"llm\", role_arn = \"${{roles.cluster_role_arn}}\", subnet_ids = \"${{net.subnet_ids}}\", \
         endpoint = \"private\", addons = {{}} }}\n[steps.b]\nuses = \"s3\"\n\
         with = {{ bucket = \"sr-models\", force_destroy = true }}\n"
    );
    scene.write(file, text);
}

/// What `validate --online` finds at an endpoint: severity, code and step.
fn online(scene: &Scene, url: &str, file: &str, state: &str) -> BTreeSet<(String, String, String)> {
    let ran = scene.at(url, &["validate", file, "--online", "--json", "--state", state]);
    assert!(ran.status <= 1, "{ran:?}");
    let lines = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON line"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = lines.filter(|line| line["event"] == "finding").map(|line| {
        let step = text(&line["address"]).split('/').next().unwrap_or_default().to_owned();
        (text(&line["severity"]), text(&line["code"]), step)
    });
    found.collect()
}

fn wanted(all: &[(&str, &str, &str)]) -> BTreeSet<(String, String, String)> {
    all.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), (*c).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_taken_are_said_before_anything_is_made() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    stack(&scene, "first.toml", "first", "us-east-1", 2);
    stack(&scene, "second.toml", "second", "eu-west-1", 2);
    stack(&scene, "third.toml", "third", "us-east-1", 2);
    scene.at(emulator.url(), &["run", "first.toml", "--state", "st1"]).status(0);
    // What the state holds is no finding.
    assert_eq!(online(&scene, emulator.url(), "first.toml", "st1"), BTreeSet::new());
    // Roles and buckets are taken in every region, a cluster in its own.
    let shared = [("error", "name-taken", "roles"), ("error", "name-taken", "b")];
    assert_eq!(online(&scene, emulator.url(), "second.toml", "st2"), wanted(&shared));
    let third = wanted(&[shared[0], shared[1], ("error", "name-taken", "cluster")]);
    assert_eq!(online(&scene, emulator.url(), "third.toml", "st3"), third);
    let ran = scene.at(emulator.url(), &["run", "third.toml", "--state", "st3"]).status(1);
    ran.says(&[
        "the cluster 'llm' exists and was not created by this pipeline: it carries the tag llmhost:pipeline = first",
        "the role 'EKSNodeRole' exists",
        "the bucket 'sr-models' exists",
        "To manage this one from here, import it: llmhost import FILE cluster/",
        "nothing was changed",
    ]);
    // What this pipeline made and its state lost can be imported.
    let lost = online(&scene, emulator.url(), "first.toml", "lost");
    assert!(
        lost.is_superset(&wanted(&[("error", "not-in-state", "roles"), ("error", "not-in-state", "cluster")])),
        "{lost:?}"
    );
    assert!(lost.iter().all(|(_, code, _)| code != "name-taken"), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_file_only_names_has_to_exist() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(
        "[steps.id]\nuses = \"irsa\"\nwith = { cluster = \"pl\", namespace = \"a\", service_account = \"s\", \
         mode = \"pod-identity\", bucket = \"team-a\" }\n\
         [steps.roles]\nuses = \"iam\"\nwith = { node_role_policies = [\"arn:aws:iam::aws:policy/NoSuchPolicy\"] }\n\
         [steps.cluster]\nuses = \"eks\"\n\
         with = { name = \"own\", role_arn = \"arn:aws:iam::123456789012:role/nobody\", endpoint = \"private\", \
         subnet_ids = [\"subnet-0123456789abcdef0\", \"subnet-0123456789abcdef1\"], addons = {} }\n",
    );
    let found = online(&scene, emulator.url(), "pipeline.toml", "st");
    let named = wanted(&[
        ("error", "no-cluster", "id"),
        ("error", "no-policy", "roles"),
        ("error", "no-role", "cluster"),
        ("error", "not-there", "cluster"),
    ]);
    assert_eq!(found, named);
    scene.at(emulator.url(), &["validate", "pipeline.toml", "--online"]).status(1).says(&[
        "there is no cluster 'pl' in us-east-1, and no step creates one",
        "there is no managed policy arn:aws:iam::aws:policy/NoSuchPolicy",
        "there is no role arn:aws:iam::123456789012:role/nobody",
        "there is no subnet subnet-0123456789abcdef0 in us-east-1",
        "pipeline.toml:",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn quotas_of_the_account_and_zones_that_eks_refuses_are_said_before() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let network = |name: &str, nat: &str| {
        format!(
            "[steps.{name}]\nuses = \"vpc\"\nwith = {{ name = \"{name}\", nat = \"{nat}\", security_groups = {{}} }}\n"
        )
    };
    // The account has a VPC of its own already.
    for (count, nat, found) in
        [(4, "none", &[][..]), (5, "none", &[("error", "quota", "n0")]), (3, "per-az", &[("error", "quota", "n0")])]
    {
        scene.pipeline(&(0..count).map(|i| network(&format!("n{i}"), nat)).collect::<String>());
        assert_eq!(online(&scene, emulator.url(), "pipeline.toml", "st"), wanted(found), "{count} {nat}");
    }
    scene.at(emulator.url(), &["validate", "pipeline.toml", "--online"]).status(1).says(&[
        "the quota 'EC2-VPC Elastic IPs' (L-0263D0A3) allows 5 elastic IP addresses in the region: 0 exist, and the \
            plan creates 6 more",
        "--quota-code L-0263D0A3 --desired-value 6",
    ]);
    // us-east-1e is use1-az3 here.
    for (azs, found) in [(4, &[][..]), (5, &[("error", "zone-not-for-clusters", "cluster")])] {
        stack(&scene, "zones.toml", "zones", "us-east-1", azs);
        assert_eq!(online(&scene, emulator.url(), "zones.toml", "zones"), wanted(found), "{azs}");
    }
}

#[test]
fn a_rehearsal_says_what_can_be_done_in_a_rehearsal() {
    let scene = Scene::new();
    scene.pipeline(
        "[steps.id]\nuses = \"irsa\"\nwith = { cluster = \"pl\", namespace = \"a\", service_account = \"s\", \
         mode = \"pod-identity\", bucket = \"team-a\" }\n",
    );
    let ran = scene.llmhost(&["rehearse", "pipeline.toml"]).status(1);
    ran.says(&["there is no cluster 'pl'", "starts in an empty account", "rehearse a file that creates them"]);
    assert!(!ran.stderr.contains("--skip-preflight"), "{}", ran.stderr);
    scene
        .llmhost(&["rehearse", "pipeline.toml", "--state", "st"])
        .status(2)
        .says(&["--state cannot be used with rehearse"]);
    assert!(!scene.path("st").exists());
}

/// The actions of a policy, and whether each resource of theirs is narrowed.
fn actions(policy: &str) -> BTreeSet<String> {
    let policy: Value = serde_json::from_str(policy).expect("a policy");
    assert_eq!(policy["Version"], "2012-10-17");
    let statements = policy["Statement"].as_array().unwrap();
    let all = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
    all.map(|action| action.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_policy_names_what_is_made_and_no_wildcard_action() {
    let scene = Scene::with_examples();
    let ran = scene.llmhost(&["policy", FILE, "--account", "123456789012"]).status(0);
    let run = actions(&ran.stdout);
    for action in [
        "ec2:CreateVpc",
        "iam:CreateRole",
        "iam:PassRole",
        "eks:CreateCluster",
        "eks:CreateNodegroup",
        "s3:CreateBucket",
    ] {
        assert!(run.contains(action), "{action} in {run:?}");
    }
    assert!(run.iter().all(|action| !action.contains('*')), "{run:?}");
    let policy: Value = serde_json::from_str(&ran.stdout).unwrap();
    for statement in policy["Statement"].as_array().unwrap() {
        let has = |action: &str| statement["Action"].as_array().unwrap().iter().any(|known| known == action);
        let resources = statement["Resource"].to_string();
        if has("iam:CreateRole") {
            assert!(resources.contains("arn:aws:iam::123456789012:role/EKSClusterRole"), "{resources}");
            assert!(!resources.contains("\"*\""), "{resources}");
        }
        if has("eks:CreateCluster") {
            assert!(resources.contains("arn:aws:eks:us-east-1:123456789012:cluster/llm-cluster"), "{resources}");
        }
        if has("s3:CreateBucket") {
            assert!(resources.contains("arn:aws:s3:::llmhost-models-change-me"), "{resources}");
        }
    }
    let ran = scene.llmhost(&["policy", FILE, "--for", "destroy"]).status(0);
    let destroy = actions(&ran.stdout);
    assert!(destroy.contains("ec2:DeleteVpc") && destroy.contains("eks:DeleteCluster"), "{destroy:?}");
    // Volumes are marked with what becomes of them before their cluster goes.
    assert!(destroy.iter().all(|action| !action.contains(":Create") || action == "ec2:CreateTags"), "{destroy:?}");
    assert!(destroy.is_subset(&run));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_asks_for_is_in_its_policy() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    let allowed = |purpose| actions(&scene.llmhost(&["policy", FILE, "--for", purpose]).status(0).stdout);
    // Whose account it is, everybody may ask.
    let free = |action: &String| action != "sts:GetCallerIdentity";
    let asked = || -> BTreeSet<String> {
        proxy.requests().iter().filter_map(|request| request.iam_action()).filter(free).collect()
    };
    let (run, destroy) = (allowed("run"), allowed("destroy"));
    scene.at(proxy.url(), &["run", FILE]).status(0);
    let seen = asked();
    assert!(seen.len() > 35, "{seen:?}");
    assert_eq!(seen.difference(&run).collect::<Vec<_>>(), Vec::<&String>::new());
    proxy.forget();
    scene.at(proxy.url(), &["destroy", FILE, "--yes"]).status(0);
    let seen = asked();
    assert!(seen.contains("ec2:DeleteVpc"), "{seen:?}");
    assert_eq!(seen.difference(&destroy).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_is_chosen_once_and_kept_in_the_lock_file() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    scene.at(emulator.url(), &["run", FILE]).status(0);
    let lock = std::fs::read_to_string(scene.path("llmhost.lock")).unwrap();
    assert!(lock.contains("1.34"), "{lock}");
    // A colleague with the lock file and no state plans the same version.
    let other = Scene::with_examples();
    other.write("llmhost.lock", lock.replace("1.34", "1.33"));
    let plan = other.llmhost(&["run", FILE, "--dry-run", "--json"]).status(0);
    let plan: Value = plan
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .find(|line: &Value| line["event"] == "plan")
        .unwrap();
    assert_eq!(plan["resources"]["cluster/eks.cluster/main"]["spec"]["version"], "1.33");
    other.write("llmhost.lock", "version = \"broken");
    other.llmhost(&["run", FILE, "--dry-run"]).status(2).says(&["llmhost.lock", "version control"]);
}
