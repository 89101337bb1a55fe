//! What a person sees, or a program reads: views of the engine's events, plans and reports.

mod activity;
mod amounts;
mod cost;
mod destruction;
mod diagnostics;
pub(crate) mod ending;
pub(crate) mod exports;
mod highlights;
mod json;
mod report;
mod row;
mod screen;
mod survey;
mod terminal;
mod words;
mod wrapping;

use llmhost_engine::plan::{Plan, TextStyle, show as show_whole, show_short};

use crate::failure::Failure;
pub(crate) use amounts::bytes;
pub(crate) use cost::{about_prices, cost, dollars, end_of_cost};
pub(crate) use destruction::{destruction, foresight, kept};
pub(crate) use diagnostics::{finding, more_about};
pub(crate) use highlights::highlights;
pub(crate) use json::{Json, JsonLine, failure_lines};
pub(crate) use report::{failures, outputs, own_outputs, summary};
pub(crate) use screen::{Lines, screen};
pub(crate) use survey::survey;
pub(crate) use terminal::{Task, Terminal, is_quiet, show, shows_everything};
pub(crate) use words::capitalized;
pub(crate) use wrapping::fitting;

/// The styles of everything that llmhost prints.
pub(crate) mod style {
    use anstyle::{AnsiColor, Style};

    pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
    pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
    pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
    pub(crate) const NAME: Style = Style::new().bold();
    pub(crate) const FAINT: Style = Style::new().dimmed();
}

/// What a plan changes: in short, or with `--verbose` every field.
pub(crate) fn plan(plan: &Plan, text: TextStyle) -> String {
    if shows_everything() { show_whole(plan, text) } else { show_short(plan, text) }
}

/// A text with its colours, or without them where none are shown.
fn coloured(out: String, text: TextStyle) -> String {
    if text.color { out } else { anstream::adapter::strip_str(&out).to_string() }
}

/// Decides once for the process whether a terminal that says that it knows no control characters gets colours:
/// only where the user asks for them. The library's own rule gives them to every terminal where `CI` is set.
pub(crate) fn choose_colour() {
    let asked_for = anstyle_query::clicolor_force() || anstyle_query::clicolor() == Some(true);
    if !asked_for && !anstyle_query::term_supports_color() {
        anstream::ColorChoice::Never.write_global();
    }
}

/// Whether standard output shows colours.
pub(crate) fn stdout_has_colour() -> bool {
    use anstream::ColorChoice;
    !matches!(anstream::AutoStream::choice(&std::io::stdout()), ColorChoice::Never)
}

/// Says on standard error which environment of a file a command is about.
pub(crate) fn environment(environment: &str, pipeline: &str, region: &str) {
    let name = style::NAME;
    if !is_quiet() {
        screen().line(&format!("Environment {name}{environment}{name:#}: pipeline {pipeline} in {region}."));
    }
}

/// Columns of the terminal that standard output is, or of a page.
pub(crate) fn width() -> usize {
    let terminal = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    terminal.unwrap_or(100).clamp(60, 160)
}

/// Says on standard error why a command failed, and what to do.
pub(crate) fn failure(failure: &Failure) {
    let text = match failure {
        Failure::Reported | Failure::Interrupted | Failure::Changes => String::new(),
        Failure::File(found) => {
            let colour = !matches!(anstream::AutoStream::choice(&std::io::stderr()), anstream::ColorChoice::Never);
            diagnostics::diagnostics(found, colour, width())
        }
        Failure::Plan(error) => failures(&error.failures, &error.skipped),
        other => {
            let (bad, name) = (style::BAD, style::NAME);
            let help = other.help().map(|help| format!("\n  {name}help{name:#}: {help}")).unwrap_or_default();
            format!("{bad}error{bad:#}: {other}{help}\n")
        }
    };
    // Where standard error is closed, the exit status has to do.
    if !text.is_empty() {
        screen().line(text.trim_end_matches('\n'));
    }
}
