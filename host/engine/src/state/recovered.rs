//! What opening a state put right.

/// Something that was put right while opening.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovered {
    /// The journal's last line was cut off by a crash. It had never been acknowledged.
    TornLine,
    /// The journal of a run that did not end was taken in.
    Unended {
        /// How many changes it had.
        changes: usize,
    },
    /// Whoever held the state did not give it back, and their lease had run out or was broken.
    TakenOver {
        /// Who that was.
        from: String,
    },
}

impl std::fmt::Display for Recovered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TornLine => {
                f.write_str("The last run stopped while it wrote its journal; the incomplete line is ignored.")
            }
            Self::Unended { changes } => {
                write!(f, "The last run did not finish; its {changes} changes are added to the state.")
            }
            Self::TakenOver { from } => write!(f, "Took over the state from {from}, which did not release it."),
        }
    }
}
