//! Why there is no next token.

/// A step that gave no token. The request fails, others go on.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// The logits hold no number to choose by.
    #[error("the model gave no usable number for any token (all are NaN or infinite)")]
    NotANumber,
    /// The grammar broke off.
    #[error("the output grammar failed: {0}")]
    Grammar(String),
}
