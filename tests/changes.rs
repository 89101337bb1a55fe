//! Changes that other tools made a mess of, and inputs that are half done: each is done as it was meant, or refused with
//! what to do, and nothing is lost.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{Scene, emulator, look, look_after};

const FILE: &str = "pipeline.toml";

/// A role with a managed policy of the pipeline's own.
fn attached(name: &str, description: &str) -> String {
    format!(
        r#"[steps.r]
uses = "iam"
[steps.r.with]
cluster_role = false
node_role = false
[steps.r.with.roles.app]
name = "att-app"
services = ["ec2.amazonaws.com"]
policies = ["read"]
[steps.r.with.policies.read]
name = "{name}"
description = "{description}"
document = {{ Version = "2012-10-17", Statement = [{{ Effect = "Allow", Action = "s3:Get*", Resource = "*" }}] }}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_attached_is_replaced_and_attached_again() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    let arn = |name: &str| json!([format!("arn:aws:iam::123456789012:policy/{name}")]);
    let policies = || look(url)["identity"]["roles"]["att-app"]["attached"].clone();
    scene.pipeline(&attached("att-read", "one"));
    scene.at(url, &["run", FILE]).status(0);
    assert_eq!(policies(), arn("att-read"));

    // Under the same name: the old one goes first, and the role lets go of it meanwhile.
    scene.pipeline(&attached("att-read", "two"));
    scene
        .at(url, &["run", FILE, "--dry-run"])
        .status(0)
        .says(&["the old one is deleted first", "do not have policy 'att-read'"]);
    scene.at(url, &["run", FILE, "--yes"]).status(0).says(&["1 updated, 1 replaced"]);
    assert_eq!(policies(), arn("att-read"));
    scene.at(url, &["run", FILE, "--refresh", "--dry-run", "--exit-code"]).status(0);

    // Under another name: the new one is there first.
    scene.pipeline(&attached("att-read-v2", "two"));
    scene.at(url, &["run", FILE, "--dry-run"]).status(0).says(&["the new one is created first"]);
    scene.at(url, &["run", FILE, "--yes"]).status(0).says(&["1 updated, 1 replaced"]);
    assert_eq!(policies(), arn("att-read-v2"));
    scene.at(url, &["drift", FILE, "--exit-code"]).status(0);
    scene.at(url, &["run", FILE, "--dry-run", "--exit-code"]).status(0);
    scene.at(url, &["destroy", FILE, "--yes"]).status(0).says(&["2 deleted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_grows_over_its_limit_changes_nothing_and_fits_again_as_it_was() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    let bucket = "b".repeat(40);
    let of = |count: usize| -> Vec<Value> {
        let resource = |i: usize| format!("arn:aws:s3:::{bucket}-{i:04}/*");
        (0..count).map(|i| json!({ "Effect": "Allow", "Action": "s3:GetObject", "Resource": resource(i) })).collect()
    };
    let length = |count: usize| json!({ "Version": "2012-10-17", "Statement": of(count) }).to_string().len();
    let most = (1..).take_while(|count| length(*count) <= 6144).last().unwrap();
    let write = |count: usize| {
        let all: Vec<String> = of(count)
            .iter()
            .map(|one| format!("{{ Effect = \"Allow\", Action = \"s3:GetObject\", Resource = {} }}", one["Resource"]))
            .collect();
        let one = "[{ Effect = \"Allow\", Action = \"s3:Get*\", Resource = \"*\" }]";
        scene.pipeline(&attached("att-read", "one").replace(one, &format!("[{}]", all.join(", "))));
    };
    // As many as fit as they are written: what is sent is not longer.
    write(most);
    scene.at(url, &["run", FILE]).status(0);
    let before = look(url);
    write(most + 1);
    let over = format!(
        "has {} characters, white space not counted: {} more than the 6144",
        length(most + 1),
        length(most + 1) - 6144
    );
    for command in [&["validate", FILE][..], &["run", FILE, "--yes"]] {
        scene.at(url, command).status(1).says(&["r/iam.policy/read", &over, "Move statements into a second policy."]);
    }
    assert_eq!(look(url), before);
    write(most);
    scene.at(url, &["run", FILE, "--refresh", "--dry-run", "--exit-code"]).status(0);
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_that_other_tools_gave_are_neither_drift_nor_taken_away() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    let steps = |tags: &str| {
        format!(
            "[steps.net]\nuses = \"vpc\"\nwith = {{ name = \"vt\", nat = \"none\", azs = 1, security_groups = {{}}, tags = {{ {tags} }} }}\n\
             [steps.b]\nuses = \"s3\"\nwith = {{ bucket = \"vt-bucket\", force_destroy = true, tags = {{ {tags} }} }}\n\
             [steps.r]\nuses = \"iam\"\nwith = {{ cluster_role = \"vt-role\", node_role = false, tags = {{ {tags} }} }}\n"
        )
    };
    scene.pipeline(&steps("team = \"ml\""));
    scene.at(url, &["run", FILE]).status(0);
    let vpc = || {
        let world = look(url);
        let all = world["network"]["vpcs"].as_array().unwrap().clone();
        all.into_iter().find(|vpc| vpc["tags"]["Name"] == "vt").unwrap()
    };
    let tags = || {
        let world = look(url);
        [
            vpc()["tags"].clone(),
            world["storage"][0]["tags"].clone(),
            world["identity"]["roles"]["vt-role"]["tags"].clone(),
        ]
    };
    look_after(url, &["tag-vpc", vpc()["id"].as_str().unwrap(), "cost-centre", "42"]);
    look_after(url, &["tag-bucket", "vt-bucket", "cost-centre", "42"]);
    look_after(url, &["tag-role", "vt-role", "cost-centre", "42"]);
    scene.at(url, &["drift", FILE, "--exit-code"]).status(0);
    scene.at(url, &["run", FILE, "--refresh", "--yes"]).status(0).says(&["No changes"]);

    // The pipeline's own come, change and go beside them.
    for (file, own) in
        [("team = \"ml\", env = \"a\"", Some("a")), ("team = \"ml\", env = \"b\"", Some("b")), ("team = \"ml\"", None)]
    {
        scene.pipeline(&steps(file));
        scene.at(url, &["run", FILE, "--yes"]).status(0);
        for found in tags() {
            assert_eq!(found["cost-centre"], "42", "{found}");
            assert_eq!(found.get("env").and_then(Value::as_str), own, "{found}");
        }
        scene.at(url, &["drift", FILE, "--exit-code"]).status(0);
    }
    // One of the pipeline's own that somebody changes is drift all the same.
    look_after(url, &["tag-vpc", vpc()["id"].as_str().unwrap(), "team", "another"]);
    scene.at(url, &["drift", FILE, "--exit-code"]).status(3).says(&["tags.team"]);
    scene.at(url, &["run", FILE, "--refresh", "--yes"]).status(0).says(&["1 updated"]);
    assert_eq!((&vpc()["tags"]["team"], &vpc()["tags"]["cost-centre"]), (&json!("ml"), &json!("42")));
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_that_is_half_done_is_said_or_ended_and_nothing_is_made_anew() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    scene.pipeline(
        r#"[steps.roles]
uses = "iam"
with = { cluster_role = "hr-c", node_role = false }
[steps.net]
uses = "vpc"
with = { name = "hr", nat = "none", cluster = "hr", security_groups = {} }
[steps.cluster]
uses = "eks"
with = { name = "hr", role_arn = "${roles.cluster_role_arn}", subnet_ids = "${net.subnet_ids}", endpoint = "private" }
"#,
    );
    scene.at(url, &["run", FILE]).status(0);
    let ids = || {
        let world = look(url);
        let of = |what: &str| -> Vec<Value> {
            world["network"][what].as_array().unwrap().iter().map(|thing| thing["id"].clone()).collect()
        };
        [of("vpcs"), of("subnets"), of("route_tables")]
    };
    let before = ids();

    // In the file: a reference still has the old name.
    scene.edit(FILE, "[steps.roles]", "[steps.identity]");
    for command in [&["validate", FILE][..], &["run", FILE, "--yes"], &["destroy", FILE, "--yes"]] {
        scene.at(url, command).status(2).says(&[
            "there is no step 'roles'",
            "the steps of this file are identity, net, cluster",
            "write its new name here too",
        ]);
    }
    scene.edit(FILE, "[steps.identity]", "[steps.roles]");

    // In the state: one resource is moved, and the rest of its step is not.
    let whole = |words: &[&str]| {
        let plan = scene.at(url, &["run", FILE, "--dry-run"]).status(0);
        plan.says(words);
        let is_summary = |line: &&str| line.starts_with("Plan:") || line.starts_with("No changes");
        let counts = plan.stdout.lines().find(is_summary).unwrap();
        let nothing = counts.starts_with("No changes")
            || counts.contains("0 to create") && counts.contains("0 to replace, 0 to delete");
        assert!(nothing, "{}", plan.stdout);
    };
    scene.llmhost(&["state", "mv", FILE, "net/ec2.vpc/main", "network/ec2.vpc/main"]).status(0);
    whole(&["network/ec2.vpc/main -> net/ec2.vpc/main"]);
    scene.edit(FILE, "[steps.net]", "[steps.network]");
    scene.edit(FILE, "${net.subnet_ids}", "${network.subnet_ids}");
    whole(&["net/ec2.route-table/public -> network/ec2.route-table/public"]);
    scene.at(url, &["run", FILE, "--yes"]).status(0);
    scene.at(url, &["run", FILE, "--dry-run", "--exit-code"]).status(0);
    assert_eq!(ids(), before);
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_was_deleted_while_a_node_of_its_own_runs_on_is_said_with_what_holds_it() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    let empty = emulator.inventory("us-east-1").unwrap();
    scene.pipeline(
        r#"[steps.net]
uses = "vpc"
with = { name = "cl", cluster = "cl", nat = "none", azs = 2, security_groups = {} }
[steps.roles]
uses = "iam"
with = { cluster_role = "cl-c", node_role = "cl-n" }
[steps.cluster]
uses = "eks"
with = { name = "cl", role_arn = "${roles.cluster_role_arn}", subnet_ids = "${net.subnet_ids}", endpoint = "private" }
[steps.nodes]
uses = "nodegroup"
with = { name = "ng", cluster = "${cluster.name}", role_arn = "${roles.node_role_arn}", subnet_ids = "${net.public_subnet_ids}", instance_types = ["t3.large"] }
"#,
    );
    scene.at(url, &["run", FILE]).status(0);
    look_after(url, &["delete-cluster", "cl"]);
    look_after(url, &["leave-node", "cl", "cl-private-a"]);
    scene
        .at(url, &["drift", FILE, "--exit-code"])
        .status(3)
        .says(&["cluster/eks.cluster/main", "nodes/eks.node-group/main"]);
    let stopped = scene.at(url, &["destroy", FILE, "--yes", "--wait-timeout", "2"]).status(1);
    stopped.says(&[
        "net/ec2.subnet/private-a",
        "in use by the instance i-",
        "run the same command again; it continues from here",
    ]);
    scene.llmhost(&["status", FILE]).status(0).says(&["net/ec2.subnet/private-a", "net/ec2.vpc/main"]);
    look_after(url, &["end-nodes"]);
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
    let left: Vec<_> = emulator.inventory("us-east-1").unwrap().difference(&empty).cloned().collect();
    assert!(left.is_empty(), "still there: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_a_step_repeats_is_one_tag() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    scene.write(
        FILE,
        r#"[pipeline]
name = "tags"
region = "us-east-1"
tags = { env = "dev", owner = "ml" }
[steps.net]
uses = "vpc"
with = { name = "tg", azs = 2, nat = "none", tags = { env = "dev" } }
[steps.roles]
uses = "iam"
with = { cluster_role = "tg-cluster", node_role = "tg-node", tags = { env = "dev" } }
[steps.cluster]
uses = "eks"
with = { name = "tg", role_arn = "${roles.cluster_role_arn}", subnet_ids = "${net.subnet_ids}", endpoint = "private", tags = { env = "dev" } }
[steps.nodes]
uses = "nodegroup"
with = { name = "ng", cluster = "${cluster.name}", role_arn = "${roles.node_role_arn}", subnet_ids = "${net.public_subnet_ids}", instance_types = ["t3.large"], tags = { env = "dev" } }
[steps.b]
uses = "s3"
with = { bucket = "tg-bucket-1", force_destroy = true, tags = { env = "dev" } }
"#,
    );
    scene.at(url, &["run", FILE]).status(0);
    scene.at(url, &["run", FILE, "--refresh", "--yes"]).status(0).says(&["No changes"]);
    // Without the step's own the pipeline's are the same: no change.
    scene.edit(FILE, "tags = { env = \"dev\" }", "tags = {}");
    scene.at(url, &["run", FILE, "--dry-run", "--exit-code"]).status(0);
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_works_in_the_cluster_of_another_pipeline_by_its_name() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    let empty = emulator.inventory("us-east-1").unwrap();
    scene.write(
        "platform.toml",
        r#"[pipeline]
name = "platform"
region = "us-east-1"
[steps.net]
uses = "vpc"
with = { name = "pl", cluster = "pl", security_groups = {} }
[steps.roles]
uses = "iam"
with = { cluster_role = "pl-cluster", node_role = "pl-node" }
[steps.cluster]
uses = "eks"
with = { name = "pl", role_arn = "${roles.cluster_role_arn}", subnet_ids = "${net.subnet_ids}", endpoint = "public", public_access_cidrs = ["203.0.113.0/24"] }
[steps.nodes]
uses = "nodegroup"
with = { name = "ng", cluster = "${cluster.name}", role_arn = "${roles.node_role_arn}", subnet_ids = "${net.private_subnet_ids}", instance_types = ["g5.xlarge"] }
"#,
    );
    let team = |identity: &str| {
        format!(
            r#"[pipeline]
name = "team-a"
region = "us-east-1"
[steps.m]
uses = "s3"
with = {{ bucket = "team-a-models", force_destroy = true }}
[steps.id]
uses = "irsa"
with = {{ cluster = "pl", namespace = "team-a", service_account = "s", {identity} bucket = "${{m.bucket}}" }}
[steps.server]
uses = "inference"
with = {{ cluster = "pl", namespace = "${{id.namespace}}", service_account = "${{id.service_account}}", image = "example.org/llmhost:1", model = "s3://${{m.bucket}}/x", device = "cuda" }}
"#
        )
    };
    scene.write("irsa.toml", team(""));
    scene
        .llmhost(&["validate", "irsa.toml"])
        .status(1)
        .says(&["oidc_provider_arn is missing", "or use mode = \"pod-identity\""]);
    scene.write("team.toml", team("mode = \"pod-identity\","));
    scene.at(url, &["validate", "team.toml", "--online"]).status(1).says(&["there is no cluster 'pl' in us-east-1"]);
    scene.at(url, &["run", "platform.toml"]).status(0);
    scene.at(url, &["validate", "team.toml", "--online"]).status(0);
    scene.at(url, &["run", "team.toml"]).status(0);
    scene.at(url, &["run", "team.toml", "--refresh", "--dry-run", "--exit-code"]).status(0);
    let world = look(url);
    assert!(world["objects"]["pl"].to_string().contains("team-a"), "{}", world["objects"]["pl"]);
    scene.at(url, &["destroy", "team.toml", "--yes"]).status(0);
    scene.at(url, &["drift", "platform.toml", "--exit-code"]).status(0);
    scene.at(url, &["destroy", "platform.toml", "--yes"]).status(0);
    let left: Vec<_> = emulator.inventory("us-east-1").unwrap().difference(&empty).cloned().collect();
    assert!(left.is_empty(), "still there: {left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_another_pipeline_or_environment_is_refused_by_every_command() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    let file = |name: &str| {
        format!(
            "[vars.env]\ndefault = \"dev\"\n[pipeline]\nname = \"{name}\"\nregion = \"us-east-1\"\n\
             [steps.b]\nuses = \"s3\"\nwith = {{ bucket = \"one-${{vars.env}}\", force_destroy = true }}\n"
        )
    };
    scene.write("env.toml", file("llm-${vars.env}"));
    scene.write("other.toml", file("other"));
    scene.at(url, &["run", "env.toml", "--state", "st"]).status(0);
    let (before, state) = (look(url), std::fs::read(scene.path("st/state.json")).unwrap());
    for (file, more, name) in [("env.toml", &["--var", "env=prod"][..], "llm-prod"), ("other.toml", &[], "other")] {
        for command in [
            &["run", file, "--dry-run"][..],
            &["run", file, "--yes"],
            &["destroy", file, "--yes"],
            &["drift", file],
            &["validate", file],
            &["status", file],
            &["import", file, "--all"],
            &["state", "list", file],
        ] {
            let args = [command, &["--state", "st"], more].concat();
            scene.at(url, &args).status(1).says(&[
                &format!("the state st/state.json belongs to the pipeline 'llm-dev', not to '{name}'"),
                "Nothing was changed.",
                "give it a state of its own with --state",
            ]);
        }
    }
    assert_eq!((look(url), std::fs::read(scene.path("st/state.json")).unwrap()), (before, state));
    scene.at(url, &["destroy", "env.toml", "--state", "st", "--yes"]).status(0).says(&["1 deleted"]);
}
