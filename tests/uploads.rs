//! Uploads: what their prefixes may be, what is left out, and what an interruption leaves.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use llmhost_emulator::testing::{Fault, RecordingProxy, Request};
use serde_json::json;
use support::{Scene, emulator, look};

/// A bucket with these uploads.
fn uploads(scene: &Scene, all: &str) {
    scene.pipeline(&format!(
        "[steps.b]\nuses = \"s3\"\nwith = {{ bucket = \"up-bucket-2\", force_destroy = true, upload = [{all}] }}\n"
    ));
}

#[test]
fn prefixes_that_look_alike_are_told_apart_and_those_that_overlap_are_refused_in_the_users_words() {
    let scene = Scene::new();
    scene.write("a/x", "a");
    scene.write("a/sub/x", "a");
    scene.write("b/x", "b");
    let long = "models/meta-llama/Meta-Llama-3.1-8B-Instruct/onnx/int4/cuda/awq-block-128-v";
    let two = |one: &str, other: &str| {
        format!("{{ source = \"a\", prefix = \"{one}\" }}, {{ source = \"b\", prefix = \"{other}\" }}")
    };
    for (one, other, words) in [
        ("llama/3-8b", "llama-3/8b", None),
        (&format!("{long}1"), &format!("{long}2"), None),
        ("m", "m/other", None),
        ("m", "mm", None),
        ("", "m", None),
        ("m", "m", Some("the folders 'a' and 'b' have the same prefix 'm'; give each a prefix of its own")),
        (
            "m",
            "m/sub",
            Some(
                "the object m/sub/x has two sources: the folder 'b' (prefix 'm/sub') and the folder 'a' (prefix 'm') of \
                 b/s3.folder/m; change a prefix, or exclude the file from one of them",
            ),
        ),
        ("/m/", "n", Some("prefix '/m/' must not start or end with a slash, nor have two in a row; write 'm'")),
    ] {
        uploads(&scene, &two(one, other));
        let ran = scene.llmhost(&["validate", "pipeline.toml"]);
        match words {
            None => _ = ran.status(0),
            Some(words) => _ = ran.status(1).says(&[words]),
        }
    }
    uploads(&scene, "{ source = \"a\", prefix = \"m\", exclude = [\"sub/\"] }, { source = \"b\", prefix = \"m/sub\" }");
    scene.llmhost(&["validate", "pipeline.toml"]).status(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_has_a_name_that_s3_takes_and_one_with_dots_is_used_like_any_other() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.write("a/x", "a");
    let bucket = |name: &str| {
        scene.pipeline(&format!(
            "[steps.b]\nuses = \"s3\"\nwith = {{ bucket = \"{name}\", force_destroy = true, upload = [{{ source = \"a\", prefix = \
             \"m\" }}] }}\n"
        ));
    };
    for (name, words) in [
        ("models..acme", "a dot must be between letters or digits"),
        ("192.168.5.4", "it must not look like an IP address"),
        ("acme-s3alias", "names that end with '-s3alias' are reserved"),
        ("xn--acme", "names that start with 'xn--' are reserved"),
        ("Acme_Models", "'A' is not allowed; use lower-case letters, digits, hyphens and dots"),
        ("größe", "'ö' is not allowed"),
        ("", "it must have 3 to 63 characters"),
    ] {
        bucket(name);
        let said = format!("bucket '{name}' is not a bucket name");
        scene.llmhost(&["validate", "pipeline.toml"]).status(1).says(&["b/s3.bucket/main", &said, words]);
    }
    bucket("models.acme.example");
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0).says(&["s3://models.acme.example/m"]);
    scene.at(emulator.url(), &["run", "pipeline.toml", "--refresh"]).status(0).says(&["No changes"]);
    assert_eq!(look(emulator.url())["storage"][0]["objects"], json!({ "m/x": 1 }));
    scene.at(emulator.url(), &["destroy", "pipeline.toml", "--yes"]).status(0).says(&["2 deleted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn excluded_files_stay_here() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    for name in ["a.json", "a.tmp", "sub/b.json", "sub/b.tmp", ".git/config"] {
        scene.write(&format!("m/{name}"), "x");
    }
    uploads(&scene, "{ source = \"m\", prefix = \"m\", exclude = [\"*.tmp\", \".git\"] }");
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0);
    let objects = |expected: &[&str]| {
        let world = look(emulator.url());
        let all: Vec<_> = world["storage"][0]["objects"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(all, expected);
    };
    objects(&["m/a.json", "m/sub/b.json"]);
    // Another pattern for the same files is no change; one for fewer takes them away.
    scene.edit("pipeline.toml", "\".git\"", "\".git/**\"");
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0).says(&["0 changes"]);
    scene.edit("pipeline.toml", "\".git/**\"", "\".git\", \"sub/\"");
    scene.at(emulator.url(), &["run", "pipeline.toml"]).status(0);
    objects(&["m/a.json"]);
    scene.edit("pipeline.toml", "\"*.tmp\"", "\"*\"");
    scene.llmhost(&["validate", "pipeline.toml"]).status(1).says(&["'exclude' excludes every file"]);
    scene.edit("pipeline.toml", "\"*\"", "\"[ab]\"");
    scene.llmhost(&["validate", "pipeline.toml"]).status(1).says(&["'[ab]' has a character"]);
}

fn is_part(number: usize) -> impl Fn(&Request) -> bool + Send + 'static {
    move |request| {
        let part = format!("partNumber={number}");
        request.method == "PUT" && (request.path.contains(&format!("{part}&")) || request.path.ends_with(&part))
    }
}

/// How many parts were sent.
fn sent(proxy: &RecordingProxy) -> usize {
    proxy.requests().iter().filter(|request| request.method == "PUT" && request.path.contains("partNumber=")).count()
}

fn large(scene: &Scene, last: u8) {
    // Six parts, no two alike.
    let mut bytes: Vec<u8> = (0..6_u8).flat_map(|part| vec![part; 8 << 20]).collect();
    *bytes.last_mut().unwrap() = last;
    scene.write("m/large.onnx", bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_upload_goes_on_where_it_stopped_and_leaves_no_parts() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    let unfinished = || look(emulator.url())["storage"][0]["uploads"].clone();
    let objects = || look(emulator.url())["storage"][0]["objects"].clone();
    large(&scene, 1);
    uploads(&scene, "{ source = \"m\", prefix = \"m\" }");

    // The service fails: what was sent is kept.
    proxy.inject(is_part(6), usize::MAX, Fault::Status(500));
    scene.at(proxy.url(), &["run", "pipeline.toml"]).status(1);
    assert_eq!((unfinished(), objects()), (json!(["m/large.onnx"]), json!({})));
    proxy.clear();
    proxy.forget();
    scene.at(proxy.url(), &["run", "pipeline.toml"]).status(0);
    assert!((1..=2).contains(&sent(&proxy)), "{} parts were sent again", sent(&proxy));
    assert_eq!((unfinished(), objects()), (json!([]), json!({ "m/large.onnx": 48 << 20 })));
    scene.at(proxy.url(), &["run", "pipeline.toml"]).status(0).says(&["0 changes"]);
    scene.at(proxy.url(), &["drift", "pipeline.toml", "--exit-code"]).status(0);

    // The file changes meanwhile, in the part that was not sent: the object is the new file all the same.
    large(&scene, 2);
    proxy.inject(is_part(6), usize::MAX, Fault::Status(500));
    scene.at(proxy.url(), &["run", "pipeline.toml"]).status(1);
    assert_eq!(unfinished(), json!(["m/large.onnx"]));
    proxy.clear();
    large(&scene, 3);
    scene.at(proxy.url(), &["run", "pipeline.toml"]).status(0);
    assert_eq!(unfinished(), json!([]));
    scene.at(proxy.url(), &["drift", "pipeline.toml", "--exit-code"]).status(0);

    // What is refused will never end: it is given up at once.
    large(&scene, 4);
    proxy.inject(is_part(5), usize::MAX, Fault::Status(403));
    scene.at(proxy.url(), &["run", "pipeline.toml"]).status(1);
    assert_eq!(unfinished(), json!([]));
    proxy.clear();

    // What was begun goes with its upload.
    proxy.inject(is_part(6), usize::MAX, Fault::Status(500));
    scene.at(proxy.url(), &["run", "pipeline.toml"]).status(1);
    assert_eq!(unfinished(), json!(["m/large.onnx"]));
    proxy.clear();
    scene.pipeline("[steps.b]\nuses = \"s3\"\nwith = { bucket = \"up-bucket-2\", force_destroy = true }\n");
    scene.at(proxy.url(), &["run", "pipeline.toml", "--yes"]).status(0);
    assert_eq!((unfinished(), objects()), (json!([]), json!({})));
}
