//! Language models on ONNX Runtime.
//!
//! [`runtime`] finds and loads the library, [`model`] reads a folder and says what it holds,
//! [`tokens`] turns text into numbers and back, [`sampling`] picks the next token, and [`engine`]
//! runs many requests at once over one session. The crate knows no network: a server, a command
//! and a sandbox put themselves on top of [`engine::Engine`].

pub mod engine;
pub mod model;
pub mod runtime;
pub mod sampling;
pub mod tokens;

pub use engine::{Engine, Event, LoadError, Options, Request, RequestError};
pub use runtime::{Device, Runtime, RuntimeError, RuntimeReport};
