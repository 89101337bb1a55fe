//! `[[moved]]`: what is called otherwise from now on and stays what it is.

use std::ops::Range;

use toml::de::DeValue;

use super::reader::{Item, Problems, Table, table};
use crate::names::{ResourceAddress, StepName};
use crate::plan::Move;

/// An entry of `[[moved]]`, and where it stands.
#[derive(Debug, Clone)]
pub struct Moved {
    /// What moves where.
    pub change: Move,
    /// The entry in the file.
    pub span: Range<usize>,
}

/// Reads every entry. Names of a file that is a step are those within that step.
pub(super) fn read(item: Option<Item<'_>>, within: Option<&StepName>, problems: &mut Problems) -> Vec<Moved> {
    let Some(item) = item else { return Vec::new() };
    let DeValue::Array(entries) = item.get_ref() else {
        problems.add("wrong-type", item.span(), "moved must be a list of tables", "not a list");
        problems.help("write [[moved]], then from = \"old\" and to = \"new\" on lines of their own");
        return Vec::new();
    };
    entries.iter().filter_map(|entry| read_entry(entry, within, problems)).collect()
}

fn read_entry(entry: Item<'_>, within: Option<&StepName>, problems: &mut Problems) -> Option<Moved> {
    let found = table("every entry of moved", entry, problems)?;
    let found = Table::new("[[moved]]", entry.span(), found, &["from", "to"], problems);
    let mut place = |key, example| {
        found.need(key, example, problems)?;
        let (text, span) = found.literal(key, "write the name here; it cannot come from a variable", problems)?;
        let parsed = parse(&text).and_then(|place| place.inside(within));
        if parsed.is_none() {
            let message = format!("'{text}' is neither a step nor a resource");
            problems.add("bad-address", span, message, "not an address");
            problems.help("a step is written as its name, a resource as step/kind/name");
        }
        parsed
    };
    let (from, to) = (place("from", "\"network\""), place("to", "\"vpc\""));
    let change = match (from?, to?) {
        (Place::Step(from), Place::Step(to)) => Move::Step { from, to },
        (Place::Resource(from), Place::Resource(to)) if from.kind() == to.kind() => Move::Resource { from, to },
        (Place::Resource(from), Place::Resource(to)) => {
            let message = format!("{from} cannot become {to}: their kinds differ");
            problems.add("bad-move", entry.span(), message, "of two kinds");
            return None;
        }
        _ => {
            problems.add("bad-move", entry.span(), "a step and a resource cannot take each other's place", "here");
            problems.help("name two steps, or two resources");
            return None;
        }
    };
    Some(Moved { change, span: entry.span() })
}

enum Place {
    Step(StepName),
    Resource(ResourceAddress),
}

impl Place {
    fn inside(self, outer: Option<&StepName>) -> Option<Self> {
        let Some(outer) = outer else { return Some(self) };
        Some(match self {
            Self::Step(step) => Self::Step(outer.within(&step).ok()?),
            Self::Resource(address) => Self::Resource(address.in_step(&outer.within(address.step()).ok()?)),
        })
    }
}

fn parse(text: &str) -> Option<Place> {
    text.parse().map(Place::Step).ok().or_else(|| text.parse().map(Place::Resource).ok())
}

/// Moves of all steps that an entry of the file stands for, each as one of its own.
pub(super) fn spread(moved: Vec<Moved>, steps: &[super::Step]) -> Vec<Moved> {
    moved.into_iter().flat_map(|one| each(one, steps)).collect()
}

fn each(moved: Moved, steps: &[super::Step]) -> Vec<Moved> {
    let Move::Step { from, to } = &moved.change else { return vec![moved] };
    let inner = steps.iter().filter(|step| step.name != *to && step.name.is_part_of(to.as_str()));
    let inner = inner.filter_map(|step| {
        let from = format!("{from}{}", &step.name.as_str()[to.as_str().len()..]).parse().ok()?;
        let change = Move::Step { from, to: step.name.clone() };
        Some(Moved { change, span: moved.span.clone() })
    });
    let inner: Vec<_> = inner.collect();
    if inner.is_empty() { vec![moved] } else { inner }
}

/// Moves that contradict the file: what moved is declared still, or where it moved to is not a step.
pub(super) fn check(moved: &[Moved], steps: &[super::Step], entries: &[StepName], problems: &mut Problems) {
    // What is switched off, or repeated for nothing, has no steps now, and may have some in another run.
    let is_without_steps = |step: &StepName| {
        let of_entry = |entry: &&StepName| step.is_part_of(entry.as_str());
        entries.iter().filter(of_entry).any(|entry| !steps.iter().any(|known| known.name.is_part_of(entry.as_str())))
    };
    let is_key = |step: &StepName| step.key().is_some() && entries.iter().any(|entry| entry.as_str() == step.family());
    let declared = |step: &StepName| steps.iter().any(|known| known.name == *step);
    for Moved { change, span } in moved {
        let (old, new) = match change {
            Move::Step { from, to } => (Some(from), to),
            Move::Resource { to, .. } => (None, to.step()),
        };
        if let Some(old) = old.filter(|old| declared(old)) {
            problems.add("bad-move", span.clone(), format!("step '{old}' is still declared"), "moved from here");
            problems.help("rename the step in the file, or remove this entry");
        }
        if !declared(new) && !is_without_steps(new) && !is_key(new) {
            problems.add("bad-move", span.clone(), format!("there is no step '{new}'"), "moved to nothing");
            problems.help("write in 'to' what the step is called in this file, or remove this entry");
        }
    }
}
