//! `llmhost plugin replay`: a trace's plugins, run again with the answers that are in it.

use std::path::Path;

use llmhost_engine::pipeline::Trust;
use llmhost_engine::plan::plain;
use llmhost_engine::plugin::{LoadRequest, PluginLoader};
use llmhost_engine::trace::{self, Outcome, Phase, RecordedRun, Recording};
use llmhost_sandbox::Loader;
use serde_json::json;

use crate::app::{self, Console};
use crate::args::Replay;
use crate::failure::Failure;
use crate::view::style;

/// Replays a trace. Ends with 1 where a plugin did something else.
pub(crate) async fn replay(args: Replay) -> Result<(), Failure> {
    let recording = read(&args.trace)?;
    let of_step = |run: &&RecordedRun| args.step.as_ref().is_none_or(|step| run.begun.step.as_str() == step);
    let runs: Vec<&RecordedRun> = recording.runs.iter().filter(of_step).collect();
    let mut named = args.step.iter().chain(args.plugins.iter().map(|(step, _)| step));
    if let Some(step) = named.find(|step| !recording.runs.iter().any(|run| run.begun.step.as_str() == *step)) {
        return Err(unknown_step(step, &recording));
    }
    let console = Console::new(args.json);
    if recording.torn {
        console.note("The last line of the trace is incomplete: the process stopped while it wrote it.");
    }
    let loader = app::loader(&console, &Trust::default())?;
    let mut departed = false;
    for run in runs {
        let told = args.plugins.iter().find(|(step, _)| run.begun.step.as_str() == step);
        let (outcome, sha256) = replay_one(&loader, run, &recording, told.map(|(_, plugin)| plugin.as_str())).await?;
        departed |= matches!(outcome, Outcome::Departed(_));
        show(run, &outcome, &sha256, args.json);
    }
    if departed { Err(Failure::Reported) } else { Ok(()) }
}

pub(super) fn read(path: &Path) -> Result<Recording, Failure> {
    let refused = |reason: String| Failure::Other {
        message: format!("the trace {} cannot be replayed: {reason}", path.display()),
        help: "llmhost run FILE --trace OUT writes one.".to_owned(),
        status: 2,
    };
    let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    Recording::read(&text).map_err(|error| refused(error.to_string()))
}

fn unknown_step(step: &str, recording: &Recording) -> Failure {
    let mut steps: Vec<&str> = recording.runs.iter().map(|run| run.begun.step.as_str()).collect();
    steps.sort_unstable();
    steps.dedup();
    Failure::usage(format!("no step '{step}' is in the trace"), format!("Its steps are {}.", steps.join(", ")))
}

/// Replays one run; gives how it ended and the digest of the component that ran.
pub(super) async fn replay_one(
    loader: &Loader,
    run: &RecordedRun,
    recording: &Recording,
    told: Option<&str>,
) -> Result<(Outcome, String), Failure> {
    let begun = &run.begun;
    // A path of the command line starts here, one of the trace at its pipeline.
    let (uses, base) = match told {
        Some(plugin) => (plugin, Path::new(".")),
        None => (begun.uses.as_str(), recording.header.base.as_path()),
    };
    let request = LoadRequest { step: &begun.step, uses, base, allow: &begun.allow, limits: &begun.limits };
    let plugin = loader.load(&request).await.map_err(|error| Failure::Other {
        message: format!("step '{}': {error}", begun.step),
        help: format!("Set the path of its component: --plugin {}=PATH", begun.step),
        status: 1,
    })?;
    Ok((trace::replay(run, &*plugin).await, plugin.sha256().to_owned()))
}

fn show(run: &RecordedRun, outcome: &Outcome, sha256: &str, as_json: bool) {
    let begun = &run.begun;
    let same_plugin = sha256 == begun.sha256;
    if as_json {
        let (result, departure) = match outcome {
            Outcome::Same => ("same", None),
            Outcome::Cut => ("cut", None),
            Outcome::Departed(departure) => ("departed", Some(departure)),
        };
        let line = json!({
            "event": "replayed",
            "step": begun.step,
            "phase": begun.phase,
            "calls": run.calls.len(),
            "result": result,
            "departure": departure,
            "same_plugin": same_plugin,
        });
        return app::print(&format!("{line}\n"));
    }
    let (name, faint, good, bad) = (style::NAME, style::FAINT, style::GOOD, style::BAD);
    let phase = match begun.phase {
        Phase::Plan => "plan",
        Phase::Apply => "apply",
    };
    let calls = match run.calls.len() {
        1 => "1 call".to_owned(),
        many => format!("{many} calls"),
    };
    let mut text = format!("{name}{}{name:#} {faint}{phase}{faint:#} {calls}: ", begun.step);
    match outcome {
        Outcome::Same => text.push_str(&format!("{good}the same{good:#}\n")),
        Outcome::Cut => text.push_str("the same up to the end of the trace, which is incomplete\n"),
        Outcome::Departed(departure) => {
            text.push_str(&format!("{bad}different{bad:#} {}\n", plain(&departure.to_string())));
            for change in &departure.changes {
                let value = |value: &Option<_>| value.as_ref().map_or("nothing".to_owned(), |v| format!("{v}"));
                let (old, new) = (value(&change.old), value(&change.new));
                text.push_str(&format!("    {} was {} and is now {}\n", change.path, plain(&old), plain(&new)));
            }
        }
    }
    if !same_plugin {
        let (then, now) = (&begun.sha256, sha256);
        text.push_str(&format!("    {faint}{} is another component: {now}, recorded {then}{faint:#}\n", begun.uses));
    }
    app::print(&text);
}
