//! Graphs of several kinds, changed and run beside what they were.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use llmhost_example_models::{Example, onnxruntime, python};
use ort::session::Session;

use super::trial::logits;
use super::*;
use crate::runtime::{Files, Runtime, Search, SessionSettings, open};

/// The heads that exporters put behind the last norm, in place of the plain product of the example.
const REWRITE: &str = r#"
import sys, onnx
from onnx import helper, numpy_helper, TensorProto
import numpy as np
path, how = sys.argv[1], sys.argv[2]
model = onnx.load(path)
graph = model.graph
weights = {one.name: one for one in graph.initializer}
def remove(what, which):
    what.remove(which)
def constant(name, value):
    graph.initializer.append(numpy_helper.from_array(value, name))
head = next(node for node in graph.node if "logits" in node.output)
matrix = numpy_helper.to_array(weights[head.input[1]])
hidden = head.input[0]
def tail(*nodes):
    remove(graph.node, head)
    graph.node.extend(nodes)
node = helper.make_node
if how == "tied":
    embedding = next(one for one in graph.initializer if "embed_tokens" in one.name)
    tail(node("Transpose", [embedding.name], ["turned"], perm=[1, 0]), node("MatMul", [hidden, "turned"], ["logits"]))
elif how == "softcap":
    constant("cap", np.array(30, matrix.dtype))
    tail(node("MatMul", [hidden, head.input[1]], ["raw"]), node("Div", ["raw", "cap"], ["small"]),
         node("Tanh", ["small"], ["bent"]), node("Mul", ["bent", "cap"], ["logits"]))
elif how == "cast":
    graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    tail(node("MatMul", [hidden, head.input[1]], ["raw"]), node("Cast", ["raw"], ["logits"], to=TensorProto.FLOAT16))
elif how == "int4":
    rows, columns = matrix.shape[1], matrix.shape[0]
    block, blocks = 32, columns // 32
    parts = matrix.T.reshape(rows, blocks, block)
    scale = np.abs(parts).max(axis=2) / 7
    whole = np.clip(np.round(parts / scale[:, :, None]) + 8, 0, 15).astype(np.uint8)
    constant("packed", whole[:, :, 0::2] | whole[:, :, 1::2] << 4)
    constant("scales", scale.astype(np.float32).reshape(rows, blocks))
    tail(node("MatMulNBits", [hidden, "packed", "scales"], ["logits"], domain="com.microsoft", K=columns, N=rows,
              bits=4, block_size=block, accuracy_level=4))
elif how.startswith("int4-layers"):
    for old in [each for each in graph.node if each.op_type == "MatMul" and each is not head]:
        weight = numpy_helper.to_array(weights[old.input[1]]).T
        (rows, columns), block = weight.shape, 16
        parts = weight.reshape(rows, columns // block, block)
        low, high = parts.min(axis=2), parts.max(axis=2)
        scale = np.maximum(high - low, 1e-6) / 15
        zero = np.clip(np.round(-low / scale), 0, 15).astype(np.uint8)
        whole = np.clip(np.round(parts / scale[:, :, None]) + zero[:, :, None], 0, 15).astype(np.uint8)
        if zero.shape[1] % 2:
            zero = np.concatenate([zero, np.zeros((rows, 1), np.uint8)], axis=1)
        of = old.output[0]
        constant(of + ".packed", whole[:, :, 0::2] | whole[:, :, 1::2] << 4)
        constant(of + ".scales", scale.astype(weight.dtype))
        constant(of + ".zeros", zero[:, 0::2] | zero[:, 1::2] << 4)
        new = node("MatMulNBits", [old.input[0], of + ".packed", of + ".scales", of + ".zeros"], [of],
                   domain="com.microsoft", K=columns, N=rows, bits=4, block_size=block, accuracy_level=4)
        place = list(graph.node).index(old)
        graph.node.remove(old)
        graph.node.insert(place, new)
elif how == "external":
    pass
elif how == "flat":
    constant("flat", np.array([-1, matrix.shape[0]], np.int64))
    constant("columns", np.array([matrix.shape[1]], np.int64))
    tail(node("Reshape", [hidden, "flat"], ["rows"]), node("Gemm", ["rows", head.input[1]], ["raw"]),
         node("Shape", [hidden], ["batch_and_width"], start=0, end=2),
         node("Concat", ["batch_and_width", "columns"], ["shape"], axis=0),
         node("Reshape", ["raw", "shape"], ["logits"]))
elif how == "mixed":
    constant("over", np.array([1], np.int64))
    tail(node("ReduceMean", [hidden, "over"], ["mean"]), node("Add", [hidden, "mean"], ["both"]),
         node("MatMul", ["both", head.input[1]], ["logits"]))
elif how == "last":
    constant("end", np.array([-1], np.int64))
    tail(node("Gather", [hidden, "end"], ["one"], axis=1), node("MatMul", ["one", head.input[1]], ["logits"]))
    graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1
elif how == "old":
    model.opset_import[0].version = 12
elif how == "taken":
    constant("llmhost.positions", np.array([0], np.int64))
elif how == "named-shapes":
    for each in [node.output[0] for node in graph.node[-4:-1]]:
        graph.value_info.append(helper.make_tensor_value_info(each, TensorProto.FLOAT, ["batch_size", "sequence_length", None]))
else:
    raise SystemExit(how)
if how.endswith("external"):
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=256)
else:
    onnx.save(model, path)
"#;

/// A folder with an example's graph, rewritten.
fn rewritten(example: Example, how: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(example.folder().expect("made")).expect("a folder").flatten() {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("copied");
        }
    }
    if let Some(how) = how {
        let mut command = Command::new(python().expect("Python"));
        let output = command.args(["-c", REWRITE]).arg(folder.path().join("model.onnx")).arg(how).output();
        let output = output.expect("it runs");
        assert!(output.status.success(), "{how}: {}", String::from_utf8_lossy(&output.stderr));
    }
    folder
}

struct Tried {
    runtime: Arc<Runtime>,
    path: std::path::PathBuf,
    files: Files,
    graph: Graph,
    config: ModelConfig,
}

impl Tried {
    fn new(folder: &Path) -> Self {
        let search = Search { library: Some(onnxruntime().expect("there")), ..Search::default() };
        let path = folder.join("model.onnx");
        Self {
            runtime: Runtime::load(&search).expect("it loads"),
            files: Files::of(folder),
            graph: Graph::read(&path).expect("a graph"),
            config: ModelConfig::read(folder).expect("read"),
            path,
        }
    }

    fn open(&self, bytes: Option<&[u8]>) -> Result<Opened, OpenError> {
        open(&self.runtime, (&self.path, bytes), &self.files, 1, &SessionSettings::for_a_test())
    }

    fn at(&self, depth: Depth) -> Result<(Opened, DecoderLayout), String> {
        self.changed(depth, Wanted { likeliest: true, joins: false })
    }

    fn changed(&self, depth: Depth, wanted: Wanted) -> Result<(Opened, DecoderLayout), String> {
        attempt(&self.path, (&self.graph, &self.config), (depth, wanted), &|bytes| self.open(Some(bytes)))
    }

    /// The graph as it is.
    fn unchanged(&self) -> (Session, DecoderLayout) {
        let opened = self.open(None).expect("it opens");
        let layout = Layout::of(&opened.session, &self.graph, &self.config, None, &self.path, false);
        let Layout::Decoder(layout) = layout.expect("a layout") else { panic!("a decoder") };
        (opened.session, layout)
    }
}

/// How many nodes of the file are followed.
fn tail_of(folder: &Path, depth: Depth) -> usize {
    let editor = Editor::read(&folder.join("model.onnx")).expect("read");
    super::tail::Tail::of(&editor, "logits", depth).map_or(0, |tail| tail.nodes.len())
}

#[test]
fn logits_at_positions_are_those_of_the_whole_graph() {
    for (example, how) in [
        (Example::Tiny, None),
        (Example::TinyPlain, None),
        (Example::TinyFp16, None),
        (Example::TinyLongRope, None),
        (Example::TinyWide, None),
        (Example::Tiny, Some("tied")),
        (Example::TinyFp16, Some("tied")),
        (Example::Tiny, Some("softcap")),
        (Example::TinyFp16, Some("softcap")),
        (Example::Tiny, Some("cast")),
        (Example::Tiny, Some("int4")),
        (Example::TinyPlain, Some("int4")),
        (Example::Tiny, Some("external")),
        (Example::Tiny, Some("named-shapes")),
    ] {
        let folder = rewritten(example, how);
        let tried = Tried::new(folder.path());
        let (mut plain, layout) = tried.unchanged();
        let vocabulary = layout.vocabulary;
        let rows: Vec<Vec<i64>> =
            (1..=2).map(|row| (0..9).map(|place| (place * 37 * row + 11) % vocabulary as i64).collect()).collect();
        let rows: Vec<&[i64]> = rows.iter().map(Vec::as_slice).collect();
        let every: Vec<(usize, usize)> = (0..2).flat_map(|row| (0..9).map(move |place| (row, place))).collect();
        let whole = logits(&mut plain, &layout, &rows, &every).expect("it runs");
        for depth in [Depth::Head, Depth::Layer] {
            let (mut opened, changed) = tried.at(depth).unwrap_or_else(|error| panic!("{example:?} {how:?}: {error}"));
            assert_eq!(changed.vocabulary, vocabulary);
            let same = logits(&mut opened.session, &changed, &rows, &every).expect("it runs");
            // A processor computes in 32-bit floats, and rounds where what was put in stands between two nodes.
            let worst = super::trial::difference(&whole, &same);
            let most = if example == Example::TinyFp16 { 2e-3 } else { 0.0 };
            assert!(worst <= most, "{example:?} {how:?} {depth:?}: all of them differ by {worst}");
            let wanted = [(1, 8), (0, 2), (0, 8), (1, 0)];
            let found = logits(&mut opened.session, &changed, &rows, &wanted).expect("it runs");
            for ((row, place), found) in wanted.iter().zip(found.chunks_exact(vocabulary)) {
                let expected = &whole[(row * 9 + place) * vocabulary..][..vocabulary];
                let worst = super::trial::difference(expected, found);
                // The order of sums may differ with the number of rows.
                assert!(worst < 2e-3, "{example:?} {how:?} {depth:?} at {row}, {place}: {worst}");
            }
        }
        assert!(tail_of(folder.path(), Depth::Layer) > tail_of(folder.path(), Depth::Head), "{example:?} {how:?}");
    }
}

#[test]
fn joined_projections_give_the_same_logits() {
    for how in ["int4-layers", "int4-layers-external"] {
        let folder = rewritten(Example::Tiny, Some(how));
        let tried = Tried::new(folder.path());
        let mut editor = Editor::read(&tried.path).expect("read");
        let products = |editor: &Editor| editor.nodes().iter().filter(|node| node.operator == "MatMulNBits").count();
        let before = products(&editor);
        let fewer = join_projections(&mut editor).expect("joined");
        // Of the seven of a layer: queries, keys and values become one, and a gate and what it opens.
        assert!(before > 0 && (before % 7, fewer) == (0, before / 7 * 3), "{how}: {before} products, {fewer} less");
        let again = folder.path().join("again.onnx");
        std::fs::write(&again, editor.write().expect("written")).expect("written");
        assert_eq!(products(&Editor::read(&again).expect("read")), before - fewer, "{how}");
        let wanted = Wanted { likeliest: false, joins: true };
        let (mut joined, layout) = tried.changed(Depth::Head, wanted).expect("it opens");
        let (mut apart, same) = tried.changed(Depth::Head, Wanted { joins: false, ..wanted }).expect("it opens");
        let row: Vec<i64> = (0..9).map(|place| (place * 37 + 11) % layout.vocabulary as i64).collect();
        let every: Vec<(usize, usize)> = (0..9).map(|place| (0, place)).collect();
        let of = |opened: &mut Opened, layout| logits(&mut opened.session, layout, &[&row], &every).expect("it runs");
        assert_eq!(of(&mut joined, &layout), of(&mut apart, &same), "{how}");
    }
}

#[test]
fn projections_that_differ_stay_apart() {
    for example in [Example::Tiny, Example::TinyPlain] {
        let mut editor = Editor::read(&rewritten(example, None).path().join("model.onnx")).expect("read");
        assert_eq!(join_projections(&mut editor), Ok(0), "{example:?} has no products by blocks");
    }
}

#[test]
fn graphs_that_cannot_take_positions_are_left_with_the_reason() {
    for (how, part) in [
        ("flat", "which come of Reshape"),
        ("mixed", "differ by"),
        ("last", "of the last position alone"),
        ("old", "its operator set is 12"),
        ("taken", "it has a value 'llmhost.positions'"),
    ] {
        let folder = rewritten(Example::Tiny, Some(how));
        for depth in [Depth::Layer, Depth::Head] {
            // The mean is taken in front of the projection.
            if (how, depth) == ("mixed", Depth::Head) {
                continue;
            }
            let refused = Tried::new(folder.path()).at(depth).expect_err(how);
            assert!(refused.contains(part), "{how} {depth:?}: {refused}");
        }
    }
    let folder = rewritten(Example::TinyEmbeddings, None);
    let refused = Tried::new(folder.path()).at(Depth::Head).expect_err("no language model");
    assert!(refused.contains("no language model"), "{refused}");
    // What fails for a layer may do for the head.
    let folder = rewritten(Example::Tiny, Some("mixed"));
    let tried = Tried::new(folder.path());
    let wanted = Wanted { likeliest: false, joins: true };
    let opened =
        open_at_positions(&tried.path, (&tried.graph, &tried.config), wanted, &|bytes| tried.open(Some(bytes)));
    assert!(opened.is_some_and(|(_, layout)| layout.positions.is_some()));
}

#[test]
fn a_file_that_is_not_changed_is_written_as_it_was() {
    let folder = rewritten(Example::Tiny, None);
    let path = folder.path().join("model.onnx");
    let written = Editor::read(&path).expect("read").write().expect("written");
    let again = folder.path().join("again.onnx");
    std::fs::write(&again, &written).expect("written");
    // Fields of the model may have changed places.
    assert_eq!(written.len() as u64, std::fs::metadata(&path).expect("there").len());
    assert_eq!(Editor::read(&again).expect("read").write().expect("written"), written);
    std::fs::write(&path, &written[..written.len() / 2]).expect("cut");
    assert!(Editor::read(&path).is_err_and(|error| error.contains("ends early")));
}
