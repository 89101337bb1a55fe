//! What a change interrupts is said in the plan, before anything is asked or done.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use serde_json::Value;
use support::{Scene, emulator, look};

const FILE: &str = "pipeline.toml";
const STEPS: &str = r#"
[steps.net]
uses = "vpc"
with = { name = "sw", cluster = "sw", security_groups = {} }
[steps.roles]
uses = "iam"
with = { cluster_role = "sw-cluster", node_role = "sw-node" }
[steps.cluster]
uses = "eks"
with = { name = "sw", role_arn = "${roles.cluster_role_arn}", subnet_ids = "${net.subnet_ids}", endpoint = "public", public_access_cidrs = ["203.0.113.0/24"] }
[steps.nodes]
uses = "nodegroup"
with = { name = "gpu", cluster = "${cluster.name}", role_arn = "${roles.node_role_arn}", subnet_ids = "${net.private_subnet_ids}", instance_types = ["g4dn.xlarge"], disk_gib = 100 }
[steps.m]
uses = "s3"
with = { bucket = "sw-models-1", force_destroy = true }
[steps.id]
uses = "irsa"
with = { cluster = "${cluster.name}", namespace = "models", service_account = "s", oidc_provider_arn = "${cluster.oidc_provider_arn}", oidc_issuer = "${cluster.oidc_issuer}", bucket = "${m.bucket}" }
[steps.server]
uses = "inference"
with = { cluster = "${cluster.name}", namespace = "${id.namespace}", service_account = "${id.service_account}", image = "example.org/llmhost:1", model = "s3://${m.bucket}/m", device = "cuda", node_selector = { "eks.amazonaws.com/nodegroup" = "${nodes.name}" } }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_are_gone_or_rolled_and_pods_that_are_restarted_are_said_before() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(STEPS);
    let first = scene.at(emulator.url(), &["run", FILE]).status(0);
    assert!(!first.stdout.contains("interrupt"), "what is made interrupts nothing: {}", first.stdout);
    let plan = || scene.at(emulator.url(), &["run", FILE, "--dry-run"]).status(0);
    for (from, to, words) in [
        // Other machines under the same name: the old ones have to go first.
        (
            "g4dn.xlarge",
            "g5.xlarge",
            &[
                "± nodes/eks.node-group/main",
                "! the nodes of group 'gpu' are deleted before the new ones are ready, usually 3 to 5 minutes: pods \
                    that need them do not run until then",
                "1 change interrupts something",
            ][..],
        ),
        // A larger disk and a tag of the instances are a new version of the launch template.
        (
            "disk_gib = 100",
            "disk_gib = 200",
            &["! rolls its nodes: each node is drained and replaced, 1 node at a time"],
        ),
        (
            "disk_gib = 100",
            "disk_gib = 100, tags = { team = \"ml\" }",
            &["! rolls its nodes: each node is drained and replaced, 1 node at a time"],
        ),
        (
            "example.org/llmhost:1",
            "example.org/llmhost:2",
            &["! stops its pods before new ones are ready: nothing answers until these are"],
        ),
    ] {
        scene.edit(FILE, from, to);
        plan().says(words);
        scene.edit(FILE, to, from);
    }
    // No more than that: another size rolls nothing.
    scene.edit(FILE, "disk_gib = 100", "disk_gib = 100, max = 5");
    let more = plan();
    assert!(!more.stdout.contains('!') && more.stdout.contains("1 to update"), "{}", more.stdout);
    scene.edit(FILE, "disk_gib = 100, max = 5", "disk_gib = 100");

    // Programs read the same, and the question counts it.
    scene.edit(FILE, "g4dn.xlarge", "g5.xlarge");
    let json = scene.at(emulator.url(), &["run", FILE, "--dry-run", "--json"]).status(0);
    let events = json.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let plan = events.into_iter().find(|event| event["event"] == "plan").unwrap();
    let sentence = plan["resources"]["nodes/eks.node-group/main"]["interrupts"].as_str().unwrap();
    assert!(sentence.contains("are deleted before"), "{sentence}");
    let asked = scene.at(emulator.url(), &["run", FILE]).status(1);
    asked.says(&[
        "1 change interrupts something. Replace 1 resource in account 123456789012, region us-east-1",
        "needs --yes",
    ]);
    scene.at(emulator.url(), &["run", FILE, "--yes"]).status(0).says(&["1 replaced"]);

    // Under another name: what becomes of the nodes is said, whichever comes first.
    scene.edit(FILE, "name = \"gpu\"", "name = \"gpu-v2\"");
    let renamed = scene.at(emulator.url(), &["run", FILE, "--dry-run"]).status(0);
    renamed.says(&[
        "± eks.node-group/main",
        "the nodes are cordoned and drained, for at most 15 minutes",
        "! stops its pods before new ones are ready: nothing answers until these are",
    ]);
    scene.at(emulator.url(), &["run", FILE, "--yes"]).status(0);
    let groups = look(emulator.url())["clusters"]["sw"]["node_groups"].clone();
    assert_eq!(groups.as_object().unwrap().keys().collect::<Vec<_>>(), ["gpu-v2"]);
    scene.at(emulator.url(), &["run", FILE]).status(0).says(&["No changes"]);
}
