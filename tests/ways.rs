//! Ways in: a first pipeline, explanations, one form of files, completions, manual pages, the cache, and the state of the machine.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::process::Command;

use serde_json::Value;
use support::{Ran, Scene, ran};

fn with_cache(scene: &Scene, args: &[&str]) -> Command {
    let mut command = scene.command(args);
    command.env("XDG_CACHE_HOME", scene.path("cache"));
    command
}

#[test]
fn init_writes_a_pipeline_that_plans_at_once_for_every_choice() {
    let scene = Scene::new();
    for entry in std::fs::read_dir(support::repository().join("pipelines/models/demo")).unwrap().flatten() {
        scene.write(&format!("model/{}", entry.file_name().to_string_lossy()), std::fs::read(entry.path()).unwrap());
    }
    for (name, flags) in [
        ("bare", &[][..]),
        ("gpu", &["--gpu", "g6.xlarge", "--model", "s3://models/llm"][..]),
        ("cpu", &["--cpu", "--model", "model", "--region", "eu-central-1"][..]),
        ("there", &["--existing-vpc", "vpc-0abc1234", "--gpu", "g5.xlarge", "--model", "s3://models"][..]),
        ("china", &["--region", "cn-north-1", "--cpu"][..]),
    ] {
        let file = format!("{name}.toml");
        let ran = scene.llmhost(&[&["init", &file, "--yes", "--name", name][..], flags].concat()).status(0);
        ran.says(&["Wrote", &format!("llmhost run {file} --dry-run")]);
        let text = std::fs::read_to_string(scene.path(&file)).unwrap();
        assert!(text.lines().filter(|line| line.starts_with('#')).count() > 5, "{text}");
        scene.llmhost(&["validate", &file]).status(0);
        scene.llmhost(&["run", &file, "--dry-run"]).status(0).says(&[" to create"]);
        scene.llmhost(&["fmt", "--check", &file]).status(0);
    }
}

#[test]
fn init_overwrites_nothing_and_checks_what_it_is_told() {
    let scene = Scene::new();
    scene.write("pipeline.toml", "mine");
    scene.llmhost(&["init", "--yes"]).status(2).says(&["pipeline.toml exists", "--force"]);
    assert_eq!(std::fs::read_to_string(scene.path("pipeline.toml")).unwrap(), "mine");
    scene.llmhost(&["init", "--yes", "--force"]).status(0);
    scene.llmhost(&["init", "new.toml"]).status(2).says(&["no terminal to ask on", "--yes"]);
    for (flag, value, words) in [
        ("--region", "us-east-9", "us-east-9"),
        ("--name", "Big Name", "lower-case"),
        ("--gpu", "big", "is not an instance type"),
        ("--model", "/no/such", "there is no folder"),
        ("--existing-vpc", "subnet-1", "is not the id of a VPC"),
    ] {
        scene.llmhost(&["init", "new.toml", "--yes", flag, value]).status(2).says(&[flag, words]);
    }
    scene.llmhost(&["init", "new.toml", "--yes", "--cpu", "--gpu", "g6.xlarge"]).status(2);
    scene.llmhost(&["init", "no/such/folder/new.toml", "--yes"]).status(1).says(&["cannot write"]);
    assert!(!scene.path("new.toml").exists());
}

#[test]
fn explain_tells_plugins_options_kinds_and_types() {
    let scene = Scene::new();
    let explain = |name: &str| scene.llmhost(&["explain", name]);
    scene.llmhost(&["explain"]).status(0).says(&["nodegroup", "ec2.subnet", "eks.cluster", "AWS::DynamoDB"]);
    explain("nodegroup").status(0).says(&["Options", "instance_types", "required", "Outputs", "uses = \"nodegroup\""]);
    explain("nodegroup.disk_gib").status(0).says(&[
        "integer",
        "Default: 100",
        "At least: 20",
        "Example: disk_gib = 100",
    ]);
    explain("nodegroup.taints.effect").status(0).says(&["NoSchedule", "Required."]);
    explain("eks.addons.coredns.version").status(0).says(&["Version"]);
    explain("ec2.subnet").status(0).says(&["cidr_block", "a change forces replacement", "IAM actions"]);
    explain("ec2.subnet.tags").status(0).says(&["Changed in place"]);
    explain("ec2.subnet.vpc_id").status(0).says(&["A change forces replacement"]);
    explain("AWS::SQS::Queue.FifoQueue").status(0).says(&["boolean", "forces replacement"]);
    explain("AWS::SQS::Queue").status(0);
    explain("postgres").status(0);
    for (name, words) in [
        ("nodegruop", "Did you mean nodegroup?"),
        ("nodegroup.instance_typs", "Did you mean nodegroup.instance_types?"),
        ("ec2.subnte", "Did you mean ec2.subnet?"),
        ("ec2.subnet.cidr", "Did you mean ec2.subnet.cidr_block?"),
        ("AWS::SQS::Quue", "Did you mean AWS::SQS::Queue?"),
        ("nodegroup.min.x", "has no parts"),
    ] {
        explain(name).status(2).says(&[words]);
    }
}

#[test]
fn fmt_changes_the_form_and_nothing_else() {
    let scene = Scene::new();
    let text = "[pipeline]\nname=\"a\" # why\nregion = 'us-east-1'\n\n\n\n[steps.x]\nuses=\"noop\"\n";
    scene.write("a.toml", text);
    scene.llmhost(&["fmt", "--check", "a.toml"]).status(1).says(&["not formatted: a.toml"]);
    assert_eq!(std::fs::read_to_string(scene.path("a.toml")).unwrap(), text);
    scene.llmhost(&["fmt", "a.toml"]).status(0).says(&["Formatted a.toml"]);
    let after = std::fs::read_to_string(scene.path("a.toml")).unwrap();
    assert_eq!(after, "[pipeline]\nname = \"a\"  # why\nregion = 'us-east-1'\n\n[steps.x]\nuses = \"noop\"\n");
    scene.llmhost(&["fmt", "--check", "a.toml"]).status(0);
    scene.write("bad.toml", "a = = 1\n");
    scene.llmhost(&["fmt", "bad.toml"]).status(2).says(&["bad.toml: line 1"]);
    assert_eq!(std::fs::read_to_string(scene.path("bad.toml")).unwrap(), "a = = 1\n");
    std::fs::create_dir(scene.path("folder")).unwrap();
    scene.write("binary", [0xffu8, 0xfe]);
    for (file, words) in [("folder", "is a folder"), ("binary", "is not a text"), ("none", "No such file")] {
        scene.llmhost(&["fmt", file]).status(2).says(&[words]);
    }
}

#[test]
fn shells_and_manuals_know_every_command() {
    let scene = Scene::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = scene.llmhost(&["completions", shell]).status(0).stdout;
        assert!(script.contains("rehearse"), "{shell}");
    }
    let bash = scene.llmhost(&["completions", "bash"]).stdout;
    let path = scene.write("completions.bash", bash);
    assert!(Command::new("bash").arg("-n").arg(path).status().unwrap().success(), "bash reads it");
    scene.llmhost(&["man", "pages"]).status(0).says(&["manual pages to pages"]);
    let page = std::fs::read_to_string(scene.path("pages/llmhost-cache-clean.1")).unwrap();
    assert!(page.contains("older") && page.contains(".TH"), "{page}");
    scene.write("file", "");
    scene.llmhost(&["man", "file"]).status(1).says(&["cannot write manual pages"]);
}

fn fill(scene: &Scene) {
    for (path, text) in [
        ("code/aa.cwasm", "code"),
        ("code/aa.lock", ""),
        ("models/models/k1/model.onnx", "weights"),
        ("models/models/k1.json", r#"{"files":[{"path":"model.onnx","sha256":"b1"}]}"#),
        ("models/blobs/b1", "weights"),
        ("models/blobs/b2", "nobody's"),
        ("models/locks/k1", ""),
        ("emulator-0123456789ab/llmhost-finished", ""),
        ("emulator-0123456789ab/bin/python", "python"),
        ("emulator-0123456789ab.lock", ""),
        ("plugins/sha256/cc", "plugin"),
        ("mine/notes", "a user's own"),
    ] {
        scene.write(&format!("cache/llmhost/{path}"), text);
    }
}

#[test]
fn the_cache_is_listed_by_sort_and_cleaned_but_for_what_is_in_use() {
    let scene = Scene::new();
    fill(&scene);
    let cache = |args: &[&str]| -> Ran { ran(with_cache(&scene, &[&["cache"], args].concat()).output()) };
    cache(&["list"]).status(0).says(&["code", "models", "environments", "packages", "emulator-0123456789ab"]);
    let listed: Value = serde_json::from_str(&cache(&["list", "--json"]).status(0).stdout).unwrap();
    assert_eq!(listed["items"].as_array().unwrap().len(), 4, "{listed}");

    cache(&["clean", "--older-than", "1d"]).status(0).says(&["Removed 0 entries"]);
    cache(&["clean", "--dry-run"]).status(0).says(&["Would remove 4 entries"]);
    assert!(scene.path("cache/llmhost/code/aa.cwasm").exists());
    cache(&["clean", "--older-than", "soon"]).status(2).says(&["30d"]);

    // A process runs in the environment, another one holds the lock of the model.
    let mut sleeper =
        Command::new("sleep").arg("60").current_dir(scene.path("cache/llmhost/emulator-0123456789ab")).spawn().unwrap();
    let lock = std::fs::File::open(scene.path("cache/llmhost/models/locks/k1")).unwrap();
    lock.lock().unwrap();
    let cleaned = cache(&["clean", "--json"]).status(0);
    _ = sleeper.kill();
    _ = sleeper.wait();
    drop(lock);
    let cleaned: Value = serde_json::from_str(&cleaned.stdout).unwrap();
    assert_eq!(cleaned["removed"].as_array().unwrap().len(), 2, "{cleaned}");
    assert_eq!(cleaned["in_use"].as_array().unwrap().len(), 2, "{cleaned}");
    assert!(scene.path("cache/llmhost/models/blobs/b2").exists(), "somebody is fetching");
    assert!(scene.path("cache/llmhost/models/models/k1/model.onnx").exists());

    cache(&["clean"]).status(0).says(&["Removed 2 entries"]);
    for gone in
        ["models/models/k1", "models/models/k1.json", "models/blobs/b1", "models/blobs/b2", "emulator-0123456789ab"]
    {
        assert!(!scene.path(&format!("cache/llmhost/{gone}")).exists(), "{gone}");
    }
    assert!(scene.path("cache/llmhost/mine/notes").exists(), "what is not llmhost's stays");
}

#[test]
fn links_in_the_cache_lead_nowhere() {
    let scene = Scene::new();
    scene.write("precious/llmhost-finished", "");
    scene.write("precious/data", "precious");
    std::fs::create_dir_all(scene.path("cache/llmhost")).unwrap();
    std::os::unix::fs::symlink(scene.path("precious"), scene.path("cache/llmhost/env-0123456789ab")).unwrap();
    std::os::unix::fs::symlink(scene.path("precious"), scene.path("cache/llmhost/code")).unwrap();
    ran(with_cache(&scene, &["cache", "clean"]).output()).status(0).says(&["Removed 0 entries"]);
    assert_eq!(std::fs::read_to_string(scene.path("precious/data")).unwrap(), "precious");
}

#[test]
fn doctor_says_of_each_thing_how_it_is_and_what_to_do_and_no_secret() {
    let scene = Scene::new();
    scene.write(
        "aws/credentials",
        "[default]\naws_access_key_id = AKIAPLANTED\naws_secret_access_key = planted-secret-value\n",
    );
    let doctor = |args: &[&str], variables: &[(&str, &str)]| -> Ran {
        let mut command = with_cache(&scene, &[&["doctor"], args].concat());
        command.env("AWS_SHARED_CREDENTIALS_FILE", scene.path("aws/credentials"));
        for (name, value) in variables {
            command.env(name, value);
        }
        ran(command.output())
    };
    let began = std::time::Instant::now();
    let said = doctor(&[], &[("AWS_REGION", "eu-west-1")]).status(0);
    assert!(began.elapsed().as_secs() < 60);
    said.says(&[
        "ok credentials an access key of the profile default",
        "eu-west-1",
        "disk",
        "clock",
        "Python",
        "cache",
    ]);
    said.does_not_say(&["planted-secret-value", "AKIAPLANTED"]);
    let all: Value = serde_json::from_str(&doctor(&["--json"], &[]).status(0).stdout).unwrap();
    for one in all.as_array().unwrap() {
        assert!(["ok", "missing", "broken"].contains(&one["state"].as_str().unwrap()), "{one}");
        assert!(one["state"] == "ok" || one["fix"].as_str().is_some_and(|fix| fix.len() > 5), "{one}");
    }
    doctor(&[], &[("AWS_PROFILE", "nobody")])
        .status(1)
        .says(&["broken credentials AWS_PROFILE names 'nobody'", "pipelines cannot run here"]);
    doctor(&[], &[("AWS_ACCESS_KEY_ID", "A")]).status(1).says(&["AWS_SECRET_ACCESS_KEY is not"]);
    doctor(&[], &[("AWS_REGION", "us-east-9")]).status(0).says(&["broken region"]);
    // Nobody can write below a file.
    doctor(&[], &[("XDG_CACHE_HOME", "/dev/null")]).status(1).says(&["broken cache"]);
    doctor(&["--onnxruntime", "/no/such/library"], &[]).status(0).says(&["broken ONNX Runtime"]);
}

#[test]
fn help_ends_with_examples() {
    let scene = Scene::new();
    scene.llmhost(&["run", "--help"]).status(0).says(&["Examples: llmhost run pipeline.toml --dry-run"]);
    scene.llmhost(&["cache", "clean", "--help"]).status(0).says(&["llmhost cache clean --dry-run"]);
}
