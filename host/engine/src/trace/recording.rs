//! Reading a trace.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Answer, Asked, Begun, Ended, Entry, Header, VERSION};

/// A trace that was read.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Where it comes from.
    pub header: Header,
    /// Every run of a plugin, in the order in which they began.
    pub runs: Vec<RecordedRun>,
    /// Whether the last line is cut short: the process died while it wrote it.
    pub torn: bool,
}

/// One run of a plugin.
#[derive(Debug, Clone)]
pub struct RecordedRun {
    /// What it was called with.
    pub begun: Begun,
    /// What it asked of the host, in order, with the answers.
    pub calls: Vec<(Asked, Answer)>,
    /// How it ended; nothing where the trace ends before.
    pub ended: Option<Ended>,
}

/// Why a file is no trace that can be replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// Something else.
    #[error("it is not a trace: its first line is not a trace header")]
    NotATrace,
    /// Of a newer llmhost.
    #[error("it has version {found}; this llmhost reads {VERSION}")]
    Version {
        /// What it says.
        found: u32,
    },
    /// A line cannot be read.
    #[error("line {line} is damaged: {reason}")]
    Damaged {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
struct Versioned {
    llmhost_trace: u32,
}

impl Recording {
    /// Reads a trace. One whose process died is read up to there.
    pub fn read(text: &str) -> Result<Self, TraceError> {
        let mut lines = text.split_inclusive('\n').enumerate();
        let first = lines.next().map(|(_, line)| line).unwrap_or_default();
        let versioned: Versioned = serde_json::from_str(first).map_err(|_| TraceError::NotATrace)?;
        if versioned.llmhost_trace != VERSION {
            return Err(TraceError::Version { found: versioned.llmhost_trace });
        }
        let damaged = |line: usize, reason: String| TraceError::Damaged { line: line + 1, reason };
        let header = serde_json::from_str(first).map_err(|error| damaged(0, error.to_string()))?;
        let mut runs: BTreeMap<usize, RecordedRun> = BTreeMap::new();
        let mut torn = false;
        for (number, line) in lines {
            if !line.ends_with('\n') {
                torn = true;
                break;
            }
            let entry: Entry = serde_json::from_str(line).map_err(|error| damaged(number, error.to_string()))?;
            add(&mut runs, entry).map_err(|reason| damaged(number, reason.to_owned()))?;
        }
        Ok(Self { header, runs: runs.into_values().collect(), torn })
    }
}

fn add(runs: &mut BTreeMap<usize, RecordedRun>, entry: Entry) -> Result<(), &'static str> {
    if let Entry::Run(begun) = entry {
        let number = begun.run;
        let run = RecordedRun { begun: *begun, calls: Vec::new(), ended: None };
        return if runs.insert(number, run).is_none() { Ok(()) } else { Err("the run starts twice") };
    }
    let run = runs.get_mut(&entry.run()).ok_or("the run has not started")?;
    if run.ended.is_some() {
        return Err("the run has already ended");
    }
    match entry {
        Entry::Call { asked, gave, .. } => run.calls.push((*asked, gave)),
        Entry::End { ended, .. } => run.ended = Some(ended),
        // What it says has no answer, and may be said otherwise.
        Entry::Log { .. } | Entry::Run(_) => {}
    }
    Ok(())
}
