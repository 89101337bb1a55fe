//! What the engine makes of prompts, beside answers.

use llmhost_inference::{Engine, engine};
use serde_json::Value;

use super::{aside, failure, logprob, spelled, tokenizer};
use crate::prompt::render;
use crate::{Failure, Infill, Prompt, PromptToken};

pub(super) async fn logprobs(engine: &Engine, prompt: Prompt, top: usize) -> Result<Vec<PromptToken>, Failure> {
    let prompt = match prompt {
        Prompt::Text(text) => engine::Prompt::Text(text),
        Prompt::Tokens(tokens) => engine::Prompt::Tokens(tokens),
        Prompt::Messages { messages, rendering } => {
            engine::Prompt::Rendered(render(engine.model(), messages, &rendering, &Value::Null)?)
        }
    };
    let top = u32::try_from(top).unwrap_or(u32::MAX);
    let found = engine.prompt_logprobs(&prompt, top).await.map_err(failure)?;
    let tokenizer = tokenizer(engine.model())?;
    let token = |of: engine::PromptToken| {
        let is_special = tokenizer.is_special(of.id);
        let found = of.logprobs.map(|logprobs| logprob(of.id, &logprobs, |token| spelled(engine.model(), token)));
        let (token, bytes) = spelled(engine.model(), of.id);
        // In a prompt it may be written out.
        let bytes = if is_special { token.clone().into_bytes() } else { bytes };
        let (logprob, top) = found.map_or((None, Vec::new()), |found| (Some(found.logprob), found.top));
        PromptToken { token, bytes, is_special, logprob, top }
    };
    Ok(found.into_iter().map(token).collect())
}

pub(super) async fn infill(engine: Engine, before: String, behind: String) -> Result<Infill, Failure> {
    aside(move || {
        let found = tokenizer(engine.model())?.infill(&before, &behind);
        let found = found.map_err(|error| Failure::invalid(error.to_string(), Some("suffix")))?;
        let found = found.ok_or_else(|| {
            let message = "suffix is not supported by this model: its tokenizer has no tokens for infilling, such \
                           as <|fim_prefix|>";
            Failure::invalid(message, Some("suffix"))
        })?;
        Ok(Infill { tokens: found.tokens, ends: found.ends })
    })
    .await
}
