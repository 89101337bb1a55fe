//! Paths: the one form in which a path is held against a grant and sent, and the patterns of grants.
//!
//! Servers disagree on what `..`, `//`, `;`, `\` and their encoded forms mean. A grant that one of them reads
//! otherwise than this crate would be none. So a path that holds one is not sent at all.

/// Why a path is not sent, or is not the path of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PathProblem {
    Percent,
    TwiceEncoded,
    Control,
    Backslash,
    Semicolon,
    Dots,
    Empty,
    NotUtf8,
}

impl PathProblem {
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Percent => "its path has a % without two hexadecimal digits after it",
            Self::TwiceEncoded => "its path is encoded twice (%25 before two hexadecimal digits)",
            Self::Control => "its path contains a control character",
            Self::Backslash => "its path contains a backslash, which some servers treat as a slash",
            Self::Semicolon => "its path contains a semicolon, and some servers ignore the text after it",
            Self::Dots => "its path contains a segment of dots, which leaves its folder",
            Self::Empty => "its path contains an empty segment (//), which some servers drop",
            Self::NotUtf8 => "its path is not UTF-8 once it is decoded",
        }
    }

    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Percent => "write a percent sign as %25",
            Self::TwiceEncoded => "encode the path once",
            Self::Control => "remove the control character",
            Self::Backslash => "write slashes",
            Self::Semicolon => "remove the semicolon, or put its parts into the query",
            Self::Dots => "write the path without dots",
            Self::Empty => "write single slashes",
            Self::NotUtf8 => "encode the path as UTF-8",
        }
    }
}

/// What a `*` is in a path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stars {
    /// A character like others; it is encoded, so that a path is its own pattern.
    Plain,
    /// A part of a pattern.
    Wild,
}

/// A path in the form that is compared and sent (RFC 3986, 6.2.2): what need not be encoded is not, the rest has
/// capital digits. The error has its offset.
pub(crate) fn normal(path: &str, stars: Stars) -> Result<String, (usize, PathProblem)> {
    let bytes = path.as_bytes();
    let (mut text, mut decoded, mut at) = (String::with_capacity(path.len()), Vec::new(), 0);
    // Where each segment begins, in the path as it was given; an encoded slash begins one as well.
    let mut segments = Vec::new();
    while let Some(&byte) = bytes.get(at) {
        let refused = |problem| Err((at, problem));
        let encoded = byte == b'%';
        let (value, length) = match (encoded, hex(bytes, at + 1)) {
            (false, _) => (byte, 1),
            (true, Some(value)) => (value, 3),
            (true, None) => return refused(PathProblem::Percent),
        };
        match value {
            0..=0x1f | 0x7f => return refused(PathProblem::Control),
            b'\\' => return refused(PathProblem::Backslash),
            b';' => return refused(PathProblem::Semicolon),
            b'%' if encoded && hex(bytes, at + 3).is_some() => return refused(PathProblem::TwiceEncoded),
            b'/' => segments.push(at + length),
            _ => {}
        }
        let as_it_is = match value {
            b'*' => !encoded && stars == Stars::Wild,
            _ if encoded => is_unreserved(value),
            _ => is_unreserved(value) || b"!$&'()+,=:@/".contains(&value),
        };
        if as_it_is {
            text.push(char::from(value));
        } else {
            text.push_str(&format!("%{value:02X}"));
        }
        decoded.push(value);
        at += length;
    }
    let decoded = std::str::from_utf8(&decoded).map_err(|_| (0, PathProblem::NotUtf8))?;
    let last = segments.len().saturating_sub(1);
    // Before the first slash there is nothing.
    for (index, (segment, start)) in decoded.split('/').skip(1).zip(segments).enumerate() {
        let inner = segment.trim();
        if !inner.is_empty() && inner.bytes().all(|byte| byte == b'.') {
            return Err((start, PathProblem::Dots));
        }
        if segment.is_empty() && index != last {
            return Err((start, PathProblem::Empty));
        }
    }
    Ok(text)
}

fn hex(bytes: &[u8], at: usize) -> Option<u8> {
    let digits = bytes.get(at..at + 2)?;
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(digits[0])? * 16 + digit(digits[1])?).ok()
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// A pattern of paths: `*` within a segment, `**` for any number of segments, `*` at the end for the rest.
/// None of them stands for an encoded slash (`%2F`): that has to be in the pattern itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathPattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Vec<u16>),
    /// Anything within a segment.
    Star,
    /// No segment, or some, each with the slash after it.
    Segments,
    /// Anything up to the end.
    Rest,
}

/// Longer ones are nobody's.
const LONGEST: usize = 1024;

impl PathPattern {
    /// Reads a pattern. The error has its offset, the problem, and what to do.
    pub(crate) fn parse(path: &str) -> Result<Self, (usize, &'static str, &'static str)> {
        if path.len() > LONGEST {
            return Err((LONGEST, "its path is longer than 1024 characters", "write a shorter pattern"));
        }
        let text =
            normal(path, Stars::Wild).map_err(|(offset, problem)| (offset, problem.words(), problem.advice()))?;
        let mut offset = 0;
        for segment in path.split('/') {
            if segment.contains("**") && segment != "**" {
                let at = offset + segment.find("**").unwrap_or_default();
                return Err((at, "** is a segment of its own", "write /**/ between slashes, or * within a segment"));
            }
            offset += segment.len() + 1;
        }
        // One meaning has one form: /** at the end is /*.
        let mut text = text;
        while text.contains("/**/**") {
            text = text.replace("/**/**", "/**");
        }
        if text.ends_with("/**") {
            text.pop();
        }
        Ok(Self { parts: parts(&text), text })
    }

    /// Whether a path in its normal form is one of these.
    pub(crate) fn matches(&self, path: &str) -> bool {
        let units = units(path);
        // Which lengths of the path the parts so far can stand for. No backtracking, so no pattern is slow.
        let mut reached = vec![false; units.len() + 1];
        reached[0] = true;
        for part in &self.parts {
            reached = part.advance(&units, &reached);
        }
        reached[units.len()]
    }
}

impl std::fmt::Display for PathPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

const SLASH: u16 = b'/' as u16;
const ENCODED: u16 = 0x100;
const ENCODED_SLASH: u16 = ENCODED | SLASH;

impl Part {
    fn advance(&self, units: &[u16], before: &[bool]) -> Vec<bool> {
        let mut after = vec![false; before.len()];
        if let Self::Literal(literal) = self {
            for at in (0..before.len()).filter(|at| before[*at]) {
                if units[at..].starts_with(literal) {
                    after[at + literal.len()] = true;
                }
            }
            return after;
        }
        let mut open = false;
        for at in 0..before.len() {
            open |= before[at];
            let ends = !matches!(self, Self::Segments) || before[at] || (at > 0 && units[at - 1] == SLASH);
            after[at] = open && ends;
            open &= match units.get(at) {
                Some(&ENCODED_SLASH) => false,
                Some(&SLASH) => !matches!(self, Self::Star),
                _ => true,
            };
        }
        after
    }
}

fn parts(pattern: &str) -> Vec<Part> {
    let (mut parts, mut rest) = (Vec::new(), pattern);
    while let Some(at) = rest.find('*') {
        let (literal, stars) = rest.split_at(at);
        let (part, length) = match stars {
            "*" => (Part::Rest, 1),
            _ if stars.starts_with("**/") => (Part::Segments, 3),
            _ => (Part::Star, 1),
        };
        parts.extend([Part::Literal(units(literal)), part]);
        rest = &stars[length..];
    }
    parts.push(Part::Literal(units(rest)));
    parts
}

/// A path's characters; one that is encoded is one, and another one than itself not encoded.
fn units(path: &str) -> Vec<u16> {
    let (bytes, mut units, mut at) = (path.as_bytes(), Vec::with_capacity(path.len()), 0);
    while let Some(&byte) = bytes.get(at) {
        let encoded = if byte == b'%' { hex(bytes, at + 1) } else { None };
        units.push(encoded.map_or(u16::from(byte), |value| ENCODED | u16::from(value)));
        at += if encoded.is_some() { 3 } else { 1 };
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_form_and_what_servers_read_differently_has_none() {
        for (path, form) in [
            ("/", "/"),
            ("/v1/%61b%7e", "/v1/ab~"),
            ("/v1/a%20b%c3%a9", "/v1/a%20b%C3%A9"),
            ("/v1/x*y|z", "/v1/x%2Ay%7Cz"),
            ("/g%2fn/", "/g%2Fn/"),
            ("/100%25", "/100%25"),
            ("/a.b/..c/d..", "/a.b/..c/d.."),
            ("/a:b@c,d", "/a:b@c,d"),
        ] {
            assert_eq!(normal(path, Stars::Plain).as_deref(), Ok(form), "{path}");
            assert_eq!(normal(form, Stars::Plain).as_deref(), Ok(form), "{form}");
        }
        use PathProblem::{Backslash, Control, Dots, Empty, NotUtf8, Percent, Semicolon, TwiceEncoded};
        for (path, at, problem) in [
            ("/v1/../x", 4, Dots),
            ("/v1/%2e%2E/x", 4, Dots),
            ("/v1/.%2e", 4, Dots),
            ("/v1/./x", 4, Dots),
            ("/v1/.../x", 4, Dots),
            ("/v1/..%20/x", 4, Dots),
            ("/v1%2f..%2fx", 6, Dots),
            ("/v1//x", 4, Empty),
            ("//x", 1, Empty),
            ("/v1/%2F/x", 4, Empty),
            ("/v1/a\\b", 5, Backslash),
            ("/v1/..%5cx", 6, Backslash),
            ("/v1/..;/x", 6, Semicolon),
            ("/v1/a%3bx", 5, Semicolon),
            ("/v1/%252e%252e/x", 4, TwiceEncoded),
            ("/v1/%00", 4, Control),
            ("/v1/%0d%0aX: y", 4, Control),
            ("/v1/%zz", 4, Percent),
            ("/v1/%2", 4, Percent),
            ("/v1/%c0%ae%c0%ae/x", 0, NotUtf8),
        ] {
            assert_eq!(normal(path, Stars::Plain), Err((at, problem)), "{path}");
        }
    }

    #[test]
    fn a_pattern_covers_its_paths_and_no_others() {
        let cases: [(&str, &[&str], &[&str]); 9] = [
            ("/v1/*", &["/v1/", "/v1/a", "/v1/a/b/"], &["/v1", "/v2/a", "/", "/v1a", "/v1/a%2Fb"]),
            ("/v1/**", &["/v1/", "/v1/a/b"], &["/v1", "/v1x/a"]),
            ("/api/v2/silences*", &["/api/v2/silences", "/api/v2/silence%73", "/api/v2/silences/1"], &["/api/v2/sil"]),
            ("/a/*/c", &["/a/b/c", "/a/b.d/c"], &["/a/c", "/a/b/b/c", "/a/b/c/", "/a/b%2Fb/c"]),
            ("/a/**/c", &["/a/c", "/a/b/c", "/a/b/b/c"], &["/a/bc", "/ac", "/a/b/c/d", "/a/b%2Fb/c"]),
            ("/a-*-b/x", &["/a-1-b/x", "/a--b/x"], &["/a-b/x", "/a-1/2-b/x"]),
            ("/p/g%2fn/*", &["/p/g%2Fn/x"], &["/p/g/n/x", "/p/g%2Fn%2Fx/y"]),
            ("/", &["/"], &["/a"]),
            ("/**/**/x", &["/x", "/a/x", "/a/b/x"], &["/ax", "/x/y"]),
        ];
        for (pattern, inside, outside) in cases {
            let pattern = PathPattern::parse(pattern).expect(pattern);
            for path in inside {
                let path = normal(path, Stars::Plain).expect(path);
                assert!(pattern.matches(&path), "{pattern} {path}");
            }
            for path in outside {
                assert!(!pattern.matches(path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn no_pattern_is_slow() {
        let pattern = PathPattern::parse(&format!("/{}x", "*a".repeat(200))).expect("a pattern");
        let started = std::time::Instant::now();
        assert!(!pattern.matches(&format!("/{}", "a".repeat(8000))));
        assert!(started.elapsed() < std::time::Duration::from_secs(5));
    }
}
