//! Graphs: their shape ([`Dag`], [`StepGraph`]), the walk over them ([`walk`]), and drawings of a
//! plan's ([`draw`]).

mod dag;
pub mod draw;
mod steps;
mod walk;

pub use dag::{Circle, Dag};
pub use steps::{Cycle, StepGraph};
pub use walk::{Outcome, walk};
