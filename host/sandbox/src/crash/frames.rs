//! A backtrace without the functions that every plugin of a language has.

use std::fmt::{self, Write};

use llmhost_engine::crash::Frame;
use wasmtime::{FrameInfo, WasmBacktrace};

use super::places;
use crate::limits;

/// Frames of the guest's own that are shown.
const SHOWN: usize = 16;
/// Frames that are shown where all are the runtime's.
const OF_RUNTIME: usize = 4;
/// Where a name is cut: generic ones grow to kilobytes.
const NAME_BYTES: usize = 200;
/// Mangled names of C++ that are longer are left as they are.
const LONGEST_MANGLED: usize = 4 << 10;

/// Functions of runtimes and of panic machinery, by how their names begin.
const RUNTIME_PREFIXES: &[&str] = &[
    // Rust.
    "core::",
    "std::",
    "alloc::",
    "<core::",
    "<std::",
    "<alloc::",
    "__rustc",
    "__rust_",
    "panic_abort::",
    "wit_bindgen",
    "llmhost_plugin::",
    "dlmalloc::",
    "hashbrown::",
    "_export_",
    // C and C++, and what is generated for exports.
    "__wasm_",
    "__cxa_",
    "__wasi",
    "__wit_bindgen",
    "undefined_weak",
    "cabi_",
    "llmhost:",
    "wit_dylib_",
    "operator new",
    "operator delete",
    // Zig.
    "debug.",
    "builtin.",
    "posix.",
    "start.",
    // Go, and the SDK for it.
    "llmhost.dev_plugin",
    "llmhost_provider_kinds",
    "runtime.",
    "internal/",
    "_rt0_",
    "wasm_export_",
    // AssemblyScript: its own library, and the bindings of a project.
    "~lib/",
    "~start",
    "bindings/",
    "start:bindings/",
];
/// The same, by their whole names.
const RUNTIME_NAMES: &[&str] = &[
    "run",
    "describe",
    "abort",
    "exit",
    "_Exit",
    "raise",
    "__assert_fail",
    "_start",
    "_initialize",
    "__original_main",
    "__main_void",
    "malloc",
    "free",
    "realloc",
    "calloc",
    "dlmalloc",
    "dlfree",
    "dlrealloc",
    "dlcalloc",
    "rust_begin_unwind",
    "rust_panic",
    "wasm_pc_f_loop",
    "wasm_pc_f_loop_export",
    "gogo",
    "mcall",
    "callRet",
];
/// Functions that only an interpreter has. All of its frames are its own, and none the plugin's.
const INTERPRETERS: &[&str] = &["componentize_py", "_PyEval_", "Py_", "js::", "JS::", "mozilla::"];

/// The frames of a backtrace, innermost first.
#[derive(Debug, Default)]
pub(super) struct Frames(Vec<Seen>);

#[derive(Debug)]
struct Seen {
    /// None where the component carries no names.
    function: Option<String>,
    index: u32,
    /// Bytes from the start of the component.
    offset: Option<usize>,
}

impl Frames {
    pub(super) fn of(backtrace: &WasmBacktrace) -> Self {
        let seen = |frame: &FrameInfo| Seen {
            function: frame.func_name().map(demangle),
            index: frame.func_index(),
            offset: frame.module_offset(),
        };
        Self(backtrace.frames().iter().map(seen).collect())
    }

    /// Whether one function called itself in all the frames that there are, and there are many.
    pub(super) fn is_recursion(&self) -> bool {
        self.0.len() >= 8 && self.0.iter().all(|frame| frame.index == self.0[0].index)
    }

    /// The guest's own, with their places, and how many are left out. Where there are none of its own, some of
    /// the runtime's, unless the guest `spoke`.
    pub(super) fn own(self, spoke: bool, component: impl FnOnce() -> Option<Vec<u8>>) -> (Vec<Frame>, usize) {
        let all = self.0.len();
        let begins = |seen: &Seen, starts: &[&str]| {
            seen.function.as_ref().is_some_and(|name| starts.iter().any(|start| name.starts_with(start)))
        };
        let interpreted = self.0.iter().any(|seen| begins(seen, INTERPRETERS));
        let is_own = |seen: &&Seen| {
            let named =
                seen.function.as_deref().is_some_and(|name| !RUNTIME_NAMES.contains(&name) && !name.contains('#'));
            named && !interpreted && !begins(seen, RUNTIME_PREFIXES)
        };
        let mut shown: Vec<&Seen> = self.0.iter().filter(is_own).collect();
        if shown.is_empty() && !spoke {
            // Names without any of its own tell where in the runtime it was; numbers tell nobody anything.
            shown = self.0.iter().filter(|seen| seen.function.is_some()).take(OF_RUNTIME).collect();
        }
        shown.truncate(SHOWN);
        let offsets: Vec<usize> = shown.iter().map(|seen| seen.offset.unwrap_or(usize::MAX)).collect();
        let found = match component() {
            Some(bytes) if !shown.is_empty() => places::find(&bytes, &offsets),
            _ => vec![None; shown.len()],
        };
        let frame = |(seen, place): (&&Seen, Option<String>)| Frame {
            function: seen.function.clone().unwrap_or_default(),
            place,
        };
        let frames: Vec<Frame> = shown.iter().zip(found).map(frame).collect();
        let hidden = all - frames.len();
        (frames, hidden)
    }
}

/// A function's name as its author wrote it, without what could act on a terminal.
fn demangle(name: &str) -> String {
    let mut text = Cut(String::new());
    let whole = match rustc_demangle::try_demangle(name) {
        // The alternate form leaves out the hash at the end.
        Ok(name) => write!(text, "{name:#}").is_ok(),
        Err(_) if name.starts_with("_Z") && name.len() <= LONGEST_MANGLED => cpp(name, &mut text),
        Err(_) => text.write_str(name).is_ok(),
    };
    let Cut(mut text) = text;
    text.retain(|c| !c.is_control());
    if !whole {
        text.push('…');
    }
    text
}

/// Whether all of a name of C++ could be written. One that cannot be read is written as it is.
fn cpp(name: &str, to: &mut Cut) -> bool {
    let parse = cpp_demangle::ParseOptions::default().recursion_limit(64);
    let show = cpp_demangle::DemangleOptions::default().no_return_type().recursion_limit(64);
    match cpp_demangle::Symbol::new_with_options(name, &parse) {
        Ok(symbol) => symbol.structured_demangle(to, &show).is_ok(),
        Err(_) => to.write_str(name).is_ok(),
    }
}

/// Text up to [`NAME_BYTES`]: a short mangled name can stand for gigabytes.
struct Cut(String);

impl Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = NAME_BYTES.saturating_sub(self.0.len());
        self.0.push_str(limits::cut(text, room));
        if text.len() > room { Err(fmt::Error) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(names: &[&str]) -> (Vec<String>, usize) {
        let seen = |name: &&str| Seen { function: Some(demangle(name)), index: 0, offset: None };
        let (frames, hidden) = Frames(names.iter().map(seen).collect()).own(true, || None);
        (frames.into_iter().map(|frame| frame.function).collect(), hidden)
    }

    #[test]
    fn machinery_is_left_out_and_names_are_demangled() {
        let panic = "_ZN4core9panicking9panic_fmt17h0123456789abcdefE";
        let own = "_ZN7hostile9fall_over17h0123456789abcdefE";
        assert_eq!(frames(&["rust_begin_unwind", panic, own, "run"]), (vec!["hostile::fall_over".to_owned()], 3));
        assert_eq!(frames(&["abort", "__assert_fail", "_ZN4flux7measureEi"]).0, ["flux::measure(int)"]);
        assert_eq!(frames(&["runtime.gopanic", "main.measure", "main.run"]).0, ["main.measure", "main.run"]);
        let create = [
            "main.create",
            "llmhost.dev_plugin_provider.Kind_go.shape.int_.create",
            "llmhost_provider_kinds_0.2.0_create",
        ];
        assert_eq!(frames(&create).0, ["main.create"]);
        let own = ["assembly/plugin/days", "assembly/plugin/run"];
        let script = ["bindings/runtime/abort", "~lib/array/Array<i32>#__get", own[0], own[1], "bindings/entry/run"];
        assert_eq!(frames(&script), (own.map(str::to_owned).to_vec(), 3));
        assert_eq!(frames(&["start:assembly/plugin", "start:bindings/entry", "~start"]).0, ["start:assembly/plugin"]);
        assert_eq!(frames(&["abort", "_PyEval_EvalFrame", "list_append"]), (vec![], 3));
    }

    #[test]
    fn where_nothing_else_is_known_the_runtimes_frames_are_shown() {
        let seen = |name: &str| Seen { function: Some(demangle(name)), index: 0, offset: None };
        let (frames, hidden) = Frames(vec![seen("abort"), seen("__assert_fail")]).own(false, || None);
        assert_eq!((frames[0].function.as_str(), frames.len(), hidden), ("abort", 2, 0));
    }

    #[test]
    fn a_name_that_stands_for_a_long_text_is_cut() {
        let mut name = "_ZN1aI".to_owned() + &"S0_".repeat(30);
        name.push_str("EE");
        assert!(demangle(&name).len() <= NAME_BYTES + 3);
        let long = "f".repeat(5000);
        assert!(demangle(&long).len() <= NAME_BYTES + 3 && demangle(&long).ends_with('…'));
        assert_eq!(demangle("a\u{1b}[31mb"), "a[31mb");
    }

    #[test]
    fn numbers_are_no_names() {
        let seen = || Seen { function: None, index: 12609, offset: None };
        assert_eq!(Frames(vec![seen(), seen()]).own(false, || None), (vec![], 2));
    }
}
