//! Plugins that the host carries with it.

use llmhost_engine::plugin::LoadError;

use super::{Bytes, Wasm};
use crate::cache::{WasmDigest, sha256};

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
            digest: parse(builtin.sha256).unwrap_or_else(|| sha256(builtin.wasm)),
            builtin: true,
            manifest: None,
        }),
        None => Err(LoadError::UnknownBuiltin {
            name: name.to_owned(),
            known: builtins.iter().map(|builtin| builtin.name.to_owned()).collect(),
        }),
    }
}

fn parse(hex: &str) -> Option<WasmDigest> {
    let mut digest = WasmDigest::default();
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::hex;

    #[test]
    fn a_digest_survives_being_written_and_read() {
        let digest = sha256(b"x");
        assert_eq!(parse(&hex(&digest)), Some(digest));
        for bad in ["", "zz", &"é".repeat(32), &"+1".repeat(32)[..63]] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
