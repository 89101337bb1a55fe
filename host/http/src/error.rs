//! Why a request was not sent, or got no answer that could be used, and what to do about it.
//!
//! URLs stand here without their queries, and no value of a secret stands here at all.

use std::net::IpAddr;
use std::time::Duration;

/// A request that got no answer that could be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpError {
    /// Why.
    pub failure: Failure,
    /// Whether the server, or one that redirected to it, may have got the request and acted on it. Where it cannot have,
    /// another attempt repeats nothing.
    pub may_have_reached: bool,
}

impl HttpError {
    /// What went wrong.
    pub fn message(&self) -> String {
        self.failure.message()
    }

    /// What to do about it.
    pub fn advice(&self) -> String {
        self.failure.advice()
    }

    /// What kind of thing went wrong.
    pub fn class(&self) -> Class {
        self.failure.class()
    }
}

impl std::fmt::Display for HttpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}; {}", self.message(), self.advice())
    }
}

impl std::error::Error for HttpError {}

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// The request is none that is ever sent.
    Invalid,
    /// The grant does not cover it.
    NotGranted,
    /// The grant does not reach the address that its host has.
    Address,
    /// A secret would go where it may not go.
    Secret,
    /// Its host has no address.
    NameNotFound,
    /// There was no connection.
    Connect,
    /// There was no TLS.
    Tls,
    /// It took too long.
    Timeout,
    /// Something was larger than it may be.
    TooLarge,
    /// The server sent it on to where it may not go.
    Redirect,
    /// What the server said is no HTTP, or broke off.
    Protocol,
}

/// Why a request got no answer that could be used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each says what it is")]
pub enum Failure {
    Invalid {
        problem: String,
        advice: String,
    },
    /// `entry` covers this request and no other; none where no entry can.
    NotGranted {
        request: String,
        problem: String,
        entry: Option<String>,
    },
    /// `entry` would reach it; none where none can.
    Address {
        host: String,
        address: IpAddr,
        problem: String,
        entry: Option<String>,
    },
    Secret {
        name: String,
        problem: String,
        advice: String,
    },
    NameNotFound {
        host: String,
        reason: String,
    },
    Connect {
        server: String,
        reason: String,
    },
    Tls {
        server: String,
        problem: TlsProblem,
        reason: String,
    },
    Timeout {
        server: String,
        phase: Phase,
        limit: Duration,
    },
    TooLarge {
        url: String,
        part: Part,
        allowed: String,
    },
    Redirect {
        from: String,
        to: String,
        reason: String,
        advice: String,
    },
    Protocol {
        url: String,
        reason: String,
    },
}

/// What was being done when the time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Other requests of the same client were not done yet.
    Turn,
    /// The host's name was looked up.
    Name,
    /// The server did not take the connection yet.
    Connect,
    /// Both agreed on TLS.
    Tls,
    /// A secret was read.
    Secret,
    /// The request was sent, and no answer was there yet.
    Answer,
    /// The answer's body was read.
    Body,
    /// A provider wrote to its connection.
    Write,
    /// A provider read from its connection.
    Read,
}

impl Phase {
    fn words(self) -> &'static str {
        match self {
            Self::Turn => "waiting for other requests of the same plugin to finish before asking",
            Self::Name => "looking up the name of",
            Self::Connect => "connecting to",
            Self::Tls => "agreeing on TLS with",
            Self::Secret => "reading a secret for",
            Self::Answer => "waiting for the answer of",
            Self::Body => "reading the body of the answer of",
            Self::Write => "writing to",
            Self::Read => "waiting for an answer of",
        }
    }
}

/// What can be too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each says what it is")]
pub enum Part {
    Url,
    RequestHeaders,
    RequestBody,
    Headers,
    Body,
}

impl Part {
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Url => ("the URL of the request to", "has", "request less at once"),
            Self::RequestHeaders => ("the headers of the request to", "are", "send fewer or shorter headers"),
            Self::RequestBody => ("the body of the request to", "has", "send less in one request, or raise the limit"),
            Self::Headers => {
                ("the headers of the answer of", "are", "ask the administrator of the server, or raise the limit")
            }
            Self::Body => {
                ("the body of the answer of", "has", "request less at once, a page for example, or raise the limit")
            }
        }
    }
}

/// Why there was no TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TlsProblem {
    /// No root that is trusted signed the certificate.
    UnknownCa,
    /// The certificate is another host's.
    WrongName,
    /// The certificate's time is over, or has not come.
    Expired,
    /// The server does not speak TLS.
    NotTls,
    /// Something else.
    Other,
}

impl Failure {
    /// What kind of thing went wrong.
    pub fn class(&self) -> Class {
        match self {
            Self::Invalid { .. } => Class::Invalid,
            Self::NotGranted { .. } => Class::NotGranted,
            Self::Address { .. } => Class::Address,
            Self::Secret { .. } => Class::Secret,
            Self::NameNotFound { .. } => Class::NameNotFound,
            Self::Connect { .. } => Class::Connect,
            Self::Tls { .. } => Class::Tls,
            Self::Timeout { .. } => Class::Timeout,
            Self::TooLarge { .. } => Class::TooLarge,
            Self::Redirect { .. } => Class::Redirect,
            Self::Protocol { .. } => Class::Protocol,
        }
    }

    /// What went wrong.
    pub fn message(&self) -> String {
        match self {
            Self::Invalid { problem, .. } => format!("the request is not sent: {problem}"),
            Self::NotGranted { request, problem, .. } => format!("the grant does not cover {request}: {problem}"),
            Self::Address { host, address, problem, .. } => {
                let at = address.to_string();
                let has = if host.trim_matches(['[', ']']) == at { host.clone() } else { format!("{host} at {at}") };
                format!("{has} is not contacted: {problem}")
            }
            Self::Secret { name, problem, .. } => format!("the secret '{name}' is not sent: {problem}"),
            Self::NameNotFound { host, reason } => format!("no address was found for {host}: {reason}"),
            Self::Connect { server, reason } => format!("cannot connect to {server}: {reason}"),
            Self::Tls { server, problem, reason } => match problem {
                TlsProblem::UnknownCa => format!("the certificate of {server} is not signed by a trusted CA: {reason}"),
                TlsProblem::WrongName => format!("the certificate of {server} is for another host: {reason}"),
                TlsProblem::Expired => format!("the certificate of {server} is not valid now: {reason}"),
                TlsProblem::NotTls => format!("{server} does not speak TLS: {reason}"),
                TlsProblem::Other => format!("{server} and llmhost cannot agree on TLS: {reason}"),
            },
            Self::Timeout { server, phase, limit } => {
                format!("{} {server} took longer than {}", phase.words(), seconds(*limit))
            }
            Self::TooLarge { url, part, allowed } => {
                let (what, has, _) = part.words();
                format!("{what} {url} {has} more than {allowed}")
            }
            Self::Redirect { from, to, reason, .. } => {
                format!("{from} redirects to {to}, and that is refused: {reason}")
            }
            Self::Protocol { url, reason } => format!("the answer of {url} cannot be used: {reason}"),
        }
    }

    /// What to do about it.
    pub fn advice(&self) -> String {
        match self {
            Self::Invalid { advice, .. } | Self::Secret { advice, .. } | Self::Redirect { advice, .. } => {
                advice.clone()
            }
            Self::NotGranted { entry: Some(entry), .. } => format!("to allow it, grant \"{entry}\""),
            Self::NotGranted { entry: None, .. } => "no grant can allow it".to_owned(),
            Self::Address { entry: Some(entry), .. } => format!("to allow it, grant \"{entry}\""),
            Self::Address { entry: None, .. } => "no grant can allow it".to_owned(),
            Self::NameNotFound { .. } => "check the name, and the DNS of this machine".to_owned(),
            Self::Connect { .. } => {
                "check that the server runs and that this machine reaches it; proxy settings of the environment are \
                    ignored"
                    .to_owned()
            }
            Self::Tls { problem, .. } => match problem {
                TlsProblem::UnknownCa => {
                    "if the server uses a private CA, set its certificate (PEM) as 'ca'".to_owned()
                }
                TlsProblem::WrongName => "use a host name that its certificate has".to_owned(),
                TlsProblem::Expired => {
                    "ask the administrator of the server to renew it, and check the clock of this machine".to_owned()
                }
                TlsProblem::NotTls => "check the port, or ask it by http:// if it is granted".to_owned(),
                TlsProblem::Other => "ask the administrator of the server; llmhost needs TLS 1.2 or 1.3".to_owned(),
            },
            Self::Timeout { phase: Phase::Turn, .. } => "send fewer requests at a time".to_owned(),
            Self::Timeout { phase: Phase::Name, .. } => "check the DNS of this machine".to_owned(),
            Self::Timeout { phase: Phase::Connect, .. } => {
                "check that this machine reaches the server: security groups, routes, firewalls; proxy settings of \
                 the environment are ignored"
                    .to_owned()
            }
            Self::Timeout { .. } => "try again later, or raise the time limit".to_owned(),
            Self::TooLarge { part, .. } => part.words().2.to_owned(),
            Self::Protocol { .. } => "ask the administrator of the server, and check that the port speaks \
                HTTP/1.1"
                .to_owned(),
        }
    }

    /// Where the request was not sent at all, and so no server can have got it.
    pub(crate) fn unsent(self) -> HttpError {
        HttpError { failure: self, may_have_reached: false }
    }

    /// Where it may have been.
    pub(crate) fn sent(self) -> HttpError {
        HttpError { failure: self, may_have_reached: true }
    }

    /// Changes every text in it.
    pub(crate) fn map(mut self, change: impl Fn(&str) -> String) -> Self {
        let texts: Vec<&mut String> = match &mut self {
            Self::Invalid { problem, advice } => vec![problem, advice],
            Self::NotGranted { request, problem, entry } => [request, problem].into_iter().chain(entry).collect(),
            Self::Address { host, problem, entry, .. } => [host, problem].into_iter().chain(entry).collect(),
            Self::Secret { problem, advice, .. } => vec![problem, advice],
            Self::NameNotFound { host, reason } => vec![host, reason],
            Self::Connect { server, reason } | Self::Tls { server, reason, .. } => vec![server, reason],
            Self::Timeout { server, .. } => vec![server],
            Self::TooLarge { url, .. } => vec![url],
            Self::Redirect { from, to, reason, advice } => vec![from, to, reason, advice],
            Self::Protocol { url, reason } => vec![url, reason],
        };
        for text in texts {
            *text = change(text);
        }
        self
    }
}

fn seconds(limit: Duration) -> String {
    match limit.subsec_millis() {
        0 => format!("{} s", limit.as_secs()),
        _ => format!("{} ms", limit.as_millis()),
    }
}

/// A text of somebody else's for one line of a terminal.
pub(crate) fn plain(text: &str) -> String {
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}
