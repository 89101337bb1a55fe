//! Writes what the binary carries as tables: the newest WIT of each package, the SDKs, and the templates.

use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    println!("cargo::rerun-if-changed=build.rs");
    let mut tables = String::new();
    let wit = here.join("../../wit");
    let mut packages = Vec::new();
    for package in folders(&wit) {
        // `aws` was one package until its services got one each.
        let Some(newest) = folders(&package).pop().filter(|_| !package.ends_with("aws")) else { continue };
        let name = newest.strip_prefix(&wit).expect("it is below").to_string_lossy().into_owned();
        packages.extend(files(&newest).into_iter().map(|(path, file)| (format!("{name}/{path}"), file)));
    }
    table(&mut tables, "WIT", "The newest version of each package.", &packages);
    let (plugins, sdks) = (here.join("../../plugins"), here.join("../../plugins/sdk"));
    // The WIT in it is a link to that above.
    sdk(
        &mut tables,
        "RUST_SDK",
        "The crate for plugins in Rust.",
        &sdks.join("rust"),
        &["Cargo.toml", "README.md", "LICENSE", "src/"],
    );
    sdk(
        &mut tables,
        "JAVASCRIPT_SDK",
        "The package for plugins in JavaScript.",
        &sdks.join("javascript"),
        &["package.json", "tsconfig.json", "README.md", "src/", "build/"],
    );
    sdk(
        &mut tables,
        "PYTHON_SDK",
        "The package for plugins in Python, and what builds them.",
        &sdks.join("python"),
        &["llmhost_plugin/", "llmhost_plugin_build/"],
    );
    sdk(
        &mut tables,
        "GO_SDK",
        "The module for plugins in Go.",
        &sdks.join("go"),
        &[
            "go.mod",
            "README.md",
            "names.go",
            "plugin.go",
            "tags.go",
            "aws/",
            "http/",
            "internal/",
            "provider/",
            "resource/",
        ],
    );
    let workspace = ["Cargo.toml", "Cargo.lock"].map(|name| (name.to_owned(), plugins.join(name)));
    table(&mut tables, "RUST_WORKSPACE", "The workspace that the crate is in.", &workspace);
    table(&mut tables, "TEMPLATES", "Projects, by language.", &files(&here.join("templates")));
    let workspace = workspace.map(|(_, file)| file);
    for path in [wit, sdks, here.join("templates")].iter().chain(&workspace) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    std::fs::write(out.join("carried.rs"), tables).expect("cargo's own folder can be written");
}

/// A table of the files of an SDK that begin in one of these ways.
fn sdk(to: &mut String, name: &str, docs: &str, folder: &Path, parts: &[&str]) {
    let is_left_out = |path: &str| path.contains("__pycache__") || path.ends_with("_test.go");
    let is_part = |path: &str| parts.iter().any(|part| path.starts_with(part)) && !is_left_out(path);
    let source: Vec<_> = files(folder).into_iter().filter(|(path, _)| is_part(path)).collect();
    table(to, name, docs, &source);
}

fn table(to: &mut String, name: &str, docs: &str, files: &[(String, PathBuf)]) {
    writeln!(to, "/// {docs}\npub(crate) const {name}: &[(&str, &str)] = &[").expect("a string takes any text");
    for (path, file) in files {
        writeln!(to, "    ({path:?}, include_str!({:?})),", file.display().to_string())
            .expect("a string takes any text");
    }
    to.push_str("];\n");
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// Every file below a folder, with its path from there.
fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                left.push(entry);
            } else {
                let path = entry.strip_prefix(folder).expect("it is below").to_string_lossy().into_owned();
                found.push((path, entry));
            }
        }
    }
    found.sort();
    found
}
