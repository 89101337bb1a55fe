//! `when`: conditions on what is known before any step runs.

use serde_json::Value;
use toml::de::DeValue;

use super::reader::{Item, Problems, Table, wrong_type};
use super::rules::same;
use super::template::kind;
use super::values::Scope;

const TESTS: [&str; 4] = ["is", "is_not", "in", "not_in"];

/// Whether a condition holds: `true`, `"${vars.gpu}"`, `{ value = "${vars.env}", in = ["prod"] }`, or a list of such, all of
/// which must hold. Nothing after a problem.
pub(super) fn hold(what: &str, item: Item<'_>, scope: &Scope<'_>, problems: &mut Problems) -> Option<bool> {
    match item.get_ref() {
        DeValue::Array(items) => {
            // Every one is looked at: each may have a problem of its own.
            let all: Vec<_> = items.iter().map(|item| hold(what, item, scope, problems)).collect();
            all.into_iter().try_fold(true, |all, one| Some(all & one?))
        }
        DeValue::Table(found) => {
            let called = format!("a condition of {what}");
            let known = ["value", "is", "is_not", "in", "not_in"];
            let before = problems.0.len();
            let found = Table::new(&called, item.span(), found, &known, problems);
            let value = found.need("value", "\"${vars.env}\"", problems);
            let value = value.and_then(|(_, item)| scope.value(&found.called("value"), item, problems));
            let tests: Vec<_> = TESTS.iter().filter_map(|test| found.get(test)).collect();
            let [(test, item)] = tests[..] else {
                problems.add(
                    "bad-condition",
                    item.span(),
                    format!("{called} needs one of {}", TESTS.join(", ")),
                    "here",
                );
                problems.help("write it like { value = \"${vars.env}\", is = \"prod\" }");
                return None;
            };
            let with = scope.value(&found.called(test.name), item, problems);
            let (value, with) = (value?, with?);
            let equals = match (test.name, &with) {
                ("in" | "not_in", Value::Array(items)) => {
                    let is_like = |other: &Value| alike(&value, other, item, problems);
                    items.iter().map(is_like).collect::<Vec<_>>().contains(&true)
                }
                ("in" | "not_in", other) => {
                    wrong_type(&found.called(test.name), "a list", kind(other), item.span(), problems);
                    false
                }
                _ => alike(&value, &with, item, problems),
            };
            (problems.0.len() == before).then_some(equals == matches!(test.name, "is" | "in"))
        }
        _ => {
            let before = problems.0.len();
            let on = scope.flag(what, item, problems);
            (problems.0.len() == before).then_some(on)
        }
    }
}

/// Whether two values are equal. Those of two types never are: that is a slip.
fn alike(value: &Value, with: &Value, at: Item<'_>, problems: &mut Problems) -> bool {
    if kind(value) != kind(with) {
        let message = format!("a {} is compared with a {}, {with}: they are never equal", kind(value), kind(with));
        problems.add("wrong-type", at.span(), message, &format!("the value is {value}"));
        return false;
    }
    same(value, with)
}
