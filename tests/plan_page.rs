//! The page of a plan in a browser: what it shows on click, and how fast it moves.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the measured rates are shown with --nocapture"
)]

mod support;

use serde_json::{Value, json};
use support::browser::browse;
use support::user::plugin;
use support::{Scene, emulator, thousand};

const WINDOW: [u32; 2] = [1280, 800];

/// What the panel says after a click on what has this label.
fn panel(page: &str, label: &str) -> Value {
    json!({ "page": page, "size": WINDOW, "click": [format!("[aria-label='{label}']")], "text": "#panel" })
}

/// The texts of panels, each without breaks.
fn texts(jobs: &[Value]) -> Vec<String> {
    let texts = browse(jobs);
    let flat = |text: &Value| text.as_str().unwrap().to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    texts.iter().map(flat).collect()
}

#[track_caller]
fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "'{word}' is not in: {text}");
    }
}

#[test]
fn a_click_shows_costs_grants_and_iam_actions() {
    let scene = Scene::with_examples();
    scene.write("own.wasm", plugin());
    let own = "\n[steps.logs]\nuses = \"./own.wasm\"\nallow = [\"s3\"]\nwith = { bucket = \"llm-logs-1\" }\n";
    let file = std::fs::read_to_string(scene.path("llm-on-eks.toml")).unwrap();
    let (before, outputs) = file.split_once("\n[outputs").unwrap_or((&file, ""));
    let outputs = if outputs.is_empty() { String::new() } else { format!("\n[outputs{outputs}") };
    scene.write("llm-on-eks.toml", format!("{before}{own}{outputs}"));
    scene.llmhost(&["run", "llm-on-eks.toml", "--dry-run", "--skip-preflight", "--graph", "plan.html"]).status(0);
    scene.llmhost(&["graph", "llm-on-eks.toml", "--output", "graph.html"]).status(0);
    let [plan, graph] = ["plan.html", "graph.html"].map(|name| scene.path(name).display().to_string());
    let found = texts(&[
        panel(&plan, "+ create eks.node-group main, step gpu"),
        panel(&graph, "+ create eks.node-group main, step gpu"),
        panel(&plan, "+ create ec2.vpc main, step network"),
        panel(&plan, "+ create s3.bucket main, step models"),
        panel(&plan, "step gpu (nodegroup)"),
        panel(&plan, "step logs (./own.wasm)"),
    ]);
    let [gpu, drawn, vpc, bucket, step, logs] = found.try_into().unwrap();
    says(&gpu, &["an hour, $", "a month", "1 x g4dn.xlarge, 100 gib (up to 2)", "list prices of", "without tax"]);
    says(&gpu, &["grants of step gpu all: the plugin is part of llmhost.", "iam actions that llmhost needs"]);
    says(&gpu, &["eks:createnodegroup", "eks:deletenodegroup"]);
    assert_eq!(gpu, drawn);
    says(
        &vpc,
        &["not in the estimate: aws bills nothing for this by itself, or its price is unknown.", "ec2:createvpc"],
    );
    says(&bucket, &["billed by use, not counted: s3 storage"]);
    assert!(!bucket.contains("an hour"), "{bucket}");
    says(
        &step,
        &["+ create 2", "an hour, $", "ec2:createlaunchtemplate", "eks:createnodegroup", "gpu/eks.node-group/main"],
    );
    says(&logs, &["grants s3 iam actions", "s3:createbucket", "logs/s3.bucket/"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_shows_the_same_and_no_costs_where_nobody_is_billed() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(
        "[steps.net]\nuses = \"vpc\"\nwith = { name = \"p\", azs = 1, nat = \"single\", security_groups = {} }\n",
    );
    scene.at(emulator.url(), &["run", "pipeline.toml", "--quiet", "--yes", "--report", "ran.html"]).status(0);
    scene.llmhost(&["run", "pipeline.toml", "--emulate", "--report", "emulated.html"]).status(0);
    let [ran, emulated] = ["ran.html", "emulated.html"].map(|name| scene.path(name).display().to_string());
    let label = "+ create ec2.nat-gateway nat-a, step net";
    let found = texts(&[panel(&ran, label), panel(&emulated, label), panel(&ran, "step net (vpc)")]);
    let [ran, emulated, step] = found.try_into().unwrap();
    says(&ran, &["this run creating: done", "$0.045 an hour", "a month", "ec2:createnatgateway"]);
    says(&emulated, &["this run creating: done", "ec2:createnatgateway"]);
    assert!(!emulated.contains("cost"), "{emulated}");
    says(&step, &["net/ec2.nat-gateway/nat-a", "an hour", "all: the plugin is part of llmhost."]);
}

/// The page of a plan with more than a thousand resources.
fn large(scene: &Scene) -> String {
    scene.pipeline(&thousand());
    scene.llmhost(&["run", "pipeline.toml", "--dry-run", "--skip-preflight", "--graph", "plan.html"]).status(0);
    let page = std::fs::read_to_string(scene.path("plan.html")).unwrap();
    assert!(page.matches("<g class=\"resource ").count() >= 1_000);
    scene.path("plan.html").display().to_string()
}

#[test]
fn a_thousand_resources_move_at_thirty_frames_a_second() {
    let scene = Scene::new();
    let page = large(&scene);
    let near = "for (let n = 0; n < 8; n++) document.getElementById('in').click()";
    // From afar, steps are cards; from near, each resource is drawn.
    for script in ["undefined", near] {
        let job = json!({ "page": page, "size": WINDOW, "script": script, "frames": true });
        let rates = browse(&[job.clone(), job.clone(), job]);
        println!("{script}: {rates:?}");
        // It moved in each frame.
        assert!(rates.iter().all(|rate| rate["places"].as_u64() > Some(20)), "{rates:?}");
        for of in ["median", "mean"] {
            let best = rates.iter().filter_map(|rate| rate[of].as_f64()).fold(0.0, f64::max);
            assert!(best >= 30.0, "{of} of {best} frames a second: {rates:?}");
        }
    }
}
