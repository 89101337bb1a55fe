//! An AWS emulator on this machine: moto, in a Python environment of llmhost's own.

mod environment;
mod error;
mod http;
mod program;
mod server;
pub mod testing;

pub use environment::python;
pub use error::EmulatorError;
pub use server::{Emulator, Kept};

/// An access key for the emulator, which takes any.
pub const ACCESS_KEY_ID: &str = "testing";
/// Its secret.
pub const SECRET_ACCESS_KEY: &str = "testing";
