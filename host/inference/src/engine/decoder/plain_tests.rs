//! What is found out about a graph before it serves.

use std::path::Path;
use std::process::Command;

use llmhost_example_models::{Example, onnxruntime, python};

use super::*;
use crate::model::{Layout, Model};
use crate::runtime::{Runtime, Search, SessionSettings};

/// The tiny model as another exporter would write it.
fn decoder(how: Option<&str>, slots: usize) -> PlainDecoder {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(Example::TinyPlain.folder().expect("made")).expect("a folder").flatten() {
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("copied");
    }
    if let Some(how) = how {
        std::fs::remove_file(folder.path().join("manifest.json")).expect("it has one");
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts/rewrite.py");
        let mut command = Command::new(python().expect("Python"));
        let status = command.arg(program).arg(folder.path().join("model.onnx")).arg(how).status();
        assert!(status.expect("it runs").success());
    }
    let search = Search { library: Some(onnxruntime().expect("there")), ..Search::default() };
    let runtime = Runtime::load(&search).expect("it loads");
    let (model, opened) =
        Model::open(folder.path(), None, &runtime, &SessionSettings::for_a_test(), false).expect("it opens");
    let Layout::Decoder(layout) = model.layout else { panic!("a decoder") };
    PlainDecoder::new(
        opened.session,
        layout,
        CacheSize { slots, context: 64, chunk: 16, tiers: None, own_tensors: false },
    )
}

#[test]
fn a_first_run_shows_what_a_graph_can() {
    for (how, batches, chunks) in [
        (None, true, true),
        (Some("keep"), true, true),
        (Some("positions-of-mask"), true, true),
        (Some("positions-of-past"), false, true),
        (Some("branch"), true, true),
        (Some("branch-of-one-token"), true, false),
    ] {
        let decoder = decoder(how, 4);
        assert_eq!((decoder.batches, decoder.chunks), (batches, chunks), "{how:?}");
        assert!(decoder.groups.is_empty() && decoder.past.iter().all(Vec::is_empty), "{how:?}: nothing is left of it");
    }
    assert!(!decoder(None, 1).batches, "one slot needs no company");
}

#[test]
fn the_same_slots_step_on_without_a_copy() {
    let mut decoder = decoder(None, 4);
    let row = |slot: usize, cached: usize| Row { slot, cached, token: 9 };
    for (slot, length) in [(0, 3), (1, 9), (2, 5)] {
        decoder.prefill(slot, 0, &decoder.samples(length), true).expect("read");
    }
    let members =
        |decoder: &PlainDecoder| -> Vec<_> { decoder.groups.iter().map(|group| group.rows.clone()).collect() };
    decoder.decode(&[row(0, 3), row(1, 9), row(2, 5)], &[]).expect("stepped");
    decoder.decode(&[row(0, 4), row(1, 10), row(2, 6)], &[]).expect("stepped");
    assert_eq!(members(&decoder), [[Some((0, 5)), Some((1, 11)), Some((2, 7))]]);
    assert_eq!(decoder.groups[0].width, 11);
    // A prompt is read beside the group; who stops keeps its tokens, and the others close up.
    decoder.prefill(3, 0, &decoder.samples(4), true).expect("read");
    assert_eq!(decoder.groups.len(), 1);
    decoder.decode(&[row(0, 5), row(2, 7), row(3, 4)], &[]).expect("stepped");
    assert_eq!(members(&decoder), [[Some((0, 6)), Some((2, 8)), Some((3, 5))]]);
    assert_eq!((decoder.groups[0].width, tokens_of(&decoder.past[1][0])), (8, 11));
    assert!(decoder.share(1, 1, 6).expect("there") && decoder.share(2, 1, 8).expect("there"));
    assert!(!decoder.share(0, 1, 7).expect("too many"));
    assert_eq!(tokens_of(&decoder.past[1][0]), 8);
    let wrong = decoder.decode(&[row(0, 9), row(2, 8), row(3, 5)], &[]).expect_err("a wrong place").to_string();
    assert!(wrong.contains("the cache holds 6 tokens where 9 are needed"), "{wrong}");
}
