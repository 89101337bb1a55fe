//! `llmhost lock`: in what the plugins differ from the lock file, and taking them as they are.

use llmhost_engine::lock::PluginChange;
use llmhost_engine::pins::Pins;
use llmhost_engine::plan::plain;

use crate::app::{self, Console};
use crate::args::Lock;
use crate::failure::Failure;
use crate::view::{JsonLine, style};

/// Shows what differs from the lock file; with `--accept` writes it down.
pub(crate) async fn lock(args: Lock) -> Result<(), Failure> {
    let console = Console::new(args.json);
    let pipeline = app::pipeline(&args.file)?;
    let lock = app::lock(&pipeline)?;
    let loader = app::loader(&console, &pipeline.trust)?;
    let pins = console.hear(Pins::find(&pipeline, &loader, &lock)).await?;
    let changes = pins.changes(&lock);
    let accept = args.accept || args.file.accept_plugins;
    if accept {
        pins.accept(&lock)?;
    }
    console.result(|| text(&changes, accept), &JsonLine::Lock { accepted: accept, changes: &changes });
    if args.exit_code && !changes.is_empty() { Err(Failure::Changes) } else { Ok(()) }
}

fn text(changes: &[PluginChange], accepted: bool) -> String {
    let (name, faint) = (style::NAME, style::FAINT);
    let mut text = String::new();
    for change in changes {
        text.push_str(&format!("{name}{}{name:#}\n", plain(&change.uses)));
        change.words().iter().for_each(|words| text.push_str(&format!("  {}\n", plain(words))));
    }
    text.push_str(&match (changes.len(), accepted) {
        (0, _) => "llmhost.lock matches the plugins.\n".to_owned(),
        (_, true) => "Accepted: llmhost.lock now matches the plugins.\n".to_owned(),
        (_, false) => format!("{faint}Add --accept to accept these changes.{faint:#}\n"),
    });
    text
}
