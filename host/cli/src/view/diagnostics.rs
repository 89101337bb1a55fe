//! Problems of the pipeline file, with the line and a caret under the place.

use llmhost_engine::diagnostic::{Diagnostic, Diagnostics, Files};
use llmhost_engine::secret::shown;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Report, Severity};
use textwrap::{WordSeparator, WordSplitter};

use super::wrapping;

/// All problems of a file as one text.
pub(crate) fn diagnostics(found: &Diagnostics, colour: bool, width: usize) -> String {
    let handler = handler(colour, width);
    let mut text = String::new();
    for problem in &found.problems {
        let (shown, source) = located(&found.files, problem);
        let report = Report::new(Problem::new(&shown)).with_source_code(source);
        if handler.render_report(&mut text, report.as_ref()).is_err() {
            text.push_str(&problem.message);
        }
    }
    let count = found.problems.len();
    text.push_str(&format!(
        "{} problem{} in {}\n",
        count,
        if count == 1 { "" } else { "s" },
        found.files.first().path.display()
    ));
    text.push_str(&more_about(found.problems.iter().map(|problem| problem.code)));
    text.push('\n');
    text
}

/// How to read more about problems with these codes; said once, at the end.
pub(crate) fn more_about(mut codes: impl Iterator<Item = &'static str>) -> String {
    let first = codes.next().unwrap_or("CODE");
    match codes.all(|code| code == first) {
        true => format!("To read more: llmhost explain {first}"),
        false => format!("To read more: llmhost explain CODE, such as llmhost explain {first}"),
    }
}

/// A finding about a file that is good as such.
pub(crate) fn finding(files: &Files, found: &Diagnostic, is_error: bool) -> String {
    let colour = !matches!(anstream::AutoStream::choice(&std::io::stderr()), anstream::ColorChoice::Never);
    let handler = handler(colour, super::width());
    let (shown, named) = located(files, found);
    let mut problem = Problem::new(&shown);
    problem.severity = if is_error { Severity::Error } else { Severity::Warning };
    let mut text = String::new();
    match handler.render_report(&mut text, Report::new(problem).with_source_code(named).as_ref()) {
        Ok(()) => text,
        Err(_) => found.message.clone(),
    }
}

/// A problem with its place in the file that it is in.
fn located(files: &Files, problem: &Diagnostic) -> (Diagnostic, NamedSource<String>) {
    let (file, span) = files.locate(&problem.span.clone().unwrap_or(0..0));
    let shown = Diagnostic { span: problem.span.as_ref().map(|_| span), ..problem.clone() };
    (shown, NamedSource::new(file.path.display().to_string(), file.text.to_string()))
}

/// Breaks lines at spaces alone, and not within commands, so that what it says can be copied.
fn handler(colour: bool, width: usize) -> GraphicalReportHandler {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    GraphicalReportHandler::new_themed(theme)
        .with_width(width)
        .with_links(false)
        .with_break_words(false)
        .with_word_splitter(WordSplitter::NoHyphenation)
        .with_word_separator(WordSeparator::Custom(wrapping::words))
}

/// One problem as miette wants it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Problem {
    code: &'static str,
    message: String,
    help: Option<String>,
    label: Option<LabeledSpan>,
    severity: Severity,
}

impl Problem {
    fn new(problem: &Diagnostic) -> Self {
        // Before lines are broken: the two parts of a text would not be recognised any more.
        let said = |text: &str| shown(text).into_owned();
        let label = problem.span.clone().map(|span| LabeledSpan::at(span, said(&problem.label)));
        Self {
            code: problem.code,
            message: said(&problem.message),
            help: problem.help.as_deref().map(said),
            label,
            severity: Severity::Error,
        }
    }
}

impl miette::Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as _)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.label.clone().map(|label| Box::new(std::iter::once(label)) as _)
    }
}
