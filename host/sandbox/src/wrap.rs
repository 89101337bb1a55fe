//! From a plugin's file to the component that is compiled.
//!
//! - A core module that says its world (wit-bindgen puts it into a section) becomes a component. What it imports of
//!   WASI preview 1, as modules of C, Go and Zig do, is adapted to WASI 0.2.
//! - Adapters tell the time themselves. A runtime reads the clock whenever it runs, also while the host passes a
//!   string in and the runtime makes room for it; the component model allows no call of the host at that time.

use std::borrow::Cow;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as ADAPTER,
};
use wasm_encoder::{
    BlockType, CodeSection, Component, ComponentSection, ConstExpr, Encode, Function, GlobalSection, GlobalType,
    MemArg, Module, RawSection, ValType,
};
use wasmparser::{ExternalKind, Parser, Payload, TypeRef};

use crate::limits::{self, Hit};
use crate::preview1;
use crate::wasi::{NOW, START, TICK};

/// Part of the key of compiled code: another number where this module makes another component of the same file.
pub(crate) const VERSION: u32 = 1;

/// Where somebody whose file is no plugin reads on.
pub(crate) const HOW_TO: &str = "docs/writing-plugins.md says how to make a plugin";

/// The component in a file, or what the file is instead. A core module that says its world becomes one.
pub fn component(bytes: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let what = match bytes {
        [] => "the file is empty",
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return with_clocks(bytes),
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => return wrapped(bytes).map(Cow::Owned),
        [0, b'a', b's', b'm', ..] => "it is WebAssembly of an unknown version, or truncated",
        [0x7f, b'E', b'L', b'F', ..] => "it is machine code, not WebAssembly",
        _ if bytes.trim_ascii_start().starts_with(b"(") => "it is WebAssembly text; plugins are binary components",
        _ => "it is not WebAssembly",
    };
    Err(format!("{what}; {HOW_TO}"))
}

/// A core module as a component.
fn wrapped(module: &[u8]) -> Result<Vec<u8>, String> {
    if !says_its_world(module) {
        return Err(format!(
            "it is a core WebAssembly module without a world: wit-bindgen adds one to modules that use it, and 'wasm-tools \
             component embed WIT MODULE -o OUT' adds one to others; {HOW_TO}"
        ));
    }
    let own = is_of_go(module);
    let adapter = if own { Cow::Owned(preview1::adapter()) } else { Cow::Borrowed(ADAPTER) };
    let encode = || {
        let encoder = wit_component::ComponentEncoder::default().module(module)?;
        encoder.adapter(ADAPTER_NAME, &adapter)?.validate(true).encode()
    };
    let component = encode().map_err(|error| {
        format!("it is a core WebAssembly module that cannot be made a component: {error:#}; {HOW_TO}")
    })?;
    // Our own adapter tells the time already.
    if own { Ok(component) } else { with_clocks(&component).map(Cow::into_owned) }
}

fn says_its_world(module: &[u8]) -> bool {
    has_section(module, |name| name.starts_with("component-type"))
}

/// Whether Go's own compiler made it. Its runtime has to run before anything of it is called, and takes memory beyond
/// its data for its heap, so an adapter that asks for memory breaks it.
fn is_of_go(module: &[u8]) -> bool {
    has_section(module, |name| name == "go:buildid" || name == "go.buildid")
}

fn has_section(module: &[u8], is_it: impl Fn(&str) -> bool) -> bool {
    let mut payloads = Parser::new(0).parse_all(module).map_while(Result::ok);
    payloads.any(|payload| matches!(&payload, Payload::CustomSection(section) if is_it(section.name())))
}

/// The component with adapters that tell the time themselves. What is damaged stays as it is; compiling says so. Where
/// components lie too deep in one another it is refused: the time to compile them grows with the square of the depth.
fn with_clocks(component: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let mut sections = Vec::new();
    let mut depth = 0usize;
    let mut found = false;
    for payload in Parser::new(0).parse_all(component) {
        let Ok(payload) = payload else { return Ok(Cow::Borrowed(component)) };
        if depth > 0 {
            match payload {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                _ => {}
            }
            if depth > limits::NESTING {
                return Err(Hit::nesting().to_string());
            }
            continue;
        }
        match &payload {
            Payload::ModuleSection { unchecked_range, .. } => {
                // It says how long it is before that much is there.
                let Some(bytes) = component.get(unchecked_range.clone()) else { return Ok(Cow::Borrowed(component)) };
                let adapter = with_clock(bytes);
                found |= adapter.is_some();
                sections.push((1, adapter.map_or(Cow::Borrowed(bytes), Cow::Owned)));
                depth = 1;
            }
            Payload::ComponentSection { unchecked_range, .. } => {
                let Some(bytes) = component.get(unchecked_range.clone()) else { return Ok(Cow::Borrowed(component)) };
                sections.push((4, Cow::Borrowed(bytes)));
                depth = 1;
            }
            other => {
                if let Some((id, range)) = other.as_section() {
                    let Some(bytes) = component.get(range) else { return Ok(Cow::Borrowed(component)) };
                    sections.push((id, Cow::Borrowed(bytes)));
                }
            }
        }
    }
    if !found {
        return Ok(Cow::Borrowed(component));
    }
    let mut whole = Component::new();
    for (id, data) in &sections {
        whole.section(&Raw { id: *id, data });
    }
    Ok(Cow::Owned(whole.finish()))
}

/// A section of a component as it lies there.
struct Raw<'a> {
    id: u8,
    data: &'a [u8],
}

impl Encode for Raw<'_> {
    fn encode(&self, sink: &mut Vec<u8>) {
        self.data.encode(sink);
    }
}

impl ComponentSection for Raw<'_> {
    fn id(&self) -> u8 {
        self.id
    }
}

/// Where in a module its function `clock_time_get` is.
#[derive(Default)]
struct Clock {
    imported_functions: u32,
    imported_globals: u32,
    has_memory: bool,
    /// Its index among all functions.
    function: Option<u32>,
}

/// An adapter of WASI preview 1 whose clock is a counter of its own. Nothing where the module is none.
fn with_clock(module: &[u8]) -> Option<Vec<u8>> {
    let mut clock = Clock::default();
    let mut out = Module::new();
    let mut counter = None;
    let mut code = CodeSection::new();
    let mut replaced = None;
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.ok()?;
        match &payload {
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    match import.ok()?.ty {
                        TypeRef::Func(_) | TypeRef::FuncExact(_) => clock.imported_functions += 1,
                        TypeRef::Global(_) => clock.imported_globals += 1,
                        TypeRef::Memory(_) => clock.has_memory = true,
                        _ => {}
                    }
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports.clone() {
                    let export = export.ok()?;
                    if export.name == "clock_time_get" && export.kind == ExternalKind::Func {
                        clock.function = Some(export.index.checked_sub(clock.imported_functions)?);
                    }
                }
            }
            Payload::GlobalSection(globals) => {
                counter = Some(clock.imported_globals.checked_add(globals.count())?);
                append_counter(module.get(globals.range())?, globals.count(), &mut out)?;
                continue;
            }
            Payload::CodeSectionStart { .. } if !clock.has_memory || clock.function.is_none() => return None,
            Payload::CodeSectionStart { .. } => continue,
            Payload::CodeSectionEntry(body) => {
                if Some(code.len()) == clock.function {
                    code.function(&clock_time_get(counter?));
                    replaced = Some(());
                } else {
                    code.raw(module.get(body.range())?);
                }
                continue;
            }
            _ => {}
        }
        if let Some((id, range)) = payload.as_section() {
            if !code.is_empty() {
                out.section(&std::mem::take(&mut code));
            }
            out.section(&RawSection { id, data: module.get(range)? });
        }
    }
    if !code.is_empty() {
        out.section(&code);
    }
    replaced?;
    Some(out.finish())
}

/// The section of globals with one more.
fn append_counter(section: &[u8], count: u32, out: &mut Module) -> Option<()> {
    // The count may be written with more bytes than it needs.
    let start = section.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let mut one = GlobalSection::new();
    let counter = GlobalType { val_type: ValType::I64, mutable: true, shared: false };
    one.global(counter, &ConstExpr::i64_const(0));
    let mut encoded = Vec::new();
    one.encode(&mut encoded);
    // Bytes of the section, and a count of one.
    let entry = &encoded[encoded.len() - COUNTER_BYTES..];
    let mut data = Vec::new();
    count.checked_add(1)?.encode(&mut data);
    data.extend_from_slice(&section[start..]);
    data.extend_from_slice(entry);
    out.section(&RawSection { id: wasm_encoder::SectionId::Global.into(), data: &data });
    Some(())
}

/// Type, mutability, `i64.const 0`, `end`.
const COUNTER_BYTES: usize = 5;

/// `clock_time_get(id, precision, out) -> errno`: each reading is one tick later than the one before.
fn clock_time_get(counter: u32) -> Function {
    const EINVAL: i32 = 28;
    let nanoseconds = |time: std::time::Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    let mut function = Function::new([]);
    let mut code = function.instructions();
    // Realtime, monotonic, and the time of process and thread.
    code.local_get(0).i32_const(3).i32_gt_u().if_(BlockType::Empty).i32_const(EINVAL).return_().end();
    code.global_get(counter).i64_const(nanoseconds(TICK)).i64_add().global_set(counter);
    code.local_get(2);
    code.local_get(0).i32_eqz().if_(BlockType::Result(ValType::I64)).i64_const(nanoseconds(NOW));
    code.else_().i64_const(nanoseconds(START)).end();
    code.global_get(counter).i64_add().i64_store(MemArg { offset: 0, align: 0, memory_index: 0 });
    code.i32_const(0).end();
    function
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_component_is_named() {
        for (bytes, part) in [
            (&b""[..], "empty"),
            (b"\0asm\x01\0\0\0", "wasm-tools component embed"),
            (b"\0asm", "truncated"),
            (b"  (component)", "text"),
            (b"\x7fELF\x02", "machine code"),
            (b"#!/bin/sh", "not WebAssembly"),
        ] {
            let reason = component(bytes).expect_err(part);
            assert!(reason.contains(part) && reason.contains("writing-plugins"), "{reason}");
        }
    }

    #[test]
    fn components_without_an_adapter_and_damaged_ones_stay_as_they_are() {
        for bytes in [&b"\0asm\x0d\0\x01\0"[..], b"\0asm\x0d\0\x01\0\x01\xff", b"\0asm\x0d\0\x01\0\x01\x7f\0asm"] {
            assert!(matches!(component(bytes), Ok(Cow::Borrowed(same)) if same == bytes));
        }
    }

    #[test]
    fn the_adapter_gets_a_clock_and_stays_valid() {
        let patched = with_clock(ADAPTER).expect("it has a clock");
        wasmparser::Validator::new().validate_all(&patched).expect("a valid module");
        assert_ne!(patched, ADAPTER);
        assert_eq!(with_clock(b"\0asm\x01\0\0\0"), None);
    }
}
