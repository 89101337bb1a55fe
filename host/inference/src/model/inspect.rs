//! What a folder holds, told without ONNX Runtime: for checks on a machine that will not run the model.

use std::path::{Path, PathBuf};

use super::chat::ChatTemplate;
use super::config::ModelConfig;
use super::error::ModelError;
use super::files;
use super::graph::Graph;
use super::weights;
use crate::tokens::Tokenizer;

/// What a server would load from a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspected {
    /// The graph's file.
    pub graph: PathBuf,
    /// Bytes of the graph with all its weights.
    pub bytes: u64,
    /// What most of its weights are kept in.
    pub precision: Precision,
    /// Whether its attention is the operator GroupQueryAttention.
    pub has_group_query_attention: bool,
    /// Whether it has a chat template.
    pub chats: bool,
    /// Whether config.json says that the weights are random: a model to try a pipeline with.
    pub is_random: bool,
}

/// How weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    Fp32,
    /// 16-bit floats.
    Fp16,
    /// 8-bit integers.
    Int8,
    /// Blocks of 4-bit integers.
    Int4,
}

impl Precision {
    fn of(graph: &Graph) -> Self {
        /// ONNX's numbers of float, float16 and bfloat16.
        const FLOAT: u64 = 1;
        const FLOAT16: u64 = 10;
        const BFLOAT16: u64 = 16;
        let has = |names: &[&str]| names.iter().any(|name| graph.operators.contains_key(*name));
        let count = |kind: u64| graph.elements.get(&kind).copied().unwrap_or(0);
        if has(&["MatMulNBits", "MatMulBnb4"]) {
            Self::Int4
        } else if has(&["MatMulInteger", "DynamicQuantizeMatMul", "MatMulIntegerToFloat", "QLinearMatMul"]) {
            Self::Int8
        } else if count(FLOAT16) + count(BFLOAT16) > count(FLOAT) {
            Self::Fp16
        } else {
            Self::Fp32
        }
    }
}

/// Reads a folder as a server for language models does, up to where ONNX Runtime is needed. The files of weights are
/// measured and not read. `on_cuda` says which of several precisions is chosen.
pub fn inspect(folder: &Path, weights: Option<&str>, on_cuda: bool) -> Result<Inspected, ModelError> {
    if !folder.is_dir() {
        return Err(ModelError::NoFolder { folder: folder.to_owned() });
    }
    files::verify(folder, false)?;
    let path = weights::choose(folder, weights, on_cuda)?;
    let graph = Graph::read(&path)?;
    graph.check_data(&path)?;
    let missing = |file: &str, advice| ModelError::Missing { folder: folder.to_owned(), file: file.to_owned(), advice };
    ModelConfig::read(folder)?;
    let (config, genai) = (folder.join("config.json"), folder.join("genai_config.json"));
    if !config.is_file() && !genai.is_file() {
        return Err(missing(
            "config.json",
            "it says what the model is. Save it with the export (`model.config.save_pretrained`)",
        ));
    }
    let tokenizer = folder.join("tokenizer.json");
    if !tokenizer.is_file() {
        let advice =
            "without it, text cannot be converted to tokens. Save it with the export (`tokenizer.save_pretrained`)";
        return Err(missing("tokenizer.json", advice));
    }
    Tokenizer::read(&tokenizer, false)?;
    let is_random = super::config::json(&config)?["llmhost_weights"] == "random";
    Ok(Inspected {
        bytes: graph.bytes(&path),
        precision: Precision::of(&graph),
        has_group_query_attention: graph.shares_cache(),
        chats: ChatTemplate::read(folder)?.is_some(),
        is_random,
        graph: path,
    })
}

#[cfg(test)]
mod tests {
    use llmhost_example_models::Example;

    use super::*;

    fn copy(example: Example) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for entry in std::fs::read_dir(example.folder().expect("the model is made")).expect("it is there").flatten() {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).expect("copied");
        }
        folder
    }

    #[test]
    fn a_folder_is_read_without_onnx_runtime() {
        for (example, precision) in [(Example::Tiny, Precision::Fp32), (Example::TinyFp16, Precision::Fp16)] {
            let folder = copy(example);
            let found = inspect(folder.path(), None, false).expect("it is a model");
            assert_eq!((found.precision, found.has_group_query_attention, found.chats), (precision, true, true));
            let size = std::fs::metadata(folder.path().join("model.onnx")).expect("it is there").len();
            assert_eq!((found.bytes, found.is_random), (size, false));
        }
    }

    #[test]
    fn each_missing_or_broken_file_is_named() {
        let without = |name: &'static str| move |folder: &Path| std::fs::remove_file(folder.join(name)).expect("gone");
        let cut = |folder: &Path| {
            let bytes = std::fs::read(folder.join("model.onnx")).expect("read");
            std::fs::write(folder.join("model.onnx"), &bytes[..1000]).expect("written");
        };
        let broken = |folder: &Path| std::fs::write(folder.join("tokenizer.json"), "{").expect("written");
        type Harm<'a> = &'a dyn Fn(&Path);
        for (harm, with_manifest, words) in [
            (&without("model.onnx") as Harm<'_>, false, "has no model.onnx"),
            (&without("tokenizer.json"), false, "has no tokenizer.json"),
            (
                &|folder: &Path| ["config.json", "genai_config.json"].iter().for_each(|name| without(name)(folder)),
                false,
                "has no config.json",
            ),
            (&cut, true, "is not what manifest.json says"),
            (&cut, false, "is not an ONNX model"),
            (&broken, false, "tokenizer.json is not valid"),
        ] {
            let folder = copy(Example::Tiny);
            if !with_manifest {
                without("manifest.json")(folder.path());
            }
            harm(folder.path());
            let error = inspect(folder.path(), None, true).expect_err(words).to_string();
            assert!(error.contains(words), "{error}");
        }
        let error = inspect(Path::new("/nowhere/at/all"), None, true).expect_err("nowhere").to_string();
        assert!(error.contains("there is no folder"), "{error}");
    }
}
