//! How a plan is put into words, whatever it is written to: marks for actions, values with
//! their unknown parts, and text that cannot act on the terminal or page that shows it.

use std::borrow::Cow;
use std::fmt::Write;

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use super::Action;
use crate::secret::shown;
use crate::unknown::{self, Piece, Source};

/// How text for a terminal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextStyle {
    /// With ANSI colours.
    pub color: bool,
    /// With characters beyond ASCII: lines, arrows, `±`.
    pub unicode: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Default for TextStyle {
    fn default() -> Self {
        Self { color: false, unicode: true, width: 80 }
    }
}

impl TextStyle {
    /// The text in a style, or as it is where colours are off.
    pub(crate) fn paint(self, style: Style, text: &str) -> String {
        if self.color && style != Style::new() { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// The one that can be shown.
    pub(crate) fn pick(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.unicode { unicode } else { ascii }
    }

    /// The text, cut in the middle to at most `most` columns.
    pub(crate) fn shorten(self, text: &str, most: usize) -> String {
        let text = shorten(text, most);
        if self.unicode { text.into_owned() } else { text.replace('…', "~") }
    }

    /// The sign of an action.
    pub(crate) fn sign(self, mark: &Mark) -> &'static str {
        self.pick(mark.sign, mark.ascii)
    }
}

/// How an action is marked: a sign beside the colour, so that colour is never all there is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Name of its class in style sheets; actions that look the same share one.
    pub(crate) class: &'static str,
    /// Its sign.
    pub(crate) sign: &'static str,
    /// Its sign where only ASCII can be shown.
    pub(crate) ascii: &'static str,
    /// What will happen, in one word.
    pub(crate) word: &'static str,
}

/// Creations, updates, replacements, deletions and what is kept, in the order of a legend.
pub(crate) const MARKS: [Mark; 5] = [
    Mark { class: "create", sign: "+", ascii: "+", word: "create" },
    Mark { class: "update", sign: "~", ascii: "~", word: "update" },
    Mark { class: "replace", sign: "±", ascii: "-/+", word: "replace" },
    Mark { class: "delete", sign: "-", ascii: "-", word: "delete" },
    Mark { class: "keep", sign: "=", ascii: "=", word: "unchanged" },
];

impl Action {
    /// Its sign and word.
    pub(crate) fn mark(self) -> &'static Mark {
        const FINISH: Mark = Mark { class: "create", sign: "+", ascii: "+", word: "finish" };
        match self {
            Self::Create => &MARKS[0],
            Self::Finish => &FINISH,
            Self::Update => &MARKS[1],
            Self::Replace { .. } => &MARKS[2],
            Self::Delete => &MARKS[3],
            Self::Keep => &MARKS[4],
        }
    }

    /// Its colour on a terminal.
    pub(crate) fn style(self) -> Style {
        match self {
            Self::Create | Self::Finish => AnsiColor::Green.on_default(),
            Self::Update => AnsiColor::Yellow.on_default(),
            Self::Replace { .. } => AnsiColor::Magenta.on_default().bold(),
            Self::Delete => AnsiColor::Red.on_default(),
            Self::Keep => Style::new().dimmed(),
        }
    }
}

/// The text with everything that could act rather than show written out as `\u{…}`: control
/// characters, escape sequences, characters that turn the direction of writing or show nothing.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if acts(c) => _ = write!(out, "{}", c.escape_unicode()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}')
        || matches!(c, '\u{e0000}'..='\u{e0fff}')
}

/// Cut in the middle to at most `most` characters: names differ at their ends as well.
pub(crate) fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    // A part of what is not to be shown would not be recognised any more.
    let text = shown(text);
    let count = text.chars().count();
    if count <= most {
        return text;
    }
    let keep = most.saturating_sub(1);
    let head = keep.div_ceil(2);
    let tail: String = text.chars().skip(count - (keep - head)).collect();
    Cow::Owned(text.chars().take(head).chain(['…']).collect::<String>() + &tail)
}

const LATER: &str = "(known after apply)";

fn source(source: &Source<'_>) -> String {
    match source {
        Source::Output(address, output) => format!("{address}.{output}"),
        Source::Fact(key) => (*key).to_owned(),
        Source::Secret { name, version: 1 } => format!("secret {name}"),
        Source::Secret { name, version } => format!("secret {name}, version {version}"),
    }
}

/// A text with its tokens in words; `quote` says how the text itself is written.
fn words(text: &str, quote: impl Fn(&str) -> String) -> String {
    if !unknown::is_opaque(text) {
        return quote(text);
    }
    // A secret is never known.
    let later = if unknown::is_unknown(text) { LATER } else { "" };
    if let Some(token) = unknown::whole(text) {
        return format!("{} {later}", plain(&source(&token))).trim_end().to_owned();
    }
    let mut marked = String::new();
    for piece in unknown::pieces(text) {
        match piece {
            Piece::Text(text) => marked.push_str(text),
            Piece::Token(token) => _ = write!(marked, "{{{}}}", source(&token)),
        }
    }
    format!("{} {later}", quote(&marked)).trim_end().to_owned()
}

/// A text as a quoted string, or the source of a value that only applying can tell.
pub(crate) fn quoted(text: &str) -> String {
    words(text, |text| {
        let mut out = String::with_capacity(text.len() + 2);
        out.push('"');
        for c in text.chars() {
            if matches!(c, '"' | '\\') {
                out.push('\\');
            }
            out.push(c);
        }
        out.push('"');
        plain(&out).into_owned()
    })
}

/// A value on one line: `{Name: "main", zone: ec2.availability-zone/0 (known after apply)}`.
pub(crate) fn value(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(self::value).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let fields = map.iter().map(|(key, field)| format!("{}: {}", plain(key), self::value(field)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// A value whose strings have their tokens in words, for JSON.
pub(crate) fn told(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(words(text, str::to_owned)),
        Value::Array(items) => items.iter().map(told).collect(),
        Value::Object(map) => Value::Object(map.iter().map(|(key, field)| (key.clone(), told(field))).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_name_the_source_of_what_is_not_known_yet() {
        let id = "<<network/ec2.vpc/main#id>>";
        for (given, shown) in [
            (json!(id), "network/ec2.vpc/main.id (known after apply)"),
            (json!(format!("arn:{id}/x")), "\"arn:{network/ec2.vpc/main.id}/x\" (known after apply)"),
            (json!(format!("{id}{id}")), "\"{network/ec2.vpc/main.id}{network/ec2.vpc/main.id}\" (known after apply)"),
            (json!("<<fact:ec2.availability-zone/0>>"), "ec2.availability-zone/0 (known after apply)"),
            (json!("say \"hi\" \\ <<"), "\"say \\\"hi\\\" \\\\ <<\""),
            (json!({"a": [1, true, null, "x"]}), "{a: [1, true, null, \"x\"]}"),
        ] {
            assert_eq!(value(&given), shown);
        }
    }

    #[test]
    fn text_cannot_act_on_what_shows_it() {
        for (given, shown) in [
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("a\nb\tc\r", "a\\nb\\tc\\r"),
            ("\u{202e}abc\u{9b}31m", "\\u{202e}abc\\u{9b}31m"),
            ("plain ünïcode ✓", "plain ünïcode ✓"),
        ] {
            assert_eq!(plain(given), shown);
        }
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shorten("private-subnet-a", 9), "priv…et-a");
        assert_eq!(shorten("short", 5), "short");
        assert_eq!(shorten("anything", 1), "…");
        let ascii = TextStyle { unicode: false, ..TextStyle::default() };
        assert_eq!(ascii.shorten("private-subnet-a", 9), "priv~et-a");
        assert_eq!(ascii.shorten("short", 5), "short");
    }
}
