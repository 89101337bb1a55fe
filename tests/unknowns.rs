//! Plugins that look into values that are not known while planning are told before anything is made.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::path::PathBuf;
use std::sync::LazyLock;

use support::{Scene, emulator, look, repository};

static PEEK: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let guests = repository().join("host/sandbox/tests/guests");
    let out = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests");
    llmhost_plugin_build::build(&guests, &["peek"], &out).expect("it compiles").remove(0)
});

/// A network and a plugin that gets its VPC.
fn scene(how: &str) -> Scene {
    let scene = Scene::new();
    scene.write("peek.wasm", &*PEEK);
    scene.pipeline(&format!(
        "[steps.network]\nuses = \"vpc\"\nwith = {{ name = \"net\", cidr = \"10.0.0.0/16\", azs = 2 }}\n\
         [steps.peek]\nuses = \"./peek.wasm\"\nallow = [\"ec2:security-group\", \"s3:bucket\"]\n\
         with = {{ how = \"{how}\", vpc_id = \"${{network.vpc_id}}\" }}\n"
    ));
    scene
}

#[test]
fn a_plugin_that_decides_by_an_unknown_value_is_told_by_the_plan() {
    for (how, words) in [
        (
            "branch",
            &[
                "step peek",
                "looks into a value that is not known while planning: the output 'id' of network/ec2.vpc/main.",
                "It behaves differently when the value is known:",
                "it declares peek/ec2.security-group/extra, which is not in the plan",
                "do not compare, cut or count such a value",
            ][..],
        ),
        ("output", &["outputs: seen: planned \"<<NETWORK/EC2.VPC/MAIN#ID>>\", then \"VPC-0"][..]),
        (
            "crash",
            &[
                "It fails when the value is known:",
                "vpc- is too real",
                "too_real",
                "last output:",
                "the output 'id' of network",
            ][..],
        ),
        (
            "cut",
            &[
                "is not a bucket name",
                "It contains part of an unknown value: the output 'id' of network/ec2.vpc/main.",
                "A plugin cannot cut a value",
            ][..],
        ),
    ] {
        let scene = scene(how);
        let ran = scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(1);
        ran.says(words);
        scene.llmhost(&["validate", "pipeline.toml"]).status(1).says(words);
    }
    // In lines of JSON the crash has its parts.
    let json = scene("crash").llmhost(&["run", "pipeline.toml", "--dry-run", "--json"]).status(1).stdout;
    let lines = json.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let failure = lines.into_iter().find(|line| line["event"] == "failure").expect("a failure");
    assert!(failure["crash"]["message"].as_str().unwrap().contains("vpc- is too real"), "{failure}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_passes_unknown_values_on_runs_and_no_sample_is_left_anywhere() {
    let (scene, emulator) = (scene("pass"), emulator().await);
    let plan = scene.llmhost(&["run", "pipeline.toml", "--dry-run", "--json", "--trace", "plan.jsonl"]).status(0);
    let ran = scene.at(emulator.url(), &["run", "pipeline.toml", "--trace", "trace.jsonl"]).status(0);
    // The schema's default was filled in, and the file's own value counts.
    ran.says(&["peek.size = 3", "peek.seen = \"vpc-"]);
    let graph = scene.llmhost(&["graph", "pipeline.toml"]).status(0);
    let state = std::fs::read_to_string(scene.path(".llmhost/test/state.json")).unwrap();
    let traces = ["plan.jsonl", "trace.jsonl"].map(|name| std::fs::read_to_string(scene.path(name)).unwrap());
    for text in [&plan.stdout, &ran.stdout, &graph.stdout, &state, &traces[0], &traces[1]] {
        assert!(!text.contains("0417263"), "{text}");
    }
    assert_eq!(traces[0].matches("\"entry\":\"run\"").count(), 2, "the second runs are not part of a trace");
    scene.llmhost(&["plugin", "replay", "trace.jsonl"]).status(0).says(&["peek plan", "the same"]);
    assert!(!look(emulator.url()).to_string().contains("0417263"));
    scene.edit("pipeline.toml", "how = \"pass\"", "how = \"pass\", size = 7");
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0).says(&["peek.size = 7"]);
    // What is known is decided by as before.
    scene.edit("pipeline.toml", "how = \"pass\"", "how = \"crash\"");
    scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(1).says(&["vpc- is too real"]);
}
