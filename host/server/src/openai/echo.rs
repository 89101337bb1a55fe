//! Log-probabilities as `/v1/completions` has them, a list for each thing and not a thing for each token, and the
//! prompt in front of the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde::Serialize;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::models::Served;
use crate::serve::Shared;
use crate::{GenerateRequest, LogProb, Prompt, PromptToken};

/// Log-probabilities of some tokens.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Listed {
    tokens: Vec<String>,
    token_logprobs: Vec<Option<f32>>,
    top_logprobs: Vec<Value>,
    /// Where each begins in the choice's text, in characters.
    text_offset: Vec<usize>,
}

impl Listed {
    fn push(&mut self, token: String, logprob: Option<f32>, top: &[LogProb], offset: usize) {
        let named = || top.iter().map(|top| (name(&top.token, &top.bytes), json!(top.logprob))).collect::<Value>();
        self.tokens.push(token);
        self.token_logprobs.push(logprob);
        self.top_logprobs.push(if logprob.is_some() { named() } else { Value::Null });
        self.text_offset.push(offset);
    }
}

/// A prompt that is given back.
#[derive(Debug, PartialEq)]
pub(super) struct Echo {
    pub(super) text: String,
    pub(super) logprobs: Option<Listed>,
}

/// What a request's choices have in front.
pub(super) async fn of(shared: &Shared, model: &Served, request: &GenerateRequest) -> Result<Arc<Echo>, ApiError> {
    let text = match &request.prompt {
        Prompt::Text(text) => text.clone(),
        Prompt::Tokens(tokens) => model.backend().detokenize(tokens.clone()).await?,
        Prompt::Messages { .. } => String::new(),
    };
    let Some(top) = request.top_logprobs else { return Ok(Arc::new(Echo { text, logprobs: None })) };
    let found = model.backend().prompt_logprobs(request.prompt.clone(), top);
    let found = tokio::time::timeout(shared.settings.request_timeout, found).await;
    let tokens = found.map_err(|_| ApiError::timeout())??;
    let mut listed = Listed::default();
    for (token, offset) in tokens.iter().zip(offsets(&text, &tokens)) {
        listed.push(name(&token.token, &token.bytes), token.logprob, &token.top, offset);
    }
    Ok(Arc::new(Echo { text, logprobs: Some(listed) }))
}

/// What was written of a choice so far.
#[derive(Debug)]
pub(super) struct Written {
    echo: Option<Arc<Echo>>,
    characters: AtomicUsize,
}

impl Written {
    pub(super) fn new(echo: Option<Arc<Echo>>) -> Self {
        let characters = echo.as_ref().map_or(0, |echo| echo.text.chars().count());
        Self { echo, characters: characters.into() }
    }

    pub(super) fn echo(&self) -> Option<&Echo> {
        self.echo.as_deref()
    }

    /// The next tokens of the answer.
    pub(super) fn answer(&self, of: &[LogProb]) -> Option<Listed> {
        let mut listed = Listed::default();
        for one in of {
            let begun = self.characters.fetch_add(beginnings(&one.bytes), Relaxed);
            listed.push(name(&one.token, &one.bytes), Some(one.logprob), &one.top, place(begun, &one.bytes));
        }
        (!of.is_empty()).then_some(listed)
    }

    /// The whole choice.
    pub(super) fn whole(&self, text: &str, of: &[LogProb]) -> (String, Option<Listed>) {
        let answer = self.answer(of);
        let Some(echo) = &self.echo else { return (text.to_owned(), answer) };
        let logprobs = echo.logprobs.clone().map(|mut all| {
            let rest = answer.unwrap_or_default();
            all.tokens.extend(rest.tokens);
            all.token_logprobs.extend(rest.token_logprobs);
            all.top_logprobs.extend(rest.top_logprobs);
            all.text_offset.extend(rest.text_offset);
            all
        });
        (format!("{}{text}", echo.text), logprobs)
    }
}

/// A token's text as it stands between others; of a part of a character its bytes, so that different parts have
/// different names.
fn name(token: &str, bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok("") => token.to_owned(),
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().fold("bytes:".to_owned(), |name, byte| format!("{name}\\x{byte:02x}")),
    }
}

/// Characters that begin in some bytes.
fn beginnings(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| !is_inside(**byte)).count()
}

/// Whether a byte is inside a character.
fn is_inside(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// The character in which bytes begin, where so many began before.
fn place(begun: usize, bytes: &[u8]) -> usize {
    if bytes.first().is_some_and(|byte| is_inside(*byte)) { begun.saturating_sub(1) } else { begun }
}

/// Where each token of a text begins in it. Tokenizers add marks and spaces, and change letters.
fn offsets(text: &str, tokens: &[PromptToken]) -> Vec<usize> {
    let (mut rest, mut begun) = (text.as_bytes(), 0);
    let mut offset = |token: &PromptToken| {
        let at = place(begun, rest);
        let (taken, left) = rest.split_at(width(rest, token));
        (rest, begun) = (left, begun + beginnings(taken));
        at
    };
    tokens.iter().map(&mut offset).collect()
}

/// Bytes of the text that a token stands for.
fn width(text: &[u8], token: &PromptToken) -> usize {
    /// How far a text is searched for a token where letters were changed before it.
    const NEAR: usize = 32;
    let bytes = &token.bytes[..];
    match bytes {
        _ if text.starts_with(bytes) => bytes.len(),
        _ if token.is_special => 0,
        [b' ', word @ ..] if text.starts_with(word) => word.len(),
        _ => {
            let near = &text[..text.len().min(NEAR)];
            let found = near.windows(bytes.len().max(1)).position(|part| part == bytes);
            found.map_or(0, |at| at + bytes.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(bytes: &[u8]) -> PromptToken {
        PromptToken { bytes: bytes.to_vec(), ..PromptToken::default() }
    }

    #[test]
    fn offsets_are_characters_of_the_text() {
        let special = |text: &str| PromptToken { is_special: true, ..token(text.as_bytes()) };
        for (text, tokens, expected) in [
            ("one two", vec![token(b"one"), token(b" two")], vec![0, 3]),
            // A mark in front that the text has not, and one that it has.
            ("a<s>b", vec![special("<s>"), token(b"a"), special("<s>"), token(b"b")], vec![0, 0, 1, 4]),
            // Parts of a character.
            (
                "é漢b",
                vec!["é".as_bytes(), &[0xe6], &[0xbc, 0xa2], b"b"].into_iter().map(token).collect(),
                vec![0, 1, 1, 2],
            ),
            // A space that the text has not.
            ("Hello you", vec![token(b" Hello"), token(b" you")], vec![0, 5]),
            // Letters that the tokenizer changed.
            ("Ｘ yes no", vec![token(b"X"), token(b" yes"), token(b" no")], vec![0, 0, 5]),
            ("", vec![special("<s>")], vec![0]),
        ] {
            assert_eq!(offsets(text, &tokens), expected, "{text}");
        }
    }

    #[test]
    fn the_answer_goes_on_where_the_prompt_ends() {
        let first = PromptToken { token: "é".into(), ..token("é".as_bytes()) };
        let mut listed = Listed::default();
        listed.push(name(&first.token, &first.bytes), None, &[], 0);
        let written = Written::new(Some(Arc::new(Echo { text: "é".into(), logprobs: Some(listed) })));
        let one = |bytes: &[u8]| LogProb {
            token: String::from_utf8_lossy(bytes).into(),
            bytes: bytes.to_vec(),
            logprob: -1.0,
            top: vec![],
        };
        let (text, logprobs) = written.whole("xü!", &[one(b"x"), one(&[0xc3]), one(&[0xbc]), one(b"!")]);
        assert_eq!(text, "éxü!");
        assert_eq!(
            json!(logprobs),
            json!({
                "tokens": ["é", "x", "bytes:\\xc3", "bytes:\\xbc", "!"],
                "token_logprobs": [null, -1.0, -1.0, -1.0, -1.0],
                "top_logprobs": [null, {}, {}, {}, {}],
                "text_offset": [0, 1, 2, 2, 3],
            })
        );
    }
}
