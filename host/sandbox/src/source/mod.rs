//! Where plugins come from, one file for each kind of place.

mod builtin;
mod file;

use std::borrow::Cow;
use std::path::Path;

use llmhost_engine::plugin::LoadError;

use crate::cache::WasmDigest;

pub use builtin::Builtin;

/// A plugin's bytes.
pub(crate) struct Wasm {
    pub(crate) bytes: Cow<'static, [u8]>,
    pub(crate) digest: WasmDigest,
    /// Comes with the host, and so with its trust.
    pub(crate) builtin: bool,
}

/// Finds what `uses` names: a built-in plugin by its bare name, a file by a path with a slash or
/// the ending `.wasm`.
pub(crate) async fn find(uses: &str, base: &Path, builtins: &[Builtin]) -> Result<Wasm, LoadError> {
    if let Some((scheme, _)) = uses.split_once("://") {
        let reason = match scheme {
            "oci" => "this version of llmhost does not fetch plugins from OCI registries yet; \
                      download the component and name its file, ./NAME.wasm"
                .to_owned(),
            _ => format!("plugins do not come from '{scheme}://'; name a built-in plugin or a file, ./NAME.wasm"),
        };
        return Err(LoadError::Unreadable { path: uses.to_owned(), reason });
    }
    if uses.contains('/') || Path::new(uses).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("wasm")) {
        return file::read(uses, base.join(uses)).await;
    }
    builtin::find(uses, builtins)
}
