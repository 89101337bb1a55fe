//! What goes in and what comes out.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::mpsc::UnboundedReceiver;

use super::error::RequestError;
use crate::sampling::{Grammar, SamplingParams, TokenLogprobs};

/// What to continue.
#[derive(Debug, Clone, PartialEq)]
pub enum Prompt {
    /// Text, with whatever the tokenizer puts around a text.
    Text(String),
    /// Text that has its marks already, as chat templates make it.
    Rendered(String),
    /// Tokens.
    Tokens(Vec<u32>),
}

/// One request for text.
#[derive(Debug, Clone)]
pub struct Request {
    /// What to continue.
    pub prompt: Prompt,
    /// Tokens of the answer, at most; `None` for what the context holds.
    pub max_tokens: Option<usize>,
    /// Strings that end the answer. They are not part of it.
    pub stop: Vec<String>,
    /// Tokens that end the answer, beside those of the model.
    pub stop_tokens: Vec<u32>,
    /// Whether to go on past the tokens by which the model ends a text.
    pub ignore_eos: bool,
    /// How to choose tokens.
    pub sampling: SamplingParams,
    /// What the answer must be.
    pub grammar: Option<Grammar>,
    /// Special tokens whose names are part of the answer's text. The others have no text.
    pub keep: Vec<u32>,
    /// Whether the token that ends the answer is told as well, without text, where log-probabilities are.
    pub end_logprobs: bool,
}

impl Request {
    /// A greedy request for text.
    pub fn new(prompt: Prompt) -> Self {
        Self {
            prompt,
            max_tokens: None,
            stop: Vec::new(),
            stop_tokens: Vec::new(),
            ignore_eos: false,
            sampling: SamplingParams::default(),
            grammar: None,
            keep: Vec::new(),
            end_logprobs: false,
        }
    }
}

/// Why an answer ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model ended it, or a stop token of the request.
    Token(u32),
    /// A stop string.
    String(String),
    /// The grammar allows nothing more.
    Grammar,
    /// As many tokens as were asked for, or as the context holds.
    Length,
}

impl Finish {
    /// OpenAI's word: `stop` or `length`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Length => "length",
            _ => "stop",
        }
    }
}

/// Tokens, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Of the prompt.
    pub prompt: usize,
    /// Of those, taken from the cache of an earlier request.
    pub reused: usize,
    /// Of the answer, the one that ended it included.
    pub completion: usize,
}

/// Times since the request was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Timings {
    /// Until it left the queue.
    pub queued: Duration,
    /// Until the first token.
    pub first_token: Duration,
    /// Until the end.
    pub total: Duration,
}

/// A piece of an answer.
#[derive(Debug, Clone)]
pub enum Event {
    /// A token was chosen.
    Token {
        /// Text that may be shown since; empty while a character or a possible stop string is not whole.
        text: String,
        /// The token.
        id: u32,
        /// Its log-probabilities, where they were asked for.
        logprobs: Option<TokenLogprobs>,
    },
    /// The answer is whole. Nothing follows.
    Done {
        /// Text that was held back and now belongs to the answer.
        text: String,
        /// Why it ended.
        finish: Finish,
        /// Tokens.
        usage: Usage,
        /// Times.
        timings: Timings,
    },
    /// The answer broke off. Nothing follows.
    Failed(RequestError),
}

/// The events of one request. Dropping it ends the request.
#[derive(Debug)]
pub struct Stream {
    receiver: UnboundedReceiver<Event>,
    prompt_tokens: usize,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Generated {
    /// The text.
    pub text: String,
    /// The tokens, without the one that ended it.
    pub tokens: Vec<u32>,
    /// Log-probabilities of the tokens, where they were asked for.
    pub logprobs: Vec<TokenLogprobs>,
    /// Why it ended.
    pub finish: Finish,
    /// Tokens.
    pub usage: Usage,
    /// Times.
    pub timings: Timings,
}

impl Stream {
    pub(super) fn new(receiver: UnboundedReceiver<Event>, prompt_tokens: usize) -> Self {
        Self { receiver, prompt_tokens }
    }

    /// Tokens of the prompt, known before the first event.
    pub fn prompt_tokens(&self) -> usize {
        self.prompt_tokens
    }

    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Option<Event> {
        self.receiver.recv().await
    }

    /// The next event, for threads outside of tokio.
    pub fn next_blocking(&mut self) -> Option<Event> {
        self.receiver.blocking_recv()
    }

    /// Waits for the whole answer.
    pub async fn collect(mut self) -> Result<Generated, RequestError> {
        let mut answer = Answer::default();
        while let Some(event) = self.next().await {
            if let Some(result) = answer.add(event) {
                return result;
            }
        }
        Err(RequestError::ShuttingDown)
    }

    /// Waits for the whole answer, for threads outside of tokio.
    pub fn collect_blocking(mut self) -> Result<Generated, RequestError> {
        let mut answer = Answer::default();
        while let Some(event) = self.next_blocking() {
            if let Some(result) = answer.add(event) {
                return result;
            }
        }
        Err(RequestError::ShuttingDown)
    }
}

impl futures::Stream for Stream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.receiver.poll_recv(context)
    }
}

#[derive(Default)]
struct Answer {
    text: String,
    tokens: Vec<u32>,
    logprobs: Vec<TokenLogprobs>,
}

impl Answer {
    fn add(&mut self, event: Event) -> Option<Result<Generated, RequestError>> {
        match event {
            Event::Token { text, id, logprobs } => {
                self.text.push_str(&text);
                self.tokens.push(id);
                self.logprobs.extend(logprobs);
                None
            }
            Event::Done { text, finish, usage, timings } => {
                let Self { text: mut whole, tokens, logprobs } = std::mem::take(self);
                whole.push_str(&text);
                Some(Ok(Generated { text: whole, tokens, logprobs, finish, usage, timings }))
            }
            Event::Failed(error) => Some(Err(error)),
        }
    }
}
