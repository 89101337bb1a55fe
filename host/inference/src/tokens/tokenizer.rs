//! tokenizer.json, by Hugging Face's own crate.

use std::borrow::Cow;
use std::path::Path;

use tokenizers::normalizers::{Lowercase, Sequence};
use tokenizers::{NormalizerWrapper, PostProcessor, TruncationDirection};

use super::pieces::Spelling;
use super::plain::{MARK, Names};
use crate::model::ModelError;

/// A model's tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// Bytes of every token, where the spelling is known; special tokens have none.
    pieces: Option<Vec<Box<[u8]>>>,
    special: Vec<bool>,
    /// Names of the special tokens.
    names: Names,
    longest: usize,
}

/// Why a text did not become tokens.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the text cannot be turned into tokens: {0}")]
pub struct TokenizeError(String);

impl Tokenizer {
    /// Reads a tokenizer.json. `lower_case` puts texts into lower case before all else.
    pub fn read(path: &Path, lower_case: bool) -> Result<Self, ModelError> {
        let bytes = std::fs::read(path)
            .map_err(|error| ModelError::Unreadable { path: path.to_owned(), reason: error.to_string() })?;
        Self::parse(&bytes, lower_case).map_err(|reason| ModelError::Invalid { path: path.to_owned(), reason })
    }

    fn parse(bytes: &[u8], lower_case: bool) -> Result<Self, String> {
        let json: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| error.to_string())?;
        // Padding and truncation are the engine's business: files carry settings of the training.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| error.to_string())?;
        if lower_case {
            let before = inner.get_normalizer().cloned();
            let all = [NormalizerWrapper::Lowercase(Lowercase)].into_iter().chain(before).collect();
            inner.with_normalizer(Some(Sequence::new(all))).map_err(|error| error.to_string())?;
        }
        let vocabulary = inner.get_vocab(true);
        let size = vocabulary.values().max().map_or(0, |id| *id as usize + 1);
        let mut special = vec![false; size];
        let mut added = vec![false; size];
        let decoder = inner.get_added_tokens_decoder();
        for (id, token) in &decoder {
            added[*id as usize] = true;
            special[*id as usize] = token.special;
        }
        let names = decoder.values().filter(|token| token.special).map(|token| token.content.as_str());
        let names = Names::new(names)?;
        let pieces = Spelling::of(&json["decoder"]).map(|spelling| {
            let mut pieces = vec![Box::default(); size];
            for (token, id) in &vocabulary {
                let id = *id as usize;
                pieces[id] = match (special[id], added[id]) {
                    (true, _) => Box::default(),
                    (false, true) => token.as_bytes().into(),
                    (false, false) => spelling.bytes(token).into(),
                };
            }
            pieces
        });
        let longest = vocabulary.keys().map(String::len).max().unwrap_or(1).max(1);
        Ok(Self { inner, pieces, special, names, longest })
    }

    /// Tokens of a text. `special` puts in front and behind what the model wants there; a rendered
    /// chat template has it already.
    pub fn encode(&self, text: &str, special: bool) -> Result<Vec<u32>, TokenizeError> {
        let encoding = self.inner.encode_fast(text, special).map_err(|error| TokenizeError(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// As [`encode`](Self::encode) with what the model wants around a text, of which its end is cut off so that all of it
    /// is at most so many tokens.
    pub fn encode_within(&self, text: &str, most: usize) -> Result<Vec<u32>, TokenizeError> {
        let failed = |error: tokenizers::Error| TokenizeError(error.to_string());
        let around = self.inner.get_post_processor().map_or(0, |processor| processor.added_tokens(false));
        let mut encoding = self.inner.encode_fast(text, false).map_err(failed)?;
        encoding.truncate(most.saturating_sub(around), 0, TruncationDirection::Right);
        let encoding = self.inner.post_process(encoding, None, true).map_err(failed)?;
        let mut tokens = encoding.get_ids().to_vec();
        tokens.truncate(most);
        Ok(tokens)
    }

    /// A text that others wrote, for a message: names of special tokens in it stay text in what
    /// [`encode_rendered`](Self::encode_rendered) makes of the prompt.
    pub fn as_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.names.split(text)
    }

    /// Tokens of a rendered chat template. `special` puts in front what the model wants there, which most templates
    /// have already.
    pub fn encode_rendered(&self, text: &str, special: bool) -> Result<Vec<u32>, TokenizeError> {
        let mut pieces = text.split(MARK);
        let mut tokens = self.encode(pieces.next().unwrap_or_default(), special)?;
        for piece in pieces {
            tokens.append(&mut self.encode(piece, false)?);
        }
        Ok(tokens)
    }

    /// Tokens of a pair of texts with what the model wants around them, and which text each is of.
    pub fn encode_pair(&self, one: &str, other: &str) -> Result<(Vec<u32>, Vec<u32>), TokenizeError> {
        let encoding = self.inner.encode_fast((one, other), true).map_err(|error| TokenizeError(error.to_string()))?;
        Ok((encoding.get_ids().to_vec(), encoding.get_type_ids().to_vec()))
    }

    /// The text of tokens, special ones left out.
    pub fn decode(&self, tokens: &[u32]) -> String {
        self.inner.decode(tokens, true).unwrap_or_default()
    }

    /// The text of tokens, special ones included.
    pub fn decode_with_special(&self, tokens: &[u32]) -> String {
        self.inner.decode(tokens, false).unwrap_or_default()
    }

    /// One token as it stands in the vocabulary, for log-probabilities and messages.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The number of a token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Tokens there are, gaps counted.
    pub fn vocabulary(&self) -> usize {
        self.special.len()
    }

    /// Bytes of the longest token as it is written, which no token's text exceeds.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Whether a token is a mark and not text.
    pub fn is_special(&self, id: u32) -> bool {
        self.special.get(id as usize).copied().unwrap_or(true)
    }

    /// The bytes of a token; none for special tokens, `None` where the tokenizer's spelling is not
    /// known and only whole sequences can be decoded.
    pub fn bytes(&self, id: u32) -> Option<&[u8]> {
        let pieces = self.pieces.as_ref()?;
        Some(pieces.get(id as usize).map_or(&[], |piece| piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_cut_off_keeps_what_the_model_wants_around_it() {
        let json = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "decoder": null,
            "added_tokens": [],
            "pre_tokenizer": { "type": "Whitespace" },
            "model": { "type": "WordLevel", "unk_token": "?", "vocab": { "?": 0, "<s>": 1, "</s>": 2, "a": 3, "b": 4 } },
            "post_processor": { "type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1] },
        });
        let tokenizer = Tokenizer::parse(json.to_string().as_bytes(), false).expect("a tokenizer");
        let within = |most| tokenizer.encode_within("a b a b", most).expect("tokens");
        assert_eq!(tokenizer.encode("a b a b", true).expect("tokens"), [1, 3, 4, 3, 4, 2]);
        assert_eq!(within(6), [1, 3, 4, 3, 4, 2]);
        assert_eq!(within(4), [1, 3, 4, 2]);
        assert_eq!(within(2), [1, 2]);
        assert_eq!(within(1), [1]);
    }
}
