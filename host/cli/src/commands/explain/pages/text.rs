//! Text of schemas and comments as Markdown.

use std::fmt::Write;

use textwrap::{Options, WordSplitter};

/// How wide a paragraph is.
const WIDTH: usize = 118;

/// The first line of every page says where it is from.
pub(super) fn page(title: &str, body: &str) -> String {
    format!("<!-- Written by `llmhost explain --markdown`. Do not edit. -->\n\n# {title}\n\n{}\n", body.trim_end())
}

/// Paragraphs: what Markdown would read is escaped, except for `code`.
pub(super) fn paragraphs(words: &str) -> String {
    let options = Options::new(WIDTH).word_splitter(WordSplitter::NoHyphenation);
    let mut text = String::new();
    for paragraph in words.split("\n\n") {
        for line in textwrap::wrap(&escaped(&paragraph.replace('\n', " ")), &options) {
            // At the start of a line these would begin a list or a heading.
            let slash = if line.starts_with(['-', '+', '#', '>', '=']) { "\\" } else { "" };
            let _ = writeln!(text, "{slash}{line}");
        }
        text.push('\n');
    }
    text
}

/// A cell of a table.
pub(super) fn cell(words: &str) -> String {
    escaped(&words.split_whitespace().collect::<Vec<_>>().join(" ")).replace('|', "\\|")
}

/// Code in a cell of a table, or in a line.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

/// A table, or nothing where it has no rows.
pub(super) fn table(head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let rows: String = rows.into_iter().map(|cells| line(&cells)).collect();
    if rows.is_empty() {
        return rows;
    }
    let head: Vec<String> = head.iter().map(|&title| title.to_owned()).collect();
    format!("{}|{}\n{rows}\n", line(&head), "---|".repeat(head.len()))
}

fn escaped(words: &str) -> String {
    let parts: Vec<&str> = words.split('`').collect();
    // Without its other half, a backtick is a backtick.
    if parts.len().is_multiple_of(2) {
        return plain(words).replace('`', "\\`");
    }
    let part = |(at, part): (usize, &&str)| if at.is_multiple_of(2) { plain(part) } else { format!("`{part}`") };
    parts.iter().enumerate().map(part).collect()
}

/// Words without code.
fn plain(words: &str) -> String {
    let mut text = String::with_capacity(words.len());
    for c in words.chars() {
        match c {
            '*' | '\\' | '~' => text.extend(['\\', c]),
            '<' => text += "&lt;",
            '&' => text += "&amp;",
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_markdown_would_read_is_escaped() {
        assert_eq!(cell("a|b `c|d` *x* <y>\n & `"), "a\\|b \\`c\\|d\\` \\*x\\* &lt;y> &amp; \\`");
        assert_eq!(cell("`**` *"), "`**` \\*");
        assert_eq!(paragraphs("- no list\n\n# no heading"), "\\- no list\n\n\\# no heading\n\n");
    }

    #[test]
    fn a_table_without_rows_is_nothing() {
        assert_eq!(table(&["a"], []), "");
        assert_eq!(table(&["a", "b"], [vec!["1".into(), "2".into()]]), "| a | b |\n|---|---|\n| 1 | 2 |\n\n");
    }
}
