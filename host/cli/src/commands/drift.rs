//! `llmhost drift`: what is there, beside what the state says.

use std::fmt::Write;

use llmhost_engine::plan::plain;
use llmhost_engine::run::{self, Drift as Found, Found as How};

use crate::app::{self, Console};
use crate::args::Drift;
use crate::failure::Failure;
use crate::place::Place;
use crate::providers;
use crate::view::{JsonLine, style};

/// Reads everything that the state holds and shows what differs.
pub(crate) async fn drift(args: Drift) -> Result<(), Failure> {
    let console = Console::new(args.json);
    let pipeline = app::pipeline(&args.file)?;
    let place = Place::new(&pipeline, &args.file, &args.place)?;
    let state = place.read().await?;
    let registry = providers::placed(&console, &pipeline, &args.file, &place).await?;
    let found = console.hear(run::drift_from(&pipeline, &registry, &state, args.parallelism.into())).await?;
    let unread = found.iter().any(|drift| matches!(drift.found, How::Unread { .. }));
    let all = state.resources.len();
    let summary = match found.len() {
        0 if all == 0 => "Nothing has been created yet.\n".to_owned(),
        0 => format!("No drift: all {all} resources are as declared.\n"),
        some => format!("Drift: {some} of {all} resources are not as declared.\n"),
    };
    console.result(|| text(&found) + &summary, &JsonLine::Drift { resources: all, drift: &found });
    match (unread, found.is_empty()) {
        (true, _) => Err(Failure::Reported),
        (false, false) if args.exit_code => Err(Failure::Changes),
        _ => Ok(()),
    }
}

/// Each resource that differs, field by field.
pub(crate) fn text(found: &[Found]) -> String {
    let (warn, bad, faint) = (style::WARN, style::BAD, style::FAINT);
    let mut text = String::new();
    for drift in found {
        let (address, id) = (&drift.address, plain(&drift.id));
        let _ = match &drift.found {
            How::Gone => writeln!(text, "{bad}gone{bad:#}    {address} {faint}{id}{faint:#}"),
            How::Changed { .. } => writeln!(text, "{warn}changed{warn:#} {address} {faint}{id}{faint:#}"),
            How::Unread { error } => {
                writeln!(
                    text,
                    "{bad}unread{bad:#}  {address} {faint}{id}{faint:#}\n        {}",
                    plain(&error.to_string())
                )
            }
        };
        if let How::Changed { fields } = &drift.found {
            let word = |value: &Option<serde_json::Value>| {
                value.as_ref().map_or_else(|| "nothing".to_owned(), |v| plain(&v.to_string()).into_owned())
            };
            for field in fields {
                let _ = writeln!(
                    text,
                    "        {}: {} in the state, {} in reality",
                    plain(&field.path),
                    word(&field.old),
                    word(&field.new)
                );
            }
        }
    }
    text
}
