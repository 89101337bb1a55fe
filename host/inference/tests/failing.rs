//! A graph that fails while it runs: the request in question fails, and nothing beside it.
#![allow(missing_docs)]

mod common;

use std::process::Command;

use common::{answer, copy, engine, options, request, tokens};
use llmhost_example_models::python;
use llmhost_inference::engine::Options;
use llmhost_inference::{Engine, RequestError};

/// Rewrites a decoder so that it fails on one token, as a device does that runs out of memory.
const SPOIL: &str = "
import sys, onnx
from onnx import helper, numpy_helper
import numpy as np
path, token = sys.argv[1], int(sys.argv[2])
model = onnx.load(path)
graph = model.graph
for node in graph.node:
    for at, name in enumerate(node.input):
        if name == 'input_ids':
            node.input[at] = 'checked_ids'
constant = lambda name, value: graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
constant('the_token', token), constant('far', 1000), constant('one_zero', [0])
nodes = [
    helper.make_node('Equal', ['input_ids', 'the_token'], ['is_it']),
    helper.make_node('Cast', ['is_it'], ['is_it_number'], to=onnx.TensorProto.INT64),
    helper.make_node('Mul', ['is_it_number', 'far'], ['place']),
    helper.make_node('Gather', ['one_zero', 'place'], ['spoilt_by']),
    helper.make_node('Add', ['input_ids', 'spoilt_by'], ['checked_ids']),
]
old = list(graph.node)
del graph.node[:]
graph.node.extend(nodes + old)
onnx.save(model, path)
";

#[test]
fn a_step_that_fails_ends_its_request_and_no_other() {
    for name in ["tiny", "tiny-plain"] {
        let whole = engine(name, &options());
        let expected: Vec<Vec<u32>> = (0..3).map(|seed| answer(&whole, request(tokens(seed, 20), 60)).tokens).collect();
        let used =
            |token: &u32| (0..3).any(|seed| tokens(seed, 20).contains(token)) || expected.concat().contains(token);
        let bad = (3..250).find(|token| !used(token)).expect("a token that nobody uses");

        let folder = tempfile::tempdir().expect("a folder");
        copy(name, folder.path());
        // The checksums are of the whole one.
        _ = std::fs::remove_file(folder.path().join("manifest.json"));
        let graph = folder.path().join("model.onnx");
        let spoilt =
            Command::new(python().expect("Python")).args(["-c", SPOIL]).arg(&graph).arg(bad.to_string()).output();
        let spoilt = spoilt.expect("it starts");
        assert!(spoilt.status.success(), "{}", String::from_utf8_lossy(&spoilt.stderr));
        let failing = Engine::load(folder.path(), &Options { max_batch: 8, ..options() }).expect("it loads");

        let streams: Vec<_> =
            (0..3).map(|seed| failing.generate(request(tokens(seed, 20), 60)).expect("accepted")).collect();
        let prompt = [tokens(7, 9), vec![bad], tokens(8, 3)].concat();
        for _ in 0..5 {
            let failed = failing.generate(request(prompt.clone(), 5)).expect("accepted").collect_blocking();
            assert!(matches!(&failed, Err(RequestError::Failed(reason)) if reason.contains("Gather")), "{failed:?}");
        }
        for (stream, expected) in streams.into_iter().zip(&expected) {
            assert_eq!(stream.collect_blocking().expect("answered").tokens, *expected, "{name}");
        }
        let stats = failing.stats();
        assert_eq!((stats.active, stats.queued), (0, 0), "{name}");
    }
}
