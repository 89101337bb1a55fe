//! `cargo xtask matrix`: what llmhost answers on tiny random models as people export them, beside what others answer.
//!
//! Decoders of many architectures, written by Optimum and by two versions of onnxruntime-genai's builder, in several
//! precisions; greedy tokens beside those of transformers, onnxruntime-genai and a bare loop. Encoders with what
//! stands behind them; vectors and scores beside sentence-transformers. The programs under `xtask/python/matrix` make
//! the models and say what is expected, once a state of theirs; llmhost answers anew each time.

mod decoders;
mod encoders;
mod engine;
mod models;

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

use engine::Answers;

/// What came of one model.
pub(crate) struct Row {
    /// Columns of the table.
    cells: Vec<String>,
    verdict: Verdict,
    /// The same for programs.
    figures: Value,
}

/// What a row is counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Equal,
    /// llmhost gives what the graph gives, and the graph is not the model that it was exported from.
    Exporter,
    /// llmhost says why it does not take it, and no reference runs it either.
    Refused,
    /// The exporter does not write it.
    NoModel,
    Different,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Exporter => "equal to the graph; the export differs",
            Self::Refused => "refused",
            Self::NoModel => "not exported",
            Self::Different => "DIFFERENT",
        }
    }
}

/// Prints both tables; with `--json FILE` writes them too. Other arguments choose models by a part of their names.
pub(crate) fn run(args: &[String]) -> Result<(), String> {
    let (file, names) = match args {
        [flag, file, names @ ..] if flag == "--json" => (Some(file), names),
        [flag, ..] if flag.starts_with("--") => return Err(format!("cargo xtask matrix has no argument {flag} here")),
        names => (None, names),
    };
    let folder = models::make()?;
    crate::run("cargo", &["build", "--package", "llmhost-inference", "--example", "answers"])?;
    let began = Instant::now();
    let mut engine = Answers::start()?;
    let wanted = |name: &str| names.is_empty() || names.iter().any(|part| name.contains(part.as_str()));
    let decoders = table(&mut engine, &folder.join("folders"), &wanted, decoders::HEAD, decoders::row)?;
    let encoders = table(&mut engine, &folder.join("encoders"), &wanted, encoders::HEAD, encoders::row)?;
    let all = || decoders.iter().chain(&encoders);
    println!("\n{} folders in {:.0} s:", all().count(), began.elapsed().as_secs_f64());
    let verdicts = [Verdict::Equal, Verdict::Exporter, Verdict::Refused, Verdict::NoModel, Verdict::Different];
    for verdict in verdicts {
        println!("  {:4} {}", all().filter(|row| row.verdict == verdict).count(), verdict.name());
    }
    if let Some(file) = file {
        let figures = |rows: &[Row]| rows.iter().map(|row| row.figures.clone()).collect::<Vec<_>>();
        let text = json!({ "decoders": figures(&decoders), "encoders": figures(&encoders) }).to_string();
        std::fs::write(file, text).map_err(|error| format!("cannot write {file}: {error}"))?;
    }
    match all().filter(|row| row.verdict == Verdict::Different).count() {
        0 if all().count() == 0 => Err("no model has such a name".to_owned()),
        0 => Ok(()),
        count => Err(format!("{count} of {} folders differ from the references", all().count())),
    }
}

/// A row for each folder, printed when it is there.
fn table(
    engine: &mut Answers,
    folder: &Path,
    wanted: &dyn Fn(&str) -> bool,
    head: &[&str],
    row: fn(&mut Answers, &Path, &Value) -> Result<Row, String>,
) -> Result<Vec<Row>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    folders.sort();
    folders.retain(|path| path.file_name().is_some_and(|name| wanted(&name.to_string_lossy())));
    let line = |cells: &[String]| println!("| {} |", cells.join(" | "));
    if !folders.is_empty() {
        println!("\n| {} |\n|{}", head.join(" | "), "---|".repeat(head.len()));
    }
    let mut rows = Vec::new();
    for path in folders {
        let expected = std::fs::read(path.join("expected.json"))
            .map_err(|error| format!("cannot read the expectations in {}: {error}", path.display()))?;
        let expected = serde_json::from_slice(&expected).map_err(|error| format!("{}: {error}", path.display()))?;
        let row = row(engine, &path, &expected)?;
        line(&row.cells);
        rows.push(row);
    }
    Ok(rows)
}

/// A reason as a cell: one line, without the folder.
fn reason(text: &str, folder: &Path) -> String {
    let text = text.replace(&format!("{}/", folder.display()), "").replace(['\n', '|'], " ");
    match text.char_indices().nth(320) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
