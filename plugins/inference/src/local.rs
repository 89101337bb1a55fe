//! A model on this machine, asked one prompt.

use llmhost_plugin::{Failure, Options, Outputs, inference, invalid, outputs};
use serde_json::Value;

use crate::config::{Config, Device};

pub(crate) fn ask(config: &Config) -> Result<Outputs, Failure> {
    let prompt = config.prompt.as_ref().ok_or_else(|| invalid("prompt is missing: set the question for the model"))?;
    let model = config.model.as_ref().ok_or_else(|| invalid("model is missing: set the model to ask"))?;
    let spec = inference::ModelSpec {
        address: model.clone(),
        device: match config.device {
            Device::Auto => inference::Device::Auto,
            Device::Cpu => inference::Device::Cpu,
            Device::Cuda => inference::Device::Cuda,
        },
        context_length: config.context_length,
    };
    let model = inference::Model::declare("model", &spec, &Options::default())?;
    let message = |role: &str, content: &String| inference::Message { role: role.to_owned(), content: content.clone() };
    let system = config.system.as_ref().map(|text| message("system", text));
    let spec = inference::AnswerSpec {
        model: model.id()?,
        messages: system.into_iter().chain([message("user", prompt)]).collect(),
        max_tokens: config.max_tokens,
        temperature: config.temperature,
        seed: 0,
        json_schema: None,
    };
    let answer = inference::Answer::declare("answer", &spec, &Options::default())?;
    Ok(outputs! {
        "url": Value::Null,
        "deployment": Value::Null,
        "service": Value::Null,
        "namespace": Value::Null,
        "answer": answer.text()?,
        "tokens_per_second": answer.tokens_per_second()?,
        "provider": model.provider()?,
    })
}
