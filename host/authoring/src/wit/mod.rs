//! The WIT that a project is built against: llmhost's packages, cut to what it uses.

mod cut;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wit_component::WitPrinter;
use wit_parser::{InterfaceId, PackageId, Resolve, WorldId, WorldItem};

use crate::{AuthoringError, Project, Uses, World, carried};

/// The name of the project's world.
pub(crate) const WORLD: &str = "guest";

/// Interfaces whose grants say a pattern: what they reach is no part of the WIT.
const SCOPED: &[&str] = &["cloud-control", "request", "resource"];

/// What every plugin may use without asking.
const FREE: &str = "plugin";
/// The package with the world of providers.
const PROVIDER: &str = "provider";

/// All that there is.
pub(crate) struct Catalog {
    resolve: Resolve,
    /// Those that a plugin may use, by name: `s3`.
    interfaces: BTreeMap<String, Interface>,
    /// The packages that a provider is built against.
    of_providers: BTreeSet<String>,
}

struct Interface {
    /// `s3` in the WIT.
    name: String,
    id: InterfaceId,
    package: PackageId,
    /// The part that each function belongs to: `bucket` of `s3:bucket`.
    parts: BTreeSet<String>,
}

/// The WIT of a project: files by their paths below its folder `wit`.
pub(crate) struct Cut {
    files: Vec<(String, String)>,
}

fn wrong(error: impl std::fmt::Display) -> AuthoringError {
    AuthoringError::Wit(format!("{error:#}"))
}

impl Catalog {
    pub(crate) fn read() -> Result<Self, AuthoringError> {
        let mut resolve = Resolve::default();
        let mut packages = Vec::new();
        for (path, text) in in_order() {
            packages.push(resolve.push_str(path, text).map_err(wrong)?);
        }
        let of_providers = of_providers(&resolve)?;
        let mut interfaces = BTreeMap::new();
        for package in packages {
            // What providers alone have is no use to a plugin; what every plugin has is no use of it.
            if of_providers.contains(&resolve.packages[package].name.name) {
                continue;
            }
            for (name, id) in resolve.packages[package].interfaces.clone() {
                let of = &resolve.interfaces[id];
                let parts = of.functions.values().filter_map(|f| cut::part(&resolve, of, f)).collect();
                // As its grants say it.
                let key = if name == "resources" { "resource".to_owned() } else { name.clone() };
                interfaces.insert(key, Interface { name, id, package, parts });
            }
        }
        Ok(Self { resolve, interfaces, of_providers })
    }

    pub(crate) fn is_scoped(&self, interface: &str) -> bool {
        SCOPED.contains(&interface)
    }

    pub(crate) fn knows(&self, name: &str) -> bool {
        match name.split_once(':') {
            None => self.interfaces.contains_key(name),
            Some((interface, part)) => self.interfaces.get(interface).is_some_and(|of| of.parts.contains(part)),
        }
    }

    /// Every interface.
    pub(crate) fn interfaces(&self) -> impl Iterator<Item = &str> {
        self.interfaces.keys().map(String::as_str)
    }

    /// Every name that can be used.
    pub(crate) fn names(&self) -> Vec<String> {
        let of = |(name, interface): (&String, &Interface)| {
            let parts = interface.parts.iter().filter(|_| !self.is_scoped(name)).map(|part| format!("{name}:{part}"));
            std::iter::once(name.clone()).chain(parts.collect::<Vec<_>>()).collect::<Vec<_>>()
        };
        self.interfaces.iter().flat_map(of).collect()
    }

    /// The WIT of a project.
    pub(crate) fn cut(self, world: &World) -> Result<Cut, AuthoringError> {
        match world {
            World::Step(uses) => self.cut_to(uses),
            World::Provider => self.of_provider(),
        }
    }

    fn cut_to(mut self, uses: &Uses) -> Result<Cut, AuthoringError> {
        let mut imports = String::new();
        let mut files = whole(|package| package == FREE);
        for (key, interface) in &self.interfaces {
            let parts = interface.parts.iter().filter(|part| uses.cover(&format!("{key}:{part}")));
            let parts: BTreeSet<&str> = parts.map(String::as_str).collect();
            if parts.is_empty() {
                continue;
            }
            cut::interface(&mut self.resolve, interface.id, &parts);
            let (package, name) = (&self.resolve.packages[interface.package], &interface.name);
            imports += &format!("    import {};\n", package.name.interface_id(name));
            let mut printer = WitPrinter::default();
            printer.print(&self.resolve, interface.package, &[]).map_err(wrong)?;
            files.push((format!("deps/{}/{name}.wit", package.name.name), printer.output.to_string()));
        }
        let world = format!(
            "// Written by 'llmhost plugin wit'; what it imports is `uses` in llmhost-plugin.toml.\n\
             package llmhost:project;\n\n\
             {}\n\
             world {WORLD} {{\n    include {};\n{imports}}}\n",
            summary(uses),
            id_of_world(&self.resolve, "step")?
        );
        files.push(("world.wit".to_owned(), world));
        Ok(Cut { files })
    }

    fn of_provider(self) -> Result<Cut, AuthoringError> {
        let mut files = whole(|package| self.of_providers.contains(package));
        let world = format!(
            "// Written by 'llmhost plugin wit'.\npackage llmhost:project;\n\n{OF_PROVIDER}\n\
             world {WORLD} {{\n    include {};\n}}\n",
            id_of_world(&self.resolve, PROVIDER)?
        );
        files.push(("world.wit".to_owned(), world));
        Ok(Cut { files })
    }
}

/// The packages as they stand, each after those that it uses.
fn in_order() -> Vec<(&'static str, &'static str)> {
    let mut all = carried::WIT.to_vec();
    let rank = |path: &str| match package_of(path) {
        FREE => 0,
        PROVIDER => 2,
        _ => 1,
    };
    all.sort_by_key(|(path, _)| rank(path));
    all
}

/// `plugin` of `plugin/0.2.0/plugin.wit`.
fn package_of(path: &str) -> &str {
    path.split('/').next().unwrap_or(path)
}

/// These packages as files of a project, each after those that it uses.
fn whole(is_one: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let file = |(path, text): (&str, &str)| {
        let (package, name) = (package_of(path), path.rsplit('/').next().unwrap_or(path));
        (format!("deps/{package}/{name}"), text.to_owned())
    };
    in_order().into_iter().filter(|(path, _)| is_one(package_of(path))).map(file).collect()
}

fn world(resolve: &Resolve, name: &str) -> Result<(PackageId, WorldId), AuthoringError> {
    let found = resolve.packages.iter().find_map(|(id, package)| Some((id, *package.worlds.get(name)?)));
    found.ok_or_else(|| wrong(format!("no world '{name}'")))
}

fn id_of_world(resolve: &Resolve, name: &str) -> Result<String, AuthoringError> {
    Ok(resolve.packages[world(resolve, name)?.0].name.interface_id(name))
}

/// The package of the world of providers, and those that it imports.
fn of_providers(resolve: &Resolve) -> Result<BTreeSet<String>, AuthoringError> {
    let (own, id) = world(resolve, PROVIDER)?;
    let imports = resolve.worlds[id].imports.values().filter_map(|item| match item {
        WorldItem::Interface { id, .. } => resolve.interfaces[*id].package,
        _ => None,
    });
    Ok(imports.chain([own]).map(|package| resolve.packages[package].name.name.clone()).collect())
}

impl Cut {
    /// Reads it as a project's tools will.
    pub(crate) fn parse(&self) -> Result<(Resolve, WorldId), AuthoringError> {
        let mut resolve = Resolve::default();
        let packages = self.files.iter().map(|(path, text)| resolve.push_str(path, text).map_err(wrong));
        let packages = packages.collect::<Result<Vec<_>, _>>()?;
        let world = resolve.select_world(&packages[packages.len() - 1..], Some(WORLD)).map_err(wrong)?;
        Ok((resolve, world))
    }

    /// Writes the files into the folder `wit`, and takes away those of before.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), AuthoringError> {
        crate::create::remove(&folder.join("deps"))?;
        for (path, text) in &self.files {
            crate::create::write(&folder.join(path), text)?;
        }
        Ok(())
    }
}

/// The WIT in a project's folder.
pub(crate) struct Folder {
    pub(crate) resolve: Resolve,
    pub(crate) world: WorldId,
}

impl Folder {
    /// Reads a project's WIT; it is written where it is not there, or not what the project file says.
    pub(crate) fn open(project: &Project) -> Result<Self, AuthoringError> {
        let path = project.folder.join("wit");
        let there = std::fs::read_to_string(path.join("world.wit")).unwrap_or_default();
        let expected = match &project.world {
            World::Step(uses) => summary(uses),
            World::Provider => OF_PROVIDER.to_owned(),
        };
        if !there.contains(&expected) {
            Catalog::read()?.cut(&project.world)?.write(&path)?;
        }
        let damaged = |error| AuthoringError::Project {
            path: path.display().to_string(),
            reason: format!("{error:#}"),
            help: "Write it again with 'llmhost plugin wit'.".to_owned(),
        };
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_dir(&path).map_err(damaged)?;
        let world = resolve.select_world(&[package], Some(WORLD)).map_err(damaged)?;
        Ok(Self { resolve, world })
    }
}

/// What a provider's world says of itself.
const OF_PROVIDER: &str = "/// A provider of kinds of resources.";

/// What a plugin's world says of itself.
fn summary(uses: &Uses) -> String {
    let listed = uses.names().collect::<Vec<_>>().join(", ");
    format!("/// A plugin that uses {}.", if listed.is_empty() { "no capability" } else { &listed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(uses: &[&str]) -> Cut {
        let uses = Uses::parse(uses).expect("they are there");
        Catalog::read().expect("good WIT").cut(&World::Step(uses)).expect("it can be cut")
    }

    fn text<'a>(cut: &'a Cut, path: &str) -> &'a str {
        &cut.files.iter().find(|(at, _)| at == path).unwrap_or_else(|| panic!("{path} in {:?}", cut.files)).1
    }

    #[test]
    fn an_interface_is_cut_to_the_resource_with_what_it_needs_and_its_comments() {
        let cut = cut(&["s3:bucket", "ec2:security-group"]);
        let s3 = text(&cut, "deps/aws-s3/s3.wit");
        for part in
            ["resource bucket {", "variant encryption {", "record lifecycle-rule {", "/// S3's own keys (AES-256)."]
        {
            assert!(s3.contains(part), "{part} in {s3}");
        }
        assert!(!s3.contains("folder-spec") && !s3.contains("resource folder"), "{s3}");
        let ec2 = text(&cut, "deps/aws-ec2/ec2.wit");
        assert!(ec2.contains("resource security-group {") && !ec2.contains("resource vpc"), "{ec2}");
        assert!(!ec2.contains("availability-zone: func"), "{ec2}");
        let world = text(&cut, "world.wit");
        assert!(world.contains("import llmhost:aws-ec2/ec2@") && !world.contains("eks"), "{world}");
    }

    #[test]
    fn every_single_name_gives_a_world_of_its_own() {
        for name in Catalog::read().expect("good WIT").names() {
            let cut = cut(&[&name]);
            let (resolve, world) = cut.parse().expect("good WIT");
            let imports = &resolve.worlds[world].imports;
            let (interface, _) = name.split_once(':').unwrap_or((&name, ""));
            let interface = if interface == "resource" { "resources" } else { interface };
            let names = imports.keys().map(|key| resolve.name_world_key(key)).filter(|name| name.contains(':'));
            let names: Vec<_> = names.collect();
            assert!(names.iter().any(|import| import.contains(&format!("/{interface}@"))), "{name}: {names:?}");
            // Of capabilities there is this one alone.
            assert!(
                names
                    .iter()
                    .all(|import| import.starts_with("llmhost:plugin/") || import.contains(&format!("/{interface}@"))),
                "{name}: {names:?}"
            );
        }
        assert_eq!(cut(&[]).files.len(), 2, "a plugin without capabilities has its world and the package of plugins");
    }

    #[test]
    fn a_provider_has_the_packages_of_its_world_and_no_other() {
        let cut = Catalog::read().expect("good WIT").cut(&World::Provider).expect("it can be cut");
        let (resolve, world) = cut.parse().expect("good WIT");
        let world = &resolve.worlds[world];
        let has = |names: Vec<String>, one: &str| names.iter().any(|name| name.contains(one));
        let named = |keys: Vec<&wit_parser::WorldKey>| keys.iter().map(|key| resolve.name_world_key(key)).collect();
        assert!(has(named(world.exports.keys().collect()), "llmhost:provider/kinds@"));
        assert!(has(named(world.imports.keys().collect()), "llmhost:http/http@"));
        assert!(cut.files.iter().all(|(path, _)| !path.contains("s3") && !path.contains("resources")));
        let error = Uses::parse(&["http"]).expect_err("no plugin has it");
        assert!(error.to_string().contains("'http'"), "{error}");
    }
}
