//! Greedy tokens beside those of others.

use std::path::Path;

use serde_json::{Value, json};

use super::engine::Answers;
use super::{Row, Verdict, reason};

pub(super) const HEAD: &[&str] = &[
    "architecture",
    "exporter",
    "precision",
    "alone",
    "together",
    "bare loop",
    "onnxruntime-genai",
    "transformers",
    "verdict",
];

/// Where the graph's two likeliest tokens are closer than this, another order of the same sums may choose the other
/// one. Weights of fewer bits are multiplied by kernels that differ by more between one row and several.
fn noise(precision: &str) -> f64 {
    if precision == "fp32" { 1e-3 } else { 5e-3 }
}

type Tokens = Vec<Vec<u64>>;

pub(super) fn row(engine: &mut Answers, folder: &Path, expected: &Value) -> Result<Row, String> {
    let text = |key: &str| expected[key].as_str().unwrap_or_default().to_owned();
    let precision = text("precision");
    let name = [text("architecture"), text("exporter"), precision.clone()];
    let told = |rest: Vec<String>, verdict: Verdict, more: Value| Row {
        cells: name.iter().cloned().chain(rest).collect(),
        verdict,
        figures: json!({ "architecture": name[0], "exporter": name[1], "precision": name[2], "verdict": verdict.name(), "details": more }),
    };
    let not_compared = |verdict: Verdict, reason: String| {
        let said = format!("{}: {reason}", verdict.name());
        let cells = ["", "", "", "", "", &said].map(str::to_owned).into();
        told(cells, verdict, json!({ "reason": reason }))
    };
    if let Some(why) = expected["no_folder"].as_str() {
        return Ok(not_compared(Verdict::NoModel, reason(why, folder)));
    }
    // Where there are several graphs, an address names one.
    let graph = text("graph");
    let model = if graph.contains('/') { folder.join(graph) } else { folder.to_owned() };
    let task = json!({ "model": model, "prompts": expected["prompts"], "count": expected["count"] });
    let ours = match engine.ask(&task)? {
        Ok(ours) => ours,
        Err(why) => {
            let nobody = expected["loop"].is_null() && expected["genai"].is_null();
            let verdict = if nobody { Verdict::Refused } else { Verdict::Different };
            return Ok(not_compared(verdict, reason(&why, folder)));
        }
    };
    let (alone, together) = (tokens(&ours["alone"]), tokens(&ours["together"]));
    let margins: Vec<Vec<f64>> = serde_json::from_value(expected["loop"]["margins"].clone()).unwrap_or_default();
    let graphs = Compared { ours: [&alone, &together], margins: &margins, noise: noise(&precision) };
    let in_company = graphs.beside(&together, &alone);
    let bare = graphs.with(&expected["loop"]["answers"]);
    let genai = graphs.with(&expected["genai"]);
    let original = graphs.with(&expected["transformers"]);
    let all_equal = |found: &Option<[Found; 2]>| found.as_ref().is_none_or(|both| both.iter().all(Found::is_equal));
    let same_graph = bare.is_some() || genai.is_some();
    let verdict = match (all_equal(&bare) && all_equal(&genai) && in_company.is_equal(), all_equal(&original)) {
        (true, true) if same_graph || original.is_some() => Verdict::Equal,
        // Others get the same of this graph.
        (true, false) if same_graph => Verdict::Exporter,
        _ => Verdict::Different,
    };
    let told_of = |found: &Option<[Found; 2]>| found.as_ref().map_or("–".to_owned(), Found::both);
    let count = alone.len();
    let cells = vec![
        count.to_string(),
        in_company.text(),
        told_of(&bare),
        told_of(&genai),
        told_of(&original),
        verdict.name().to_owned(),
    ];
    let figures = |found: &Option<[Found; 2]>| {
        found.as_ref().map_or(
            Value::Null,
            |[alone, together]| json!({ "alone": alone.figures(), "together": together.figures() }),
        )
    };
    let details = json!({
        "prompts": count, "together_as_alone": in_company.figures(), "loop": figures(&bare), "genai": figures(&genai),
        "transformers": figures(&original), "no_loop": expected["no_loop"], "no_genai": expected["no_genai"],
    });
    Ok(told(cells, verdict, details))
}

fn tokens(value: &Value) -> Tokens {
    serde_json::from_value(value.clone()).unwrap_or_default()
}

struct Compared<'a> {
    /// By itself, and among others.
    ours: [&'a Tokens; 2],
    /// By how much the graph's likeliest token leads, of each answer.
    margins: &'a [Vec<f64>],
    noise: f64,
}

impl Compared<'_> {
    /// Both ways beside a reference, where there is one.
    fn with(&self, expected: &Value) -> Option<[Found; 2]> {
        let expected: Tokens = serde_json::from_value(expected.clone()).ok()?;
        Some(self.ours.map(|ours| self.beside(ours, &expected)))
    }

    fn beside(&self, ours: &Tokens, expected: &Tokens) -> Found {
        let mut found = Found { of: expected.len(), ..Found::default() };
        for (place, expected) in expected.iter().enumerate() {
            let got = ours.get(place).map(Vec::as_slice).unwrap_or_default();
            match (0..expected.len()).find(|at| got.get(*at) != expected.get(*at)) {
                None => found.equal += 1,
                Some(at) => {
                    let margin = self.margins.get(place).and_then(|margins| margins.get(at)).copied();
                    match margin {
                        Some(margin) if margin < self.noise => found.ties += 1,
                        _ => found.different.push((place, at, margin)),
                    }
                }
            }
        }
        found
    }
}

/// Answers compared.
#[derive(Default)]
struct Found {
    of: usize,
    equal: usize,
    /// Equal up to a token that led by less than rounding.
    ties: usize,
    /// The prompt's place, the first other token's, and by how much it led.
    different: Vec<(usize, usize, Option<f64>)>,
}

impl Found {
    fn is_equal(&self) -> bool {
        self.of > 0 && self.different.is_empty()
    }

    fn text(&self) -> String {
        let ties = if self.ties > 0 { format!(" and {} to a tie", self.ties) } else { String::new() };
        format!("{}/{}{ties}", self.equal, self.of)
    }

    /// Alone and together, in short where they are the same.
    fn both([alone, together]: &[Self; 2]) -> String {
        let (alone, together) = (alone.text(), together.text());
        if alone == together { alone } else { format!("{alone}; together {together}") }
    }

    fn figures(&self) -> Value {
        let different = self.different.iter();
        let different =
            different.map(|(prompt, token, margin)| json!({ "prompt": prompt, "token": token, "led_by": margin }));
        json!({ "equal": self.equal, "ties": self.ties, "different": different.collect::<Vec<_>>() })
    }
}
