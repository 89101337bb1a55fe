//! Traces: everything that passed between a run's plugins and the host, in one file.
//!
//! A plugin is deterministic: what it does follows from its configuration and from what the host
//! answers. So a file that holds both replays the plugin's run anywhere, without AWS and without
//! credentials: a bug report is one file, and a plugin's test is a trace.
//!
//! The file has one JSON object a line: a [`Header`], then an [`Entry`] for each thing that happened,
//! in the order in which it did. Steps run at the same time, so each entry names its run. What is
//! in it is what plugins see: of secrets, their handles.

mod entry;
mod record;
mod recording;
mod replay;

pub use entry::{Answer, Asked, Begun, Ended, Entry, Header, Phase};
pub use record::Trace;
pub use recording::{RecordedRun, Recording, TraceError};
pub use replay::{Departure, Outcome, replay};

/// The version of the format that is written and read.
pub const VERSION: u32 = 2;
