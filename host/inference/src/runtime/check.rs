//! A look at a library before the bindings load it.
//!
//! The bindings assume that what they load is ONNX Runtime of their own API level or newer, and
//! panic where it is not. This check opens the file and asks the same two questions first.

use std::ffi::{CStr, OsStr};

use ort::sys::OrtApiBase;

/// What a good library says of itself.
#[derive(Debug)]
pub(super) struct Checked {
    /// `1.32.0`.
    pub version: String,
    /// The open library. It is kept open, so that the bindings get the very same one.
    pub library: libloading::Library,
}

/// Opens a library and asks for its version. Errors are reasons, in words.
pub(super) fn check(path: &OsStr) -> Result<Checked, String> {
    // SAFETY: initialisers of the library run. It is one that the user or the system named as
    // ONNX Runtime, and a shared library cannot be examined without loading it.
    let library = unsafe { libloading::Library::new(path) }
        .map_err(|error| format!("it does not load ({})", loader_words(&error)))?;
    let version = {
        // SAFETY: the symbol's type is that of the C API's only exported entry.
        let base = unsafe { library.get::<unsafe extern "C" fn() -> *const OrtApiBase>(b"OrtGetApiBase") }
            .map_err(|_| "it is not ONNX Runtime (it has no OrtGetApiBase)".to_owned())?;
        // SAFETY: the function takes nothing and returns a static table or null.
        let base = unsafe { base().as_ref() }.ok_or("it gives no API (OrtGetApiBase returned null)")?;
        // SAFETY: the table's first functions have been the same since the first release.
        let version = unsafe { CStr::from_ptr((base.GetVersionString)()) }.to_string_lossy().into_owned();
        // SAFETY: as above; an API level that is not known gives null.
        let api = unsafe { (base.GetApi)(ort::MINOR_VERSION) };
        if api.is_null() {
            return Err(format!("it is ONNX Runtime {version}, and 1.{} or newer is needed", ort::MINOR_VERSION));
        }
        version
    };
    Ok(Checked { version, library })
}

/// What the system's loader said; the error itself only says which call failed.
pub(super) fn loader_words(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_onnx_runtime_is_refused_in_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let garbage = folder.path().join("libonnxruntime.so");
        std::fs::write(&garbage, b"not a library").expect("written");
        for (path, part) in [
            (garbage.as_os_str(), "does not load (/"),
            (OsStr::new("/no/such/library.so"), "cannot open shared object file"),
            (OsStr::new("libc.so.6"), "not ONNX Runtime"),
        ] {
            let reason = check(path).expect_err(part);
            assert!(reason.contains(part), "{reason}");
        }
    }
}
