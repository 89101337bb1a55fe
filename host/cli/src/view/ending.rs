//! What a person does after a run: how to look at what was created, how to go on, how to delete it.

use llmhost_engine::names::{ResourceAddress, StepName};
use llmhost_engine::state::State;
use serde_json::Value;

use super::style;

/// How many resources that are billed are named.
const NAMED: usize = 6;

/// The commands about the pipeline that was run.
pub(crate) struct Commands {
    /// What names pipeline, place and state: `pipeline.toml --env prod`.
    pub(crate) arguments: String,
    /// Whether everything there is on an emulator, which costs nothing.
    pub(crate) is_emulated: bool,
}

/// Resources that exist and cost money.
fn billed(state: &State) -> Vec<&ResourceAddress> {
    let exist = state.resources.iter().filter(|(_, record)| record.current.is_some() || !record.deposed.is_empty());
    exist.map(|(address, _)| address).filter(|address| llmhost_resources::is_billed(address.kind())).collect()
}

/// What was done, by step: `  network   12 created, 1 updated`. Nothing where it is one step.
pub(crate) fn by_step(done: &[(StepName, [usize; 3])]) -> String {
    if done.len() < 2 {
        return String::new();
    }
    let width = done.iter().map(|(step, _)| step.as_str().len()).max().unwrap_or(0);
    let counts = |counts: &[usize; 3]| {
        let words = counts.iter().zip(["created", "updated", "deleted"]).filter(|(count, _)| **count > 0);
        words.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    };
    done.iter().map(|(step, count)| format!("  {:width$}  {}\n", step.as_str(), counts(count))).collect()
}

/// After a run that did everything.
pub(crate) fn after_success(state: &State, commands: &Commands) -> String {
    let (name, arguments) = (style::NAME, &commands.arguments);
    let mut text = String::new();
    if !state.resources.is_empty() {
        let mut look = vec![format!("llmhost status {arguments}")];
        let objects = state.resources.values().filter_map(|record| Some(&record.current.as_ref()?.spec));
        let manifests: Vec<&Value> = objects.filter_map(|spec| spec.get("manifest")).collect();
        if has_cluster(state) {
            look = vec![format!("llmhost kubeconfig {arguments} --output kubeconfig")];
            let workload = manifests.iter().find(|manifest| manifest["kind"] == "Deployment");
            let namespace = workload.and_then(|manifest| manifest["metadata"]["namespace"].as_str());
            let of = namespace.map_or("--all-namespaces".to_owned(), |namespace| format!("--namespace {namespace}"));
            look.push(format!("kubectl --kubeconfig kubeconfig get pods {of}"));
            // No container runs in an emulated cluster, so nothing would answer.
            let server = manifests.iter().find_map(|manifest| server(manifest)).filter(|_| !commands.is_emulated);
            if let Some((namespace, service, port)) = server {
                look.push(format!(
                    "kubectl --kubeconfig kubeconfig port-forward --namespace {namespace} service/{service} 8000:{port}"
                ));
                look.push("curl http://127.0.0.1:8000/v1/models".to_owned());
            }
        }
        text += &format!("{name}Look at it:{name:#}\n{}", indented(&look));
        text += &format!("{name}Delete it:{name:#}\n{}", indented(&[format!("llmhost destroy {arguments}")]));
    }
    text
}

/// After a run or a destroy that did not do everything.
pub(crate) fn after_failure(state: &State, commands: &Commands, is_destroy: bool) -> String {
    let (name, warn, arguments) = (style::NAME, style::WARN, &commands.arguments);
    let mut text = String::new();
    let billed = billed(state);
    if !billed.is_empty() && !commands.is_emulated {
        let mut names: Vec<String> = billed.iter().take(NAMED).map(ToString::to_string).collect();
        if billed.len() > NAMED {
            names.push(format!("… and {} more", billed.len() - NAMED));
        }
        text += &format!("{warn}These resources exist and are still billed:{warn:#}\n{}", indented(&names));
    }
    let again = if is_destroy { "destroy" } else { "run" };
    text += &format!("{name}Continue:{name:#}\n{}", indented(&[format!("llmhost {again} {arguments}")]));
    if !state.resources.is_empty() {
        text += &format!("{name}List what exists:{name:#}\n{}", indented(&[format!("llmhost status {arguments}")]));
        if !is_destroy {
            text += &format!("{name}Delete it:{name:#}\n{}", indented(&[format!("llmhost destroy {arguments}")]));
        }
    }
    text
}

fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {line}\n")).collect()
}

fn has_cluster(state: &State) -> bool {
    let current = |(address, record): (&ResourceAddress, &llmhost_engine::state::ResourceRecord)| {
        let current = record.current.as_ref()?;
        llmhost_resources::cluster_of(address.kind(), &current.id, &current.spec)
    };
    state.resources.iter().any(|entry| current(entry).is_some())
}

/// Namespace, name and port of a Service that answers HTTP.
fn server(manifest: &Value) -> Option<(&str, &str, u64)> {
    if manifest["kind"] != "Service" {
        return None;
    }
    let port = manifest["spec"]["ports"].as_array()?.iter().find(|port| port["name"] == "http")?;
    let metadata = &manifest["metadata"];
    Some((metadata["namespace"].as_str()?, metadata["name"].as_str()?, port["port"].as_u64()?))
}
