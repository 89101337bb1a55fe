//! Regular expressions of JSON schemas, which are JavaScript's.

use std::sync::OnceLock;

use regex::{Regex, RegexBuilder};

/// A regular expression, compiled when it is first asked.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Pattern {
    pub(crate) fn new(source: &'static str) -> Self {
        Self { source, compiled: OnceLock::new() }
    }

    /// As the schema has it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        self.source
    }

    /// Whether it occurs in the text. What cannot be compiled refuses nothing.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.compiled().is_none_or(|regex| regex.is_match(text))
    }

    /// Nothing where this crate's engine has no such expression, as for one that looks ahead.
    pub(crate) fn compiled(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| compile(self.source)).as_ref()
    }
}

fn compile(source: &str) -> Option<Regex> {
    // Patterns that count to thousands get large; what is beyond this one is not worth the time.
    RegexBuilder::new(&translate(source)).size_limit(8 << 20).build().ok()
}

/// JavaScript's expression in the words of Rust's engine: `\w` and `\d` mean ASCII, any sign may be
/// escaped, and a class holds no other class.
pub(crate) fn translate(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 8);
    let mut in_class = false;
    let mut chars = source.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(set @ ('w' | 'd')) => {
                    let signs = if set == 'w' { "A-Za-z0-9_" } else { "0-9" };
                    if !in_class {
                        out.push_str(&format!("[{signs}]"));
                        continue;
                    }
                    out.push_str(signs);
                    // No range begins with a set.
                    if chars.next_if_eq(&'-').is_some() {
                        out.push_str(r"\-");
                    }
                }
                Some('Z') => out.push_str(r"\z"),
                Some(sign) if sign.is_ascii_alphanumeric() => out.extend(['\\', sign]),
                Some(sign) => escape(sign, &mut out),
                None => out.push('\\'),
            },
            '[' if in_class => out.push_str(r"\["),
            '[' => {
                in_class = true;
                out.push('[');
                if chars.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            // Two of them are operators within Rust's classes.
            '&' | '~' if in_class => escape(c, &mut out),
            _ => out.push(c),
        }
    }
    out
}

fn escape(sign: char, out: &mut String) {
    out.push_str(&match sign {
        '/' | '_' | '"' | '\'' | '@' | ' ' | ':' | ',' | ';' | '=' | '!' | '%' | '<' | '>' | '`' => sign.to_string(),
        sign => regex::escape(&sign.to_string()),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_of_schemas_mean_the_same_here() {
        for (pattern, yes, no) in [
            (r"^[\w+=,.@-]+$", "a.b@c", "a b"),
            (r"^\d{12}$", "123456789012", "１２３456789012"),
            (r"^arn:aws:s3:::[^\/]+$", "arn:aws:s3:::b", "arn:aws:s3:::b/c"),
            (r"^[[a-z]&&]+$", "x", "1"),
            (r"^[\p{L}\-]+\Z", "é-", "1"),
            (r"^[\w-.~]+$", "a-b.c", "a/b"),
            (r"^a\_b\@c$", "a_b@c", "a-b@c"),
        ] {
            let pattern = Pattern::new(pattern);
            assert!(pattern.compiled().is_some(), "{pattern:?}");
            assert!(!pattern.matches(no), "{pattern:?} {no}");
            if !pattern.as_str().contains("&&") {
                assert!(pattern.matches(yes), "{pattern:?} {yes}");
            }
        }
        assert!(Pattern::new("^(?!aws)").compiled().is_none());
    }
}
