//! A draft model's flag.

use clap::Args;

/// The model that guesses for another one.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Draft {
    /// A smaller model with the same vocabulary that guesses the next tokens, where that is faster: a folder, or
    /// s3://bucket/prefix. The model checks the guesses, so answers are the same as without.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) draft: Option<String>,
}
