use serde_json::json;

use super::*;

const OLD: &str = "sentence_transformers.models";

fn module(path: &str, kind: &str) -> Value {
    json!({ "path": path, "type": kind })
}

fn listed(kinds: &[&str]) -> Value {
    let paths = ["", "1_Pooling", "2_Normalize", "3_More"];
    kinds.iter().zip(paths).map(|(kind, path)| module(path, kind)).collect()
}

fn read(files: &[(&str, Value)], gives: Gives) -> Result<SentenceConfig, String> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, content) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, content.to_string()).expect("written");
    }
    SentenceConfig::read(folder.path(), gives).map_err(|error| error.to_string())
}

#[test]
fn a_folder_is_read_as_it_states_itself() {
    for (transformer, pooling, normalize) in [
        (format!("{OLD}.Transformer"), format!("{OLD}.Pooling"), format!("{OLD}.Normalize")),
        (
            "sentence_transformers.base.modules.transformer.Transformer".into(),
            "sentence_transformers.sentence_transformer.modules.pooling.Pooling".into(),
            "sentence_transformers.base.modules.normalize.Normalize".into(),
        ),
    ] {
        let files = [
            ("modules.json", listed(&[&transformer, &pooling, &normalize])),
            ("1_Pooling/config.json", json!({ "embedding_dimension": 8, "pooling_mode": "cls" })),
            ("sentence_bert_config.json", json!({ "max_seq_length": 77, "do_lower_case": true })),
            (
                "config_sentence_transformers.json",
                json!({ "prompts": { "query": "query: ", "document": "" }, "default_prompt_name": "query" }),
            ),
        ];
        let found = read(&files, Gives::Tokens).expect("understood");
        let prompts = BTreeMap::from([("query".into(), "query: ".into()), ("document".into(), String::new())]);
        let expected = SentenceConfig {
            pooling: vec![PoolingKind::First],
            normalise: true,
            max_tokens: Some(77),
            lower_case: true,
            prompts,
            default_prompt: Some("query".into()),
        };
        assert_eq!(found, expected);
    }
    let plain = [
        ("modules.json", listed(&[&format!("{OLD}.Transformer"), &format!("{OLD}.Pooling")])),
        ("1_Pooling/config.json", json!({ "pooling_mode_lasttoken": true })),
    ];
    let found = read(&plain, Gives::Tokens).expect("understood");
    assert_eq!((found.pooling, found.normalise, found.max_tokens), (vec![PoolingKind::Last], false, None));
    let nothing = read(&[], Gives::Tokens).expect("a plain export");
    assert_eq!((nothing.pooling, nothing.normalise), (vec![PoolingKind::Mean], true));
}

#[test]
fn modules_in_the_graph_are_left_to_it() {
    let dense = listed(&[&format!("{OLD}.Transformer"), &format!("{OLD}.Pooling"), &format!("{OLD}.Dense")]);
    assert!(!read(&[("modules.json", dense)], Gives::Vectors).expect("in the graph").normalise);
    assert!(!read(&[], Gives::Scores).expect("a cross-encoder").normalise);
}

#[test]
fn what_is_not_understood_is_named() {
    let (transformer, pooling) = (format!("{OLD}.Transformer"), format!("{OLD}.Pooling"));
    let modules = |third: &str| ("modules.json", listed(&[&transformer, &pooling, third]));
    let mode = || ("1_Pooling/config.json", json!({ "pooling_mode": "mean" }));
    let limits = |content| vec![("sentence_bert_config.json", content)];
    let about = |content| vec![("config_sentence_transformers.json", content)];
    for (files, words) in [
        (vec![modules(&format!("{OLD}.Dense")), mode()], "'sentence_transformers.models.Dense' at place 2"),
        (vec![modules("mine.Normalize"), mode()], "'mine.Normalize' at place 2"),
        (vec![("modules.json", listed(&["custom_st.Transformer"]))], "'custom_st.Transformer' at place 0"),
        (vec![("modules.json", listed(&[&transformer]))], "lists no Pooling"),
        (vec![("modules.json", json!({}))], "not a list of modules"),
        (vec![("modules.json", json!([module("../x", &transformer)]))], "outside the model's folder"),
        (vec![modules(&format!("{OLD}.Normalize"))], "1_Pooling has no config.json"),
        (
            vec![
                modules(&format!("{OLD}.Normalize")),
                mode(),
                ("2_Normalize/config.json", json!({ "module_input_name": "token_embeddings" })),
            ],
            "module_input_name is \"token_embeddings\"",
        ),
        (limits(json!({ "max_seq_length": "long" })), "max_seq_length is \"long\""),
        (limits(json!({ "max_seq_length": 0 })), "max_seq_length is 0"),
        (limits(json!({ "do_lower_case": 1 })), "do_lower_case is 1"),
        (limits(json!({ "transformer_task": "text-generation" })), "transformer_task is \"text-generation\""),
        (limits(json!({ "query_expansion": { "length": 3 } })), "does not have query_expansion"),
        (
            limits(json!({ "modality_config": { "text": { "method_output_name": "pooler_output" } } })),
            "method_output_name is \"pooler_output\"",
        ),
        (about(json!({ "prompts": { "query": 7 } })), "prompts must be texts"),
        (about(json!({ "prompts": {}, "default_prompt_name": "query" })), "default_prompt_name \"query\""),
        (
            vec![
                ("1_Pooling/config.json", json!({ "pooling_mode": "mean", "include_prompt": false })),
                ("config_sentence_transformers.json", json!({ "prompts": { "query": "find: " } })),
            ],
            "include_prompt is false",
        ),
    ] {
        let error = read(&files, Gives::Tokens).expect_err(words);
        assert!(error.contains(words), "{words} in {error}");
    }
    let prompt = about(json!({ "prompts": { "a": "b" }, "default_prompt_name": "a" }));
    assert!(read(&prompt, Gives::Scores).expect_err("a prompt").contains("without one"));
    let dense = vec![("modules.json", listed(&[&transformer, &format!("{OLD}.Dense")]))];
    assert!(read(&dense, Gives::Scores).expect_err("a head of its own").contains("Dense"));
}
