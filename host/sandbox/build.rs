//! Writes what the WIT says as tables: every interface that was released, and the types of its newest version.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use wit_parser::{Function, Handle, InterfaceId, Resolve, Type, TypeDefKind, World, WorldItem};

fn main() {
    let wit = Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../wit");
    println!("cargo::rerun-if-changed={}", wit.display());
    println!("cargo::rerun-if-changed=build.rs");
    let mut resolve = Resolve::default();
    for folder in releases(&wit) {
        if let Err(error) = resolve.push_dir(&folder) {
            println!("cargo::error={}: {error:#}", folder.display());
            std::process::exit(1);
        }
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it"));
    std::fs::write(out.join("served.rs"), tables(&resolve)).expect("cargo's own folder can be written");
}

/// `wit/PACKAGE/VERSION`, each after those that it uses.
fn releases(wit: &Path) -> Vec<PathBuf> {
    let folders = |folder: &Path| {
        let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
        let mut folders: Vec<_> = entries.filter(|path| path.is_dir()).collect();
        folders.sort();
        folders
    };
    let mut all: Vec<_> = folders(wit).iter().flat_map(|package| folders(package)).collect();
    let place = |folder: &PathBuf| match folder.parent().and_then(Path::file_name).and_then(|name| name.to_str()) {
        Some("plugin") => 0,
        Some("provider") => 2,
        _ => 1,
    };
    all.sort_by_key(place);
    all
}

fn tables(resolve: &Resolve) -> String {
    let mut released = String::from("pub(crate) const RELEASED: &[Released] = &[\n");
    let mut newest: BTreeMap<&str, InterfaceId> = BTreeMap::new();
    // What guests export, nobody imports.
    let all_exports = resolve.worlds.iter().flat_map(|(_, world)| world.exports.values());
    let exported: HashSet<InterfaceId> = all_exports.filter_map(interface).collect();
    for (_, package) in &resolve.packages {
        let version = package.name.version.as_ref().expect("each package has a version");
        let imported = package.interfaces.iter().filter(|(_, id)| !exported.contains(*id));
        let interfaces: Vec<_> = imported.clone().map(|(name, _)| name).collect();
        let id = format!("{}:{}", package.name.namespace, package.name.name);
        writeln!(released, "    Released {{ package: {id:?}, version: \"{version}\", interfaces: &{interfaces:?} }},")
            .expect("a string takes any text");
        for (name, id) in imported {
            let version_of = |id: &InterfaceId| {
                let package = resolve.interfaces[*id].package.expect("an interface has a package");
                resolve.packages[package].name.version.clone()
            };
            let best = newest.entry(name).or_insert(*id);
            if version_of(best) < version_of(id) {
                *best = *id;
            }
        }
    }
    let mut served = String::from("pub(crate) const SERVED: &[Interface] = &[\n");
    for (name, id) in newest {
        write!(served, "    Interface {{ name: {name:?}, functions: &[").expect("a string takes any text");
        for of in resolve.interfaces[id].functions.values() {
            write!(served, "\n        {},", function(resolve, of)).expect("a string takes any text");
        }
        served.push_str("] },\n");
    }
    format!("{released}];\n\n{served}];\n\n{}{}", exports(resolve), kinds(resolve))
}

fn interface(item: &WorldItem) -> Option<InterfaceId> {
    match item {
        WorldItem::Interface { id, .. } => Some(*id),
        _ => None,
    }
}

/// The newest version of a world.
fn world<'a>(resolve: &'a Resolve, name: &str) -> &'a World {
    let worlds = resolve.packages.iter().filter_map(|(_, package)| Some((&package.name, package.worlds.get(name)?)));
    let newest = worlds.max_by_key(|(name, _)| name.version.clone()).expect("there is such a world");
    &resolve.worlds[*newest.1]
}

/// What a plugin exports: `DESCRIBE` and `RUN`.
fn exports(resolve: &Resolve) -> String {
    let functions = world(resolve, "step").exports.values().filter_map(|item| match item {
        WorldItem::Function(of) => Some(of),
        _ => None,
    });
    functions.fold(String::new(), |text, of| {
        text + &format!("pub(crate) const {}: Function = {};\n", of.name.to_uppercase(), function(resolve, of))
    })
}

/// What a provider exports: `KINDS`.
fn kinds(resolve: &Resolve) -> String {
    let exports = world(resolve, "provider").exports.values().find_map(interface);
    let functions = resolve.interfaces[exports.expect("a provider exports an interface")].functions.values();
    format!("pub(crate) const KINDS: &[Function] = {};\n", list(functions.map(|of| function(resolve, of))))
}

fn function(resolve: &Resolve, of: &Function) -> String {
    let params = of.params.iter().map(|param| format!("({:?}, {})", param.name, shape(resolve, &param.ty)));
    let (params, result) = (list(params), optional(resolve, of.result.as_ref()));
    format!("Function {{ name: {:?}, params: {params}, result: {result} }}", of.name)
}

fn optional(resolve: &Resolve, of: Option<&Type>) -> String {
    of.map_or_else(|| "None".to_owned(), |of| format!("Some(&{})", shape(resolve, of)))
}

fn list(parts: impl Iterator<Item = String>) -> String {
    format!("&[{}]", parts.collect::<Vec<_>>().join(", "))
}

fn shape(resolve: &Resolve, of: &Type) -> String {
    let id = match of {
        Type::Bool => return "Shape::Bool".to_owned(),
        Type::String => return "Shape::Text".to_owned(),
        Type::Id(id) => *id,
        number => return format!("Shape::Number({:?})", format!("{number:?}").to_lowercase()),
    };
    if resolve.types[id].name.as_deref() == Some("failure") {
        return "Shape::Failure".to_owned();
    }
    match &resolve.types[id].kind {
        TypeDefKind::Type(other) => shape(resolve, other),
        TypeDefKind::Record(record) => {
            let fields = record.fields.iter().map(|field| format!("({:?}, {})", field.name, shape(resolve, &field.ty)));
            format!("Shape::Record({})", list(fields))
        }
        TypeDefKind::Variant(variant) => {
            let cases = variant.cases.iter();
            let cases = cases.map(|case| format!("({:?}, {})", case.name, optional(resolve, case.ty.as_ref())));
            format!("Shape::Variant({})", list(cases))
        }
        TypeDefKind::Enum(cases) => {
            format!("Shape::Enum({})", list(cases.cases.iter().map(|case| format!("{:?}", case.name))))
        }
        TypeDefKind::Option(of) => format!("Shape::Option(&{})", shape(resolve, of)),
        TypeDefKind::List(of) => format!("Shape::List(&{})", shape(resolve, of)),
        TypeDefKind::Tuple(tuple) => format!("Shape::Tuple({})", list(tuple.types.iter().map(|of| shape(resolve, of)))),
        TypeDefKind::Result(of) => {
            let (ok, err) = (optional(resolve, of.ok.as_ref()), optional(resolve, of.err.as_ref()));
            format!("Shape::Result({ok}, {err})")
        }
        TypeDefKind::Handle(Handle::Own(_) | Handle::Borrow(_)) => "Shape::Handle".to_owned(),
        other => panic!("the host does not serve {}", other.as_str()),
    }
}
