//! The terminal: lines that stay, and below them live rows that are drawn anew.
//!
//! There is one for the process. Drawn here and not by a crate of progress bars, because these count the rows that a
//! line took when it was drawn: after the terminal has become narrower it takes more, and some would stay for ever.

use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::sync::{LazyLock, Mutex, MutexGuard};

use llmhost_engine::secret::shown;

use super::row::columns;

/// Lines that are remembered to be written again.
const REMEMBERED: usize = 500;

static SCREEN: LazyLock<Screen> = LazyLock::new(Screen::new);

/// The process's terminal.
pub(crate) fn screen() -> &'static Screen {
    &SCREEN
}

/// Standard output and standard error, which may be the same terminal.
pub(crate) struct Screen {
    is_live: bool,
    output_is_terminal: bool,
    drawn: Mutex<Drawn>,
}

/// Lines of a log, above the live rows.
pub(crate) struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        screen().line(String::from_utf8_lossy(bytes).trim_end_matches('\n'));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What is on the terminal.
#[derive(Default)]
struct Drawn {
    rows: Vec<String>,
    /// Columns and lines when they were drawn.
    size: (usize, usize),
    /// Lines above the rows, the newest last.
    above: VecDeque<String>,
    /// Text of standard output that has no line end yet.
    begun: String,
}

impl Screen {
    fn new() -> Self {
        let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Self {
            is_live: std::io::stderr().is_terminal() && !is_dumb,
            output_is_terminal: std::io::stdout().is_terminal(),
            drawn: Mutex::default(),
        }
    }

    /// Whether rows can be drawn anew there.
    pub(super) fn is_live(&self) -> bool {
        self.is_live
    }

    /// Columns and lines that there are now.
    pub(super) fn size() -> (usize, usize) {
        let size = terminal_size::terminal_size_of(std::io::stderr());
        let (width, height) = size.map_or((80, 24), |(width, height)| (width.0.into(), height.0.into()));
        // Some terminals know nothing of their size.
        (if width == 0 { 80 } else { width }, if height == 0 { 24 } else { height })
    }

    /// Whether standard error shows colours.
    pub(super) fn has_colour() -> bool {
        !matches!(anstream::AutoStream::choice(&std::io::stderr()), anstream::ColorChoice::Never)
    }

    /// A line on standard error, above the live rows.
    pub(crate) fn line(&self, line: &str) {
        let line = shown(line);
        let line = if Self::has_colour() { line.into_owned() } else { anstream::adapter::strip_str(&line).to_string() };
        let mut drawn = self.lock();
        // One write: what stands between is never seen. A closed standard error is nobody's to tell.
        let text = drawn.above_rows(Self::size(), &format!("{line}\n"));
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }

    /// Text on standard output, above the live rows. Who closes the pipe does not want more.
    pub(crate) fn print(&self, text: &str) {
        let mut drawn = self.lock();
        if self.output_is_terminal && self.is_live {
            let rows = drawn.rows.clone();
            drawn.draw(Vec::new(), Self::size());
            write_out(text);
            drawn.begun += text;
            while let Some(end) = drawn.begun.find('\n') {
                let line: String = drawn.begun.drain(..=end).collect();
                drawn.remember(line.trim_end());
            }
            drawn.draw(rows, Self::size());
        } else {
            write_out(text);
        }
    }

    /// Shows these rows in place of those that are there. None of them is wider than the terminal.
    pub(super) fn draw(&self, rows: Vec<String>) {
        self.lock().draw(rows, Self::size());
    }

    /// Takes the live rows away, for what ends the process.
    pub(crate) fn clear(&self) {
        self.draw(Vec::new());
    }

    fn lock(&self) -> MutexGuard<'_, Drawn> {
        self.drawn.lock().expect("no panic under this lock")
    }
}

fn write_out(text: &str) {
    let mut out = anstream::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

impl Drawn {
    /// What has to be written so that this stands above the rows, as it is.
    fn above_rows(&mut self, size: (usize, usize), line: &str) -> String {
        let rows = self.rows.clone();
        if rows.is_empty() {
            self.remember(line.trim_end());
            return line.to_owned();
        }
        // In another size they are laid out anew, a moment later.
        let rows = if size == self.size { rows } else { Vec::new() };
        let erased = self.change_to(Vec::new(), size);
        self.remember(line.trim_end());
        format!("{erased}{line}{}", self.change_to(rows, size))
    }

    fn draw(&mut self, rows: Vec<String>, size: (usize, usize)) {
        if rows == self.rows && (size == self.size || rows.is_empty()) {
            return;
        }
        let text = self.change_to(rows, size);
        let _ = std::io::stderr().lock().write_all(text.as_bytes());
    }

    /// What has to be written so that these rows are there in place of the others.
    fn change_to(&mut self, rows: Vec<String>, size: (usize, usize)) -> String {
        let (width, height) = size;
        // Rows that no longer fit may or may not have been broken by the terminal, so nobody knows where they begin.
        let is_lost = self.rows.len() >= height || self.rows.iter().any(|row| columns(row) >= width);
        let mut text = if is_lost { self.again(height.saturating_sub(rows.len()), width) } else { self.up() };
        for (at, row) in rows.iter().enumerate() {
            text += if at > 0 { "\r\n" } else { "" };
            text += &format!("{row}\u{1b}[K");
        }
        // Below, and after the last row where there is none; at the left, where what the terminal echoes does not wrap.
        if !(rows.is_empty() && self.rows.is_empty()) {
            text += if rows.is_empty() { "\u{1b}[J" } else { "\u{1b}[J\r" };
        }
        (self.rows, self.size) = (rows, size);
        text
    }

    /// To the left of the first row.
    fn up(&self) -> String {
        match self.rows.len() {
            0 => String::new(),
            1 => "\r".to_owned(),
            rows => format!("\r\u{1b}[{}A", rows - 1),
        }
    }

    /// An empty terminal, and the lines above that fit on it.
    fn again(&self, lines: usize, width: usize) -> String {
        let mut left = lines.saturating_sub(1);
        let taken = self.above.iter().rev().take_while(|line| {
            let needed = columns(line).div_ceil(width.max(1)).max(1);
            let fits = needed <= left;
            left = if fits { left - needed } else { 0 };
            fits
        });
        let count = taken.count();
        let kept = self.above.iter().skip(self.above.len() - count);
        kept.fold("\u{1b}[H\u{1b}[J".to_owned(), |text, line| text + line + "\r\n")
    }

    fn remember(&mut self, line: &str) {
        self.above.extend(line.split('\n').map(str::to_owned));
        let surplus = self.above.len().saturating_sub(REMEMBERED);
        self.above.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn lines(count: u16) -> std::num::NonZeroU16 {
        count.try_into().unwrap()
    }

    fn terminal_of(columns: u16) -> vt100::Parser {
        vt100::Parser::new(lines(6), lines(columns), 0)
    }

    /// What a terminal shows after that.
    fn seen(terminal: &vt100::Parser) -> Vec<String> {
        let (_, columns) = terminal.screen().size();
        let lines: Vec<String> = terminal.screen().rows(0, columns.get()).collect();
        let used = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        lines[..used].to_vec()
    }

    #[test]
    fn lines_stand_above_the_rows_and_nothing_of_earlier_rows_stays() {
        let (mut drawn, mut terminal, size) = (Drawn::default(), terminal_of(20), (20, 6));
        let mut write = |text: String| {
            terminal.process(text.replace("\r\n", "\n").replace('\n', "\r\n").as_bytes());
            seen(&terminal)
        };
        assert_eq!(write(drawn.above_rows(size, "first\n")), ["first"]);
        assert_eq!(write(drawn.change_to(rows(&["1 of 3", "  a 1s"]), size)), ["first", "1 of 3", "  a 1s"]);
        assert_eq!(write(drawn.above_rows(size, "second\n")), ["first", "second", "1 of 3", "  a 1s"]);
        assert_eq!(write(drawn.change_to(rows(&["2 of 3"]), size)), ["first", "second", "2 of 3"]);
        // What does not fit any more goes up, as everywhere.
        for line in ["third\n", "fourth\n", "fifth\n", "sixth\n"] {
            write(drawn.above_rows(size, line));
        }
        let expected = ["second", "third", "fourth", "fifth", "sixth", "2 of 3"];
        assert_eq!(write(String::new()), expected);
        assert_eq!(write(drawn.change_to(Vec::new(), size)), expected[..5]);
    }

    #[test]
    fn a_terminal_that_became_narrower_shows_the_last_lines_and_the_new_rows_alone() {
        for breaks_lines in [false, true] {
            let (mut drawn, mut terminal) = (Drawn::default(), terminal_of(40));
            let wide = (40, 6);
            terminal.process(drawn.above_rows(wide, "created a\r\n").as_bytes());
            terminal.process(drawn.change_to(rows(&["1 of 3, and more than twenty columns"]), wide).as_bytes());
            terminal.screen_mut().set_size(lines(6), lines(20));
            if breaks_lines {
                terminal.process(b"\x1b[H\x1b[Jcreated a\r\n1 of 3, and more tha\r\nn twenty columns");
            }
            // First a line, before the rows are laid out anew.
            terminal.process(drawn.above_rows((20, 6), "created b\r\n").as_bytes());
            terminal.process(drawn.change_to(rows(&["2 of 3, and more t…"]), (20, 6)).as_bytes());
            assert_eq!(seen(&terminal), ["created a", "created b", "2 of 3, and more t…"], "{breaks_lines}");
        }
    }
}
