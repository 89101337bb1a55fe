//! Graphs: their shape ([`Dag`], [`StepGraph`]) and the walk over them ([`walk`]).

mod dag;
mod steps;
mod walk;

pub use dag::{Circle, Dag};
pub use steps::{Cycle, StepGraph};
pub use walk::{Outcome, walk};
