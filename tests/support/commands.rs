//! Commands of llmhost in documents.

use std::iter::Peekable;
use std::path::{Path, PathBuf};
use std::str::Chars;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// A command of llmhost, as a document shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The document.
    pub(crate) page: PathBuf,
    /// Its arguments, without `llmhost`.
    pub(crate) words: Vec<String>,
    /// Whether it stands within a sentence, where what it needs may be missing.
    pub(crate) is_inline: bool,
}

/// The documents: README.md and all of docs/.
pub(crate) fn documents(repository: &Path) -> Vec<PathBuf> {
    let mut pages = vec![repository.join("README.md")];
    let mut folders = vec![repository.join("docs")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).expect("a folder of documents").flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

/// Every command that the documents show.
pub(crate) fn shown(repository: &Path) -> Vec<Shown> {
    let of = |page: PathBuf| {
        let text = std::fs::read_to_string(&page).expect("a document");
        let page = page.strip_prefix(repository).unwrap_or(&page).to_owned();
        read(&text).into_iter().map(move |(words, is_inline)| Shown { page: page.clone(), words, is_inline })
    };
    documents(repository).into_iter().flat_map(of).collect()
}

/// The options with which the book reads documents.
pub(crate) fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_STRIKETHROUGH
}

/// The commands of a document, each with whether it stands within a sentence.
pub(crate) fn read(text: &str) -> Vec<(Vec<String>, bool)> {
    let (mut found, mut block) = (Vec::new(), None::<String>);
    for event in Parser::new_ext(text, options()) {
        match event {
            Event::Start(Tag::CodeBlock(_)) => block = Some(String::new()),
            Event::Text(text) => _ = block.as_mut().map(|block| block.push_str(&text)),
            Event::End(TagEnd::CodeBlock) => {
                let lines = block.take().unwrap_or_default().replace("\\\n", " ");
                found.extend(lines.lines().flat_map(commands).map(|words| (words, false)));
            }
            Event::Code(code) => found.extend(commands(&code).into_iter().map(|words| (words, true))),
            _ => {}
        }
    }
    found
}

/// The commands of llmhost in a line of a shell, of a console, or of a workflow.
fn commands(line: &str) -> Vec<Vec<String>> {
    let line = line.trim();
    let line = line.strip_prefix("- ").unwrap_or(line);
    let line = line.strip_prefix("run: ").or_else(|| line.strip_prefix("$ ")).unwrap_or(line);
    let mut words = split(line).into_iter();
    // Settings of the environment stand before a command.
    let is_setting = |word: &String| word.split_once('=').is_some_and(|(name, _)| name == name.to_uppercase());
    let mut found = Vec::new();
    while words.len() > 0 {
        let command: Vec<String> = words.by_ref().take_while(|word| word != END).skip_while(is_setting).collect();
        if let Some(("llmhost", words)) = command.split_first().map(|(first, rest)| (first.as_str(), rest))
            && !words.is_empty()
        {
            found.push(words.iter().take_while(|word| *word != REDIRECTED).cloned().collect());
        }
    }
    found
}

/// Between two commands.
const END: &str = "\0;";
/// Before the name of a file that a command's output goes to.
const REDIRECTED: &str = "\0>";

/// The words of a line, as a shell splits it.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut chars) = (Vec::new(), None::<String>, line.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '\'' | '"' => word.get_or_insert_default().extend(chars.by_ref().take_while(|next| *next != c)),
            '$' if chars.peek() == Some(&'(') => word.get_or_insert_default().push_str(&inside(&mut chars, '(', ')')),
            '$' if chars.peek() == Some(&'{') => word.get_or_insert_default().push_str(&inside(&mut chars, '{', '}')),
            '#' if word.is_none() => break,
            ' ' | ';' | '|' | '&' | '>' | '<' => {
                words.extend(word.take());
                match c {
                    ' ' => {}
                    '>' | '<' => words.push(REDIRECTED.to_owned()),
                    _ => words.push(END.to_owned()),
                }
            }
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// What stands between brackets, with them.
fn inside(chars: &mut Peekable<Chars<'_>>, open: char, close: char) -> String {
    let (mut text, mut deep) = (String::from('$'), 0);
    for c in chars {
        text.push(c);
        deep += i32::from(c == open) - i32::from(c == close);
        if deep == 0 {
            break;
        }
    }
    text
}
