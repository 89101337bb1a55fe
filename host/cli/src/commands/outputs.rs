//! `llmhost outputs`: what the last run returned, from the state, for people and programs.

use std::io::IsTerminal;

use llmhost_engine::diagnostic::did_you_mean;
use llmhost_engine::names::StepName;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plan::plain;
use llmhost_engine::secret::{named, shown};
use llmhost_engine::state::State;

use crate::app::{self, Console};
use crate::args::Outputs;
use crate::failure::Failure;
use crate::place::Place;
use crate::view::exports::{self, Output};

/// Prints them.
pub(crate) async fn outputs(args: Outputs) -> Result<(), Failure> {
    let console = Console::new(false);
    let args = args.understood();
    if args.shell && (args.json || args.tfvars) {
        return Err(Failure::usage("--env cannot be used with --json or --tfvars", "Choose one of them."));
    }
    let pipeline = app::pipeline(&args.file)?;
    let place = Place::new(&pipeline, &args.file, &args.place)?.offline();
    let state = place.read().await?;
    if state.is_empty() {
        return Err(nothing_yet(&pipeline, &place));
    }
    let all = all(&state);
    let own = own(&state);
    let (chosen, is_one) = match &args.name {
        Some(name) => match own.iter().find(|output| output.name == name) {
            Some(one) => (vec![*one], true),
            None => chosen(name, &all, &state, &pipeline)?,
        },
        None if own.is_empty() => (all, false),
        None => (own, false),
    };
    let is_asked_for = is_one || args.show_sensitive;
    let (handles, chosen): (Vec<_>, Vec<_>) = chosen.into_iter().partition(|output| secret_in(output).is_some());
    if let (true, [one]) = (is_one, &handles[..]) {
        return Err(stands_for_secret(one));
    }
    let (told, left_out): (Vec<_>, Vec<_>) =
        chosen.into_iter().partition(|output| is_asked_for || !is_sensitive(output, &state));
    let text = match &told[..] {
        told if args.json => exports::json(told),
        told if args.shell => exports::env(told)?,
        told if args.tfvars => exports::tfvars(told)?,
        [one] if is_one => for_one(&exports::bare(one.value)),
        told => exports::lines(told),
    };
    app::print_value(&text, is_asked_for);
    if let Some(first) = left_out.first() {
        let (count, file) = (left_out.len(), pipeline.path.display());
        let are = if count == 1 { "sensitive output is" } else { "sensitive outputs are" };
        console.note(&format!(
            "{count} {are} hidden. To show one, name it: llmhost outputs {file} {}; to show all, add --show-sensitive.",
            plain(&first.address())
        ));
    }
    if !handles.is_empty() {
        let names: Vec<_> = handles.iter().map(Output::address).collect();
        console.note(&format!(
            "Not shown, because the state does not contain values of secrets: {}.",
            plain(&names.join(", "))
        ));
    }
    if told.is_empty() && left_out.is_empty() && handles.is_empty() {
        console.note("There are no outputs: no step with outputs has finished yet.");
    }
    Ok(())
}

/// What the file itself gives.
fn own(state: &State) -> Vec<Output<'_>> {
    state.file_outputs.iter().map(|(name, value)| Output { step: None, name, value }).collect()
}

/// The outputs of every step that finished.
fn all(state: &State) -> Vec<Output<'_>> {
    let mut all = Vec::new();
    for (step, outputs) in &state.outputs {
        let outputs = outputs.as_object().into_iter().flatten();
        all.extend(outputs.map(|(name, value)| Output { step: Some(step), name, value }));
    }
    all
}

/// What a name stands for: one output, or those of a step, and whether it is one.
fn chosen<'a>(
    name: &str,
    all: &[Output<'a>],
    state: &'a State,
    pipeline: &Pipeline,
) -> Result<(Vec<Output<'a>>, bool), Failure> {
    let (step, of_step) = parts(name, state, pipeline);
    if let Some(one) = all.iter().find(|output| is_of(output, &step) && output.name == of_step) {
        return Ok((vec![*one], true));
    }
    // A step that is repeated, one of those that it is repeated as, or a pipeline.
    let is_meant = |known: &StepName| of_step.is_empty() && known.is_part_of(&step);
    if state.outputs.keys().any(is_meant) {
        return Ok((all.iter().filter(|output| output.step.is_some_and(is_meant)).copied().collect(), false));
    }
    Err(unknown(name, all, state, pipeline))
}

fn is_of(output: &Output<'_>, step: &str) -> bool {
    output.step.is_some_and(|known| known.as_str() == step)
}

/// Says what there is in place of a name that is not there.
fn unknown(name: &str, all: &[Output<'_>], state: &State, pipeline: &Pipeline) -> Failure {
    let near = |candidates: &[String]| match did_you_mean(name, candidates.iter().map(String::as_str)) {
        Some(near) => format!("Did you mean '{near}'? "),
        None => String::new(),
    };
    if pipeline.output_names().any(|known| known == name) {
        let message =
            format!("the output '{name}' of the file is not known yet: no run has succeeded since it was added");
        let help = format!("Run it: llmhost run {}", pipeline.path.display());
        return Failure::Other { message, help, status: 1 };
    }
    let (step, output) = parts(name, state, pipeline);
    let of_step: Vec<_> = all.iter().filter(|known| is_of(known, &step)).collect();
    if state.outputs.keys().any(|known| known.as_str() == step) {
        let names: Vec<&str> = of_step.iter().map(|output| output.name).collect();
        let there = match names[..] {
            [] => "It has no outputs.".to_owned(),
            _ => format!("Its outputs are {}.", names.join(", ")),
        };
        let near = near(&of_step.iter().map(|output| output.address()).collect::<Vec<_>>());
        return Failure::usage(format!("step '{step}' has no output '{output}'"), near + &there);
    }
    if pipeline.steps.iter().any(|known| known.name.as_str() == step) {
        let message = format!("step '{step}' has no outputs yet: it has not finished");
        let help = format!("Run it: llmhost run {}", pipeline.path.display());
        return Failure::Other { message, help, status: 1 };
    }
    let steps: Vec<String> = state.outputs.keys().map(ToString::to_string).collect();
    let there = match steps[..] {
        [] => "No step has finished yet.".to_owned(),
        _ => format!("Steps with outputs are {}.", steps.join(", ")),
    };
    let own: Vec<String> = state.file_outputs.keys().cloned().collect();
    let there = match &own[..] {
        [] => there,
        own => format!("The file's own outputs are {}. {there}", own.join(", ")),
    };
    let near = match output {
        "" => near(&[own, steps].concat()),
        _ => near(&all.iter().map(Output::address).collect::<Vec<_>>()),
    };
    Failure::usage(format!("there is no step '{step}' in the state"), near + &there)
}

/// The step and the output that a name means. Names of steps may have dots: the longest one that there is counts.
fn parts<'n>(name: &'n str, state: &State, pipeline: &Pipeline) -> (String, &'n str) {
    let read = |step: &str| step.parse::<StepName>().map_or_else(|_| step.to_owned(), |step| step.to_string());
    let is_known = |step: &str| {
        let is_part = |known: &StepName| known.is_part_of(step);
        state.outputs.keys().any(is_part) || pipeline.steps.iter().any(|known| is_part(&known.name))
    };
    let dots = name.rmatch_indices('.').map(|(at, _)| (read(&name[..at]), &name[at + 1..]));
    let all = std::iter::once((read(name), "")).chain(dots);
    let found = all.into_iter().find(|(step, _)| is_known(step));
    found.unwrap_or_else(|| {
        let (step, output) = name.split_once('.').unwrap_or((name, ""));
        (read(step), output)
    })
}

/// Whether an output is not to be seen: its plugin says so, or it holds a text that is not to be seen.
fn is_sensitive(output: &Output<'_>, state: &State) -> bool {
    let is_marked = match output.step {
        Some(step) => state.sensitive.get(step).is_some_and(|names| names.contains(output.name)),
        None => state.sensitive_file_outputs.contains(output.name),
    };
    let text = output.value.to_string();
    is_marked || shown(&text) != text
}

/// The secret whose handle an output holds: the value is not in the state.
fn secret_in(output: &Output<'_>) -> Option<String> {
    named(output.value).into_iter().next()
}

fn stands_for_secret(output: &Output<'_>) -> Failure {
    let secret = secret_in(output).unwrap_or_default();
    Failure::Other {
        message: format!("{} contains the secret '{secret}', whose value is not in the state", output.address()),
        help: format!("Read it from the place in [secrets.{secret}] of the pipeline file."),
        status: 1,
    }
}

/// A value alone. On a terminal, nothing in it acts; elsewhere it is what it is.
fn for_one(value: &str) -> String {
    match std::io::stdout().is_terminal() {
        true => value.split('\n').map(|line| plain(line).into_owned() + "\n").collect(),
        false => format!("{value}\n"),
    }
}

/// There is nothing to print from.
fn nothing_yet(pipeline: &Pipeline, place: &Place) -> Failure {
    let (name, file) = (&pipeline.name, pipeline.path.display());
    let (message, options) = match place.is_emulated() {
        true => (format!("there is no kept emulator with resources of the pipeline '{name}'"), " --emulate-keep"),
        false => (format!("the pipeline '{name}' has no state yet at {}", place.keep().address()), ""),
    };
    Failure::Other { message, help: format!("Run it first: llmhost run {file}{options}"), status: 1 }
}
