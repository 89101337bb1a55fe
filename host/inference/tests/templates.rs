//! Chat templates of some hundred public models, rendered here and by Hugging Face's transformers: the same text, or both
//! refuse. `cargo test -p llmhost-inference --test templates -- --nocapture` prints the figures.
#![allow(missing_docs, clippy::print_stdout)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, UNIX_EPOCH};

use common::run_python;
use llmhost_example_models::chat_templates;
use llmhost_inference::model::{Chat, ChatTemplate, Message};
use serde_json::{Map, Value, json};

/// 2025-03-09, 14:05:00.
const NOW: u64 = 1_741_529_100;

/// What differs: a template, conversations, and why.
const KNOWN: [(&str, [&str; 5], &str); 2] = [
    (
        "llama-cpp-python.llama-cpp-deepseek-r1",
        [
            "tools are there",
            "a tool was called",
            "two calls, and no content",
            "arguments are a string",
            "reasoning before a call",
        ],
        "it writes what `map` gives as JSON: a generator, which Python refuses, and a list here",
    ),
    (
        "llama-cpp-python.meetkai-functionary-medium-v3.1",
        [
            "tools are there",
            "a tool was called",
            "two calls, and no content",
            "arguments are a string",
            "reasoning before a call",
        ],
        "`'…'|safe + text` escapes the text for HTML in Python, and joins them as they are here",
    ),
];

/// What the program beside this file answers.
fn reference(task: &Value) -> Value {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/templates.py");
    serde_json::from_str(&run_python(&[program], &task.to_string())).expect("JSON")
}

/// Name and source of each template.
fn templates() -> Vec<(String, String)> {
    let folder = chat_templates().expect("templates");
    let paths = fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let templates = paths.filter(|path| path.extension().is_some_and(|ending| ending == "jinja"));
    let mut all: Vec<(String, String)> = templates
        .map(|path| {
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read_to_string(path).expect("a text"))
        })
        .collect();
    all.sort();
    all
}

fn tokens() -> BTreeMap<String, String> {
    [("bos_token", "<s>"), ("eos_token", "</s>")].map(|(name, text)| (name.to_owned(), text.to_owned())).into()
}

fn rendered(template: &Result<ChatTemplate, String>, given: &Value) -> Result<String, String> {
    let template = template.as_ref().map_err(Clone::clone)?;
    let messages: Vec<Message> = serde_json::from_value(given["messages"].clone()).expect("messages");
    let mut variables: Map<String, Value> = given.as_object().expect("an object").clone();
    variables.retain(|name, _| name != "messages" && name != "tools");
    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    let chat = Chat { messages: &messages, tools: &given["tools"], variables: &variables, now };
    template.render_chat(&chat).map_err(|error| error.to_string())
}

/// What both are from where they differ.
fn difference(ours: &str, theirs: &str) -> String {
    let same = ours.chars().zip(theirs.chars()).take_while(|(one, other)| one == other).count();
    let cut = |text: &str| text.chars().skip(same.saturating_sub(20)).take(80).collect::<String>();
    format!("{:?} here, {:?} there", cut(ours), cut(theirs))
}

#[test]
fn templates_of_public_models_give_what_transformers_gives() {
    let templates = templates();
    let cases: Vec<Value> = serde_json::from_str(include_str!("reference/conversations.json")).expect("conversations");
    let sources: Vec<&str> = templates.iter().map(|(_, source)| source.as_str()).collect();
    let given: Vec<&Value> = cases.iter().map(|case| &case["given"]).collect();
    let expected = reference(&json!({ "templates": sources, "cases": given, "now": NOW }));
    let (mut equal, mut refused, mut known) = (0, 0, 0);
    let mut wrong = Vec::new();
    for ((name, source), expected) in templates.iter().zip(expected.as_array().expect("a list")) {
        let template = ChatTemplate::new(source, tokens());
        for (case, expected) in cases.iter().zip(expected.as_array().expect("a list")) {
            let why = match (rendered(&template, &case["given"]), expected["text"].as_str()) {
                (Ok(ours), Some(theirs)) if ours == theirs => {
                    equal += 1;
                    continue;
                }
                (Err(_), None) => {
                    refused += 1;
                    continue;
                }
                (Ok(ours), Some(theirs)) => difference(&ours, theirs),
                (Ok(_), None) => format!("only transformers refuses it: {}", expected["refused"]),
                (Err(error), Some(_)) => format!("only llmhost refuses it: {error}"),
            };
            let conversation = case["name"].as_str().expect("a name");
            match KNOWN.iter().find(|(template, all, _)| template == name && all.contains(&conversation)) {
                Some((.., reason)) => {
                    known += 1;
                    println!("known: {name}, {conversation}: {reason}");
                }
                None => wrong.push(format!("{name}, {conversation}: {why}")),
            }
        }
    }
    println!(
        "{} templates x {} conversations: {equal} equal, {refused} refused by both, {known} differ as known, {} differ",
        templates.len(),
        cases.len(),
        wrong.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let expected: usize = KNOWN.iter().map(|(_, all, _)| all.len()).sum();
    assert_eq!(known, expected, "some of what is known to differ is equal now; take it off the list");
    assert!(templates.len() > 100 && equal > 1500, "too little was compared");
}

/// What templates could write, whether or not one of the models above does.
#[test]
fn expressions_give_what_transformers_gives() {
    let expressions: Value = serde_json::from_str(include_str!("reference/expressions.json")).expect("expressions");
    let known = expressions["differ"].as_object().expect("an object");
    let equal = expressions["equal"].as_array().expect("a list").iter().map(|source| source.as_str().expect("a text"));
    let sources: Vec<&str> = equal.chain(known.keys().map(String::as_str)).collect();
    let given = json!({ "messages": [{ "role": "user", "content": " Hello " }] });
    let expected = reference(&json!({ "templates": sources, "cases": [given], "now": NOW }));
    let mut wrong = Vec::new();
    for (source, expected) in sources.iter().zip(expected.as_array().expect("a list")) {
        let ours = rendered(&ChatTemplate::new(source, tokens()), &given);
        let theirs = &expected[0];
        let is_equal = ours.as_deref().ok() == theirs["text"].as_str();
        if is_equal == known.contains_key(*source) {
            wrong.push(format!("{source:?}: {ours:?} here, {theirs} there"));
        }
    }
    println!("{} expressions, {} of them differ as known", sources.len(), known.len());
    assert!(wrong.is_empty(), "{} of {} are not as said\n{}", wrong.len(), sources.len(), wrong.join("\n"));
}
