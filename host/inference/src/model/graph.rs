//! What an ONNX file says of itself: operators, operator sets, and where its weights lie.
//!
//! ONNX Runtime would find most faults too, in words for its developers and after loading the
//! rest. And it does not tell which attention operator a graph uses, which decides whether past
//! and present may share a buffer.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Component, Path, PathBuf};

use super::error::ModelError;
use super::wire::{Value, Wire};

/// Operators that choose one scale for a whole tensor, by its largest number.
pub(super) const QUANTIZE_RUNS: [&str; 2] = ["DynamicQuantizeLinear", "DynamicQuantizeMatMul"];

/// The outline of a graph.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// How often each operator occurs at the top level.
    pub(crate) operators: BTreeMap<String, usize>,
    /// Operator sets by domain; the standard domain is the empty string.
    pub(crate) opsets: BTreeMap<String, i64>,
    data: BTreeSet<Weights>,
    /// How many weights have each element type, by ONNX's number of it.
    pub(crate) elements: BTreeMap<u64, usize>,
}

/// Where one tensor's bytes lie outside the model file.
#[derive(Debug, Default, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Weights {
    file: String,
    offset: u64,
    length: u64,
}

/// Its number among the element types of an ONNX file.
const BFLOAT16: u64 = 16;

impl Graph {
    /// Whether weights are bfloat16.
    pub(crate) fn is_bf16(&self) -> bool {
        self.elements.contains_key(&BFLOAT16)
    }

    /// Walks a model file.
    pub(crate) fn read(path: &Path) -> Result<Self, ModelError> {
        let unreadable =
            |error: std::io::Error| ModelError::Unreadable { path: path.to_owned(), reason: error.to_string() };
        let mut wire = File::open(path).and_then(Wire::new).map_err(unreadable)?;
        let mut graph = Self::default();
        let not_onnx = |reason: String| ModelError::NotOnnx { path: path.to_owned(), reason };
        let whole = graph.model(&mut wire).map_err(not_onnx)?;
        if !whole || graph.opsets.is_empty() {
            return Err(not_onnx("it holds no graph".to_owned()));
        }
        Ok(graph)
    }

    /// Whether past and present of the key/value cache may be one buffer.
    pub(crate) fn shares_cache(&self) -> bool {
        self.operators.contains_key("GroupQueryAttention")
    }

    /// Whether it quantizes what it computes by one scale for all of a run.
    pub(crate) fn quantizes_runs(&self) -> bool {
        QUANTIZE_RUNS.iter().any(|operator| self.operators.contains_key(*operator))
    }

    /// The newest operator set, for a message.
    pub(crate) fn opset(&self) -> (String, i64) {
        let standard = self.opsets.get("").or_else(|| self.opsets.get("ai.onnx"));
        match standard {
            Some(version) => ("ONNX".to_owned(), *version),
            None => self.opsets.iter().next().map(|(domain, version)| (domain.clone(), *version)).unwrap_or_default(),
        }
    }

    /// Checks that the weights kept outside the file are there, whole, and inside the folder.
    pub(crate) fn check_data(&self, model: &Path) -> Result<(), ModelError> {
        let folder = model.parent().unwrap_or(Path::new("."));
        for weights in &self.data {
            let data = folder.join(&weights.file);
            let bad = |reason: String| ModelError::ExternalData { model: model.to_owned(), data: data.clone(), reason };
            let inside = PathBuf::from(&weights.file);
            if inside.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir)) {
                return Err(bad("is outside the model's folder".to_owned()));
            }
            let size = std::fs::metadata(&data).map_err(|_| bad("is missing".to_owned()))?.len();
            let needed = weights.offset.saturating_add(weights.length);
            if size < needed {
                return Err(bad(format!("is too short: {size} bytes of at least {needed}")));
            }
        }
        Ok(())
    }

    /// Bytes of the model file and of the files that keep its weights.
    pub(crate) fn bytes(&self, model: &Path) -> u64 {
        let folder = model.parent().unwrap_or(Path::new("."));
        let files: BTreeSet<PathBuf> = self.data.iter().map(|weights| folder.join(&weights.file)).collect();
        let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        size(model) + files.iter().map(|path| size(path)).sum::<u64>()
    }

    fn model(&mut self, wire: &mut Wire) -> Result<bool, String> {
        let (end, mut found) = (wire.length(), false);
        while let Some((number, value)) = wire.field(end)? {
            match (number, value) {
                (7, Value::Bytes { end }) => {
                    self.graph(wire, end)?;
                    found = true;
                }
                (8, Value::Bytes { end }) => self.opset_import(wire, end)?,
                (_, Value::Bytes { end }) => wire.leave(end)?,
                _ => {}
            }
        }
        Ok(found)
    }

    fn opset_import(&mut self, wire: &mut Wire, end: u64) -> Result<(), String> {
        let (mut domain, mut version) = (String::new(), 0);
        while let Some((number, value)) = wire.field(end)? {
            match (number, value) {
                (1, Value::Bytes { end }) => domain = wire.text(end)?,
                (2, Value::Number(number)) => version = i64::try_from(number).unwrap_or(i64::MAX),
                (_, Value::Bytes { end }) => wire.leave(end)?,
                _ => {}
            }
        }
        self.opsets.insert(domain, version);
        Ok(())
    }

    fn graph(&mut self, wire: &mut Wire, end: u64) -> Result<(), String> {
        while let Some((number, value)) = wire.field(end)? {
            match (number, value) {
                (1, Value::Bytes { end }) => self.node(wire, end)?,
                (5, Value::Bytes { end }) => self.initializer(wire, end)?,
                (_, Value::Bytes { end }) => wire.leave(end)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn node(&mut self, wire: &mut Wire, end: u64) -> Result<(), String> {
        while let Some((number, value)) = wire.field(end)? {
            match (number, value) {
                (4, Value::Bytes { end }) => *self.operators.entry(wire.text(end)?).or_default() += 1,
                (_, Value::Bytes { end }) => wire.leave(end)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn initializer(&mut self, wire: &mut Wire, end: u64) -> Result<(), String> {
        let (mut weights, mut external) = (Weights::default(), false);
        while let Some((number, value)) = wire.field(end)? {
            match (number, value) {
                (13, Value::Bytes { end }) => {
                    let (key, text) = entry(wire, end)?;
                    match key.as_str() {
                        "location" => weights.file = text,
                        "offset" => weights.offset = text.parse().unwrap_or(0),
                        "length" => weights.length = text.parse().unwrap_or(0),
                        _ => {}
                    }
                }
                (2, Value::Number(kind)) => *self.elements.entry(kind).or_default() += 1,
                (14, Value::Number(place)) => external = place == 1,
                (_, Value::Bytes { end }) => wire.leave(end)?,
                _ => {}
            }
        }
        if external {
            self.data.insert(weights);
        }
        Ok(())
    }
}

/// Key and value of a StringStringEntryProto.
pub(super) fn entry(wire: &mut Wire, end: u64) -> Result<(String, String), String> {
    let (mut key, mut text) = (String::new(), String::new());
    while let Some((number, value)) = wire.field(end)? {
        match (number, value) {
            (1, Value::Bytes { end }) => key = wire.text(end)?,
            (2, Value::Bytes { end }) => text = wire.text(end)?,
            (_, Value::Bytes { end }) => wire.leave(end)?,
            _ => {}
        }
    }
    Ok((key, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Graph, ModelError> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.onnx");
        std::fs::write(&path, bytes).expect("written");
        Graph::read(&path)
    }

    /// ir_version 10, a graph with one node of type `Add`, opset 21.
    const SMALL: &[u8] = b"\x08\x0a\x3a\x07\x0a\x05\x22\x03Add\x42\x02\x10\x15";

    #[test]
    fn operators_and_opsets_are_read() {
        let graph = read(SMALL).expect("a model");
        assert_eq!(graph.operators.get("Add"), Some(&1));
        assert_eq!(graph.opset(), ("ONNX".to_owned(), 21));
        assert!(!graph.shares_cache());
    }

    #[test]
    fn what_is_no_model_is_said() {
        for (bytes, part) in [
            (&b""[..], "holds no graph"),
            (&SMALL[..SMALL.len() - 5], "ends early"),
            (&SMALL[..8], "ends early"),
            (b"\x7fELF\x02\x01\x01", "is not a field"),
            (b"<!DOCTYPE html><html>", "no"),
            (b"version https://git-lfs.github.com/spec/v1\n", "no"),
        ] {
            let error = read(bytes).expect_err(part).to_string();
            assert!(error.contains("is not an ONNX model") && error.contains(part), "{error}");
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic() {
        let mut state = 1u64;
        for length in 0..400 {
            let bytes: Vec<u8> = (0..length)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (state >> 56) as u8
                })
                .collect();
            let _ = read(&bytes);
        }
    }
}
