//! Cases beside a plugin: what they say, and what is said when it does something else.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::PathBuf;
use std::sync::LazyLock;

use support::{Scene, repository};

/// A plugin that looks into its `vpc_id` in a way that `how` names, and declares a security group.
static PEEK: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let guests = repository().join("host/sandbox/tests/guests");
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests");
    llmhost_plugin_build::build(&guests, &["peek"], &out).expect("it compiles").remove(0)
});

const GOOD: &str = r#"
description = "A group in another step's network"
[with]
how = "nothing"
vpc_id = "${network.vpc_id}"
[given.network]
vpc_id = "vpc-0123456789abcdef0"
[outputs."ec2.security-group/it"]
id = "sg-0a1b2c3d4e5f60718"
[expect.declarations."ec2.security-group/it"]
vpc_id = "vpc-0123456789abcdef0"
group_name = "peek"
[expect.outputs]
group = "sg-0a1b2c3d4e5f60718"
size = 3
"#;

fn scene(cases: &[(&str, &str)]) -> Scene {
    let scene = Scene::new();
    scene.write("peek.wasm", &*PEEK);
    for (name, text) in cases {
        scene.write(&format!("cases/{name}.toml"), text);
    }
    scene
}

#[test]
fn a_case_passes_where_the_plugin_does_what_it_expects() {
    // What it looks into is named by a plan with other values: that can be expected, too.
    let decides = r#"
        [with]
        how = "branch"
        vpc_id = "${network.vpc_id}"
        [given.network]
        vpc_id = "vpc-0123456789abcdef0"
        [expect.failure]
        code = "refused"
        message = "the output 'vpc_id' of network"
        during = "plan"
    "#
    .replace("'vpc_id' of network", "'vpc_id' of network/given.outputs/step");
    let denied = r#"
        [with]
        how = "nothing"
        vpc_id = "vpc-1"
        [fail."ec2.security-group/it"]
        code = "denied"
        message = "you may not"
        [expect.failure]
        code = "denied"
        message = "you may not"
        during = "apply"
    "#;
    let crash = r#"
        with = { how = "crash", vpc_id = "vpc-1" }
        [expect.failure]
        code = "crashed"
        message = "vpc- is too real"
    "#;
    let wrong = r#"
        with = { how = "nothing" }
        [expect.failure]
        code = "invalid"
        message = "vpc_id"
    "#;
    let scene = scene(&[("good", GOOD), ("decides", &decides), ("denied", denied), ("crash", crash), ("wrong", wrong)]);
    let ran = scene.llmhost(&["plugin", "test", "peek.wasm", "--junit", "report.xml"]).status(0);
    ran.says(&["ok good: A group in another step's network", "ok decides", "ok denied", "5 cases passed."]);
    let report = std::fs::read_to_string(scene.path("report.xml")).unwrap();
    assert!(report.contains(r#"tests="5""#) && report.contains(r#"failures="0""#), "{report}");
    // One of them alone.
    scene.llmhost(&["plugin", "test", "peek.wasm", "--only", "crash"]).status(0).says(&["1 case passed."]);
}

#[test]
fn what_a_plugin_does_otherwise_is_said_field_by_field_and_written_where_wanted() {
    let other = GOOD.replace("\"peek\"", "\"other\"").replace("size = 3", "size = 4");
    let extra = r#"
        # Kept.
        with = { how = "branch", vpc_id = "vpc-1" }
        [expect.declarations."s3.bucket/logs"]
    "#;
    let scene =
        scene(&[("other", &other), ("extra", extra), ("nothing", "with = { how = \"x\", vpc_id = \"vpc-1\" }")]);
    let ran = scene.llmhost(&["plugin", "test", "peek.wasm", "--junit", "report.xml"]).status(1);
    ran.says(&[
        r#"declarations."ec2.security-group/it".group_name expected "other" seen "peek""#,
        "outputs.size expected 4 seen 3",
        r#"declarations."s3.bucket/logs" expected a declaration seen nothing"#,
        r#"declarations."ec2.security-group/extra" expected nothing seen {"#,
        "--update writes what it does now",
        "0 cases passed, 3 failed.",
    ]);
    let report = std::fs::read_to_string(scene.path("report.xml")).unwrap();
    assert!(report.contains(r#"failures="3""#) && report.contains("outputs.size"), "{report}");

    scene.llmhost(&["plugin", "test", "peek.wasm", "--update"]).status(0).says(&["3 cases passed."]);
    let written = std::fs::read_to_string(scene.path("cases/extra.toml")).unwrap();
    assert!(
        written.contains("# Kept.") && written.contains(r#"[expect.declarations."ec2.security-group/extra"]"#),
        "{written}"
    );
    assert!(!written.contains("s3.bucket/logs"), "{written}");
    scene.llmhost(&["plugin", "test", "peek.wasm"]).status(0);
}

#[test]
fn the_same_cases_run_in_an_emulator() {
    let in_network = GOOD.replace("[outputs.\"ec2.security-group/it\"]\nid = \"sg-0a1b2c3d4e5f60718\"\n", "");
    let bucket = r#"
        [with]
        bucket = "case-models"
        [expect.declarations."s3.bucket/main"]
        bucket = "case-models"
        [expect.outputs]
        bucket = "case-models"
        arn = "arn:aws:s3:::case-models"
    "#;
    let scene = scene(&[("group", &in_network)]);
    scene.write("s3/bucket.toml", bucket);
    scene.llmhost(&["plugin", "test", "s3", "--cases", "s3"]).status(0).says(&["1 case passed."]);
    let ran = scene.llmhost(&["plugin", "test", "s3", "--cases", "s3", "--emulate"]).status(0);
    ran.says(&["1 case passed."]);
    // There is no such network in the emulator, and that is what it says.
    let ran = scene.llmhost(&["plugin", "test", "peek.wasm", "--emulate"]).status(1);
    ran.says(&["failure expected nothing seen ec2.security-group/it: ec2:CreateSecurityGroup: InvalidVpcID.NotFound"]);
}

#[test]
fn a_trace_is_a_case() {
    let scene = scene(&[]);
    scene.write("peek.toml", "with = {}");
    scene.pipeline(
        "[steps.peek]\nuses = \"./peek.wasm\"\nallow = [\"ec2:security-group\", \"s3:bucket\"]\n\
         with = { how = \"nothing\", vpc_id = \"vpc-1\" }\n",
    );
    scene.write("cases/x", "");
    scene.llmhost(&["run", "pipeline.toml", "--dry-run", "--trace", "cases/run.jsonl"]).status(0);
    scene.llmhost(&["plugin", "test", "peek.wasm"]).status(0).says(&["ok run", "1 case passed."]);
    scene.edit("cases/run.jsonl", "\"peek\",\"description\"", "\"other\",\"description\"");
    scene.llmhost(&["plugin", "test", "peek.wasm"]).status(1).says(&["FAIL run", "0 cases passed, 1 failed."]);
}

#[test]
fn cases_that_cannot_be_run_are_said_with_their_place() {
    for (text, words) in [
        ("[wiht]\na = 1", "unknown field `wiht`"),
        ("with = [", "cases/bad.toml: TOML parse error at line 1"),
        ("[fail.\"s3.bucket/x\"]\ncode = \"tired\"", "unknown variant `tired`"),
        ("[expect.failure]\ncode = \"tired\"", "expect.failure.code is 'tired'; it is one of invalid, refused"),
        ("[given.tested]\nid = 1", "'tested' is the name of the tested step"),
    ] {
        let scene = scene(&[("bad", text)]);
        scene.llmhost(&["plugin", "test", "peek.wasm"]).status(2).says(&[words]);
    }
    let scene = scene(&[]);
    scene
        .llmhost(&["plugin", "test", "peek.wasm"])
        .status(2)
        .says(&["the cases in cases cannot be read", "--cases names"]);
    scene.write("cases/readme.md", "");
    scene.llmhost(&["plugin", "test", "peek.wasm"]).status(2).says(&["there are no cases in cases"]);
    scene.write("cases/a.toml", "");
    let ran = scene.llmhost(&["plugin", "test", "peek.wasm", "--only", "b"]).status(2);
    ran.says(&["there is no case 'b' in cases", "Its cases are a."]);
}

#[test]
fn a_plugin_runs_without_a_pipeline_file() {
    let scene = scene(&[]);
    let with = r#"{"how": "nothing", "vpc_id": "vpc-1"}"#;
    let ran = scene.llmhost(&["plugin", "run", "peek.wasm", "--with", with]).status(0);
    ran.says(&["Granted for this run: ec2:security-group, s3:bucket.", "1 to create", "ec2.security-group/it"]);
    assert!(!ran.stderr.contains("pinned"), "the file is gone: {}", ran.stderr);
    scene.write("options.toml", "bucket = \"alone-models\"");
    let ran = scene.llmhost(&["plugin", "run", "s3", "--with", "@options.toml", "--apply"]).status(0);
    ran.says(&["Done: ", "alone-models"]);
    assert!(!scene.path(".llmhost").exists(), "it leaves nothing there");

    for (with, words) in [
        ("{", "--with is not a JSON object"),
        ("[]", "--with is not a JSON object"),
        ("@missing.json", "@missing.json cannot be read"),
        (r#"{"how": null}"#, "--with contains a null"),
        ("{}", "step peek has no 'how'"),
    ] {
        scene.llmhost(&["plugin", "run", "peek.wasm", "--with", with]).status(2).says(&[words]);
    }
    scene.llmhost(&["plugin", "run", "missing.wasm"]).status(2).says(&["missing.wasm"]);
}
