//! The bytes of every token.
//!
//! Two ways to spell bytes cover today's language models: the 256 printable stand-ins of byte-level
//! BPE, and SentencePiece's `▁` for a space with `<0x0A>` for a byte outside the vocabulary. A
//! tokenizer of neither kind is decoded by its own code instead.

use serde_json::Value;

/// How a tokenizer spells bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    ByteLevel,
    SentencePiece,
}

impl Spelling {
    /// From the `decoder` of tokenizer.json.
    pub(super) fn of(decoder: &Value) -> Option<Self> {
        let parts = match decoder["type"].as_str()? {
            "Sequence" => decoder["decoders"].as_array()?.iter().collect(),
            _ => vec![decoder],
        };
        let has = |kind: &str| parts.iter().any(|part| part["type"] == kind);
        let space =
            |part: &&&Value| part["type"] == "Replace" && part["pattern"]["String"] == "▁" && part["content"] == " ";
        match () {
            () if parts.len() == 1 && has("ByteLevel") => Some(Self::ByteLevel),
            () if has("ByteFallback") && parts.iter().any(|part| space(&part)) => Some(Self::SentencePiece),
            () => None,
        }
    }

    /// The bytes of a token of the vocabulary.
    pub(super) fn bytes(self, token: &str) -> Vec<u8> {
        match self {
            Self::ByteLevel => token.chars().map(stand_in).collect::<Option<_>>().unwrap_or_else(|| token.into()),
            Self::SentencePiece => match byte_token(token) {
                Some(byte) => vec![byte],
                None => token.replace('▁', " ").into_bytes(),
            },
        }
    }
}

/// The byte that a stand-in character means: printable Latin-1 means itself, the other bytes are
/// numbered from U+0100 in order.
fn stand_in(letter: char) -> Option<u8> {
    let itself = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    match u32::from(letter) {
        code @ 0..=0xff => u8::try_from(code).ok().filter(|byte| itself(*byte)),
        code => (0..=u8::MAX).filter(|byte| !itself(*byte)).nth(usize::try_from(code - 0x100).ok()?),
    }
}

/// `<0x0A>`.
fn byte_token(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stand_ins_cover_every_byte_once() {
        let mut bytes: Vec<u8> = (0..0x200).filter_map(char::from_u32).filter_map(stand_in).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=u8::MAX).collect::<Vec<_>>());
        assert_eq!(Spelling::ByteLevel.bytes("ĠHello"), b" Hello");
        assert_eq!(Spelling::ByteLevel.bytes("Ċ"), b"\n");
    }

    #[test]
    fn sentencepiece_spells_spaces_and_bytes() {
        assert_eq!(Spelling::SentencePiece.bytes("▁the▁"), b" the ");
        assert_eq!(Spelling::SentencePiece.bytes("<0xE2>"), [0xe2]);
        assert_eq!(Spelling::SentencePiece.bytes("<0x>"), b"<0x>");
    }
}
