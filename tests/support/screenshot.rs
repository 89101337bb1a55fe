//! A terminal's screen as a page, in the colours of a dark terminal.

use std::fmt::Write;
use std::num::NonZeroU16;

use vt100::{Cell, Color};

use super::terminal::{Seen, bytes};

/// As terminals have them: normal, then bright.
const PALETTE: [&str; 16] = [
    "#3b4252", "#ff7b72", "#56d364", "#e3b341", "#6cb6ff", "#d2a8ff", "#56d4dd", "#c9d1d9", "#6e7681", "#ffa198",
    "#7ee787", "#f2cc60", "#a5d6ff", "#e2c5ff", "#b3f0ff", "#ffffff",
];

/// A page with the last screen that has a text on it, below the command that it answers.
#[track_caller]
pub fn screenshot(seen: &Seen, (columns, lines): (u16, u16), text: &str, command: &str) -> String {
    let at = seen.screens.iter().rposition(|lines| lines.iter().any(|line| line.contains(text)));
    let Some(at) = at else { panic!("'{text}' was never seen; last:\n{}", seen.last()) };
    let size = |number: u16| NonZeroU16::new(number).expect("a screen has a size");
    let mut terminal = vt100::Parser::default();
    terminal.screen_mut().set_size(size(lines), size(columns));
    terminal.process(&bytes(&seen.written[..seen.until[at]]));
    let lines: Vec<String> = (0..lines).map(|row| line(&terminal, row, columns)).collect();
    let used = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
    // Lines of 80 and of 160 columns fit these.
    let width = if columns <= 80 { 720 } else { 1400 };
    format!(
        "<!doctype html><meta charset=\"utf-8\"><style>body {{ margin: 0; font: 14px/1.3 'DejaVu Sans Mono', monospace }} \
         main {{ width: {width}px; background: #0d1117; color: #c9d1d9 }} pre {{ margin: 0; padding: 12px 16px; font: inherit }} \
         header {{ padding: 7px 16px; background: #21262d }}</style><main><header>{}</header><pre>{}</pre></main>",
        escaped(command),
        lines[..used].join("\n")
    )
}

fn line(terminal: &vt100::Parser, row: u16, columns: u16) -> String {
    let mut out = String::new();
    for column in 0..columns {
        let Some(cell) = terminal.screen().cell(row, column).filter(|cell| !cell.is_wide_continuation()) else {
            continue;
        };
        let text = if cell.has_contents() { cell.contents() } else { " " };
        match style(cell) {
            style if style.is_empty() => out += &escaped(text),
            style => _ = write!(out, "<span style=\"{style}\">{}</span>", escaped(text)),
        }
    }
    out.trim_end().to_owned()
}

fn style(cell: &Cell) -> String {
    let mut style = String::new();
    match cell.fgcolor() {
        Color::Default => {}
        Color::Idx(number) => style += &format!("color:{};", PALETTE[usize::from(number) % 16]),
        Color::Rgb(red, green, blue) => style += &format!("color:rgb({red},{green},{blue});"),
    }
    if cell.bold() {
        style += "font-weight:bold;";
    }
    if cell.dim() {
        style += "opacity:.65;";
    }
    if cell.underline() {
        style += "text-decoration:underline;";
    }
    style
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
