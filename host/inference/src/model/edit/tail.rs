//! The last nodes of a language model: those that compute each position by itself.

use std::collections::{BTreeMap, HashSet};

use super::editor::Editor;
use super::outline::is_standard;
use super::positions::Depth;

/// Operators that compute each position by itself, as language models use them. Those that can be told to do
/// otherwise show it in the trial.
const EACH: [&str; 41] = [
    "Abs",
    "Add",
    "BiasGelu",
    "Cast",
    "Clip",
    "Div",
    "Elu",
    "Erf",
    "Exp",
    "FastGelu",
    "Gelu",
    "HardSigmoid",
    "Identity",
    "LayerNormalization",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "Not",
    "Pow",
    "QuickGelu",
    "RMSNormalization",
    "Reciprocal",
    "ReduceMean",
    "ReduceSum",
    "ReduceSumSquare",
    "Relu",
    "Sigmoid",
    "SimplifiedLayerNormalization",
    "SkipLayerNormalization",
    "SkipSimplifiedLayerNormalization",
    "Softplus",
    "Split",
    "Sqrt",
    "Sub",
    "Swish",
    "Tanh",
    "Where",
    "MatMul",
    "MatMulBnb4",
    "MatMulNBits",
];
/// Those that multiply by weights.
const PROJECTIONS: [&str; 3] = ["MatMul", "MatMulBnb4", "MatMulNBits"];

/// Nodes that compute each position by itself, and nothing but the logits.
#[derive(Debug)]
pub(super) struct Tail {
    pub(super) nodes: HashSet<usize>,
    /// What goes into them, and the first of them that takes it.
    pub(super) inputs: BTreeMap<String, usize>,
}

impl Tail {
    /// Goes back from the logits: through the projection, or on to where positions meet.
    pub(super) fn of(editor: &Editor, logits: &str, depth: Depth) -> Result<Self, String> {
        let nodes = editor.nodes();
        let takers = editor.takers();
        let (mut found, mut projected) = (HashSet::new(), false);
        for (at, node) in nodes.iter().enumerate().rev() {
            let known = is_standard(&node.domain) || node.domain == "com.microsoft";
            let ours = |name: &String| {
                let taken = takers.get(name.as_str()).map_or(&[][..], Vec::as_slice);
                match name.as_str() {
                    name if name == logits => taken.is_empty(),
                    name => !editor.is_output(name) && taken.iter().all(|taker| found.contains(taker)),
                }
            };
            let outputs = || node.outputs.iter().filter(|name| !name.is_empty());
            let is_used = outputs().any(|name| name == logits || takers.contains_key(name.as_str()));
            let is_weight = outputs().all(|name| editor.is_constant(name));
            if !known || is_weight || !is_used || !EACH.contains(&node.operator.as_str()) || !outputs().all(ours) {
                continue;
            }
            found.insert(at);
            projected |= PROJECTIONS.contains(&node.operator.as_str());
            if projected && depth == Depth::Head {
                break;
            }
        }
        if !projected {
            let last = nodes.iter().find(|node| node.outputs.iter().any(|name| name == logits));
            let operator = last.map_or("nothing", |node| node.operator.as_str());
            return Err(format!("no product with weights was found behind its logits, which come of {operator}"));
        }
        let mut inputs = BTreeMap::new();
        let mut sorted: Vec<usize> = found.iter().copied().collect();
        sorted.sort_unstable();
        let made: HashSet<&str> = sorted.iter().flat_map(|at| &nodes[*at].outputs).map(String::as_str).collect();
        for at in sorted {
            let outside = |name: &&String| !made.contains(name.as_str()) && !editor.is_constant(name);
            for name in nodes[at].inputs.iter().filter(|name| !name.is_empty()).filter(outside) {
                inputs.entry(name.clone()).or_insert(at);
            }
        }
        Ok(Self { nodes: found, inputs })
    }
}
