//! What a plugin may ask for: the entries that a user writes in the pipeline file.

mod parse;
mod path;

use url::{Host, Url};

use crate::address::Reach;

pub use parse::GrantError;
pub(crate) use parse::{NEVER_SENT, Problem, host, host_and_port, port, problem};
pub(crate) use path::{PathPattern, Stars, normal};

/// What requests a plugin may send: those that one of the entries covers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grant {
    entries: Vec<Entry>,
}

/// One entry: `GET,POST https://api.example.com:8443/v1/*`.
///
/// - Methods: without any, `GET` and `HEAD`. `CONNECT` and `TRACE` are never sent.
/// - Host: a name, `*.example.com` (one or more labels before it), or an IP address. Only an entry that names the host
///   exactly reaches private addresses; only one that names `localhost` or the address itself reaches loopback.
/// - Port: that of the scheme where none is stated; no other one.
/// - Path: `*` stands for anything within a segment, `**` for any number of segments, and `*` at the end for the rest.
///   Each needs one: `/*` is every path.
/// - Query: any. An entry cannot limit it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Sorted.
    methods: Vec<String>,
    scheme: Scheme,
    host: HostPattern,
    port: u16,
    path: PathPattern,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostPattern {
    Exact(Host<String>),
    /// Every name that ends in a dot and this.
    Below(String),
}

impl HostPattern {
    fn covers(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Self::Exact(Host::Domain(name)), Host::Domain(host)) => name == host,
            (Self::Exact(Host::Ipv4(address)), Host::Ipv4(host)) => address == host,
            (Self::Exact(Host::Ipv6(address)), Host::Ipv6(host)) => address == host,
            (Self::Below(suffix), Host::Domain(host)) => {
                host.strip_suffix(suffix.as_str()).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exact(host) => write!(f, "{host}"),
            Self::Below(suffix) => write!(f, "*.{suffix}"),
        }
    }
}

/// What an entry allows that states no methods.
const DEFAULT_METHODS: [&str; 2] = ["GET", "HEAD"];

impl Entry {
    /// Whether its host is reached at an address of this kind.
    pub(crate) fn admits(&self, reach: Reach) -> bool {
        match (reach, &self.host) {
            (Reach::Public, _) | (Reach::Private, HostPattern::Exact(_)) => true,
            (Reach::Loopback, HostPattern::Exact(Host::Domain(name))) => name == LOCALHOST,
            // The address of a literal is the literal.
            (Reach::Loopback, HostPattern::Exact(_)) => true,
            _ => false,
        }
    }

    /// Whether it is for TLS.
    pub(crate) fn is_https(&self) -> bool {
        self.scheme == Scheme::Https
    }

    /// The entry that covers one request and no other. None where no entry can.
    pub(crate) fn exactly(method: &str, url: &Url) -> Option<String> {
        let text = format!("{method} {}", origin_and_path(url));
        text.parse::<Self>().ok().map(|entry| entry.to_string())
    }
}

/// The one name that is not looked up: it is this machine (RFC 6761, 6.3).
pub(crate) const LOCALHOST: &str = "localhost";

fn origin_and_path(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.methods != DEFAULT_METHODS {
            write!(f, "{} ", self.methods.join(","))?;
        }
        write!(f, "{}://{}", self.scheme.name(), self.host)?;
        if self.port != self.scheme.port() {
            write!(f, ":{}", self.port)?;
        }
        write!(f, "{}", self.path)
    }
}

impl Grant {
    /// Reads the entries as they stand in a pipeline file.
    pub fn parse<Text: AsRef<str>>(entries: &[Text]) -> Result<Self, GrantError> {
        let entries = entries.iter().map(|entry| entry.as_ref().parse()).collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// Its entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries that cover a request with this URL, whose path is in its normal form. Where there is none, what is
    /// missing.
    pub(crate) fn covering(&self, method: &str, url: &Url) -> Result<Vec<&Entry>, String> {
        let Some(host) = url.host() else { return Err("it has no host".to_owned()) };
        let entries: Vec<&Entry> = self.entries.iter().filter(|entry| entry.host.covers(&host)).collect();
        if entries.is_empty() {
            return Err(format!("no entry covers the host {host}"));
        }
        let has = |what| format!("for the host {host} it has only {what}");
        let is_scheme = |entry: &Entry| entry.scheme.name() == url.scheme();
        let entries = narrowed(entries, is_scheme, |entry| entry.scheme.name().to_owned(), || has("the scheme"))?;
        let is_port = |entry: &Entry| Some(entry.port) == url.port_or_known_default();
        let entries = narrowed(entries, is_port, |entry| entry.port.to_string(), || has("the port"))?;
        let is_path = |entry: &Entry| entry.path.matches(url.path());
        let entries = narrowed(entries, is_path, |entry| entry.path.to_string(), || has("the path"))?;
        let is_method = |entry: &Entry| entry.methods.iter().any(|allowed| allowed == method);
        narrowed(entries, is_method, |entry| entry.methods.join(", "), || has("the method"))
    }
}

/// The entries that are what is wanted. Where none is, what they are.
fn narrowed(
    entries: Vec<&Entry>,
    is: impl Fn(&Entry) -> bool,
    words: impl Fn(&Entry) -> String,
    has: impl Fn() -> String,
) -> Result<Vec<&Entry>, String> {
    let (inside, outside): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| is(entry));
    match inside.is_empty() {
        false => Ok(inside),
        true => Err(format!("{} {}", has(), list(outside.into_iter().map(words)))),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let mut items: Vec<String> = items.collect();
    items.sort();
    items.dedup();
    items.join(", ")
}

impl std::fmt::Display for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let quoted: Vec<String> = self.entries.iter().map(|entry| format!("\"{entry}\"")).collect();
        write!(f, "[{}]", quoted.join(", "))
    }
}
