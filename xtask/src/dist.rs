//! `cargo xtask dist`: what a release publishes: the program with its licences in an archive, and a Debian package.

mod licences;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use crate::{helm, repository, run_quietly, target};

/// Builds the release, and writes the archive, the Debian package and their digests into `target/dist`.
pub(crate) fn run() -> Result<(), String> {
    helm::release()?;
    let (version, machine) = (env!("CARGO_PKG_VERSION"), machine()?);
    let into = target().join("dist");
    remove(&into)?;
    let folder = into.join(format!("llmhost-{version}-{machine}"));
    write(&folder.join("THIRD-PARTY-LICENSES.txt"), licences::all(&machine)?.as_bytes())?;
    copy(&target().join("release/llmhost"), &folder.join("llmhost"))?;
    for file in ["LICENSE", "README.md", "CHANGELOG.md"] {
        copy(&repository().join(file), &folder.join(file))?;
    }
    let mut made = vec![archive(&folder)?];
    if let Some(architecture) = debian(&machine) {
        made.push(package(&folder, version, architecture)?);
    }
    remove(&folder)?;
    for file in &made {
        let digest = digest(file)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        write(&into.join(format!("{name}.sha256")), format!("{digest}  {name}\n").as_bytes())?;
        println!("{}  {digest}", file.display());
    }
    Ok(())
}

/// The target that this machine compiles for.
fn machine() -> Result<String, String> {
    let output = Command::new("rustc").arg("-vV").output().map_err(|error| format!("cannot start rustc: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc -vV does not print its host".to_owned())
}

/// The same files give the same archive: names in order, nobody's, from the start of time.
fn archive(folder: &Path) -> Result<PathBuf, String> {
    let (parent, name) = (folder.parent().unwrap_or(folder), folder.file_name().unwrap_or_default());
    let file = parent.join(format!("{}.tar.gz", name.to_string_lossy()));
    let mut tar = Command::new("tar");
    tar.args(["--create", "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0"]);
    tar.args(["--use-compress-program=gzip -n -9", "--file"]).arg(&file).arg("--directory").arg(parent).arg(name);
    run_quietly(&mut tar)?;
    Ok(file)
}

/// What Debian calls the machine; nothing where packages cannot be made.
fn debian(machine: &str) -> Option<&'static str> {
    Command::new("dpkg-deb").arg("--version").output().ok()?;
    match machine {
        "x86_64-unknown-linux-gnu" => Some("amd64"),
        "aarch64-unknown-linux-gnu" => Some("arm64"),
        _ => None,
    }
}

fn package(folder: &Path, version: &str, architecture: &str) -> Result<PathBuf, String> {
    let root = folder.with_extension("deb-root");
    let documents = root.join("usr/share/doc/llmhost");
    copy(&folder.join("llmhost"), &root.join("usr/bin/llmhost"))?;
    copy(&folder.join("LICENSE"), &documents.join("copyright"))?;
    copy(&folder.join("THIRD-PARTY-LICENSES.txt"), &documents.join("THIRD-PARTY-LICENSES.txt"))?;
    let template = fs::read_to_string(repository().join("packaging/debian/control"))
        .map_err(|error| format!("cannot read packaging/debian/control: {error}"))?;
    let control = template.replace("@VERSION@", version).replace("@ARCHITECTURE@", architecture);
    write(&root.join("DEBIAN/control"), control.as_bytes())?;
    let file = folder.with_file_name(format!("llmhost_{version}_{architecture}.deb"));
    let mut build = Command::new("dpkg-deb");
    build.args(["--build", "--root-owner-group"]).arg(&root).arg(&file).env("SOURCE_DATE_EPOCH", "0");
    run_quietly(&mut build)?;
    remove(&root)?;
    Ok(file)
}

fn digest(file: &Path) -> Result<String, String> {
    let bytes = fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Ok(Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot write {}: {error}", file.display());
    fs::create_dir_all(file.parent().unwrap_or(file)).map_err(failed)?;
    fs::write(file, bytes).map_err(failed)
}

/// With its permissions.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot copy {} to {}: {error}", from.display(), to.display());
    fs::create_dir_all(to.parent().unwrap_or(to)).map_err(failed)?;
    fs::copy(from, to).map(drop).map_err(failed)
}

fn remove(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", folder.display()))
        }
        _ => Ok(()),
    }
}
