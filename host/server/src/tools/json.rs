//! Where a JSON value ends, found as its text comes.

/// Follows one value, from its first character on.
#[derive(Debug, Clone, Default)]
pub(super) struct Value {
    depth: usize,
    in_string: bool,
    escaped: bool,
    begun: bool,
}

impl Value {
    /// Whether nothing of the value came yet.
    pub(super) fn is_new(&self) -> bool {
        !self.begun
    }

    /// Takes more text. The bytes of it that belong to the value, where the value ends in it.
    pub(super) fn end(&mut self, text: &str) -> Option<usize> {
        for (at, byte) in text.bytes().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return Some(at + 1);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                // The end of what a number or a word stands in.
                b'}' | b']' | b',' | b' ' | b'\n' | b'\r' | b'\t' if self.depth == 0 && self.begun => return Some(at),
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
            self.begun = true;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_where_it_ends_however_it_is_cut() {
        for (text, value) in [
            (r#"{"a": [1, {"b": "}"}]}, x"#, r#"{"a": [1, {"b": "}"}]}"#),
            (r#""a\"b\\" x"#, r#""a\"b\\""#),
            ("12.5, x", "12.5"),
            ("true}", "true"),
            ("[]]", "[]"),
        ] {
            for cut in 0..text.len() {
                let mut follow = Value::default();
                let end = match follow.end(&text[..cut]) {
                    Some(end) => Some(end),
                    None => follow.end(&text[cut..]).map(|end| end + cut),
                };
                assert_eq!(end, Some(value.len()), "{text} at {cut}");
            }
        }
    }
}
