//! What Jinja2 reads and minijinja does not, written otherwise.

/// The filter that stands for the operator `%` on a text.
pub(super) const PERCENT: &str = "python_percent_format";
/// The filter behind what a `for` goes over.
pub(super) const ITERABLE: &str = "python_iterable";

/// A template's source: its line ends as Jinja2 sees them; `{% generation %}`, which marks the parts to train on and changes
/// no text, as a scope of its own; filters for `'…' % values`, for what `~` joins, and for what a `for` goes over.
pub(super) fn as_read_here(source: &str) -> String {
    let source = source.replace("\r\n", "\n").replace('\r', "\n");
    let (mut text, mut rest) = (String::new(), source.as_str());
    while let Some(at) = rest.find('{') {
        let (before, tag) = rest.split_at(at);
        text.push_str(before);
        let length = match tag.as_bytes().get(1) {
            Some(b'#') => tag.find("#}").map_or(tag.len(), |end| end + 2),
            Some(b'{' | b'%') => {
                let (tokens, length) = tokens(tag);
                match word(tag, &tokens) {
                    Some("raw") => {
                        let end = tag.find("endraw").unwrap_or(tag.len());
                        let end = tag[..end].rfind("{%").filter(|end| *end >= length).unwrap_or(tag.len());
                        text.push_str(&tag[..end]);
                        rest = &tag[end..];
                        continue;
                    }
                    Some(name @ ("generation" | "endgeneration")) => {
                        let scope = if name == "generation" { "with" } else { "endwith" };
                        text.push_str(&tag[..length].replacen(name, scope, 1));
                    }
                    _ => write(&tag[..length], &tokens, &mut text),
                }
                rest = &tag[length..];
                continue;
            }
            _ => 1,
        };
        text.push_str(&tag[..length]);
        rest = &tag[length..];
    }
    text + rest
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Text,
    Word,
    Sign(u8),
}

/// A token, and where it begins and ends.
#[derive(Debug, Clone, Copy)]
struct Token {
    kind: Kind,
    from: usize,
    to: usize,
}

/// The tokens inside a tag, which `of` begins with, and the tag's length.
fn tokens(of: &str) -> (Vec<Token>, usize) {
    let bytes = of.as_bytes();
    let is_block = bytes[1] == b'%';
    let (mut tokens, mut at, mut braces) = (Vec::new(), 2, 0_usize);
    while at < bytes.len() {
        let next = bytes.get(at + 1).copied();
        let length = match bytes[at] {
            b'%' if is_block && next == Some(b'}') => return (tokens, at + 2),
            b'}' if !is_block && braces == 0 && next == Some(b'}') => return (tokens, at + 2),
            quote @ (b'"' | b'\'') => {
                let mut end = at + 1;
                while end < bytes.len() && bytes[end] != quote {
                    end += if bytes[end] == b'\\' { 2 } else { 1 };
                }
                (end + 1).min(bytes.len()) - at
            }
            byte if is_word(byte) => word_length(&bytes[at..]),
            _ => 1,
        };
        let kind = match bytes[at] {
            b'"' | b'\'' => Kind::Text,
            byte if is_word(byte) => Kind::Word,
            sign => Kind::Sign(sign),
        };
        braces = match kind {
            Kind::Sign(b'{') => braces + 1,
            Kind::Sign(b'}') => braces.saturating_sub(1),
            _ => braces,
        };
        if !bytes[at].is_ascii_whitespace() {
            tokens.push(Token { kind, from: at, to: at + length });
        }
        at += length;
    }
    (tokens, of.len())
}

/// Bytes of other scripts are parts of words, so that no letter is cut.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Of the word or number that begins here: `1e-07` is one.
fn word_length(bytes: &[u8]) -> usize {
    let word = |from: usize| from + bytes[from..].iter().take_while(|byte| is_word(**byte)).count();
    let end = word(0);
    let is_exponent = bytes[0].is_ascii_digit() && matches!(bytes[end - 1], b'e' | b'E');
    match bytes.get(end..end + 2) {
        Some([b'+' | b'-', b'0'..=b'9']) if is_exponent => word(end + 1),
        _ => end,
    }
}

/// The only word of a block.
fn word<'a>(tag: &'a str, tokens: &[Token]) -> Option<&'a str> {
    let mut words = tokens.iter().filter(|token| !matches!(token.kind, Kind::Sign(b'-' | b'+')));
    match (words.next(), words.next()) {
        (Some(Token { kind: Kind::Word, from, to }), None) if tag.starts_with("{%") => Some(&tag[*from..*to]),
        _ => None,
    }
}

/// Writes a tag with filters where Python does what minijinja's operators do not.
fn write(tag: &str, tokens: &[Token], text: &mut String) {
    let mut edits: Vec<(usize, usize, String)> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Some((end, last)) = operand(tokens, at + 1).and_then(|end| Some((end, tokens.get(end - 1)?.to))) else {
            continue;
        };
        let is_after_text = at > 0 && tokens[at - 1].kind == Kind::Text;
        match token.kind {
            // Whether a variable is a text cannot be told from the source.
            Kind::Sign(b'%') if is_after_text => {
                edits.push((token.from, token.to, format!("|{PERCENT}(")));
                edits.push((last, last, ")".to_owned()));
            }
            // What is joined is written as Python writes it.
            Kind::Sign(b'~') if is_simple(tag, tokens, at + 1, end) => {
                edits.push((last, last, "|string".to_owned()));
            }
            _ => {}
        }
    }
    if let Some((from, to)) = iterated(tag, tokens) {
        edits.push((from, from, "(".to_owned()));
        edits.push((to, to, format!(")|{ITERABLE}")));
    }
    // Those at one place stay in their order.
    edits.sort_by_key(|(from, ..)| *from);
    let mut written = 0;
    for (from, to, edit) in edits {
        text.push_str(&tag[written..from]);
        text.push_str(&edit);
        written = to;
    }
    text.push_str(&tag[written..]);
}

/// Whether a filter behind an operand of `~` takes the operand alone.
fn is_simple(tag: &str, tokens: &[Token], from: usize, end: usize) -> bool {
    let next = tokens.get(end);
    let binds = next.is_some_and(|next| match next.kind {
        Kind::Sign(sign) => matches!(sign, b'*' | b'/' | b'%'),
        _ => &tag[next.from..next.to] == "is",
    });
    !binds && tokens[from].kind != Kind::Sign(b'-') && (tokens[from].kind != Kind::Text || end > from + 1)
}

/// Where what a `for` goes over begins and ends.
fn iterated(tag: &str, tokens: &[Token]) -> Option<(usize, usize)> {
    let is = |token: &Token, word: &str| token.kind == Kind::Word && &tag[token.from..token.to] == word;
    let first = tokens.iter().position(|token| !matches!(token.kind, Kind::Sign(b'-' | b'+')))?;
    if !tag.starts_with("{%") || !is(&tokens[first], "for") {
        return None;
    }
    let from = tokens.iter().position(|token| is(token, "in"))? + 1;
    let begin = tokens.get(from)?.from;
    let (mut depth, mut last) = (0_usize, None);
    for token in &tokens[from..] {
        match token.kind {
            Kind::Sign(b'(' | b'[' | b'{') => depth += 1,
            Kind::Sign(b')' | b']' | b'}') => depth = depth.saturating_sub(1),
            // The end of the tag.
            Kind::Sign(b'-' | b'+') if token.to + 2 == tag.len() => break,
            _ if depth == 0 && (is(token, "if") || is(token, "recursive")) => break,
            _ => {}
        }
        last = Some(token.to);
    }
    Some((begin, last?))
}

/// Where the operand that begins at a token ends: a name, a text or brackets, with what is called on it and its filters.
fn operand(tokens: &[Token], from: usize) -> Option<usize> {
    let kind = |at: usize| tokens.get(at).map(|token| token.kind);
    let from = if kind(from) == Some(Kind::Sign(b'-')) { from + 1 } else { from };
    let mut at = match kind(from)? {
        Kind::Sign(b'(' | b'[' | b'{') => closed(tokens, from)?,
        Kind::Text | Kind::Word => from + 1,
        Kind::Sign(_) => return None,
    };
    loop {
        at = match (kind(at), kind(at + 1)) {
            (Some(Kind::Sign(b'.' | b'|')), Some(Kind::Word)) => at + 2,
            (Some(Kind::Sign(b'(' | b'[')), _) => closed(tokens, at)?,
            _ => return Some(at),
        };
    }
}

/// Behind the bracket that closes the one at a token.
fn closed(tokens: &[Token], from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(from) {
        match token.kind {
            Kind::Sign(b'(' | b'[' | b'{') => depth += 1,
            Kind::Sign(b')' | b']' | b'}') => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(at + 1);
        }
    }
    None
}
