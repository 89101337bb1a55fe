//! The rules that S3 has for bucket names.

/// Checks a bucket's name against all of S3's rules for general purpose buckets.
pub(super) fn check(name: &str) -> Result<(), String> {
    let wrong = |rule: &str| Err(format!("bucket '{name}' is not a bucket name: {rule}"));
    if !(3..=63).contains(&name.chars().count()) {
        return wrong("it must have 3 to 63 characters");
    }
    if let Some(bad) = name.chars().find(|c| !(c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.')))
    {
        return wrong(&format!("'{bad}' is not allowed; use lower-case letters, digits, hyphens and dots"));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.ends_with(|c: char| c.is_ascii_alphanumeric()) {
        return wrong("it must start and end with a letter or digit");
    }
    if ["..", ".-", "-."].iter().any(|pair| name.contains(pair)) {
        return wrong("a dot must be between letters or digits");
    }
    if name.parse::<std::net::Ipv4Addr>().is_ok() {
        return wrong("it must not look like an IP address");
    }
    if let Some(prefix) = ["xn--", "sthree-", "amzn-s3-demo-"].iter().find(|prefix| name.starts_with(**prefix)) {
        return wrong(&format!("names that start with '{prefix}' are reserved"));
    }
    let reserved = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"];
    if let Some(suffix) = reserved.iter().find(|suffix| name.ends_with(**suffix)) {
        return wrong(&format!("names that end with '{suffix}' are reserved"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_kept_and_named() {
        for (name, words) in [
            ("ab", "3 to 63"),
            (&"a".repeat(64), "3 to 63"),
            ("My-Models", "'M' is not allowed"),
            ("my_models", "'_' is not allowed"),
            ("-models", "start and end"),
            ("models-", "start and end"),
            ("my..models", "a dot"),
            ("my.-models", "a dot"),
            ("10.0.0.1", "IP address"),
            ("xn--models", "reserved"),
            ("models-s3alias", "reserved"),
        ] {
            let error = check(name).expect_err(name);
            assert!(error.contains(words), "{error}");
        }
        for good in ["abc", "llm-models", "1a.2b", &"a".repeat(63)] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
    }
}
