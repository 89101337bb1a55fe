//! Patterns of files that are not uploaded.
//!
//! `*` stands for any run of characters within a name, `**` for any run of folders, `?` for one character. A pattern
//! without a slash is held against the names of files and folders at any depth, one with a slash against paths from
//! the uploaded folder on. What excludes a folder excludes everything in it.

/// Says what is wrong with a pattern.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    let wrong = |rule: &str| Err(format!("exclude: '{pattern}' {rule}"));
    if pattern.trim_matches('/').is_empty() {
        return wrong("excludes nothing; write a pattern such as *.tmp or cache/**");
    }
    if pattern.contains(['[', ']', '{', '}', '\\', '!']) {
        return wrong("has a character that means nothing in a pattern; use *, ** and ?");
    }
    if pattern.split('/').any(|part| part == "." || part == "..") {
        return wrong("contains . or ..; paths start at the uploaded folder");
    }
    Ok(())
}

/// Whether a path within the folder (`sub/a.tmp`), or a folder above it, is what one of the patterns says.
pub(super) fn excludes(patterns: &[String], path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    patterns.iter().any(|pattern| {
        let only_folders = pattern.ends_with('/');
        let anywhere = !pattern.trim_end_matches('/').contains('/');
        let wanted: Vec<&str> = pattern.trim_matches('/').split('/').collect();
        // The file itself, and every folder that it is in.
        (1..=parts.len()).filter(|length| !(only_folders && *length == parts.len())).any(|length| {
            let path = &parts[..length];
            if anywhere { name(wanted[0], path[length - 1]) } else { whole(&wanted, path) }
        })
    })
}

fn whole(wanted: &[&str], path: &[&str]) -> bool {
    match (wanted, path) {
        ([], []) => true,
        // At the end it stands for everything in a folder, and not for the folder itself.
        (["**"], rest) => !rest.is_empty(),
        (["**", after @ ..], rest) => (0..=rest.len()).any(|skipped| whole(after, &rest[skipped..])),
        ([first, after @ ..], [part, rest @ ..]) => name(first, part) && whole(after, rest),
        _ => false,
    }
}

/// Whether a name is what a pattern says, by the usual walk with one place to come back to.
fn name(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut back) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                back = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match back {
                Some((star, from)) => {
                    back = Some((star, from + 1));
                    (p, t) = (star + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_held_against_names_and_paths() {
        for (pattern, path, excluded) in [
            ("*.tmp", "a.tmp", true),
            ("*.tmp", "sub/deep/a.tmp", true),
            ("*.tmp", "a.tmpx", false),
            ("*.tmp", "a.tmp/b", true),
            (".git", ".git/config", true),
            (".git", "sub/.git/config", true),
            (".git", ".gitignore", false),
            ("cache/", "cache/a", true),
            ("cache/", "sub/cache/a", true),
            ("cache/", "cache", false),
            ("cache/**", "cache/a/b", true),
            ("cache/**", "sub/cache/a", false),
            ("/cache", "cache/a", true),
            ("/cache", "sub/cache", false),
            ("sub/*.bin", "sub/a.bin", true),
            ("sub/*.bin", "sub/deep/a.bin", false),
            ("sub/**/*.bin", "sub/deep/er/a.bin", true),
            ("sub/**/*.bin", "sub/a.bin", true),
            ("**/a.bin", "a.bin", true),
            ("model-?.bin", "model-1.bin", true),
            ("model-?.bin", "model-12.bin", false),
            ("a*b*c", "aXbXbYc", true),
            ("a*b*c", "aXbXbYd", false),
            ("*", "anything", true),
            ("é?", "éß", true),
        ] {
            assert_eq!(excludes(&[pattern.to_owned()], path), excluded, "{pattern} {path}");
        }
        assert!(!excludes(&[], "a"));
    }

    #[test]
    fn a_pattern_that_cannot_be_meant_is_refused() {
        for (pattern, words) in
            [("", "nothing"), ("/", "nothing"), ("[ab].tmp", "character"), ("../a", "uploaded folder")]
        {
            assert!(check(pattern).expect_err(pattern).contains(words), "{pattern}");
        }
        for pattern in ["*.tmp", "a/**/b", ".git", "/cache/"] {
            assert_eq!(check(pattern), Ok(()), "{pattern}");
        }
    }
}
