//! A plan as most people want it: a line for each resource, what is lost or interrupted first, and what changes of
//! the rest field by field.

mod facts;

use anstyle::Style;

use super::lines::Lines;
use super::show::{Entry, end, existing, moves, note, steps};
use super::words::{TextStyle, plain};
use super::{Action, Plan, PlannedResource, Summary};

/// A name that is longer than this share of the terminal's width takes what it needs.
const NAMES: usize = 2;

/// Says what a plan will change: replacements and interruptions with their reasons, then a line a resource.
pub fn show_short(plan: &Plan, style: TextStyle) -> String {
    let mut out = existing(plan, style) + &moves(plan, style) + &urgent(plan, style);
    let mut folds = false;
    for (head, entries) in steps(plan, style) {
        let summary = Summary::of(entries.iter().map(|(_, resource)| *resource));
        let counts = style.paint(Style::new().dimmed(), &format!(": {}", counts(&summary)));
        out.push_str(&format!("{head}{counts}\n"));
        let widest =
            entries.iter().map(|entry| name(entry).chars().count()).filter(|width| *width <= room(style)).max();
        for entry in &entries {
            folds |= entry.1.action != Action::Keep;
            resource(&mut Lines { out: &mut out, style, is_cut: true }, entry, widest.unwrap_or(0));
        }
        out.push('\n');
    }
    out += &end(plan, style);
    if folds {
        out += &style.paint(Style::new().dimmed(), "Add --verbose to see every field.");
        out.push('\n');
    }
    out
}

/// The columns that names are aligned in.
fn room(style: TextStyle) -> usize {
    style.width / NAMES
}

/// `1 to create, 2 to update`
fn counts(summary: &Summary) -> String {
    let Summary { create, update, replace, delete, moved, .. } = *summary;
    let all = [
        (create, "to create"),
        (update, "to update"),
        (replace, "to replace"),
        (delete, "to delete"),
        (moved, "moved"),
    ];
    let some: Vec<String> =
        all.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    some.join(", ")
}

/// Whether it is told before everything else.
fn is_urgent(resource: &PlannedResource) -> bool {
    matches!(resource.action, Action::Replace { .. }) || resource.interrupts.is_some()
}

/// Replacements and what is interrupted, with the reason: first those that interrupt something.
fn urgent(plan: &Plan, style: TextStyle) -> String {
    let mut found: Vec<Entry<'_>> = plan.resources.iter().filter(|(_, resource)| is_urgent(resource)).collect();
    if found.is_empty() {
        return String::new();
    }
    found.sort_by_key(|(_, resource)| resource.interrupts.is_none());
    let head = match plan.interruptions() {
        0 => "Replacements",
        _ => "Replacements and interruptions",
    };
    let mut out = style.paint(Style::new().bold(), head) + "\n";
    let mut lines = Lines { out: &mut out, style, is_cut: true };
    for (address, resource) in found {
        let step = address.step();
        let head = format!("{} {step}/{}/{}", lines.sign(resource.action), plain(address.kind()), address.name());
        let (note, painted) = (note(resource), style.paint(resource.action.style(), &head));
        match 2 + head.chars().count() + note.len() <= style.width {
            true => lines.line(2, &format!("{painted}{note}")),
            false => {
                lines.line(2, &painted);
                lines.line(6, note.trim_start());
            }
        }
        lines.beside(6, address, resource);
        if let Some(sentence) = &resource.interrupts {
            lines.interrupts(4, sentence);
        }
        if resource.action != Action::Delete {
            lines.changes(6, resource);
        }
    }
    out + "\n"
}

/// `ec2.subnet/public-a`
fn name((address, _): &Entry<'_>) -> String {
    format!("{}/{}", plain(address.kind()), address.name())
}

/// One line, and for updates what changes.
fn resource(lines: &mut Lines<'_>, entry: &Entry<'_>, widest: usize) {
    let (address, resource) = *entry;
    let is_told = is_urgent(resource);
    if resource.action != Action::Keep {
        let style = lines.style;
        let head = format!("{} {}", lines.sign(resource.action), name(entry));
        let beside = if is_told { "  (see above)" } else { note(resource) };
        let used = head.chars().count().max(widest + lines.sign(resource.action).chars().count() + 1) + 4;
        let room = style.width.saturating_sub(used + beside.chars().count());
        let facts = if room < 8 { String::new() } else { facts_in(address.kind(), resource, style, room) };
        let pad = if facts.is_empty() { 0 } else { (used - 4).saturating_sub(head.chars().count()) + 2 };
        let faint = style.paint(Style::new().dimmed(), beside);
        let head = style.paint(resource.action.style(), &head);
        lines.line(2, &format!("{head}{}{facts}{faint}", " ".repeat(pad)));
    }
    if is_told {
        return;
    }
    lines.beside(6, address, resource);
    match resource.action {
        Action::Update if !resource.only_moves() => lines.changes(6, resource),
        Action::Finish => lines.changes(6, resource),
        _ => {}
    }
}

/// What matters of it, in so many columns, and how many tags it has.
fn facts_in(kind: &str, resource: &PlannedResource, style: TextStyle, room: usize) -> String {
    let mut facts = facts::facts(kind, &resource.spec);
    let is_new = matches!(resource.action, Action::Create | Action::Replace { .. });
    match facts::tags(&resource.spec) {
        0 => {}
        _ if !is_new => {}
        1 => facts.push("1 tag".to_owned()),
        tags => facts.push(format!("{tags} tags")),
    }
    // What does not fit is left out from the end; the first is cut.
    while facts.len() > 1 && facts.join(", ").chars().count() > room {
        facts.pop();
    }
    style.shorten(&facts.join(", "), room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::example;

    #[test]
    fn a_short_plan_has_a_line_for_each_resource_and_what_is_lost_first() {
        insta::assert_snapshot!(show_short(&example::plan(), TextStyle::default()));
    }

    #[test]
    fn a_step_counts_what_an_earlier_run_left() {
        let mut plan = example::plan();
        let kept = plan.resources.get_mut(&example::address("storage/s3.bucket/models")).expect("it is in the plan");
        kept.leftovers = vec!["old-1".to_owned(), "old-2".to_owned()];
        let shown = show_short(&plan, TextStyle::default());
        assert!(shown.contains("\nstorage (s3): 1 to create, 2 to delete\n"), "{shown}");
        plan.resources.retain(|address, _| address.kind() != "s3.policy");
        let shown = show_short(&plan, TextStyle::default());
        assert!(shown.contains("\nstorage (s3): 2 to delete\n"), "{shown}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [60, 80, 160] {
            let shown = show_short(&example::plan(), TextStyle { width, ..TextStyle::default() });
            let sentences = ["!", "Add", "Plan", "1 change"];
            for line in shown.lines().filter(|line| !sentences.iter().any(|word| line.trim().starts_with(word))) {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn colours_and_signs_change_no_word() {
        let style = TextStyle { unicode: false, ..TextStyle::default() };
        let bare = show_short(&example::plan(), style);
        assert!(bare.is_ascii() && bare.contains("-/+ network/ec2.subnet/public-b"), "{bare}");
        let coloured = show_short(&example::plan(), TextStyle { color: true, ..style });
        assert_eq!(example::without_colours(&coloured), bare);
    }

    #[test]
    fn what_names_tags_and_values_hold_cannot_act_on_the_terminal() {
        let shown = show_short(&example::hostile(), TextStyle::default());
        assert!(!shown.replace('\n', "").contains(|c: char| c.is_control()), "{shown:?}");
    }

    #[test]
    fn a_plan_without_changes_is_one_line() {
        let mut plan = example::plan();
        for resource in plan.resources.values_mut() {
            (resource.action, resource.interrupts) = (Action::Keep, None);
        }
        assert_eq!(show_short(&plan, TextStyle::default()), "No changes: 7 resources are as declared.\n");
    }
}
