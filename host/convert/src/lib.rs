//! From the files of other tools to a pipeline: a ClusterConfig of eksctl, and a Terraform state.
//!
//! A conversion reads a text and makes a text. It asks nobody, and it loses nothing in silence: every field of the source is
//! in the report, with what became of it.
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod at;
mod document;
mod eksctl;
mod report;
mod terraform;
mod yaml;

use serde::Serialize;

pub use report::{Fate, Field, Report};

/// A file that is larger is none of these: eksctl's have some kilobytes, and a state of Terraform some megabytes.
pub const LARGEST: usize = 32 << 20;

/// Policies that the plugin `iam` gives to every node role.
const NODE_POLICIES: [&str; 4] = [
    "/AmazonEKSWorkerNodePolicy",
    "/AmazonEKS_CNI_Policy",
    "/AmazonEC2ContainerRegistryReadOnly",
    "/AmazonEC2ContainerRegistryPullOnly",
];

/// What a file was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A ClusterConfig of eksctl.
    Eksctl,
    /// A state of Terraform or OpenTofu.
    Terraform,
}

/// A conversion.
#[derive(Debug, Clone, Serialize)]
pub struct Converted {
    /// What the file was.
    pub source: Source,
    /// The pipeline file; none where the report says what it cannot be without.
    pub pipeline: Option<String>,
    /// What exists already, and has to be imported into the state: in this order.
    pub imports: Vec<Import>,
    /// What became of each field or resource.
    pub report: Report,
}

/// A resource to import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    /// Where the pipeline declares it: `network/ec2.vpc/main`.
    pub address: String,
    /// Its id.
    pub id: String,
}

/// Why a file is not converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// It is too large to be one.
    #[error("the file has {0} MB, and a file of eksctl or a Terraform state has less than 32 MB")]
    TooLarge(usize),
    /// It has nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It is no text.
    #[error("the file is not a text (byte {0} is not UTF-8)")]
    NoText(usize),
    /// It is neither YAML nor JSON.
    #[error("the file is neither YAML nor JSON: {0}")]
    Unreadable(String),
    /// It is something else.
    #[error("the file is neither a ClusterConfig of eksctl nor a Terraform state: {0}")]
    Neither(String),
}

/// Converts a file.
///
/// # Errors
///
/// It is neither a ClusterConfig of eksctl nor a Terraform state.
pub fn convert(bytes: &[u8]) -> Result<Converted, ConvertError> {
    if bytes.len() > LARGEST {
        return Err(ConvertError::TooLarge(bytes.len() >> 20));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| ConvertError::NoText(error.valid_up_to()))?;
    if text.trim().is_empty() {
        return Err(ConvertError::Empty);
    }
    // JSON is YAML; a state may be longer than any YAML that is read.
    if text.trim_start().starts_with('{')
        && let Ok(root) = serde_json::from_str(text)
        && terraform::is_one(&root)
    {
        return terraform::convert(&root).map_err(ConvertError::Neither);
    }
    let documents = yaml::documents(text).map_err(|error| ConvertError::Unreadable(error.to_string()))?;
    for document in &documents {
        let root = at::At { path: String::new(), node: document };
        if eksctl::is_one(&root) {
            return Ok(eksctl::convert(&root));
        }
    }
    Err(ConvertError::Neither(match documents.len() {
        0 => "it has only comments".to_owned(),
        1 => "it says neither `kind: ClusterConfig` nor `\"terraform_version\"`".to_owned(),
        many => format!("none of its {many} documents says `kind: ClusterConfig`"),
    }))
}
