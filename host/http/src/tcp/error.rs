//! Why there is no connection, or why it cannot be used any longer.

use crate::error::{Class, Failure, TlsProblem};

/// Why there is no connection, or why it cannot be used any longer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpFailure {
    /// As for requests: no grant, no address, nobody there, no TLS, too late.
    Connection(Failure),
    /// It is none that is ever made, or it is used in a way that it cannot be.
    Invalid {
        /// Why.
        problem: String,
        /// What to do about it.
        advice: &'static str,
    },
    /// More than one call of a provider may have.
    TooMuch {
        /// Of what, and how much it may have.
        what: String,
    },
    /// The connection broke off.
    Broken {
        /// Host and port.
        server: String,
        /// Why.
        reason: String,
    },
}

impl TcpFailure {
    /// What kind of thing went wrong.
    pub fn class(&self) -> Class {
        match self {
            Self::Connection(failure) => failure.class(),
            Self::Invalid { .. } => Class::Invalid,
            Self::TooMuch { .. } => Class::TooLarge,
            Self::Broken { .. } => Class::Protocol,
        }
    }

    /// What went wrong.
    pub fn message(&self) -> String {
        match self {
            Self::Connection(failure) => failure.message(),
            Self::Invalid { problem, .. } => format!("the connection cannot be used: {problem}"),
            Self::TooMuch { what } => format!("the provider wants more than {what}"),
            Self::Broken { server, reason } => format!("the connection to {server} broke off: {reason}"),
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> String {
        match self {
            Self::Connection(Failure::Tls { problem: TlsProblem::NotTls, .. }) => {
                "check the port, and whether TLS is enabled on the server".to_owned()
            }
            Self::Connection(failure) => failure.advice(),
            Self::Invalid { advice, .. } => (*advice).to_owned(),
            Self::TooMuch { .. } => "this is an error in the provider; the limit is fixed".to_owned(),
            Self::Broken { .. } => "check that the server runs, and read its log".to_owned(),
        }
    }
}

impl From<Failure> for TcpFailure {
    fn from(failure: Failure) -> Self {
        Self::Connection(failure)
    }
}

impl std::fmt::Display for TcpFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.message(), self.advice())
    }
}

impl std::error::Error for TcpFailure {}
