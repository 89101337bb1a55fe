//! `llmhost explain --markdown`: a page for each built-in plugin and each kind, as the documents have them.

mod kind;
mod options;
mod plugin;
mod provider;
mod text;

use std::path::Path;

use llmhost_engine::pipeline::Trust;
use llmhost_engine::plugin::LoadError;
use llmhost_sandbox::Inspected;

use super::{kinds, plugins, wit};
use crate::app::{self, Console};
use crate::failure::Failure;
use text::{cell, page, table};

/// Documents that say how a plugin is used.
const GUIDES: [(&str, &str, &str); 12] = [
    ("vpc", "Networks", "networks.md"),
    ("eks", "Clusters and nodes", "eks.md"),
    ("nodegroup", "Clusters and nodes", "eks.md"),
    ("addon", "Clusters and nodes", "eks.md"),
    ("fargate", "Clusters and nodes", "eks.md"),
    ("inference", "Serve models", "serving.md"),
    ("aws", "Any AWS resource", "aws.md"),
    ("manifests", "Kubernetes objects", "kubernetes.md"),
    ("helm", "Kubernetes objects", "kubernetes.md"),
    ("resources", "Providers", "plugins/providers.md"),
    ("postgres", "The provider for PostgreSQL", "plugins/postgres.md"),
    ("alertmanager", "The provider for Alertmanager", "plugins/alertmanager.md"),
];

/// What a plugin declares that this build may be without: the pages of kinds are the same in every build.
const OF_ABSENT: [(&str, &str); 1] = [("helm", "kube.object")];

/// Writes the pages into `plugins` and `kinds` in this folder.
pub(super) async fn write(folder: &Path) -> Result<(), Failure> {
    let loader = app::loader(&Console::new(false), &Trust::default())?;
    let wrong = |error: LoadError| Failure::plugin(error, "Report this as a bug of llmhost.");
    let kinds = kinds::all();
    let mut pages: Vec<(String, String)> = Vec::new();
    let mut inspected: Vec<(&str, Inspected)> = Vec::new();
    for (name, _) in plugins::all() {
        let file = format!("plugins/{name}.md");
        if let Some(found) = loader.inspect_provider(name, Path::new(".")).await.map_err(wrong)? {
            let bad = |reason| wrong(LoadError::BadDescription { uses: name.to_owned(), reason, crash: None });
            let checked = llmhost_provider::check(&found.described).map_err(bad)?;
            pages.push((file, provider::markdown(name, &found, &checked)));
        } else {
            let found = loader.inspect(name, Path::new(".")).await.map_err(wrong)?;
            pages.push((file, plugin::markdown(name, &found, &kinds)));
            inspected.push((name, found));
        }
    }
    for kind in &kinds {
        let absent = OF_ABSENT.iter().filter(|(name, of)| *of == kind.name() && !plugins::is_one(name));
        let plugins: Vec<&str> = inspected
            .iter()
            .filter(|(_, found)| plugin::declares(found, kind.name()))
            .map(|(name, _)| *name)
            .chain(absent.map(|(name, _)| *name))
            .collect();
        pages.push((format!("kinds/{}.md", kind.name()), kind::markdown(kind, &plugins)));
    }
    pages.push(("plugins/index.md".to_owned(), plugin_list()));
    pages.push(("kinds/index.md".to_owned(), kind_list(&kinds)));
    for (name, text) in &pages {
        keep(&folder.join(name), text)?;
    }
    app::print(&format!("Wrote {} pages to {}.\n", pages.len(), folder.display()));
    Ok(())
}

fn plugin_list() -> String {
    let all = plugins::all().chain(plugins::absent());
    let row = |(name, what): (&str, &str)| vec![format!("[{name}]({name}.md)"), cell(what)];
    let words =
        "A step uses a built-in plugin by its name: `uses = \"vpc\"`. `llmhost explain vpc` prints what its page says.";
    page("Built-in plugins", &format!("{words}\n\n{}", table(&["Plugin", "What it is for"], all.map(row))))
}

fn kind_list(kinds: &[kinds::Kind]) -> String {
    let rows = kinds.iter().map(|kind| {
        let name = kind.name();
        let (_, resource) = name.split_once('.').unwrap_or_default();
        let summary = kind::summary(&wit::types(name), resource);
        let first = summary.split("\n\n").next().unwrap_or_default();
        let first = first.split_inclusive(". ").next().unwrap_or_default();
        vec![format!("[{name}]({name}.md)"), cell(first)]
    });
    let words = "Plugins declare resources of these kinds; plans and states name resources by kind.\n\
                 `llmhost explain ec2.subnet` prints what the page of a kind says.";
    page("Kinds of resources", &format!("{words}\n\n{}", table(&["Kind", "What it is"], rows)))
}

/// A line with the document that says how a plugin is used.
fn guide(plugin: &str) -> String {
    let found = GUIDES.iter().find(|(name, ..)| *name == plugin);
    found.map_or(String::new(), |(_, title, file)| format!("How to use it: [{title}](../../{file}).\n\n"))
}

/// What a change of a field does.
fn on_change(replaces: bool) -> &'static str {
    if replaces { "forces replacement" } else { "in place" }
}

fn keep(file: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::Other {
        message: format!("cannot write {}: {error}", file.display()),
        help: "Name a folder that you may write to.".to_owned(),
        status: 1,
    };
    file.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
    std::fs::write(file, text).map_err(failed)
}
