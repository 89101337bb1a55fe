//! Grammars of every family, followed token by token, with marks as special tokens and as text.

use std::sync::Arc;

use llmhost_inference::sampling::{Grammar, Grammars};
use llmhost_inference::tokens::Tokenizer;
use serde_json::{Map, Value, json};

use super::formats::{FORMATS, Format, Kind, REASONING};
use super::grammar::{Begins, Guarantee};
use super::reader::{Held, Known, Part, Reader};
use super::{Formats, formats};
use crate::{Constraint, ToolChoice, Tools};

const EOS: u32 = 256;

/// A tokenizer whose tokens are bytes, and special ones.
fn tokenizer(special: &[&str]) -> Arc<Tokenizer> {
    let itself = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut others = (0x100u32..).filter_map(char::from_u32);
    let mut vocabulary = Map::new();
    for byte in 0..=u8::MAX {
        let letter = if itself(byte) { char::from(byte) } else { others.next().expect("a letter") };
        vocabulary.insert(letter.to_string(), byte.into());
    }
    let names = ["<eos>"].into_iter().chain(special.iter().copied());
    let added: Vec<Value> = names
        .enumerate()
        .map(|(at, name)| {
            let id = EOS as usize + at;
            json!({ "id": id, "content": name, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true })
        })
        .collect();
    let level = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false });
    let whole = json!({
        "version": "1.0", "added_tokens": added, "pre_tokenizer": level, "decoder": level,
        "model": { "type": "BPE", "vocab": vocabulary, "merges": [] },
    });
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), whole.to_string()).expect("written");
    Arc::new(Tokenizer::read(file.path(), false).expect("a tokenizer"))
}

/// Every mark there is, as a special token.
fn all_marks() -> Vec<&'static str> {
    let mut all: Vec<&str> = FORMATS.iter().flat_map(|format| format.marks).copied().collect();
    all.extend(REASONING.iter().flat_map(|format| format.marks));
    all.sort_unstable();
    all.dedup();
    all
}

struct Model {
    tokenizer: Arc<Tokenizer>,
    grammars: Grammars,
}

impl Model {
    fn new(special: &[&str]) -> Self {
        let tokenizer = tokenizer(special);
        Self { grammars: Grammars::new(Arc::clone(&tokenizer), vec![EOS]), tokenizer }
    }

    fn guarantee(&self, formats: Formats, tools: &Tools, constraint: Option<&Constraint>, begins: Begins) -> String {
        let special = |mark: &str| self.tokenizer.id(mark).filter(|id| self.tokenizer.is_special(*id));
        Guarantee::of(formats, Some(tools), constraint, begins, &special).expect("a guarantee").grammar
    }

    /// Whether an answer may be this text and end there.
    fn takes(&self, grammar: &str, text: &str) -> bool {
        self.takes_tokens(grammar, &self.tokenizer.encode(text, false).expect("tokens"))
    }

    fn takes_tokens(&self, grammar: &str, tokens: &[u32]) -> bool {
        let mask = self.grammars.mask(&Grammar::Lark(grammar.to_owned()));
        let mut mask = mask.unwrap_or_else(|error| panic!("{error}\n{grammar}"));
        let mut may = |token: u32| {
            let mut logits = vec![0.0; self.tokenizer.vocabulary()];
            mask.apply(&mut logits).expect("a mask");
            logits[token as usize].is_finite().then(|| mask.accept(token).expect("it is allowed"))
        };
        for (at, token) in tokens.iter().enumerate() {
            match may(*token) {
                None => return false,
                Some(true) => return at + 1 == tokens.len(),
                Some(false) => {}
            }
        }
        may(EOS).is_some()
    }
}

fn tools(choice: ToolChoice, parallel: bool) -> Tools {
    let weather = json!({
        "type": "object",
        "properties": { "city": { "enum": ["Paris", "Rome"] }, "days": { "type": "integer", "minimum": 1, "maximum": 3 } },
        "required": ["city", "days"], "additionalProperties": false,
    });
    let function = |name: &str, strict: bool, parameters: Value| json!({ "type": "function", "function": { "name": name, "strict": strict, "parameters": parameters } });
    let definitions = vec![function("weather", true, weather), function("time", false, Value::Null)];
    Tools { definitions, choice, parallel }
}

const GOOD: &str = r#"{"city": "Paris", "days": 2}"#;

/// Calls as the family writes them.
fn written(format: &Format, calls: &[(&str, &str)]) -> String {
    if format.kind == Kind::Harmony {
        let (name, arguments) = calls[0];
        return format!("<|channel|>commentary to=functions.{name} <|constrain|>json<|message|>{arguments}");
    }
    let wire = format.wire;
    let one = |(name, arguments): &(&str, &str)| {
        wire.call.replace("{name}", name).replace("{number}", "0").replace("{arguments}", arguments)
    };
    let all: Vec<String> = calls.iter().map(one).collect();
    format!("{}{}{}", wire.before, all.join(wire.between), wire.after)
}

fn of(format: &'static Format, reasoning: &str) -> Formats {
    Formats { tools: Some(format), reasoning: formats::reasoning_by_name(reasoning).expect("a name") }
}

#[test]
fn only_calls_that_fit_can_be_written_in_any_familys_form() {
    let marks = all_marks();
    let (special, text) = (Model::new(&marks), Model::new(&[]));
    for format in FORMATS {
        let harmony = format.kind == Kind::Harmony;
        // Marks of channels are special tokens wherever there are any.
        for model in [&special, &text].into_iter().filter(|model| !harmony || model.tokenizer.vocabulary() > 257) {
            let formats = of(format, "none");
            let grammar = |choice, parallel| model.guarantee(formats, &tools(choice, parallel), None, Begins::Answer);
            let one = written(format, &[("weather", GOOD)]);
            let two = written(format, &[("weather", GOOD), ("time", "{}")]);
            let bad = [
                written(format, &[("weather", r#"{"city": "Bonn", "days": 2}"#)]),
                written(format, &[("weather", r#"{"city": "Paris", "days": 4}"#)]),
                written(format, &[("weather", r#"{"city": "Paris"}"#)]),
                written(format, &[("whether", GOOD)]),
            ];
            let said = match harmony {
                true => {
                    "<|channel|>analysis<|message|>Hm.\n<|end|><|start|>assistant<|channel|>final<|message|>Yes < no."
                }
                false => "Yes, {it} is < that.\n[1]",
            };
            let auto = grammar(ToolChoice::Auto, true);
            let required = grammar(ToolChoice::Required, true);
            let named = grammar(ToolChoice::Named("time".into()), true);
            let single = grammar(ToolChoice::Required, false);
            let name = format.name;
            assert!(model.takes(&auto, said), "{name}: text\n{auto}");
            assert!(model.takes(&auto, &one), "{name}: {one}\n{auto}");
            if !matches!(format.kind, Kind::Bare | Kind::Harmony) {
                assert!(model.takes(&auto, &format!("Let me see.\n{one}")), "{name}: text and call\n{auto}");
            }
            assert!(model.takes(&required, &one) && !model.takes(&required, said), "{name}\n{required}");
            for bad in &bad {
                assert!(!model.takes(&auto, bad) && !model.takes(&required, bad), "{name}: {bad}\n{auto}");
            }
            assert!(model.takes(&named, &written(format, &[("time", "{}")])), "{name}\n{named}");
            assert!(!model.takes(&named, &one), "{name}\n{named}");
            assert!(model.takes(&single, &one), "{name}\n{single}");
            if !harmony {
                assert!(model.takes(&required, &two) && !model.takes(&single, &two), "{name}: {two}\n{required}");
            }
            // What the grammar has written is what the reader finds.
            let schemas = [("weather".to_owned(), Value::Null), ("time".to_owned(), Value::Null)];
            let known = Known { schemas: schemas.into(), most: None, held: Held::Nowhere };
            let mut reader = Reader::new(formats, "", Some(known)).expect("a reader");
            let parts: Vec<Part> = reader.push(&one).into_iter().chain(reader.finish()).collect();
            let arguments: String = parts
                .iter()
                .map(|part| if let Part::Call(part) = part { part.arguments.as_str() } else { "?" })
                .collect();
            let arguments: Value = serde_json::from_str(&arguments).unwrap_or_else(|_| panic!("{name}: {parts:?}"));
            assert_eq!(arguments, json!({ "city": "Paris", "days": 2 }), "{name}");
        }
    }
}

#[test]
fn a_model_may_think_before_it_is_held_to_anything() {
    let marks = all_marks();
    let hermes = FORMATS.iter().find(|format| format.name == "hermes").expect("a format");
    let call = written(hermes, &[("weather", GOOD)]);
    for model in [Model::new(&marks), Model::new(&[])] {
        for reasoning in REASONING {
            let formats = Formats { tools: Some(hermes), reasoning: Some(reasoning) };
            let tools = tools(ToolChoice::Required, true);
            let thought = format!("Hm.\n{}\n\n", reasoning.close);
            let open = model.guarantee(formats, &tools, None, Begins::Reasoning);
            assert!(model.takes(&open, &format!("{thought}{call}")), "{}\n{open}", reasoning.name);
            assert!(!model.takes(&open, &format!("{thought}Yes.")), "{}\n{open}", reasoning.name);
            let closed = model.guarantee(formats, &tools, None, Begins::Answer);
            assert!(model.takes(&closed, &call), "{}\n{closed}", reasoning.name);
            assert!(
                model.takes(&closed, &format!("{}{thought}{call}", reasoning.open)),
                "{}\n{closed}",
                reasoning.name
            );
        }
    }
}

#[test]
fn an_answer_by_a_schema_may_call_tools_instead() {
    let model = Model::new(&all_marks());
    let constraint = Constraint::JsonSchema(json!({ "enum": [7] }));
    for (name, said) in [("hermes", "7"), ("harmony", "<|channel|>final<|message|>7")] {
        let format = formats::tools_by_name(name).expect("a name").expect("a format");
        let grammar =
            model.guarantee(of(format, "none"), &tools(ToolChoice::Auto, true), Some(&constraint), Begins::Answer);
        assert!(model.takes(&grammar, said), "{name}\n{grammar}");
        assert!(!model.takes(&grammar, &said.replace('7', "8")), "{name}\n{grammar}");
        assert!(model.takes(&grammar, &written(format, &[("weather", GOOD)])), "{name}\n{grammar}");
    }
    // Without tools, behind what the template has the model think.
    let think = of(formats::tools_by_name("hermes").expect("a name").expect("a format"), "think");
    let grammar =
        Guarantee::of(think, None, Some(&constraint), Begins::Reasoning, &|_| None).expect("a grammar").grammar;
    let model = Model::new(&[]);
    assert!(model.takes(&grammar, "Hm.</think>\n7") && !model.takes(&grammar, "7"), "{grammar}");
}

#[test]
fn an_answer_by_a_schema_cannot_go_on_with_line_ends_in_any_combination() {
    let (marked, plain) = (Model::new(&all_marks()), Model::new(&[]));
    let named = |name: &str| formats::tools_by_name(name).expect("a name").expect("a format");
    let (hermes, harmony) = (of(named("hermes"), "none"), of(named("harmony"), "none"));
    let think = of(named("hermes"), "think");
    let tools = tools(ToolChoice::Auto, true);
    let schema = json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "required": ["a"] });
    for constraint in [Constraint::Json, Constraint::JsonSchema(schema)] {
        for (model, formats, tools, begins, before) in [
            (&plain, hermes, Some(&tools), Begins::Answer, ""),
            (&marked, hermes, Some(&tools), Begins::Answer, ""),
            (&plain, think, None, Begins::Reasoning, "Hm.</think>\n\n"),
            (&marked, think, Some(&tools), Begins::Reasoning, "Hm.</think>\n\n"),
            (&marked, harmony, None, Begins::Answer, "<|channel|>final<|message|>"),
            (&marked, harmony, Some(&tools), Begins::Answer, "<|channel|>final<|message|>"),
        ] {
            let special = |mark: &str| model.tokenizer.id(mark).filter(|id| model.tokenizer.is_special(*id));
            let guarantee = Guarantee::of(formats, tools, Some(&constraint), begins, &special).expect("a guarantee");
            let grammar = guarantee.grammar;
            for good in [r#"{"a": 1}"#, r#"{"a":1}"#, "{\n  \"a\": 1\n}"] {
                assert!(model.takes(&grammar, &format!("{before}{good}")), "{before}{good}\n{grammar}");
            }
            for bad in ["{\"a\":\n\n\n\n1}", "{\n\n\n\"a\": 1}", "{\"a\": 1}\n\n\n\n"] {
                assert!(!model.takes(&grammar, &format!("{before}{bad}")), "{before}{bad}\n{grammar}");
            }
        }
    }
}

/// What the reader finds in an answer: text, thoughts and calls.
fn found(formats: Formats, held: Held, answer: &str) -> (String, String, Vec<String>) {
    let schemas = [("weather".to_owned(), Value::Null), ("time".to_owned(), Value::Null)];
    let known = Known { schemas: schemas.into(), most: None, held };
    let mut whole = None;
    // At once, and letter by letter.
    for step in [answer.len(), 1] {
        let mut reader = Reader::new(formats, "", Some(known.clone())).expect("a reader");
        let mut rest = answer;
        let (mut text, mut thought, mut calls) = (String::new(), String::new(), Vec::new());
        let mut parts = Vec::new();
        while !rest.is_empty() {
            let cut = (step..).find(|at| rest.is_char_boundary(*at)).unwrap_or(rest.len()).min(rest.len());
            parts.extend(reader.push(&rest[..cut]));
            rest = &rest[cut..];
        }
        for part in parts.into_iter().chain(reader.finish()) {
            match part {
                Part::Text(more) => text.push_str(&more),
                Part::Reasoning(more) => thought.push_str(&more),
                Part::Call(call) => calls.extend(call.name),
            }
        }
        let now = (text, thought, calls);
        assert_eq!(*whole.get_or_insert_with(|| now.clone()), now, "{answer}");
    }
    whole.expect("an answer")
}

#[test]
fn what_the_grammar_takes_for_text_is_no_call() {
    let free = "weather{\"city\": \"Bonn\"}";
    let bonn = r#"{"name": "weather", "arguments": {"city": "Bonn"}}"#;
    let tag = "<function=weather>\n<parameter=city>\nBonn\n</parameter>\n</function>";
    let named = |name: &str| formats::tools_by_name(name).expect("a name").expect("a format");
    let tools = tools(ToolChoice::Auto, true);
    let model = Model::new(&[]);
    for (name, text) in [
        ("qwen3-coder", tag.to_owned()),
        ("seed", tag.to_owned()),
        ("minimax", "<invoke name=\"weather\"><parameter name=\"city\">Bonn</parameter></invoke>".to_owned()),
        ("deepseek-v3.2", "<｜DSML｜invoke name=\"weather\"></｜DSML｜invoke>".to_owned()),
        ("phi-4", format!("functools[{bonn}]")),
        ("phi-4", format!("Let me see. functools[{bonn}]")),
        ("json", format!("\t{bonn}")),
        ("json", format!("\u{a0}\n{bonn}")),
        ("llama-3", format!("<|python_tag|>{}", bonn.replace("arguments", "parameters"))),
        ("llama-3", format!("\r\n{}", bonn.replace("arguments", "parameters"))),
        ("kimi", format!("<|tool_call_begin|>functions.{free}<|tool_call_end|>")),
    ] {
        let formats = of(named(name), "none");
        let grammar = model.guarantee(formats, &tools, None, Begins::Answer);
        assert!(model.takes(&grammar, &text), "{name}: {text}\n{grammar}");
        let (said, _, calls) = found(formats, Held::BehindText, &text);
        assert_eq!((said, calls), (text.clone(), Vec::new()), "{name}: {text}");
        // Without a grammar a call is one in any form.
        if !["kimi", "deepseek-v3.2"].contains(&name) {
            assert_eq!(found(formats, Held::Nowhere, &text).2, ["weather"], "{name}: {text}");
        }
    }
    // In an answer by a schema too, and the answer keeps its text.
    let inner = "<tool_call><function=weather><parameter=city>Bonn</parameter></function></tool_call>";
    let text = format!("{{\"a\": \"{inner}\"}}");
    let formats = of(named("qwen3-coder"), "none");
    let grammar = model.guarantee(formats, &tools, Some(&Constraint::Json), Begins::Answer);
    assert!(model.takes(&grammar, &text), "{grammar}");
    assert_eq!(found(formats, Held::AtBeginning, &text), (text, String::new(), Vec::new()));
}

#[test]
fn marks_that_other_tokens_spell_are_marks_to_the_grammar_too() {
    let (marks, bonn) = (all_marks(), r#"{"city": "Bonn", "days": 2}"#);
    let (special, text) = (Model::new(&marks), Model::new(&[]));
    // The other tokenizer's bytes have the same numbers.
    let spell = |model: &Model, grammar: &str, answer: &str| {
        model.takes_tokens(grammar, &text.tokenizer.encode(answer, false).expect("tokens"))
    };
    for format in FORMATS.iter().filter(|format| format.kind != Kind::Harmony) {
        for (model, reasoning) in [(&special, "none"), (&special, "think"), (&text, "think")] {
            let formats = of(format, reasoning);
            let grammar = model.guarantee(formats, &tools(ToolChoice::Auto, true), None, Begins::Answer);
            for before in ["", "Hm. ", "<think>Hm.</think>\n\n", "\n<think>Hm.</think>"] {
                let answer = format!("{before}{}", written(format, &[("weather", bonn)]));
                let (_, _, calls) = found(formats, Held::BehindText, &answer);
                assert!(calls.is_empty() || !spell(model, &grammar, &answer), "{}: {answer}\n{grammar}", format.name);
            }
        }
    }
}

#[test]
fn an_object_by_a_schema_is_no_call_and_a_call_is_no_object_by_the_schema() {
    let model = Model::new(&[]);
    let tools = tools(ToolChoice::Auto, true);
    let (text, object) = (json!({ "type": "string" }), json!({ "type": "object" }));
    let both = json!({ "type": "object", "properties": { "name": text, "arguments": object }, "required": ["name"] });
    for (name, key) in [("json", "arguments"), ("llama-3", "parameters")] {
        let formats = of(formats::tools_by_name(name).expect("a name").expect("a format"), "none");
        let (good, bonn) = (written(formats.tools.expect("one"), &[("weather", GOOD)]), r#"{"city": "Bonn"}"#);
        for constraint in
            [Constraint::Json, Constraint::JsonSchema(object.clone()), Constraint::JsonSchema(both.clone())]
        {
            let grammar = model.guarantee(formats, &tools, Some(&constraint), Begins::Answer);
            for good in [good.clone(), good.replacen('{', "{\n  ", 1), good.replacen(':', " :", 1)] {
                assert!(model.takes(&grammar, &good), "{good}\n{grammar}");
                assert_eq!(found(formats, Held::AtBeginning, &good).2, ["weather"], "{good}");
            }
            let bad = written(formats.tools.expect("one"), &[("weather", bonn)]);
            for bad in [bad.clone(), bad.replacen('{', "{\n  ", 1), bad.replacen(':', " :", 1)] {
                assert!(!model.takes(&grammar, &bad), "{bad}\n{grammar}");
            }
            for answer in [
                format!(r#"{{"name":"weather","{key}":{bonn}}}"#),
                format!(r#"{{"name":"weather", "{key}": {bonn}}}"#),
                format!("{{\n  \"name\":\n  \"weather\",\n  \"{key}\": {bonn}\n}}"),
                r#"{"name":"Ada"}"#.to_owned(),
            ] {
                assert!(model.takes(&grammar, &answer), "{answer}\n{grammar}");
                assert_eq!(found(formats, Held::AtBeginning, &answer), (answer.clone(), String::new(), Vec::new()));
            }
        }
        let city = json!({ "type": "object", "properties": { "city": text }, "required": ["city"], "additionalProperties": false });
        let grammar = model.guarantee(formats, &tools, Some(&Constraint::JsonSchema(city)), Begins::Answer);
        assert!(model.takes(&grammar, bonn) && model.takes(&grammar, &good), "{grammar}");
    }
}

#[test]
fn names_of_marks_in_a_message_of_harmony_are_text_or_cannot_be_written() {
    let model = Model::new(&all_marks());
    let bytes = Model::new(&[]).tokenizer;
    let harmony = of(formats::tools_by_name("harmony").expect("a name").expect("a format"), "none");
    let tools = tools(ToolChoice::Auto, true);
    let encode = |tokenizer: &Tokenizer, text: &str| tokenizer.encode(text, false).expect("tokens");
    let call = "<|channel|>commentary to=functions.weather <|constrain|>json<|message|>{\"city\": \"Bonn\"}";
    let spelled = |before: &str, inner: &str, behind: &str| {
        let tokens = [encode(&model.tokenizer, before), encode(&bytes, inner), encode(&model.tokenizer, behind)];
        (format!("{before}{inner}{behind}"), tokens.concat())
    };
    let grammar = model.guarantee(harmony, &tools, None, Begins::Answer);
    // What it says at last has them as text.
    let (answer, tokens) = spelled("<|channel|>final<|message|>", call, "");
    assert!(model.takes_tokens(&grammar, &tokens), "{grammar}");
    assert_eq!(found(harmony, Held::BehindText, &answer), (call.to_owned(), String::new(), Vec::new()));
    let (answer, tokens) = spelled("<|channel|>final<|message|>", "{\"a\": \"<|end|>\"}", "");
    let object = model.guarantee(harmony, &tools, Some(&Constraint::Json), Begins::Answer);
    assert!(model.takes_tokens(&object, &tokens), "{object}");
    assert_eq!(found(harmony, Held::AtBeginning, &answer).0, "{\"a\": \"<|end|>\"}");
    // What it thinks has none.
    for inner in [call, "<|end|>", "a <|start|>assistant"] {
        let (_, tokens) =
            spelled("<|channel|>analysis<|message|>", inner, "<|end|><|start|>assistant<|channel|>final<|message|>a");
        assert!(!model.takes_tokens(&grammar, &tokens), "{inner}\n{grammar}");
    }
    let said = "<|channel|>analysis<|message|>a < b |> c <|x|>\n<|end|><|start|>assistant<|channel|>final<|message|>a";
    assert!(model.takes(&grammar, said), "{grammar}");
}
