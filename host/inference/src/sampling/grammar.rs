//! Output that must follow a grammar: JSON Schema, a regular expression, or Lark, by llguidance.
//!
//! The token tree of a vocabulary takes a moment to build and is the same for all requests, so it is
//! built once, by the first request that has a grammar.

use std::sync::{Arc, OnceLock};

use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde::{Deserialize, Serialize};

use super::crowded::{self, Crowded};
use super::sampler::TokenMask;
use super::schema;
use crate::tokens::Tokenizer;

/// What the output must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grammar {
    /// JSON that fits a schema; `{"type": "object"}` for any object.
    JsonSchema(serde_json::Value),
    /// Text that a regular expression matches from end to end.
    Regex(String),
    /// A grammar in llguidance's dialect of Lark.
    Lark(String),
}

/// Why a grammar cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum GrammarError {
    /// The grammar is wrong.
    #[error("the output grammar is not valid: {0}")]
    Invalid(String),
    /// A definition of a JSON schema refers to itself, and nothing ends it.
    #[error("the output schema is not valid: '{0}' requires itself without end, so no JSON matches it")]
    Endless(String),
    /// A JSON schema is wrong, or nothing fits it.
    #[error("the output schema is not valid: at {place}: {reason}")]
    Schema {
        /// JSON pointer of the part that is wrong.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No token can begin an answer.
    #[error("the output grammar is not valid: no text matches it")]
    Impossible,
    /// The tokenizer's tokens cannot be spelled out.
    #[error("this model's tokenizer does not say which bytes its tokens are, which output grammars need")]
    Tokenizer,
}

/// States of a request's lexer, at most: some 50 to 100 MB.
const LEXER_STATES: usize = 50_000;

/// Compiles grammars for one model.
pub struct Grammars {
    tokenizer: Arc<Tokenizer>,
    eos: Vec<u32>,
    factory: OnceLock<Result<ParserFactory, GrammarError>>,
}

impl std::fmt::Debug for Grammars {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grammars").field("eos", &self.eos).finish_non_exhaustive()
    }
}

impl Grammars {
    /// For a tokenizer and the tokens that end an answer.
    pub fn new(tokenizer: Arc<Tokenizer>, eos: Vec<u32>) -> Self {
        Self { tokenizer, eos, factory: OnceLock::new() }
    }

    /// A mask that follows the grammar.
    pub fn mask(&self, grammar: &Grammar) -> Result<Box<dyn TokenMask>, GrammarError> {
        let factory = self.factory.get_or_init(|| self.factory()).as_ref().map_err(Clone::clone)?;
        let compile = |top| factory.create_parser(top).map_err(|error| format!("{error:#}"));
        let json = |schema| TopLevelGrammar::from_json_schema(schema::with_bounded_whitespace(schema));
        let parser = match grammar {
            Grammar::JsonSchema(value) => {
                if let Some(definition) = schema::endless(value) {
                    return Err(GrammarError::Endless(definition.to_owned()));
                }
                crowded::check(value).map_err(|Crowded { place, reason }| GrammarError::Schema { place, reason })?;
                compile(json(value.clone())).map_err(|reason| {
                    let fails = |part| compile(json(part)).err();
                    let (place, reason) = schema::place(value, reason, fails);
                    GrammarError::Schema { place, reason }
                })
            }
            Grammar::Regex(pattern) => compile(TopLevelGrammar::from_regex(pattern)).map_err(GrammarError::Invalid),
            Grammar::Lark(text) => compile(TopLevelGrammar::from_lark(text.clone())).map_err(GrammarError::Invalid),
        };
        let mut matcher = Matcher::new(Ok(parser?));
        // Now, while it is the request's error and not that of a step.
        matcher.compute_mask_or_eos().map_err(|_| GrammarError::Impossible)?;
        Ok(Box::new(Masked { matcher, eos: self.eos.clone() }))
    }

    fn factory(&self) -> Result<ParserFactory, GrammarError> {
        let size = self.tokenizer.vocabulary();
        let words: Vec<Vec<u8>> = (0u32..).take(size).map(|id| self.word(id)).collect::<Result<_, _>>()?;
        let eos = self.eos.first().copied().unwrap_or(0);
        let info = TokRxInfo::new(u32::try_from(size).map_err(|_| GrammarError::Tokenizer)?, eos);
        let trie = TokTrie::from(&info, &words);
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let mut factory =
            ParserFactory::new_simple(&environment).map_err(|error| GrammarError::Invalid(format!("{error:#}")))?;
        factory.quiet();
        let limits = factory.limits_mut();
        // A state takes one or two kilobytes, and each request has its own.
        limits.max_lexer_states = LEXER_STATES;
        // The parser's tables are of no use to who sent the request.
        limits.verbose_errors = false;
        Ok(factory)
    }

    /// A token's bytes; special tokens are marked, so that no text can be mistaken for them.
    fn word(&self, id: u32) -> Result<Vec<u8>, GrammarError> {
        let bytes = self.tokenizer.bytes(id).ok_or(GrammarError::Tokenizer)?;
        if !self.tokenizer.is_special(id) {
            return Ok(bytes.to_vec());
        }
        let name = self.tokenizer.token(id).unwrap_or_default();
        Ok([&[TokTrie::SPECIAL_TOKEN_MARKER], name.as_bytes()].concat())
    }
}

/// The first line: what follows are the parser's tables.
fn brief(error: &impl std::fmt::Display) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}

struct Masked {
    matcher: Matcher,
    eos: Vec<u32>,
}

impl TokenMask for Masked {
    fn apply(&mut self, logits: &mut [f32]) -> Result<(), String> {
        let allowed = self.matcher.compute_mask_or_eos().map_err(|error| brief(&error))?;
        let known = allowed.len().min(logits.len());
        // Any token that ends an answer will do where one may.
        let ends = self.eos.first().is_some_and(|eos| (*eos as usize) < known && allowed.is_allowed(*eos));
        let kept: Vec<(usize, f32)> = match ends {
            true => self.eos.iter().filter_map(|eos| Some((*eos as usize, *logits.get(*eos as usize)?))).collect(),
            false => Vec::new(),
        };
        allowed.iter_unset_entries(|token| {
            if token < known {
                logits[token] = f32::NEG_INFINITY;
            }
        });
        logits[known..].fill(f32::NEG_INFINITY);
        for (token, logit) in kept {
            logits[token] = logit;
        }
        Ok(())
    }

    fn accept(&mut self, token: u32) -> Result<bool, String> {
        if self.eos.contains(&token) {
            return Ok(true);
        }
        self.matcher.consume_token(token).map_err(|error| brief(&error))?;
        Ok(self.matcher.is_stopped())
    }
}
