//! Plugins of users' own: in other languages, without grants, and hostile.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use support::{Scene, emulator, look, repository};

/// A folder below cargo's own, shared by the tests and by later runs of them.
fn scratch() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// The sandbox's own hostile guest, as a component.
static HOSTILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let guests = repository().join("host/sandbox/tests/guests");
    llmhost_plugin_build::build(&guests, &["hostile"], &scratch().join("guests")).expect("it compiles").remove(0)
});

/// One of `plugins/examples`, built by its own script with the package of its language.
fn example(language: &str) -> Vec<u8> {
    let script = repository().join("plugins/examples").join(language).join("build.sh");
    built(&script, language, None)
}

/// One of `tests/crashing`: with the package of its language, or with the bindings of ComponentizeJS alone.
fn crashing(language: &str) -> Vec<u8> {
    let (script, source) = match language {
        "javascript" => ("tests/crashing/javascript/build.sh", "javascript/plugin.js"),
        "typescript" => ("plugins/examples/javascript/build.sh", "plugin.ts"),
        "go" => ("plugins/examples/go/build.sh", "plugin.go"),
        _ => ("plugins/examples/python/build.sh", "plugin.py"),
    };
    let source = repository().join("tests/crashing").join(source);
    built(&repository().join(script), &format!("crashing-{language}"), Some(&source))
}

fn built(script: &Path, name: &str, source: Option<&Path>) -> Vec<u8> {
    let out = scratch().join(format!("{name}.wasm"));
    bash(Command::new("bash").arg(script).arg(&out).args(source));
    std::fs::read(out).expect("it was built")
}

fn bash(command: &mut Command) {
    let done = command.env("CARGO_TARGET_DIR", target()).output().expect("bash starts");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Cargo's folder for what it builds, where packages and tools are kept between runs.
fn target() -> PathBuf {
    scratch().parent().expect("cargo's own folder").to_owned()
}

/// A plugin outside of this repository, with the crate as it is packed.
fn packed_rust() -> Vec<u8> {
    let packages = target().join("sdks");
    bash(Command::new("bash").arg(repository().join("plugins/sdk/rust/pack.sh")).arg(&packages));
    let (here, folder) = (repository().join("tests/packed/rust"), tempfile::tempdir().expect("a folder"));
    bash(
        Command::new("bash")
            .current_dir(&folder)
            .args(["-c", "cp -R \"$0\"/. . && tar xzf \"$1\"/llmhost-plugin-*.crate"])
            .args([&here, &packages]),
    );
    llmhost_plugin_build::build(folder.path(), &["logs"], &scratch().join("plugins")).expect("it compiles").remove(0)
}

async fn runs_as_any_other(language: &str, component: Vec<u8>) {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.write("plugin.wasm", component);
    let step = |allow: &str| {
        format!(
            "[steps.logs]\nuses = \"./plugin.wasm\"\nallow = [{allow}]\nwith = {{ bucket = \"my-{language}-logs\", keep_days = 7 }}\n"
        )
    };
    scene.pipeline(&step(""));
    scene
        .llmhost(&["run", "pipeline.toml", "--dry-run"])
        .status(2)
        .says(&["imports what step 'logs' does not grant", "s3:bucket"]);
    scene.pipeline(&step("\"s3\"").replace("keep_days = 7", "keep_days = 0"));
    scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(2).says(&["keep_days"]);
    scene.pipeline(&step("\"s3\""));
    let plan = scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(0);
    plan.says(&["+ s3.bucket/logs", "1 to create"]);
    let ran = scene.at(emulator.url(), &["run", "pipeline.toml", "--trace", "trace.jsonl"]).status(0);
    let replayed = scene.llmhost(&["plugin", "replay", "trace.jsonl"]).status(0);
    replayed.says(&["logs plan 3 calls: the same", "logs apply 3 calls: the same"]);
    ran.says(&[&format!("logs go to my-{language}-logs and stay 7 days"), &format!("arn:aws:s3:::my-{language}-logs")]);
    let world = look(emulator.url());
    let bucket = &world["storage"][0];
    assert_eq!(bucket["name"], format!("my-{language}-logs"));
    assert_eq!(bucket["tags"]["made-with"], language);
    assert_eq!(bucket["lifecycle"]["Rules"][0]["Expiration"]["Days"], 7);
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0).says(&["No changes"]);
    scene.at(emulator.url(), &["destroy", "pipeline.toml", "--yes"]).status(0);
    assert_eq!(look(emulator.url())["storage"].as_array().map(Vec::len), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_in_javascript_runs_as_any_other() {
    runs_as_any_other("javascript", example("javascript")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_in_python_runs_as_any_other() {
    runs_as_any_other("python", example("python")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_in_go_runs_as_any_other() {
    runs_as_any_other("go", example("go")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_in_rust_outside_of_this_repository_runs_as_any_other() {
    runs_as_any_other("rust", packed_rust()).await;
}

/// Bindings of JavaScript were in a folder of their own while they were built.
fn settled() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter("/tmp/[0-9a-f]+/sources", "/tmp/BUILD/sources");
    settings.add_filter(r"/initializer\.js:\d+:\d+", "/initializer.js:LINE:COLUMN");
    // Lines of the packages.
    settings.add_filter(r"/plugin\.js:\d+:\d+", "/plugin.js:LINE:COLUMN");
    settings.add_filter(r#"_step\.py", line \d+"#, "_step.py\", line LINE");
    settings
}

/// What is said of a crash, from its first line to what to do.
fn says_why(language: &str) -> String {
    let scene = Scene::new();
    scene.write("plugin.wasm", crashing(language));
    let step = |with: &str| format!("[steps.s]\nuses = \"./plugin.wasm\"\nallow = [\"s3\"]\nwith = {with}\n");
    scene.pipeline(&step("{ days = 0 }"));
    let ran = scene.llmhost(&["run", "pipeline.toml", "--dry-run", "--trace", "trace.jsonl"]).status(1);
    let told = ran.stderr.split_once("error: ").expect("an error").1.to_owned();

    // The same in lines of JSON, in parts too; and a replay of the trace ends alike.
    let json = scene.llmhost(&["run", "pipeline.toml", "--dry-run", "--json"]).status(1).stdout;
    let failure = json.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let failure = failure.into_iter().find(|line| line["event"] == "failure").expect("a failure");
    let message = failure["crash"]["message"].as_str().expect("a message");
    assert!(told.contains(message) && failure["message"].as_str().unwrap().contains(message), "{failure}");
    scene.llmhost(&["plugin", "replay", "trace.jsonl"]).status(0).says(&["the same"]);

    // What it writes is shown when asked for; an error that it returns is its own and no crash.
    assert!(!ran.stderr.contains("s: this goes to standard error"), "{}", ran.stderr);
    let verbose = scene.llmhost(&["run", "pipeline.toml", "--dry-run", "-v"]).status(1);
    verbose.says(&["s: this goes to standard error", "s: keeping logs"]);
    scene.pipeline(&step("{ days = -1 }"));
    let refused = scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(1);
    refused.says(&["days must be positive"]);
    assert!(!refused.stderr.contains("crashed"), "{}", refused.stderr);
    told
}

#[test]
fn a_crash_in_javascript_says_its_error_and_its_stack() {
    settled().bind(|| insta::assert_snapshot!(says_why("javascript")));
}

#[test]
fn a_crash_in_typescript_says_its_error_and_the_lines_of_its_source() {
    settled().bind(|| insta::assert_snapshot!(says_why("typescript")));
}

#[test]
fn a_crash_in_go_says_its_panic_and_its_line() {
    let told = says_why("go");
    for words in
        ["index out of range [0] with length 0 (logs/main.go:27)", "info: keeping logs", "stderr: main.lifecycle(...)"]
    {
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_crash_in_python_says_its_traceback() {
    settled().bind(|| insta::assert_snapshot!(says_why("python")));
}

/// The hostile guest with another schema: a text of the same length in its data.
fn with_schema(schema: &str) -> Vec<u8> {
    let own = br#"{"type": "object", "properties": {"do": {"type": "string"}}}"#;
    let mut bytes = HOSTILE.clone();
    let at = bytes.windows(own.len()).position(|window| window == own).expect("its schema is in it");
    bytes[at..at + own.len()].copy_from_slice(format!("{schema:<width$}", width = own.len()).as_bytes());
    bytes
}

#[test]
fn inspect_refuses_what_a_run_refuses() {
    for (schema, words) in [
        (r#"{"type": "objekt"}"#, "its schema is not JSON Schema"),
        (
            r#"{"properties":{"do":{"type":"string","default":1}}}"#,
            "the default of 'do' does not fit its schema: 1 is not of type \"string\"",
        ),
    ] {
        let scene = Scene::new();
        scene.write("plugin.wasm", with_schema(schema));
        scene
            .pipeline("[steps.s]\nuses = \"./plugin.wasm\"\nallow = [\"ec2\", \"sts\"]\nwith = { do = \"nothing\" }\n");
        for args in [
            &["plugin", "inspect", "./plugin.wasm"][..],
            &["validate", "pipeline.toml"],
            &["run", "pipeline.toml", "--dry-run"],
        ] {
            scene.llmhost(args).status(2).says(&[words]);
        }
        let json = scene.llmhost(&["plugin", "inspect", "./plugin.wasm", "--json"]).status(2).stdout;
        assert!(
            serde_json::from_str::<serde_json::Value>(&json).unwrap()["message"].to_string().contains("schema"),
            "{json}"
        );
    }
}

#[test]
fn a_crash_while_a_plugin_describes_itself_is_told_by_inspect() {
    let scene = Scene::new();
    let source = std::fs::read_to_string(repository().join("tests/crashing/javascript/plugin.js")).unwrap();
    scene.write("plugin.js", source.replace("summary: 'Crashes.'", "summary: nothing.at.all"));
    let script = repository().join("tests/crashing/javascript/build.sh");
    scene.write("plugin.wasm", built(&script, "crashing-describe", Some(&scene.path("plugin.js"))));
    let words = ["does not describe itself", "ReferenceError: nothing is not defined (plugin.js:"];
    scene.llmhost(&["plugin", "inspect", "./plugin.wasm"]).status(2).says(&words);
    let json = scene.llmhost(&["plugin", "inspect", "./plugin.wasm", "--json"]).status(2).stdout;
    let error: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(error["crash"]["message"].as_str().unwrap().starts_with("ReferenceError"), "{error}");
    scene.pipeline("[steps.s]\nuses = \"./plugin.wasm\"\nallow = [\"s3\"]\n");
    scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(2).says(&words);
}

#[test]
fn a_plugin_is_refused_what_it_was_not_granted_by_name() {
    let scene = Scene::new();
    scene.write("hostile.wasm", &*HOSTILE);
    scene.pipeline("[steps.s]\nuses = \"./hostile.wasm\"\nallow = [\"ec2:vpc\", \"sts\"]\nwith = { do = \"nop\" }\n");
    let ran = scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(2);
    ran.says(&["ec2:elastic-ip", "ec2:describe", "allow = ["]);
}

#[test]
fn whatever_a_hostile_plugin_does_is_one_clear_error() {
    let scene = Scene::new();
    scene.write("hostile.wasm", &*HOSTILE);
    for (with, words) in [
        ("do = \"trap\"", &["step s", "crashed", "fall_over"][..]),
        ("do = \"spin\"", &["time limit", "spin"]),
        ("do = \"eat-memory\"", &["memory limit", "limits"]),
        ("do = \"huge-string\", count = 1073741824", &["limit"]),
        ("do = \"recurse\", count = 100000000", &["stack"]),
        ("do = \"not-json\"", &["returned"]),
        ("do = \"no-output\"", &["done"]),
        ("do = \"fail\"", &["I would rather not"]),
    ] {
        let limits = "[steps.s.limits]\ntime = \"2s\"\nmemory = \"32MiB\"\n";
        scene.pipeline(&format!(
            "[steps.s]\nuses = \"./hostile.wasm\"\nallow = [\"ec2\", \"sts\"]\nwith = {{ {with} }}\n{limits}\n\
             [steps.after]\nuses = \"./hostile.wasm\"\nallow = [\"ec2\", \"sts\"]\nwith = {{ do = \"${{s.done}}\" }}\n"
        ));
        let ran = scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(1);
        ran.says(words).says(&["step after skipped"]);
    }
}

/// The example in Rust, as a component.
static QUEUE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let plugins = repository().join("plugins");
    llmhost_plugin_build::build(&plugins, &["queue"], &scratch().join("plugins")).expect("it compiles").remove(0)
});

fn queue(allow: &str, days: u32) -> String {
    format!(
        "[steps.jobs]\nuses = \"./queue.wasm\"\nallow = [{allow}]\n\
         with = {{ name = \"jobs\", keep_days = {days}, parameter = \"/jobs/queue\" }}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn any_resource_type_and_any_call_are_made_changed_and_taken_back() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.write("queue.wasm", &*QUEUE);
    let allow = "\"cloud-control:AWS::SQS::*\", \"request:ssm:*Parameter Name=/jobs/*\"";
    scene.pipeline(&queue(allow, 3));
    let before = emulator.inventory("us-east-1").unwrap();
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0).says(&["jobs", "jobs.parameter_version = 1"]);
    let made = emulator.inventory("us-east-1").unwrap();
    let new: Vec<&String> = made.difference(&before).collect();
    assert_eq!(new, ["sqs us-east-1 jobs", "ssm us-east-1 /jobs/queue"]);
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0).says(&["0 changes"]);
    scene.at(emulator.url(), &["drift", "pipeline.toml", "--exit-code"]).status(0);

    scene.pipeline(&queue(allow, 5));
    let plan = scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(0);
    plan.says(&["~ cloud-control.entity/jobs", "1 to update"]);
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0).says(&["1 updated"]);
    scene.at(emulator.url(), &["destroy", "pipeline.toml", "--yes"]).status(0);
    assert_eq!(emulator.inventory("us-east-1").unwrap(), before);
}

#[test]
fn generic_capabilities_reach_only_what_their_patterns_name() {
    let scene = Scene::new();
    scene.write("queue.wasm", &*QUEUE);
    let (sqs, put, undo) = (
        "cloud-control:AWS::SQS::Queue",
        "request:ssm:PutParameter Name=/jobs/*",
        "request:ssm:DeleteParameter Name=/jobs/*",
    );
    for (allow, words) in [
        (vec![], &["cloud-control", "request"][..]),
        (vec![sqs], &["request"]),
        (vec!["cloud-control:AWS::SNS::*", put, undo], &["cloud-control:AWS::SQS::Queue"]),
        (vec![sqs, "request:ssm:PutParameter Name=/other/*", undo], &["request:ssm:PutParameter"]),
        // What would undo it is a call too.
        (vec![sqs, put], &["request:ssm:DeleteParameter"]),
        (vec![sqs, "request:sqs:PutParameter", undo], &["request:ssm:PutParameter"]),
        (vec!["cloud-control", put, undo], &["is not a grant", "cloud-control:AWS::SQS::Queue"]),
        (vec![sqs, "request:*", undo], &["is not a grant"]),
        (vec!["cloud-control:*::*::*", put, undo], &["is not a grant"]),
    ] {
        let quoted: Vec<String> = allow.iter().map(|grant| format!("\"{grant}\"")).collect();
        scene.pipeline(&queue(&quoted.join(", "), 3));
        let ran = scene.llmhost(&["run", "pipeline.toml", "--dry-run", "--accept-plugins"]);
        assert_ne!(ran.status, 0, "{allow:?} is refused: {ran:?}");
        ran.says(words);
    }
    scene.pipeline(&queue(&format!("\"{sqs}\", \"{put}\", \"{undo}\""), 3));
    scene.llmhost(&["run", "pipeline.toml", "--dry-run", "--accept-plugins"]).status(0);
    let policy = scene.llmhost(&["policy", "pipeline.toml"]).status(0);
    policy.says(&["cloudformation:CreateResource", "ssm:PutParameter"]);
}
