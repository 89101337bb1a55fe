//! Where something else than text begins: a call, or reasoning.

use super::super::formats::Kind;
use super::{Held, Marked};

/// What stands at the beginning of a text.
pub(super) enum Bare {
    /// An object, which is one or turns out to be none.
    Object,
    /// More text will tell.
    Unknown,
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Reasoning,
    Around,
    Begin,
    Open,
}

impl Marked {
    /// Whether a call without a mark stands here.
    pub(super) fn bare(&mut self, at_end: bool) -> Bare {
        let Some(format) = self.tools.filter(|format| format.kind == Kind::Bare && !self.said && !self.plain) else {
            return Bare::Text;
        };
        let held = self.known.held != Held::Nowhere;
        let rest = match held {
            // To the grammar, what follows other blanks is text.
            true => self.text.trim_start_matches([' ', '\n']),
            false => self.text.trim_start(),
        };
        if rest.is_empty() {
            return Bare::Unknown;
        }
        if !held && rest.starts_with('{') {
            return Bare::Object;
        }
        // The grammar writes calls in one form, and an object in another is an answer.
        if held && rest.starts_with('{') {
            let written = format.wire.without_blanks(rest);
            let heads = || self.known.schemas.keys().map(|name| format.wire.head(name));
            if heads().any(|head| written.starts_with(&head)) {
                return Bare::Object;
            }
            if !at_end && heads().any(|head| head.starts_with(&written)) {
                return Bare::Unknown;
            }
        }
        self.plain = held;
        Bare::Text
    }

    /// What may begin something else than text.
    pub(super) fn marks(&self) -> Vec<(&'static str, Mark)> {
        let held = self.known.held;
        let thinks = !self.said && (held == Held::Nowhere || !self.thought);
        let opens = self.reasoning.filter(|_| thinks).map(|format| (format.open, Mark::Reasoning));
        let around = self.reasoning.map_or(&[][..], |format| format.around).iter().map(|mark| (*mark, Mark::Around));
        let calls = self.tools.map_or(Vec::new(), |format| match held {
            Held::Nowhere => {
                let begins = format.begin.iter().map(|mark| (*mark, Mark::Begin));
                let open = Some((format.open, Mark::Open)).filter(|(mark, _)| !mark.is_empty());
                begins.chain(open).collect()
            }
            Held::AtBeginning if self.said => Vec::new(),
            Held::BehindText | Held::AtBeginning => {
                let first = format.first_mark();
                let kind = if format.begin.contains(&first) { Mark::Begin } else { Mark::Open };
                Some((first, kind)).filter(|(mark, _)| !mark.is_empty()).into_iter().collect()
            }
        });
        opens.into_iter().chain(around).chain(calls).collect()
    }
}
