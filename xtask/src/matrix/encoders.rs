//! Vectors and scores beside those of sentence-transformers.

use std::path::Path;

use serde_json::{Value, json};

use super::engine::Answers;
use super::{Row, Verdict, reason};

pub(super) const HEAD: &[&str] = &["encoder", "compared", "least cosine", "largest difference", "verdict"];

/// What two orders of the same sums may differ by, for numbers around 1.
const ROUNDING: f64 = 2e-5;

/// Modules that a folder lists and llmhost leaves to the graph.
const LEFT_TO_THE_GRAPH: &str = "does not have the module";

pub(super) fn row(engine: &mut Answers, folder: &Path, expected: &Value) -> Result<Row, String> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let said = |verdict: Verdict, why: &str| {
        let why = reason(why, folder);
        let said = format!("{}: {why}", verdict.name());
        Row {
            cells: [&name, "", "", "", &said].map(str::to_owned).into(),
            verdict,
            figures: json!({ "encoder": name, "verdict": verdict.name(), "reason": why }),
        }
    };
    if let Some(why) = expected["no_folder"].as_str() {
        return Ok(said(Verdict::NoModel, why));
    }
    let mut found = Found { least: 1.0, largest: 0.0, scale: 1.0, count: 0 };
    if !expected["pairs"].is_null() {
        match engine.ask(&json!({ "model": folder, "pairs": expected["pairs"] }))? {
            Ok(ours) => found.scores(&numbers(&ours["scores"]), &numbers(&expected["scores"])),
            Err(why) => return Ok(said(Verdict::Different, &why)),
        }
    }
    for case in expected["cases"].as_array().into_iter().flatten() {
        let task = json!({ "model": folder, "texts": expected["texts"], "prompt": case["prompt"] });
        match engine.ask(&task)? {
            Ok(ours) => found.vectors(&ours["vectors"], &case["vectors"]),
            Err(why) if why.contains(LEFT_TO_THE_GRAPH) => return Ok(said(Verdict::Refused, &why)),
            Err(why) => return Ok(said(Verdict::Different, &why)),
        }
    }
    let Found { least, largest, scale, count } = found;
    let equal = count > 0 && largest <= ROUNDING * scale && least >= 1.0 - ROUNDING;
    let verdict = if equal { Verdict::Equal } else { Verdict::Different };
    let what = if expected["pairs"].is_null() { "texts" } else { "pairs" };
    let cosine = if expected["pairs"].is_null() { format!("{least:.7}") } else { "–".to_owned() };
    Ok(Row {
        cells: vec![
            name.clone(),
            format!("{count} {what}"),
            cosine,
            format!("{largest:.1e}"),
            verdict.name().to_owned(),
        ],
        verdict,
        figures: json!({ "encoder": name, "compared": count, "cosine": least, "difference": largest, "verdict": verdict.name() }),
    })
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

/// The worst of what was compared.
struct Found {
    least: f64,
    largest: f64,
    /// The largest number; 1 where all are smaller.
    scale: f64,
    count: usize,
}

impl Found {
    fn vectors(&mut self, ours: &Value, expected: &Value) {
        for (place, expected) in expected.as_array().into_iter().flatten().enumerate() {
            let (ours, expected) = (numbers(&ours[place]), numbers(expected));
            self.scores(&ours, &expected);
            self.count -= expected.len() - 1;
            let dot = |one: &[f64], other: &[f64]| one.iter().zip(other).map(|(one, other)| one * other).sum::<f64>();
            let cosine = dot(&ours, &expected) / (dot(&ours, &ours) * dot(&expected, &expected)).sqrt();
            // Not a number where there is none.
            self.least = if cosine >= self.least { self.least } else { cosine };
        }
    }

    fn scores(&mut self, ours: &[f64], expected: &[f64]) {
        if ours.len() != expected.len() {
            self.largest = f64::INFINITY;
        }
        for (ours, expected) in ours.iter().zip(expected) {
            let difference = (ours - expected).abs();
            self.largest = if difference <= self.largest { self.largest } else { difference };
            self.scale = self.scale.max(expected.abs());
        }
        self.count += expected.len();
    }
}
