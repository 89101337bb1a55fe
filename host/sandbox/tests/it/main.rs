//! The sandbox with real components in it.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod collected;
mod crash;
mod escape;
mod fake;
mod fuzzed;
mod languages;
mod large;
mod limits;
mod loading;
mod providers;
mod running;
mod stored;
#[path = "../support/mod.rs"]
mod support;
