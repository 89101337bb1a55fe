//! What compiles to WebAssembly on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{BuildError, TARGET, clean};

/// A compiler for plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Toolchain {
    /// rustup's, with the target installed.
    Rustup,
    /// Debian's, which builds the standard library from its sources.
    Debian {
        /// The linker.
        linker: PathBuf,
    },
}

/// Where Debian puts its toolchain.
const DEBIAN: &str = "/usr/bin";
/// Where Debian's packages rustc-web and rust-web-src, or rust-src, put the library's sources.
const SOURCES: [&str; 2] = ["lib/rustlib/src/rust/library/std/Cargo.toml", "src/rust/library/std/Cargo.toml"];

impl Toolchain {
    /// The first that is complete.
    pub fn find() -> Result<Self, BuildError> {
        let libraries = output(Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]));
        if libraries.is_some_and(|folder| has_std(Path::new(&folder))) {
            return Ok(Self::Rustup);
        }
        let debian = Path::new(DEBIAN);
        let sysroot = output(Command::new(debian.join("rustc")).args(["--print", "sysroot"]));
        let has_sources =
            sysroot.is_some_and(|root| SOURCES.iter().any(|source| Path::new(&root).join(source).exists()));
        match linker() {
            Some(linker) if has_sources && debian.join("cargo").exists() => Ok(Self::Debian { linker }),
            _ => Err(BuildError::NoToolchain),
        }
    }

    /// `cargo build`, ready for more arguments.
    pub(crate) fn cargo(&self) -> Command {
        match self {
            Self::Rustup => {
                let mut cargo = Command::new("cargo");
                clean(&mut cargo);
                cargo.arg("build");
                cargo
            }
            Self::Debian { linker } => {
                let mut cargo = Command::new(Path::new(DEBIAN).join("cargo"));
                clean(&mut cargo);
                let path = std::env::var_os("PATH").unwrap_or_default();
                let path =
                    std::env::join_paths([PathBuf::from(DEBIAN)].into_iter().chain(std::env::split_paths(&path)));
                cargo
                    .args(["build", "-Zbuild-std=std,panic_abort"])
                    // Debian's cargo must find Debian's compiler, whose sources match.
                    .env("PATH", path.unwrap_or_default())
                    .env_remove("RUSTUP_TOOLCHAIN")
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                cargo
            }
        }
    }
}

fn has_std(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).any(|name| name.to_string_lossy().starts_with("libstd-"))
}

/// rustup brings a linker for WebAssembly with every toolchain; LLVM's own does as well.
fn linker() -> Option<PathBuf> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]));
    let host = output(Command::new("rustc").arg("-vV")).unwrap_or_default();
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
    let ours = sysroot.map(|root| Path::new(&root).join("lib/rustlib").join(host).join("bin/rust-lld"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path).flat_map(|folder| ["rust-lld", "wasm-ld"].map(|name| folder.join(name)));
    ours.into_iter().chain(others.collect::<Vec<_>>()).find(|linker| linker.is_file())
}

/// What a command prints, if it succeeds.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
