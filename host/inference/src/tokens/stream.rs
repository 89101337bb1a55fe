//! Tokens to text, one by one, in whole characters.

use std::sync::Arc;

use super::tokenizer::Tokenizer;

/// Text of a growing sequence of tokens.
///
/// What it gives out, put together, is the text of the tokens put together; only an unfinished
/// character at the very end is dropped.
#[derive(Debug, Clone)]
pub struct Detokenizer {
    tokenizer: Arc<Tokenizer>,
    /// Bytes of a character that is not whole yet.
    rest: Vec<u8>,
    /// Tokens since the last clean cut, for tokenizers that decode whole sequences only.
    tail: Vec<u32>,
    /// Characters of the tail's text that were given out.
    given: usize,
    /// Special tokens whose names are part of the text.
    kept: Arc<[u32]>,
}

/// Tokens kept in front of the new ones: decoders look back at most one word.
const CONTEXT: usize = 6;

impl Detokenizer {
    /// Starts with no text.
    pub fn new(tokenizer: Arc<Tokenizer>) -> Self {
        Self::keeping(tokenizer, Arc::default())
    }

    /// Starts with no text; the names of these special tokens are part of the text.
    pub fn keeping(tokenizer: Arc<Tokenizer>, kept: Arc<[u32]>) -> Self {
        Self { tokenizer, rest: Vec::new(), tail: Vec::new(), given: 0, kept }
    }

    /// Takes a token and gives the text that became whole by it, possibly none.
    pub fn push(&mut self, token: u32) -> String {
        if self.kept.contains(&token) {
            // The bytes of a character that its special token breaks off never become one.
            self.rest.clear();
            self.tail.clear();
            self.given = 0;
            return self.tokenizer.token(token).unwrap_or_default();
        }
        match self.tokenizer.bytes(token) {
            Some(bytes) => {
                self.rest.extend_from_slice(bytes);
                whole(&mut self.rest)
            }
            None => self.push_by_decoding(token),
        }
    }

    fn push_by_decoding(&mut self, token: u32) -> String {
        self.tail.push(token);
        let text = self.tokenizer.decode(&self.tail);
        // The decoder writes U+FFFD for a character of which only the first bytes are there.
        if text.ends_with('\u{fffd}') {
            return String::new();
        }
        let new = text.get(self.given..).unwrap_or_default().to_owned();
        self.given = text.len();
        if self.tail.len() > 4 * CONTEXT {
            self.tail.drain(..self.tail.len() - CONTEXT);
            self.given = self.tokenizer.decode(&self.tail).len();
        }
        new
    }
}

/// Takes the whole characters off the front. Bytes that can never become a character give U+FFFD,
/// as every decoder does; bytes that may still become one stay.
fn whole(bytes: &mut Vec<u8>) -> String {
    let mut text = String::new();
    loop {
        match std::str::from_utf8(bytes) {
            Ok(valid) => {
                text.push_str(valid);
                bytes.clear();
                return text;
            }
            Err(error) => {
                let valid = error.valid_up_to();
                text.push_str(&String::from_utf8_lossy(&bytes[..valid]));
                let Some(broken) = error.error_len() else {
                    bytes.drain(..valid);
                    return text;
                };
                text.push('\u{fffd}');
                bytes.drain(..valid + broken);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_come_whole_however_bytes_arrive() {
        let text = "a👩‍👩‍👧é漢字\n";
        for size in 1..6 {
            let (mut rest, mut out) = (Vec::new(), String::new());
            for part in text.as_bytes().chunks(size) {
                rest.extend_from_slice(part);
                let piece = whole(&mut rest);
                assert!(!piece.contains('\u{fffd}'), "{piece}");
                out.push_str(&piece);
            }
            assert_eq!((out.as_str(), rest.len()), (text, 0));
        }
        let mut broken = vec![b'a', 0xff, b'b', 0xe2, 0x82];
        assert_eq!((whole(&mut broken).as_str(), broken.len()), ("a\u{fffd}b", 2));
    }
}
