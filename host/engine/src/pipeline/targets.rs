//! What a reference of the file stands for.

use std::ops::Range;

use serde_json::Value;

use super::existing;
use super::families::{self, Each, Family};
use super::others;
use super::reader::Problems;
use super::steps::steps_are;
use super::template::{Node, Part, Reference, Template};
use super::values::{Reach, Scope};
use crate::diagnostic::did_you_mean;
use crate::names::StepName;
use crate::unknown;

/// Words that references begin with, and that are no steps.
pub(super) const WORDS: [&str; 6] = ["vars", "env", "secrets", "each", "existing", others::WORD];

/// What a reference stands for.
pub(super) enum Target {
    /// A value that is known now.
    Known(Value),
    /// An output of a step.
    Output(Reference),
    /// The same output of each of the steps that one is repeated as.
    All(Vec<Reference>),
    /// What was given to a step that is repeated, with references in it.
    Given(Template),
}

/// Which of the steps of an entry a reference means.
enum Which<'a> {
    One,
    Key(&'a str),
    All,
}

impl Scope<'_> {
    /// What `inner` of `${inner}` stands for; nothing after a problem.
    pub(super) fn target(
        &self,
        inner: &str,
        span: Range<usize>,
        reach: Reach<'_>,
        problems: &mut Problems,
    ) -> Option<Target> {
        let end = inner.find(['.', '[']).unwrap_or(inner.len());
        let (first, rest) = inner.split_at(end);
        if first.is_empty() || rest.len() < 2 {
            problems.add("bad-reference", span, format!("'${{{inner}}}' is not a reference"), "here");
            problems.help(match reach {
                Reach::All => {
                    "write ${step.output}, ${existing.name.id}, ${vars.name}, ${secrets.name} or ${env.NAME}; or $${ for a plain ${"
                }
                Reach::Known(_) => "write ${vars.name} or ${env.NAME}; or $${ for a plain ${",
                Reach::Settled(_) => "write ${vars.name}, ${secrets.name} or ${env.NAME}; or $${ for a plain ${",
                Reach::Environment => "write ${env.NAME}; or $${ for a plain ${",
            });
            return None;
        }
        if let Some((message, help)) = self.out_of_reach(first, reach) {
            problems.add("reference-not-here", span, message, "not allowed here");
            problems.help(help);
            return None;
        }
        match (first, rest.strip_prefix('.')) {
            ("vars", Some(rest)) => self.variable(rest, span, reach, problems),
            ("secrets", Some(rest)) => self.secret(rest, span, problems),
            ("env", Some(rest)) => self.environment(rest, span, problems),
            (others::WORD, Some(rest)) => self.other(rest, span, problems).map(Target::Output),
            ("each", Some(rest)) => self.each(rest, span, reach, problems),
            ("existing", Some(rest)) => self.existing(rest, span, problems),
            (step, _) if self.steps.contains(&step) => self.output(step, rest, span, problems),
            (step, _) => {
                problems.add("unknown-step", span, format!("there is no step '{step}'"), "not a step of this file");
                problems.help(match did_you_mean(step, self.steps.iter().copied().chain(WORDS)) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => steps_are(self.steps),
                });
                None
            }
        }
    }

    fn variable(&self, rest: &str, span: Range<usize>, reach: Reach<'_>, problems: &mut Problems) -> Option<Target> {
        let (name, parts) = path(rest).unwrap_or_else(|| (rest.to_owned(), Vec::new()));
        let Some(value) = self.vars.get(&name) else {
            problems.add("unknown-variable", span, format!("there is no variable '{name}'"), "not declared");
            problems.help(match did_you_mean(&name, self.vars.keys().map(String::as_str)) {
                Some(near) => format!("did you mean '{near}'?"),
                None if name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-')) => {
                    format!("declare it: [vars.{name}]")
                }
                None => "a reference names one variable, ${vars.name}; it cannot compute".to_owned(),
            });
            return None;
        };
        // A variable without a value was said.
        if matches!(value.node, Node::Plain(Value::Null)) {
            return Some(Target::Known(Value::Null));
        }
        let Some(found) = value.at(&parts) else {
            let message = format!("${{vars.{rest}}} does not exist: variable '{name}' has no such part");
            problems.add("bad-reference", span, message, "not there");
            return None;
        };
        known_or_given(found, &format!("${{vars.{rest}}}"), span, reach, problems)
    }

    fn secret(&self, rest: &str, span: Range<usize>, problems: &mut Problems) -> Option<Target> {
        let Some(secret) = self.secrets.get(rest) else {
            problems.add("unknown-secret", span, format!("there is no secret '{rest}'"), "not declared");
            problems.help(match did_you_mean(rest, self.secrets.keys().map(String::as_str)) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("declare it: [secrets.{rest}]"),
            });
            return None;
        };
        Some(Target::Known(Value::String(unknown::secret(rest, secret.version))))
    }

    fn environment(&self, rest: &str, span: Range<usize>, problems: &mut Problems) -> Option<Target> {
        if self.is_published {
            let message = format!("a published pipeline does not see the environment, and so no {rest}");
            problems.add("reference-not-here", span, message, "not allowed here");
            problems.help("declare a variable in it, and give it ${env.…} in the with of the step that uses it");
            return None;
        }
        let Some(value) = (self.env)(rest) else {
            problems.add("unset-environment", span, format!("the environment variable {rest} is not set"), "not set");
            problems.help(format!("set {rest}, or use a variable of the pipeline with a default"));
            return None;
        };
        Some(Target::Known(Value::String(value)))
    }

    /// `${each.key}`, `${each.value}`, `${each.value.size}`.
    fn each(&self, rest: &str, span: Range<usize>, reach: Reach<'_>, problems: &mut Problems) -> Option<Target> {
        let Some(Each { key, value }) = self.each else {
            problems.add("reference-not-here", span, "${each.…} works only in steps with for_each", "not allowed here");
            problems.help("add for_each = [\"a\", \"b\"] to the step, or use a variable");
            return None;
        };
        let (name, parts) = path(rest).unwrap_or_default();
        let found = match (name.as_str(), &parts[..]) {
            ("key", []) => return Some(Target::Known(Value::String(key.clone()))),
            ("value", parts) => value.at(parts),
            _ => {
                let message = format!("'${{each.{rest}}}' is not a reference");
                problems.add("bad-reference", span, message, "here");
                problems.help("write ${each.key}, ${each.value}, or ${each.value.name} for a part of it");
                return None;
            }
        };
        let Some(found) = found else {
            let message = format!("${{each.{rest}}} does not exist: the value of '{key}' has no such part");
            problems.add("bad-reference", span, message, "not there");
            problems.help("give each value of for_each the same parts");
            return None;
        };
        known_or_given(found, &format!("${{each.{rest}}}"), span, reach, problems)
    }

    /// `${existing.network.id}`; of several `${existing.subnets[*].id}`, `${existing.subnets[0].id}`. Attributes of several
    /// are lists, so that `${existing.subnets.id}` means all of them, too.
    fn existing(&self, rest: &str, span: Range<usize>, problems: &mut Problems) -> Option<Target> {
        let (name, rest) = rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()));
        let Some((_, all)) = self.existing.iter().find(|(known, _)| *known == name) else {
            let message = format!("nothing in [existing] is called '{name}'");
            problems.add("unknown-existing", span, message, "not declared");
            problems.help(match did_you_mean(name, self.existing.iter().map(|(name, _)| *name)) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("declare it: [existing.{name}] with kind = \"ec2.vpc\" and an id, a name or tags"),
            });
            return None;
        };
        let (index, rest) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((index, rest)) => (Some(index), rest),
            None => (None, rest),
        };
        let at = match index {
            Some("*") | None => Some(None),
            Some(index) => index.parse().ok().map(|at| Some(Part::Index(at))),
        };
        let (Some(at), Some((output, path))) = (at, rest.strip_prefix('.').and_then(path)) else {
            problems.add("bad-reference", span, format!("'${{existing.{name}…}}' names no attribute"), "here");
            problems.help(match all {
                true => format!("write ${{existing.{name}[*].id}} for all of them, or ${{existing.{name}[0].id}}"),
                false => format!("write ${{existing.{name}.id}}"),
            });
            return None;
        };
        if index.is_some() && !all {
            problems.add("bad-reference", span, format!("existing.{name} is one resource"), "here");
            problems.help(format!("write ${{existing.{name}.{output}}}, or all = true in [existing.{name}]"));
            return None;
        }
        let step = existing::name(name, self.within).ok()?;
        Some(Target::Output(Reference { span, step, output, path: at.into_iter().chain(path).collect() }))
    }

    /// `${step.output}`, `${step["key"].output}`, `${step[*].output}`.
    fn output(&self, step: &str, rest: &str, span: Range<usize>, problems: &mut Problems) -> Option<Target> {
        let bad = |problems: &mut Problems, span, message: String, help: &str| {
            problems.add("bad-reference", span, message, "here");
            problems.help(help);
            None
        };
        let (which, rest) = match rest.strip_prefix('[') {
            None => (Which::One, rest),
            Some(after) => {
                let Some((index, rest)) = after.split_once(']') else {
                    return bad(problems, span, format!("'{step}{rest}' has no ']'"), "write ${step['key'].output}");
                };
                let quoted = ['"', '\''].into_iter().find_map(|quote| index.strip_prefix(quote)?.strip_suffix(quote));
                let which = match (index, quoted, self.each) {
                    ("*", ..) => Which::All,
                    (_, Some(key), _) => Which::Key(key),
                    ("each.key", _, Some(each)) => Which::Key(&each.key),
                    ("each.key", ..) => {
                        let message = "[each.key] works only in steps with for_each".to_owned();
                        return bad(problems, span, message, "write the key: ${step['key'].output}");
                    }
                    _ => {
                        let message = format!("'[{index}]' is no key of a step");
                        let help = "write ${step['key'].output}, ${step[each.key].output} or ${step[*].output}";
                        return bad(problems, span, message, help);
                    }
                };
                (which, rest)
            }
        };
        let Some((output, path)) = rest.strip_prefix('.').and_then(path) else {
            let rest = rest.strip_prefix('.').unwrap_or(rest);
            let message = format!("'{rest}' is not an output with a path");
            return bad(problems, span, message, "a path looks like output.key or output[0]");
        };
        let name: StepName = step.parse().ok()?;
        // One that is too long was said where it is declared.
        let whole = |step: StepName| {
            let step = self.named(step).ok()?;
            Some(Reference { span: span.clone(), step, output: output.clone(), path: path.clone() })
        };
        let family = self.families.get(step);
        match (which, family) {
            (_, Some(Family::Unclear)) => None,
            (Which::All, family) => {
                let steps = family.map(|family| family.steps(&name)).unwrap_or_default();
                Some(Target::All(steps.into_iter().filter_map(whole).collect()))
            }
            (Which::One, None | Some(Family::One)) => whole(name).map(Target::Output),
            (Which::Key(key), None) => whole(name.with_key(key).ok()?).map(Target::Output),
            (Which::Key(key), Some(Family::Each { on, .. })) if on.iter().any(|each| each.key == key) => {
                whole(name.with_key(key).ok()?).map(Target::Output)
            }
            (Which::Key(key), Some(Family::Each { on, off })) => {
                let is_off = off.iter().any(|off| off == key);
                let keys = on.iter().map(|each| each.key.as_str());
                let (message, help) = if is_off {
                    let help = format!(
                        "give this step the same 'when', or take a list of those that are there: ${{{step}[*].output}}"
                    );
                    (format!("step '{step}[\"{key}\"]' is disabled by its 'when'"), help)
                } else {
                    let help = match (did_you_mean(key, keys.clone()), on.is_empty()) {
                        (Some(near), _) => format!("did you mean '{near}'?"),
                        (None, true) => "its for_each has no keys".to_owned(),
                        (None, false) => format!("its keys are {}", keys.collect::<Vec<_>>().join(", ")),
                    };
                    (format!("step '{step}' is not repeated for '{key}'"), help)
                };
                problems.add("unknown-step", span, message, "not a step of this file");
                problems.help(help);
                None
            }
            (Which::Key(_), Some(Family::One)) => {
                let message = format!("step '{step}' has no for_each, so that it has no key");
                bad(problems, span, message, "write ${step.output}")
            }
            (Which::One | Which::Key(_), Some(_)) => {
                let (message, help) = families::misnamed(step, self.families)?;
                problems.add("unknown-step", span, message, "not one step");
                problems.help(help);
                None
            }
        }
    }

    /// Why a reference that begins with this word cannot stand where it does, and what can.
    fn out_of_reach(&self, first: &str, reach: Reach<'_>) -> Option<(String, &'static str)> {
        const KNOWN: &str = "use a variable, ${vars.name}, or the environment, ${env.NAME}";
        match (reach, first) {
            (Reach::All, _) | (_, "env") => None,
            (Reach::Known(_) | Reach::Settled(_), "vars" | "each") | (Reach::Settled(_), "secrets") => None,
            (Reach::Known(what), "secrets") => {
                Some((format!("{what} cannot contain a secret: it is shown in plans and stored in the state"), KNOWN))
            }
            (Reach::Known(what) | Reach::Settled(what), "existing") => {
                Some((format!("{what} cannot contain a look-up: its value is needed earlier"), KNOWN))
            }
            (Reach::Known(what) | Reach::Settled(what), others::WORD) => Some((
                format!(
                    "{what} cannot contain an output of another pipeline: its value is needed when the file is read"
                ),
                KNOWN,
            )),
            (Reach::Known(what) | Reach::Settled(what), step) if self.steps.contains(&step) => Some((
                format!("{what} cannot contain an output of a step: its value is needed before any step runs"),
                KNOWN,
            )),
            (Reach::Known(_) | Reach::Settled(_), _) => None,
            (Reach::Environment, _) => Some((
                "the default of a variable can refer only to the environment".to_owned(),
                "use ${env.NAME}, or leave the default out and give the value with --var",
            )),
        }
    }
}

/// What was given to a step from outside, where it may stand.
fn known_or_given(
    found: Template,
    text: &str,
    span: Range<usize>,
    reach: Reach<'_>,
    problems: &mut Problems,
) -> Option<Target> {
    match (found.references().is_empty(), reach) {
        (true, _) => Some(Target::Known(found.outline())),
        (false, Reach::All) => Some(Target::Given(found)),
        (false, _) => {
            let message = format!("{text} is an output of a step, and this is needed before any step runs");
            problems.add("reference-not-here", span, message, "known when the step has run");
            None
        }
    }
}

/// `output.key[0].more` as the output and the path into it.
pub(super) fn path(text: &str) -> Option<(String, Vec<Part>)> {
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (output, mut rest) = text.split_at(end);
    let mut parts = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']')?;
            let quoted = ['"', '\''].into_iter().find_map(|quote| index.strip_prefix(quote)?.strip_suffix(quote));
            parts.push(match quoted {
                Some(key) => Part::Key(key.to_owned()),
                None => Part::Index(index.parse().ok()?),
            });
            rest = after;
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (key, after) = after.split_at(end);
            if key.is_empty() {
                return None;
            }
            parts.push(Part::Key(key.to_owned()));
            rest = after;
        }
    }
    (!output.is_empty()).then(|| (output.to_owned(), parts))
}
