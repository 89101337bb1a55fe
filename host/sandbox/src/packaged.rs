//! What is told of a component where it is published.

use std::path::Path;

use llmhost_engine::plugin::LoadError;
use wasmparser::{Encoding, Parser, Payload};

use crate::source;

/// A component's file, and what it imports and exports.
#[derive(Debug, Clone)]
pub struct Packaged {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Names of imports and of exports; nothing of a core module.
    pub interfaces: Option<(Vec<String>, Vec<String>)>,
}

impl Packaged {
    /// Reads a file, which has to be WebAssembly.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let shown = path.display().to_string();
        let unreadable = |reason| LoadError::Unreadable { path: shown.clone(), reason };
        let bytes = source::read_plugin(path).map_err(unreadable)?;
        match interfaces(&bytes) {
            Ok(interfaces) => Ok(Self { bytes, interfaces }),
            Err(error) => Err(LoadError::NotAPlugin { path: shown, reason: error.to_string() }),
        }
    }
}

fn interfaces(bytes: &[u8]) -> wasmparser::Result<Option<(Vec<String>, Vec<String>)>> {
    let (mut imports, mut exports, mut depth) = (Vec::new(), Vec::new(), 0);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => return Ok(None),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(Some((imports, exports)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_and_exports_are_those_of_the_component_itself() {
        let component = wat::parse_str(
            r#"(component
                (import "llmhost:plugin/log@0.1.0" (instance))
                (component (import "inner:x/y" (instance)))
                (core module (import "m" "f" (func)))
                (instance $i)
                (export "acme:x/z@1.0.0" (instance $i)))"#,
        );
        let found = interfaces(&component.expect("good text")).expect("a component").expect("not a module");
        assert_eq!(found, (vec!["llmhost:plugin/log@0.1.0".to_owned()], vec!["acme:x/z@1.0.0".to_owned()]));
        assert_eq!(interfaces(&wat::parse_str("(module)").expect("good text")).expect("a module"), None);
        assert!(interfaces(b"#!/bin/sh").is_err());
    }
}
