use std::time::{Duration, UNIX_EPOCH};

use serde_json::json;

use super::*;

fn template(source: &str) -> ChatTemplate {
    let tokens = [("bos_token", "<s>"), ("eos_token", "</s>")].map(|(name, text)| (name.to_owned(), text.to_owned()));
    ChatTemplate::new(source, tokens.into()).expect("compiles")
}

fn render(source: &str) -> Result<String, ChatError> {
    template(source).render(&[Message::new("user", " Hello ")], &json!(null))
}

/// Each is what transformers' own environment gives.
#[test]
fn templates_find_what_hugging_face_gives_them() {
    for (source, expected) in [
        (
            "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}\
             {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
            "<|im_start|>user\n Hello <|im_end|>\n<|im_start|>assistant\n",
        ),
        ("{{ bos_token }}{{ messages[0].content.strip() }}{{ eos_token }}", "<s>Hello</s>"),
        ("{{ messages[0]['content'] | trim | upper }}", "HELLO"),
        ("{% for i in range(5) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("{% for i in range(4) %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% endfor %}", "013"),
        ("{% set ns = namespace(n=0) %}{% set ns.n = 2 %}{{ ns.n }}", "2"),
        ("{% if tools is defined and tools %}t{% else %}none{% endif %}", "none"),
        ("{{ tools is none }} {{ documents is none }} {{ unk_token is defined }}", "True True False"),
        ("    {% if true %}\nx\n    {% endif %}\n", "x\n"),
        ("{{ messages[0].nothing }}", ""),
        ("{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}", "aba"),
        // `generation` is a scope of its own.
        ("{% generation %}x{% endgeneration %}", "x"),
        ("a\n  {%-  generation  -%}  x{% set y = 1 %}\n  {%- endgeneration +%}\n{{ y is defined }}", "ax\nFalse"),
        ("{% raw %}{% generation %}{{ '%s' % 1 }}{% endraw %}", "{% generation %}{{ '%s' % 1 }}"),
    ] {
        assert_eq!(render(source).expect(source), expected, "{source}");
    }
}

#[test]
fn values_are_those_of_python() {
    for (source, expected) in [
        (
            "{{ none is iterable }} {{ 1 is iterable }} {{ [] is iterable }} {{ x is iterable }}",
            "False False True True",
        ),
        (
            "{{ 'x' is sequence }} {{ {} is sequence }} {{ none is sequence }} {{ true is number }}",
            "True True False True",
        ),
        ("{{ messages[1:] is sequence }} {{ messages[::-1] | length }}", "True 1"),
        ("{{ [1, 2, 3, 4][::-2] | list }} {{ 'abcd'[::-1] }} {{ 'abcd'[-3:-1] }}", "[4, 2] dcba bc"),
        (
            "{{ 1e-07 }} {{ 1.0 }} {{ 1e16 }} {{ 123456789.125 }} {{ 0.0001 }} {{ 7 / 2 }}",
            "1e-07 1.0 1e+16 123456789.125 0.0001 3.5",
        ),
        (
            "{{ [1e-07, none, true, \"it's\", 'a\n'] }} {{ (1,) }} {{ {'a': 1.0} }}",
            "[1e-07, None, True, \"it's\", 'a\\n'] (1,) {'a': 1.0}",
        ),
        ("{{ 1e-07 | string }} {{ [1e-07, 2] | join('|') }} {{ 'a' ~ 1e-07 ~ [1e16] }}", "1e-07 1e-07|2 a1e-07[1e+16]"),
        ("{{ 1 ~ 2 * 3 ~ none ~ (none is none) ~ 'x' is string ~ 'y' | upper }}", "16NoneTrueTrueY"),
        (
            "{% for k, v in {'a': (1 if true else 2)}.items() if v %}{{ k ~ v }}{% endfor %}{%- for x in [1, 2] -%} {{ x }} {%- endfor %}",
            "a112",
        ),
        (
            "{{ 'a\n\nb\n' | indent }}|{{ '{\n' | indent(2, first=true) }}|{{ 'a\nb' | indent('> ', true) }}",
            "a\n\n    b\n|  {\n|> a\n> b",
        ),
        ("{% if 0.0 or '' or [] or {} or none %}a{% else %}b{% endif %}{{ 'el' in messages[0].content }}", "bTrue"),
        ("{% set d = messages[0] %}{{ d.get('x', 7) }} {{ d.items is defined }} {{ 'items' in d }}", "7 True False"),
        ("{% for k, v in messages[0].items() %}{{ k }}={{ v }};{% endfor %}", "role=user;content= Hello ;"),
        ("{{ messages[0].keys() | list }}{{ messages[0].values() | list }}", "['role', 'content']['user', ' Hello ']"),
    ] {
        assert_eq!(render(source).expect(source), expected, "{source}");
    }
    for refused in [
        "{{ none | length }}",
        "{{ none | join }}",
        "{% for x in none %}{% endfor %}",
        "{{ messages.append(1) }}",
        "{{ messages[0].pop('role') }}",
    ] {
        assert!(matches!(render(refused), Err(ChatError::Failed(_))), "{refused}");
    }
}

#[test]
fn json_is_what_python_writes() {
    for (source, expected) in [
        ("{{ {'a': [1, 'ü<&'], 'b': {}} | tojson }}", r#"{"a": [1, "ü<&"], "b": {}}"#),
        ("{{ {'a': [1, 2], 'b': []} | tojson(indent=2) }}", "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": []\n}"),
        ("{{ [1, {'b': 1}] | tojson(indent='\t') }}", "[\n\t1,\n\t{\n\t\t\"b\": 1\n\t}\n]"),
        ("{{ 'ü🚀\u{7f}' | tojson(ensure_ascii=True) }}", r#""\u00fc\ud83d\ude80\u007f""#),
        ("{{ {'b': 1, 'a': [1, 2]} | tojson(separators=(',', ':'), sort_keys=true) }}", r#"{"a":[1,2],"b":1}"#),
        ("{{ {2: 1e-07, none: 1e16, true: -0.5} | tojson }}", r#"{"2": 1e-07, "null": 1e+16, "true": -0.5}"#),
        ("{{ '\u{8}\u{c}\u{1}\\\\' | tojson }}", r#""\b\f\u0001\\""#),
        ("{{ {'a': '<'} | tojson | e }}", "{&#34;a&#34;: &#34;&lt;&#34;}"),
    ] {
        assert_eq!(render(source).expect(source), expected, "{source}");
    }
    assert!(render("{{ nothing | tojson }}").is_err());
    assert!(render("{{ 1 | tojson(colour=1) }}").is_err());
}

#[test]
fn texts_have_pythons_methods() {
    for (source, expected) in [
        ("{{ 'a-b-c'.partition('-') }} {{ 'a-b-c'.rpartition('-') }}", "('a', '-', 'b-c') ('a-b', '-', 'c')"),
        ("{{ 'x'.partition('-') }} {{ 'x'.rpartition('-') }}", "('x', '', '') ('', '', 'x')"),
        ("{{ 'abc'.removeprefix('a').removesuffix('c') }} {{ 'abc'.removeprefix('x') }}", "b abc"),
        ("{{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', maxsplit=1) }}", "['a', 'b,c'] ['a,b', 'c']"),
        (
            "{{ ' a  b c '.split() }} {{ ' a  b c '.split(none, 1) }} {{ ' a b c'.rsplit(none, 1) }}",
            "['a', 'b', 'c'] ['a', 'b c '] [' a b', 'c']",
        ),
        ("{{ 'xxaxx'.strip('x') }} {{ 'xya'.lstrip('yx') }} {{ 'axy'.rstrip('yx') }}", "a a a"),
        ("{{ 'abc'.startswith(('x', 'a')) }} {{ 'abc'.endswith(('x', 'a')) }}", "True False"),
        ("{{ \"it's a TEST\".title() }} {{ 'aB'.swapcase() }} {{ 'ab c'.capitalize() }}", "It'S A Test Ab Ab c"),
        (
            "{{ '-7'.zfill(4) }}|{{ 'a'.ljust(3) }}|{{ 'a'.rjust(3, '.') }}|{{ 'ab'.center(5) }}|{{ 'a'.center(4) }}|",
            "-007|a  |..a|  ab | a  |",
        ),
        (
            "{{ 'aüa'.find('a', 1) }} {{ 'abc'.find('x') }} {{ 'abab'.rfind('b') }} {{ 'aaa'.count('a', 1) }}",
            "2 -1 3 2",
        ),
        ("{{ 'a\r\nb\n'.splitlines() }} {{ 'a\\r\\nb'.splitlines(true) }}", "['a', 'b'] ['a\\r\\n', 'b']"),
        (
            "{{ '%s has %d of %.2f' % ('x', 3, 1.5) }} {{ '%s' % messages[0].role | upper }} {{ 7 % 4 }}",
            "x has 3 of 1.50 USER 3",
        ),
        ("{{ '%s-%s' | format(1, 'b') }} {{ '{}-{x}'.format(1, x='b') }}", "1-b 1-b"),
        ("{{ [1, 2].index(2) }} {{ [1, 1].count(1) }}", "1 2"),
    ] {
        assert_eq!(render(source).expect(source), expected, "{source}");
    }
    for refused in ["{{ 'a'.index('x') }}", "{{ 'a'.split('') }}", "{{ 'a'.ljust(99999999999) }}"] {
        assert!(render(refused).is_err(), "{refused}");
    }
}

#[test]
fn line_ends_are_those_of_jinja() {
    let source = "{# a #}\r\n{% if true %}\r\n  x\r\n{% endif %}\r\n{{ 'a\r\nb' }}\r\n\r\n";
    assert_eq!(render(source).expect("renders"), "  x\na\nb\n");
}

#[test]
fn a_refusal_and_a_failure_are_told_apart() {
    let error = render("{{ raise_exception('roles must alternate') }}").expect_err("refused");
    assert!(matches!(&error, ChatError::Refused(reason) if reason == "roles must alternate"), "{error}");
    assert!(matches!(render("{{ nothing.at.all }}"), Err(ChatError::Failed(_))));
    assert!(ChatTemplate::new("{% if %}", BTreeMap::new()).is_err());
}

#[test]
fn no_source_makes_the_reader_fall() {
    let whole = "{# ä #}{% raw %}{{ x }}{% endraw %}{%- for k, v in {'ä': (1, 2)}.items() if v -%}{{ \"%s\" % (k ~ v) | e }}{% \
                 generation %}{{ 'ü\\'' % -1e-07 ~ x[0:-1] }}{% endgeneration +%}{% endfor %}";
    for (from, _) in whole.char_indices() {
        for (to, _) in whole.char_indices().filter(|(to, _)| *to >= from) {
            let text = source::as_read_here(&whole[from..to]);
            assert_eq!(text.matches('{').count(), whole[from..to].matches('{').count(), "{text}");
        }
    }
}

#[test]
fn a_value_that_is_nested_without_end_is_refused() {
    let nest = "{% set ns = namespace(x=[]) %}{% for _ in range(300) %}{% set ns.x = [ns.x] %}{% endfor %}";
    for end in ["{{ ns.x }}", "{{ ns.x | tojson }}"] {
        let error = render(&format!("{nest}{end}")).expect_err(end).to_string();
        assert!(error.contains("nested deeper than 256 levels"), "{error}");
    }
}

#[test]
fn variables_reach_the_template() {
    let source = "{{ enable_thinking }} {{ bos_token }} {{ messages | length }} {{ add_generation_prompt }}";
    let variables =
        json!({ "enable_thinking": false, "bos_token": "x", "messages": [], "add_generation_prompt": false });
    let messages = [Message::new("user", "")];
    let chat = Chat {
        messages: &messages,
        tools: &json!(null),
        variables: variables.as_object().expect("an object"),
        now: UNIX_EPOCH,
    };
    assert_eq!(template(source).render_chat(&chat).expect("renders"), "False x 1 False");
}

#[test]
fn a_variable_that_a_template_may_read_is_known() {
    let source = "{% set mode = mode | default('fast') %}{% if thinks is defined %}{{ mode }}{% endif %} plain";
    let template = template(source);
    assert!(template.may_read("mode") && template.may_read("thinks"));
    assert!(!template.may_read("mod") && !template.may_read("think") && !template.may_read(""));
    assert!(template.looks_up().contains("thinks"));
}

#[test]
fn the_template_for_tools_is_taken_where_there_are_tools() {
    let named = |names: &[&'static str]| {
        ChatTemplate::named(names.iter().map(|name| (*name, *name)), BTreeMap::new()).expect("compiles")
    };
    let both = named(&["default", "tool_use", "rag"]);
    assert_eq!(both.render(&[], &json!(null)).expect("renders"), "default");
    assert_eq!(both.render(&[], &json!([])).expect("renders"), "tool_use");
    assert_eq!(named(&["default", "rag"]).render(&[], &json!([])).expect("renders"), "default");
    let error = named(&["rag", "tool_use"]).render(&[], &json!(null)).expect_err("none is default").to_string();
    assert!(error.contains("(rag, tool_use)"), "{error}");
}

#[test]
fn a_folders_templates_are_found_as_hugging_face_finds_them() {
    let place = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = place.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    };
    let read = || ChatTemplate::read(place.path()).expect("read");
    let rendered = |tools: serde_json::Value| read().expect("a template").render(&[], &tools).expect("renders");
    write("tokenizer_config.json", r#"{"bos_token": {"content": "<b>"}, "eos_token": "<e>"}"#);
    assert!(read().is_none());
    let list = json!([{"name": "default", "template": "list"}, {"name": "tool_use", "template": "list of tools"}]);
    write("tokenizer_config.json", &json!({ "chat_template": list }).to_string());
    assert_eq!((rendered(json!(null)), rendered(json!([]))), ("list".to_owned(), "list of tools".to_owned()));
    let config =
        json!({ "chat_template": "old", "bos_token": {"content": "<b>"}, "eos_token": "<e>", "pad_token": null });
    write("tokenizer_config.json", &config.to_string());
    assert_eq!(rendered(json!([])), "old");
    write("chat_template.jinja", "{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}");
    assert_eq!(rendered(json!([])), "<b><e>False");
    write("additional_chat_templates/tool_use.jinja", "tools");
    assert_eq!((rendered(json!(null)), rendered(json!([]))), ("<b><e>False".to_owned(), "tools".to_owned()));
    write("additional_chat_templates/tool_use.jinja", "{% if %}");
    let error = ChatTemplate::read(place.path()).expect_err("broken").to_string();
    assert!(error.contains("additional_chat_templates"), "{error}");
}

#[test]
fn a_history_reaches_the_template() {
    let source = "{% for m in messages %}{{ m.tool_calls[0].function.arguments.x }}{{ m.tool_call_id }}{{ m.name }}\
                  {{ m.reasoning_content }}{{ m.thinking }}{% endfor %}";
    let call = json!([{ "id": "1", "function": { "name": "f", "arguments": "{\"x\": [1]}" } }]);
    let turns = json!([
        { "role": "assistant", "content": null, "tool_calls": call, "reasoning": "r" },
    ]);
    let mut messages: Vec<Message> = serde_json::from_value(turns).expect("messages");
    messages.iter_mut().for_each(parse_arguments);
    assert_eq!(template(source).render(&messages, &json!(null)).expect("renders"), "[1]rr");
    let result = json!({ "role": "tool", "content": "", "tool_call_id": "1", "name": "f" });
    let result: Message = serde_json::from_value(result).expect("a message");
    let source = "{{ messages[0].tool_call_id }}{{ messages[0].name }}{{ messages[0].reasoning_content is defined }}";
    assert_eq!(template(source).render(&[result], &json!(null)).expect("renders"), "1fFalse");
}

#[test]
fn arguments_that_are_no_object_stay_a_text() {
    for (given, expected) in
        [("[1]", json!("[1]")), ("{", json!("{")), ("", json!({})), (r#"{"a":1}"#, json!({"a": 1}))]
    {
        let calls = json!([{ "function": { "arguments": given } }, {}, { "function": { "name": "f" } }]);
        let call = json!({ "role": "assistant", "tool_calls": calls });
        let mut message: Message = serde_json::from_value(call).expect("a message");
        parse_arguments(&mut message);
        assert_eq!(message.more["tool_calls"][0]["function"]["arguments"], expected);
        assert_eq!(message.more["tool_calls"][2]["function"]["arguments"], json!({}));
    }
}

#[test]
fn the_date_is_pythons() {
    let at = |days: u64| UNIX_EPOCH + Duration::from_secs(days * 86_400 + 9 * 3600 + 5 * 60 + 7);
    for (days, format, expected) in [
        (19_782, "%d %b %Y", "29 Feb 2024"),
        (20_088, "%A, %B %-d, %Y (%j)", "Tuesday, December 31, 2024 (366)"),
        (20_089, "%-d/%-m/%y %H:%M:%S %-H %I %-I %p", "1/1/25 09:05:07 9 09 9 AM"),
        (20_089, "%e %F %T %D %U %W %V %G %u %w %a", " 1 2025-01-01 09:05:07 01/01/25 00 00 01 2025 3 3 Wed"),
        // 2021-01-03 is in the last week of 2020.
        (18_630, "%F %V %G %U %W", "2021-01-03 53 2020 01 00"),
        (20_089, "100%% %Q %-Q %", "100% %Q %-Q %"),
    ] {
        assert_eq!(clock::strftime(at(days), format), expected, "{format}");
    }
}
