//! `llmhost generate`: one answer, on the terminal as it comes.

use std::io::Write;

use llmhost_inference::model::Message;
use llmhost_inference::sampling::{Grammar, SamplingParams};
use llmhost_inference::{Event, Request, engine::Prompt};

use super::model;
use crate::app::Console;
use crate::args::Generate;
use crate::failure::Failure;
use crate::view::style;

/// Continues a prompt.
pub(crate) async fn generate(args: Generate) -> Result<(), Failure> {
    let console = Console::new(false);
    let grammar = args.json_schema.as_ref().map(schema).transpose()?;
    let engine = model::load(&args.model, 1, &console).await?;
    let refused =
        |message: String| Failure::Other { message, help: "Change the prompt or the options.".to_owned(), status: 1 };
    let prompt = match &engine.model().chat {
        Some(template) if !args.raw => {
            let system = args.system.as_ref().map(|text| Message::new("system", text));
            let messages: Vec<_> = system.into_iter().chain([Message::new("user", &args.prompt)]).collect();
            let text = template.render(&messages, &serde_json::Value::Null);
            Prompt::Rendered(text.map_err(|error| refused(error.to_string()))?)
        }
        _ => Prompt::Text(args.prompt.clone()),
    };
    let sampling = SamplingParams { temperature: args.temperature, seed: args.seed, ..SamplingParams::default() };
    let request = Request { max_tokens: Some(args.max_tokens as usize), sampling, grammar, ..Request::new(prompt) };
    let mut stream = engine.generate(request).map_err(|error| refused(error.to_string()))?;
    let mut out = std::io::stdout();
    while let Some(event) = stream.next().await {
        match event {
            Event::Token { text, .. } => say(&mut out, &text)?,
            Event::Done { text, usage, timings, .. } => {
                say(&mut out, &text)?;
                say(&mut out, "\n")?;
                let faint = style::FAINT;
                let decode = (timings.total - timings.first_token).as_secs_f64();
                let rate = (usage.completion.saturating_sub(1)) as f64 / decode.max(f64::EPSILON);
                console.note(&format!(
                    "{faint}{} tokens, {rate:.1} a second on {}; {} of the prompt, first after {:.0} ms{faint:#}",
                    usage.completion,
                    engine.report().provider.as_str(),
                    usage.prompt,
                    timings.first_token.as_secs_f64() * 1e3
                ));
            }
            Event::Failed(error) => return Err(refused(error.to_string())),
        }
    }
    Ok(())
}

/// Who closes the pipe wants no more.
fn say(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|_| Failure::Interrupted)
}

fn schema(path: &std::path::PathBuf) -> Result<Grammar, Failure> {
    let wrong = |error: String| {
        Failure::usage(format!("cannot use {}: {error}", path.display()), "Give a file with a JSON Schema.")
    };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    Ok(Grammar::JsonSchema(serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?))
}
