//! The program that goes into an image: for which machine it is, and which C library it needs.

use std::path::Path;

use super::wrong;
use crate::failure::Failure;

/// A program for Linux.
pub(super) struct Program {
    pub(super) bytes: Vec<u8>,
    /// Docker's name for the processor.
    pub(super) architecture: &'static str,
    /// The minor version of the glibc that it needs at least: 36 of 2.36.
    glibc: u32,
}

impl Program {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let bytes = std::fs::read(path).map_err(|error| {
            wrong(format!("cannot read {shown}: {error}"), "Name an llmhost for Linux with --program.")
        })?;
        let Some(architecture) = architecture(&bytes) else {
            let message = format!("{shown} is no program for Linux on x86-64 or ARM64");
            return Err(wrong(message, "Run this on Linux, or name an llmhost for Linux with --program."));
        };
        Ok(Self { architecture, glibc: glibc(&bytes), bytes })
    }

    /// Refuses a base whose C library is older than what the program was linked with.
    pub(super) fn runs_on(&self, base: &str, has: u32) -> Result<(), Failure> {
        if self.glibc <= has {
            return Ok(());
        }
        let message = format!("the program needs glibc 2.{}, and {base} has 2.{has}", self.glibc);
        Err(wrong(message, "Name a newer --base (debian:trixie-slim has 2.41), or build llmhost on an older Linux."))
    }
}

/// The machine that an ELF header names.
fn architecture(bytes: &[u8]) -> Option<&'static str> {
    if !bytes.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    match bytes.get(18..20)? {
        [0x3e, 0] => Some("amd64"),
        [0xb7, 0] => Some("arm64"),
        _ => None,
    }
}

/// The newest version of a symbol of glibc that the program names; 0 where it names none.
fn glibc(bytes: &[u8]) -> u32 {
    const PREFIX: &[u8] = b"\0GLIBC_2.";
    let mut newest = 0;
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == 0) {
        rest = &rest[at..];
        if let Some(version) = rest.strip_prefix(PREFIX) {
            let digits: Vec<u8> = version.iter().copied().take(3).take_while(u8::is_ascii_digit).collect();
            let number = std::str::from_utf8(&digits).ok().and_then(|digits| digits.parse().ok());
            newest = newest.max(number.unwrap_or(0));
        }
        rest = &rest[1..];
    }
    newest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(machine: u8, more: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(18, 0);
        bytes.extend([machine, 0]);
        bytes.extend(more);
        bytes
    }

    #[test]
    fn machine_and_c_library_are_read_from_the_file() {
        assert_eq!(architecture(&elf(0x3e, b"")), Some("amd64"));
        assert_eq!(architecture(&elf(0xb7, b"")), Some("arm64"));
        for other in [elf(0x28, b""), b"\x7fELF\x01\x01".to_vec(), b"#!/bin/sh".to_vec(), Vec::new()] {
            assert_eq!(architecture(&other), None);
        }
        assert_eq!(glibc(&elf(0x3e, b"\0GLIBC_2.4\0GLIBC_2.36\0GLIBC_2.9.1\0GLIBC_2.")), 36);
        assert_eq!(glibc(b"no C library"), 0);
        let program = Program { bytes: Vec::new(), architecture: "amd64", glibc: 39 };
        assert!(program.runs_on("new", 39).is_ok());
        let error = program.runs_on("debian:bookworm-slim", 36).expect_err("too old").to_string();
        assert!(error.contains("needs glibc 2.39, and debian:bookworm-slim has 2.36"), "{error}");
    }
}
