//! Outputs of other pipelines: read from their states, which are neither locked nor written.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use llmhost_engine::diagnostic::Diagnostic;
use llmhost_engine::kind::Permission;
use llmhost_engine::pipeline::{Given, Kept, Other, OtherOutputs, Others, Packages, Pipeline};
use llmhost_engine::state::{State, StateError};
use llmhost_resources::AwsSettings;

use crate::app::Console;
use crate::failure::Failure;
use crate::keep::StatePlace;
use crate::packages::Published;
use crate::place;

/// Where the state of another pipeline is, and who it is.
struct Found {
    name: String,
    region: String,
    place: StatePlace,
    /// How to run it, where its file is known.
    run: Option<String>,
}

/// Reads those that a pipeline refers to. Their states are where they were made, also for a run on an emulator.
pub(crate) async fn read(console: &Console, pipeline: &Pipeline, settings: &AwsSettings) -> Result<Others, Failure> {
    let mut others = Others::new();
    for other in pipeline.others() {
        let found = find(pipeline, other)?;
        let state = state(console, pipeline, other, &found, settings).await?;
        others.insert(Pipeline::other_step(other), OtherOutputs::of(&state));
    }
    Ok(others)
}

/// What reading them needs.
pub(crate) fn permissions(pipeline: &Pipeline) -> Result<Vec<Permission>, Failure> {
    let mut all = Vec::new();
    for other in pipeline.others() {
        let found = find(pipeline, other)?;
        if let StatePlace::S3(address) = &found.place {
            let needed = address.permissions(&found.region).into_iter().map(|mut permission| {
                permission.actions.retain(|action| action.starts_with("s3:Get") || action.starts_with("s3:List"));
                permission
            });
            all.extend(needed.filter(|permission| !permission.actions.is_empty()));
        }
    }
    Ok(all)
}

async fn state(
    console: &Console,
    pipeline: &Pipeline,
    other: &Other,
    found: &Found,
    settings: &AwsSettings,
) -> Result<State, Failure> {
    // An emulator has nothing of what others made in AWS.
    let emulated = settings.placeholder_secrets;
    let plain = AwsSettings::default();
    let settings = AwsSettings {
        region: found.region.clone(),
        secrets: plain.secrets.clone(),
        ..if emulated { plain } else { settings.clone() }
    };
    let keep = found.place.keep(&settings);
    let at = keep.address();
    let read = console.hear(keep.read(&found.name)).await;
    let state = match read {
        Ok(State { moved_to: Some(to), .. }) => Err(StateError::MovedAway { path: at.clone(), to }),
        read => read,
    };
    let state = state.map_err(|error| unreadable(pipeline, other, found, &error))?;
    if state.is_empty() {
        let message = format!("the pipeline '{}' has no resources yet: there is no state at {at}", found.name);
        let help = match &found.run {
            Some(run) => format!("run it first: {run}"),
            None => "run it first, and check that its state is stored here".to_owned(),
        };
        return Err(refused(pipeline, "no-state", message, &other.span, help));
    }
    state.hide_sensitive();
    let elsewhere = state.world.as_ref().filter(|world| world.region != pipeline.region);
    if let Some(world) = elsewhere {
        console.note(&format!(
            "The pipeline '{}', whose outputs are used, is in {}; this one is in {}.",
            found.name, world.region, pipeline.region
        ));
    }
    if let Ok(Some(holder)) = keep.holder().await {
        console.note(&format!(
            "The pipeline '{}', whose outputs are used, is being changed by {holder}; the outputs may change.",
            found.name
        ));
    }
    Ok(state)
}

fn unreadable(pipeline: &Pipeline, other: &Other, found: &Found, error: &StateError) -> Failure {
    let help = match error {
        StateError::OtherPipeline { found: named, .. } => match &other.file {
            Some(_) => "set the environment and variables of its state: env, vars".to_owned(),
            None => format!("if this is the right one, add name = \"{named}\""),
        },
        StateError::MovedAway { .. } => "set its current place with state = \"…\"".to_owned(),
        error => match (&found.place, error.advice()) {
            (_, Some(advice)) => advice.to_owned(),
            (StatePlace::S3(address), None) => format!(
                "the plan needs the outputs of '{}': use credentials that can read {address} (s3:GetObject, \
                    s3:ListBucket)",
                other.name
            ),
            (StatePlace::Folder(_), None) => "make it readable".to_owned(),
        },
    };
    let message = format!("the outputs of the pipeline '{}' cannot be read: {error}", other.name);
    refused(pipeline, "no-state", message, &other.span, help)
}

fn find(pipeline: &Pipeline, other: &Other) -> Result<Found, Failure> {
    let told = other.state.as_ref().map(|(text, span)| told(pipeline, text, span)).transpose()?;
    let Some((file, span)) = &other.file else {
        let name = other.pipeline.clone().unwrap_or_else(|| other.name.clone());
        let place = told.expect("one of the two is there");
        return Ok(Found { name, region: pipeline.region.clone(), place, run: None });
    };
    let path = pipeline.base.join(file);
    if !path.is_file() {
        let help = "paths start at the folder of this file".to_owned();
        return Err(refused(pipeline, "unreadable", format!("there is no file {file}"), span, help));
    }
    let kept = Kept { values: other.vars.clone(), ..Kept::default() };
    let packages: Option<Arc<dyn Packages>> = Some(Arc::new(Published));
    let given = Given { environment: other.environment.clone(), kept: Some(kept), packages, ..Given::default() };
    let loaded = Pipeline::load_given(&path, &given, &|name| std::env::var(name).ok())?;
    let is_known = |name: &&String| loaded.given.contains_key(*name) || loaded.given_secrets.contains(*name);
    if let Some(name) = other.vars.keys().find(|name| !is_known(name)) {
        let help = format!("remove it from vars of [pipelines.{}]", other.name);
        return Err(refused(
            pipeline,
            "unknown-variable",
            format!("{file} has no variable '{name}'"),
            &other.span,
            help,
        ));
    }
    let place = match told {
        Some(place) => place,
        None => StatePlace::of(&loaded, None, &place::folder_of(&loaded, &loaded.name))?,
    };
    let environment = other.environment.as_ref().map(|name| format!(" --env {name}")).unwrap_or_default();
    let run = Some(format!("llmhost run {}{environment}", Path::new(file).display()));
    Ok(Found { name: loaded.name, region: loaded.region, place, run })
}

fn told(pipeline: &Pipeline, text: &str, span: &Range<usize>) -> Result<StatePlace, Failure> {
    match text.parse() {
        Ok(StatePlace::Folder(folder)) => Ok(StatePlace::Folder(pipeline.base.join(folder))),
        Ok(bucket) => Ok(bucket),
        Err(message) => {
            let help = "write it like s3://bucket/prefix, or use a folder".to_owned();
            Err(refused(pipeline, "bad-state", message, span, help))
        }
    }
}

fn refused(pipeline: &Pipeline, code: &'static str, message: String, span: &Range<usize>, help: String) -> Failure {
    let (span, label) = (Some(span.clone()), "this pipeline".to_owned());
    Failure::File(pipeline.diagnostics(vec![Diagnostic { code, message, span, label, help: Some(help) }]))
}
