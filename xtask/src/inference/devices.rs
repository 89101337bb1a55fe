//! The engine on a device, with and without what it does there, beside others' programs.

use std::path::Path;

use llmhost_example_models::Example;
use llmhost_python_env::Environment;
use serde_json::Value;

use super::peer::Target;
use super::{figures, median};

/// torch and transformers, which have their own libraries for CUDA.
const TORCH: Environment =
    Environment { name: "torch", requirements: include_str!("../../python/torch.txt"), variable: "LLMHOST_TORCH_VENV" };
const PROMPT: &str = "128";
const ANSWER: &str = "64";
/// The engine's ways, and the flags that make each.
const WAYS: [(&str, &[&str]); 4] = [
    ("llmhost", &["--cuda-graphs", "auto"]),
    ("no CUDA graphs", &[]),
    ("no top tokens", &["--cuda-graphs", "auto", "--top-tokens", "off"]),
    ("neither", &["--top-tokens", "off"]),
];

/// Who is measured: a name, and the figures of each round or why there are none.
struct Column {
    name: &'static str,
    found: Result<Vec<Value>, String>,
}

/// Prints a table for each model: tokens a second by rows, of every way and of every other program.
pub(super) fn table(target: &Target, models: &[Example], batches: &[&str], rounds: usize) -> Result<(), String> {
    let torch = TORCH.python(&|text| println!("{text}")).map_err(|error| error.to_string());
    for model in models {
        let mut columns: Vec<Column> = WAYS.iter().map(|(name, _)| Column { name, found: Ok(Vec::new()) }).collect();
        columns.push(Column { name: "onnxruntime-genai", found: Ok(Vec::new()) });
        columns.push(Column { name: "transformers", found: torch.clone().map(|_| Vec::new()) });
        for _ in 0..rounds {
            for (at, column) in columns.iter_mut().enumerate() {
                let measured = match WAYS.get(at) {
                    // What the engine cannot do is an error of the whole command.
                    Some((_, flags)) => Ok(ours(target, *model, flags, batches)?),
                    None if column.name == "transformers" => {
                        torch.clone().and_then(|python| transformers(target, &python, *model, batches))
                    }
                    None => genai(target, *model, batches),
                };
                match (measured, &mut column.found) {
                    (Ok(figures), Ok(found)) => found.push(figures),
                    (Err(reason), found) => *found = Err(reason),
                    (Ok(_), Err(_)) => {}
                }
            }
        }
        println!("\n{}", model.name());
        print!("{}", text(&columns, batches));
    }
    println!("(prompts of {PROMPT} tokens, answers of {ANSWER}; medians of {rounds} runs in turn, tokens a second)");
    Ok(())
}

fn ours(target: &Target, model: Example, flags: &[&str], batches: &[&str]) -> Result<Value, String> {
    let mut command = target.llmhost("bench", model)?;
    command.args(["--prompt-tokens", PROMPT, "--answer-tokens", ANSWER, "--batch", &batches.join(","), "--json"]);
    figures(command.args(flags))
}

fn genai(target: &Target, model: Example, batches: &[&str]) -> Result<Value, String> {
    let mut command = target.python("genai.py", model)?;
    figures(command.args([target.device, "batches", PROMPT, ANSWER]).args(batches))
}

fn transformers(target: &Target, python: &Path, model: Example, batches: &[&str]) -> Result<Value, String> {
    let mut command = target.python_of(python, "transformers_bench.py", model)?;
    figures(command.args([target.device, "batches", PROMPT, ANSWER]).args(batches))
}

/// One table for reading prompts, one for answers; then who could not be measured.
fn text(columns: &[Column], batches: &[&str]) -> String {
    let mut text = String::new();
    for (what, field) in [("prefill", "prefill_tokens_per_second"), ("decode", "decode_tokens_per_second")] {
        let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
        text += &format!("| {what}, rows | {} |\n|---:|{}\n", names.join(" | "), "---:|".repeat(names.len()));
        for (at, batch) in batches.iter().enumerate() {
            let of = |column: &Column| {
                let found = column.found.as_ref().ok()?;
                Some(median(found.iter().filter_map(|one| one["rows"][at][field].as_f64()).collect()))
            };
            let first = columns.first().and_then(of).unwrap_or(0.0);
            let cell = |column: &Column| match of(column) {
                None => "-".to_owned(),
                Some(figure) if figure > 0.0 => format!("{figure:.0} ({:.2}x)", first / figure),
                Some(_) => "0".to_owned(),
            };
            text += &format!("| {batch} | {} |\n", columns.iter().map(cell).collect::<Vec<_>>().join(" | "));
        }
    }
    for column in columns {
        if let Err(reason) = &column.found {
            text += &format!("{} could not be measured: {reason}\n", column.name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_medians_with_what_the_first_makes_of_them() {
        let run = |figure: f64| {
            let row = json!({ "prefill_tokens_per_second": figure, "decode_tokens_per_second": figure / 10.0 });
            json!({ "rows": [row] })
        };
        let columns = [
            Column { name: "llmhost", found: Ok(vec![run(900.0), run(1000.0), run(5000.0)]) },
            Column { name: "other", found: Ok(vec![run(500.0)]) },
            Column { name: "missing", found: Err("no package".to_owned()) },
        ];
        let text = text(&columns, &["8"]);
        assert!(text.contains("| prefill, rows | llmhost | other | missing |"), "{text}");
        assert!(text.contains("| 8 | 1000 (1.00x) | 500 (2.00x) | - |"), "{text}");
        assert!(text.contains("| 8 | 100 (1.00x) | 50 (2.00x) | - |"), "{text}");
        assert!(text.contains("missing could not be measured: no package"), "{text}");
    }
}
