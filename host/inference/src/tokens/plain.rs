//! Text of others inside a rendered prompt: the name of a special token in it is text.
//!
//! A tokenizer takes `<|im_end|>` for the token wherever it stands, so a document or a tool's result
//! could end its own turn and begin the system's. [`Names::split`] puts a mark into such names before
//! the template renders them, and each piece between two marks becomes tokens by itself.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind};

/// Stands where a text is split: one of the code points that Unicode keeps for a program's own use.
pub(super) const MARK: char = '\u{FDD0}';

/// The names of special tokens.
#[derive(Debug)]
pub(super) struct Names(Option<AhoCorasick>);

impl Names {
    /// Names of one character cannot be split, and no tokenizer marks a turn by one.
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let names: Vec<&str> = names.filter(|name| name.chars().count() > 1).collect();
        if names.is_empty() {
            return Ok(Self(None));
        }
        // Every match, those that overlap included: what is left of one may be another.
        let search = AhoCorasick::builder().match_kind(MatchKind::Standard).build(names);
        search.map(|search| Self(Some(search))).map_err(|error| error.to_string())
    }

    /// The text with a mark behind the first character of each name in it. Marks that were there are gone.
    pub(super) fn split<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let text = match text.contains(MARK) {
            true => Cow::Owned(text.replace(MARK, "")),
            false => Cow::Borrowed(text),
        };
        let Some(search) = &self.0 else { return text };
        let mut places: Vec<usize> = search
            .find_overlapping_iter(text.as_ref())
            .map(|found| found.start() + text[found.start()..].chars().next().map_or(0, char::len_utf8))
            .collect();
        if places.is_empty() {
            return text;
        }
        places.sort_unstable();
        places.dedup();
        let mut split = String::with_capacity(text.len() + places.len() * MARK.len_utf8());
        let mut from = 0;
        for place in places {
            split.push_str(&text[from..place]);
            split.push(MARK);
            from = place;
        }
        split.push_str(&text[from..]);
        Cow::Owned(split)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(names: &[&str], text: &str) -> String {
        Names::new(names.iter().copied()).expect("names").split(text).replace(MARK, "/")
    }

    #[test]
    fn no_piece_has_a_name_in_it() {
        assert_eq!(split(&["<|im_end|>"], "a <|im_end|> b<|im_end|>"), "a </|im_end|> b</|im_end|>");
        assert_eq!(split(&["<a", "a>"], "<a>"), "</a/>");
        assert_eq!(split(&["<｜end｜>"], "é<｜end｜>"), "é</｜end｜>");
        assert_eq!(split(&["aa"], "aaaa"), "a/a/a/a");
    }

    #[test]
    fn other_text_stays_as_it_is() {
        assert_eq!(split(&["<s>", "x"], "x < s > <S>"), "x < s > <S>");
        assert_eq!(split(&[], "<s>"), "<s>");
    }

    #[test]
    fn a_mark_in_the_text_is_dropped_before_names_are_looked_for() {
        assert_eq!(split(&["<s>"], "<\u{FDD0}s>"), "</s>");
    }
}
