//! Which outputs are worth showing at the end of a run, where the file does not say.

use std::fmt::Write;

use llmhost_engine::names::StepName;
use llmhost_engine::plan::plain;
use serde_json::Value;

use super::style;

/// How many are shown.
const MOST: usize = 10;
/// How long a value may be.
const LONGEST: usize = 100;
/// What people look for first, by the last word of an output's name.
const WANTED: [&str; 9] = ["url", "uri", "endpoint", "service", "namespace", "address", "bucket", "name", "id"];

/// Outputs of steps, `step.name = value`, and how many are left out.
pub(crate) fn highlights(outputs: &[(StepName, Value)]) -> (String, usize) {
    let of_step = |(step, value): &'_ (StepName, Value)| -> Vec<(StepName, String, Value)> {
        let of = value.as_object().into_iter().flatten();
        of.map(|(name, value)| (step.clone(), name.clone(), value.clone())).collect()
    };
    let all: Vec<_> = outputs.iter().flat_map(of_step).collect();
    let mut ranked: Vec<(usize, usize)> = all
        .iter()
        .enumerate()
        .filter(|(_, (_, _, value))| is_readable(value))
        .map(|(at, (_, name, _))| (rank(name), at))
        .collect();
    ranked.sort_unstable();
    let mut chosen: Vec<usize> = ranked.into_iter().take(MOST).map(|(_, at)| at).collect();
    chosen.sort_unstable();
    let (mut text, bold) = (String::new(), style::NAME);
    for (step, name, value) in chosen.iter().map(|at| &all[*at]) {
        let _ = writeln!(text, "{bold}{step}.{}{bold:#} = {}", plain(name), plain(&value.to_string()));
    }
    (text, all.len() - chosen.len())
}

fn rank(name: &str) -> usize {
    let last = name.rsplit(['_', '-']).next().unwrap_or(name);
    WANTED.iter().position(|wanted| *wanted == last).unwrap_or(WANTED.len())
}

/// Whether somebody can read it at a glance: a short text, number or truth value.
fn is_readable(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty() && text.chars().count() <= LONGEST && !is_encoded(text),
        Value::Number(_) | Value::Bool(_) => true,
        _ => false,
    }
}

/// Whether it looks like base64 or a digest: long, and one word of letters and digits.
fn is_encoded(text: &str) -> bool {
    let has = |sort: fn(&char) -> bool| text.chars().any(|character| sort(&character));
    text.len() >= 32
        && text.chars().all(|character| character.is_ascii_alphanumeric() || "+/=".contains(character))
        && has(|character| character.is_ascii_digit() || *character == '=')
        && has(char::is_ascii_alphabetic)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_people_look_for_is_shown_in_the_order_of_the_file_and_the_rest_is_counted() {
        let outputs = [
            ("net", json!({ "vpc_id": "vpc-1", "subnet_ids": ["subnet-1"], "nat": null })),
            (
                "cluster",
                json!({
                    "certificate_authority": "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSURCVENDQWUyZ0F3SUJBZ0lJ",
                    "endpoint": "https://example.eks.amazonaws.com", "version": "1.33",
                }),
            ),
        ];
        let outputs = outputs.map(|(step, value)| (step.parse().unwrap(), value));
        let (text, left_out) = highlights(&outputs);
        let text = anstream::adapter::strip_str(&text).to_string();
        assert_eq!(
            text,
            "net.vpc_id = \"vpc-1\"\ncluster.endpoint = \"https://example.eks.amazonaws.com\"\ncluster.version = \"1.33\"\n"
        );
        assert_eq!(left_out, 3);
        let many: serde_json::Map<_, _> = (0..40).map(|at| (format!("n{at}"), json!(at))).collect();
        let (text, left_out) = highlights(&[("many".parse().unwrap(), many.into())]);
        assert_eq!((text.lines().count(), left_out), (MOST, 30));
    }
}
