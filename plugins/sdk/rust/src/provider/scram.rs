//! Proving a password without having it: SCRAM-SHA-256. A password is the handle of a secret, or a text.

use super::bindings::llmhost::provider::scram as wit;
use super::{Error, ErrorClass};

/// One authentication. Its functions are called in the order in which they stand here, each once.
#[derive(Debug)]
pub struct Exchange(wit::Exchange);

impl Exchange {
    /// Begins. `user` may be empty where the protocol around it names the user.
    pub fn begin(user: &str, password: &str) -> Result<Self, Error> {
        Ok(Self(wit::Exchange::begin(user, password)?))
    }

    /// The first message to the server.
    pub fn client_first(&self) -> Result<String, Error> {
        Ok(self.0.client_first()?)
    }

    /// The answer to the server's first message.
    pub fn client_final(&self, server_first: &str) -> Result<String, Error> {
        Ok(self.0.client_final(server_first)?)
    }

    /// Whether the server knows the password, too.
    pub fn verify(&self, server_final: &str) -> Result<(), Error> {
        Ok(self.0.verify(server_final)?)
    }
}

/// What a server keeps instead of the password, in PostgreSQL's form.
pub fn verifier(password: &str) -> Result<String, Error> {
    Ok(wit::verifier(password)?)
}

impl From<wit::Error> for Error {
    fn from(wit::Error { class, message, advice }: wit::Error) -> Self {
        let class = match class {
            wit::ErrorClass::Secret | wit::ErrorClass::Mismatch => ErrorClass::Denied,
            wit::ErrorClass::Protocol => ErrorClass::Unreachable,
            wit::ErrorClass::Invalid => ErrorClass::Invalid,
        };
        Self::new(class, message).with_advice(advice)
    }
}
