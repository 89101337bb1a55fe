//! The prose of a document.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::Text;

/// Every block of prose, without code.
pub(super) fn texts(content: &str) -> Vec<Text> {
    let mut found: Vec<Text> = Vec::new();
    // Whether the last text is of the block that is being read: emphasis, links and code do not end it.
    let (mut is_code, mut is_open) = (false, false);
    for (event, range) in Parser::new_ext(content, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(_)) => is_code = true,
            Event::End(TagEnd::CodeBlock) => is_code = false,
            Event::Text(text) if !is_code => match found.last_mut() {
                Some(last) if is_open => last.text.push_str(&text),
                _ => {
                    let line = content[..range.start].matches('\n').count() + 1;
                    found.push(Text { line, text: text.to_string() });
                    is_open = true;
                }
            },
            Event::SoftBreak | Event::HardBreak | Event::Code(_) => {
                if let Some(last) = found.last_mut().filter(|_| is_open) {
                    last.text.push(' ');
                }
            }
            Event::Start(Tag::Emphasis | Tag::Strong | Tag::Link { .. })
            | Event::End(TagEnd::Emphasis | TagEnd::Strong | TagEnd::Link) => {}
            _ => is_open = false,
        }
    }
    found
}
