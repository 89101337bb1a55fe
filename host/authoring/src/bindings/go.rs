//! The SDK for Go, as a module in the project: no proxy needs to have it.

use std::path::Path;

use wit_bindgen_core::Files;
use wit_component::StringEncoding;
use wit_parser::{Resolve, WorldId};

use crate::{AuthoringError, carried, create};

/// The module.
const MODULE: &str = "llmhost.dev/plugin";
/// Where the generator looks for its helpers; the module has them itself.
const HELPERS: &str = "go.bytecodealliance.org/pkg/wit";

fn wrong(error: impl std::fmt::Display) -> AuthoringError {
    AuthoringError::Wit(format!("{error:#}"))
}

/// Writes the module, with a package for each interface that the world imports, and takes away those of before.
pub(crate) fn write_sdk(module: &Path, resolve: &Resolve, world: WorldId) -> Result<(), AuthoringError> {
    let mut files = interfaces(resolve, world)?;
    files.extend(carried::GO_SDK.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
    for entry in std::fs::read_dir(module).into_iter().flatten().flatten() {
        let folder = format!("{}/", entry.file_name().to_string_lossy());
        if entry.path().is_dir() && !files.iter().any(|(path, _)| path.starts_with(&folder)) {
            create::remove(&entry.path())?;
        }
    }
    files.iter().try_for_each(|(path, text)| create::write(&module.join(path), text))
}

/// Writes the packages of every interface, and the description of their world that `llmhost-build` adds to a plugin.
pub(crate) fn write_interfaces(module: &Path, resolve: &Resolve, world: WorldId) -> Result<(), AuthoringError> {
    for (path, text) in interfaces(resolve, world)? {
        create::write(&module.join(path), text)?;
    }
    let described = wit_component::metadata::encode(resolve, world, StringEncoding::UTF8, None).map_err(wrong)?;
    create::write(&module.join("llmhost-build/world.bin"), described)
}

/// The packages' files by their paths in the module.
fn interfaces(resolve: &Resolve, world: WorldId) -> Result<Vec<(String, String)>, AuthoringError> {
    let options = wit_bindgen_go::Opts {
        // What the generator makes can be read; where gofmt is, it is another's version.
        format: wit_bindgen_go::Format::False,
        pkg_name: Some(format!("{MODULE}/internal/imports")),
        export_pkg_name: Some(format!("{MODULE}/internal/exports")),
        ..wit_bindgen_go::Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve.clone(), world, &mut files).map_err(wrong)?;
    let packages: Vec<Package> = files.iter().filter_map(|(name, _)| Package::of(name)).collect();
    let mut written = Vec::new();
    for (name, contents) in files.iter() {
        if let Some(path) = place(name, &packages) {
            written.push((path, readable(&String::from_utf8_lossy(contents), &packages)));
        }
    }
    Ok(written)
}

/// A package of the generator's, and what the module calls it.
struct Package {
    generated: String,
    name: String,
    folder: String,
}

impl Package {
    /// `llmhost_aws_s3_s3/…` is `s3`. What the module itself gives under other names is internal.
    fn of(file: &str) -> Option<Self> {
        let generated = file.strip_suffix("/wit_bindings.go")?.to_owned();
        let rest = generated.strip_prefix("llmhost_")?;
        let (name, internal) = match rest.strip_prefix("plugin_") {
            Some(name) => (name.to_owned(), name != "log"),
            None => {
                // `aws_cloud_control_cloud_control`: the package's name ends like the interface's, or is another.
                let words: Vec<&str> = rest.split('_').collect();
                let half = (1..words.len()).rev().find(|at| words[..*at].ends_with(&words[*at..]));
                (words[half.unwrap_or(words.len() - 1)..].concat(), false)
            }
        };
        let folder = if internal { format!("internal/{name}") } else { name.clone() };
        Some(Self { generated, name, folder })
    }
}

/// Where a file of the generator's goes; nothing where the module needs none.
fn place(file: &str, packages: &[Package]) -> Option<String> {
    if file.starts_with("wit_exports/") {
        return Some(format!("internal/exports/{file}"));
    }
    let (folder, name) = file.split_once('/')?;
    let package = packages.iter().find(|package| package.generated == folder)?;
    Some(format!("{}/{name}", package.folder))
}

/// The generated code under the module's own names, with Go's own way to say that a call failed.
fn readable(code: &str, packages: &[Package]) -> String {
    let mut code = code.replace(HELPERS, &format!("{MODULE}/internal/wit"));
    for Package { generated, name, folder } in packages {
        code = code
            .replace(&format!("{MODULE}/internal/imports/{generated}"), &format!("{MODULE}/{folder}"))
            .replace(&format!("package {generated}\n"), &format!("package {name}\n"))
            .replace(&format!("{generated}."), &format!("{name}."));
    }
    let mut out = String::new();
    let mut fails = false;
    for line in code.lines() {
        let mut line = line.to_owned();
        if line.starts_with("func ") {
            fails = false;
            if let Some((start, result)) = line.split_once(") witTypes.Result[")
                && let Some(value) = result.strip_suffix(", types.Failure] {")
            {
                line = format!("{start}) ({value}, error) {{");
                fails = true;
            }
        }
        if fails && line.trim_start().starts_with("return result") {
            line += ".Get()";
        }
        out += &without_underscores(&line);
        out.push('\n');
    }
    out
}

/// `Encryption_S3Managed` as Go has it: `EncryptionS3Managed`.
fn without_underscores(line: &str) -> String {
    let mut out = String::new();
    let mut word = String::new();
    for c in line.chars().chain(['\n']) {
        if c.is_ascii_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        let is_constant = word.split('_').all(|part| part.starts_with(|c: char| c.is_ascii_uppercase()));
        out += &if is_constant { word.replace('_', "") } else { word.clone() };
        word.clear();
        out.push(c);
    }
    out.pop();
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wit::Catalog;
    use crate::{Uses, World};

    #[test]
    fn an_interface_is_a_package_whose_calls_fail_as_in_go() {
        let uses = Uses::parse(&["s3:bucket", "cloud-control"]).expect("they are there");
        let (resolve, world) =
            Catalog::read().expect("good WIT").cut(&World::Step(uses)).expect("it can be cut").parse().expect("WIT");
        let files = interfaces(&resolve, world).expect("it can be written");
        let of = |path: &str| &files.iter().find(|(at, _)| at == path).unwrap_or_else(|| panic!("no {path}")).1;
        let s3 = of("s3/wit_bindings.go");
        for part in [
            "package s3\n",
            "func BucketDeclare(name string, spec BucketSpec, options types.Options) (*Bucket, error) {",
            "return result1.Get()\n",
            "\"llmhost.dev/plugin/internal/types\"",
            "func MakeEncryptionS3Managed() Encryption",
        ] {
            assert!(s3.contains(part), "{part} in\n{s3}");
        }
        assert!(!s3.contains("Folder") && !s3.contains("bytecodealliance"), "{s3}");
        of("cloudcontrol/wit_bindings.go");
        assert!(of("internal/exports/wit_exports/wit_exports.go").contains("export_wit_world.Describe()"));
    }
}
