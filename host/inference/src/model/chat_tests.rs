use serde_json::json;

use super::*;

fn template(source: &str) -> ChatTemplate {
    ChatTemplate::new(source.to_owned(), "<s>".to_owned(), "</s>".to_owned()).expect("compiles")
}

fn render(source: &str) -> String {
    template(source).render(&[Message::new("user", " Hello ")], &json!(null)).expect("renders")
}

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
        ("{{ {'a': [1, 'ü<']} | tojson }}", "{\"a\": [1, \"ü<\"]}"),
        ("{% for i in range(5) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("{% generation %}x{% endgeneration %}", "x"),
        ("{% set ns = namespace(n=0) %}{% set ns.n = 2 %}{{ ns.n }}", "2"),
        ("{% if tools is defined and tools %}t{% else %}none{% endif %}", "none"),
        ("{% if messages[0].content.startswith(' H') %}yes{% endif %}", "yes"),
        ("    {% if true %}\nx\n    {% endif %}\n", "x\n"),
        ("{{ messages[0].nothing }}", ""),
    ] {
        assert_eq!(render(source), expected, "{source}");
    }
}

#[test]
fn a_refusal_and_a_failure_are_told_apart() {
    let refusing = template("{{ raise_exception('roles must alternate') }}");
    let error = refusing.render(&[], &json!(null)).expect_err("refused");
    assert!(matches!(&error, ChatError::Refused(reason) if reason == "roles must alternate"), "{error}");
    let failing = template("{{ nothing.at.all }}");
    assert!(matches!(failing.render(&[], &json!(null)), Err(ChatError::Failed(_))));
    assert!(ChatTemplate::new("{% if %}".to_owned(), String::new(), String::new()).is_err());
}

#[test]
fn the_date_is_a_date() {
    assert_eq!(civil(0), (1970, 1, 1));
    assert_eq!(civil(19_782), (2024, 2, 29));
    assert_eq!(civil(20_088), (2024, 12, 31));
    let today = strftime_now("%d %b %Y".to_owned());
    assert_eq!(today.len(), 11, "{today}");
    assert_eq!(strftime_now("100%% %q".to_owned()), "100% %q");
}
