//! What resources are known by: by what they are, and not by their places in a list.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use support::{Ran, Scene, emulator, look};

/// What a dry run would do, by address; what stays as it is left out.
fn planned(ran: &Ran) -> BTreeMap<String, String> {
    let lines = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON line"));
    let plan = lines.into_iter().find(|line| line["event"] == "plan").expect("a plan");
    let all = plan["resources"].as_object().expect("resources").iter();
    let of = |(address, resource): (&String, &Value)| {
        (address.clone(), resource["action"]["do"].as_str().unwrap().to_owned())
    };
    all.map(of).filter(|(_, action)| action != "keep").collect()
}

/// A dry run does this and nothing else; the run after it does it.
fn does(scene: &Scene, url: &str, expected: &[(&str, &str)], what: &str) {
    let plan = planned(&scene.at(url, &["run", "pipeline.toml", "--dry-run", "--json"]).status(0));
    let expected = expected.iter().map(|(address, action)| ((*address).to_owned(), (*action).to_owned())).collect();
    assert_eq!(plan, expected, "{what}");
    scene.at(url, &["run", "pipeline.toml", "--yes"]).status(0);
    scene.at(url, &["run", "pipeline.toml"]).status(0).says(&["0 changes"]);
}

fn sources(all: &[&str]) -> String {
    let all: Vec<_> = all.iter().map(|source| format!("\"{source}\"")).collect();
    format!(
        "[steps.net]\nuses = \"vpc\"\n[steps.net.with]\nname = \"src\"\nnat = \"none\"\nazs = 1\n\
         [steps.net.with.security_groups.web]\nrules = [{{ name = \"https\", port = 443, sources = [{}] }}]\n",
        all.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_more_or_less_is_its_own_rule_and_another_order_is_no_change() {
    const RULE: &str = "net/ec2.security-group-rule/web-tcp-443-from-";
    let (one, two, three) = ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24");
    let (scene, emulator) = (Scene::new(), emulator().await);
    let mut there: Vec<&str> = vec![one];
    scene.pipeline(&sources(&there));
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0);
    let lives: [&[&str]; 8] = [
        &[one, two],
        &[two, one],
        &[one, two, three],
        &[two, three],
        &[three, two],
        &[one, three],
        &[three],
        &[two, one, three],
    ];
    for next in lives {
        scene.pipeline(&sources(next));
        let name = |source: &&str| format!("{RULE}{}", source.replace('/', "-"));
        let gone = there.iter().filter(|source| !next.contains(source)).map(|source| (name(source), "delete"));
        let new = next.iter().filter(|source| !there.contains(source)).map(|source| (name(source), "create"));
        let changes: Vec<_> = gone.chain(new).collect();
        let changes: Vec<_> = changes.iter().map(|(address, action)| (address.as_str(), *action)).collect();
        does(&scene, emulator.url(), &changes, &format!("{there:?} -> {next:?}"));
        let world = look(emulator.url());
        let groups = world["network"]["security_groups"].as_array().unwrap();
        let group = groups.iter().find(|group| group["name"] == "src-web").expect("the group");
        let open: BTreeSet<_> =
            group["ingress"].as_array().unwrap().iter().map(|rule| rule[3].as_str().unwrap()).collect();
        assert_eq!(open, next.iter().copied().collect());
        there = next.to_vec();
    }
    scene.pipeline(&sources(&[one, two, one]));
    scene.llmhost(&["validate", "pipeline.toml"]).status(1).says(&[
        "rule 'https' of security_groups.web, source 203.0.113.0/24, and rule 'https' of security_groups.web, source 203.0.113.0/24,",
        "are the same security group rule",
        "remove one of them",
    ]);
    scene.at(emulator.url(), &["destroy", "pipeline.toml", "--yes"]).status(0);
}

/// Subnets and addresses, by their names: what must not move.
type Subnets = BTreeMap<String, (String, String, String)>;

fn network(url: &str) -> (Subnets, BTreeMap<String, String>) {
    let world = look(url);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let named = |thing: &Value| thing["tags"]["Name"].as_str().is_some_and(|name| name.starts_with("az-"));
    let subnets = world["network"]["subnets"].as_array().unwrap().iter().filter(|subnet| named(subnet));
    let subnets = subnets
        .map(|subnet| {
            (text(&subnet["tags"]["Name"]), (text(&subnet["id"]), text(&subnet["cidr"]), text(&subnet["zone"])))
        })
        .collect();
    let gateways = world["network"]["nat_gateways"].as_array().unwrap();
    let addresses = world["network"]["addresses"].as_array().unwrap();
    let ip = |gateway: &Value| text(&addresses.iter().find(|a| a["id"] == gateway["allocations"][0]).unwrap()["ip"]);
    (subnets, gateways.iter().map(|gateway| (text(&gateway["id"]), ip(gateway))).collect())
}

fn zones(cidr: &str, more: &str) -> String {
    format!(
        "[steps.net]\nuses = \"vpc\"\nwith = {{ name = \"az\", cidr = \"{cidr}\", {more}, cluster = \"az\", security_groups = {{}} }}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn more_zones_and_more_nat_gateways_leave_what_is_there_where_it_is() {
    for cidr in ["10.0.0.0/16", "10.8.0.0/25"] {
        let (scene, emulator) = (Scene::new(), emulator().await);
        scene.pipeline(&zones(cidr, "azs = 2, nat = \"single\""));
        scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0);
        let (mut subnets, first) = network(emulator.url());
        assert_eq!((subnets.len(), first.len()), (4, 1));
        let mut gateways = first.len();
        for (more, zones, nat) in [
            ("azs = 3, nat = \"single\"", 3, 1),
            ("azs = 4, nat = \"single\"", 4, 1),
            ("azs = 4, nat = \"per-az\"", 4, 4),
            ("zones = [\"us-east-1c\", \"us-east-1a\", \"us-east-1d\", \"us-east-1b\"], nat = \"per-az\"", 4, 4),
            ("zones = [\"us-east-1b\", \"us-east-1d\", \"us-east-1a\", \"us-east-1c\"], nat = \"single\"", 4, 1),
        ] {
            scene.pipeline(&self::zones(cidr, more));
            let plan = planned(&scene.at(emulator.url(), &["run", "pipeline.toml", "--dry-run", "--json"]).status(0));
            let moved = |(at, action): (&String, &String)| {
                action == "replace" && !at.starts_with("net/ec2.route-table-association/")
            };
            assert!(!plan.iter().any(moved), "{cidr}: {more}: {plan:?}");
            scene.at(emulator.url(), &["run", "pipeline.toml", "--yes"]).status(0);
            let (now, nats) = network(emulator.url());
            assert_eq!((now.len(), nats.len()), (2 * zones, nat), "{cidr}: {more}");
            for (name, place) in &subnets {
                assert_eq!(now.get(name), Some(place), "{cidr}: {more}");
            }
            for (id, ip) in &first {
                assert_eq!(nats.get(id), Some(ip), "{cidr}: {more}");
            }
            (subnets, gateways) = (now, nats.len());
        }
        assert_eq!(gateways, 1);
        scene.pipeline(&self::zones(cidr, "azs = 2, nat = \"single\""));
        scene.at(emulator.url(), &["destroy", "pipeline.toml", "--yes"]).status(0);
        assert_eq!(network(emulator.url()), (BTreeMap::new(), BTreeMap::new()));
    }
}

#[test]
fn zones_without_room_are_refused_before_anything_is_made() {
    let scene = Scene::new();
    scene.pipeline(&zones("10.8.0.0/25", "azs = 5"));
    scene.llmhost(&["validate", "pipeline.toml"]).status(1).says(&["has room for the subnets (/28) of zones a to d"]);
    let stated = "subnets = { us-east-1e = { public = \"10.8.0.16/28\", private = \"10.8.0.32/28\" } }";
    scene.pipeline(&zones("10.8.0.0/25", stated));
    scene.llmhost(&["validate", "pipeline.toml"]).status(0);
}

/// A cluster with these admins; the last of three roles is given by its step.
fn admins(all: &[&str]) -> String {
    let all: Vec<_> = all.iter().map(|admin| format!("\"{admin}\"")).collect();
    format!(
        r#"
        [steps.net]
        uses = "vpc"
        with = {{ name = "a", nat = "none", security_groups = {{}} }}
        [steps.roles]
        uses = "iam"
        with = {{ node_role = false, cluster_role = "a-cluster", roles = {{ ops = {{ principals = ["arn:aws:iam::123456789012:root"] }}, dev = {{ principals = ["arn:aws:iam::123456789012:root"] }} }} }}
        [steps.cluster]
        uses = "eks"
        with = {{ name = "a", role_arn = "${{roles.cluster_role_arn}}", subnet_ids = "${{net.subnet_ids}}", addons = {{}}, oidc_provider = false, admins = [{}] }}
        "#,
        all.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_of_three_admins_goes_and_the_others_stay() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    // One by its ARN, two by what the step of their roles gives.
    let (arn, ops, dev) =
        ("arn:aws:iam::123456789012:role/a-cluster", "${roles.role_arns.ops}", "${roles.role_arns.dev}");
    scene.pipeline(&admins(&[arn, ops, dev]));
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0);
    let entries = |expected: &[&str]| {
        let world = look(emulator.url());
        let all: BTreeSet<String> = world["clusters"]["a"]["entries"].as_object().unwrap().keys().cloned().collect();
        let expected = expected.iter().map(|name| format!("arn:aws:iam::123456789012:role/{name}"));
        let missing: Vec<_> = expected.filter(|arn| !all.contains(arn)).collect();
        assert!(missing.is_empty(), "{missing:?} of {all:?}");
        all.len()
    };
    let three = entries(&["a-cluster", "ops", "dev"]);
    scene.pipeline(&admins(&[dev, arn, ops]));
    does(&scene, emulator.url(), &[], "another order");
    scene.pipeline(&admins(&[arn, ops]));
    let plan = planned(&scene.at(emulator.url(), &["run", "pipeline.toml", "--dry-run", "--json"]).status(0));
    assert_eq!(plan.values().collect::<Vec<_>>(), ["delete"], "{plan:?}");
    assert!(plan.keys().all(|at| at.starts_with("cluster/eks.access-entry/roles.role_arns.dev-")), "{plan:?}");
    scene.at(emulator.url(), &["run", "pipeline.toml", "--yes"]).status(0);
    assert_eq!(entries(&["a-cluster", "ops"]), three - 1);
    scene.pipeline(&admins(&[ops, arn, ops]));
    scene
        .llmhost(&["validate", "pipeline.toml"])
        .status(1)
        .says(&["admins[0] and admins[2] are the same access entry (${roles.role_arns.ops}); remove one of them"]);
    scene.pipeline(&admins(&[ops, arn]));
    scene.at(emulator.url(), &["destroy", "pipeline.toml", "--yes"]).status(0);
}

/// A role with these policies, and statements in this order.
fn role(policies: &[&str], statements: &[&str]) -> String {
    let policies: Vec<_> = policies.iter().map(|name| format!("\"{name}\"")).collect();
    let statements: Vec<_> = statements
        .iter()
        .map(|action| format!("{{ Effect = \"Allow\", Action = \"{action}\", Resource = \"*\" }}"))
        .collect();
    format!(
        "[steps.roles]\nuses = \"iam\"\n[steps.roles.with]\ncluster_role = false\nnode_role = false\n\
         [steps.roles.with.policies.own]\ndocument = {{ Version = \"2012-10-17\", Statement = [{statements}] }}\n\
         [steps.roles.with.roles.worker]\nservices = [\"ec2.amazonaws.com\", \"lambda.amazonaws.com\"]\npolicies = [{}]\n",
        policies.join(", "),
        statements = statements.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_of_a_role_and_statements_of_a_policy_have_no_order() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let (reads, ssm) =
        ("arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess", "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore");
    scene.pipeline(&role(&["own", reads, ssm], &["s3:GetObject", "s3:ListBucket", "sqs:*"]));
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0);
    scene.pipeline(&role(&[ssm, "own", reads], &["sqs:*", "s3:GetObject", "s3:ListBucket"]));
    scene.edit(
        "pipeline.toml",
        "[\"ec2.amazonaws.com\", \"lambda.amazonaws.com\"]",
        "[\"lambda.amazonaws.com\", \"ec2.amazonaws.com\"]",
    );
    does(&scene, emulator.url(), &[], "another order");
    scene.pipeline(&role(&[ssm, reads], &["s3:GetObject", "s3:ListBucket", "sqs:*"]));
    does(&scene, emulator.url(), &[("roles/iam.role/worker", "update")], "one policy less");
    let attached = look(emulator.url())["identity"]["roles"]["worker"]["attached"].clone();
    assert_eq!(attached.as_array().unwrap().len(), 2, "{attached}");
    scene.pipeline(&role(&[ssm, reads, ssm], &["sqs:*"]));
    scene
        .llmhost(&["validate", "pipeline.toml"])
        .status(1)
        .says(&["roles.worker.policies[0] and roles.worker.policies[2] are the same policy", "remove one of them"]);
    scene.pipeline(&role(&[ssm, reads], &["sqs:*"]));
    scene.at(emulator.url(), &["destroy", "pipeline.toml", "--yes"]).status(0);
}
