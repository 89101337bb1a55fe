//! Problems of the pipeline file, each with its place. The engine finds them; the binary words
//! and colours them.

use std::ops::Range;
use std::path::PathBuf;

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
    /// The file, as the user named it.
    pub path: PathBuf,
    /// Its text, empty where it could not be read.
    pub source: String,
    /// The problems; never empty.
    pub problems: Vec<Diagnostic>,
}

impl std::fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.problems.len();
        write!(f, "{}: {count} problem{}", self.path.display(), if count == 1 { "" } else { "s" })
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
