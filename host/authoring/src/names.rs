//! What a project may be called.

use crate::AuthoringError;

/// The name is a crate, a package of npm and a file, so it is what all of them take.
const LONGEST: usize = 50;

/// Words that cargo refuses as the name of a package, or that name what every crate has.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "llmhost-plugin",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Refuses what is no name.
pub(crate) fn check(name: &str) -> Result<(), AuthoringError> {
    let bad = |reason: &str| Err(AuthoringError::Name { name: name.to_owned(), reason: reason.to_owned() });
    if name.is_empty() {
        return bad("it is empty");
    }
    if name.len() > LONGEST {
        return bad("it has more than 50 characters");
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return bad("it does not start with a lower-case letter");
    }
    if let Some(other) = name.chars().find(|c| !c.is_ascii_lowercase() && !c.is_ascii_digit() && *c != '-') {
        return bad(&format!("it contains {other:?}"));
    }
    if name.ends_with('-') || name.contains("--") {
        return bad("each hyphen must be between letters or digits");
    }
    if TAKEN.contains(&name) {
        return bad("this word is reserved by the tools of a language");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_every_tool_takes() {
        for good in ["logs", "access-logs", "s3-2", "a"] {
            check(good).expect(good);
        }
        for bad in
            ["", "Logs", "2logs", "../logs", "a/b", "a b", "logs-", "a--b", "fn", "core", "-x", "é", &"a".repeat(51)]
        {
            let error = check(bad).expect_err(bad);
            assert!(error.is_usage() && error.advice().contains("lower-case"), "{error}");
        }
    }
}
