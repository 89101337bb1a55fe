//! What can be wrong with a model's folder, each with what to do about it.

use std::path::PathBuf;

/// Why a folder is no model that can be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The folder is not there.
    #[error("there is no folder {}", .folder.display())]
    NoFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// A file that must be there is not.
    #[error("{} has no {file}; {advice}", .folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The file's name.
        file: String,
        /// What the file is for, or how to make it.
        advice: &'static str,
    },
    /// No graph of the name that was asked for, or several of which none has a usual name.
    #[error("{} has no weights '{wanted}'; it has {found}. {advice}", .folder.display())]
    NoWeights {
        /// The folder.
        folder: PathBuf,
        /// What was looked for.
        wanted: String,
        /// The graphs that are there.
        found: String,
        /// What to do.
        advice: &'static str,
    },
    /// A file cannot be read.
    #[error("cannot read {}: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's word.
        reason: String,
    },
    /// A JSON file, a tokenizer or a template that does not parse.
    #[error("{} is not valid: {reason}", .path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The model file is no ONNX graph.
    #[error("{} is not an ONNX model: {reason}. Copy it again, or export it again", .path.display())]
    NotOnnx {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The weights beside the model file are not there, or not whole.
    #[error("{} keeps weights in {}, which {reason}. Copy all files of the export, the data beside the model too",
        .model.display(), .data.display())]
    ExternalData {
        /// The model file.
        model: PathBuf,
        /// The file with the weights.
        data: PathBuf,
        /// `is missing`, `is too short: …`.
        reason: String,
    },
    /// Written for a newer ONNX Runtime.
    #[error("{} uses {domain} operators of set {opset}, which ONNX Runtime {runtime} does not know ({reason}). \
             Take a newer ONNX Runtime, or export with a lower opset", .path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// `ONNX`, `com.microsoft`.
        domain: String,
        /// The version of the operator set.
        opset: i64,
        /// The library's version.
        runtime: String,
        /// ONNX Runtime's own words.
        reason: String,
    },
    /// ONNX Runtime does not take the model.
    #[error("ONNX Runtime does not load {}: {reason}", .path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Its own words.
        reason: String,
    },
    /// An input or output of the wrong element type.
    #[error("{}: '{tensor}' is {found}, and {expected} is needed. Export the model with that type", .path.display())]
    WrongType {
        /// The model file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// What it is.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// The graph looks like a language model and lacks something that serving needs.
    #[error("{}: {reason}", .path.display())]
    Unsuitable {
        /// The model file.
        path: PathBuf,
        /// What is lacking, and how to export it.
        reason: String,
    },
    /// Somebody wrote a file while the model was loaded.
    #[error("{} changed while it was loaded. Load the model again when the files no longer change", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// A file that is not what the manifest says.
    #[error("{} is not what manifest.json says: {reason}. Copy it again", .path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// Size or SHA-256, expected and found.
        reason: String,
    },
}
