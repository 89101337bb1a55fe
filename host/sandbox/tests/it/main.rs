//! The sandbox with real components in it.

#![allow(clippy::unwrap_used)]

mod escape;
mod fake;
mod limits;
mod loading;
mod running;
#[path = "../support/mod.rs"]
mod support;
