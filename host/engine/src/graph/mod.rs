//! The graph of steps: its shape ([`StepGraph`]) and the walk over it ([`walk`]).

mod steps;
mod walk;

pub use steps::{Cycle, StepGraph};
pub use walk::{Outcome, walk};
