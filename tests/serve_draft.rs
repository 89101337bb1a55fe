//! A draft model beside a model: the same answers, figures of its own, and errors in a sentence.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use llmhost_example_models::{Example, onnxruntime};
use serde_json::{Value, json};
use support::served::{Served, serve};
use support::{Ran, Scene, copy};

/// A folder with the tiny model, its copy, and models that cannot guess for it.
fn models() -> Scene {
    let scene = Scene::new();
    for name in ["chat", "same"] {
        copy(&Example::Tiny.folder().unwrap(), &scene.path(&format!("models/{name}")));
    }
    copy(&Example::TinyWide.folder().unwrap(), &scene.path("models/other"));
    copy(&Example::TinyEmbeddings.folder().unwrap(), &scene.path("models/embed"));
    copy(&Example::Tiny.folder().unwrap(), &scene.path("models/words"));
    let path = scene.path("models/words/tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let vocabulary = tokenizer["model"]["vocab"].as_object_mut().unwrap();
    let (one, other) = (vocabulary["a"].clone(), vocabulary["b"].clone());
    (vocabulary["a"], vocabulary["b"]) = (other, one);
    std::fs::write(&path, tokenizer.to_string()).unwrap();
    std::fs::remove_file(scene.path("models/words/manifest.json")).unwrap();
    scene
}

fn texts(served: &Served, model: &str) -> Vec<String> {
    let ask = |seed: usize, temperature: f32| {
        let prompt = format!("{seed} roads lead to {}", "Rome ".repeat(seed));
        let body = json!({ "model": model, "prompt": prompt, "max_tokens": 40, "temperature": temperature,
            "seed": seed, "ignore_eos": true });
        let (status, text) = served.ask("POST", "/v1/completions", &body.to_string());
        assert_eq!(status, 200, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["choices"][0]["text"].as_str().unwrap().to_owned()
    };
    (0..8).flat_map(|seed| [ask(seed, 0.0), ask(seed, 0.9)]).collect()
}

/// A figure of the guesses.
fn figure(served: &Served, name: &str, source: &str) -> u64 {
    let (_, metrics) = served.ask("GET", "/metrics", "");
    let start = format!("llmhost_speculative_{name}_tokens_total{{model=\"chat\",source=\"{source}\"}} ");
    metrics.lines().find_map(|line| line.strip_prefix(&start)).unwrap().parse().unwrap()
}

#[test]
fn a_server_answers_the_same_with_a_draft_model_and_counts_its_guesses() {
    let scene = models();
    let base = ["--model", "models/chat", "--threads", "1", "--speculation"];
    let expected = texts(&serve(&scene, &[&base[..], &["off"]].concat()), "chat");
    let accepted = ["models/same", "models/other"].map(|draft| {
        let served = serve(&scene, &[&base[..], &["always", "--draft", draft]].concat());
        assert_eq!(texts(&served, "chat"), expected, "{draft}");
        let [proposed, accepted] = ["proposed", "accepted"].map(|name| figure(&served, name, "draft"));
        assert!(proposed > 100 && accepted <= proposed, "{draft}: {accepted} of {proposed}");
        assert!(figure(&served, "proposed", "ngram") >= figure(&served, "accepted", "ngram"));
        accepted
    });
    // What is drawn at random nobody guesses; half of the answers are greedy.
    assert!(accepted[0] > 200 && accepted[0] > 5 * accepted[1], "{accepted:?} of the guesses were right");
}

#[test]
fn a_table_of_the_models_names_the_draft_model_and_a_bad_one_disturbs_no_other_model() {
    let scene = models();
    scene.write(
        "models/models.toml",
        r#"
            [models.chat]
            source = "chat"
            draft = "same"
            threads = 1

            [models.bad]
            source = "chat"
            draft = "words"
            load = "first-use"
            threads = 1
        "#,
    );
    let served = serve(&scene, &["--models", "models/models.toml", "--speculation", "always"]);
    texts(&served, "chat");
    assert!(figure(&served, "accepted", "draft") > 50);
    let body = json!({ "model": "bad", "prompt": "a", "max_tokens": 2 });
    assert_eq!(served.ask("POST", "/v1/completions", &body.to_string()).0, 503);
    texts(&served, "chat");
    scene.write("models/bad.toml", "[models.chat]\nsource = \"chat\"\ndraft = \"nowhere\"\n");
    let ran = scene.llmhost(&["serve", "--port", "0", "--models", "models/bad.toml"]);
    ran.status(2).says(&["models/bad.toml line 3: there is no folder models/nowhere", "A draft is a folder"]);
}

fn generate(scene: &Scene, args: &[&str]) -> Ran {
    let library = onnxruntime().unwrap().display().to_string();
    scene.llmhost(&[&["generate", "--device", "cpu", "--onnxruntime", &library], args, &["Hi"]].concat())
}

#[test]
fn a_draft_model_that_cannot_guess_is_one_clear_error() {
    let scene = models();
    let chat = ["--model", "models/chat", "--max-tokens", "4", "--draft"];
    generate(&scene, &[&chat[..], &["models/same"]].concat()).status(0);
    for (draft, words) in [
        ("models/nowhere", "the draft model models/nowhere cannot be used: there is no such folder; check the address"),
        ("models/words", "so its tokens mean something else; name a smaller model of the same family"),
        ("models/embed", "it is of the kind 'encoder' and generates no text; name a smaller model"),
        ("models/chat", "it is the model itself, which gains nothing; name a smaller model"),
    ] {
        generate(&scene, &[&chat[..], &[draft]].concat()).status(1).says(&[words, "or remove it"]);
    }
    generate(&scene, &[&chat[..], &["https://x/y"]].concat())
        .status(2)
        .says(&["the draft model https://x/y: ", "only s3:// addresses and folders"]);
    let off = generate(&scene, &[&chat[..], &["models/same", "--speculation", "off"]].concat());
    off.status(2).says(&["--speculation off has none guessed"]);
    let two =
        ["serve", "--port", "0", "--model", "a=models/chat", "--model", "b=models/chat", "--draft", "models/same"];
    scene.llmhost(&two).status(2).says(&["--draft is for one model", "draft = \"ADDRESS\""]);
}
