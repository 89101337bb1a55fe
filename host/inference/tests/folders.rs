//! Folders and settings that are wrong: each has its own sentence, and none a panic.

mod common;

use std::path::Path;

use common::{copy, folder, options};
use llmhost_inference::engine::Options;
use llmhost_inference::{Device, Engine};

type Spoil = fn(&Path);

#[test]
fn every_wrong_folder_is_told_apart() {
    let model = |folder: &Path| folder.join("model.onnx");
    let cases: [(&str, Spoil, &str); 9] = [
        ("no model", |folder| std::fs::remove_file(folder.join("model.onnx")).expect("removed"), "has no model.onnx"),
        (
            "no tokenizer",
            |folder| std::fs::remove_file(folder.join("tokenizer.json")).expect("removed"),
            "has no tokenizer.json; without it, text cannot be converted to tokens",
        ),
        ("garbage", |folder| write(folder, "model.onnx", &[0xff; 5000]), "is not an ONNX model"),
        ("a page of text", |folder| write(folder, "model.onnx", b"<html>not found</html>"), "is not an ONNX model"),
        (
            "cut off",
            |folder| {
                let bytes = std::fs::read(folder.join("model.onnx")).expect("read");
                write(folder, "model.onnx", &bytes[..bytes.len() / 2]);
            },
            "bytes are missing",
        ),
        ("tokenizer broken", |folder| write(folder, "tokenizer.json", b"{}"), "tokenizer.json is not valid"),
        ("config broken", |folder| write(folder, "config.json", b"{"), "config.json is not valid"),
        (
            "template broken",
            |folder| write(folder, "chat_template.jinja", b"{% if %}"),
            "chat_template.jinja is not valid",
        ),
        ("bits flipped", flip, "is not what"),
    ];
    for (name, spoil, part) in cases {
        let place = tempfile::tempdir().expect("a folder");
        copy("tiny", place.path());
        if name != "bits flipped" {
            // A manifest would tell all of these first.
            let _ = std::fs::remove_file(place.path().join("manifest.json"));
        }
        assert!(model(place.path()).is_file());
        spoil(place.path());
        let error = Engine::load(place.path(), &Options { verify: true, ..options() });
        let error = error.expect_err(name).to_string();
        assert!(error.contains(part), "{name}: {error}");
    }
    let error = Engine::load(Path::new("/no/such/folder"), &options()).expect_err("nothing").to_string();
    assert_eq!(error, "there is no folder /no/such/folder");
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    std::fs::write(folder.join(name), bytes).expect("written");
}

/// Changes one weight; the graph stays valid.
fn flip(folder: &Path) {
    let mut bytes = std::fs::read(folder.join("model.onnx")).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    write(folder, "model.onnx", &bytes);
}

#[test]
fn an_operator_set_of_the_future_is_named() {
    let place = tempfile::tempdir().expect("a folder");
    copy("tiny", place.path());
    let _ = std::fs::remove_file(place.path().join("manifest.json"));
    let path = place.path().join("model.onnx");
    let mut bytes = std::fs::read(&path).expect("read");
    // opset_import { domain: "", version: 21 } as the exporter writes it, at the end of the file.
    let patterns: [&[u8]; 2] = [&[0x42, 0x04, 0x0a, 0x00, 0x10], &[0x42, 0x02, 0x10]];
    let place_of = |pattern: &&[u8]| {
        bytes.windows(pattern.len()).rposition(|window| window == *pattern).map(|at| at + pattern.len())
    };
    let version = patterns.iter().find_map(place_of).expect("an opset import");
    bytes[version] = 99;
    std::fs::write(&path, bytes).expect("written");
    let error = Engine::load(place.path(), &options()).expect_err("too new").to_string();
    assert!(error.contains("operators of set 99") && error.contains("Take a newer ONNX Runtime"), "{error}");
}

#[test]
fn settings_that_do_not_fit_are_said() {
    for (options, part) in [
        (Options { context: Some(1 << 20), ..options() }, "the model supports"),
        (Options { cache_bytes: Some(1000), ..options() }, "reduce the context length"),
    ] {
        let error = Engine::load(&folder("tiny"), &options).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    }
    let shorter = Options { context: Some(1 << 20), shorten: true, ..options() };
    let own = Engine::load(&folder("tiny"), &options()).expect("fits").stats().context;
    assert_eq!(Engine::load(&folder("tiny"), &shorter).expect("takes its own").stats().context, own);
    let small = Engine::load(&folder("tiny"), &Options { cache_bytes: Some(200_000), ..options() }).expect("fits");
    let stats = small.stats();
    assert!(stats.cache_bytes <= 200_000 && stats.context < 512, "{stats:?}");
}

#[test]
fn cuda_that_is_not_there_is_named_within_two_seconds() {
    // The test of a library without CUDA; with a GPU this model runs on it.
    let (folder_of_it, settings) = (folder("tiny"), Options { device: Device::Cuda, ..options() });
    let begun = std::time::Instant::now();
    match Engine::load(&folder_of_it, &settings) {
        Ok(engine) => assert!(engine.report().nodes["CUDAExecutionProvider"] > 0),
        Err(error) => {
            let error = error.to_string();
            assert!(error.starts_with("CUDA needs") && error.contains(".so"), "{error}");
            assert!(begun.elapsed().as_secs_f64() < 2.0);
        }
    }
    let auto = Engine::load(&folder("tiny"), &Options { device: Device::Auto, ..options() }).expect("falls back");
    let report = auto.report();
    assert_eq!(report.fallback.is_some(), report.provider.as_str() == "cpu", "{report:?}");
    assert!(report.nodes.values().sum::<usize>() > 10, "nodes are counted: {:?}", report.nodes);
}
