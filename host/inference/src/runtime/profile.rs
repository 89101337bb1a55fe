//! Which execution provider ran which node, read from ONNX Runtime's own profile of one run.
//!
//! That a provider registered proves nothing: nodes that it cannot take fall to the processor one
//! by one, all of them if need be. The profile is the only place where the library says it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

/// Operators that do a model's work. The others move and count, and ONNX Runtime leaves those that
/// compute shapes on the processor on purpose. Times would not tell: a GPU's are those of the launch.
const WORK: [&str; 21] = [
    "Attention",
    "Conv",
    "DecoderMaskedMultiHeadAttention",
    "DynamicQuantizeMatMul",
    "FusedConv",
    "FusedGemm",
    "FusedMatMul",
    "Gemm",
    "GroupQueryAttention",
    "MatMul",
    "MatMulBnb4",
    "MatMulInteger",
    "MatMulIntegerToFloat",
    "MatMulNBits",
    "MoE",
    "MultiHeadAttention",
    "PackedMultiHeadAttention",
    "PagedAttention",
    "QAttention",
    "QMoE",
    "QLinearMatMul",
];

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    cat: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    args: Args,
}

#[derive(Default, Deserialize)]
struct Args {
    #[serde(default)]
    provider: String,
    #[serde(default)]
    op_name: String,
}

/// Distinct nodes of a run: provider and operator by name.
#[derive(Debug, Default)]
pub(super) struct Profile(BTreeMap<String, (String, String)>);

impl Profile {
    /// Reads one. A profile that cannot be read counts as none.
    pub(super) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let lines: Vec<Line> = serde_json::from_str(&text).unwrap_or_default();
        let nodes = lines
            .into_iter()
            .filter(|line| line.cat == "Node" && line.name.ends_with("_kernel_time") && !line.args.provider.is_empty());
        Self(nodes.map(|line| (line.name, (line.args.provider, line.args.op_name))).collect())
    }

    /// Nodes by provider.
    pub(super) fn nodes(&self) -> BTreeMap<String, usize> {
        let mut nodes = BTreeMap::new();
        self.0.values().for_each(|(provider, _)| *nodes.entry(provider.clone()).or_default() += 1);
        nodes
    }

    /// The share of the work that a provider does: of the nodes that multiply matrices, or of all where
    /// there are none.
    pub(super) fn share(&self, provider: &str) -> f64 {
        let work: Vec<bool> =
            self.0.values().filter(|(_, op)| WORK.contains(&op.as_str())).map(|(by, _)| by == provider).collect();
        let of = if work.is_empty() { self.0.values().map(|(by, _)| by == provider).collect() } else { work };
        let taken = of.iter().filter(|taken| **taken).count();
        taken as f64 / of.len().max(1) as f64
    }

    /// Nodes by operator that other providers ran.
    pub(super) fn elsewhere(&self, provider: &str) -> BTreeMap<String, usize> {
        let mut nodes = BTreeMap::new();
        for (_, op) in self.0.values().filter(|(by, _)| by != provider) {
            *nodes.entry(op.clone()).or_default() += 1;
        }
        nodes
    }
}

/// `MatMul 12, Softmax 3`, those that do the work first.
pub(super) fn words(operators: &BTreeMap<String, usize>) -> String {
    let mut list: Vec<(&String, &usize)> = operators.iter().collect();
    list.sort_by_key(|(op, count)| (!WORK.contains(&op.as_str()), std::cmp::Reverse(**count)));
    list.iter().map(|(op, count)| format!("{op} {count}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU: &str = "CPUExecutionProvider";
    const CUDA: &str = "CUDAExecutionProvider";

    /// A profile of nodes: name, operator, provider.
    fn recorded(nodes: &[(&str, &str, &str)]) -> Profile {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("profile.json");
        let mut lines = vec![
            serde_json::json!({"cat": "Session", "name": "model_loading", "args": {}}),
            serde_json::json!({"cat": "Node", "name": "b_fence_before", "args": {"op_name": "MatMul"}}),
        ];
        for (name, op, provider) in nodes {
            let args = serde_json::json!({"op_name": op, "provider": provider});
            lines.push(serde_json::json!({"cat": "Node", "name": format!("{name}_kernel_time"), "args": args}));
        }
        std::fs::write(&path, serde_json::to_vec(&lines).expect("JSON")).expect("written");
        Profile::read(&path)
    }

    #[test]
    fn nodes_are_counted_once_and_other_lines_not_at_all() {
        let profile = recorded(&[("a", "MatMul", CUDA), ("a", "MatMul", CUDA), ("b", "Shape", CPU)]);
        assert_eq!(profile.nodes(), [(CPU.to_owned(), 1), (CUDA.to_owned(), 1)].into());
        let none = Profile::read(Path::new("/no/such/file"));
        assert!(none.nodes().is_empty() && none.share(CUDA) == 0.0);
    }

    #[test]
    fn the_share_is_that_of_the_nodes_that_multiply() {
        let one = ("x", "Add", CUDA);
        // One node on the GPU passes for nothing where the matrices are elsewhere.
        let lost =
            recorded(&[one, ("a", "MatMulNBits", CPU), ("b", "MatMulNBits", CPU), ("c", "GroupQueryAttention", CPU)]);
        assert_eq!(lost.share(CUDA), 0.0);
        assert_eq!(words(&lost.elsewhere(CUDA)), "MatMulNBits 2, GroupQueryAttention 1");
        // Shapes that are computed on the processor take nothing from it.
        let whole =
            recorded(&[("a", "MatMul", CUDA), ("s", "Shape", CPU), ("g", "Gather", CPU), ("u", "Unsqueeze", CPU)]);
        assert_eq!(whole.share(CUDA), 1.0);
        let half = recorded(&[one, ("a", "MatMul", CUDA), ("b", "Gemm", CPU), ("s", "Shape", CPU)]);
        assert_eq!((half.share(CUDA), words(&half.elsewhere(CUDA)).as_str()), (0.5, "Gemm 1, Shape 1"));
        let light = recorded(&[one, ("b", "Mul", CPU), ("c", "Mul", CPU), ("d", "Sub", CUDA)]);
        assert_eq!(light.share(CUDA), 0.5);
    }
}
