//! `llmhost run` and `destroy` on an emulator, seen by an independent client.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use llmhost_emulator::testing::RecordingProxy;
use serde_json::{Value, json};
use support::{Scene, emulator, look, look_after};

const FILE: &str = "network-and-storage.toml";

fn of<'a>(world: &'a Value, what: &str, vpc: &str) -> Vec<&'a Value> {
    let all = world["network"][what].as_array().expect("a list");
    all.iter().filter(|thing| thing["vpc"] == vpc || thing["id"] == vpc).collect()
}

fn vpc(world: &Value) -> &Value {
    let all = world["network"]["vpcs"].as_array().expect("a list");
    let ours: Vec<_> = all.iter().filter(|vpc| vpc["default"] == false).collect();
    assert_eq!(ours.len(), 1, "{ours:?}");
    ours[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_client_finds_the_network_as_stated() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    scene.at(emulator.url(), &["run", FILE]).status(0);
    let world = look(emulator.url());
    let vpc = vpc(&world);
    assert_eq!(
        (&vpc["cidr"], &vpc["dns_support"], &vpc["dns_hostnames"]),
        (&json!("10.0.0.0/16"), &json!(true), &json!(true))
    );
    assert_eq!(vpc["tags"]["Name"], "llm-vpc");
    assert_eq!(vpc["tags"]["team"], "ml");
    let id = vpc["id"].as_str().expect("an id");

    let subnets = of(&world, "subnets", id);
    let seen: BTreeSet<_> = subnets
        .iter()
        .map(|s| (s["cidr"].as_str().unwrap(), s["public"].as_bool().unwrap(), s["zone"].as_str().unwrap()))
        .collect();
    let expected = [
        ("10.0.1.0/24", true, "us-east-1a"),
        ("10.0.2.0/24", false, "us-east-1a"),
        ("10.0.3.0/24", true, "us-east-1b"),
        ("10.0.4.0/24", false, "us-east-1b"),
    ];
    assert_eq!(seen, expected.into_iter().collect());
    for subnet in &subnets {
        let role = if subnet["public"] == true { "kubernetes.io/role/elb" } else { "kubernetes.io/role/internal-elb" };
        assert_eq!(subnet["tags"][role], "1", "{subnet}");
        assert_eq!(subnet["tags"]["kubernetes.io/cluster/llm-cluster"], "shared", "{subnet}");
    }
    let cidr_of: BTreeMap<_, _> =
        subnets.iter().map(|s| (s["id"].as_str().unwrap(), s["cidr"].as_str().unwrap())).collect();

    let gateways = world["network"]["internet_gateways"].as_array().unwrap();
    let gateway = gateways.iter().find(|g| g["vpcs"] == json!([id])).expect("an internet gateway on the VPC");
    let nat = &world["network"]["nat_gateways"][0];
    assert_eq!(cidr_of[nat["subnet"].as_str().unwrap()], "10.0.1.0/24", "the NAT gateway stands in a public subnet");
    let mut routed = BTreeMap::new();
    for table in of(&world, "route_tables", id) {
        for subnet in table["subnets"].as_array().unwrap() {
            routed.insert(cidr_of[subnet.as_str().unwrap()], table["routes"]["0.0.0.0/0"].as_str().unwrap_or("none"));
        }
    }
    let (igw, nat) = (gateway["id"].as_str().unwrap(), nat["id"].as_str().unwrap());
    let expected = [("10.0.1.0/24", igw), ("10.0.2.0/24", nat), ("10.0.3.0/24", igw), ("10.0.4.0/24", nat)];
    assert_eq!(routed, expected.into_iter().collect());

    let endpoints = of(&world, "endpoints", id);
    assert_eq!((endpoints.len(), &endpoints[0]["service"]), (1, &json!("com.amazonaws.us-east-1.s3")));
    let groups = of(&world, "security_groups", id);
    let group = groups.iter().find(|group| group["name"] != "default").expect("a security group");
    let ports: Vec<_> = group["ingress"].as_array().unwrap().iter().map(|rule| rule[0].as_u64().unwrap()).collect();
    assert_eq!(ports, [22, 80, 443, 3000, 5000, 8000]);
    assert!(group["ingress"].as_array().unwrap().iter().all(|rule| rule[3] == "10.0.0.0/16"), "{group}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_client_finds_a_locked_bucket_with_the_model_in_it() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    scene.at(emulator.url(), &["run", FILE, "--var", "bucket=another-bucket"]).status(0);
    let world = look(emulator.url());
    let bucket = &world["storage"][0];
    assert_eq!(bucket["name"], "another-bucket");
    let blocked = &bucket["public_access"]["PublicAccessBlockConfiguration"];
    for part in ["BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"] {
        assert_eq!(blocked[part], true, "{part}");
    }
    assert_eq!(bucket["versioning"]["Status"], "Enabled");
    assert!(bucket["encryption"].to_string().contains("AES256"), "{bucket}");
    assert_eq!(bucket["tags"]["team"], "ml");
    let objects: Vec<_> = bucket["objects"].as_object().unwrap().keys().collect();
    let files = std::fs::read_dir(scene.path("models/demo")).unwrap().flatten();
    let mut files: Vec<_> = files.map(|file| format!("models/demo/{}", file.file_name().display())).collect();
    files.sort();
    assert_eq!(objects, files.iter().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_changes_nothing_and_destroy_leaves_nothing() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let before = look(emulator.url());
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    scene.at(proxy.url(), &["run", FILE]).status(0);
    assert!(proxy.mutating() > 20, "{} mutating requests", proxy.mutating());
    proxy.forget();
    scene.at(proxy.url(), &["run", FILE]).status(0).says(&["No changes", "0 changes"]);
    assert_eq!(proxy.mutating(), 0, "{:?}", proxy.requests());
    scene.at(proxy.url(), &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(emulator.url()), before);
    assert!(scene.llmhost(&["status", FILE]).status(0).stdout.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_cidr_replaces_its_subnet_and_what_hangs_on_it_and_a_changed_tag_updates() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    scene.at(emulator.url(), &["run", FILE]).status(0);
    scene.edit(FILE, r#"nat = "single","#, r#"nat = "single", private_subnets = ["10.0.2.0/24", "10.0.40.0/24"],"#);
    let plan = scene.llmhost(&["run", FILE, "--dry-run", "--json"]).status(0);
    let lines = plan.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("a JSON line"));
    let plan = lines.into_iter().find(|line| line["event"] == "plan").expect("a plan");
    let changed: BTreeMap<_, _> = plan["resources"]
        .as_object()
        .expect("resources")
        .iter()
        .filter(|(_, resource)| resource["action"]["do"] != "keep")
        .map(|(address, resource)| (address.as_str(), resource["action"]["do"].as_str().unwrap()))
        .collect();
    let expected =
        [("network/ec2.route-table-association/private-b", "replace"), ("network/ec2.subnet/private-b", "replace")];
    assert_eq!(changed, expected.into_iter().collect());

    scene.at(emulator.url(), &["run", FILE]).status(1).says(&["2 to replace", "--yes"]);
    scene.at(emulator.url(), &["run", FILE, "--yes"]).status(0).says(&["2 replaced"]);
    let world = look(emulator.url());
    let id = vpc(&world)["id"].as_str().unwrap();
    assert!(of(&world, "subnets", id).iter().any(|subnet| subnet["cidr"] == "10.0.40.0/24"));
    assert_eq!(of(&world, "subnets", id).len(), 4);

    scene.edit(FILE, r#"team = "ml""#, r#"team = "platform""#);
    scene.llmhost(&["run", FILE, "--dry-run"]).status(0).says(&[
        "0 to create",
        "0 to replace",
        r#""ml" -> "platform""#,
    ]);
    scene.at(emulator.url(), &["run", FILE]).status(0);
    assert_eq!(vpc(&look(emulator.url()))["tags"]["team"], "platform");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_keeps_its_name_under_another_path_is_made_when_the_old_one_is_gone() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let steps = "[steps.roles]\nuses = \"iam\"\nwith = { cluster_role = \"C\", node_role = \"N\", path = \"/a/\" }\n";
    scene.pipeline(steps);
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0);
    scene.edit("pipeline.toml", "/a/", "/b/");
    scene.at(emulator.url(), &["run", "pipeline.toml", "--dry-run"]).status(0).says(&["the old one is deleted first"]);
    scene.at(emulator.url(), &["run", "pipeline.toml", "--yes"]).status(0).says(&["2 replaced"]);
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0).says(&["0 changes"]);
    let roles = &look(emulator.url())["identity"]["roles"];
    assert!(roles["N"]["arn"].as_str().unwrap().ends_with(":role/b/N"), "{roles}");
    scene.at(emulator.url(), &["destroy", "pipeline.toml", "--yes"]).status(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_asks_nobody_and_writes_nothing() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    scene.at(proxy.url(), &["run", FILE, "--dry-run"]).status(0);
    assert!(proxy.requests().is_empty(), "{:?}", proxy.requests());
    let ran = scene.llmhost(&["run", FILE, "--dry-run"]).status(0);
    ran.says(&["known after apply", "to create"]);
    scene.llmhost(&["run", FILE, "--dry-run", "--exit-code"]).status(3);
    assert!(!scene.path(".llmhost").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulator_is_kept_used_again_and_stopped() {
    let scene = Scene::with_examples();
    scene
        .llmhost(&["run", FILE, "--emulate-keep"])
        .status(0)
        .says(&["The emulator keeps running", "llmhost destroy FILE --emulate"]);
    let kept =
        std::fs::read_to_string(scene.path(".llmhost/network-and-storage/emulator/emulator.json")).expect("kept");
    let kept: Value = serde_json::from_str(&kept).expect("JSON");
    let url = kept["url"].as_str().expect("an address").to_owned();
    assert_eq!(look(&url)["storage"][0]["name"], "llmhost-demo-models");
    scene.llmhost(&["run", FILE, "--emulate-keep"]).status(0).says(&["No changes"]);
    scene.llmhost(&["destroy", FILE, "--emulate"]).status(0);
    assert!(std::net::TcpStream::connect(url.trim_start_matches("http://")).is_err(), "the emulator is stopped");
    scene.llmhost(&["destroy", FILE, "--emulate"]).status(1).says(&["there is no kept emulator"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_nowhere_but_in_the_requests() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let ran = scene.at(emulator.url(), &["run", FILE, "--graph", "plan.html"]).status(0);
    let json = scene.at(emulator.url(), &["run", FILE, "--json"]).status(0);
    let mut texts = vec![ran.stdout, ran.stderr, json.stdout, json.stderr];
    let mut folders = vec![scene.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path())
            } else {
                texts.push(String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned())
            }
        }
    }
    assert!(texts.len() > 6, "the state and the graph are among them");
    for text in texts {
        assert!(!text.contains(support::ACCESS_KEY) && !text.contains(support::SECRET_KEY), "{text}");
    }
    // Something changed behind its back is not this run's to see; it reads nothing it need not.
    let world = look(emulator.url());
    let id = vpc(&world)["id"].as_str().unwrap();
    assert_eq!(vpc(&look_after(emulator.url(), &["tag-vpc", id, "seen", "yes"]))["tags"]["seen"], "yes");
}
