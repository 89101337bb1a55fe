//! Vectors of texts, and scores of pairs of texts.

use tokio::sync::oneshot;

use super::Engine;
use crate::engine::embed::{EmbedJob, Embeddings, TextTokens};
use crate::engine::error::RequestError;
use crate::engine::worker::Job;
use crate::model::{Layout, SentenceConfig};
use crate::tokens::Tokenizer;

/// Something to make a vector of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmbedInput {
    /// A text. The model's prompt is put in front of it, where it has one.
    Text(String),
    /// Tokens of the model's own vocabulary, taken as they are.
    Tokens(Vec<u32>),
}

/// Scores of pairs of texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// One a pair, in the order of the pairs.
    pub scores: Vec<f32>,
    /// Tokens of all pairs.
    pub tokens: usize,
}

impl Engine {
    /// Vectors of texts. Texts that are too long are an error, or cut off where `truncate` says so.
    pub async fn embed(&self, texts: &[String], truncate: bool) -> Result<Embeddings, RequestError> {
        let inputs: Vec<EmbedInput> = texts.iter().cloned().map(EmbedInput::Text).collect();
        self.embed_inputs(&inputs, None, truncate).await
    }

    /// As above, of texts or tokens, with one of the prompts of config_sentence_transformers.json in
    /// front of texts; with its default one where none is named.
    pub async fn embed_inputs(
        &self,
        inputs: &[EmbedInput],
        prompt: Option<&str>,
        truncate: bool,
    ) -> Result<Embeddings, RequestError> {
        let inner = &*self.inner;
        let tokenizer = self.tokenizer_for("embed text", matches!(inner.model.layout, Layout::Encoder(_)))?;
        let prompt = inner.model.sentence.as_ref().map_or(Ok(""), |sentence| prompt_text(sentence, prompt))?;
        let context = inner.counters.context;
        let tokens = |(place, input): (usize, &EmbedInput)| {
            let (text, mut tokens) = match input {
                EmbedInput::Text(text) => {
                    let text = format!("{prompt}{text}");
                    let tokens = tokenizer.encode(&text, true)?;
                    (Some(text), tokens)
                }
                EmbedInput::Tokens(tokens) => (None, known(tokens, tokenizer)?.to_vec()),
            };
            match (tokens.len(), text) {
                (0, _) => return Err(RequestError::Invalid(format!("the text at index {place} is empty"))),
                (tokens, _) if tokens > context && !truncate => {
                    return Err(RequestError::TextTooLong { place, tokens, context });
                }
                // What the model wants behind a text stays there.
                (count, Some(text)) if count > context => tokens = tokenizer.encode_within(&text, context)?,
                _ => tokens.truncate(context),
            }
            Ok(TextTokens::of(tokens))
        };
        let texts = inputs.iter().enumerate().map(tokens).collect::<Result<Vec<_>, _>>()?;
        self.vectors(texts).await
    }

    /// How well the texts of each pair fit together, as the model's head and activation have it.
    pub async fn score<T: AsRef<str>>(&self, pairs: &[(T, T)]) -> Result<Scores, RequestError> {
        let inner = &*self.inner;
        let Layout::Reranker(_, activation) = inner.model.layout else {
            let why = inner.model.no_reranker.clone().unwrap_or_default();
            return Err(RequestError::NotReranker(why));
        };
        let tokenizer = self.tokenizer_for("score texts", true)?;
        let context = inner.counters.context;
        let tokens = |(place, (one, other)): (usize, &(T, T))| {
            let (ids, types) = tokenizer.encode_pair(one.as_ref(), other.as_ref())?;
            match ids.len() {
                0 => Err(RequestError::Invalid(format!("the pair of texts at index {place} is empty"))),
                tokens if tokens > context => Err(RequestError::TextTooLong { place, tokens, context }),
                _ => Ok(TextTokens { ids, types }),
            }
        };
        let texts = pairs.iter().enumerate().map(tokens).collect::<Result<Vec<_>, _>>()?;
        let Embeddings { vectors, tokens } = self.vectors(texts).await?;
        let score = |vector: Vec<f32>| match vector[..] {
            [logit] => Ok(activation.apply(logit)),
            _ => Err(RequestError::Failed(format!("the model gave {} numbers for a pair, not one", vector.len()))),
        };
        Ok(Scores { scores: vectors.into_iter().map(score).collect::<Result<_, _>>()?, tokens })
    }

    async fn vectors(&self, texts: Vec<TextTokens>) -> Result<Embeddings, RequestError> {
        let (answer, result) = oneshot::channel();
        self.inner.enter_job()?;
        self.inner.send(Job::Embed(EmbedJob { texts, answer }))?;
        result.await.unwrap_or(Err(RequestError::ShuttingDown))
    }
}

/// What to put in front of texts.
fn prompt_text<'a>(sentence: &'a SentenceConfig, named: Option<&str>) -> Result<&'a str, RequestError> {
    let Some(name) = named.or(sentence.default_prompt.as_deref()) else { return Ok("") };
    sentence.prompts.get(name).map(String::as_str).ok_or_else(|| {
        let all: Vec<&str> = sentence.prompts.keys().map(String::as_str).collect();
        let all = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
        RequestError::Invalid(format!("the model has no prompt '{name}'; it has {all}"))
    })
}

fn known<'a>(tokens: &'a [u32], tokenizer: &Tokenizer) -> Result<&'a [u32], RequestError> {
    let size = tokenizer.vocabulary();
    match tokens.iter().find(|token| **token as usize >= size) {
        None => Ok(tokens),
        Some(token) => Err(RequestError::Invalid(format!("the token {token} is not one of the model's {size}"))),
    }
}
