//! The SDK for Go, as a module in the project: no proxy needs to have it.

use std::path::Path;

use wit_bindgen_core::Files;
use wit_component::StringEncoding;
use wit_parser::{Resolve, WorldId, WorldItem};

use crate::{AuthoringError, carried, create};

/// The module.
const MODULE: &str = "llmhost.dev/plugin";
/// Where the generator looks for its helpers; the module has them itself.
const HELPERS: &str = "go.bytecodealliance.org/pkg/wit";
/// Interfaces that the module gives under names of its own, as the generator calls them.
const INTERNAL: [&str; 8] = [
    "http_http",
    "plugin_file",
    "plugin_types",
    "plugin_values",
    "provider_aws",
    "provider_kinds",
    "provider_wait",
    "resources_resources",
];
/// What packages of the SDK are made of. In a world without it they would not compile, and are left out.
const MADE_OF: [(&str, &str); 7] = [
    ("aws/", "internal/aws/"),
    ("http/", "internal/http/"),
    ("internal/exports/export_kinds/", "internal/kinds/"),
    ("internal/exports/export_wit_world/", "internal/exports/step/"),
    ("internal/types/", "internal/types/"),
    ("provider/", "internal/kinds/"),
    ("resource/", "internal/resources/"),
];
/// The same of the package of plugins, whose files are in no folder.
const OF_PLUGINS: &str = "internal/exports/step/";
/// What a failed call gives: the failure of all interfaces of plugins, or an interface's own error.
const ERRORS: [&str; 2] = ["types.Failure", "Error"];

fn wrong(error: impl std::fmt::Display) -> AuthoringError {
    AuthoringError::Wit(format!("{error:#}"))
}

/// Writes the module, with a package for each interface that the world imports, and takes away those of before.
pub(crate) fn write_sdk(module: &Path, resolve: &Resolve, world: WorldId) -> Result<(), AuthoringError> {
    let files = sdk(resolve, world)?;
    clear(module, "", &files)?;
    files.iter().try_for_each(|(path, text)| create::write(&module.join(path), text))
}

/// The module's files for a world, by their paths.
fn sdk(resolve: &Resolve, world: WorldId) -> Result<Vec<(String, String)>, AuthoringError> {
    let mut files = interfaces(resolve, world)?;
    let has = |folder: &str| files.iter().any(|(path, _)| path.starts_with(folder));
    let compiles = |path: &str| match MADE_OF.iter().find(|(folder, _)| path.starts_with(folder)) {
        Some((_, of)) => has(of),
        None => path.contains('/') || !is_go(path) || has(OF_PLUGINS),
    };
    let carried = carried::GO_SDK.iter().filter(|(path, _)| compiles(path));
    let carried: Vec<_> = carried.map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    files.extend(carried);
    Ok(files)
}

fn is_go(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|extension| extension == "go")
}

/// Takes away what is below a folder of the module and is none of its files any more.
fn clear(module: &Path, folder: &str, files: &[(String, String)]) -> Result<(), AuthoringError> {
    for entry in std::fs::read_dir(module.join(folder)).into_iter().flatten().flatten() {
        let (at, name) = (entry.path(), entry.file_name());
        let path = format!("{folder}{}", name.to_string_lossy());
        let inside = format!("{path}/");
        if !at.is_dir() {
            if is_go(&path) && !files.iter().any(|(file, _)| *file == path) {
                std::fs::remove_file(&at).map_err(|error| AuthoringError::io(&at, &error))?;
            }
        } else if files.iter().any(|(file, _)| file.starts_with(&inside)) {
            clear(module, &inside, files)?;
        } else {
            create::remove(&at)?;
        }
    }
    Ok(())
}

/// Writes the packages of every interface of a world, and the world's description, which `llmhost-build` adds to what is
/// written for it.
pub(crate) fn write_interfaces(
    module: &Path,
    name: &str,
    resolve: &Resolve,
    world: WorldId,
) -> Result<(), AuthoringError> {
    for (path, text) in interfaces(resolve, world)? {
        create::write(&module.join(path), text)?;
    }
    let described = wit_component::metadata::encode(resolve, world, StringEncoding::UTF8, None).map_err(wrong)?;
    create::write(&module.join(format!("llmhost-build/{name}.bin")), described)
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
    // A provider exports an interface, and a plugin functions.
    let exports = resolve.worlds[world].exports.values();
    let is_provider = exports.into_iter().any(|item| matches!(item, WorldItem::Interface { .. }));
    let exports = if is_provider { "provider" } else { "step" };
    let mut written = Vec::new();
    for (name, contents) in files.iter() {
        if let Some(path) = place(name, exports, &packages) {
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
    /// `llmhost_aws_s3_s3/…` is `s3`.
    fn of(file: &str) -> Option<Self> {
        let generated = file.strip_suffix("/wit_bindings.go")?.to_owned();
        let rest = generated.strip_prefix("llmhost_")?;
        let name = match rest.strip_prefix("plugin_").or_else(|| rest.strip_prefix("provider_")) {
            Some(name) => name.to_owned(),
            None => {
                // `aws_cloud_control_cloud_control`: the package's name ends like the interface's, or is another.
                let words: Vec<&str> = rest.split('_').collect();
                let half = (1..words.len()).rev().find(|at| words[..*at].ends_with(&words[*at..]));
                words[half.unwrap_or(words.len() - 1)..].concat()
            }
        };
        let internal = INTERNAL.contains(&rest);
        let folder = if internal { format!("internal/{name}") } else { name.clone() };
        Some(Self { generated, name, folder })
    }
}

/// Where a file of the generator's goes; nothing where the module needs none.
fn place(file: &str, exports: &str, packages: &[Package]) -> Option<String> {
    let (folder, name) = file.split_once('/')?;
    if folder == "wit_exports" {
        return Some(format!("internal/exports/{exports}/{name}"));
    }
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
            .replace(&format!("/exports/export_{generated}\""), &format!("/exports/export_{name}\""))
            .replace(&format!("{generated}."), &format!("{name}."));
    }
    let mut out = String::new();
    let mut get = None;
    for line in code.lines() {
        let mut line = line.to_owned();
        if line.starts_with("func ") {
            get = None;
            let fails = line.split_once(") witTypes.Result[").and_then(|(start, result)| {
                let value = ERRORS.iter().find_map(|error| result.strip_suffix(&format!(", {error}] {{")))?;
                Some((start.to_owned(), value.to_owned()))
            });
            if let Some((start, value)) = fails {
                let is_nothing = value == "witTypes.Unit";
                line = if is_nothing { format!("{start}) error {{") } else { format!("{start}) ({value}, error) {{") };
                get = Some(if is_nothing { ".Done()" } else { ".Get()" });
            }
        }
        if let Some(get) = get.filter(|_| line.trim_start().starts_with("return result")) {
            line += get;
        }
        out += &without_underscores(&line);
        out.push('\n');
    }
    if out.contains("\ntype Error struct {") {
        out += "\n// Error makes it an error of Go.\nfunc (e Error) Error() string { return e.Message }\n";
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
    use std::collections::BTreeSet;

    use super::*;
    use crate::wit::Catalog;
    use crate::{Uses, World};

    fn parsed(world: &World) -> (Resolve, WorldId) {
        Catalog::read().expect("good WIT").cut(world).expect("it can be cut").parse().expect("WIT")
    }

    fn step(uses: &[&str]) -> World {
        World::Step(Uses::parse(uses).expect("they are there"))
    }

    fn of<'a>(files: &'a [(String, String)], path: &str) -> &'a str {
        &files.iter().find(|(at, _)| at == path).unwrap_or_else(|| panic!("no {path}")).1
    }

    #[test]
    fn an_interface_is_a_package_whose_calls_fail_as_in_go() {
        let (resolve, world) = parsed(&step(&["s3:bucket", "cloud-control"]));
        let files = interfaces(&resolve, world).expect("it can be written");
        let s3 = of(&files, "s3/wit_bindings.go");
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
        of(&files, "cloudcontrol/wit_bindings.go");
        assert!(of(&files, "internal/exports/step/wit_exports.go").contains("export_wit_world.Describe()"));
    }

    #[test]
    fn a_provider_exports_its_kinds_and_an_error_of_an_interface_is_one_of_go() {
        let (resolve, world) = parsed(&World::Provider);
        let files = interfaces(&resolve, world).expect("it can be written");
        let exports = of(&files, "internal/exports/provider/wit_exports.go");
        for part in [
            "\"llmhost.dev/plugin/internal/exports/export_kinds\"\n",
            "result := export_kinds.Create(value, value0, value1, value2)",
            "//go:wasmexport llmhost:provider/kinds@0.2.0#describe",
        ] {
            assert!(exports.contains(part), "{part} in\n{exports}");
        }
        let http = of(&files, "internal/http/wit_bindings.go");
        for part in [
            "func Send(request Request) (Response, error) {",
            ".Get()\n",
            "func (e Error) Error() string { return e.Message }",
        ] {
            assert!(http.contains(part), "{part} in\n{http}");
        }
        of(&files, "internal/wait/wit_bindings.go");
        of(&files, "log/wit_bindings.go");
    }

    #[test]
    fn a_call_that_gives_nothing_has_an_error_alone() {
        let code = readable("func A(b string) witTypes.Result[witTypes.Unit, Error] {\nreturn result1\n}\n", &[]);
        assert_eq!(code, "func A(b string) error {\nreturn result1.Done()\n}\n");
    }

    #[test]
    fn a_project_has_the_packages_that_compile_in_its_world() {
        let folders = |world: &World| {
            let (resolve, world) = parsed(world);
            let files = sdk(&resolve, world).expect("it can be written");
            let go = files.into_iter().map(|(path, _)| path).filter(|path| is_go(path));
            go.map(|path| path.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned()).collect::<BTreeSet<_>>()
        };
        let provider = folders(&World::Provider);
        let all = ["aws", "http", "internal/exports/export_kinds", "internal/schema", "log", "provider"];
        assert!(all.iter().all(|one| provider.contains(*one)), "{provider:?}");
        let none = [".", "internal/exports/export_wit_world", "internal/exports/step", "internal/types", "resource"];
        assert!(none.iter().all(|one| !provider.contains(*one)), "{provider:?}");
        let plugin = folders(&step(&["s3:bucket"]));
        assert!([".", "internal/types", "s3"].iter().all(|one| plugin.contains(*one)), "{plugin:?}");
        let none = ["http", "internal/exports/export_kinds", "internal/exports/provider", "provider", "resource"];
        assert!(none.iter().all(|one| !plugin.contains(*one)), "{plugin:?}");
        assert!(
            folders(&step(&["resource"])).is_superset(&["internal/resources", "resource"].map(str::to_owned).into())
        );
    }

    #[test]
    fn what_an_earlier_version_wrote_goes_away() {
        let folder = tempfile::tempdir().expect("a folder");
        let (resolve, world) = parsed(&World::Provider);
        for old in ["config.go", "s3/wit_bindings.go", "internal/exports/wit_exports/wit_exports.go", "notes.txt"] {
            create::write(&folder.path().join(old), "package old\n").expect("it can be written");
        }
        write_sdk(folder.path(), &resolve, world).expect("it can be written");
        let is_there = |path: &str| folder.path().join(path).exists();
        assert!(!is_there("config.go") && !is_there("s3") && !is_there("internal/exports/wit_exports"));
        assert!(is_there("notes.txt") && is_there("provider/provider.go"), "what is no Go stays");
    }
}
