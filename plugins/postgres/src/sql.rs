//! Names and texts as they stand in SQL.

use llmhost_plugin::provider::Error;

/// PostgreSQL keeps so many bytes of a name, and silently cuts what is longer: two names could become one.
const LONGEST_NAME: usize = 63;

/// A name, in double quotes.
pub fn name(text: &str) -> Result<String, Error> {
    if text.is_empty() {
        return Err(Error::invalid("a name is empty"));
    }
    if text.len() > LONGEST_NAME {
        let problem = format!("the name '{text}' has {} bytes, and PostgreSQL allows {LONGEST_NAME}", text.len());
        return Err(Error::invalid(problem).with_advice("Choose a shorter name."));
    }
    without_nul(text)?;
    Ok(format!("\"{}\"", text.replace('"', "\"\"")))
}

/// A text, in single quotes. A backslash means itself, whatever the server's `standard_conforming_strings` is.
pub fn text(text: &str) -> Result<String, Error> {
    without_nul(text)?;
    let quoted = text.replace('\'', "''");
    Ok(match quoted.contains('\\') {
        true => format!(" E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    })
}

/// Names with commas between them.
pub fn names(all: &[String]) -> Result<String, Error> {
    Ok(all.iter().map(|one| name(one)).collect::<Result<Vec<_>, _>>()?.join(", "))
}

fn without_nul(text: &str) -> Result<(), Error> {
    match text.contains('\0') {
        true => {
            Err(Error::invalid("PostgreSQL does not allow NUL in names and strings").with_advice("Remove the NUL."))
        }
        false => Ok(()),
    }
}

/// A list as it is known, where the server keeps a set: what both have in the known order, and then what else is there.
pub fn in_known_order<T: PartialEq + Clone>(there: &[T], known: &[T]) -> Vec<T> {
    let kept = known.iter().filter(|one| there.contains(one));
    kept.chain(there.iter().filter(|one| !known.contains(one))).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_texts_cannot_end_early() {
        for (plain, quoted) in [("app", "\"app\""), ("a\"; DROP", "\"a\"\"; DROP\""), ("ü ñ", "\"ü ñ\"")] {
            assert_eq!(name(plain).expect(plain), quoted);
        }
        for (plain, quoted) in [
            ("app", "'app'"),
            ("it's", "'it''s'"),
            ("a\\", " E'a\\\\'"),
            ("a\\'; --", " E'a\\\\''; --'"),
            ("\"x\"", "'\"x\"'"),
        ] {
            assert_eq!(text(plain).expect(plain), quoted);
        }
        assert!(name("a\0b").is_err() && text("a\0b").is_err() && name("").is_err());
        assert!(name(&"x".repeat(63)).is_ok() && name(&"x".repeat(64)).is_err() && name(&"ü".repeat(32)).is_err());
    }

    #[test]
    fn a_set_comes_in_the_order_that_is_known() {
        assert_eq!(in_known_order(&["a", "b", "c", "d"], &["c", "x", "a"]), ["c", "a", "b", "d"]);
    }
}
