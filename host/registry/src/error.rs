//! Why a plugin could not be fetched or published, and what to do about it.

use std::path::PathBuf;

use oci_client::errors::{DigestError, OciDistributionError, OciErrorCode};

use crate::Digest;

/// Why a plugin could not be fetched or published. No credentials stand in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each says what it is")]
pub enum RegistryError {
    #[error("'{text}' is not the address of a plugin, a pipeline or a chart: {reason}")]
    Address { text: String, reason: String },
    #[error("cannot reach {host}: {reason}")]
    Unreachable { host: String, reason: String },
    #[error("{host} did not answer within {seconds} seconds")]
    TimedOut { host: String, seconds: u64 },
    #[error("{name} was not found")]
    NotFound { name: String },
    #[error("{host} denies {} access to {name}", .user.as_ref().map_or("anonymous".to_owned(), |user| format!("user '{user}'")))]
    Denied { host: String, name: String, user: Option<String> },
    #[error("{host} answered {}{message}", .status.map_or(String::new(), |status| format!("{status}: ")))]
    Answer { host: String, status: Option<u16>, message: String },
    #[error("{name} does not match its digest: expected {expected}, got {actual}")]
    WrongDigest { name: String, expected: String, actual: String },
    #[error("{name} is not a WebAssembly artifact: {reason}")]
    NotWasm { name: String, reason: String },
    #[error("{name} is not a valid pipeline: {reason}")]
    NotPipeline { name: String, reason: String },
    #[error("{name} is not a Helm chart: {reason}")]
    NotChart { name: String, reason: String },
    #[error("{name} is not an image that can be used: {reason}")]
    NotImage { name: String, reason: String },
    #[error("{name} has a tag, which its publisher can move to another chart{}", .pinned.as_ref().map_or(String::new(), |pinned| format!("; it is {pinned} now")))]
    Unpinned { name: String, pinned: Option<String> },
    #[error("{name} is larger than the limit of {} MiB", most >> 20)]
    TooLarge { name: String, most: u64 },
    #[error("{name} is not signed, and [trust] requires a signature for '{pattern}'")]
    Unsigned { name: String, pattern: String },
    #[error("{name} is signed by the key {fingerprint}, which [trust] does not list for '{pattern}'")]
    WrongKey { name: String, pattern: String, fingerprint: String },
    #[error("the signature of {name} is not valid: {reason}")]
    BadSignature { name: String, reason: String },
    #[error("cannot sign with {}: {reason}", .key.display())]
    Signing { key: PathBuf, reason: String },
    #[error("cannot store plugins in {}: {reason}", .path.display())]
    Store { path: PathBuf, reason: String },
    #[error("there is no cache folder to store plugins in")]
    NoCache,
    #[error("the credentials for {host} are not usable: {reason}")]
    Credentials { host: String, reason: String },
}

impl RegistryError {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Address { .. } => "correct the address",
            Self::Unreachable { .. } | Self::TimedOut { .. } => {
                "check the address and the network; pinned artifacts that were fetched before need no registry"
            }
            Self::NotFound { .. } => {
                "check the name and the tag; a registry may also hide a private plugin until you log in (docker login)"
            }
            Self::Denied { .. } => {
                "log in with docker login, as a user with this permission; the credentials are read from \
                 $DOCKER_CONFIG/config.json or ~/.docker/config.json"
            }
            Self::Answer { .. } => "try again later, or ask the administrator of the registry",
            Self::WrongDigest { .. } => "do not use it; ask its author or the administrator of the registry",
            Self::NotWasm { reason, .. } if reason.starts_with(UNPINNED) => {
                "add the digest to uses, so that the code cannot change"
            }
            Self::NotWasm { .. } => "publish plugins with llmhost plugin push, or with wkg",
            Self::NotPipeline { .. } => "ask its author to publish it again, with llmhost pipeline push",
            Self::NotChart { .. } => "publish charts with helm push, and use the digest that it prints",
            Self::NotImage { .. } => "name another image, or build this one again",
            Self::Unpinned { pinned: Some(_), .. } => "write the address with its digest, as shown here",
            Self::Unpinned { pinned: None, .. } => {
                "add the digest to the address: oci://HOST/NAME:TAG@sha256:…; helm pull prints it"
            }
            Self::TooLarge { .. } => "is this the right artifact?",
            Self::Unsigned { .. } => {
                "ask its author to publish it with llmhost plugin push --sign, or correct [trust] in the pipeline file"
            }
            Self::WrongKey { .. } => {
                "if the author has a new key that you trust, add it under [trust] in the pipeline file"
            }
            Self::BadSignature { .. } => "do not use it; ask its author to publish it again",
            Self::Signing { .. } => "give an ed25519 key of OpenSSH; ssh-keygen -t ed25519 -f FILE makes one",
            Self::Store { .. } | Self::NoCache => "set XDG_CACHE_HOME to a writable folder",
            Self::Credentials { .. } => {
                "log in again with docker login, or correct $DOCKER_CONFIG/config.json or ~/.docker/config.json"
            }
        }
    }

    /// Whether another attempt may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Answer { status: Some(status), .. } => *status == 429 || *status >= 500,
            Self::Unreachable { reason, .. } => reason.starts_with(BROKEN_OFF),
            _ => false,
        }
    }
}

/// What the reason begins with where a pipeline is named by its tag alone.
pub(crate) const UNPINNED: &str = "it is a pipeline";

const BROKEN_OFF: &str = "the connection was interrupted";

/// What was asked for, for messages.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) host: String,
    /// Name and tag or digest.
    pub(crate) name: String,
    pub(crate) user: Option<String>,
}

impl Asked {
    pub(crate) fn denied(&self) -> RegistryError {
        RegistryError::Denied { host: self.host.clone(), name: self.name.clone(), user: self.user.clone() }
    }

    pub(crate) fn missing(&self) -> RegistryError {
        RegistryError::NotFound { name: self.name.clone() }
    }

    pub(crate) fn answer(&self, status: Option<u16>, message: &str) -> RegistryError {
        match status {
            Some(401 | 403) => self.denied(),
            Some(404) => self.missing(),
            _ => RegistryError::Answer { host: self.host.clone(), status, message: plain(message) },
        }
    }

    /// What OCI's client says, in our words.
    pub(crate) fn failed(&self, error: OciDistributionError) -> RegistryError {
        match error {
            OciDistributionError::RequestError(error) => self.unsent(&error),
            OciDistributionError::UnauthorizedError { .. } | OciDistributionError::AuthenticationFailure(_) => {
                self.denied()
            }
            OciDistributionError::ImageManifestNotFoundError(_) => self.missing(),
            OciDistributionError::RegistryError { envelope, .. } => {
                match envelope.errors.first().map(|error| &error.code) {
                    Some(OciErrorCode::Unauthorized | OciErrorCode::Denied) => self.denied(),
                    Some(
                        OciErrorCode::ManifestUnknown
                        | OciErrorCode::NameUnknown
                        | OciErrorCode::NotFound
                        | OciErrorCode::BlobUnknown
                        | OciErrorCode::ManifestBlobUnknown,
                    ) => self.missing(),
                    Some(OciErrorCode::Toomanyrequests) => self.answer(Some(429), &envelope.to_string()),
                    _ => self.answer(None, &envelope.to_string()),
                }
            }
            OciDistributionError::ServerError { code, message, .. } => self.answer(Some(code), &message),
            OciDistributionError::DigestError(error) => self.wrong_digest(&error),
            OciDistributionError::IoError(error) => self.interrupted(error),
            other => self.answer(None, &other.to_string()),
        }
    }

    /// What ended a stream.
    pub(crate) fn interrupted(&self, error: std::io::Error) -> RegistryError {
        let inner = error.get_ref();
        if let Some(digest) = inner.and_then(|inner| inner.downcast_ref::<DigestError>()) {
            return self.wrong_digest(digest);
        }
        match inner.and_then(|inner| inner.downcast_ref::<reqwest::Error>()) {
            Some(error) => self.unsent(error),
            None => RegistryError::Unreachable { host: self.host.clone(), reason: format!("{BROKEN_OFF}: {error}") },
        }
    }

    /// A request that got no whole answer.
    pub(crate) fn unsent(&self, error: &reqwest::Error) -> RegistryError {
        let host = self.host.clone();
        if error.is_timeout() {
            let seconds = if error.is_connect() { crate::client::CONNECT } else { crate::client::SILENCE };
            return RegistryError::TimedOut { host, seconds: seconds.as_secs() };
        }
        // The first of the causes says "error sending request", the last one why.
        let mut cause: &dyn std::error::Error = error;
        while let Some(source) = cause.source() {
            cause = source;
        }
        let reason = if error.is_connect() { cause.to_string() } else { format!("{BROKEN_OFF}: {cause}") };
        RegistryError::Unreachable { host, reason: plain(&reason) }
    }

    fn wrong_digest(&self, error: &DigestError) -> RegistryError {
        match error {
            DigestError::VerificationError { expected, actual } => RegistryError::WrongDigest {
                name: self.name.clone(),
                expected: expected.clone(),
                actual: plain(actual),
            },
            other => self.answer(None, &other.to_string()),
        }
    }
}

/// A digest that is not the expected one.
pub(crate) fn mismatch(name: &str, expected: &Digest, actual: &Digest) -> RegistryError {
    RegistryError::WrongDigest { name: name.to_owned(), expected: expected.to_string(), actual: actual.to_string() }
}

/// A text of somebody else's for one line of a terminal.
pub(crate) fn plain(text: &str) -> String {
    let text: String = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    if text.is_empty() { "nothing".to_owned() } else { text }
}
