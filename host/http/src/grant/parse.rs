//! Reading an entry of a grant.

use std::net::IpAddr;
use std::str::FromStr;

use url::Host;

use super::{DEFAULT_METHODS, Entry, HostPattern, PathPattern, Scheme};
use crate::address::{Reach, reach};

/// An entry that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a grant for {protocol}: at character {}, {problem}; {advice}", .text.get(..*.offset).unwrap_or(.text).chars().count() + 1)]
pub struct GrantError {
    /// `http` or `tcp`.
    pub protocol: &'static str,
    /// The entry.
    pub text: String,
    /// Where the problem is, in bytes from the entry's beginning.
    pub offset: usize,
    /// What it is.
    pub problem: String,
    /// What to do about it.
    pub advice: String,
}

/// A problem and its offset within the entry.
pub(crate) struct Problem {
    offset: usize,
    problem: String,
    advice: String,
}

pub(crate) fn problem<T>(offset: usize, problem: impl Into<String>, advice: impl Into<String>) -> Result<T, Problem> {
    Err(Problem { offset, problem: problem.into(), advice: advice.into() })
}

const FORM: &str = "write it like https://api.example.com/v1/* or GET,POST https://api.example.com/v1/*";

impl FromStr for Entry {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        entry(text).map_err(|problem| problem.of("http", text))
    }
}

fn entry(text: &str) -> Result<Entry, Problem> {
    if let Some(offset) = text.find(char::is_control) {
        return problem(offset, "there is a control character", "remove it");
    }
    let Some(colon) = text.find("://") else { return problem(0, "there is no scheme", FORM) };
    let start = text[..colon].rfind(' ').map_or(0, |space| space + 1);
    let methods = methods(&text[..start])?;
    let scheme = match &text[start..colon] {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        other => {
            return problem(start, format!("'{other}' is not a supported scheme"), "write https:// or http://");
        }
    };
    let rest = colon + 3;
    if let Some(at) = text[rest..].find(['?', '#', ' ', '\\']) {
        let (what, advice) = match text.as_bytes()[rest + at] {
            b'?' => ("an entry has no query", "remove the ? and the text after it: an entry covers every query"),
            b'#' => ("a fragment is never sent", "remove the # and the text after it"),
            b'\\' => ("there is a backslash", "write slashes"),
            _ => ("there is a space", "put each entry in quotes of its own, and write a space in a path as %20"),
        };
        return problem(rest + at, what, advice);
    }
    let end = text[rest..].find('/').map_or(text.len(), |slash| rest + slash);
    let (host, port) = authority(&text[rest..end], scheme).map_err(|error| error.after(rest))?;
    if end == text.len() {
        return problem(end, "it has no path", format!("write {text}/* for every path"));
    }
    let path = PathPattern::parse(&text[end..])
        .or_else(|(offset, what, advice)| problem(offset, what, advice))
        .map_err(|error| error.after(end))?;
    Ok(Entry { methods, scheme, host, port, path })
}

impl Problem {
    /// The problem of an entry.
    pub(crate) fn of(self, protocol: &'static str, text: &str) -> GrantError {
        let Self { offset, problem, advice } = self;
        let text = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        GrantError { protocol, text, offset, problem, advice }
    }

    pub(crate) fn after(self, start: usize) -> Self {
        Self { offset: self.offset + start, ..self }
    }
}

fn methods(text: &str) -> Result<Vec<String>, Problem> {
    let listed = text.trim_end();
    if listed.is_empty() {
        return match text.is_empty() {
            true => Ok(DEFAULT_METHODS.map(str::to_owned).into()),
            false => problem(0, "there is a space", "start with the methods or with the scheme"),
        };
    }
    let (mut methods, mut offset) = (Vec::new(), 0);
    for written in listed.split(',') {
        let method = written.trim();
        let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        if !is_method {
            let what = format!("'{method}' is not a method");
            return problem(offset, what, "write methods in capital letters with commas between them, like GET,POST");
        }
        if NEVER_SENT.contains(&method) {
            return problem(offset, format!("{method} is never sent"), format!("remove {method}"));
        }
        methods.push(method.to_owned());
        offset += written.len() + 1;
    }
    methods.sort();
    methods.dedup();
    Ok(methods)
}

/// One makes a tunnel to anywhere, the other gives back headers with secrets in them.
pub(crate) const NEVER_SENT: [&str; 2] = ["CONNECT", "TRACE"];

fn authority(text: &str, scheme: Scheme) -> Result<(HostPattern, u16), Problem> {
    if let Some(at) = text.rfind('@') {
        return problem(at, "an entry cannot contain a user or a password", "remove the @ and the text before it");
    }
    let (name, digits) = host_and_port(text);
    let host = host(name, FORM)?;
    let Some(digits) = digits else { return Ok((host, scheme.port())) };
    let advice = "write one number from 1 to 65535, or remove the port and its colon";
    port(digits, advice).map(|port| (host, port)).map_err(|error| error.after(name.len() + 1))
}

/// `db.example.com:5432` in two; nothing where there is no port.
pub(crate) fn host_and_port(text: &str) -> (&str, Option<&str>) {
    // An IPv6 address has colons of its own.
    let end = text.find(']').map_or(0, |bracket| bracket + 1);
    match text[end..].find(':').map(|colon| end + colon) {
        Some(colon) => (&text[..colon], Some(&text[colon + 1..])),
        None => (text, None),
    }
}

pub(crate) fn port(digits: &str, advice: &str) -> Result<u16, Problem> {
    match digits.parse::<u16>() {
        Ok(port) if port != 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ => problem(0, format!("'{digits}' is not a port"), advice),
    }
}

/// `form` is what an entry looks like.
pub(crate) fn host(text: &str, form: &str) -> Result<HostPattern, Problem> {
    if text.is_empty() {
        return problem(0, "there is no host", form);
    }
    if let Some(at) = text.find('%') {
        return problem(at, "a host is not encoded", "write the host as it is");
    }
    if text.ends_with('.') {
        return problem(text.len() - 1, "the host ends with a dot", "remove the dot");
    }
    let (name, start) = text.strip_prefix("*.").map_or((text, 0), |name| (name, 2));
    if let Some(at) = name.find('*') {
        let advice = "write *.example.com for the names below example.com, or list the hosts";
        return problem(start + at, "* is allowed only at the start of a host, with a dot after it", advice);
    }
    let parsed = match Host::parse(name) {
        Ok(parsed) => parsed,
        Err(error) => return problem(start, format!("'{name}' is not a host ({error})"), form),
    };
    let address = match &parsed {
        Host::Domain(domain) if start == 0 => return labels(domain, form).map(|()| HostPattern::Exact(parsed.clone())),
        Host::Domain(domain) => {
            labels(domain, form).map_err(|error| error.after(start))?;
            return match domain.contains('.') {
                true => Ok(HostPattern::Below(domain.clone())),
                false => problem(
                    0,
                    format!("*.{domain} covers a whole top-level domain"),
                    format!("write *.example.{domain}, or list the hosts"),
                ),
            };
        }
        Host::Ipv4(address) => IpAddr::V4(*address),
        Host::Ipv6(address) => IpAddr::V6(*address),
    };
    if start != 0 {
        return problem(0, "below an IP address there is no name", format!("write {parsed}"));
    }
    if let Reach::Never(why) = reach(address) {
        let advice = format!("remove the entry: no grant allows {address}");
        return problem(0, format!("{parsed} is never allowed: it is {why}"), advice);
    }
    // Whoever reads the file has to see which address it is.
    let plain = crate::address::plain(address);
    let canonical = if plain == address { parsed.to_string() } else { plain.to_string() };
    match canonical == text {
        true => Ok(HostPattern::Exact(parsed)),
        false => problem(0, format!("'{text}' contains the address {canonical}"), format!("write {canonical}")),
    }
}

/// Names are letters, digits, `-` and `_`; what is not ASCII is punycode by now.
fn labels(domain: &str, form: &str) -> Result<(), Problem> {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    match domain.split('.').find(|label| !is_label(label)) {
        None => Ok(()),
        Some(label) => problem(0, format!("'{label}' in the host is not part of a name"), form),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_one_form() {
        for (text, form) in [
            ("https://api.example.com/v1/*", "https://api.example.com/v1/*"),
            ("https://API.Example.com:443/v1/**", "https://api.example.com/v1/*"),
            ("HEAD,GET http://127.0.0.1:9093/*", "http://127.0.0.1:9093/*"),
            (
                "POST,GET,POST https://alerts.internal:9093/api/v2/silences*",
                "GET,POST https://alerts.internal:9093/api/v2/silences*",
            ),
            ("PUT, GET  http://a/", "GET,PUT http://a/"),
            ("GET  http://[::1]:80/", "GET http://[::1]/"),
            ("https://*.bücher.example/%7Euser/ä/*", "https://*.xn--bcher-kva.example/~user/%C3%A4/*"),
            ("http://alertmanager:9093/*", "http://alertmanager:9093/*"),
        ] {
            let entry: Entry = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(entry.to_string(), form);
            assert_eq!(form.parse::<Entry>().as_ref(), Ok(&entry), "{form}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_where_and_what_to_do() {
        for (text, offset, problem) in [
            ("api.example.com/v1", 0, "there is no scheme"),
            ("ftp://example.com/", 0, "'ftp' is not a supported scheme"),
            ("HTTPS://example.com/", 0, "'HTTPS' is not a supported scheme"),
            ("get https://example.com/", 0, "'get' is not a method"),
            ("GET,,POST https://example.com/", 4, "'' is not a method"),
            ("* https://example.com/", 0, "'*' is not a method"),
            ("GET,CONNECT https://example.com/", 4, "CONNECT is never sent"),
            (" https://example.com/", 0, "there is a space"),
            ("https://example.com", 19, "it has no path"),
            ("https:///x", 8, "there is no host"),
            ("https://u:p@example.com/", 11, "an entry cannot contain a user or a password"),
            ("https://example.com/a?b=*", 21, "an entry has no query"),
            ("https://example.com/a#b", 21, "a fragment is never sent"),
            ("https://example.com\\@evil.example/", 19, "there is a backslash"),
            ("https://example.com:0/", 20, "'0' is not a port"),
            ("https://example.com:*/", 20, "'*' is not a port"),
            ("https://example.com:+80/", 20, "'+80' is not a port"),
            ("https://*/x", 8, "* is allowed only at the start of a host, with a dot after it"),
            ("https://api.*.com/x", 12, "* is allowed only at the start of a host, with a dot after it"),
            ("https://*.com/x", 8, "*.com covers a whole top-level domain"),
            ("https://*.10.0.0.1/x", 8, "below an IP address there is no name"),
            ("https://example.com./x", 19, "the host ends with a dot"),
            ("https://ex%61mple.com/x", 10, "a host is not encoded"),
            ("https://a..b/x", 8, "'' in the host is not part of a name"),
            ("http://2130706433/x", 7, "'2130706433' contains the address 127.0.0.1"),
            ("http://0x7f.1/x", 7, "'0x7f.1' contains the address 127.0.0.1"),
            ("http://[::ffff:10.0.0.1]/x", 7, "'[::ffff:10.0.0.1]' contains the address 10.0.0.1"),
            (
                "http://169.254.169.254/*",
                7,
                "169.254.169.254 is never allowed: it is a metadata service, which gives cloud credentials to any \
                 client",
            ),
            (
                "http://0.0.0.0/*",
                7,
                "0.0.0.0 is never allowed: it is an unspecified address, which many systems treat as this machine",
            ),
            ("https://example.com/../x", 20, "its path contains a segment of dots, which leaves its folder"),
            ("https://example.com/a**", 21, "** is a segment of its own"),
            ("https://example.com/a;b", 21, "its path contains a semicolon, and some servers ignore the text after it"),
        ] {
            let error = text.parse::<Entry>().expect_err(text);
            assert_eq!((error.offset, error.problem.as_str()), (offset, problem), "{text}");
            assert!(!error.advice.is_empty(), "{text}");
        }
        let error = "https://bücher.example".parse::<Entry>().expect_err("no path");
        assert_eq!(
            error.to_string(),
            "\"https://bücher.example\" is not a grant for http: at character 23, it has no path; write \
             https://bücher.example/* for every path"
        );
    }
}
