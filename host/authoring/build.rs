//! Writes what the binary carries as tables: the newest WIT of each package, the Rust SDK, and the templates.

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
    let (plugins, sdk) = (here.join("../../plugins"), here.join("../../plugins/sdk/rust"));
    // The WIT in it is a link to that above.
    let is_source = |path: &str| ["Cargo.toml", "README.md", "LICENSE"].contains(&path) || path.starts_with("src/");
    let source: Vec<_> = files(&sdk).into_iter().filter(|(path, _)| is_source(path)).collect();
    table(&mut tables, "RUST_SDK", "The crate for plugins in Rust.", &source);
    let workspace = ["Cargo.toml", "Cargo.lock"].map(|name| (name.to_owned(), plugins.join(name)));
    table(&mut tables, "RUST_WORKSPACE", "The workspace that the crate is in.", &workspace);
    table(&mut tables, "TEMPLATES", "Projects, by language.", &files(&here.join("templates")));
    let workspace = workspace.map(|(_, file)| file);
    for path in [wit, sdk, here.join("templates")].iter().chain(&workspace) {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    std::fs::write(out.join("carried.rs"), tables).expect("cargo's own folder can be written");
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
