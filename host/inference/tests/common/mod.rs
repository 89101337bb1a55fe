//! Real models and a real ONNX Runtime for the tests.
//!
//! Both are made and found by the crate of example models.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use llmhost_example_models::{Example, onnxruntime, python};
use llmhost_inference::engine::{Generated, NamedTensor, Options, Prompt, Request, TensorInfo};
use llmhost_inference::runtime::Search;
use llmhost_inference::{Device, Engine};

/// The folder of a model.
pub(crate) fn folder(name: &str) -> PathBuf {
    let example = Example::ALL.into_iter().find(|example| example.name() == name).expect("an example of this name");
    example.folder().expect("the model is made")
}

/// Settings for tests: one thread, no waiting in loops; the processor, or where `LLMHOST_TEST_CUDA`
/// names a library with CUDA, the GPU.
pub(crate) fn options() -> Options {
    let gpu = std::env::var_os("LLMHOST_TEST_CUDA").map(PathBuf::from);
    let device = if gpu.is_some() { Device::Cuda } else { Device::Cpu };
    let library = gpu.unwrap_or_else(|| onnxruntime().expect("the library is there"));
    let search = Search { library: Some(library), ..Search::default() };
    Options { search, device, threads: Some(1), spin: Duration::ZERO, max_batch: 4, ..Options::default() }
}

pub(crate) fn engine(name: &str, options: &Options) -> Engine {
    Engine::load(&folder(name), options).expect("the test model loads")
}

/// Tokens that differ with the seed.
pub(crate) fn tokens(seed: u32, count: usize) -> Vec<u32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        3 + (state >> 16) % 250
    };
    (0..count).map(|_| next()).collect()
}

/// A greedy request that ends by length alone.
pub(crate) fn request(prompt: Vec<u32>, max_tokens: usize) -> Request {
    Request { max_tokens: Some(max_tokens), ignore_eos: true, ..Request::new(Prompt::Tokens(prompt)) }
}

pub(crate) fn answer(engine: &Engine, request: Request) -> Generated {
    engine.generate(request).expect("accepted").collect_blocking().expect("answered")
}

/// Greedy tokens by the simplest loop there is: the whole text through the graph for each token.
pub(crate) async fn plain_loop(engine: &Engine, prompt: &[u32], count: usize) -> Vec<u32> {
    let mut all = prompt.to_vec();
    for _ in 0..count {
        let outputs = engine.run(whole_text(engine, &all)).await.expect("the graph runs");
        let logits = outputs.iter().find(|output| output.name == "logits").expect("logits");
        let vocabulary = *logits.shape.last().expect("three dimensions");
        let numbers = logits.numbers();
        let last = &numbers[numbers.len() - vocabulary..];
        let best = (0..vocabulary).max_by(|a, b| last[*a].total_cmp(&last[*b]).then(b.cmp(a))).expect("a vocabulary");
        all.push(u32::try_from(best).expect("small"));
    }
    all.split_off(prompt.len())
}

/// The inputs of a decoder: a text, and nothing in the past.
pub(crate) fn whole_text(engine: &Engine, tokens: &[u32]) -> Vec<NamedTensor> {
    let input = |info: &TensorInfo| {
        let (element, name) = (info.element.expect("a tensor"), info.name.clone());
        let numbers: Vec<i64> = match name.as_str() {
            "input_ids" => tokens.iter().map(|token| i64::from(*token)).collect(),
            "attention_mask" => vec![1; tokens.len()],
            "position_ids" => (0..).take(tokens.len()).collect(),
            _ => {
                let shape = vec![1, info.shape[1].expect("heads"), 0, info.shape[3].expect("a size")];
                return NamedTensor { name, element, shape, data: vec![] };
            }
        };
        let data = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        NamedTensor { name, element, shape: vec![1, tokens.len()], data }
    };
    engine.inputs().iter().map(input).collect()
}

/// Copies a model's folder, to be spoilt.
pub(crate) fn copy(name: &str, to: &Path) {
    for entry in std::fs::read_dir(folder(name)).expect("a folder").filter_map(Result::ok) {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
        }
    }
}

/// As above, into a folder of its own, without the checksums of the whole one.
pub(crate) fn copied(name: &str) -> tempfile::TempDir {
    let place = tempfile::tempdir().expect("a folder");
    copy(name, place.path());
    // Not every model has one.
    _ = std::fs::remove_file(place.path().join("manifest.json"));
    place
}

/// Rewrites a graph of tokens so that it fails on one token, as a device does that runs out of memory.
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

/// Makes a folder's graph fail where it reads `token`.
pub(crate) fn fails_on(folder: &Path, token: u32) {
    run_python(&["-c", SPOIL, &folder.join("model.onnx").display().to_string(), &token.to_string()], "");
}

/// What Python writes, given this on its standard input.
pub(crate) fn run_python(arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(python().expect("Python"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
