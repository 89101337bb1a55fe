//! What others own: looked up and never changed, stood in for in a rehearsal, or taken over when asked.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::PathBuf;
use std::sync::LazyLock;

use llmhost_emulator::testing::RecordingProxy;
use serde_json::{Value, json};
use support::{Scene, emulator, look, look_after, repository};

const PLATFORM: &str = r#"
[pipeline]
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

[steps.cluster.with]
name = "pl"
role_arn = "${roles.cluster_role_arn}"
subnet_ids = "${net.subnet_ids}"
endpoint = "public"
public_access_cidrs = ["203.0.113.0/24"]
"#;

/// A team in the platform's cluster: it knows names and tags, and has neither the platform's file nor its state.
const TEAM: &str = r#"
[pipeline]
name = "team-a"
region = "us-east-1"

[existing.cluster]
kind = "eks.cluster"
name = "pl"

[existing.issuer]
kind = "iam.oidc-provider"
name = "${existing.cluster.oidc_issuer}"

[existing.network]
kind = "ec2.vpc"
tags = { Name = "pl" }

[existing.private]
kind = "ec2.subnet"
tags = { "kubernetes.io/role/internal-elb" = "1" }
where = { vpc_id = "${existing.network.id}" }
all = true

[existing.nodes]
kind = "iam.role"
name = "pl-node"

[steps.models]
uses = "s3"
with = { bucket = "team-a-models", force_destroy = true }

[steps.identity]
uses = "irsa"

[steps.identity.with]
cluster = "${existing.cluster.cluster_name}"
namespace = "team-a"
service_account = "s"
oidc_provider_arn = "${existing.issuer.arn}"
oidc_issuer = "${existing.cluster.oidc_issuer}"
bucket = "${models.bucket}"

[steps.workers]
uses = "nodegroup"

[steps.workers.with]
name = "team-a"
cluster = "${existing.cluster.cluster_name}"
role_arn = "${existing.nodes.arn}"
subnet_ids = "${existing.private[*].id}"
instance_types = ["m7i.large"]
"#;

static FINDS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let guests = repository().join("host/sandbox/tests/guests");
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests");
    llmhost_plugin_build::build(&guests, &["finds"], &out).expect("it compiles").remove(0)
});

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_looks_up_what_it_was_granted_to_and_its_answer_is_in_the_plan() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.unwrap();
    let at = |args: &[&str]| scene.at(proxy.url(), args);
    look_after(emulator.url(), &["make-network", "corp", "us-east-1a", "us-east-1b"]);
    let before = look(emulator.url())["network"]["subnets"].clone();
    scene.write("finds.wasm", &*FINDS);
    scene.pipeline(
        "[steps.finds]\nuses = \"./finds.wasm\"\nallow = [\"ec2:security-group\"]\nwith = { network = \"corp\", attribute = \
         \"availability_zone\" }\n",
    );
    let refused = at(&["run", "pipeline.toml", "--dry-run"]).status(2);
    refused.says(&["imports what step 'finds' does not grant: ec2:existing"]);
    scene.edit("pipeline.toml", "[\"ec2:security-group\"]", "[\"ec2:security-group\", \"ec2:existing\"]");
    // The subnets carry no such tag, and none is an answer where any number may be found.
    let planned = at(&["run", "pipeline.toml", "--dry-run"]).status(0);
    planned.says(&["finds: ec2.vpc vpc-", "exists", "finds: ec2.subnet, none found", "1 to create"]);
    assert_eq!(proxy.mutating(), 0, "{:?}", proxy.requests());
    let offline = scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(0);
    offline.says(&["finds: ec2.vpc, not looked up"]);
    at(&["run", "pipeline.toml"]).status(0);
    scene.llmhost(&["outputs", "pipeline.toml"]).status(0).says(&["finds.subnets = []"]);
    at(&["run", "pipeline.toml"]).status(0).says(&["No changes"]);
    at(&["destroy", "pipeline.toml", "--yes"]).status(0);
    assert_eq!(look(emulator.url())["network"]["subnets"], before);
    scene.edit("pipeline.toml", "\"corp\"", "\"crop\"");
    at(&["run", "pipeline.toml"]).status(1).says(&["step finds", "there is no ec2.vpc with the name crop"]);
}

/// What is there but for what a team made, and what controllers write by themselves.
fn of_platform(url: &str) -> Value {
    let world = look(url);
    let cluster = &world["clusters"]["pl"];
    json!([world["network"], world["identity"]["providers"], world["identity"]["roles"]["pl-node"], cluster["cluster"]])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_team_starts_from_what_the_platform_made_and_changes_none_of_it() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.unwrap();
    scene.write("platform.toml", PLATFORM);
    scene.write("team.toml", TEAM);
    let at = |args: &[&str]| scene.at(proxy.url(), args);

    // Nothing is there yet.
    let refused = at(&["run", "team.toml", "--dry-run"]).status(1);
    refused.says(&[
        "existing.cluster",
        "there is no eks.cluster with the name pl",
        "existing.network",
        "ec2.vpc with the tags Name=pl",
    ]);
    at(&["run", "platform.toml", "--yes"]).status(0);
    let before = of_platform(emulator.url());

    proxy.forget();
    let planned = at(&["run", "team.toml", "--dry-run"]).status(0);
    planned.says(&[
        "Looked up",
        "existing.cluster: eks.cluster pl, exists",
        "existing.private: ec2.subnet subnet-",
        "and 1 more, exist",
    ]);
    assert!(!proxy.requests().is_empty());
    assert_eq!(proxy.mutating(), 0, "{:?}", proxy.requests());
    at(&["validate", "team.toml", "--online"]).status(0);
    at(&["run", "team.toml", "--dry-run", "--graph", "plan.svg"]).status(0);
    assert_eq!(proxy.mutating(), 0, "{:?}", proxy.requests());
    let drawn = std::fs::read_to_string(scene.path("plan.svg")).unwrap();
    assert!(drawn.contains("existing.issuer") && drawn.contains("class=\"step exists\""));

    at(&["run", "team.toml", "--yes"]).status(0).says(&["6 created"]);
    at(&["run", "team.toml"]).status(0).says(&["No changes"]);
    let world = look(emulator.url());
    let group = &world["clusters"]["pl"]["node_groups"]["team-a"];
    assert_eq!(group["subnets"].as_array().map(Vec::len), Some(2), "{group}");
    assert!(group["nodeRole"].as_str().unwrap().ends_with(":role/pl-node"), "{group}");

    // Without credentials there is what the last run found.
    let offline = scene.llmhost(&["run", "team.toml", "--dry-run"]).status(0);
    offline.says(&["existing.cluster: eks.cluster pl, exists", "No changes"]);
    scene.llmhost(&["graph", "team.toml"]).status(0).says(&["existing.network", "ec2.vpc vpc-"]);

    at(&["destroy", "team.toml", "--yes"]).status(0);
    assert_eq!(of_platform(emulator.url()), before, "the platform's");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_up_is_stood_in_for_in_a_rehearsal() {
    let scene = Scene::new();
    scene.write("team.toml", TEAM);
    let rehearsed = scene.llmhost(&["rehearse", "team.toml"]).status(0);
    rehearsed.says(&["apply again: 0 changes", "left behind: nothing", "Rehearsed"]);
    scene.llmhost(&["run", "team.toml", "--emulate"]).status(0).says(&["existing.cluster: eks.cluster pl, exists"]);
    // By an id that exists in AWS alone.
    scene.pipeline(
        r#"
        [existing.network]
        kind = "ec2.vpc"
        id = "vpc-0abc1234"

        [existing.public]
        kind = "ec2.subnet"
        id = "subnet-0abc1234"
        "#,
    );
    scene.llmhost(&["rehearse", "pipeline.toml"]).status(0).says(&["Rehearsed"]);
    scene.edit("pipeline.toml", "ec2.vpc", "eks.node-group");
    scene.llmhost(&["rehearse", "pipeline.toml"]).status(1).says(&["eks.node-group has no stand-in"]);
    scene.edit("pipeline.toml", "eks.node-group", "ec2.vcp");
    let unknown = scene.llmhost(&["validate", "pipeline.toml"]).status(2);
    unknown.says(&["resources of kind 'ec2.vcp' cannot be looked up", "did you mean 'ec2.vpc'?"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_nobody_could_look_up_for_is_shown_and_not_saved() {
    let scene = Scene::new();
    scene.write("team.toml", TEAM);
    let planned = scene.llmhost(&["run", "team.toml", "--dry-run"]).status(0);
    planned.says(&["existing.cluster: eks.cluster, not looked up", "Without credentials there are no look-ups"]);
    let refused = scene.llmhost(&["run", "team.toml", "--dry-run", "--out", "plan"]).status(1);
    refused.says(&["existing.cluster was not looked up", "Create the plan with credentials"]);
    assert!(!scene.path("plan").exists());
    scene.llmhost(&["policy", "team.toml"]).status(0).says(&["eks:DescribeCluster", "ec2:DescribeTags", "iam:GetRole"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_exists_under_the_declared_names_is_taken_over_in_one_go() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let at = |args: &[&str]| scene.at(emulator.url(), args);
    let steps = r#"
        [steps.network]
        uses = "vpc"
        with = { name = "corp", azs = 2, nat = "single" }

        [steps.roles]
        uses = "iam"
        with = { cluster_role = "CorpCluster", node_role = "CorpNode" }

        [steps.models]
        uses = "s3"
        with = { bucket = "corp-models" }
    "#;
    scene.pipeline(steps);
    at(&["run", "pipeline.toml"]).status(0);
    let count = look(emulator.url())["network"]["subnets"].as_array().unwrap().len();
    look_after(emulator.url(), &["disown"]);
    std::fs::remove_dir_all(scene.path(".llmhost")).unwrap();

    at(&["import", "pipeline.toml", "--all"]).status(1).says(&["without the tags of this pipeline"]);
    at(&["adopt", "pipeline.toml"]).status(1).says(&["After that, this pipeline manages them", "needs --yes"]);
    assert!(!scene.path(".llmhost/test/state.json").exists(), "nothing without a yes");
    let adopted = at(&["adopt", "pipeline.toml", "--yes"]).status(0);
    adopted.says(
        &["network/ec2.vpc/main", "found by its name", "models/s3.bucket/main"]
            .map(|text| text.rsplit('/').next().unwrap()),
    );
    let planned = at(&["run", "pipeline.toml", "--dry-run"]).status(0);
    planned.says(&["0 to create", "0 to replace, 0 to delete"]);
    at(&["run", "pipeline.toml"]).status(0);
    at(&["run", "pipeline.toml"]).status(0).says(&["No changes"]);
    assert_eq!(look(emulator.url())["network"]["subnets"].as_array().unwrap().len(), count, "none was made anew");

    // What another pipeline has is not taken.
    scene.write("other.toml", format!("[pipeline]\nname = \"other\"\nregion = \"us-east-1\"\n{steps}"));
    let refused = at(&["adopt", "other.toml", "--yes"]).status(1);
    refused.says(&["carries the tags of the pipeline 'test'"]);
}
