//! Words of a command line, as a shell reads them.

/// The word as it is, or in single quotes where a shell needs them.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_quoted_as_a_shell_needs_it() {
        assert_eq!(quoted("s3://bucket/a-b?region=eu"), "'s3://bucket/a-b?region=eu'");
        assert_eq!(quoted("pipelines/llm.toml"), "pipelines/llm.toml");
        assert_eq!(quoted("it's $1"), r"'it'\''s $1'");
    }
}
