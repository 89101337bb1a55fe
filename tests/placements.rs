//! Steps in a region, or with a role, of their own.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{Scene, emulator, look, look_in};

const ROLE: &str = "arn:aws:iam::210987654321:role/deploy";

const PIPELINE: &str = r#"
[pipeline]
name = "spread"
region = "us-east-1"

[existing.hub]
kind = "ec2.vpc"
name = "hub"
region = "eu-west-1"

[steps.net]
uses = "vpc"
with = { name = "spread", security_groups = {} }

[steps.far]
uses = "./far.toml"
region = "eu-west-1"
with = { hub = "${existing.hub.cidr_block}" }

[steps.models]
uses = "s3"
assume_role = "arn:aws:iam::210987654321:role/deploy"
with = { bucket = "spread-models" }
"#;

const FAR: &str = r#"
[vars.hub]

[steps.net]
uses = "vpc"
with = { name = "far", security_groups = { hub = { rules = [{ name = "https", port = 443, sources = ["${vars.hub}"] }] } } }
"#;

fn vpcs(world: &Value) -> Vec<&str> {
    let all = world["network"]["vpcs"].as_array().unwrap();
    all.iter().filter_map(|vpc| vpc["tags"]["Name"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_made_in_its_region_or_account_and_destroyed_there() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let at = |args: &[&str]| scene.at(emulator.url(), args);
    let far = || look_in(emulator.url(), "eu-west-1");
    scene.write("far.toml", FAR);
    scene.write("pipeline.toml", PIPELINE);
    at(&["run", "pipeline.toml", "--dry-run"]).status(1).says(&["there is no ec2.vpc with the name hub in eu-west-1"]);
    // Somebody else's network, there alone.
    scene.write(
        "hub.toml",
        "[pipeline]\nname = \"hub\"\nregion = \"eu-west-1\"\n[steps.net]\nuses = \"vpc\"\nwith = { name = \"hub\", cidr = \"10.9.0.0/16\" }\n",
    );
    at(&["run", "hub.toml", "--yes"]).status(0);
    let hub = far();
    assert_eq!(vpcs(&hub), ["hub"]);

    let planned = at(&["run", "pipeline.toml", "--dry-run"]).status(0);
    planned.says(&["far.net (vpc in eu-west-1)", "models (s3 as arn:aws:iam::210987654321:role/deploy)"]);
    at(&["run", "pipeline.toml", "--yes"]).status(0);
    at(&["run", "pipeline.toml"]).status(0).says(&["No changes"]);
    at(&["drift", "pipeline.toml"]).status(0);
    at(&["validate", "pipeline.toml", "--online"]).status(0);

    let (here, there) = (look(emulator.url()), far());
    let abroad = look_in(emulator.url(), &format!("us-east-1@{ROLE}"));
    assert_eq!(vpcs(&here), ["spread"]);
    assert_eq!(vpcs(&there), ["hub", "far"]);
    let zones: Vec<_> = there["network"]["subnets"].as_array().unwrap().iter().map(|one| one["zone"].clone()).collect();
    assert!(zones.iter().all(|zone| zone.as_str().unwrap().starts_with("eu-west-1")), "{zones:?}");
    assert_eq!(here["storage"], json!([]));
    assert_eq!(abroad["storage"][0]["name"], "spread-models");
    let rule = there["network"].to_string();
    assert!(rule.contains("10.9.0.0/16"), "the attribute of the network that was looked up");
    scene.llmhost(&["graph", "pipeline.toml", "-o", "plan.json"]).status(0);
    let drawn: Value = serde_json::from_slice(&std::fs::read(scene.path("plan.json")).unwrap()).unwrap();
    let step = drawn["steps"].as_array().unwrap().iter().find(|step| step["name"] == "far.net").unwrap();
    assert_eq!(step["placement"], json!({ "region": "eu-west-1" }));

    // The file need not say where they were.
    scene.write("pipeline.toml", PIPELINE.split("[existing.hub]").next().unwrap());
    at(&["run", "pipeline.toml", "--yes"]).status(0);
    assert_eq!(vpcs(&look(emulator.url())), Vec::<&str>::new());
    assert_eq!(far(), hub, "what was looked up is as it was");
    assert_eq!(look_in(emulator.url(), &format!("us-east-1@{ROLE}"))["storage"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_does_not_leave_its_region_behind_and_a_destroy_needs_no_step_in_the_file() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let at = |args: &[&str]| scene.at(emulator.url(), args);
    let step = "[steps.net]\nuses = \"vpc\"\nregion = \"eu-west-1\"\nwith = { name = \"far\" }\n";
    scene.pipeline(step);
    at(&["run", "pipeline.toml", "--yes"]).status(0);
    scene.edit("pipeline.toml", "eu-west-1", "eu-west-2");
    let refused = at(&["run", "pipeline.toml", "--yes"]).status(1);
    refused.says(&["step net", "region is eu-west-1, and this run's is eu-west-2", "--target net"]);
    // Nobody has to be asked for that.
    scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(1).says(&["region is eu-west-1"]);
    scene.pipeline("");
    at(&["destroy", "pipeline.toml", "--yes"]).status(0);
    assert_eq!(vpcs(&look_in(emulator.url(), "eu-west-1")), Vec::<&str>::new());
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let scene = Scene::new();
    for (line, said) in [
        ("region = \"eu-west-9\"", &["eu-west-9", "no such region", "pipeline.toml:7"][..]),
        ("region = \"eu-west-1a\"", &["'eu-west-1a' is not a region", "did you mean 'eu-west-1'?"]),
        ("region = \"${net.vpc_id}\"", &["region of [steps.net]"]),
        ("profile = \"\"", &["'' is not a profile", "~/.aws/config"]),
        ("assume_role = \"deploy\"", &["'deploy' is not the ARN of a role", "arn:aws:iam::123456789012:role/deploy"]),
        ("asume_role = \"x\"", &["did you mean 'assume_role'?"]),
    ] {
        scene.pipeline(&format!("[steps.net]\nuses = \"vpc\"\n{line}\nwith = {{ name = \"a\" }}\n"));
        scene.llmhost(&["validate", "pipeline.toml"]).status(2).says(said);
    }
}

#[test]
fn each_role_has_its_own_policy_and_regions_share_one() {
    let scene = Scene::new();
    scene.write("far.toml", FAR);
    scene.write("pipeline.toml", PIPELINE);
    let own = scene.llmhost(&["policy", "pipeline.toml"]).status(0);
    own.says(&["Step models", "--step models"]);
    let text = &own.stdout;
    assert!(text.contains("ec2:us-east-1:*") && text.contains("ec2:eu-west-1:*") && text.contains(ROLE), "{text}");
    assert!(!text.contains("s3:CreateBucket"), "{text}");
    let role = scene.llmhost(&["policy", "pipeline.toml", "--step", "models"]).status(0).stdout;
    assert!(role.contains("s3:CreateBucket") && !role.contains("CreateVpc") && !role.contains("AssumeRole"), "{role}");
    let refused = scene.llmhost(&["policy", "pipeline.toml", "--step", "net"]).status(2);
    refused.says(&["no profile or assume_role of its own"]);
    scene.llmhost(&["rehearse", "pipeline.toml"]).status(0).says(&["left behind: nothing"]);
}
