//! `[existing]`: what somebody else made, looked up and never changed.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Map, Value};
use toml::de::DeValue;

use super::placements;
use super::reader::{Item, Key, Problems, Table, entries, table};
use super::template::{Field, Node, Part, Template};
use super::values::Scope;
use crate::diagnostic::{Diagnostic, did_you_mean};
use crate::look_up::Query;
use crate::names::{NameError, StepName};
use crate::placement::Placement;
use crate::unknown;

/// The word that references to it begin with.
const WORD: &str = "existing";

/// Keys of an entry that say which resource is meant.
const WHICH: [&str; 4] = ["id", "name", "tags", "where"];

/// A resource that exists, or several, that the pipeline uses and never changes.
#[derive(Debug)]
pub struct Existing {
    /// What references call it: `existing.network`.
    pub name: StepName,
    /// `ec2.vpc`
    pub kind: String,
    /// Whether any number may be found, and not exactly one.
    pub all: bool,
    /// Where it is looked up, as far as that is not where the pipeline's calls go.
    pub placement: Placement,
    pub(super) region_span: Option<Range<usize>>,
    /// Which is meant: a table with some of [`WHICH`].
    which: Template,
    kind_span: Range<usize>,
}

impl Existing {
    /// The query, with what was looked up before in the place of references; nothing where that is not known.
    pub(crate) fn query<'a>(
        &self,
        outputs: impl Fn(&StepName) -> Option<&'a Value>,
    ) -> Result<Option<Query>, Vec<Diagnostic>> {
        let mut problems = Vec::new();
        let value = self.which.resolve(&outputs, &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        if unknown::any_unknown(&value) {
            return Ok(None);
        }
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let fields = |key: &str| value.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
        let tags = fields("tags").into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())));
        let query = Query {
            kind: self.kind.clone(),
            id: text("id"),
            name: text("name"),
            tags: tags.collect(),
            attributes: fields("where"),
            all: self.all,
            placement: self.placement.clone(),
        };
        Ok(Some(query))
    }

    /// What was looked up that this refers to, and the attributes.
    pub(crate) fn needs(&self) -> impl Iterator<Item = (&StepName, &str)> {
        self.which.references().into_iter().map(|reference| (&reference.step, reference.output.as_str()))
    }

    /// What it means for the file that its kind cannot be looked up.
    pub(crate) fn kind_problem(&self, known: &[&str]) -> Diagnostic {
        Diagnostic {
            code: "unknown-kind",
            message: format!("resources of kind '{}' cannot be looked up", self.kind),
            span: Some(self.kind_span.clone()),
            label: "not a kind to look up".to_owned(),
            help: Some(match did_you_mean(&self.kind, known.iter().copied()) {
                Some(near) => format!("did you mean '{near}'?"),
                None => format!("those are {}", known.join(", ")),
            }),
        }
    }
}

/// What an entry is called in the pipeline.
pub(super) fn name(name: &str, within: Option<&StepName>) -> Result<StepName, NameError> {
    let own = StepName::single(WORD)?.within(&StepName::single(name)?)?;
    within.map_or_else(|| Ok(own.clone()), |outer| outer.within(&own))
}

/// The names of a file's entries, and whether each may be several. What is wrong with them is said by [`read`].
pub(super) fn names<'a>(top: &Table<'a>) -> Vec<(&'a str, bool)> {
    let Some((_, item)) = top.get(WORD) else { return Vec::new() };
    let DeValue::Table(found) = item.get_ref() else { return Vec::new() };
    let is_all = |item: Item<'_>| match item.get_ref() {
        DeValue::Table(entry) => {
            entry.iter().any(|(key, value)| key.get_ref() == "all" && matches!(value.get_ref(), DeValue::Boolean(true)))
        }
        _ => false,
    };
    entries(found).into_iter().map(|(key, item)| (key.name, is_all(item))).collect()
}

/// Reads `[existing]`, and puts what others refer to before them.
pub(super) fn read(item: Option<Item<'_>>, scope: &Scope<'_>, problems: &mut Problems) -> Vec<Existing> {
    let all = item.and_then(|item| table("[existing]", item, problems)).map(entries).unwrap_or_default();
    let all = all.into_iter().filter_map(|(key, item)| entry(&key, item, scope, problems)).collect();
    in_order(all, problems)
}

fn entry(key: &Key<'_>, item: Item<'_>, scope: &Scope<'_>, problems: &mut Problems) -> Option<Existing> {
    let what = format!("[existing.{}]", key.name);
    let found = table(&what, item, problems)?;
    let known = ["kind", "id", "name", "tags", "where", "all"];
    let known = [&known[..], &placements::KEYS].concat();
    let found = Table::new(&what, key.span.clone(), found, &known, problems);
    let name = match name(key.name, scope.within) {
        Ok(name) => Some(name),
        Err(error) => {
            problems.add("bad-name", key.span.clone(), error.to_string(), "not a name");
            None
        }
    };
    found.need("kind", "\"ec2.vpc\"", problems);
    let kind = found.literal("kind", "write the kind here, such as ec2.vpc; it cannot come from a variable", problems);
    let all = found.switch("all", problems).is_some_and(|(all, _)| all);
    let before = problems.0.len();
    let fields: Vec<_> = WHICH.iter().filter_map(|which| found.get(which)).collect();
    let names: Vec<&str> = fields.iter().map(|(key, _)| key.name).collect();
    let help = match names[..] {
        [] | ["where"] => Some("add id = \"…\", name = \"…\" or tags = { Name = \"…\" }"),
        ["id", _, ..] => Some("an id tells one resource from all others: leave the rest out"),
        ["name", "tags", ..] => Some("write the name as one of the tags: Name = \"…\""),
        _ => None,
    };
    if let Some(help) = help {
        let message = match names.len() {
            0 | 1 => format!("{what} does not say which resource is intended"),
            _ => format!("{what} has {} and {}", names[0], names[1]),
        };
        problems.add("bad-look-up", key.span.clone(), message, "here");
        problems.help(help);
    }
    let mut which = Vec::new();
    for (key, item) in &fields {
        let value = scope.template(item, problems);
        let is_good = match (&value.node, key.name) {
            (Node::Table(fields), "tags") => fields.iter().all(|field| is_text(&field.value)),
            (Node::Table(_), "where") => true,
            (_, "id" | "name") => is_text(&value),
            _ => false,
        };
        if !is_good && problems.0.len() == before {
            let (message, help) = match key.name {
                "tags" => ("tags have texts for values", "write tags = { Name = \"corp\" }"),
                "where" => ("'where' is a table of attributes", "write where = { vpc_id = \"vpc-…\" }"),
                _ => ("this is a string", "write it in quotes"),
            };
            problems.add("wrong-type", item.span(), message, "of another type");
            problems.help(help);
        }
        which.push(Field { key: key.name.to_owned(), span: key.span.clone(), value });
    }
    let which = Template { span: item.span(), node: Node::Table(which) };
    for reference in which.references() {
        let is_existing = scope
            .existing
            .iter()
            .any(|(known, _)| self::name(known, scope.within).is_ok_and(|known| known == reference.step));
        if !is_existing {
            let message = format!("{} is an output of a step, and look-ups come before any step", reference.text());
            let mut problem = reference.problem("reference-not-here", message, "not allowed here");
            problem.help = Some(
                "use a variable, or another look-up: ${existing.name.id}; what a step makes is one of its outputs"
                    .to_owned(),
            );
            problems.0.push(problem);
        }
    }
    let (placement, region_span) = placements::read(&found, scope, problems);
    let (kind, kind_span) = kind?;
    Some(Existing { name: name?, kind, all, placement, region_span, which, kind_span })
}

/// Whether it is, or will be, a text.
fn is_text(value: &Template) -> bool {
    matches!(&value.node, Node::Plain(Value::String(_) | Value::Null) | Node::Whole(_) | Node::Mixed(_))
}

/// Each after those that it refers to.
fn in_order(mut open: Vec<Existing>, problems: &mut Problems) -> Vec<Existing> {
    let names: BTreeSet<StepName> = open.iter().map(|one| one.name.clone()).collect();
    let mut done: Vec<Existing> = Vec::with_capacity(open.len());
    while !open.is_empty() {
        let is_ready = |one: &Existing| {
            one.needs().all(|(need, _)| !names.contains(need) || done.iter().any(|done| done.name == *need))
        };
        let (ready, rest): (Vec<_>, Vec<_>) = open.into_iter().partition(is_ready);
        if ready.is_empty() {
            let all: Vec<&str> = rest.iter().map(|one| one.name.as_str()).collect();
            let message = format!("these look-ups depend on each other: {}", all.join(", "));
            problems.add("cycle", rest[0].which.span.clone(), message, "one of them");
            problems.help("give one of them an id, a name or tags of its own");
            break;
        }
        done.extend(ready);
        open = rest;
    }
    done
}

/// What stands for the attributes of something that was not looked up.
pub(crate) fn unlooked(name: &StepName, all: bool) -> Value {
    let token = Value::String(unknown::fact(name.as_str()));
    if all { Value::Array(vec![token]) } else { token }
}

/// The attribute of something that was not looked up, where it is that. `part` is the first part of the path into it.
pub(super) fn unlooked_attribute(of: &Value, attribute: &str, part: Option<&Part>) -> Option<Value> {
    let token = |of: &Value, index: &str| match unknown::whole(of.as_str()?)? {
        unknown::Source::Fact(key) => Some(Value::String(unknown::fact(&format!("{key}{index}.{attribute}")))),
        _ => None,
    };
    match (of, part) {
        (Value::Array(one), Some(Part::Index(at))) => token(one.first()?, &format!("[{at}]")),
        (Value::Array(one), _) => Some(Value::Array(vec![token(one.first()?, "[*]")?])),
        (other, _) => token(other, ""),
    }
}

/// The attributes of several as one table of lists.
pub(crate) fn in_columns(rows: &[Map<String, Value>], wanted: &BTreeSet<String>) -> Value {
    let column = |name: &String| {
        let values = rows.iter().map(|row| row.get(name).cloned().unwrap_or(Value::Null));
        (name.clone(), Value::Array(values.collect()))
    };
    Value::Object(wanted.iter().map(column).collect())
}
