//! Plugins that the host carries with it.

use llmhost_engine::plugin::LoadError;
use llmhost_registry::Digest;

use super::{Bytes, Wasm};

/// A plugin that comes with the host. It is granted all that it imports.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    /// What `uses` says: `vpc`.
    pub name: &'static str,
    /// The component; compressed (DEFLATE), where `packed` says so.
    pub wasm: &'static [u8],
    /// Whether it is compressed.
    pub packed: bool,
    /// SHA-256 of the component itself in hexadecimal, taken when the host was built, so that starting the
    /// host need not read every plugin.
    pub sha256: &'static str,
}

/// The most that a component has when it is no longer compressed.
const MOST_BYTES: usize = 256 << 20;

/// A component that was compressed.
pub(super) fn unpacked(packed: &[u8]) -> Result<Vec<u8>, String> {
    miniz_oxide::inflate::decompress_to_vec_with_limit(packed, MOST_BYTES)
        .map_err(|error| format!("this llmhost is damaged: the plugin in it cannot be unpacked: {error}"))
}

pub(super) fn find(name: &str, builtins: &[Builtin], absent: &[(&str, &str)]) -> Result<Wasm, LoadError> {
    if let Some((name, help)) = absent.iter().find(|(absent, _)| *absent == name) {
        return Err(LoadError::AbsentBuiltin { name: (*name).to_owned(), help: (*help).to_owned() });
    }
    match builtins.iter().find(|builtin| builtin.name == name) {
        Some(builtin) => Ok(Wasm {
            bytes: if builtin.packed { Bytes::Packed(builtin.wasm) } else { Bytes::Static(builtin.wasm) },
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
