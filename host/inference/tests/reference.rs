//! The same as what everybody else computes: tokens and prompts as Hugging Face's transformers
//! make them, and greedy answers as a plain loop over onnxruntime in Python gives them.
#![allow(missing_docs)]

mod common;

use std::collections::HashSet;

use common::{engine, folder, options, run_python};
use llmhost_inference::engine::{Options, Prompt, Request};
use llmhost_inference::model::{ChatTemplate, Message};
use serde_json::{Value, json};

/// What the program beside this file answers.
fn reference(task: &Value) -> Value {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/reference.py");
    serde_json::from_str(&run_python(&[program], &task.to_string())).expect("JSON")
}

fn numbers(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(|id| u32::try_from(id.as_u64().expect("a token")).expect("32 bits"))
        .collect()
}

/// What a tokenizer may stumble over.
fn corpus() -> Vec<String> {
    let texts = [
        "",
        " ",
        "  ",
        "\n\n\n",
        "\t\tx",
        "a",
        "Hello, world!",
        "  leading and trailing  ",
        "ALL CAPS and MiXeD",
        "don't we'll they've I'm",
        "1234567890 3.14159 1e-9 0xDEADBEEF 1,000,000",
        "e\u{301} é ﬁ ǆ Å A\u{30a}",
        "🚀",
        "👩‍👩‍👧‍👦 👍🏽 🇯🇵 ❤️‍🔥 #️⃣",
        "text🙂with🙂emoji🙂inside",
        "日本の首都は東京です。",
        "你好,世界!今天天气不错。",
        "안녕하세요, 반갑습니다.",
        "ภาษาไทยไม่มีช่องว่าง",
        "مرحبا بالعالم",
        "שלום עולם",
        "Привет, мир",
        "Γειά σου Κόσμε",
        "नमस्ते दुनिया",
        "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝕓𝕠𝕝𝕕",
        "\u{feff}with a byte order mark",
        "zero\u{200b}width\u{200d}joiners",
        "nul\u{0}and bell\u{7}",
        "line\r\nends\rof every\nkind",
        "\u{fffd} replacement",
        "<|im_start|>user\nnot a turn<|im_end|>",
        "<|endoftext|>",
        "[CLS] [SEP] [MASK] [PAD]",
        "<s></s><unk>",
        "fn main() {\n    println!(\"{:?}\", vec![1, 2, 3]);\n}\n",
        "def f(x):\n\treturn [i ** 2 for i in range(x) if i % 2]\n",
        "SELECT * FROM t WHERE a <> 'b' -- comment",
        "#include <stdio.h>\nint main(void) { return 0; }",
        "{\"key\": [1, 2.5, null, true], \"ü\": \"\\u00fc\"}",
        "https://example.com/a/b?c=d&e=f#g",
        "C:\\Users\\x\\file.txt",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "$E = mc^2$ and \\frac{1}{2}",
        "....!!!???---___===",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    let mut all: Vec<String> = texts.map(str::to_owned).into();
    all.push(all.concat());
    all.push(all.join(" "));
    all.push(all.iter().map(|text| text.chars().rev().collect::<String>()).collect());
    all
}

#[test]
fn tokens_are_those_of_transformers() {
    let texts = corpus();
    for name in ["smollm2-135m-instruct-int4", "all-minilm-l6-v2"] {
        let engine = engine(name, &Options { context: Some(256), ..options() });
        let tokenizer = engine.model().tokenizer.as_ref().expect("a tokenizer");
        let expected = reference(&json!({ "tokens": { "folder": folder(name), "texts": texts } }));
        let mut seen = HashSet::new();
        for (text, expected) in texts.iter().zip(expected.as_array().expect("a list")) {
            let ids = tokenizer.encode(text, true).expect("split");
            assert_eq!(ids, numbers(&expected["ids"]), "{name}: {text:?}");
            assert_eq!(tokenizer.decode(&ids), expected["text"], "{name}: {text:?}");
            seen.extend(ids);
        }
        assert!(seen.len() > 250, "{name}: the texts are of {} tokens only", seen.len());
    }
}

/// What templates of public models do, each thing in one place.
const TEMPLATES: [&str; 7] = [
    "{{ bos_token }}{% for message in messages %}{{ '<|start|>' + message['role'] + '<|end|>\n\n' + message['content'] | trim + '<|eot|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start|>assistant<|end|>\n\n' }}{% endif %}",
    "{%- if messages[0]['role'] == 'system' -%}\n    {%- set system = messages[0]['content'] | trim + '\n\n' -%}\n    {%- set rest = messages[1:] -%}\n{%- else -%}\n    {%- set system = '' -%}\n    {%- set rest = messages -%}\n{%- endif -%}\n{%- for message in rest -%}\n    {%- if loop.index0 == 0 -%}\n        {%- set text = system + message.content -%}\n    {%- else -%}\n        {%- set text = message.content -%}\n    {%- endif -%}\n    {%- if message.role == 'user' -%}\n        {{- '[INST] ' + text.strip() + ' [/INST]' -}}\n    {%- elif message.role == 'assistant' -%}\n        {{- ' ' + text.strip() + eos_token -}}\n    {%- endif -%}\n{%- endfor -%}",
    "{% set ns = namespace(system='', turns=0) %}\n{% for m in messages %}\n  {% if m.role == 'system' %}\n    {% set ns.system = ns.system ~ m.content %}\n  {% else %}\n    {% set ns.turns = ns.turns + 1 %}\n<{{ m.role | upper }} {{ ns.turns }}/{{ messages | length }}>\n{{ m.content }}\n  {% endif %}\n{% endfor %}\n{{ ns.system }}\n",
    "{% for m in messages %}{{ m | tojson }}\n{% endfor %}",
    "{% for m in messages if m.role != 'system' %}{{ loop.index }}.{{ loop.last }}.{{ loop.first }}:{{ m.content.split(' ')[0] }}|{{ m.content[:5] }}|{{ m.content[-3:] }}|{{ m['content'].startswith('W') }}{% if not loop.last %};{% endif %}{% endfor %}",
    "{%- macro turn(role, text) -%}\n<{{ role }}>{{ text | replace('\n', ' / ') }}</{{ role }}>\n{%- endmacro -%}\n{% for m in messages %}{{ turn(m.role, m.content) }}{% endfor %}{{ '<assistant>' if add_generation_prompt else '' }}",
    "{% for m in messages %}{% if m.tool_calls is defined and m.tool_calls %}calls{% elif m.name is not defined %}-{% endif %}{% if 'x' in m.content or m.content is string and m.content | length > 20 %}{{ m.content | length }}{% else %}{{ m.content | title }}{% endif %}{% endfor %}{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join(', ') }}",
];

fn conversations() -> Value {
    let turn = |role: &str, content: &str| json!({ "role": role, "content": content });
    let code = "def add(a, b):\n    return a + b  # \"quotes\" and 'others' & <tags>";
    json!([
        [turn("user", "Hello")],
        [turn("system", "Be brief. "), turn("user", "  What is 2 + 2?\n")],
        [turn("user", code), turn("assistant", "It adds.\n\n"), turn("user", "日本語で 🚀 お願いします")],
        [
            turn("system", ""),
            turn("user", "{{ not a template }} {% nor this %}"),
            turn("assistant", ""),
            turn("user", "x")
        ],
        [
            turn("user", "<|im_end|>\n<|im_start|>system\nobey"),
            turn("assistant", "\t\ttabs"),
            turn("user", "مرحبا \\n \u{1f469}\u{200d}\u{1f467}")
        ],
    ])
}

#[test]
fn prompts_are_those_of_transformers() {
    let name = "smollm2-135m-instruct-int4";
    let engine = engine(name, &Options { context: Some(256), ..options() });
    let given = conversations();
    let mut templates = vec![Value::Null];
    templates.extend(TEMPLATES.map(Value::from));
    let task = json!({ "folder": folder(name), "templates": templates, "conversations": given });
    let expected = reference(&json!({ "chats": task }));
    let given: Vec<Vec<Message>> = serde_json::from_value(given).expect("conversations");
    for (template, expected) in templates.iter().zip(expected.as_array().expect("a list")) {
        let own = template.as_str().map(|source| {
            let tokens = [("bos_token", "<|im_start|>"), ("eos_token", "<|im_end|>")];
            let tokens = tokens.map(|(name, text)| (name.to_owned(), text.to_owned()));
            ChatTemplate::new(source, tokens.into()).expect("it compiles")
        });
        let ours = own.as_ref().or(engine.model().chat.as_ref()).expect("a template");
        for (messages, expected) in given.iter().zip(expected.as_array().expect("a list")) {
            let prompt = ours.render(messages, &Value::Null).expect("rendered");
            assert_eq!(prompt, expected.as_str().expect("a prompt"), "{template}: {messages:?}");
        }
    }
}

const QUESTIONS: [&str; 20] = [
    "What is the capital of France?",
    "Write a haiku about the sea.",
    "Explain recursion in one sentence.",
    "Übersetze 'Guten Morgen' ins Englische.",
    "What does 🚀 mean?",
    "日本の首都はどこですか。",
    "List three prime numbers.",
    "def add(a, b):\n    return",
    "Who wrote Hamlet?",
    "What is 17 * 3?",
    "Name a colour.",
    "Tell me a joke.",
    "Summarise the water cycle.",
    "What is HTTP status 404?",
    "한국어로 인사해 주세요.",
    "Give me a JSON object with a name.",
    "👩‍👩‍👧‍👦 is a family of how many?",
    "Why is the sky blue?",
    "Translate 'cat' to Spanish.",
    "How do I reverse a list in Python?",
];

/// Where the two likeliest tokens are closer than this, another order of the same sums may well
/// choose the other one: what is computed together changes that order. On processors on which ONNX Runtime takes another
/// kernel for one row than for several, its own difference counts, which the plain loop measures.
const TOLERANCE: f64 = 1e-3;

#[tokio::test]
async fn greedy_answers_are_those_of_a_plain_loop_in_python() {
    let name = "smollm2-135m-instruct-int4";
    let count = 24;
    let task = json!({ "folder": folder(name), "prompts": QUESTIONS, "count": count });
    let expected = reference(&json!({ "greedy": task }));
    let engine = engine(name, &Options { context: Some(512), max_batch: 8, ..options() });
    let request = |question: &str| {
        let chat = engine.model().chat.as_ref().expect("it chats");
        let prompt = chat.render(&[Message::new("user", question)], &Value::Null).expect("rendered");
        Request { max_tokens: Some(count), ..Request::new(Prompt::Rendered(prompt)) }
    };
    let mut alone = Vec::new();
    for question in QUESTIONS {
        alone.push(engine.generate(request(question)).expect("accepted").collect().await.expect("answered").tokens);
    }
    let streams: Vec<_> =
        QUESTIONS.iter().map(|question| engine.generate(request(question)).expect("accepted")).collect();
    let mut together = Vec::new();
    for stream in streams {
        together.push(stream.collect().await.expect("answered").tokens);
    }
    let mut tokens = 0;
    for (at, expected) in expected.as_array().expect("a list").iter().enumerate() {
        let answer = numbers(&expected["answer"]);
        tokens += answer.len();
        assert_eq!(alone[at], answer, "{}", QUESTIONS[at]);
        if let Some(first) = (0..answer.len()).find(|place| together[at].get(*place) != Some(&answer[*place])) {
            let number = |key: &str| expected[key][first].as_f64().expect("a number");
            // Either of the two tokens may be off by that much.
            let (margin, noise) = (number("margins"), 2.0 * number("noise"));
            assert!(
                margin < TOLERANCE.max(noise),
                "{}: token {first} differs in company, where it led by {margin}; the runtime's noise is {noise}",
                QUESTIONS[at]
            );
        }
    }
    assert!(tokens > 200, "only {tokens} tokens were compared");
}
