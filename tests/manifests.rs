//! Manifests of files become objects: the cases beside the plugin, and a life in a folder of manifests.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use support::{Scene, emulator, repository};

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: settings }\ndata: { mode: \"plain\" }\n";
const STEPS: &str = r#"[steps.shop]
uses = "manifests"
[steps.shop.with]
files = ["k8s"]
namespace = "shop"
target = { manifests = "out" }
"#;

#[test]
fn the_cases_of_the_plugin_pass() {
    let scene = Scene::new();
    let cases = repository().join("plugins/manifests/cases");
    let ran = scene.llmhost(&["plugin", "test", "manifests", "--cases", cases.to_str().unwrap()]).status(0);
    ran.says(&["7 cases passed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_planned_applied_changed_and_taken_away() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    scene.write("k8s/config.yaml", CONFIG);
    scene.pipeline(STEPS);
    scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(0).says(&["ConfigMap.shop.settings", "1 to create"]);
    scene.at(url, &["run", "pipeline.toml", "--yes"]).status(0);
    let found: Vec<_> = std::fs::read_dir(scene.path("out")).unwrap().flatten().map(|entry| entry.path()).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(std::fs::read_to_string(&found[0]).unwrap().contains("plain"));
    scene.at(url, &["run", "pipeline.toml", "--yes"]).status(0).says(&["0 changes"]);
    scene.edit("k8s/config.yaml", "plain", "loud");
    let ran = scene.llmhost(&["run", "pipeline.toml", "--dry-run", "--json"]).status(0);
    ran.says(&["loud", "\"files\":{", "k8s/config.yaml"]);
    scene.write("k8s/config.yaml", CONFIG.replace("settings", "other"));
    scene.at(url, &["run", "pipeline.toml", "--yes"]).status(0).says(&["ConfigMap.shop.other"]);
    scene.write("k8s/config.yaml", "kind: [");
    let ran = scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(1);
    ran.says(&["step shop", "k8s/config.yaml:1:7: unclosed bracket"]);
}

#[test]
fn a_trace_of_files_replays_without_them() {
    let scene = Scene::new();
    scene.write("k8s/config.yaml", CONFIG);
    scene.pipeline(STEPS);
    scene.llmhost(&["run", "pipeline.toml", "--dry-run", "--trace", "trace.jsonl"]).status(0);
    std::fs::remove_dir_all(scene.path("k8s")).unwrap();
    scene.llmhost(&["plugin", "replay", "trace.jsonl"]).status(0);
}

#[test]
fn helm_says_what_to_do_where_it_was_not_built_in() {
    let scene = Scene::new();
    let with = "release = \"web\"\nchart = \"charts/web\"\ntarget = { manifests = \"out\" }\n";
    scene.pipeline(&format!("[steps.web]\nuses = \"helm\"\n[steps.web.with]\n{with}"));
    if llmhost_builtin::ABSENT.iter().any(|(name, _)| *name == "helm") {
        let ran = scene.llmhost(&["validate", "pipeline.toml"]).status(2);
        ran.says(&["the built-in plugin 'helm' is not in this llmhost", "llmhost plugin build plugins/helm"]);
    } else {
        scene
            .llmhost(&["run", "pipeline.toml", "--dry-run"])
            .status(1)
            .says(&["there is no file or folder 'charts/web'"]);
    }
}
