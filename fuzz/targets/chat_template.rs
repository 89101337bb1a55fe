//! A chat template, with a conversation that has tools, their results and reasoning.
#![no_main]

use std::collections::BTreeMap;

use llmhost_fuzz::parts;
use llmhost_inference::model::{ChatTemplate, Message};
use serde_json::Value;

const CONVERSATION: &str = r#"[
    {"role": "system", "content": "Answer briefly."},
    {"role": "user", "content": "Weather in Oslo?"},
    {"role": "assistant", "content": null, "reasoning_content": "A tool knows.", "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Oslo"}}}]},
    {"role": "tool", "tool_call_id": "c1", "content": "12 degrees"},
    {"role": "user", "content": [{"type": "text", "text": "And tomorrow?"}]}]"#;
const TOOLS: &str = r#"[{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]"#;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let [source, messages] = parts(data);
    let Ok(source) = std::str::from_utf8(source) else { return };
    let tokens =
        BTreeMap::from([("bos_token".to_owned(), "<s>".to_owned()), ("eos_token".to_owned(), "</s>".to_owned())]);
    let Ok(template) = ChatTemplate::new(source, tokens) else { return };
    let usual: Vec<Message> = serde_json::from_str(CONVERSATION).expect("the conversation is JSON");
    let messages: Vec<Message> = serde_json::from_slice(messages).unwrap_or(usual);
    let tools: Value = serde_json::from_str(TOOLS).expect("the tools are JSON");
    let _ = template.render(&messages, &tools);
    let _ = template.render(&messages, &Value::Null);
});
