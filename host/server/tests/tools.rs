//! Tools, reasoning and continued answers, by a real model with random weights: what it calls fits, because it has to.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use llmhost_example_models::{Example, onnxruntime};
use llmhost_inference::engine::Options;
use llmhost_inference::runtime::Search;
use llmhost_inference::{Device, Engine};
use llmhost_server::{EngineBackend, Settings, router};
use serde_json::{Value, json};
use tower::ServiceExt;

/// Writes the tools' names, and calls as Hermes does.
const HERMES: &str = "{% for tool in tools or [] %}{{ tool.function.name }} <tool_call> {% endfor %}\
    {% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content or '' }}\
    {% for call in message.tool_calls or [] %}{{ call.function.name }}({{ call.function.arguments.city }}){% endfor %}\
    <|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// The tiny model with another template; `special` makes the mark of a call a token of its own, 383.
fn engine(template: Option<&str>, special: bool) -> Engine {
    let from = Example::Tiny.folder().unwrap();
    let folder = tempfile::tempdir().unwrap().keep();
    // Without the manifest, which knows the files as they were.
    let files = std::fs::read_dir(from).unwrap().flatten();
    for file in files.filter(|file| file.file_name() != "manifest.json") {
        std::fs::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    let change = |name: &str, with: &dyn Fn(&mut Value)| {
        let path: &Path = &folder.join(name);
        let mut value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        with(&mut value);
        std::fs::write(path, value.to_string()).unwrap();
    };
    if let Some(template) = template {
        change("tokenizer_config.json", &|config| config["chat_template"] = template.into());
    }
    if special {
        change("tokenizer.json", &|tokenizer| {
            let vocabulary = tokenizer["model"]["vocab"].as_object_mut().unwrap();
            let last = vocabulary.iter().find(|(_, id)| **id == 383).unwrap().0.clone();
            vocabulary.remove(&last);
            vocabulary.insert("<tool_call>".to_owned(), 383.into());
            let merges = tokenizer["model"]["merges"].as_array_mut().unwrap();
            let makes =
                |merge: &Value| merge.as_array().unwrap().iter().map(|part| part.as_str().unwrap()).collect::<String>();
            merges.retain(|merge| makes(merge) != last);
            let mut added = tokenizer["added_tokens"][0].clone();
            (added["id"], added["content"]) = (383.into(), "<tool_call>".into());
            tokenizer["added_tokens"].as_array_mut().unwrap().push(added);
        });
    }
    let search = Search { library: Some(onnxruntime().unwrap()), ..Search::default() };
    let (device, threads) = (Device::Cpu, Some(1));
    let options = Options { search, device, threads, spin: Duration::ZERO, max_batch: 4, ..Options::default() };
    let engine = Engine::load(&folder, &options).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    engine
}

static PLAIN: LazyLock<Engine> = LazyLock::new(|| engine(None, false));
static TOOLS: LazyLock<Engine> = LazyLock::new(|| engine(Some(HERMES), false));
static SPECIAL: LazyLock<Engine> = LazyLock::new(|| engine(Some(HERMES), true));

async fn text(backend: EngineBackend, path: &str, body: &Value) -> (u16, String) {
    let request = Request::post(path).header("content-type", "application/json");
    let app = router(Arc::new(backend), Settings::default());
    let response = app.oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

async fn told(engine: &Engine, body: &Value) -> (u16, Value) {
    told_in(engine, None, body).await
}

/// With calls in the format of this name.
async fn told_in(engine: &Engine, format: Option<&str>, body: &Value) -> (u16, Value) {
    let backend = EngineBackend::new(engine.clone(), "tiny").with_formats(format, None).unwrap();
    let (status, text) = text(backend, "/v1/chat/completions", body).await;
    (status, serde_json::from_str(&text).unwrap())
}

fn user(text: &str) -> Value {
    json!([{ "role": "user", "content": text }])
}

fn tool(name: &str, parameters: &Value) -> Value {
    json!({ "type": "function", "function": { "name": name, "strict": true, "parameters": parameters } })
}

fn weather() -> Value {
    tool(
        "weather",
        &json!({
            "type": "object", "required": ["city"], "additionalProperties": false,
            "properties": { "city": { "type": "string", "maxLength": 5 }, "days": { "type": "integer", "minimum": 1, "maximum": 3 } },
        }),
    )
}

#[tokio::test]
async fn a_call_comes_whole_and_in_pieces_alike() {
    let mut body = json!({
        "messages": user("Weather?"), "tools": [weather()], "tool_choice": "required", "parallel_tool_calls": false,
        "max_tokens": 200, "seed": 4,
    });
    let (status, whole) = told(&TOOLS, &body).await;
    assert_eq!(status, 200, "{whole}");
    let choice = &whole["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &Value::Null),
        "{whole}"
    );
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!((&call["type"], &call["function"]["name"]), (&json!("function"), &json!("weather")), "{whole}");
    assert!(call["id"].as_str().unwrap().starts_with("call_"), "{whole}");
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["city"].is_string(), "{arguments}");

    body["stream"] = true.into();
    let (_, stream) = text(EngineBackend::new(TOOLS.clone(), "tiny"), "/v1/chat/completions", &body).await;
    let pieces: Vec<Value> = stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: ").filter(|data| *data != "[DONE]"))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let deltas: Vec<&Value> = pieces
        .iter()
        .map(|piece| &piece["choices"][0]["delta"]["tool_calls"][0])
        .filter(|delta| !delta.is_null())
        .collect();
    assert!(deltas.len() > 2, "{stream}");
    assert_eq!(deltas[0]["function"], json!({ "name": "weather", "arguments": "" }), "{stream}");
    assert!(deltas[0]["id"].is_string() && deltas[0]["type"] == "function" && deltas[0]["index"] == 0, "{stream}");
    assert!(deltas[1..].iter().all(|delta| delta["id"].is_null() && delta["function"]["name"].is_null()), "{stream}");
    let streamed: String = deltas.iter().map(|delta| delta["function"]["arguments"].as_str().unwrap()).collect();
    assert_eq!(call["function"]["arguments"], streamed);
    assert_eq!(pieces.last().unwrap()["choices"][0]["finish_reason"], "tool_calls", "{stream}");
}

/// Draws schemas: the same for the same seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn object(&mut self, depth: u64) -> Value {
        let names: Vec<String> = (0..=self.below(3))
            .map(|at| format!("{}{at}", ["a", "key-", "Ü", "x y"][self.below(4) as usize]))
            .collect();
        let properties: serde_json::Map<String, Value> =
            names.iter().map(|name| (name.clone(), self.schema(depth + 1))).collect();
        let required: Vec<&String> = names.iter().filter(|_| self.below(3) > 0).collect();
        json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
    }

    fn schema(&mut self, depth: u64) -> Value {
        let least = self.below(5);
        match self.below(if depth > 2 { 8 } else { 11 }) {
            0 => json!({ "type": "string", "minLength": least, "maxLength": least + self.below(4) }),
            1 => json!({ "type": "string", "pattern": "^[a-f]{2,4}$" }),
            2 => json!({ "enum": ["a\"b", "</tool_call>", 3, null, { "k": [true] }] }),
            3 => json!({ "type": "integer", "minimum": -20 + least as i64, "maximum": 99 }),
            4 => json!({ "type": "boolean" }),
            5 => json!({ "const": { "nested": ["x", 1.5] } }),
            6 => json!({ "type": ["null", "boolean"] }),
            7 => json!({ "type": "string", "format": "date" }),
            8 => json!({ "type": "array", "items": self.schema(depth + 1), "minItems": self.below(2), "maxItems": 2 }),
            9 => json!({ "anyOf": [self.schema(depth + 1), { "type": "null" }] }),
            _ => self.object(depth),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_fit_their_schemas_whatever_the_model() {
    let mut draw = Draw(18);
    let (mut called, mut tried) = (0, 0);
    while called < 220 {
        tried += 1;
        assert!(tried <= 260, "{called} calls in {tried} answers");
        let schema = draw.object(0);
        // By the choice, and by the model's own choice: that it begins one is seen to, what it writes then is its own.
        let (required, named) = (json!("required"), json!({ "type": "function", "function": { "name": "f" } }));
        let (auto, begin) = (json!("auto"), json!({ "383": 100 }));
        let (engine, format, choice, bias) = match tried % 8 {
            0 => (&*TOOLS, "hermes", required, json!({})),
            1 => (&*TOOLS, "hermes", named, json!({})),
            2 => (&*SPECIAL, "hermes", required, json!({})),
            3 => (&*SPECIAL, "hermes", auto, begin),
            4 => (&*TOOLS, "json", required, json!({})),
            5 => (&*SPECIAL, "json", named, json!({})),
            6 => (&*TOOLS, "qwen3-coder", named, json!({})),
            _ => (&*SPECIAL, "qwen3-coder", auto, begin),
        };
        let body = json!({
            "messages": user("a"), "tools": [tool("f", &schema)], "tool_choice": choice, "parallel_tool_calls": false,
            "logit_bias": bias, "max_tokens": 440, "seed": tried, "temperature": 1.0,
        });
        let (status, answer) = told_in(engine, Some(format), &body).await;
        assert_eq!(status, 200, "{schema}: {answer}");
        let choice = &answer["choices"][0];
        if choice["finish_reason"] == "length" {
            continue;
        }
        called += 1;
        assert_eq!(choice["finish_reason"], "tool_calls", "{answer}");
        let calls = choice["message"]["tool_calls"].as_array().unwrap();
        assert_eq!((calls.len(), &calls[0]["function"]["name"]), (1, &json!("f")), "{answer}");
        let arguments: Value = serde_json::from_str(calls[0]["function"]["arguments"].as_str().unwrap()).unwrap();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        assert!(validator.is_valid(&arguments), "{schema}: {arguments}");
    }
}

#[tokio::test]
async fn an_answer_by_a_schema_keeps_what_looks_like_a_call() {
    let quote = json!({ "prompt": "\"", "add_special_tokens": false });
    let (_, quote) = text(EngineBackend::new(TOOLS.clone(), "tiny"), "/tokenize", &quote).await;
    let quote: Value = serde_json::from_str(&quote).unwrap();
    for (format, call) in [
        ("qwen3-coder", "<function=weather><parameter=city>too long a name</parameter></function>"),
        ("qwen3-coder", "<tool_call><function=weather><parameter=city>too long a name</parameter></function>"),
        ("seed", "<function=weather><parameter=city>too long a name</parameter></function>"),
    ] {
        let format_of_answer =
            json!({ "type": "json_schema", "json_schema": { "name": "a", "schema": { "const": call } } });
        let body = json!({
            "messages": user("a"), "tools": [weather()], "tool_choice": "auto", "response_format": format_of_answer,
            "logit_bias": { quote["tokens"][0].to_string(): 100 }, "max_tokens": 200, "seed": 1,
        });
        let (status, answer) = told_in(&TOOLS, Some(format), &body).await;
        assert_eq!(status, 200, "{answer}");
        let message = &answer["choices"][0]["message"];
        assert_eq!(message["content"], json!(call).to_string(), "{format}: {answer}");
        assert_eq!(message["tool_calls"], Value::Null, "{format}: {answer}");
    }
}

#[tokio::test]
async fn a_request_about_tools_that_cannot_be_met_is_refused_with_the_reason() {
    let bad = json!({ "type": "object", "properties": { "n": { "type": "integer", "minimum": 5, "maximum": 1 } }, "required": ["n"] });
    let with = |tools: Value, choice: Value| json!({ "messages": user("a"), "max_tokens": 1, "tools": tools, "tool_choice": choice });
    let named = |name: &str| json!({ "type": "function", "function": { "name": name } });
    for (body, param, words) in [
        (
            with(json!([tool("f", &bad)]), json!("auto")),
            "tools",
            "tools[0].function.parameters of 'f' cannot be enforced: at #/properties/n: Unsatisfiable",
        ),
        (with(json!([weather(), tool("f", &bad)]), json!("required")), "tools", "tools[1].function.parameters of 'f'"),
        (
            with(json!([weather(), weather()]), json!("auto")),
            "tools",
            "tools[1].function.name is 'weather', like that of another tool",
        ),
        (
            with(json!([tool("a b", &json!({}))]), json!("auto")),
            "tools",
            "tools[0].function.name is 'a b'; a name has 1 to 64 letters",
        ),
        (with(json!([tool(&"a".repeat(65), &json!({}))]), json!("auto")), "tools", "1 to 64"),
        (
            with(json!([tool("f", &json!({ "type": "array" }))]), json!("auto")),
            "tools",
            "has the type \"array\"; arguments are an object",
        ),
        (with(json!([{ "type": "custom" }]), json!("auto")), "tools", "tools[0].type is 'custom'"),
        (with(json!([{ "name": "f" }]), json!("auto")), "tools", "tools[0].type is missing"),
        (
            with(json!([weather()]), named("whether")),
            "tool_choice",
            "names 'whether', which is not in tools; did you mean 'weather'?",
        ),
        (with(json!([weather()]), json!("always")), "tool_choice", "tool_choice is 'always'; it must be"),
        (with(json!([]), json!("required")), "tool_choice", "there are no tools"),
        (
            json!({ "messages": user("a"), "functions": [{ "name": "f" }] }),
            "functions",
            "functions is not supported; use tools",
        ),
        (json!({ "messages": user("a"), "function_call": { "name": "f" } }), "function_call", "use tools"),
        (
            json!({ "messages": user("a"), "continue_final_message": true }),
            "continue_final_message",
            "continues a last message of the assistant",
        ),
    ] {
        let (status, answer) = told(&TOOLS, &body).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert_eq!((status, &answer["error"]["param"]), (400, &json!(param)), "{body}: {answer}");
        assert!(message.contains(words), "{message}");
    }
    let (status, answer) = told(&PLAIN, &with(json!([weather()]), json!("auto"))).await;
    assert_eq!((status, &answer["error"]["param"]), (400, &json!("tools")), "{answer}");
    assert!(answer["error"]["message"].as_str().unwrap().contains("its chat template does not write them"), "{answer}");
    let backend = EngineBackend::new(PLAIN.clone(), "tiny");
    assert!(backend.with_formats(Some("hermés"), None).err().unwrap().contains("must be one of harmony, kimi"));
}

#[tokio::test]
async fn a_model_that_is_to_call_none_is_not_told_of_tools() {
    let ask = |tools: Value, choice: &str| json!({ "messages": user("a"), "max_tokens": 3, "tools": tools, "tool_choice": choice });
    let without = told(&TOOLS, &ask(json!([]), "none")).await.1;
    let none = told(&TOOLS, &ask(json!([weather()]), "none")).await.1;
    let auto = told(&TOOLS, &ask(json!([weather()]), "auto")).await.1;
    let tokens = |answer: &Value| answer["usage"]["prompt_tokens"].as_u64().unwrap();
    assert_eq!(tokens(&without), tokens(&none));
    assert!(tokens(&auto) > tokens(&none), "{auto}");
}

#[tokio::test]
async fn calls_and_their_results_reach_the_template() {
    let history = json!([
        { "role": "user", "content": "a" },
        { "role": "assistant", "content": null, "tool_calls": [{ "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": "{\"city\": \"Rome\"}" } }] },
        { "role": "tool", "tool_call_id": "call_1", "content": "sunny" },
    ]);
    let same = json!({ "prompt": "weather <tool_call> <|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nweather(Rome)<|im_end|>\n<|im_start|>tool\nsunny<|im_end|>\n<|im_start|>assistant\n", "max_tokens": 8, "temperature": 0 });
    let (_, by_text) = text(EngineBackend::new(TOOLS.clone(), "tiny"), "/v1/completions", &same).await;
    let by_text: Value = serde_json::from_str(&by_text).unwrap();
    let mut plain = weather();
    plain["function"]["strict"] = false.into();
    let body = json!({ "messages": history, "tools": [plain], "max_tokens": 8, "temperature": 0 });
    let (status, chat) = told(&TOOLS, &body).await;
    assert_eq!(status, 200, "{chat}");
    assert_eq!(chat["usage"]["prompt_tokens"], by_text["usage"]["prompt_tokens"]);
    assert_eq!(chat["choices"][0]["message"]["content"], by_text["choices"][0]["text"]);
}

#[tokio::test]
async fn a_last_message_of_the_assistant_goes_on() {
    let messages = json!([{ "role": "user", "content": "a" }, { "role": "assistant", "content": "The city is " }]);
    let base = json!({ "messages": messages, "max_tokens": 8, "temperature": 0 });
    let prompt = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nThe city is ";
    for (fields, begins) in [
        (json!({}), ""),
        (json!({ "continue_final_message": true, "add_generation_prompt": false }), ""),
        (json!({ "add_generation_prompt": false }), ""),
        (json!({ "add_generation_prompt": true }), "<|im_end|>\n<|im_start|>assistant\n"),
        (json!({ "continue_final_message": false }), "<|im_end|>\n<|im_start|>assistant\n"),
    ] {
        let mut body = base.clone();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let (status, chat) = told(&TOOLS, &body).await;
        assert_eq!(status, 200, "{chat}");
        let same = json!({ "prompt": format!("{prompt}{begins}"), "max_tokens": 8, "temperature": 0 });
        let (_, by_text) = text(EngineBackend::new(TOOLS.clone(), "tiny"), "/v1/completions", &same).await;
        let by_text: Value = serde_json::from_str(&by_text).unwrap();
        assert_eq!(chat["usage"]["prompt_tokens"], by_text["usage"]["prompt_tokens"], "{fields}");
        assert_eq!(chat["choices"][0]["message"]["content"], by_text["choices"][0]["text"], "{fields}");
    }
}

#[tokio::test]
async fn what_the_model_thinks_is_no_content() {
    let template = format!("{HERMES}{{% if add_generation_prompt %}}<think>\n{{% endif %}}");
    let engine = engine(Some(&template), false);
    let mut body = json!({ "messages": user("a"), "max_tokens": 12, "seed": 1 });
    let (_, whole) = told(&engine, &body).await;
    let message = &whole["choices"][0]["message"];
    let thought = message["reasoning_content"].as_str().unwrap().to_owned();
    assert!(!thought.is_empty() && message["content"] == "", "{whole}");
    body["stream"] = true.into();
    let (_, stream) = text(EngineBackend::new(engine.clone(), "tiny"), "/v1/chat/completions", &body).await;
    let deltas = stream.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix("data: ")?).ok());
    let streamed: String = deltas
        .filter_map(|piece| piece["choices"][0]["delta"]["reasoning_content"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(streamed, thought);
    body["stream"] = false.into();
    let backend = EngineBackend::new(engine, "tiny").with_formats(None, Some("none")).unwrap();
    assert_eq!(backend.formats(), (Some("hermes"), None));
    let (_, plain) = text(backend, "/v1/chat/completions", &body).await;
    let plain: Value = serde_json::from_str(&plain).unwrap();
    assert!(plain["choices"][0]["message"]["content"].as_str().unwrap().contains(&thought), "{plain}");
}
