//! `llmhost status`: what a pipeline made, from its state.

use std::fmt::Write;

use llmhost_engine::plan::plain;
use llmhost_engine::state::State;

use crate::app;
use crate::args::Status;
use crate::failure::Failure;
use crate::place::Place;
use crate::view::{self, style};

/// Lists what is in the state.
pub(crate) fn status(args: Status) -> Result<(), Failure> {
    let pipeline = app::pipeline(&args.file)?;
    let place = if args.emulate { Place::kept(&pipeline) } else { Place::real(&pipeline, &args.file) };
    let state = place.read()?;
    if args.json {
        let text = serde_json::to_string_pretty(&state).expect("a state is plain data");
        app::print(&(text + "\n"));
    } else {
        app::print(&text(&state));
    }
    Ok(())
}

fn text(state: &State) -> String {
    let (faint, warn) = (style::FAINT, style::WARN);
    let mut text = String::new();
    for (address, record) in &state.resources {
        match &record.current {
            Some(current) => {
                let note = if current.unfinished { format!(" {warn}unfinished{warn:#}") } else { String::new() };
                let _ = writeln!(text, "{address} {faint}{}{faint:#}{note}", plain(&current.id));
            }
            None => {
                let _ = writeln!(text, "{address} {warn}not made{warn:#}");
            }
        }
        for old in &record.deposed {
            let _ = writeln!(text, "{address} {faint}{}{faint:#} {warn}waits to be deleted{warn:#}", plain(&old.id));
        }
    }
    let outputs: Vec<_> = state.outputs.iter().map(|(step, value)| (step.clone(), value.clone())).collect();
    text + &view::outputs(&outputs)
}
