//! Plugins that the host carries with it.

use llmhost_engine::plugin::LoadError;
use llmhost_registry::Digest;

use super::{Bytes, Wasm};

/// A plugin that comes with the host. It is granted all that it imports.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    /// What `uses` says: `vpc`.
    pub name: &'static str,
    /// The component.
    pub wasm: &'static [u8],
    /// SHA-256 of `wasm` in hexadecimal, taken when the host was built, so that starting the
    /// host need not read every plugin.
    pub sha256: &'static str,
}

pub(super) fn find(name: &str, builtins: &[Builtin]) -> Result<Wasm, LoadError> {
    match builtins.iter().find(|builtin| builtin.name == name) {
        Some(builtin) => Ok(Wasm {
            bytes: Bytes::Static(builtin.wasm),
            digest: Digest::from_hex(builtin.sha256).unwrap_or_else(|| Digest::of(builtin.wasm)),
            builtin: true,
            manifest: None,
        }),
        None => Err(LoadError::UnknownBuiltin {
            name: name.to_owned(),
            known: builtins.iter().map(|builtin| builtin.name.to_owned()).collect(),
        }),
    }
}
