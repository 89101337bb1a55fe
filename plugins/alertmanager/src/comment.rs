//! The comment of a silence holds the token by which a lost silence is found: `Maintenance [id TOKEN]`. It is the only
//! text of a silence that says nothing to Alertmanager.

const OPEN: &str = "[id ";
const CLOSE: char = ']';
/// What the host's tokens are: 40 letters, digits and hyphens.
const TOKEN: usize = 40;

/// The comment with a token in it.
pub fn joined(comment: &str, token: &str) -> String {
    match comment {
        "" => format!("{OPEN}{token}{CLOSE}"),
        comment => format!("{comment} {OPEN}{token}{CLOSE}"),
    }
}

/// The comment as it was declared, and the token.
pub fn parted(text: &str) -> (&str, Option<&str>) {
    let token = |text: &'_ str| -> Option<usize> {
        let at = text.rfind(OPEN)?;
        let token = text[at + OPEN.len()..].strip_suffix(CLOSE)?;
        let is_token = token.len() == TOKEN && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (is_token && (at == 0 || text[..at].ends_with(' '))).then_some(at)
    };
    match token(text) {
        Some(at) => {
            let comment = &text[..at];
            (comment.strip_suffix(' ').unwrap_or(comment), Some(&text[at + OPEN.len()..text.len() - 1]))
        }
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "0123456789-abcdefghijklmnopqrstuvwxyz-AB";

    #[test]
    fn a_token_comes_out_of_a_comment_as_it_went_in() {
        for comment in ["", "Maintenance", " two  spaces ", "[id ]", "é\n[x]", &joined("one of another run", OURS)] {
            assert_eq!(parted(&joined(comment, OURS)), (comment, Some(OURS)), "{comment:?}");
        }
    }

    #[test]
    fn what_is_no_token_stays_in_the_comment() {
        for text in
            ["", "x", "[id short]", &format!("x[id {OURS}]"), &format!("[id {OURS}] x"), &format!("[id {OURS}!]")]
        {
            assert_eq!(parted(text), (text, None));
        }
    }
}
