//! The engine: pipeline file -> step graph -> plan -> apply.
//!
//! It knows neither AWS nor WebAssembly: [`kind`] and [`plugin`] say what it asks of those who do.

pub mod byproduct;
pub mod config_check;
pub mod crash;
pub mod diagnostic;
pub mod graph;
pub mod kind;
pub mod lock;
pub mod look_up;
pub mod names;
pub mod pins;
pub mod pipeline;
pub mod placement;
pub mod plan;
pub mod plugin;
pub mod pointer;
pub mod registry;
pub mod run;
pub mod secret;
pub mod state;
pub mod tags;
pub mod trace;
pub mod unknown;
pub mod wait;
pub mod world;
