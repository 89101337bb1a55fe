//! Pipelines out of pipelines, on the emulator.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use support::{Scene, emulator, look};

const MAIN: &str = r#"[pipeline]
name = "platform"
region = "us-east-1"
tags = { owner = "platform" }

[steps.network]
uses = "./parts/network.toml"
with = { name = "platform", cidr = "10.4.0.0/16" }

[steps.team]
uses = "./parts/team/team.toml"
for_each = { search = { keep = true }, ads = { keep = false } }
with = { name = "${each.key}", vpc_id = "${network.vpc_id}", keep = "${each.value.keep}" }

[steps.index]
uses = "s3"
with = { bucket = "acme-index", force_destroy = true, tags = { first = "${team['search'].bucket}", vpc = "${network.vpc_id}" } }
"#;
const NETWORK: &str = r#"
[vars.name]
[vars.cidr]
type = "string"
[steps.vpc]
uses = "vpc"
with = { name = "${vars.name}", cidr = "${vars.cidr}", azs = 1, nat = "none" }
[outputs]
vpc_id = "${vpc.vpc_id}"
"#;
const TEAM: &str = r#"
[vars.name]
[vars.vpc_id]
[vars.keep]
default = true
[steps.store]
uses = "s3"
when = "${vars.keep}"
with = { bucket = "acme-${vars.name}-store", force_destroy = true, upload = [{ source = "files", prefix = "start" }] }
[steps.bucket]
uses = "s3"
with = { bucket = "acme-${vars.name}", force_destroy = true, tags = { vpc = "${vars.vpc_id}" } }
[outputs]
bucket = "${bucket.bucket}"
stores = "${store[*].bucket}"
"#;

fn scene() -> Scene {
    let scene = Scene::new();
    for (name, text) in [
        ("platform.toml", MAIN),
        ("parts/network.toml", NETWORK),
        ("parts/team/team.toml", TEAM),
        ("parts/team/files/hello.txt", "hello"),
    ] {
        std::fs::create_dir_all(scene.path(name).parent().unwrap()).unwrap();
        scene.write(name, text);
    }
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn pipelines_within_a_pipeline_are_made_kept_and_taken_apart_as_one() {
    let (scene, emulator) = (scene(), emulator().await);
    let url = emulator.url();
    scene.at(url, &["validate", "platform.toml"]).status(0);
    let ran = scene.at(url, &["run", "platform.toml", "-y"]).status(0);
    ran.says(&["network.vpc/ec2.vpc/main", "team:search.store/s3.folder/start", "index.bucket = \"acme-index\""]);
    let world = look(url);
    let bucket = |name: &str| {
        let all = world["storage"].as_array().unwrap().iter();
        all.into_iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{name}: {world}")).clone()
    };
    let (index, search) = (bucket("acme-index"), bucket("acme-search"));
    let tags = index["tags"].to_string();
    assert!(tags.contains("acme-search") && tags.contains("vpc-") && tags.contains("platform"), "{index}");
    assert!(search["tags"].to_string().contains("team:search.bucket/s3.bucket/main"), "{search}");
    assert_eq!(world["storage"].as_array().unwrap().len(), 4);
    scene.at(url, &["run", "platform.toml", "-y"]).status(0).says(&["0 changes"]);
    scene.at(url, &["drift", "platform.toml"]).status(0);

    // One of a pipeline's steps, and all of them.
    let only = |name: &str| scene.at(url, &["run", "platform.toml", "--dry-run", "--only", name]);
    only("team:ads.bucket").status(0).says(&["No changes", "Skipped"]);
    only("team").status(0).says(&["No changes"]);
    only("network.subnet").status(2).says(&["there is no step 'network.subnet'", "The steps are index, network.vpc"]);

    // A team that goes takes its own along.
    scene.edit("platform.toml", "search = { keep = true }, ads = { keep = false }", "search = { keep = true }");
    scene.at(url, &["run", "platform.toml", "-y"]).status(0).says(&["0 created, 0 updated, 0 replaced, 1 deleted"]);
    // The pipeline is called otherwise, and nothing is made or deleted.
    scene.edit("platform.toml", "[steps.network]", "[[moved]]\nfrom = \"network\"\nto = \"net\"\n[steps.net]");
    scene.edit("platform.toml", "vpc_id = \"${network.vpc_id}\", keep", "vpc_id = \"${net.vpc_id}\", keep");
    scene.edit("platform.toml", "vpc = \"${network.vpc_id}\"", "vpc = \"${net.vpc_id}\"");
    let moved = scene.at(url, &["run", "platform.toml", "-y"]).status(0);
    moved.says(&["network.vpc -> net.vpc", "0 to update, 0 to replace, 0 to delete", "Done: 0 changes, ", " moved."]);
    scene.at(url, &["run", "platform.toml", "--dry-run"]).status(0).says(&["No changes"]);
    scene.at(url, &["destroy", "platform.toml", "-y"]).status(0);
    assert_eq!(look(url)["storage"], serde_json::json!([]));
}

#[test]
fn what_is_wrong_in_a_file_that_is_used_is_shown_there() {
    let scene = scene();
    scene.edit("parts/network.toml", "azs = 1", "azz = 1");
    scene.edit("parts/team/team.toml", "${bucket.bucket}", "${bucket.bukket}");
    scene.edit("platform.toml", "cidr = \"10.4.0.0/16\"", "cidr = 10");
    let found = scene.llmhost(&["validate", "platform.toml"]).status(2);
    found.says(&["platform.toml:8:", "variable 'cidr' has the type string, and is given a number"]);
    scene.edit("platform.toml", "cidr = 10", "cidr = \"10.4.0.0/16\"");
    let found = scene.llmhost(&["validate", "platform.toml"]).status(2);
    found.says(&["parts/network.toml:7:", "unknown option 'azz' in step network.vpc", "did you mean 'azs'?"]);
    found.says(&["parts/team/team.toml:14:", "has no output 'bukket'", "did you mean 'bucket'?"]);
    let json = scene.llmhost(&["validate", "platform.toml", "--json"]).status(2);
    let lines: Vec<serde_json::Value> = json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let place = |name: &str| lines.iter().find(|line| line["file"].as_str().is_some_and(|file| file.ends_with(name)));
    let network = place("network.toml").unwrap_or_else(|| panic!("{}", json.stdout));
    assert_eq!((&network["line"], &network["column"]), (&serde_json::json!(7), &serde_json::json!(56)), "{network}");
    std::fs::remove_file(scene.path("parts/network.toml")).unwrap();
    scene.llmhost(&["run", "platform.toml", "--dry-run"]).status(2).says(&["platform.toml:7:", "cannot read"]);
}

const ENVIRONMENTS: &str = r#"[pipeline]
name = "shop"
region = "us-east-1"
tags = { owner = "shop", stage = "none" }

[vars.size]
default = 1
[vars.suffix]
default = "base"

[env.dev]
vars = { suffix = "dev" }
[env.prod]
region = "eu-west-1"
tags = { stage = "prod" }
vars = { suffix = "prod", size = 3 }
[env.other]
name = "elsewhere"
state = "states/other"

[steps.bucket]
uses = "s3"
with = { bucket = "shop-${vars.suffix}-${vars.size}", force_destroy = true }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn environments_of_a_file_stand_side_by_side() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    scene.write("shop.toml", ENVIRONMENTS);
    let run = |args: &[&str]| scene.at(url, &[&["run", "shop.toml", "-y"], args].concat());
    run(&[]).status(0).says(&["1 created", "shop-base-1"]).does_not_say(&["Environment"]);
    run(&["--env", "dev"]).status(0).says(&[
        "Environment dev: pipeline shop-dev in us-east-1.",
        "1 created",
        "shop-dev-1",
    ]);
    run(&["--env", "prod"]).status(0).says(&[
        "Environment prod: pipeline shop-prod in eu-west-1.",
        "1 created",
        "shop-prod-3",
    ]);
    // What is nearer to the command counts before it.
    run(&["--env", "other", "--var", "suffix=mine"])
        .status(0)
        .says(&["pipeline elsewhere in us-east-1", "shop-mine-1"]);
    for state in [".llmhost/shop", ".llmhost/shop-dev", ".llmhost/shop-prod", "states/other"] {
        assert!(scene.path(state).join("state.json").is_file(), "{state}");
    }
    for environment in ["dev", "prod"] {
        run(&["--env", environment]).status(0).says(&["No changes"]);
    }
    let world = look(url);
    let tags = |name: &str| {
        let all = world["storage"].as_array().unwrap().iter().find(|one| one["name"] == name);
        all.unwrap_or_else(|| panic!("{name}: {world}"))["tags"].to_string()
    };
    assert!(tags("shop-prod-3").contains("prod") && tags("shop-dev-1").contains("none"), "{world}");

    // A plan that was saved is of its environment.
    scene.edit("shop.toml", "size = 3", "size = 4");
    scene.at(url, &["run", "shop.toml", "--env", "prod", "--dry-run", "--out", "plan.bin"]).status(0);
    scene
        .at(url, &["run", "plan.bin", "--env", "dev", "-y"])
        .status(2)
        .says(&["a saved plan cannot be used with --var, --env"]);
    scene.at(url, &["run", "plan.bin", "-y"]).status(0).says(&["Environment prod", "shop-prod-4"]);
    scene.at(url, &["destroy", "shop.toml", "--env", "prod", "-y"]).status(0).says(&["Environment prod"]);
    let names = look(url)["storage"].to_string();
    assert!(names.contains("shop-dev-1") && names.contains("shop-base-1") && !names.contains("shop-prod"), "{names}");

    for (file, args, said) in [
        (
            ENVIRONMENTS.to_owned(),
            &["--env", "pord"][..],
            "--env pord: the file has no environment 'pord' help: did you mean 'prod'?",
        ),
        (ENVIRONMENTS.replace("[env.", "[x."), &["--env", "dev"], "unknown key 'x'"),
        (
            ENVIRONMENTS.replace("suffix = \"prod\"", "sufix = \"prod\""),
            &["--env", "prod"],
            "[env.prod]: the pipeline file has no variable 'sufix'",
        ),
        (ENVIRONMENTS.replace("size = 3", "size = \"3\""), &["--env", "prod"], "variable 'size' has the type integer"),
        (
            ENVIRONMENTS.replace("region = \"eu-west-1\"", "region = 3"),
            &["--env", "prod"],
            "region of [env.prod] must be a string",
        ),
        (ENVIRONMENTS.replace("[env.prod]", "[env.\"a b\"]"), &[], "the environment name 'a b' has the character ' '"),
        (ENVIRONMENTS.replace("tags = { stage", "tag = { stage"), &[], "unknown key 'tag' in [env.prod]"),
    ] {
        scene.write("bad.toml", file);
        scene.at(url, &[&["validate", "bad.toml"], args].concat()).status(2).says(&[said]);
    }
}

const NET: &str = r#"[pipeline]
name = "net-${vars.stage}"
region = "us-east-1"
[vars.stage]
default = "dev"
[env.prod]
name = "net-prod"
[steps.vpc]
uses = "vpc"
with = { name = "net", azs = 1, nat = "none" }
[steps.bucket]
uses = "s3"
for_each = ["logs"]
with = { bucket = "net-${each.key}-${vars.stage}" }
[outputs]
vpc_id = "${vpc.vpc_id}"
logs = "${bucket['logs'].bucket}"
"#;
const APP: &str = r#"[pipeline]
name = "app"
region = "eu-west-1"
[pipelines.net]
file = "../net/net.toml"
[steps.bucket]
uses = "s3"
with = { bucket = "app", tags = { vpc = "${pipeline.net.vpc_id}", logs = "${pipeline.net.bucket['logs'].arn}" } }
[outputs]
vpc = "${pipeline.net.vpc_id}"
"#;

/// Two pipelines in folders beside each other.
fn two() -> Scene {
    let scene = Scene::new();
    for (name, text) in [("net/net.toml", NET), ("app/app.toml", APP)] {
        std::fs::create_dir_all(scene.path(name).parent().unwrap()).unwrap();
        scene.write(name, text);
    }
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_of_another_pipeline_are_read_from_its_state_which_stays_as_it_is() {
    let (scene, emulator) = (two(), emulator().await);
    let url = emulator.url();
    let app = "app/app.toml";
    let never =
        ["the pipeline 'net-dev' has no resources yet", "run it first: llmhost run ../net/net.toml", "app.toml:4:"];
    scene.at(url, &["run", app, "--dry-run"]).status(2).says(&never);
    scene.llmhost(&["rehearse", app]).status(2).says(&never);
    scene.at(url, &["run", "net/net.toml", "-y"]).status(0).says(&["vpc_id = \"vpc-", "logs = \"net-logs-dev\""]);
    let state = scene.path("net/.llmhost/net-dev");
    let files = || -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(&state).unwrap().flatten();
        let mut all: Vec<_> = entries
            .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
            .collect();
        all.sort();
        all
    };
    let before = files();
    scene.at(url, &["run", app, "--dry-run", "--out", "plan"]).status(0);
    let ran = scene.at(url, &["run", app, "-y"]).status(0);
    ran.says(&[
        "The pipeline 'net-dev', whose outputs are used, is in us-east-1; this one is in eu-west-1.",
        "vpc = \"vpc-",
    ]);
    scene.at(url, &["run", app, "-y"]).status(0).says(&["0 changes"]);
    assert!(before == files(), "nothing was written beside the other state");
    let tags =
        look(url)["storage"].as_array().unwrap().iter().find(|one| one["name"] == "app").unwrap()["tags"].to_string();
    assert!(tags.contains("vpc-") && tags.contains("arn:aws:s3:::net-logs-dev"), "{tags}");
    // What is recorded is rehearsed with.
    scene.llmhost(&["rehearse", app]).status(0).says(&["Rehearsed"]);
    assert!(before == files());

    // A plan that was saved is about the values of then.
    scene.edit(app, "bucket = \"app\"", "bucket = \"app-2\"");
    scene.at(url, &["run", app, "--dry-run", "--out", "plan"]).status(0);
    scene.edit("net/net.toml", "logs = \"${bucket['logs'].bucket}\"", "logs = \"other\"");
    scene.edit(app, "logs = \"${pipeline.net.bucket['logs'].arn}\"", "logs = \"${pipeline.net.logs}\"");
    scene.at(url, &["run", app, "--dry-run", "--out", "plan"]).status(0);
    scene.at(url, &["run", "net/net.toml", "-y"]).status(0);
    let stale = ["Saved plan is stale: ${pipeline.net.logs} has changed: that pipeline was run after the plan"];
    scene.at(url, &["run", "plan"]).status(1).says(&stale);

    // What is not there, and another environment of the same file.
    scene.edit(app, "${pipeline.net.logs}", "${pipeline.net.log}");
    scene.at(url, &["validate", app]).status(2).says(&[
        "${pipeline.net.log}: the pipeline 'net' has no such output",
        "did you mean 'logs'?",
        "app.toml:8:",
    ]);
    scene.edit(app, "file = \"../net/net.toml\"", "file = \"../net/net.toml\"\nenv = \"prod\"");
    let prod = ["'net-prod' has no resources yet", "run it first: llmhost run ../net/net.toml --env prod"];
    scene.at(url, &["validate", app]).status(2).says(&prod);
    scene.edit(app, "env = \"prod\"", "vars = { stagge = \"x\" }");
    scene.at(url, &["validate", app]).status(2).says(&["../net/net.toml has no variable 'stagge'"]);
    scene.edit(app, "file = \"../net/net.toml\"\nvars = { stagge = \"x\" }", "state = \"../net/.llmhost/net-dev\"");
    let other = ["belongs to the pipeline 'net-dev', not to 'net'", "add name = \"net-dev\""];
    scene.at(url, &["validate", app]).status(2).says(&other);
    scene.edit(app, "net/.llmhost/net-dev\"", "net/.llmhost/net-dev\"\nname = \"net-dev\"");
    scene.edit(app, "${pipeline.net.log}", "${pipeline.net.logs}");
    scene.at(url, &["validate", app]).status(0);
    scene.edit(app, "state = \"../net/.llmhost/net-dev\"\nname = \"net-dev\"", "file = \"../nett/net.toml\"");
    scene.at(url, &["validate", app]).status(2).says(&["there is no file ../nett/net.toml"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_of_a_pipeline_in_a_bucket_need_credentials_for_it_and_are_in_the_policy() {
    let (scene, emulator) = (two(), emulator().await);
    let url = emulator.url();
    scene.write("states.toml", "[pipeline]\nname = \"states\"\nregion = \"us-east-1\"\n[steps.b]\nuses = \"s3\"\nwith = { bucket = \"states\" }\n");
    scene.at(url, &["run", "states.toml", "-y"]).status(0);
    scene.edit("net/net.toml", "region = \"us-east-1\"", "region = \"us-east-1\"\nstate = \"s3://states/net\"");
    scene.at(url, &["run", "net/net.toml", "-y"]).status(0);
    scene.at(url, &["run", "app/app.toml", "-y"]).status(0).says(&["vpc = \"vpc-"]);
    let mut policy = scene.command(&["policy", "app/app.toml"]);
    policy.env("AWS_ENDPOINT_URL", url).env("AWS_ACCESS_KEY_ID", "x").env("AWS_SECRET_ACCESS_KEY", "y");
    let policy = policy.output().unwrap();
    let policy = String::from_utf8_lossy(&policy.stdout).into_owned() + &String::from_utf8_lossy(&policy.stderr);
    assert!(policy.contains("arn:aws:s3:::states/net/*"), "{policy}");
    let bare = scene
        .command(&["validate", "app/app.toml"])
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&bare.stderr).into_owned();
    assert_eq!(bare.status.code(), Some(2), "{said}");
    assert!(
        said.contains("the outputs of the pipeline 'net' cannot be read") && said.contains("credentials"),
        "{said}"
    );
}
