//! What a provider may connect to: the entries that a user writes in the pipeline file.

use std::str::FromStr;

use url::Host;

use crate::address::Reach;
use crate::connect::Place;
use crate::grant::{self, GrantError, HostPattern, LOCALHOST, Problem};

/// What a provider may connect to: the places that the entries name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TcpGrant {
    entries: Vec<TcpEntry>,
}

/// One entry: `db.example.com:5432`. One host, which is a name or an IP address, and one port. Only an entry that names
/// `localhost` or the address itself reaches loopback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpEntry {
    host: Host<String>,
    port: u16,
}

const FORM: &str = "write it like db.example.com:5432, 10.0.0.7:5432 or [fd00::7]:5432";

impl FromStr for TcpEntry {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        entry(text).map_err(|problem| problem.of("tcp", text))
    }
}

fn entry(text: &str) -> Result<TcpEntry, Problem> {
    let is_strange = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '/' | '\\' | '@' | '?' | '#');
    if let Some((offset, strange)) = text.char_indices().find(|(_, c)| is_strange(*c)) {
        let what = if strange.is_control() {
            "there is a control character".to_owned()
        } else {
            format!("there is '{strange}'")
        };
        return grant::problem(offset, what, FORM);
    }
    let (name, digits) = grant::host_and_port(text);
    if let Some(star) = name.find('*') {
        return grant::problem(star, "a connection is granted to one host", "write an entry for each host");
    }
    let host = match grant::host(name, FORM)? {
        HostPattern::Exact(host) => host,
        HostPattern::Below(_) => return grant::problem(0, "a connection is granted to one host", FORM),
    };
    let Some(digits) = digits else { return grant::problem(text.len(), "it has no port", FORM) };
    let port = grant::port(digits, "write one number from 1 to 65535").map_err(|error| error.after(name.len() + 1))?;
    Ok(TcpEntry { host, port })
}

impl TcpEntry {
    /// The entry for a place, which a guest asked for. None where there can be none.
    fn of(host: &Host<String>, port: u16) -> Option<String> {
        format!("{host}:{port}").parse::<Self>().ok().map(|entry| entry.to_string())
    }
}

/// As it stands in `allow` of a pipeline file.
impl std::fmt::Display for TcpEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "tcp:{}:{}", self.host, self.port)
    }
}

impl TcpGrant {
    /// Reads the entries, without the `tcp:` in front of them.
    pub fn parse<Text: AsRef<str>>(entries: &[Text]) -> Result<Self, GrantError> {
        let entries = entries.iter().map(|entry| entry.as_ref().parse()).collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// Its entries.
    pub fn entries(&self) -> &[TcpEntry] {
        &self.entries
    }

    /// Whether an entry covers a place; what is missing, if none does.
    pub(super) fn covers(&self, place: &Asked) -> Result<(), String> {
        let of_host: Vec<&TcpEntry> = self.entries.iter().filter(|entry| entry.host == place.host).collect();
        if of_host.is_empty() {
            return Err(format!("no entry covers the host {}", place.host));
        }
        if of_host.iter().any(|entry| entry.port == place.port) {
            return Ok(());
        }
        let mut ports: Vec<u16> = of_host.iter().map(|entry| entry.port).collect();
        ports.sort_unstable();
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        Err(format!("for the host {} it has only the port {}", place.host, ports.join(", ")))
    }
}

/// Where a guest wants to connect to.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    host: Host<String>,
    port: u16,
}

impl Asked {
    /// Reads a host, which is a name or an address without brackets. What is wrong with it, if it is none.
    pub(super) fn parse(host: &str, port: u16) -> Result<Self, &'static str> {
        if port == 0 {
            return Err("the port is 0");
        }
        if let Ok(address) = host.parse() {
            return Ok(Self { host: Host::Ipv6(address), port });
        }
        if host.chars().any(|c| c.is_control() || c.is_whitespace() || "%/\\@?#[]:*".contains(c)) {
            return Err("the host is neither a name nor an IP address");
        }
        match Host::parse(host) {
            Ok(Host::Domain(name)) if name.ends_with('.') || name.split('.').any(str::is_empty) => {
                Err("the host starts or ends with a dot, or has two in a row")
            }
            Ok(host) => Ok(Self { host, port }),
            Err(_) => Err("the host is neither a name nor an IP address"),
        }
    }
}

impl Place for Asked {
    fn host(&self) -> Host<&str> {
        match &self.host {
            Host::Domain(name) => Host::Domain(name),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        }
    }

    fn port(&self) -> u16 {
        self.port
    }

    /// An entry names its host exactly, so what it covers may be private. Whether it is covered was asked before.
    fn admits(&self, reach: Reach) -> bool {
        match (reach, &self.host) {
            (Reach::Public | Reach::Private, _) => true,
            (Reach::Loopback, Host::Domain(name)) => name == LOCALHOST,
            (Reach::Loopback, _) => true,
            (Reach::Never(_), _) => false,
        }
    }

    fn entry(&self) -> Option<String> {
        TcpEntry::of(&self.host, self.port)
    }

    fn local_entry(&self) -> Option<String> {
        TcpEntry::of(&Host::Domain(LOCALHOST.to_owned()), self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_one_form() {
        for (text, form) in [
            ("DB.Example.com:5432", "tcp:db.example.com:5432"),
            ("db:1", "tcp:db:1"),
            ("10.0.0.7:65535", "tcp:10.0.0.7:65535"),
            ("[fd00::7]:5432", "tcp:[fd00::7]:5432"),
            ("bücher.example:5432", "tcp:xn--bcher-kva.example:5432"),
        ] {
            let entry: TcpEntry = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(entry.to_string(), form);
        }
    }

    #[test]
    fn what_cannot_be_read_says_where_and_what_to_do() {
        for (text, offset, problem) in [
            ("", 0, "there is no host"),
            (":5432", 0, "there is no host"),
            ("db.example.com", 14, "it has no port"),
            ("db.example.com:", 15, "'' is not a port"),
            ("db.example.com:0", 15, "'0' is not a port"),
            ("db.example.com:*", 15, "'*' is not a port"),
            ("db.example.com:+1", 15, "'+1' is not a port"),
            ("db.example.com:5432/x", 19, "there is '/'"),
            ("postgres://db:5432", 9, "there is '/'"),
            ("u@db:5432", 1, "there is '@'"),
            ("db :5432", 2, "there is ' '"),
            ("d\u{7}b:5432", 1, "there is a control character"),
            ("*.example.com:5432", 0, "a connection is granted to one host"),
            ("*:5432", 0, "a connection is granted to one host"),
            ("fd00::7:5432", 5, "':7:5432' is not a port"),
            ("db.example.com.:5432", 14, "the host ends with a dot"),
            ("2130706433:5432", 0, "'2130706433' contains the address 127.0.0.1"),
            ("[::ffff:10.0.0.1]:5432", 0, "'[::ffff:10.0.0.1]' contains the address 10.0.0.1"),
            (
                "169.254.169.254:80",
                0,
                "169.254.169.254 is never allowed: it is a metadata service, which gives cloud credentials to any \
                 client",
            ),
        ] {
            let error = text.parse::<TcpEntry>().expect_err(text);
            assert_eq!((error.offset, error.problem.as_str()), (offset, problem), "{text}");
            assert!(!error.advice.is_empty() && error.to_string().contains("is not a grant for tcp"), "{error}");
        }
    }
}
