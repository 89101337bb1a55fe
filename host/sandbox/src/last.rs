//! What a guest wrote and called last, for the report of its crash.

use std::collections::VecDeque;
use std::fmt::{self, Write};

use llmhost_engine::crash::Line;

use crate::limits;

/// Lines that are kept: a traceback of a deep stack, and what came before it.
const LINES: usize = 40;
/// Where a line is cut.
const LINE_BYTES: usize = 1 << 10;
/// Calls that are kept.
const CALLS: usize = 8;
/// Where the text of a call is cut.
const CALL_BYTES: usize = 200;

/// The last lines and calls of one run. Their strings are used again, so that a call costs no allocation.
#[derive(Debug, Default)]
pub(crate) struct Last {
    lines: VecDeque<(&'static str, String)>,
    calls: VecDeque<String>,
}

impl Last {
    /// Notes what was written: each line of it, without what could act on a terminal.
    pub(crate) fn wrote(&mut self, to: &'static str, text: &str) {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let mut kept = reuse(&mut self.lines, LINES).map(|(_, text)| text).unwrap_or_default();
            push_clean(&mut kept, limits::cut(line.trim_end(), LINE_BYTES));
            self.lines.push_back((to, kept));
        }
    }

    /// Notes a call.
    pub(crate) fn called(&mut self, call: fmt::Arguments<'_>) {
        let mut kept = reuse(&mut self.calls, CALLS).unwrap_or_default();
        // Writing to a string does not fail.
        let _ = kept.write_fmt(call);
        if kept.len() > CALL_BYTES {
            kept.truncate(kept.floor_char_boundary(CALL_BYTES));
        }
        self.calls.push_back(kept);
    }

    /// Notes how the last call failed.
    pub(crate) fn failed(&mut self, failure: &str) {
        if let Some(call) = self.calls.back_mut() {
            call.push_str(" -> ");
            push_clean(call, limits::cut(failure, CALL_BYTES));
        }
    }

    /// The lines, oldest first.
    pub(crate) fn lines(&self) -> Vec<Line> {
        self.lines.iter().map(|(to, text)| Line { to: (*to).to_owned(), text: text.clone() }).collect()
    }

    /// The calls, oldest first.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.iter().map(|call| clean(call)).collect()
    }
}

/// The oldest entry, emptied, where there are as many as are kept.
fn reuse<T: Empty>(kept: &mut VecDeque<T>, most: usize) -> Option<T> {
    if kept.len() < most {
        return None;
    }
    kept.pop_front().map(Empty::empty)
}

trait Empty {
    fn empty(self) -> Self;
}

impl Empty for String {
    fn empty(mut self) -> Self {
        self.clear();
        self
    }
}

impl Empty for (&'static str, String) {
    fn empty(self) -> Self {
        (self.0, self.1.empty())
    }
}

/// A line without what could act on a terminal.
pub(crate) fn clean(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    push_clean(&mut text, line);
    text
}

/// Appends a line without escape sequences and without control characters; a tab becomes two spaces.
fn push_clean(to: &mut String, line: &str) {
    let mut rest = line.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' => match rest.next() {
                // A control sequence ends with a character from '@' to '~'.
                Some('[') => while rest.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
                // A command to the terminal ends with BEL, or with ESC and a backslash.
                Some(']' | 'P' | '_' | '^' | 'X') => {
                    while let Some(c) = rest.next() {
                        if c == '\u{7}' || (c == '\u{1b}' && rest.next_if_eq(&'\\').is_some()) {
                            break;
                        }
                    }
                }
                _ => {}
            },
            '\t' => to.push_str("  "),
            c if c.is_control() => {}
            c => to.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_the_first_ones_go() {
        let mut last = Last::default();
        for number in 0..100 {
            last.wrote("stderr", &format!("line {number}\n\n"));
        }
        let lines = last.lines();
        assert_eq!(lines.len(), LINES);
        assert_eq!((lines[0].text.as_str(), lines[LINES - 1].text.as_str()), ("line 60", "line 99"));
    }

    #[test]
    fn nothing_that_acts_on_a_terminal_is_kept() {
        for (written, kept) in [
            ("\u{1b}[1;31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]8;;http://x\u{1b}\\link", "link"),
            ("a\u{8}b\u{0}c\td", "abc  d"),
            ("open \u{1b}[12", "open "),
        ] {
            let mut last = Last::default();
            last.wrote("stderr", written);
            assert_eq!(last.lines()[0].text, kept, "{written:?}");
        }
    }

    #[test]
    fn long_lines_and_calls_are_cut_and_a_failure_belongs_to_its_call() {
        let mut last = Last::default();
        last.wrote("info", &"é".repeat(5000));
        assert_eq!(last.lines()[0].text.len(), LINE_BYTES);
        for number in 0..20 {
            last.called(format_args!("declare ec2.vpc '{number}'"));
        }
        last.failed("taken");
        let calls = last.calls();
        assert_eq!(calls.len(), CALLS);
        assert_eq!(calls[CALLS - 1], "declare ec2.vpc '19' -> taken");
        last.called(format_args!("{}", "x".repeat(5000)));
        assert_eq!(last.calls()[CALLS - 1].len(), CALL_BYTES);
    }
}
