//! A text that matches a regular expression.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::pattern::translate;

/// Texts that are longer than this are no examples.
const LONGEST: usize = 2048;

/// An example with at least `least` characters for which `fits` holds.
pub(super) fn example(pattern: &str, least: usize, fits: impl Fn(&String) -> bool) -> Option<String> {
    let hir = ParserBuilder::new().build().parse(&translate(pattern)).ok()?;
    // The shortest first, then ever more where the expression repeats something. What has no anchor
    // may have anything around it.
    let mut extra = 0;
    while extra <= LONGEST {
        let mut writer = Writer { out: String::new(), extra };
        writer.write(&hir);
        let short = least.saturating_sub(writer.out.chars().count());
        if short == 0 && fits(&writer.out) {
            return Some(writer.out);
        }
        let padded = writer.out.clone() + &"a".repeat(short.max(1));
        if fits(&padded) {
            return Some(padded);
        }
        extra = if short > extra { short } else { extra + 1 + extra / 2 };
    }
    None
}

struct Writer {
    out: String,
    /// How many repetitions may still be added.
    extra: usize,
}

impl Writer {
    fn write(&mut self, hir: &Hir) {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => self.out.push_str(&String::from_utf8_lossy(&literal.0)),
            HirKind::Class(class) => self.out.extend(sign(class)),
            HirKind::Repetition(repetition) => {
                let most = repetition.max.map_or(usize::MAX, |most| most as usize);
                let least = repetition.min as usize;
                let more = self.extra.min(most.saturating_sub(least));
                self.extra -= more;
                for _ in 0..(least + more).min(LONGEST) {
                    self.write(&repetition.sub);
                }
            }
            HirKind::Capture(capture) => self.write(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.write(part)),
            HirKind::Alternation(parts) => {
                // One that can grow, where more is needed.
                let can_grow = |part: &&Hir| part.properties().maximum_len().is_none_or(|most| most > self.extra);
                let needed = if self.extra > 0 { parts.iter().find(can_grow) } else { None };
                let shortest = parts.iter().min_by_key(|part| part.properties().minimum_len().unwrap_or(usize::MAX));
                if let Some(part) = needed.or(shortest) {
                    self.write(part);
                }
            }
        }
    }
}

/// The sign of a class that reads best.
fn sign(class: &Class) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.iter().map(|range| (range.start(), range.end())).collect(),
        Class::Bytes(class) => class.iter().map(|range| (range.start().into(), range.end().into())).collect(),
    };
    let has = |sign: &char| ranges.iter().any(|(first, last)| (first..=last).contains(&sign));
    let usual = ['a', 'A', '1', '0', 'b', 'e', '-', '_', '.', '/', ':', '*'];
    usual.into_iter().find(has).or_else(|| ('!'..='~').find(has)).or_else(|| ranges.first().map(|(first, _)| *first))
}
