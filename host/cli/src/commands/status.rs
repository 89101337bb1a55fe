//! `llmhost status`: what a pipeline made, from its state.

use std::fmt::Write;

use llmhost_engine::plan::plain;
use llmhost_engine::state::State;

use crate::app::{self, Console};
use crate::args::Status;
use crate::failure::Failure;
use crate::place::Place;
use crate::view::{self, style};

/// Lists what is in the state.
pub(crate) async fn status(args: Status) -> Result<(), Failure> {
    let console = Console::new(args.json);
    let pipeline = app::pipeline(&args.file)?;
    let place = Place::new(&pipeline, &args.file, &args.place)?.offline();
    let mut state = place.read().await?;
    if args.json {
        state.outputs = state.shown_outputs().into_iter().collect();
        state.file_outputs = state.shown_file_outputs();
        let text = serde_json::to_string_pretty(&state).expect("a state is plain data");
        app::print(&(text + "\n"));
        return Ok(());
    }
    app::print(&text(&state));
    if let Some(holder) = place.keep().holder().await? {
        console.note(&format!("In use by {holder}."));
    }
    Ok(())
}

fn text(state: &State) -> String {
    let own = state.shown_file_outputs().into_iter().collect();
    resources(state) + &view::outputs(&state.shown_outputs()) + &view::own_outputs(&own)
}

/// Each resource with its id, a line each.
pub(crate) fn resources(state: &State) -> String {
    let (faint, warn) = (style::FAINT, style::WARN);
    let mut text = String::new();
    for (address, record) in &state.resources {
        match &record.current {
            Some(current) => {
                let note = match (current.unfinished, &current.broken) {
                    (_, Some(_)) => format!(" {warn}broken{warn:#}"),
                    (true, None) => format!(" {warn}unfinished{warn:#}"),
                    (false, None) => String::new(),
                };
                let _ = writeln!(text, "{address} {faint}{}{faint:#}{note}", plain(&current.id));
            }
            None => {
                let _ = writeln!(text, "{address} {warn}not created{warn:#}");
            }
        }
        for old in &record.deposed {
            let _ = writeln!(text, "{address} {faint}{}{faint:#} {warn}waits to be deleted{warn:#}", plain(&old.id));
        }
    }
    text
}
