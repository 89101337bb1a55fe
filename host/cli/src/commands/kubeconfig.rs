//! `llmhost kubeconfig`: how `kubectl` and other clients reach the pipeline's cluster.
//!
//! The file holds no credential: it names `llmhost token` as the plugin that signs one when it is needed.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::state::State;
use llmhost_resources::{Aws, AwsSettings, cluster_endpoint, cluster_of};
use serde_json::{Value, json};

use super::token::{self, API_VERSION};
use crate::app::{self, Console};
use crate::args::Kubeconfig;
use crate::failure::Failure;
use crate::place::Place;
use crate::private;

/// Writes the kubeconfig.
pub(crate) async fn kubeconfig(args: Kubeconfig) -> Result<(), Failure> {
    let console = Console::new(false);
    let pipeline = app::pipeline(&args.file)?;
    let place = Place::new(&pipeline, &args.file, &args.place)?;
    let state = place.read().await?;
    let cluster = cluster(&state, args.step.as_deref())?;
    let settings = place.settings();
    let aws = Aws::new(settings.clone());
    let found = cluster_endpoint(&aws, &cluster).await.map_err(|error| token::failure(&error))?;
    let (endpoint, authority) = found.ok_or_else(|| Failure::Other {
        message: format!("there is no cluster '{cluster}' in {}", settings.region),
        help: "Check with llmhost drift whether it was deleted, and which credentials and --endpoint-url are in use."
            .to_owned(),
        status: 1,
    })?;
    let text = written(&cluster, &endpoint, &authority, &plugin(&settings, &cluster)?);
    match &args.output {
        None => app::print(&text),
        Some(path) => {
            save(path, &text)?;
            let shown = path.display();
            console.note(&format!("Wrote {shown}. Use it: kubectl --kubeconfig {shown} get pods --all-namespaces"));
        }
    }
    Ok(())
}

/// The cluster that a step has, or the only one that the pipeline has.
fn cluster(state: &State, step: Option<&str>) -> Result<String, Failure> {
    let mut found: BTreeMap<String, Vec<&StepName>> = BTreeMap::new();
    let current = |(address, record): (_, &llmhost_engine::state::ResourceRecord)| {
        let address: &ResourceAddress = address;
        let name = record.current.as_ref().and_then(|it| cluster_of(address.kind(), &it.id, &it.spec));
        name.map(|name| (name, address.kind() == "eks.cluster", address.step().clone()))
    };
    let mut all: Vec<(String, bool, StepName)> = state.resources.iter().filter_map(current).collect();
    // Those that make a cluster come before those that are in one.
    all.sort_by_key(|(_, makes_it, _)| std::cmp::Reverse(*makes_it));
    for (name, _, of) in &all {
        if step.is_none_or(|step| of.as_str() == step) {
            let steps = found.entry(name.clone()).or_default();
            if !steps.contains(&of) {
                steps.push(of);
            }
        }
    }
    let fail = |message: String, help: &str| Err(Failure::Other { message, help: help.to_owned(), status: 1 });
    match (found.len(), step) {
        (1, _) => Ok(found.into_keys().next().unwrap_or_default()),
        (0, Some(step)) if !all.is_empty() => {
            fail(format!("the step '{step}' has no EKS cluster in the state"), "Remove --step, or use another step.")
        }
        (0, _) => fail(
            format!("the state of '{}' has no EKS cluster", state.pipeline),
            "Run the pipeline first; with --emulate-keep for an emulator, and with --emulate here.",
        ),
        _ => {
            let each = |(name, steps): (&String, &Vec<&StepName>)| {
                format!("{name} (--step {})", steps.first().map_or("", |step| step.as_str()))
            };
            let names: Vec<String> = found.iter().map(each).collect();
            fail(format!("there are several EKS clusters: {}", names.join(", ")), "Choose one with --step.")
        }
    }
}

/// The command that signs a token, and its arguments.
fn plugin(settings: &AwsSettings, cluster: &str) -> Result<Value, Failure> {
    let program = std::env::current_exe().map_err(|error| Failure::Other {
        message: format!("cannot find the path of llmhost: {error}"),
        help: "Run it with its full path.".to_owned(),
        status: 1,
    })?;
    let mut args = vec!["token", "--cluster", cluster, "--region", &settings.region];
    match (&settings.access_key, &settings.profile) {
        (Some(_), _) => args.push("--emulate"),
        (None, Some(profile)) => args.extend(["--profile", profile]),
        (None, None) => {}
    }
    Ok(json!({
        "apiVersion": API_VERSION,
        "command": program.display().to_string(),
        "args": args,
        "interactiveMode": "IfAvailable",
        "provideClusterInfo": false,
        "installHint": "The command of this kubeconfig is llmhost; install it there, or write the file again.",
    }))
}

/// The file's text. A kubeconfig is YAML, and every JSON value is.
fn written(cluster: &str, endpoint: &str, authority: &str, plugin: &Value) -> String {
    let name = json!(cluster);
    let exec: String =
        plugin.as_object().into_iter().flatten().map(|(key, value)| format!("      {key}: {value}\n")).collect();
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: {name}\n  cluster:\n    server: {}\n    \
         certificate-authority-data: {}\nusers:\n- name: {name}\n  user:\n    exec:\n{exec}contexts:\n- name: {name}\n  \
         context:\n    cluster: {name}\n    user: {name}\ncurrent-context: {name}\n",
        json!(endpoint),
        json!(authority),
    )
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    let written = private::create(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::Other {
        message: format!("cannot write {}: {error}", path.display()),
        help: "Check that the folder exists and is writable.".to_owned(),
        status: 1,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(resources: &[(&str, &str, Value)]) -> State {
        let resources: serde_json::Map<String, Value> = resources
            .iter()
            .map(|(address, id, spec)| ((*address).to_owned(), json!({ "current": { "id": id, "spec": spec } })))
            .collect();
        serde_json::from_value(json!({ "pipeline": "p", "resources": resources })).expect("a state")
    }

    #[test]
    fn the_cluster_is_the_only_one_or_the_steps() {
        let own = ("a/eks.cluster/main", "one", json!({}));
        let object = |step: &'static str, cluster: &str| (step, "x", json!({ "target": { "eks": cluster } }));
        let folder = ("c/kube.object/x", "x", json!({ "target": { "folder": "out" } }));
        for (resources, step, expected) in [
            (vec![own.clone(), object("b/kube.object/x", "one"), folder.clone()], None, Ok("one")),
            (vec![object("b/kube.object/x", "another")], None, Ok("another")),
            (vec![own.clone(), object("b/kube.object/x", "another")], Some("b"), Ok("another")),
            (vec![own.clone(), object("b/kube.object/x", "another")], None, Err("another (--step b), one (--step a)")),
            (vec![own.clone(), folder.clone()], Some("c"), Err("'c' has no EKS cluster")),
            (vec![folder], None, Err("has no EKS cluster")),
        ] {
            match (cluster(&state(&resources), step), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (found, expected) => panic!("{found:?} is not {expected:?}"),
            }
        }
    }

    #[test]
    fn the_file_is_yaml_without_a_credential() {
        let settings = AwsSettings {
            region: "us-east-1".to_owned(),
            access_key: Some(("key".to_owned(), "a-secret".to_owned())),
            ..AwsSettings::default()
        };
        let text = written("c", "https://x", "Q0E=", &plugin(&settings, "c").expect("a plugin"));
        assert!(
            text.contains("      args: [\"token\",\"--cluster\",\"c\",\"--region\",\"us-east-1\",\"--emulate\"]\n")
        );
        assert!(!text.contains("a-secret"), "{text}");
        for line in text.lines() {
            assert!(line.contains(": ") || line.ends_with(':'), "{line}");
        }
    }
}
