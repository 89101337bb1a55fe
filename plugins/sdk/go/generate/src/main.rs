//! Writes what the Go module has of the interfaces: `llmhost-go-bindings WIT MODULE OUT` makes the bindings in OUT, for the module
//! path MODULE, from the folder WIT (a folder for each package, in it one for each version), and the description of their world that a
//! plugin carries.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use wit_bindgen_core::wit_parser::{Resolve, UnresolvedPackageGroup};
use wit_bindgen_core::{AsyncFilterSet, Files};
use wit_component::StringEncoding;

type Error = Box<dyn std::error::Error>;

/// The version of the interfaces.
const VERSION: &str = "0.2.0";
/// Where the generator looks for its helpers; the module has them itself.
const HELPERS: &str = "go.bytecodealliance.org/pkg/wit";

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [wit, module, out] = arguments.as_slice() else {
        return Err("llmhost-go-bindings WIT MODULE OUT".into());
    };
    let (wit, out) = (Path::new(wit), Path::new(out));
    let mut resolve = Resolve::default();
    let world = push(&mut resolve, wit)?;

    let options = wit_bindgen_go::Opts {
        async_: AsyncFilterSet::default(),
        generate_stubs: false,
        pkg_name: Some(format!("{module}/internal")),
        quiet: true,
        ..wit_bindgen_go::Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let names: Vec<&str> = files.iter().map(|(name, _)| name).collect();
    let packages: Vec<Package> = names.iter().filter_map(|name| Package::of(name)).collect();
    for (name, contents) in files.iter() {
        let Some(name) = place(name, &packages) else { continue };
        let file = out.join(name);
        fs::create_dir_all(file.parent().expect("it lies in OUT"))?;
        fs::write(file, readable(std::str::from_utf8(contents)?, module, &packages))?;
    }
    let encoded = wit_component::metadata::encode(&resolve, world, StringEncoding::UTF8, None, false)?;
    fs::create_dir_all(out.join("llmhost-build"))?;
    fs::write(out.join("llmhost-build/world.bin"), encoded)?;
    Ok(())
}

/// A package of the generator's, and what the module calls it.
struct Package {
    generated: String,
    name: String,
    folder: String,
}

impl Package {
    /// `imports/llmhost_aws_s3_s3/…` is `s3`. What the module itself gives under other names is internal.
    fn of(file: &str) -> Option<Self> {
        let generated = file.strip_prefix("imports/")?.strip_suffix("/wit_bindings.go")?.to_owned();
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
    if file.starts_with("exports/") {
        return Some(format!("internal/{file}"));
    }
    let (folder, name) = file.strip_prefix("imports/")?.split_once('/')?;
    let package = packages.iter().find(|package| package.generated == folder)?;
    Some(format!("{}/{name}", package.folder))
}

/// The generated code under the module's own names, with Go's own way to say that a call failed.
fn readable(code: &str, module: &str, packages: &[Package]) -> String {
    let mut code = code.replace(HELPERS, &format!("{module}/internal/wit"));
    for Package { generated, name, folder } in packages {
        code = code
            .replace(&format!("{module}/internal/imports/{generated}"), &format!("{module}/{folder}"))
            .replace(&format!("package {generated}\n"), &format!("package {name}\n"))
            .replace(&format!("{generated}."), &format!("{name}."));
    }
    let mut out = String::new();
    let mut fails = false;
    for line in code.lines() {
        let mut line = line.to_owned();
        if line.starts_with("func ") {
            fails = false;
            if let Some((start, result)) = line.split_once(") witTypes.Result[") {
                if let Some(value) = result.strip_suffix(", types.Failure] {") {
                    line = format!("{start}) ({value}, error) {{");
                    fails = true;
                }
            }
        }
        if fails && line.starts_with("\treturn result") {
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

/// Reads every package in its version, and a world that imports every interface.
fn push(resolve: &mut Resolve, wit: &Path) -> Result<wit_bindgen_core::wit_parser::WorldId, Error> {
    let mut texts = BTreeMap::new();
    for package in fs::read_dir(wit)? {
        let folder = package?.path().join(VERSION);
        if folder.is_dir() {
            for file in fs::read_dir(&folder)? {
                let file = file?.path();
                texts.insert(file.display().to_string(), fs::read_to_string(&file)?);
            }
        }
    }
    let mut imports = String::new();
    for text in texts.values() {
        let package = text.lines().find_map(|line| line.strip_prefix("package ")?.strip_suffix(';')).ok_or("a package")?;
        let (name, version) = package.split_once('@').ok_or("a version")?;
        let interfaces = text.lines().filter_map(|line| line.strip_prefix("interface ")?.strip_suffix(" {"));
        for interface in interfaces.filter(|_| name != "llmhost:plugin") {
            imports += &format!("import {name}/{interface}@{version};\n");
        }
    }
    let world = format!("package llmhost:guest;\nworld plugin {{\ninclude llmhost:plugin/step@{VERSION};\n{imports}}}\n");
    let mut groups = Vec::new();
    for (path, text) in &texts {
        groups.push(UnresolvedPackageGroup::parse(path, text).map_err(|(_, error)| format!("{path}: {error}"))?);
    }
    let main = UnresolvedPackageGroup::parse("world.wit", &world).map_err(|(_, error)| format!("the world: {error}"))?;
    let package = resolve.push_groups(main, groups)?;
    Ok(resolve.select_world(&[package], Some("plugin"))?)
}
