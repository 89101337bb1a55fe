//! The table of words in CONTRIBUTING.md.

use regex::Regex;

/// Words not to write, each with what to write in its place.
pub(super) struct Glossary(Vec<(Regex, String)>);

impl Glossary {
    /// Reads the table below the heading "Words".
    pub(super) fn read(guide: &str) -> Result<Self, String> {
        let section = guide.split("\n## Words\n").nth(1).ok_or("CONTRIBUTING.md has no section 'Words'")?;
        let section = section.split("\n## ").next().unwrap_or(section);
        let mut rules = Vec::new();
        for row in section.lines().filter(|line| line.starts_with('|')).skip(2) {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            let [write, not, ..] = cells[..] else {
                return Err(format!("a row of the glossary has one column: {row}"));
            };
            for word in not.split('`').skip(1).step_by(2) {
                rules.push((pattern(word)?, write.replace('`', "")));
            }
        }
        if rules.is_empty() {
            return Err("the glossary of CONTRIBUTING.md has no rows".to_owned());
        }
        Ok(Self(rules))
    }

    /// The words of a text that are not to be written.
    pub(super) fn against(&self, text: &str) -> impl Iterator<Item = (String, &str)> {
        self.0.iter().filter_map(move |(rule, write)| Some((rule.find(text)?.as_str().to_owned(), write.as_str())))
    }
}

fn pattern(word: &str) -> Result<Regex, String> {
    let rule = match word.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
        Some(expression) => expression.to_owned(),
        None => regex::escape(word).replace(' ', r"\s+"),
    };
    // Either case where it begins, so that a sentence may begin with it; what is all capitals is a constant.
    let first = rule.chars().next().filter(char::is_ascii_lowercase);
    let rule = match first {
        Some(first) => format!("[{first}{}]{}", first.to_ascii_uppercase(), &rule[1..]),
        None => rule,
    };
    Regex::new(&format!(r"\b(?:{rule})\b")).map_err(|error| format!("'{word}' of the glossary: {error}"))
}
