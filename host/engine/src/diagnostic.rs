//! Problems of the pipeline file, each with its place. The engine finds them; the binary words
//! and colours them.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable and greppable: `unknown-key`, `cycle`, `schema`.
    pub code: &'static str,
    /// One sentence, with the values in it.
    pub message: String,
    /// Bytes of the file it speaks of; absent where it is about the file as a whole.
    pub span: Option<Range<usize>>,
    /// Short text for under the caret.
    pub label: String,
    /// What to do.
    pub help: Option<String>,
}

/// Every problem of a file, in the order of their places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// The file, as the user named it, and those that it uses.
    pub files: Files,
    /// The problems; never empty.
    pub problems: Vec<Diagnostic>,
}

/// The text of a pipeline file, and of those that it uses as steps. A place is counted through all of them, so that a
/// span alone says which file it is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(Vec<File>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// As the user named it, or as the file names it that uses it.
    pub path: PathBuf,
    /// Its text, empty where it could not be read.
    pub text: Arc<str>,
    /// Where it begins.
    start: usize,
}

impl Files {
    /// A pipeline file that uses no other so far.
    pub fn new(path: &Path, text: &str) -> Self {
        Self(vec![File { path: path.to_owned(), text: text.into(), start: 0 }])
    }

    /// Takes in another one, and says where it begins.
    pub(crate) fn add(&mut self, path: PathBuf, text: Arc<str>) -> usize {
        // Its end may be pointed at.
        let start = self.0.last().map_or(0, |last| last.start + last.text.len() + 1);
        self.0.push(File { path, text, start });
        start
    }

    /// The pipeline file.
    ///
    /// # Panics
    ///
    /// Never: there is one from the beginning.
    pub fn first(&self) -> &File {
        self.0.first().expect("there is a file")
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &File> {
        self.0.iter()
    }

    /// The file that a place is in, and where it is there.
    pub fn locate(&self, span: &Range<usize>) -> (&File, Range<usize>) {
        let file = self.0.iter().rev().find(|file| file.start <= span.start).unwrap_or_else(|| self.first());
        (file, span.start - file.start..span.end - file.start)
    }

    /// What stands there.
    pub fn text(&self, span: &Range<usize>) -> Option<&str> {
        let (file, span) = self.locate(span);
        file.text.get(span)
    }
}

impl std::fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.problems.len();
        write!(f, "{}: {count} problem{}", self.files.first().path.display(), if count == 1 { "" } else { "s" })
    }
}

impl std::error::Error for Diagnostics {}

/// The candidate nearest to a misspelt word, if one is near enough to suggest.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word.to_lowercase(), candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (candidate.len().max(word.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
