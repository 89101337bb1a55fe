//! A plan in words, for a terminal.

use anstyle::{AnsiColor, Style};
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::words::{TextStyle, plain, value};
use super::{Action, FieldChange, Move, Plan, PlannedExisting, PlannedResource, PlannedStep, Summary};
use crate::kind::ReplaceOrder;
use crate::names::{ResourceAddress, StepName};

/// Says what a plan will change, step by step and field by field, and sums up.
pub fn show(plan: &Plan, style: TextStyle) -> String {
    let mut steps: IndexMap<&StepName, Vec<(&ResourceAddress, &PlannedResource)>> =
        plan.steps.iter().map(|step| (&step.name, Vec::new())).collect();
    let shown = |resource: &PlannedResource| resource.action != Action::Keep || !resource.leftovers.is_empty();
    for (address, resource) in plan.resources.iter().filter(|(_, resource)| shown(resource)) {
        steps.entry(address.step()).or_default().push((address, resource));
    }
    let mut out = existing(plan, style) + &moves(plan, style);
    for (number, (name, resources)) in steps.into_iter().enumerate().filter(|(_, step)| !step.1.is_empty()) {
        // Steps that only the state has still come after those of the file.
        let about = plan.steps.get(number).map_or("no longer in the file".into(), PlannedStep::about);
        let uses = plain(&about);
        out.push_str(&style.paint(Style::new().bold(), name.as_str()));
        out.push_str(&style.paint(Style::new().dimmed(), &format!(" ({uses})")));
        out.push('\n');
        for (address, resource) in resources {
            Block { out: &mut out, style }.resource(address, resource);
        }
        out.push('\n');
    }
    let interruptions = match plan.interruptions() {
        0 => String::new(),
        1 => "1 change interrupts something: see the line that starts with '!'.\n".to_owned(),
        many => format!("{many} changes interrupt something: see the lines that start with '!'.\n"),
    };
    out + &sum_up(&plan.summary(), style) + "\n" + &interruptions
}

/// What exists already and the steps use.
fn existing(plan: &Plan, style: TextStyle) -> String {
    if plan.existing.is_empty() {
        return String::new();
    }
    let line = |one: &PlannedExisting| format!("  {}: {}\n", one.name, plain(&one.words()));
    let lines: String = plan.existing.iter().map(line).collect();
    let head = "Looked up (what exists already; this run does not change it)";
    format!("{}\n{lines}\n", style.paint(Style::new().bold(), head))
}

/// What only its name changes of.
fn moves(plan: &Plan, style: TextStyle) -> String {
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
            let counts = format!(
                "{create} to create, {update} to update, {replace} to replace, {delete} to delete, {keep} unchanged{}.",
                if moved > 0 { format!(", {moved} moved") } else { String::new() }
            );
            format!("{} {counts}", style.paint(bold, "Plan:"))
        }
    }
}

/// The lines of one resource.
struct Block<'a> {
    out: &'a mut String,
    style: TextStyle,
}

impl Block<'_> {
    fn resource(&mut self, address: &ResourceAddress, resource: &PlannedResource) {
        let note = match resource.action {
            Action::Finish => "  (started, not finished)",
            Action::Update if resource.only_moves() => "  (renamed)",
            Action::Update if resource.unfinished => "  (an earlier run did not finish this update)",
            Action::Replace { order: ReplaceOrder::CreateFirst } => {
                "  (the new one is created first, then the old one is deleted)"
            }
            Action::Replace { order: ReplaceOrder::DeleteFirst } => "  (the old one is deleted first)",
            _ => "",
        };
        let head = format!("{} {}/{}", self.sign(resource.action), plain(address.kind()), address.name());
        if resource.action != Action::Keep {
            self.line(2, &format!("{}{note}", self.style.paint(resource.action.style(), &head)));
        }
        if let Some(holder) = &resource.takes_over {
            self.line(6, &format!("after {holder} is deleted, which has its name now"));
        }
        for id in &resource.leftovers {
            let sign = self.sign(Action::Delete);
            let head = format!("{sign} {}/{} {}", plain(address.kind()), address.name(), plain(id));
            let head = self.style.paint(Action::Delete.style(), &head);
            self.line(2, &format!("{head}  (replaced by an earlier run, which did not delete it)"));
        }
        if resource.was_going {
            self.line(6, "its deletion started and may have finished");
        }
        if let Some(reason) = &resource.broken {
            self.line(6, &format!("it came up broken: {}", plain(reason)));
        }
        if let Some(sentence) = &resource.interrupts {
            let sign = self.style.paint(AnsiColor::Yellow.on_default(), "!");
            self.line(4, &format!("{sign} {}", plain(sentence)));
        }
        match resource.action {
            Action::Keep => {}
            Action::Create => self.spec(&resource.spec, resource.derived),
            Action::Finish if resource.changes.is_empty() => self.spec(&resource.spec, resource.derived),
            _ => resource.changes.iter().for_each(|change| self.change(change)),
        }
    }

    fn sign(&self, action: Action) -> &'static str {
        self.style.sign(action.mark())
    }

    fn line(&mut self, indent: usize, text: &str) {
        self.out.push_str(&" ".repeat(indent));
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// Every field that says something; tags, which say the least, at the end.
    fn spec(&mut self, spec: &Value, derived: &[&str]) {
        let Value::Object(fields) = spec else { return self.line(6, &value(spec)) };
        let (tags, fields): (Vec<_>, Vec<_>) = fields.iter().partition(|(key, _)| *key == "tags");
        for (key, field) in fields.into_iter().chain(tags) {
            if !is_empty(field) && !derived.contains(&key.as_str()) {
                self.field(6, &format!("{}: ", plain(key)), field);
            }
        }
    }

    /// On one line where it fits, else a line for each part.
    fn field(&mut self, indent: usize, lead: &str, field: &Value) {
        let inline = value(field);
        let fits = indent + lead.chars().count() + inline.chars().count() <= self.style.width.max(40);
        match field {
            // Deeper than this there is no width left to indent by.
            Value::Object(map) if !fits && indent < 24 => {
                self.line(indent, lead.trim_end());
                self.parts(indent + 2, map);
            }
            Value::Array(items) if !fits && indent < 24 => {
                self.line(indent, lead.trim_end());
                items.iter().for_each(|item| self.field(indent + 2, "- ", item));
            }
            _ => self.line(indent, &format!("{lead}{inline}")),
        }
    }

    fn parts(&mut self, indent: usize, map: &Map<String, Value>) {
        for (key, part) in map {
            self.field(indent, &format!("{}: ", plain(key)), part);
        }
    }

    /// A field whose text stays, and that refers to another resource from then on.
    fn successor(&mut self, change: &FieldChange, successor: &ResourceAddress, forced: &str) {
        let action =
            if change.replaces { Action::Replace { order: ReplaceOrder::CreateFirst } } else { Action::Update };
        let text = change.new.as_ref().map(value).unwrap_or_default();
        let sign = self.sign(action);
        let head = format!("{sign} {}: {text}", plain(&change.path));
        self.line(6, &format!("{head}  (refers to the new {successor}){forced}"));
    }

    fn change(&mut self, change: &FieldChange) {
        let action = match (change.replaces, &change.old, &change.new) {
            (true, ..) => Action::Replace { order: ReplaceOrder::CreateFirst },
            (false, None, _) => Action::Create,
            (false, Some(_), None) => Action::Delete,
            (false, Some(_), Some(_)) => Action::Update,
        };
        let forced = match (change.replaces, change.may_replace) {
            (true, _) => "  (forces replacement)",
            (false, true) => "  (may force replacement)",
            (false, false) => "",
        };
        if let Some(successor) = &change.successor {
            return self.successor(change, successor, forced);
        }
        let (sign, path) = (self.sign(action), plain(&change.path));
        let [old, new] = [&change.old, &change.new].map(|side| side.as_ref().map(value));
        let head = format!("{sign} {path}: ");
        let tail = match (&old, &new) {
            (Some(old), Some(new)) => format!("{old} -> {new}"),
            (None, Some(only)) | (Some(only), None) => only.clone(),
            (None, None) => String::new(),
        };
        let absence = if change.replaces && new.is_none() { "  (removed)" } else { "" };
        let forced = format!("{absence}{forced}");
        let style = action.style();
        let whole = 6 + head.chars().count() + tail.chars().count() + forced.len();
        match (old, new) {
            (Some(old), Some(new)) if whole > self.style.width.max(40) => {
                self.line(6, &format!("{}{forced}", self.style.paint(style, head.trim_end())));
                self.line(13, &old);
                self.line(10, &format!("-> {new}"));
            }
            _ => self.line(6, &format!("{}{tail}{forced}", self.style.paint(style, &head))),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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

    #[test]
    fn long_values_go_on_lines_of_their_own() {
        let mut out = String::new();
        let style = TextStyle::default();
        let [old, new] = ["a", "b"].map(|text| Some(json!(text.repeat(60))));
        Block { out: &mut out, style }.change(&FieldChange {
            path: "policy".into(),
            old,
            new,
            replaces: true,
            may_replace: false,
            successor: None,
        });
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "      ± policy:  (forces replacement)");
        assert!(lines[1].starts_with("             \"aaa") && lines[2].starts_with("          -> \"bbb"), "{out}");
    }
}
