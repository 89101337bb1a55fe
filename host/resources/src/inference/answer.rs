//! `inference.answer`

use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::kind::{
    Created, DeclareContext, Intent, Kind, Observed, OpError, Outputs, Permission, Progress, Scope,
};
use llmhost_inference::engine::Prompt;
use llmhost_inference::model::Message as Turn;
use llmhost_inference::sampling::{Grammar, SamplingParams};
use llmhost_inference::{Engine, Request};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Models, failed};
use crate::aws::outputs;

/// What a model answers.
pub(super) struct Answer(pub(super) Arc<Models>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Spec {
    /// The model's id.
    model: String,
    messages: Vec<Message>,
    max_tokens: u32,
    temperature: f32,
    seed: u64,
    /// JSON Schema, JSON.
    json_schema: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Message {
    role: String,
    content: String,
}

impl Spec {
    fn prompt(&self, engine: &Engine) -> Result<Prompt, OpError> {
        let Some(template) = &engine.model().chat else {
            let last = self.messages.last().map(|message| message.content.clone());
            return Ok(Prompt::Text(last.unwrap_or_default()));
        };
        let turns: Vec<Turn> = self.messages.iter().map(|message| Turn::new(&message.role, &message.content)).collect();
        let text = template.render(&turns, &Value::Null);
        Ok(Prompt::Rendered(text.map_err(|error| failed("inference:generate", &error.into()))?))
    }
}

#[async_trait]
impl Kind for Answer {
    type Spec = Spec;
    const NAME: &'static str = "inference.answer";
    const ACTIONS: &'static [&'static str] = &[];
    const IMMUTABLE: &'static [&'static str] = &[];
    const IDENTITIES: &'static [&'static str] = &["text"];
    const VOLATILE: &'static [&'static str] = &["text", "finish", "tokens_per_second"];

    fn complete(&self, spec: &mut Spec, _: &DeclareContext<'_>) -> Result<(), String> {
        match () {
            () if spec.messages.is_empty() => Err("messages is empty".to_owned()),
            () if spec.max_tokens == 0 => Err("max_tokens is 0, and must be 1 or more".to_owned()),
            () if !(0.0..=2.0).contains(&spec.temperature) => {
                Err(format!("temperature is {}, and must be 0 to 2", spec.temperature))
            }
            () => Ok(()),
        }
    }

    fn permissions(&self, _: &Spec, _: &Scope<'_>) -> Vec<Permission> {
        Vec::new()
    }

    async fn create(&self, _: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        Ok(Created { id: intent.address.to_string(), outputs: Outputs::new() })
    }

    async fn configure(
        &self,
        _: &str,
        spec: &Spec,
        _: Option<&Spec>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        let operation = "inference:generate";
        let engine = self.0.engine(&spec.model, progress).await?;
        progress.report("generating", 0, u64::from(spec.max_tokens));
        let schema = spec.json_schema.as_deref().map(serde_json::from_str).transpose();
        let schema = schema.map_err(|error| OpError::local(operation, format!("json_schema is not JSON: {error}")))?;
        let request = Request {
            max_tokens: Some(spec.max_tokens as usize),
            sampling: SamplingParams {
                temperature: spec.temperature,
                seed: Some(spec.seed),
                ..SamplingParams::default()
            },
            grammar: schema.map(Grammar::JsonSchema),
            ..Request::new(spec.prompt(&engine)?)
        };
        let stream = engine.generate(request).map_err(|error| failed(operation, &error))?;
        let answer = stream.collect().await.map_err(|error| failed(operation, &error))?;
        let seconds = (answer.timings.total - answer.timings.first_token).as_secs_f64();
        let rate = (answer.usage.completion.saturating_sub(1)) as f64 / seconds.max(f64::EPSILON);
        let rate = format!("{rate:.1}");
        Ok(outputs([("text", answer.text.as_str()), ("finish", answer.finish.as_str()), ("tokens_per_second", &rate)]))
    }

    /// An answer was given once, and stays what it was.
    async fn read(&self, _: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        Ok(Some(Observed { spec: spec.clone(), outputs: Outputs::new() }))
    }

    async fn find(&self, _: &Spec, _: &Intent) -> Result<Option<Created>, OpError> {
        Ok(None)
    }

    async fn delete(&self, _: &str, _: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        Ok(())
    }
}
