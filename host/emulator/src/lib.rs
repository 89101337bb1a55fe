//! An AWS emulator on this machine: moto, in a Python environment of llmhost's own.

mod error;
mod http;
mod program;
mod server;
pub mod testing;

use std::path::PathBuf;

use llmhost_python_env::Environment;

pub use error::EmulatorError;
pub use server::{Emulator, Kept, Pace};

/// moto and what it needs.
const PACKAGES: Environment = Environment {
    name: "emulator",
    requirements: include_str!("../python/requirements.txt"),
    variable: "LLMHOST_EMULATOR_VENV",
};

/// The interpreter of the emulator's environment, which is made where it is missing.
pub fn python() -> Result<PathBuf, EmulatorError> {
    Ok(PACKAGES.python(&|_| ())?)
}

/// Whether that environment was made.
pub fn is_installed() -> bool {
    PACKAGES.is_made()
}

/// Whether clusters have real API servers, of a control plane of `tests/conformance`: there pods start in seconds,
/// and not at once.
pub fn has_real_clusters() -> bool {
    std::env::var_os("LLMHOST_EMULATOR_CONTROL_PLANE").is_some()
}

/// An access key for the emulator, which takes any.
pub const ACCESS_KEY_ID: &str = "testing";
/// Its secret.
pub const SECRET_ACCESS_KEY: &str = "testing";
