//! The plugins that come with llmhost, compiled from `plugins/` when this crate is.

/// A built-in plugin.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    /// What `uses` says.
    pub name: &'static str,
    /// The component.
    pub wasm: &'static [u8],
    /// SHA-256 of the component, hex.
    pub sha256: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/all.rs"));
