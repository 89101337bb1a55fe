//! Whether what a graph computes for a row depends on how long the run is.
//!
//! A row's numbers should depend on its own tokens, whatever shares the run and however its prompt
//! is cut. Graphs with two sets of rotary factors (longrope: Phi-3, Phi-3.5, Phi-4-mini) break
//! that: they compare the length of the longest row with a constant, and turn all rows by the
//! factors for that side. Dynamic scaling computes the factors from the length itself. Graphs that quantize what
//! they compute (`model_quantized.onnx`) choose one scale for all tokens of a run, whatever its length.
//!
//! The length is followed through the graph, from the shapes and positions that it comes from to
//! what is done with it: cutting a table or a mask to it is harmless, comparing it with a constant
//! is a threshold, and computing with it as a fraction is something that is not followed.

mod flow;
mod nodes;

use std::path::Path;

use super::error::ModelError;
use super::rope::Rope;
use nodes::Nodes;

/// How a row depends on the run that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lengths {
    /// Not at all.
    Any,
    /// Rows in a run whose longest row has more tokens than this are computed otherwise.
    Threshold(usize),
    /// In a way that is not understood, which this describes.
    Unknown(String),
}

impl Lengths {
    /// Reads a graph, with the JSON files' word where the graph cannot be followed.
    pub(super) fn read(path: &Path, rope: &Rope) -> Result<Self, ModelError> {
        let nodes = Nodes::read(path)?;
        let found = flow::lengths(&nodes);
        Ok(match found {
            Self::Any if nodes.functions && rope.by_length() => {
                Self::Unknown(format!("its rotary factors ({rope}) may depend on it inside of functions"))
            }
            Self::Any if rope.by_length() => {
                tracing::warn!(
                    file = %path.display(), %rope,
                    "by its configuration the model computes long texts with other rotary factors, and the graph has one \
                     set of them: the exporter kept those for short texts, most likely, and answers to long ones are not the \
                     model's"
                );
                Self::Any
            }
            found => found,
        })
    }

    /// Whether a text of this length is computed with the factors for long ones.
    pub(crate) fn is_long(&self, tokens: usize) -> bool {
        matches!(self, Self::Threshold(most) if tokens > *most)
    }
}
