//! Which execution provider ran which node, read from ONNX Runtime's own profile of one run.
//!
//! That a provider registered proves nothing: nodes that it cannot take fall to the processor one
//! by one, all of them if need be. The profile is the only place where the library says it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

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
}

/// Distinct nodes by provider. A profile that cannot be read counts as none.
pub(super) fn count(path: &Path) -> BTreeMap<String, usize> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<Line> = serde_json::from_str(&text).unwrap_or_default();
    let mut nodes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in lines {
        if line.cat == "Node" && line.name.ends_with("_kernel_time") && !line.args.provider.is_empty() {
            nodes.entry(line.args.provider).or_default().insert(line.name);
        }
    }
    nodes.into_iter().map(|(provider, names)| (provider, names.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_counted_once_and_other_lines_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("profile.json");
        let text = r#"[{"cat":"Session","name":"model_loading","args":{}},
            {"cat":"Node","name":"a_kernel_time","args":{"provider":"CUDAExecutionProvider"}},
            {"cat":"Node","name":"a_kernel_time","args":{"provider":"CUDAExecutionProvider"}},
            {"cat":"Node","name":"b_kernel_time","args":{"provider":"CPUExecutionProvider"}},
            {"cat":"Node","name":"b_fence_before","args":{}}]"#;
        std::fs::write(&path, text).expect("written");
        let counted = count(&path);
        assert_eq!(counted.get("CUDAExecutionProvider"), Some(&1));
        assert_eq!(counted.get("CPUExecutionProvider"), Some(&1));
        assert!(count(&folder.path().join("none")).is_empty());
    }
}
