//! What models answer: for `cargo xtask matrix`, and for whoever wants to compare a folder with something else.
//!
//! Usage: answers ONNXRUNTIME; a JSON task a line on standard input, a JSON answer a line on standard output.
//!
//! * `{"model", "prompts": [[token, …], …], "count"}` gives `{"alone", "together"}`: greedy tokens of each prompt by
//!   itself, and of all at the same time
//! * `{"model", "texts", "prompt"}` gives `{"vectors"}`
//! * `{"model", "pairs"}` gives `{"scores"}`
//!
//! A model that does not load, or a request that is refused, gives `{"refused"}`.
#![allow(clippy::print_stdout, reason = "its standard output is what it is for")]

use std::error::Error;
use std::io::BufRead;
use std::path::{Path, PathBuf};

use llmhost_inference::engine::{EmbedInput, Options, Prompt, Request};
use llmhost_inference::runtime::Search;
use llmhost_inference::{Device, Engine};
use serde_json::{Value, json};

type Answer = Result<Value, Box<dyn Error>>;

fn main() -> Result<(), Box<dyn Error>> {
    let library = std::env::args_os().nth(1).map(PathBuf::from);
    let search = Search { library, ..Search::default() };
    // Prompts are computed anew each time: what one request left is no help to the next.
    let options = Options { search, device: Device::Cpu, threads: Some(1), reuse: false, ..Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    for line in std::io::stdin().lock().lines() {
        let task: Value = serde_json::from_str(&line?)?;
        let answer = runtime.block_on(answer(&task, &options));
        println!("{}", answer.unwrap_or_else(|error| json!({ "refused": error.to_string() })));
    }
    Ok(())
}

async fn answer(task: &Value, options: &Options) -> Answer {
    let model = task["model"].as_str().ok_or("a task names its model")?;
    let engine = Engine::load(Path::new(model), options)?;
    if !task["prompts"].is_null() {
        return generated(&engine, task).await;
    }
    if !task["pairs"].is_null() {
        let pairs: Vec<(String, String)> = serde_json::from_value(task["pairs"].clone())?;
        return Ok(json!({ "scores": engine.score(&pairs).await?.scores }));
    }
    let texts: Vec<String> = serde_json::from_value(task["texts"].clone())?;
    let texts: Vec<EmbedInput> = texts.into_iter().map(EmbedInput::Text).collect();
    let embedded = engine.embed_inputs(&texts, task["prompt"].as_str(), true).await?;
    Ok(json!({ "vectors": embedded.vectors }))
}

async fn generated(engine: &Engine, task: &Value) -> Answer {
    let prompts: Vec<Vec<u32>> = serde_json::from_value(task["prompts"].clone())?;
    let count = serde_json::from_value(task["count"].clone())?;
    let request = |prompt: &Vec<u32>| Request {
        max_tokens: Some(count),
        ignore_eos: true,
        ..Request::new(Prompt::Tokens(prompt.clone()))
    };
    let mut alone = Vec::new();
    for prompt in &prompts {
        alone.push(engine.generate(request(prompt))?.collect().await?.tokens);
    }
    let streams = prompts.iter().map(|prompt| engine.generate(request(prompt))).collect::<Result<Vec<_>, _>>()?;
    let mut together = Vec::new();
    for stream in streams {
        together.push(stream.collect().await?.tokens);
    }
    Ok(json!({ "alone": alone, "together": together }))
}
