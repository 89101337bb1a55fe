//! Built-in plugins and their options.

use std::fmt::Write;
use std::path::Path;

use llmhost_engine::pipeline::Trust;
use llmhost_engine::plugin::LoadError;

use super::schema;
use crate::app::{self, Console};
use crate::failure::Failure;
use crate::view::style;

/// What the built-in plugins are for, in a few words: their own summaries need their code.
const PURPOSES: [(&str, &str); 15] = [
    ("vpc", "VPC, subnets, gateways, routes, security groups"),
    ("iam", "roles of cluster and nodes, further roles and policies"),
    ("eks", "the cluster: control plane, access, OIDC provider, add-ons"),
    ("nodegroup", "a managed node group with GPUs or without"),
    ("addon", "an add-on as a step of its own, with a role"),
    ("fargate", "pods of some namespaces on Fargate"),
    ("s3", "a bucket, and model folders in it"),
    ("irsa", "a role for the pods of one service account"),
    ("aws", "any resource that CloudFormation has a type for"),
    ("inference", "the model server in the cluster, or a model on this machine"),
    ("manifests", "Kubernetes objects of YAML files and kustomizations"),
    ("helm", "the objects of a Helm chart"),
    ("resources", "resources of the kinds that a provider brings"),
    ("postgres", "a provider: databases, roles and grants of PostgreSQL"),
    ("alertmanager", "a provider: silences of Alertmanager"),
];

/// The built-in plugins, with what each is for.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    llmhost_builtin::ALL.iter().map(|builtin| (builtin.name, purpose(builtin.name)))
}

/// The built-in plugins that this build has not.
pub(super) fn absent() -> impl Iterator<Item = (&'static str, &'static str)> {
    llmhost_builtin::ABSENT.iter().map(|(name, _)| (*name, purpose(name)))
}

fn purpose(plugin: &str) -> &'static str {
    PURPOSES.iter().find(|(name, _)| *name == plugin).map_or("", |(_, purpose)| *purpose)
}

pub(super) fn is_one(name: &str) -> bool {
    llmhost_builtin::ALL.iter().any(|builtin| builtin.name == name)
}

/// Prints a plugin with its options, or one option.
pub(super) async fn explain(name: &str, path: &[&str]) -> Result<(), Failure> {
    let loader = app::loader(&Console::new(false), &Trust::default())?;
    let wrong = |error: LoadError| Failure::plugin(error, "Report this as a bug of llmhost.");
    if loader.inspect_provider(name, Path::new(".")).await.map_err(wrong)?.is_some() {
        return match path {
            [] => crate::commands::plugin::inspect(name, false).await,
            _ => Err(Failure::usage(
                format!("{name} is a provider: it has kinds and not options"),
                format!("llmhost plugin inspect {name} lists its kinds."),
            )),
        };
    }
    let found = loader.inspect(name, Path::new(".")).await.map_err(wrong)?;
    let described = &found.description;
    if !path.is_empty() {
        let text = schema::describe(name, &described.config_schema, path)?;
        let plan = "Whether a change replaces a resource, the plan says: llmhost run FILE --dry-run.";
        app::print(&format!("{text}\n{plan}\n"));
        return Ok(());
    }
    let (bold, mut text) = (style::NAME, String::new());
    let _ = writeln!(text, "{bold}{name}{bold:#}: {}\n\n{bold}Options{bold:#}", described.summary);
    text += &schema::list(&described.config_schema, &described.config_schema);
    let _ = writeln!(text, "\n{bold}Outputs{bold:#}");
    for output in &described.outputs {
        let _ = writeln!(text, "  {:24} {}", output.name, output.description);
    }
    let example = textwrap::indent(&schema::step(name, &described.config_schema), "  ");
    let _ = write!(text, "\n{bold}Example{bold:#}\n{example}");
    let _ = writeln!(text, "\nllmhost explain {name}.OPTION explains one option.");
    app::print(&text);
    Ok(())
}
