//! `llmhost plugin dev`: builds again on every change, and shows what changes in the plan.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use llmhost_authoring::Project;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plan::{FieldChange, Plan, compare, plain};
use llmhost_engine::run::{self, Engine};
use llmhost_engine::state::State;
use llmhost_resources::AwsSettings;
use llmhost_sandbox::Functions;

use super::build::built;
use super::changes::Changes;
use crate::app::{self, Console};
use crate::args::Dev;
use crate::commands::run::text_style;
use crate::failure::Failure;
use crate::providers;
use crate::view::{self, style};

/// Watches a project until it is interrupted.
pub(crate) async fn dev(args: Dev) -> Result<(), Failure> {
    let console = Console::new(false);
    let project = Project::open(&args.dir).map_err(|error| super::failed(&error))?;
    let file = args.pipeline.clone().unwrap_or_else(|| project.folder.join("pipeline.toml"));
    let mut changes = Changes::of(&project, &file)?;
    let mut last: Option<Plan> = None;
    let functions = Arc::default();
    loop {
        let began = Instant::now();
        match planned(&args.dir, &file, &console, &functions).await {
            Ok(plan) => {
                let text = last.as_ref().map_or_else(
                    || view::plan(&plan, text_style()),
                    |last| difference(last, &plan).unwrap_or_else(|| "The plan is unchanged.\n".to_owned()),
                );
                app::print(&text);
                last = Some(plan);
            }
            Err(failure) => view::failure(&failure),
        }
        let faint = style::FAINT;
        app::print(&format!("{faint}{:.1} s; waiting for a change{faint:#}\n", began.elapsed().as_secs_f64()));
        if args.once {
            return Ok(());
        }
        changes.next().await?;
    }
}

/// Builds, and plans the pipeline as if nothing were there.
async fn planned(folder: &Path, file: &Path, console: &Console, functions: &Arc<Functions>) -> Result<Plan, Failure> {
    built(folder, console, Some(Arc::clone(functions))).await?;
    let pipeline = Pipeline::load(file, &[], &|name| std::env::var(name).ok())?;
    let settings = AwsSettings {
        region: pipeline.region.clone(),
        secrets: pipeline.secrets.clone(),
        placeholder_secrets: true,
        ..AwsSettings::default()
    };
    let loader = app::loader(console, &pipeline.trust)?;
    // A plan asks no service.
    let registry = providers::registry(&pipeline, settings, &loader).await?;
    let state = State { pipeline: pipeline.name.clone(), ..State::default() };
    // What is built anew all the time is not pinned.
    let engine =
        Engine::load(Arc::new(pipeline), &loader, Arc::new(registry), console.events(), run::DEFAULT_PARALLELISM);
    Ok(engine.await?.plan(&Arc::new(state)).await?)
}

/// What is otherwise than in the last plan, resource by resource; nothing where it is the same.
fn difference(last: &Plan, plan: &Plan) -> Option<String> {
    let (good, bad, name) = (style::GOOD, style::BAD, style::NAME);
    let mut text = String::new();
    let fields = |text: &mut String, heading: String, changes: Vec<FieldChange>| {
        if changes.is_empty() {
            return;
        }
        let _ = writeln!(text, "{name}~{name:#} {heading}");
        for change in changes {
            let value =
                |value: Option<serde_json::Value>| value.map_or("nothing".to_owned(), |value| value.to_string());
            let (old, new) = (value(change.old), value(change.new));
            let _ = writeln!(text, "    {}: {} -> {}", plain(&change.path), plain(&old), plain(&new));
        }
    };
    for (address, resource) in &plan.resources {
        match last.resources.get(address) {
            None => _ = writeln!(text, "{good}+{good:#} {address}"),
            Some(old) => fields(&mut text, address.to_string(), compare(&old.spec, &resource.spec, &[]).fields),
        }
    }
    for address in last.resources.keys().filter(|address| !plan.resources.contains_key(*address)) {
        let _ = writeln!(text, "{bad}-{bad:#} {address}");
    }
    for step in &plan.steps {
        if let Some(old) = last.steps.iter().find(|old| old.name == step.name) {
            fields(&mut text, format!("outputs of {}", step.name), {
                let changes = compare(&old.outputs, &step.outputs, &[]).fields.into_iter();
                changes.map(|change| change.without(&step.sensitive)).collect()
            });
        }
    }
    (!text.is_empty()).then_some(text)
}
