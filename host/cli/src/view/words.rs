//! Operations in words, and foreign texts in one line.

use llmhost_engine::plan::plain;
use llmhost_engine::run::Operation;
use llmhost_engine::secret::shown;

/// With a capital letter.
pub(crate) fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().into_iter().flat_map(char::to_uppercase).chain(characters).collect()
}

/// A message as one line that cannot act on the terminal.
pub(super) fn one_line(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    plain(&shown(&words.join(" "))).into_owned()
}

pub(super) fn sign(operation: Operation) -> char {
    match operation {
        Operation::Create | Operation::Finish | Operation::Adopt => '+',
        Operation::Update | Operation::Detach => '~',
        Operation::Delete => '-',
    }
}

pub(super) fn doing(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "creating",
        Operation::Finish => "finishing",
        Operation::Adopt => "adopting",
        Operation::Update => "updating",
        Operation::Detach => "detaching",
        Operation::Delete => "deleting",
    }
}

pub(super) fn done(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "created",
        Operation::Finish => "finished",
        Operation::Adopt => "adopted",
        Operation::Update => "updated",
        Operation::Detach => "detached",
        Operation::Delete => "deleted",
    }
}
