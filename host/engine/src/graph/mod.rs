//! Graphs of steps and resources.

pub mod draw;
