//! A plan in words, for a terminal.

use anstyle::Style;
use indexmap::IndexMap;
use serde_json::Value;

use super::lines::Lines;
use super::words::{TextStyle, plain, value};
use super::{Action, Move, Plan, PlannedExisting, PlannedResource, PlannedStep, Summary};
use crate::kind::ReplaceOrder;
use crate::names::{ResourceAddress, StepName};

/// Says what a plan will change, step by step and field by field, and sums up.
pub fn show(plan: &Plan, style: TextStyle) -> String {
    let mut out = existing(plan, style) + &moves(plan, style);
    for (head, resources) in steps(plan, style) {
        out.push_str(&head);
        out.push('\n');
        for entry in resources {
            resource(&mut Lines { out: &mut out, style, is_cut: false }, entry);
        }
        out.push('\n');
    }
    out + &end(plan, style)
}

/// A resource and what will happen to it.
pub(super) type Entry<'a> = (&'a ResourceAddress, &'a PlannedResource);

/// Each step in which something happens: its name and plugin, and its resources.
pub(super) fn steps(plan: &Plan, style: TextStyle) -> Vec<(String, Vec<Entry<'_>>)> {
    let mut steps: IndexMap<&StepName, Vec<Entry<'_>>> =
        plan.steps.iter().map(|step| (&step.name, Vec::new())).collect();
    let shown = |resource: &PlannedResource| resource.action != Action::Keep || !resource.leftovers.is_empty();
    for (address, resource) in plan.resources.iter().filter(|(_, resource)| shown(resource)) {
        steps.entry(address.step()).or_default().push((address, resource));
    }
    let named =
        steps.into_iter().enumerate().filter(|(_, step)| !step.1.is_empty()).map(|(number, (name, entries))| {
            // Steps that only the state has still come after those of the file.
            let about = plan.steps.get(number).map_or("no longer in the file".into(), PlannedStep::about);
            let uses = style.paint(Style::new().dimmed(), &format!(" ({})", plain(&about)));
            (style.paint(Style::new().bold(), name.as_str()) + &uses, entries)
        });
    named.collect()
}

/// The counts, and how many of the changes interrupt something.
pub(super) fn end(plan: &Plan, style: TextStyle) -> String {
    let interruptions = match plan.interruptions() {
        0 => String::new(),
        1 => "1 change interrupts something: see the line that starts with '!'.\n".to_owned(),
        many => format!("{many} changes interrupt something: see the lines that start with '!'.\n"),
    };
    sum_up(&plan.summary(), style) + "\n" + &interruptions
}

/// What exists already and the steps use.
pub(super) fn existing(plan: &Plan, style: TextStyle) -> String {
    if plan.existing.is_empty() {
        return String::new();
    }
    let line = |one: &PlannedExisting| format!("  {}: {}\n", one.name, plain(&one.words()));
    let lines: String = plan.existing.iter().map(line).collect();
    let head = "Looked up (what exists already; this run does not change it)";
    format!("{}\n{lines}\n", style.paint(Style::new().bold(), head))
}

/// What only its name changes of.
pub(super) fn moves(plan: &Plan, style: TextStyle) -> String {
    let line = |change: &Move| match change {
        Move::Step { from, to } => format!("  step {from} -> {to}\n"),
        Move::Resource { from, to } => format!("  {from} -> {to}\n"),
    };
    let lines: String = plan.moves.iter().map(line).collect();
    match lines.is_empty() {
        true => lines,
        false => {
            let head = "Moved (the same resources under a new name; nothing is deleted or created for it)";
            format!("{}\n{lines}\n", style.paint(Style::new().bold(), head))
        }
    }
}

fn sum_up(summary: &Summary, style: TextStyle) -> String {
    let Summary { create, update, replace, delete, keep, moved } = *summary;
    let bold = Style::new().bold();
    match (summary.operations(), keep) {
        (0, 0) => style.paint(bold, "No changes: the file declares no resources and none exist."),
        (0, 1) => style.paint(bold, "No changes: 1 resource is as declared."),
        (0, _) => style.paint(bold, &format!("No changes: {keep} resources are as declared.")),
        _ => {
            let some = |count, word| if count > 0 { format!(", {count} {word}") } else { String::new() };
            let counts = format!(
                "{create} to create, {update} to update, {replace} to replace, {delete} to delete{}{}.",
                some(keep, "unchanged"),
                some(moved, "moved"),
            );
            format!("{} {counts}", style.paint(bold, "Plan:"))
        }
    }
}

/// What a resource's line says beside its name.
pub(super) fn note(resource: &PlannedResource) -> &'static str {
    match resource.action {
        Action::Finish => "  (started, not finished)",
        Action::Update if resource.only_moves() => "  (renamed)",
        Action::Update if resource.unfinished => "  (left by an import, or by an earlier run that did not finish)",
        Action::Replace { order: ReplaceOrder::CreateFirst } => {
            "  (the new one is created first, then the old one is deleted)"
        }
        Action::Replace { order: ReplaceOrder::DeleteFirst } => "  (the old one is deleted first)",
        _ => "",
    }
}

/// The lines of one resource.
fn resource(lines: &mut Lines<'_>, (address, resource): Entry<'_>) {
    let note = note(resource);
    let head = format!("{} {}/{}", lines.sign(resource.action), plain(address.kind()), address.name());
    if resource.action != Action::Keep {
        lines.line(2, &format!("{}{note}", lines.style.paint(resource.action.style(), &head)));
    }
    lines.beside(6, address, resource);
    if let Some(sentence) = &resource.interrupts {
        lines.interrupts(4, sentence);
    }
    match resource.action {
        Action::Keep => {}
        Action::Create => spec(lines, &resource.spec, resource.derived),
        Action::Finish if resource.changes.is_empty() => spec(lines, &resource.spec, resource.derived),
        _ => lines.changes(6, resource),
    }
}

/// Every field that says something; tags, which say the least, at the end.
fn spec(lines: &mut Lines<'_>, spec: &Value, derived: &[&str]) {
    let Value::Object(fields) = spec else { return lines.line(6, &value(spec)) };
    let (tags, fields): (Vec<_>, Vec<_>) = fields.iter().partition(|(key, _)| *key == "tags");
    for (key, field) in fields.into_iter().chain(tags) {
        if !is_empty(field) && !derived.contains(&key.as_str()) {
            lines.field(6, &format!("{}: ", plain(key)), field);
        }
    }
}

/// Whether a field says nothing.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example;

    #[test]
    fn a_plan_is_told_step_by_step_with_every_field_that_changes() {
        insta::assert_snapshot!(show(&example::plan(), TextStyle::default()));
    }

    #[test]
    fn without_unicode_only_ascii_is_written() {
        let style = TextStyle { unicode: false, ..TextStyle::default() };
        let shown = show(&example::plan(), style);
        assert!(shown.is_ascii() && shown.contains("-/+ ec2.subnet/public-b"), "{shown}");
    }

    #[test]
    fn colours_come_only_where_they_are_asked_for_and_change_no_word() {
        let bare = show(&example::plan(), TextStyle::default());
        let coloured = show(&example::plan(), TextStyle { color: true, ..TextStyle::default() });
        assert!(!bare.contains('\u{1b}') && coloured.contains("\u{1b}[32m+ ec2.vpc/main"), "{coloured:?}");
        assert_eq!(example::without_colours(&coloured), bare);
    }

    #[test]
    fn what_names_tags_and_values_hold_cannot_act_on_the_terminal() {
        let shown = show(&example::hostile(), TextStyle::default());
        assert!(!shown.replace('\n', "").contains(|c: char| c.is_control()), "{shown:?}");
        assert!(shown.contains("\\u{1b}]0;owned\\u{7}"), "{shown}");
    }

    #[test]
    fn a_plan_with_no_changes_says_so() {
        let mut plan = example::plan();
        for resource in plan.resources.values_mut() {
            (resource.action, resource.interrupts) = (Action::Keep, None);
        }
        assert_eq!(show(&plan, TextStyle::default()), "No changes: 7 resources are as declared.\n");
        plan.resources.truncate(1);
        assert_eq!(show(&plan, TextStyle::default()), "No changes: 1 resource is as declared.\n");
    }
}
