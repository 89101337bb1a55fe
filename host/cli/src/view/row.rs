//! One line of the live view: styled text that is cut to the terminal's width.

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A line. It holds no control characters and never wraps.
#[derive(Debug, Default)]
pub(super) struct Row(Vec<(Style, String)>);

impl Row {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::default().with(Style::new(), text)
    }

    pub(super) fn with(mut self, style: Style, text: impl Into<String>) -> Self {
        self.0.push((style, text.into()));
        self
    }

    /// The text, at most so many columns wide. What does not fit is cut, which the last column shows.
    pub(super) fn cut(&self, width: usize, has_colour: bool) -> String {
        let all: usize = self.0.iter().map(|(_, text)| text.width()).sum();
        let mut left = if all <= width { all } else { width.saturating_sub(1) };
        let mut line = String::new();
        for (style, text) in &self.0 {
            let fitting: String = text
                .chars()
                .take_while(|character| {
                    let columns = character.width().unwrap_or(0);
                    let fits = columns <= left;
                    left = if fits { left - columns } else { 0 };
                    fits
                })
                .collect();
            match has_colour && *style != Style::new() && !fitting.is_empty() {
                true => line += &format!("{style}{fitting}{style:#}"),
                false => line += &fitting,
            }
        }
        if all > width && width > 0 {
            line.push('…');
        }
        line
    }
}

/// How many columns a line takes that may have colours in it.
pub(super) fn columns(line: &str) -> usize {
    anstream::adapter::strip_str(line).to_string().width()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::style;

    #[test]
    fn a_line_is_cut_at_the_width_whatever_its_characters_and_colours_are() {
        let row = Row::plain("creating ").with(style::NAME, "模型-models").with(style::FAINT, " 4m10s");
        assert_eq!(row.cut(80, false), "creating 模型-models 4m10s");
        assert_eq!(row.cut(26, false), "creating 模型-models 4m10s");
        // A wide character that would stand over the edge is left out.
        assert_eq!(row.cut(13, false), "creating 模…");
        assert_eq!(row.cut(14, false), "creating 模型…");
        assert_eq!((row.cut(1, false), row.cut(0, false)), ("…".to_owned(), String::new()));
        for width in 0..30 {
            assert!(columns(&row.cut(width, true)) <= width, "{width}");
        }
        assert!(row.cut(80, true).contains("\u{1b}[1m模型-models\u{1b}[0m"));
    }
}
