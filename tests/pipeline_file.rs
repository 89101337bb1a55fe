//! What the file says is what is done: variables in its head, tags on all that is made, images that are not llmhost's.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{Scene, emulator, look};

/// A file for several environments: name, state and tags follow a variable.
fn environments(name: &str, state: &str, tags: &str) -> String {
    format!(
        r#"[vars.env]
default = "dev"
[pipeline]
name = "{name}"
region = "us-east-1"
{state}
tags = {{ {tags} }}
[steps.b]
uses = "s3"
with = {{ bucket = "acme-${{vars.env}}-m2", force_destroy = true }}
[steps.roles]
uses = "iam"
with = {{ cluster_role = "acme-${{vars.env}}-c2", node_role = false, tags = {{ who = "${{vars.env}}" }} }}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn each_environment_has_a_state_of_its_own() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    for (file, name, state, places) in [
        ("by-name.toml", "llm-${vars.env}", "", [".llmhost/llm-dev/state.json", ".llmhost/llm-prod/state.json"]),
        ("by-state.toml", "llm", "state = \"states/${vars.env}\"", ["states/dev/state.json", "states/prod/state.json"]),
    ] {
        scene.write(file, environments(name, state, "env = \"${vars.env}\""));
        scene.at(url, &["run", file, "-y"]).status(0).says(&["2 created"]);
        // Another environment is another state: everything is made, and nothing of the first is replaced.
        let plan = scene.at(url, &["run", file, "--var", "env=prod", "--dry-run"]).status(0);
        plan.says(&["2 to create, 0 to update, 0 to replace, 0 to delete"]);
        scene.at(url, &["run", file, "--var", "env=prod", "-y"]).status(0).says(&["2 created"]);
        for place in places {
            assert!(scene.path(place).exists(), "{place}");
        }
        let world = look(url);
        for env in ["dev", "prod"] {
            let role = &world["identity"]["roles"][format!("acme-{env}-c2")];
            assert_eq!((&role["tags"]["env"], &role["tags"]["who"]), (&json!(env), &json!(env)), "{role}");
        }
        scene.at(url, &["destroy", file, "-y"]).status(0).says(&["2 deleted"]);
        scene.at(url, &["destroy", file, "--var", "env=prod", "-y"]).status(0).says(&["2 deleted"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_environment_has_a_place_of_its_own_in_a_bucket() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    support::look_after(url, &["make-bucket", "acme-states"]);
    let state = "state = \"s3://acme-states/${vars.env}\"";
    scene.write("s3.toml", environments("llm", state, "env = \"${vars.env}\""));
    scene.at(url, &["run", "s3.toml", "--var", "env=qa", "-y"]).status(0).says(&["2 created"]);
    scene.at(url, &["state", "list", "s3.toml", "--var", "env=qa"]).status(0).says(&["iam.role/cluster"]);
    let other = scene.at(url, &["state", "list", "s3.toml", "--var", "env=prod"]);
    assert!(!other.stdout.contains("iam.role/cluster"), "{other:?}");
    scene.at(url, &["destroy", "s3.toml", "--var", "env=qa", "-y"]).status(0).says(&["2 deleted"]);
}

#[test]
fn a_reference_that_nobody_replaces_is_refused_with_its_line() {
    let scene = Scene::new();
    let good = "env = \"${vars.env}\"";
    for (text, words) in [
        (
            environments("llm", "", "\"cost-${vars.env}\" = \"x\""),
            &["reference-in-key", "a tag's key cannot hold a reference: 'cost-${vars.env}'", "pipeline.toml:"][..],
        ),
        (environments("llm-${b.bucket}", "", good), &["name of [pipeline] cannot contain an output of a step"]),
        (environments("LLM-${vars.env}", "", good), &["the pipeline name 'LLM-dev'", "this gives 'LLM-dev'"]),
        (
            environments("llm", "", good).replace("uses = \"s3\"", "uses = \"${vars.env}\""),
            &["uses of [steps.b] cannot hold a reference"],
        ),
    ] {
        scene.write("pipeline.toml", text);
        scene.llmhost(&["validate", "pipeline.toml"]).status(2).says(words);
    }
    scene.write("pipeline.toml", environments("llm", "", good));
    let ran = scene.llmhost(&["run", "pipeline.toml", "--dry-run", "--state", "states/${vars.env}"]);
    ran.status(2).says(&["references work only in the pipeline file"]);
}

#[test]
fn a_value_of_the_command_line_keeps_its_type() {
    let scene = Scene::new();
    scene.write(
        "pipeline.toml",
        "[pipeline]\nname = \"test\"\nregion = \"us-east-1\"\n[vars.account]\n[vars.zones]\ndefault = 2\n\
         [steps.net]\nuses = \"vpc\"\nwith = { name = \"n\", azs = \"${vars.zones}\", tags = { account = \"${vars.account}\" } }\n",
    );
    let plan = |zones: &str| {
        let zones = format!("zones={zones}");
        scene.llmhost(&["run", "pipeline.toml", "--dry-run", "-v", "--var", "account=012345678901", "--var", &zones])
    };
    plan("3").status(0).says(&["account: \"012345678901\"", "ec2.subnet/public-c"]);
    plan("three").status(2).says(&[
        "variable 'zones' has the type integer",
        "write it like --var zones=3",
        "[vars.zones]",
    ]);
}

#[test]
fn the_schema_for_editors_knows_types_and_references() {
    let schema = Scene::new().llmhost(&["schema"]).status(0);
    let schema: Value = serde_json::from_str(&schema.stdout).unwrap();
    let of = |pointer: &str| schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
    assert!(of("/properties/vars/additionalProperties/properties/type/pattern").is_string());
    for pointer in [
        "/properties/pipeline/properties/name/anyOf/1/pattern",
        "/properties/steps/additionalProperties/properties/protect/anyOf/1/pattern",
        "/properties/secrets/additionalProperties/properties/version/anyOf/1/pattern",
    ] {
        assert_eq!(of(pointer), "\\$\\{", "{pointer}");
    }
}

/// A network with a node group; these tags in the pipeline.
fn nodes(tags: &str) -> String {
    format!(
        r#"[pipeline]
name = "tags"
region = "us-east-1"
tags = {{ {tags} }}
[steps.net]
uses = "vpc"
with = {{ name = "tg", azs = 2, nat = "none" }}
[steps.roles]
uses = "iam"
with = {{ cluster_role = "tg-cluster", node_role = "tg-node" }}
[steps.cluster]
uses = "eks"
with = {{ name = "tg", role_arn = "${{roles.cluster_role_arn}}", subnet_ids = "${{net.subnet_ids}}", endpoint = "private" }}
[steps.nodes]
uses = "nodegroup"
with = {{ name = "ng", cluster = "${{cluster.name}}", role_arn = "${{roles.node_role_arn}}", subnet_ids = "${{net.public_subnet_ids}}", instance_types = ["t3.large"], tags = {{ tier = "front" }} }}
"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipelines_tags_reach_what_is_launched() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    let kinds = ["instance", "network-interface", "volume"];
    let launched = || {
        let templates = look(url)["templates"].clone();
        let template = templates.as_object().unwrap().values().next().unwrap().clone();
        let all = template["data"]["TagSpecifications"].as_array().unwrap().clone();
        all.into_iter()
            // Moto lists those of the template itself, too.
            .filter(|of| kinds.iter().any(|kind| of["ResourceType"] == *kind))
            .map(|of| {
                let tags = of["Tags"].as_array().unwrap().iter();
                let tags = tags.map(|tag| (tag["Key"].as_str().unwrap().to_owned(), tag["Value"].clone()));
                (of["ResourceType"].as_str().unwrap().to_owned(), Value::Object(tags.collect()))
            })
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    scene.write("pipeline.toml", nodes("env = \"dev\", owner = \"ml\""));
    scene.at(url, &["run", "pipeline.toml", "-y"]).status(0);
    let found = launched();
    assert_eq!(found.keys().collect::<Vec<_>>(), kinds);
    let wanted = json!({ "Name": "tg-ng", "env": "dev", "owner": "ml", "tier": "front", "llmhost:pipeline": "tags" });
    for kind in kinds {
        assert_eq!(found[kind], wanted, "{kind}");
    }
    scene.at(url, &["run", "pipeline.toml", "-y", "--refresh"]).status(0).says(&["No changes"]);

    // Another value is shown, done, and then there.
    scene.edit("pipeline.toml", "env = \"dev\"", "env = \"prod\"");
    scene.at(url, &["run", "pipeline.toml", "--dry-run"]).status(0).says(&["instance_tags.env: \"dev\" -> \"prod\""]);
    scene.at(url, &["run", "pipeline.toml", "-y"]).status(0);
    assert!(launched().values().all(|tags| tags["env"] == "prod"));
    scene.at(url, &["run", "pipeline.toml", "-y", "--refresh"]).status(0).says(&["No changes"]);

    // A tag without a value is one, and a tag that goes leaves nothing.
    scene.edit("pipeline.toml", "env = \"prod\", owner = \"ml\"", "env = \"\"");
    scene.at(url, &["run", "pipeline.toml", "-y"]).status(0);
    let found = launched();
    assert!(found.values().all(|tags| tags["env"] == "" && tags.get("owner").is_none()), "{found:?}");
    scene.at(url, &["run", "pipeline.toml", "-y", "--refresh"]).status(0).says(&["No changes"]);
    scene.at(url, &["destroy", "pipeline.toml", "-y"]).status(0);
}

#[test]
fn tags_that_iam_would_refuse_are_refused_before_anything_is_made() {
    let scene = Scene::new();
    scene.write("pipeline.toml", nodes("env = \"\", Env = \"x\""));
    scene.llmhost(&["validate", "pipeline.toml"]).status(2).says(&["'env' and 'Env' differ only in case"]);
    scene.write("pipeline.toml", nodes("env = \"dev\"").replace("tags = { tier", "tags = { Env = \"x\", tier"));
    scene.llmhost(&["validate", "pipeline.toml"]).says(&["'Env' and 'env' differ only in case", "nodes"]);
}

/// A model server in an existing cluster's namespace, from files of manifests.
fn server(options: &str) -> String {
    format!(
        r#"[pipeline]
name = "sec"
region = "us-east-1"
[steps.server]
uses = "inference"
[steps.server.with]
target = {{ manifests = "out" }}
namespace = "vllm"
image = "vllm/vllm-openai:v0.8.5"
args = ["--model", "mistralai/Mistral-7B-Instruct-v0.3", "--max-model-len", "4096"]
env = {{ VLLM_LOGGING_LEVEL = "DEBUG" }}
env_from = [{{ secret = "hub-token" }}]
{options}
"#
    )
}

#[test]
fn an_image_that_is_not_llmhosts_gets_its_own_arguments() {
    let scene = Scene::new();
    for (options, words) in [
        ("", "set server = \"llmhost\" if llmhost's Dockerfile built the image, or server = \"custom\""),
        ("server = \"custom\"\nmodel = \"s3://se-models/mistral\"", "model is for llmhost's server"),
        ("server = \"custom\"\nready_path = \"health\"", "does not start with a slash"),
        ("server = \"llmhost\"", "model is missing"),
    ] {
        scene.write("pipeline.toml", server(options));
        scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(1).says(&["step server", words]);
    }
    scene.write("pipeline.toml", server("server = \"custom\"\nserver_port = 9000\nlive_path = \"/ping\""));
    let plan = scene.llmhost(&["run", "pipeline.toml", "--dry-run", "--json"]).status(0);
    let lines = plan.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let plan = lines.into_iter().find(|line| line["event"] == "plan").unwrap();
    let deployment = &plan["resources"]["server/kube.object/server"]["spec"]["manifest"];
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let args = json!(["--model", "mistralai/Mistral-7B-Instruct-v0.3", "--max-model-len", "4096"]);
    assert_eq!(container["args"], args);
    assert_eq!(container["ports"][0]["containerPort"], 9000);
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/health");
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/ping");
    assert_eq!(container["envFrom"], json!([{ "secretRef": { "name": "hub-token" } }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_repeated_and_left_out_and_each_is_one_of_its_own() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    let text = |keys: &str| {
        format!(
            r#"[vars.audit]
default = false
[vars.keys]
default = {keys}
[pipeline]
name = "teams"
region = "us-east-1"
[steps.team]
uses = "s3"
for_each = "${{vars.keys}}"
with = {{ bucket = "acme-team-${{each.key}}", force_destroy = true }}
[steps.audit]
uses = "s3"
when = "${{vars.audit}}"
with = {{ bucket = "acme-audit", force_destroy = true, tags = {{ first = "${{team[\"red\"].arn}}" }} }}
"#
        )
    };
    scene.write("teams.toml", text(r#"["red", "green", "blue"]"#));
    let run = |args: &[&str]| scene.at(url, &[&["run", "teams.toml", "-y"], args].concat());
    run(&[]).status(0).says(&["3 created", "team:red.bucket = \"acme-team-red\"", "team:blue/s3.bucket/main"]);
    let buckets = |key: &str| {
        let world = look(url);
        let all = world["storage"].as_array().unwrap().clone();
        all.into_iter().filter_map(|one| one[key].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(buckets("name").len(), 3);
    run(&["--var", "audit=true"]).status(0).says(&["1 created", "3 unchanged"]);
    // One of the middle goes, and takes nothing else along.
    scene.write("teams.toml", text(r#"["blue", "red"]"#));
    let plan = scene.at(url, &["run", "teams.toml", "--dry-run", "--var", "audit=true"]).status(0);
    plan.says(&["- s3.bucket/main", "0 to create, 0 to update, 0 to replace, 1 to delete, 3 unchanged"]);
    // As much as one step is, and all of an entry.
    scene
        .at(url, &["run", "teams.toml", "--dry-run", "--only", "team[\"red\"]"])
        .status(0)
        .says(&["No changes", "Skipped: team:blue"]);
    scene
        .at(url, &["run", "teams.toml", "--dry-run", "--only", "team:pink"])
        .status(2)
        .says(&["there is no step 'team:pink'"]);
    scene
        .llmhost(&["state", "show", "teams.toml", "team[\"green\"]/s3.bucket/main"])
        .status(0)
        .says(&["acme-team-green"]);
    run(&["--var", "keys=[]"]).status(0).says(&["4 deleted"]);
    assert_eq!(buckets("name"), Vec::<String>::new());
    scene
        .at(url, &["validate", "teams.toml", "--var", "audit=true", "--var", "keys=[]"])
        .status(2)
        .says(&["step 'team' is not repeated for 'red'", "its for_each has no keys"]);
}
