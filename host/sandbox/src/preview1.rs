//! An adapter of WASI preview 1 for modules whose runtime can neither give memory to an adapter nor share it with one.

use std::fmt::Write;

use wit_component::StringEncoding;
use wit_parser::Resolve;

const TEXT: &str = include_str!("preview1.wat");

/// What of WASI 0.2 it calls.
const WIT: &str = "
    package llmhost:adapter;

    world adapter {
        import wasi:cli/stderr@0.2.0;
        import wasi:cli/exit@0.2.0;
    }

    package wasi:io@0.2.0 {
        interface error { resource error; }
        interface streams {
            use error.{error};
            variant stream-error { last-operation-failed(error), closed }
            resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
        }
    }

    package wasi:cli@0.2.0 {
        interface stderr {
            use wasi:io/streams@0.2.0.{output-stream};
            get-stderr: func() -> output-stream;
        }
        interface exit { exit: func(status: result); }
    }
";

/// Functions that always fail, with their parameters and their errors: there is no such file, or no such thing.
const FAILING: &[(&str, &str, u32)] = &[
    ("fd_advise", "i32 i64 i64 i32", BADF),
    ("fd_allocate", "i32 i64 i64", BADF),
    ("fd_close", "i32", BADF),
    ("fd_datasync", "i32", BADF),
    ("fd_fdstat_set_rights", "i32 i64 i64", BADF),
    ("fd_filestat_get", "i32 i32", BADF),
    ("fd_filestat_set_size", "i32 i64", BADF),
    ("fd_filestat_set_times", "i32 i64 i64 i32", BADF),
    ("fd_pread", "i32 i32 i32 i64 i32", BADF),
    ("fd_prestat_dir_name", "i32 i32 i32", BADF),
    ("fd_prestat_get", "i32 i32", BADF),
    ("fd_pwrite", "i32 i32 i32 i64 i32", BADF),
    ("fd_readdir", "i32 i32 i32 i64 i32", BADF),
    ("fd_renumber", "i32 i32", BADF),
    ("fd_seek", "i32 i64 i32 i32", BADF),
    ("fd_sync", "i32", BADF),
    ("fd_tell", "i32 i32", BADF),
    ("path_create_directory", "i32 i32 i32", BADF),
    ("path_filestat_get", "i32 i32 i32 i32 i32", BADF),
    ("path_filestat_set_times", "i32 i32 i32 i32 i64 i64 i32", BADF),
    ("path_link", "i32 i32 i32 i32 i32 i32 i32", BADF),
    ("path_open", "i32 i32 i32 i32 i32 i64 i64 i32 i32", BADF),
    ("path_readlink", "i32 i32 i32 i32 i32 i32", BADF),
    ("path_remove_directory", "i32 i32 i32", BADF),
    ("path_rename", "i32 i32 i32 i32 i32 i32", BADF),
    ("path_symlink", "i32 i32 i32 i32 i32", BADF),
    ("path_unlink_file", "i32 i32 i32", BADF),
    ("proc_raise", "i32", NOSYS),
    ("sock_accept", "i32 i32 i32", BADF),
    ("sock_recv", "i32 i32 i32 i32 i32 i32", BADF),
    ("sock_send", "i32 i32 i32 i32 i32", BADF),
    ("sock_shutdown", "i32 i32", BADF),
];
const BADF: u32 = 8;
const NOSYS: u32 = 52;

/// The adapter, as wit-component takes it.
pub(crate) fn adapter() -> Vec<u8> {
    let mut failing = String::new();
    for (name, parameters, error) in FAILING {
        // Writing to a string does not fail.
        let _ = writeln!(failing, "(func (export \"{name}\") (param {parameters}) (result i32) (i32.const {error}))");
    }
    let text = TEXT.replace("(;FAILING;)", &failing);
    let mut module = wat::parse_str(text).expect("a test parses this text");
    let mut resolve = Resolve::default();
    let package = resolve.push_str("adapter.wit", WIT).expect("a test parses this text");
    let world = resolve.select_world(&[package], Some("adapter")).expect("the text has this world");
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the text is a core module");
    module
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adapter_is_valid_and_has_every_function_of_preview_1() {
        let module = adapter();
        wasmparser::Validator::new().validate_all(&module).expect("a valid module");
        let exports = |bytes: &[u8]| -> std::collections::BTreeSet<String> {
            let payloads = wasmparser::Parser::new(0).parse_all(bytes).map(|payload| payload.expect("valid"));
            let sections = payloads.filter_map(|payload| match payload {
                wasmparser::Payload::ExportSection(exports) => Some(exports),
                _ => None,
            });
            sections.flatten().map(|export| export.expect("valid").name.to_owned()).collect()
        };
        let ours = exports(&module);
        let whole = exports(wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER);
        let missing: Vec<&String> =
            whole.difference(&ours).filter(|name| !name.contains("adapter") && !name.contains("cabi")).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
