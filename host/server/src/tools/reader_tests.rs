//! Answers of every family, cut at every place.

use serde_json::{Value, json};

use super::Formats;
use super::reader::{Held, Known, Part, Reader};

/// An answer put together: text, reasoning, and calls with their arguments.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    text: String,
    reasoning: String,
    calls: Vec<(String, String)>,
}

fn known() -> Known {
    let schema = json!({ "type": "object", "properties": {
        "city": { "type": "string" }, "days": { "type": "integer" }, "all": { "type": "boolean" },
        "tags": { "type": "array", "items": { "type": "string" } },
    } });
    let schemas = ["weather", "time"].map(|name| (name.to_owned(), schema.clone()));
    Known { schemas: schemas.into(), most: None, held: Held::Nowhere }
}

fn formats(tools: &str, reasoning: &str) -> Formats {
    Formats::default().named(Some(tools), Some(reasoning)).expect("formats")
}

fn read(formats: Formats, prompt: &str, known: Known, pieces: &[&str]) -> Read {
    let mut reader = Reader::new(formats, prompt, Some(known)).expect("a reader");
    let mut parts = Vec::new();
    for piece in pieces {
        parts.extend(reader.push(piece));
    }
    parts.extend(reader.finish());
    let mut read = Read::default();
    for part in parts {
        match part {
            Part::Text(text) => read.text.push_str(&text),
            Part::Reasoning(text) => read.reasoning.push_str(&text),
            Part::Call(part) => {
                if part.index == read.calls.len() {
                    assert!(part.id.is_some(), "the first part of a call has its id: {part:?}");
                    read.calls.push((part.name.expect("the first part has the name"), String::new()));
                } else {
                    assert_eq!((part.index + 1, part.id, part.name), (read.calls.len(), None, None));
                }
                read.calls.last_mut().expect("a call").1.push_str(&part.arguments);
            }
        }
    }
    read
}

/// The same, whatever way it is cut: at one place, and character by character.
fn cut(formats: Formats, prompt: &str, known: &Known, answer: &str) -> Read {
    let whole = read(formats, prompt, known.clone(), &[answer]);
    for at in (1..answer.len()).filter(|at| answer.is_char_boundary(*at)) {
        let (one, other) = answer.split_at(at);
        assert_eq!(read(formats, prompt, known.clone(), &[one, other]), whole, "cut at {at}: {one}|{other}");
    }
    let letters: Vec<String> = answer.chars().map(String::from).collect();
    let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
    assert_eq!(read(formats, prompt, known.clone(), &letters), whole, "letter by letter: {answer}");
    whole
}

fn expect(tools: &str, reasoning: &str, answer: &str, text: &str, thought: &str, calls: &[(&str, Value)]) {
    let read = cut(formats(tools, reasoning), "", &known(), answer);
    let found: Vec<(&str, Value)> = read
        .calls
        .iter()
        .map(|(name, arguments)| (name.as_str(), serde_json::from_str(arguments).unwrap_or_else(|_| json!(arguments))))
        .collect();
    assert_eq!((read.text.as_str(), read.reasoning.as_str()), (text, thought), "{tools}: {answer}");
    assert_eq!(found, calls, "{tools}: {answer}");
}

fn both() -> [(&'static str, Value); 2] {
    [("weather", json!({ "city": "Paris", "days": 2 })), ("time", json!({ "city": "Rome }\" </tool_call>" }))]
}

/// One call, two calls, and text before them, of each family.
#[test]
fn each_family_writes_two_calls_its_own_way() {
    let one = r#"{"city": "Paris", "days": 2}"#;
    let two = r#"{"city": "Rome }\" </tool_call>"}"#;
    let named = |key: &str, name: &str, arguments: &str| format!(r#"{{"name": "{name}", "{key}": {arguments}}}"#);
    let (first, second) = (named("arguments", "weather", one), named("arguments", "time", two));
    let list = format!("[{first}, {second}]");
    let cohere = |name: &str, arguments: &str| {
        format!(r#"{{"tool_call_id": "0", "tool_name": "{name}", "parameters": {arguments}}}"#)
    };
    for (format, answer) in [
        ("hermes", format!("Let me see.\n<tool_call>\n{first}\n</tool_call>\n<tool_call>\n{second}\n</tool_call>")),
        ("mistral", format!("Let me see.[TOOL_CALLS]{list}")),
        ("mistral-args", format!("Let me see.[TOOL_CALLS]weather[ARGS]{one}[TOOL_CALLS]time[CALL_ID]123456789[ARGS]{two}")),
        ("phi-4", format!("Let me see. <|tool_call|>{list}<|/tool_call|>")),
        ("phi-4", format!("Let me see. functools{list}")),
        ("granite", format!("Let me see. <|tool_call|> {list}")),
        ("nemotron", format!("Let me see.\n<TOOLCALL>{list}</TOOLCALL>")),
        (
            "cohere",
            format!("Let me see.<|START_ACTION|>[\n    {},\n    {}\n]<|END_ACTION|>", cohere("weather", one), cohere("time", two)),
        ),
        (
            "deepseek-v3",
            format!(
                "Let me see.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{one}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>time\n```json\n{two}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
            ),
        ),
        (
            "deepseek-v3.1",
            format!(
                "Let me see.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>weather<｜tool▁sep｜>{one}<｜tool▁call▁end｜><｜tool▁call▁begin｜>time<｜tool▁sep｜>{two}<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
            ),
        ),
        (
            "kimi",
            format!(
                "Let me see.<|tool_calls_section_begin|><|tool_call_begin|>functions.weather:0<|tool_call_argument_begin|>{one}<|tool_call_end|><|tool_call_begin|>functions.time:1<|tool_call_argument_begin|>{two}<|tool_call_end|><|tool_calls_section_end|>"
            ),
        ),
        (
            "qwen3-coder",
            "Let me see.\n\n<tool_call>\n<function=weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>\n</tool_call>\n<tool_call>\n<function=time>\n<parameter=city>\nRome }\" </tool_call>\n</parameter>\n</function>\n</tool_call>".to_owned(),
        ),
        (
            "glm",
            "Let me see.\n<tool_call>weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n<arg_key>days</arg_key>\n<arg_value>2</arg_value>\n</tool_call>\n<tool_call>time\n<arg_key>city</arg_key>\n<arg_value>Rome }\" </tool_call></arg_value>\n</tool_call>".to_owned(),
        ),
        (
            "minimax",
            "Let me see.\n<minimax:tool_call>\n<invoke name=\"weather\">\n<parameter name=\"city\">Paris</parameter>\n<parameter name=\"days\">2</parameter>\n</invoke>\n<invoke name=\"time\">\n<parameter name=\"city\">Rome }\" </tool_call></parameter>\n</invoke>\n</minimax:tool_call>".to_owned(),
        ),
        (
            "lfm2",
            r#"Let me see.<|tool_call_start|>[weather(city="Paris", days=2), time(city='Rome }" </tool_call>')]<|tool_call_end|>"#.to_owned(),
        ),
        (
            "deepseek-v4",
            "Let me see.\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Paris</｜DSML｜parameter>\n<｜DSML｜parameter name=\"days\" string=\"false\">2</｜DSML｜parameter>\n</｜DSML｜invoke>\n<｜DSML｜invoke name=\"time\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Rome }\" </tool_call></｜DSML｜parameter>\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>".to_owned(),
        ),
        (
            "seed",
            "Let me see.\n<seed:tool_call>\n<function=weather>\n<parameter=city>Paris</parameter>\n<parameter=days>2</parameter>\n</function>\n</seed:tool_call>\n<seed:tool_call>\n<function=time>\n<parameter=city>Rome }\" </tool_call></parameter>\n</function>\n</seed:tool_call>".to_owned(),
        ),
        (
            "gemma",
            "Let me see.<|tool_call>call:weather{city:<|\"|>Paris<|\"|>,days:2}<tool_call|><|tool_call>call:time{city:<|\"|>Rome }\" </tool_call><|\"|>}<tool_call|>".to_owned(),
        ),
        (
            "function-gemma",
            "Let me see.<start_function_call>call:weather{city:<escape>Paris<escape>,days:2}<end_function_call><start_function_call>call:time{city:<escape>Rome }\" </tool_call><escape>}<end_function_call>".to_owned(),
        ),
    ] {
        expect(format, "think", &answer, "Let me see.", "", &both());
    }
    let (first, second) = (named("parameters", "weather", one), named("parameters", "time", two));
    for answer in
        [format!("{first}; {second}"), format!("<|python_tag|>{first};{second}"), format!("\n\n{first}\n{second}")]
    {
        expect("llama-3", "think", &answer, "", "", &both());
        expect("json", "think", answer.trim_start_matches("<|python_tag|>"), "", "", &both());
    }
    let harmony = format!(
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary<|message|>Let me see.<|end|><|start|>assistant<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{one}<|call|><|start|>assistant to=functions.time<|channel|>commentary json<|message|>{two}"
    );
    expect("harmony", "none", &harmony, "Let me see.", "Hm.", &both());
}

#[test]
fn objects_are_read_in_every_form_that_models_write() {
    let city = |name: &str| json!({ "city": name });
    for (object, arguments) in [
        (r#"{"arguments": {"city": "x"}, "name": "time"}"#, city("x")),
        (r#"{"type": "function", "function": {"name": "time", "arguments": {"city": "x"}}}"#, city("x")),
        (r#"{"type": "function", "function": "time", "parameters": {"city": "x"}}"#, city("x")),
        (r#"{"id": 7, "name": "time", "arguments": "{\"city\": \"x\"}"}"#, city("x")),
        (r#"{"name": "time"}"#, json!({})),
        (r#"{"name": "time", "arguments": null}"#, json!({})),
        (r#"{"name":"time","arguments":{}}"#, json!({})),
    ] {
        expect("hermes", "none", &format!("<tool_call>{object}</tool_call>"), "", "", &[("time", arguments.clone())]);
        expect("json", "none", object, "", "", &[("time", arguments)]);
    }
    // A model that was trained on tags writes JSON where a grammar or a prompt has it do so.
    for format in ["qwen3-coder", "glm", "minimax"] {
        let begin = if format == "minimax" { "minimax:tool_call" } else { "tool_call" };
        let answer =
            format!("<{begin}>\n{{\"name\": \"time\", \"arguments\": {{\"city\": \"</tool_call>\"}}}}\n</{begin}>");
        expect(format, "none", &answer, "", "", &[("time", city("</tool_call>"))]);
    }
    expect("gemma", "none", "<|tool_call>call:time{\"city\": \"x\"}<tool_call|>", "", "", &[("time", city("x"))]);
}

#[test]
fn values_between_tags_are_of_the_schemas_types() {
    let answer = "<tool_call>\n<function=weather>\n<parameter=city>\n12\n</parameter>\n<parameter=all>\ntrue\n</parameter>\n<parameter=tags>\n[\"</parameter>\", \"b\"]\n</parameter>\n<parameter=other>\nnot JSON\n</parameter>\n</function>\n</tool_call>";
    let arguments = json!({ "city": "12", "all": true, "tags": ["</parameter>", "b"], "other": "not JSON" });
    expect("qwen3-coder", "none", answer, "", "", &[("weather", arguments)]);
    // Lines belong to a text; one line break at its beginning and end does not.
    let answer = "<tool_call>\n<function=time>\n<parameter=city>\n\n  a\nb\n\n</parameter>\n</function>\n</tool_call>";
    expect("qwen3-coder", "none", answer, "", "", &[("time", json!({ "city": "\n  a\nb\n" }))]);
    expect("glm", "none", "<tool_call>time\n</tool_call>", "", "", &[("time", json!({}))]);
}

#[test]
fn what_is_no_call_is_text() {
    for (format, answer) in [
        ("hermes", "<tool_call> is how a call begins."),
        ("hermes", "a < b and <tool"),
        ("hermes", "<tool_call>\n{\"nom\": 1}"),
        ("json", "{\"answer\": 42}"),
        ("json", "{\"name\": \"Ada\", \"arguments\": {}}"),
        ("llama-3", "{\"a\": {\"name\": \"time\"}} is an object"),
        ("llama-3", "Well: {\"name\": \"time\", \"parameters\": {}}"),
        ("mistral", "  A list: [1]\n\n2"),
        ("kimi", "<|tool_call_begin|>"),
        ("qwen3-coder", "<tool_call>\n<function=ti"),
        ("harmony", "no head at all"),
        ("lfm2", "<|tool_call_start|>[time(city]<|tool_call_end|>"),
    ] {
        expect(format, "think", answer, answer, "", &[]);
    }
}

#[test]
fn reasoning_is_told_from_the_answer() {
    let call = "<tool_call>\n{\"name\": \"time\", \"arguments\": {}}\n</tool_call>";
    for (format, answer, text, thought, calls) in [
        ("think", "<think>\nHm, <tool_call>?\n</think>\n\nYes.".to_owned(), "Yes.", "Hm, <tool_call>?", 0),
        ("think", format!("<think>Hm.</think>\n\n{call}"), "", "Hm.", 1),
        ("think", "\n<think>\n\n</think>\n\nYes.".to_owned(), "Yes.", "", 0),
        ("think", "<think>It never ends".to_owned(), "", "It never ends", 0),
        ("think", "Use <think> tags</think>.".to_owned(), "Use <think> tags</think>.", "", 0),
        ("mistral", "[THINK]Hm.[/THINK]Yes.".to_owned(), "Yes.", "Hm.", 0),
        (
            "cohere",
            "<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>".to_owned(),
            "Yes.",
            "Hm.",
            0,
        ),
        ("gemma", "<|channel>thought\nHm.\n<channel|>Yes.".to_owned(), "Yes.", "Hm.", 0),
    ] {
        let read = cut(formats("hermes", format), "", &known(), &answer);
        assert_eq!((read.text.as_str(), read.reasoning.as_str(), read.calls.len()), (text, thought, calls), "{answer}");
    }
    // Some templates open it themselves.
    let read = cut(formats("hermes", "think"), "<|im_start|>assistant\n<think>\n", &known(), "Hm.\n</think>\n\nYes.");
    assert_eq!((read.text.as_str(), read.reasoning.as_str()), ("Yes.", "Hm."));
    let closed = "<|im_start|>assistant\n<think>\n\n</think>\n\n";
    let read = cut(formats("hermes", "think"), closed, &known(), "Yes.");
    assert_eq!((read.text.as_str(), read.reasoning.as_str()), ("Yes.", ""));
    let harmony = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Yes.";
    expect("harmony", "none", harmony, "Yes.", "Hm.", &[]);
}

#[test]
fn calls_beyond_the_most_are_dropped() {
    let call = "<tool_call>{\"name\": \"time\", \"arguments\": {}}</tool_call>";
    let known = Known { most: Some(1), ..known() };
    let read = cut(formats("hermes", "none"), "", &known, &call.repeat(3));
    assert_eq!(read.calls, [("time".to_owned(), "{}".to_owned())]);
}

#[test]
fn arguments_come_as_they_are_written() {
    let mut reader = Reader::new(formats("hermes", "none"), "", Some(known())).expect("a reader");
    let mut came = Vec::new();
    for piece in ["<tool_call>\n{\"name\": \"time\", \"argum", "ents\": {\"ci", "ty\": \"Pa", "ris\"}}"] {
        let parts = reader.push(piece).into_iter().map(|part| match part {
            Part::Call(part) => part.name.unwrap_or_default() + &part.arguments,
            other => format!("{other:?}"),
        });
        came.push(parts.collect::<Vec<_>>().join("|"));
    }
    assert_eq!(came, ["time", "{\"ci", "ty\": \"Pa", "ris\"}"]);
}
