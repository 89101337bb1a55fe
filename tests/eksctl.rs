//! The public examples of eksctl as pipelines: docs/eksctl.md has a row for each, and each pipeline that it names is rehearsed.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::{Scene, repository};

/// How many are rehearsed at a time; each has an emulator of its own.
const TOGETHER: usize = 4;

/// Values for the rehearsals of some: an account begins with less than these ask for, and a rehearsal deletes what it made.
const VALUES: [(&str, &str); 3] = [
    ("05-all-fields", "production={ min = 1, max = 3, desired = 2 }"),
    ("18-node-labels", "compute_nodes=4"),
    ("46-deletion-protection", "protected=false"),
];

/// How an example is said.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Said {
    Whole,
    InPart,
    Not,
}

/// A row of the document.
struct Row {
    example: String,
    said: Said,
    /// Name of the pipeline, without `.toml`.
    pipeline: Option<String>,
}

fn document() -> String {
    std::fs::read_to_string(repository().join("docs/eksctl.md")).unwrap()
}

/// The rows of the document's table: the example, yes, in part or no, and the pipeline or the reason.
fn rows() -> Vec<Row> {
    let document = document();
    let of_table = document.lines().filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [example, said, how] = cells[..] else { panic!("{line}: a row has three cells") };
        let said = match said {
            "yes" => Said::Whole,
            "in part" => Said::InPart,
            "no" => Said::Not,
            other => panic!("{line}: {other}"),
        };
        let link = how.split_once("](../tests/eksctl/").and_then(|(_, rest)| rest.split_once(".toml)"));
        assert!(how.len() > 20 || link.is_some(), "{line}: there is a reason");
        let pipeline = link.map(|(name, _)| name.to_owned());
        assert_eq!(pipeline.is_some(), said != Said::Not, "{line}: what is said has a pipeline");
        Row { example: example.trim_matches('`').to_owned(), said, pipeline }
    };
    of_table.map(row).collect()
}

#[test]
fn the_document_has_every_pipeline_and_counts_them() {
    let rows = rows();
    let named: Vec<&String> = rows.iter().filter_map(|row| row.pipeline.as_ref()).collect();
    let folder = repository().join("tests/eksctl").read_dir().unwrap();
    let there = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".toml", ""));
    assert_eq!(named.iter().copied().cloned().collect::<BTreeSet<_>>(), there.collect());
    assert_eq!(named.iter().collect::<BTreeSet<_>>().len(), named.len(), "each pipeline is one example");
    assert_eq!(rows.iter().map(|row| &row.example).collect::<BTreeSet<_>>().len(), rows.len(), "each example once");
    for (name, _) in VALUES {
        assert!(named.iter().any(|pipeline| *pipeline == name), "{name}");
    }
    let count = |said| rows.iter().filter(|row| row.said == said).count();
    let sentence = format!(
        "Of {} examples, {} are said whole, {} in part, and {} not.",
        rows.len(),
        count(Said::Whole),
        count(Said::InPart),
        count(Said::Not)
    );
    assert!(document().contains(&sentence), "{sentence}");
}

/// Rehearses one; says what went wrong.
fn rehearse(name: &str) -> Result<(), String> {
    let scene = Scene::new();
    let file = format!("{name}.toml");
    scene.write(&file, std::fs::read(repository().join("tests/eksctl").join(&file)).unwrap());
    let values: Vec<&str> =
        VALUES.iter().filter(|(of, _)| *of == name).flat_map(|(_, value)| ["--var", value]).collect();
    let args: Vec<&str> = ["rehearse", &file].into_iter().chain(values).collect();
    let ran = scene.llmhost(&args);
    let is_rehearsed = ran.status == 0 && ran.stdout.contains("Rehearsed");
    if is_rehearsed { Ok(()) } else { Err(format!("=== {name}: {}\n{}{}", ran.status, ran.stdout, ran.stderr)) }
}

#[test]
fn every_pipeline_is_rehearsed() {
    let names: Vec<String> = rows().into_iter().filter_map(|row| row.pipeline).collect();
    assert!(names.len() > 30, "{names:?}");
    let next = AtomicUsize::new(0);
    let work = || {
        let mut failed = Vec::new();
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            failed.extend(rehearse(name).err());
        }
        failed
    };
    let failed: Vec<String> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..TOGETHER).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), names.len(), failed.join("\n"));
}
