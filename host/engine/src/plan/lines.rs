//! The lines that plans are written with: fields, and what changes of them.

use anstyle::AnsiColor;
use serde_json::{Map, Value};

use super::differences::{Difference, What, differences};
use super::words::{TextStyle, plain, value};
use super::{Action, FieldChange, PlannedResource};
use crate::kind::ReplaceOrder;
use crate::names::ResourceAddress;
use crate::secret::shown;

/// Of a text that changes, at most so many lines are written where lines are cut.
const MOST_LINES: usize = 20;

/// Writes lines.
pub(super) struct Lines<'a> {
    pub(super) out: &'a mut String,
    pub(super) style: TextStyle,
    /// Whether values that are wider than the terminal are cut.
    pub(super) is_cut: bool,
}

impl Lines<'_> {
    pub(super) fn line(&mut self, indent: usize, text: &str) {
        self.out.push_str(&" ".repeat(indent));
        self.out.push_str(text);
        self.out.push('\n');
    }

    pub(super) fn sign(&self, action: Action) -> &'static str {
        self.style.sign(action.mark())
    }

    fn width(&self) -> usize {
        self.style.width.max(40)
    }

    /// A value, cut where that is asked for.
    fn cut(&self, indent: usize, text: &str) -> String {
        let room = self.width().saturating_sub(indent).max(20);
        if self.is_cut { self.style.shorten(text, room) } else { text.to_owned() }
    }

    /// What happens beside the change: who makes room, what an earlier run left, and why.
    pub(super) fn beside(&mut self, indent: usize, address: &ResourceAddress, resource: &PlannedResource) {
        if let Some(holder) = &resource.takes_over {
            self.line(indent, &format!("after {holder} is deleted, which has its name now"));
        }
        for id in &resource.leftovers {
            let sign = self.sign(Action::Delete);
            let head = format!("{sign} {}/{} {}", plain(address.kind()), address.name(), plain(id));
            let head = self.style.paint(Action::Delete.style(), &head);
            self.line(2, &format!("{head}  (replaced by an earlier run, which did not delete it)"));
        }
        if resource.was_going {
            self.line(indent, "its deletion started and may have finished");
        }
        if let Some(reason) = &resource.broken {
            self.line(indent, &format!("it came up broken: {}", plain(reason)));
        }
    }

    /// What the change interrupts.
    pub(super) fn interrupts(&mut self, indent: usize, sentence: &str) {
        let sign = self.style.paint(AnsiColor::Yellow.on_default(), "!");
        // Masked before it is broken into lines.
        let (sentence, mut line) = (plain(&shown(sentence)).into_owned(), String::new());
        let room = if self.is_cut { self.width() - indent - 2 } else { usize::MAX };
        let mut sign = Some(sign);
        let mut words = sentence.split(' ').peekable();
        while let Some(word) = words.next() {
            line = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if words.peek().is_none_or(|next| line.chars().count() + 1 + next.chars().count() > room) {
                match sign.take() {
                    Some(sign) => self.line(indent, &format!("{sign} {line}")),
                    None => self.line(indent + 2, &line),
                }
                line.clear();
            }
        }
    }

    /// On one line where it fits, else a line for each part.
    pub(super) fn field(&mut self, indent: usize, lead: &str, field: &Value) {
        let inline = value(field);
        let fits = indent + lead.chars().count() + inline.chars().count() <= self.width();
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

    /// Field by field what changes, those that replace first to last as the spec has them.
    pub(super) fn changes(&mut self, indent: usize, resource: &PlannedResource) {
        for found in differences(&resource.spec, &resource.changes) {
            self.difference(indent, &found);
        }
        for change in &resource.changes {
            if let Some(successor) = &change.successor {
                self.successor(indent, change, successor);
            }
        }
    }

    /// A field whose text stays, and that refers to another resource from then on.
    fn successor(&mut self, indent: usize, change: &FieldChange, successor: &ResourceAddress) {
        let forced = forced(change.replaces, change.may_replace);
        let action = if change.replaces { REPLACE } else { Action::Update };
        let text = change.new.as_ref().map(value).unwrap_or_default();
        let sign = self.sign(action);
        let head = format!("{sign} {}: {text}", plain(&change.path));
        self.line(indent, &format!("{head}  (refers to the new {successor}){forced}"));
    }

    fn difference(&mut self, indent: usize, found: &Difference) {
        let action = match (found.replaces, &found.what) {
            (true, _) => REPLACE,
            (false, What::Added(_)) => Action::Create,
            (false, What::Removed(_)) => Action::Delete,
            (false, _) => Action::Update,
        };
        let absence = if found.replaces && matches!(found.what, What::Removed(_)) { "  (removed)" } else { "" };
        let forced = format!("{absence}{}", forced(found.replaces, found.may_replace));
        let head = format!("{} {}: ", self.sign(action), plain(&found.path));
        let tail = match &found.what {
            What::Changed(old, new) => format!("{} -> {}", value(old), value(new)),
            What::Added(only) | What::Removed(only) => {
                self.cut(indent + head.chars().count() + forced.len(), &value(only))
            }
            What::Reordered => "the same items in another order".to_owned(),
            What::Items { removed, added } => {
                let items = signed(removed, '-').chain(signed(added, '+'));
                items.map(|(sign, item)| format!("{sign} {item}")).collect::<Vec<_>>().join(", ")
            }
            What::Lines(_) => String::new(),
        };
        let fits = indent + head.chars().count() + tail.chars().count() + forced.len() <= self.width();
        let style = action.style();
        match &found.what {
            What::Changed(old, new) if !fits => {
                self.line(indent, &format!("{}{forced}", self.style.paint(style, head.trim_end())));
                self.line(indent + 7, &self.cut(indent + 7, &value(old)));
                self.line(indent + 4, &format!("-> {}", self.cut(indent + 7, &value(new))));
            }
            What::Items { removed, added } if !fits => {
                self.line(indent, &format!("{}{forced}", self.style.paint(style, head.trim_end())));
                for (sign, item) in signed(removed, '-').chain(signed(added, '+')) {
                    self.line(indent + 4, &format!("{sign} {}", self.cut(indent + 6, &item)));
                }
            }
            What::Lines(lines) => {
                self.line(indent, &format!("{}{forced}", self.style.paint(style, head.trim_end())));
                self.text(indent + 4, lines);
            }
            _ => self.line(indent, &format!("{}{tail}{forced}", self.style.paint(style, &head))),
        }
    }

    /// Lines of a text that are gone or new.
    fn text(&mut self, indent: usize, lines: &[(char, String)]) {
        let most = if self.is_cut { MOST_LINES } else { usize::MAX };
        for (sign, text) in lines.iter().take(most) {
            let action = if *sign == '-' { Action::Delete } else { Action::Create };
            let text = format!("{sign} {}", self.cut(indent + 2, &plain(text)));
            self.line(indent, &self.style.paint(action.style(), &text));
        }
        if lines.len() > most {
            self.line(indent, &format!("and {} more lines (--verbose shows them)", lines.len() - most));
        }
    }
}

const REPLACE: Action = Action::Replace { order: ReplaceOrder::CreateFirst };

fn signed(items: &[Value], sign: char) -> impl Iterator<Item = (char, String)> {
    items.iter().map(move |item| (sign, value(item)))
}

fn forced(replaces: bool, may_replace: bool) -> &'static str {
    match (replaces, may_replace) {
        (true, _) => "  (forces replacement)",
        (false, true) => "  (may force replacement)",
        (false, false) => "",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::plan::compare;

    fn told(old: Value, new: Value, is_cut: bool) -> String {
        let mut resource = PlannedResource::new(Action::Update, new);
        resource.changes = compare(&old, &resource.spec, &["policy"]).fields;
        let mut out = String::new();
        Lines { out: &mut out, style: TextStyle::default(), is_cut }.changes(6, &resource);
        out
    }

    #[test]
    fn long_values_go_on_lines_of_their_own() {
        let [old, new] = ["a", "b"].map(|text| json!({"policy": text.repeat(90)}));
        let out = told(old.clone(), new.clone(), false);
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines.len(), 3);
        assert_eq!(lines[0], "      ± policy:  (forces replacement)");
        assert!(lines[1].starts_with("             \"aaa") && lines[2].starts_with("          -> \"bbb"), "{out}");
        let out = told(old, new, true);
        assert!(out.contains('…') && out.lines().all(|line| line.chars().count() <= 80), "{out}");
    }

    #[test]
    fn lists_and_texts_are_told_by_what_they_hold() {
        let long = |n: usize| (0..n).map(|line| format!("line: {line}\n")).collect::<String>();
        let old = json!({"ids": ["a", "b"], "values": long(2), "long": long(1)});
        let new = json!({"ids": ["c", "a", "b"], "values": long(3), "long": long(60)});
        let out = told(old, new, true);
        assert!(out.starts_with("      ~ ids: + \"c\"\n      ~ values:\n          + line: 2\n"), "{out}");
        assert!(out.ends_with("          and 39 more lines (--verbose shows them)\n"), "{out}");
    }
}
