//! SCRAM-SHA-256 (RFC 5802, RFC 7677): proving a password to a server, and what a server keeps in its place.
//!
//! The client's side, without channel binding. Passwords are prepared as PostgreSQL does it: by SASLprep, and as they
//! are where SASLprep has no form of them. No message and no error holds a password.

mod exchange;
mod keys;

pub use exchange::{Exchange, LEAST_ITERATIONS, MOST_ITERATIONS};
pub use keys::verifier;

/// Why an exchange cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScramError {
    /// The user's name cannot be part of a message.
    #[error("the user's name holds a character that no SCRAM message can carry")]
    User,
    /// A step out of its turn.
    #[error("{step} comes {turn} in an exchange")]
    Order {
        /// The step.
        step: &'static str,
        /// When it comes.
        turn: &'static str,
    },
    /// A message of the server that is none.
    #[error("the server's {message} message cannot be used: {reason}")]
    Message {
        /// `first` or `final`.
        message: &'static str,
        /// Why.
        reason: String,
    },
    /// The server refuses.
    #[error("the server refuses: {reason}")]
    Refused {
        /// In its own word.
        reason: String,
    },
    /// The server does not know the password.
    #[error("the server did not prove that it knows the password")]
    Mismatch,
}
