//! The plugins that come with llmhost, compiled from `plugins/` when this crate is.

/// A built-in plugin.
#[derive(Debug, Clone, Copy)]
pub struct Builtin {
    /// What `uses` says.
    pub name: &'static str,
    /// The component; compressed (DEFLATE), where `packed` says so.
    pub wasm: &'static [u8],
    /// Whether it is compressed. Those of Rust are small, and are not.
    pub packed: bool,
    /// SHA-256 of the component itself, hex.
    pub sha256: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/all.rs"));
