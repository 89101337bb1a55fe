//! Where a request goes: a URL that was read once, checked, and is sent as it was checked.

use url::{Host, Position, Url};

use crate::error::{Failure, Part, plain};
use crate::grant::{Stars, normal};

/// A URL of http or https without user, password and fragment, whose path is in its normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    url: Url,
}

/// Servers take no longer ones.
const LONGEST: usize = 8 << 10;

const USER: (&str, &str) = ("it contains a user or a password", "send them as a header, or as basic authentication");

impl Target {
    /// Reads the URL of a request.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        if text.len() > LONGEST {
            let url = plain(text.split('?').next().unwrap_or_default()).chars().take(80).collect();
            return Err(Failure::TooLarge { url, part: Part::Url, allowed: format!("{LONGEST} bytes") });
        }
        let refused = |problem: &str, advice: &str| Err(invalid(text, problem, advice));
        if let Some(control) = text.chars().find(|c| c.is_control() || c.is_whitespace()) {
            let problem = match control {
                '\r' | '\n' => "it contains a line break",
                '\0' => "it contains a NUL",
                ' ' => "it contains a space",
                _ => "it contains a control character or white space",
            };
            return refused(problem, "encode it (a space is %20)");
        }
        if text.contains('\\') {
            return refused(
                "it contains a backslash, which some servers treat as a slash",
                "write slashes, or %5C in a query",
            );
        }
        // The URL standard takes `https:host` and `https:///host` for URLs with a host. Nobody means them.
        if text.split_once("://").is_none_or(|(_, rest)| rest.starts_with('/') || rest.is_empty()) {
            return refused("it is not a whole URL", "write it like https://api.example.com/v1/x");
        }
        let authority = text.split("://").nth(1).and_then(|rest| rest.split(['/', '?', '#']).next());
        if authority.is_some_and(|authority| authority.contains('@')) {
            return refused(USER.0, USER.1);
        }
        match Url::parse(text) {
            Ok(url) => Self::of(url).map_err(|(problem, advice)| invalid(text, problem, advice)),
            Err(error) => {
                refused(&format!("it cannot be read ({error})"), "write it like https://api.example.com/v1/x")
            }
        }
    }

    /// Where a redirect from here leads. Where that is nowhere a request may go: the place, why, and what to do.
    pub(crate) fn join(&self, location: &str) -> Result<Self, (String, String, &'static str)> {
        let shown = || shown(location);
        let ask = "ask the administrator of the server";
        if location.len() > LONGEST {
            return Err((shown().chars().take(80).collect(), "the URL is too long".to_owned(), ask));
        }
        if location.contains('\\') || location.contains(|c: char| c.is_control()) {
            return Err((shown(), "the URL contains a backslash or a control character".to_owned(), ask));
        }
        let url =
            self.url.join(location).map_err(|error| (shown(), format!("the URL cannot be read ({error})"), ask))?;
        Self::of(url).map_err(|(problem, _)| (shown(), problem.to_owned(), ask))
    }

    fn of(mut url: Url) -> Result<Self, (&'static str, &'static str)> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(("its scheme is not http or https", "write https:// or http://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(USER);
        }
        match url.host() {
            Some(Host::Domain(name)) if name.ends_with('.') => {
                return Err(("its host ends with a dot", "remove the dot"));
            }
            Some(Host::Domain(name)) if name.split('.').any(str::is_empty) => {
                return Err(("its host has two dots in a row, or starts with one", "write the host without them"));
            }
            Some(_) => {}
            None => return Err(("it has no host", "write it like https://api.example.com/v1/x")),
        }
        if url.port() == Some(0) {
            return Err(("its port is 0", "write a port from 1 to 65535"));
        }
        url.set_fragment(None);
        let path = normal(url.path(), Stars::Plain).map_err(|(_, problem)| (problem.words(), problem.advice()))?;
        url.set_path(&path);
        // What was checked has to be what is sent.
        match url.path() == path {
            true => Ok(Self { url }),
            false => Err(("its path cannot be read", "write the path in its simplest form")),
        }
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub(crate) fn host(&self) -> Host<&str> {
        self.url.host().expect("a URL without a host is not a target")
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.port_or_known_default().expect("http and https have ports")
    }

    /// For the Host header: the port where it is not the scheme's.
    pub(crate) fn authority(&self) -> &str {
        &self.url[Position::BeforeHost..Position::AfterPort]
    }

    /// Host and port, for messages.
    pub(crate) fn server(&self) -> String {
        format!("{}:{}", self.host(), self.port())
    }

    pub(crate) fn path_and_query(&self) -> &str {
        &self.url[Position::BeforePath..Position::AfterQuery]
    }

    pub(crate) fn is_same_origin(&self, other: &Self) -> bool {
        self.url.origin() == other.url.origin()
    }

    /// For messages: without the query, which may hold what is nobody's business.
    pub(crate) fn shown(&self) -> String {
        let query = if self.url.query().is_some() { "?…" } else { "" };
        format!("{}{query}", &self.url[..Position::AfterPath])
    }
}

fn invalid(text: &str, problem: &str, advice: &str) -> Failure {
    Failure::Invalid { problem: format!("its URL is {}, and {problem}", shown(text)), advice: advice.to_owned() }
}

/// A URL that could not be read, without what may be a password or a query.
fn shown(text: &str) -> String {
    let text = plain(text);
    let (before, query) = match text.find(['?', '#']) {
        Some(at) => (&text[..at], "…"),
        None => (text.as_str(), ""),
    };
    let before = match (before.find("//"), before.rfind('@')) {
        (Some(slashes), Some(at)) if slashes + 2 <= at => format!("{}…{}", &before[..slashes + 2], &before[at..]),
        (None, Some(at)) => format!("…{}", &before[at..]),
        _ => before.to_owned(),
    };
    format!("{before}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_what_was_read() {
        for (text, sent) in [
            ("https://API.example.com:443/v1/%61?q=a b#f".replace(' ', "+"), "https://api.example.com/v1/a?q=a+b"),
            ("HTTP://2130706433:80/x".to_owned(), "http://127.0.0.1/x"),
            ("http://[::ffff:a9fe:a9fe]".to_owned(), "http://[::ffff:a9fe:a9fe]/"),
            ("https://ｅxample.com/a|b*".to_owned(), "https://example.com/a%7Cb%2A"),
            ("https://example.com/a/../b".to_owned(), "https://example.com/b"),
        ] {
            assert_eq!(Target::parse(&text).expect(&text).url().as_str(), sent);
        }
    }

    #[test]
    fn a_url_that_two_would_read_differently_is_none() {
        for (text, problem) in [
            ("https:api.example.com/x", "it is not a whole URL"),
            ("https:///api.example.com/x", "it is not a whole URL"),
            ("//api.example.com/x", "it is not a whole URL"),
            ("/x", "it is not a whole URL"),
            ("ftp://example.com/x", "its scheme is not http or https"),
            ("file://localhost/etc/passwd", "its scheme is not http or https"),
            ("https://api.example.com\\@evil.example/", "it contains a backslash"),
            ("https://api.example.com@evil.example/", "it contains a user or a password"),
            ("https://api.example.com:443@evil.example/", "it contains a user or a password"),
            ("https://@example.com/", "it contains a user or a password"),
            ("https://exa\tmple.com/", "it contains a control character or white space"),
            ("https://example.com/ HTTP/1.1", "it contains a space"),
            ("https://example.com/\r\nX: y", "it contains a line break"),
            ("https://example.com./", "its host ends with a dot"),
            ("https://example.com:0/", "its port is 0"),
            ("https://example.com:99999/", "it cannot be read"),
            ("https://example.com/a//b", "its path contains an empty segment"),
            ("https://example.com/..;/b", "its path contains a semicolon"),
            ("https://example.com/%2e%2e%2fb", "its path contains a segment of dots"),
        ] {
            match Target::parse(text) {
                Err(Failure::Invalid { problem: told, .. }) => assert!(told.contains(problem), "{text:?}: {told}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
        let shown = Target::parse("https://me:hunter2@example.com/x?key=hunter2").expect_err("a user").message();
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_redirect_leads_to_another_target() {
        let from = Target::parse("https://example.com/a/b?c").expect("a URL");
        assert_eq!(from.join("../d?e#f").expect("relative").url().as_str(), "https://example.com/d?e");
        assert_eq!(from.join("//evil.example/x").expect("another host").url().as_str(), "https://evil.example/x");
        for bad in ["ftp://x/", "https://u@x/", "\\\\evil.example", "https://x/a//b", "data:text/plain,x"] {
            assert!(from.join(bad).is_err(), "{bad}");
        }
    }
}
