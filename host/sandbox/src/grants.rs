//! What a component asks for, read off its imports before any of its code runs.

use std::collections::BTreeSet;

use llmhost_engine::plugin::LoadError;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentInstance, ComponentItem};

use crate::bindings::{FUNCTIONS, INTERFACES, RESOURCES, VERSION};
use crate::scoped::{self, SCOPED};

/// WASI packages that are linked, with nothing behind them.
const WASI: &[&str] = &["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random", "wasi:sockets"];

/// Every grant there is: whole interfaces, resources, and functions that belong to no resource.
pub(crate) fn known() -> Vec<String> {
    let resources = RESOURCES.iter().filter_map(|wit| wit.split_once('/')).map(|(_, kind)| kind.replacen('.', ":", 1));
    let functions = FUNCTIONS.iter().map(|(_, _, grant)| (*grant).to_owned());
    let grants: BTreeSet<String> = resources.chain(functions).collect();
    let is_scoped = |grant: &str| SCOPED.iter().any(|(interface, _)| grant.split(':').next() == Some(interface));
    let grants: BTreeSet<String> = grants.into_iter().filter(|grant| !is_scoped(grant)).collect();
    let interfaces = grants.iter().filter_map(|grant| grant.split_once(':')).map(|(interface, _)| interface.to_owned());
    let mut all: BTreeSet<String> = interfaces.collect();
    all.extend(grants);
    all.extend(SCOPED.iter().map(|(_, example)| (*example).to_owned()));
    all.into_iter().collect()
}

/// Refuses grants that name nothing.
pub(crate) fn check(allow: &[String]) -> Result<(), LoadError> {
    let known = known();
    let is_good = |grant: &&String| match scoped::check(grant) {
        Some(checked) => checked.is_ok(),
        None => known.contains(grant),
    };
    match allow.iter().find(|grant| !is_good(grant)) {
        Some(grant) => Err(LoadError::UnknownGrant { grant: grant.clone(), known }),
        None => Ok(()),
    }
}

/// Those of `wants` that `allow` does not cover. An empty list allows nothing.
pub(crate) fn missing(wants: &[String], allow: &[String]) -> Vec<String> {
    let covers = |grant: &String, want: &String| {
        let interface = want.split_once(':').map_or(want.as_str(), |(interface, _)| interface);
        // Which types, and which calls, is held against each declaration.
        let scoped = SCOPED.iter().any(|(scoped, _)| *scoped == interface);
        grant == want || interface == grant || (scoped && grant.split(':').next() == Some(interface))
    };
    let open = wants.iter().filter(|want| !allow.iter().any(|grant| covers(grant, want)));
    let example = |want: &String| SCOPED.iter().find(|(scoped, _)| want.split(':').next() == Some(scoped));
    open.map(|want| example(want).map_or_else(|| want.clone(), |(_, example)| (*example).to_owned())).collect()
}

/// The grants that a component's imports need; an error where it imports what this host has not.
pub(crate) fn wanted(component: &Component, engine: &Engine) -> Result<Vec<String>, String> {
    let mut wants = BTreeSet::new();
    for (name, import) in component.component_type().imports(engine) {
        served(name)?;
        let ComponentItem::ComponentInstance(instance) = &import.ty else {
            return Err(format!("it imports '{name}', which is not an interface; a plugin imports interfaces only"));
        };
        if name.starts_with("llmhost:")
            && let Some(interface) = interface_of(name)
        {
            collect(interface, instance, engine, &mut wants);
        }
    }
    Ok(wants.into_iter().collect())
}

fn collect(interface: &str, instance: &ComponentInstance, engine: &Engine, wants: &mut BTreeSet<String>) {
    for (export, item) in instance.exports(engine) {
        if !matches!(item.ty, ComponentItem::ComponentFunc(_)) {
            continue;
        }
        // `[static]subnet.declare`, `[method]subnet.id`, or a plain name.
        let member = export.split_once(']').and_then(|(_, rest)| rest.split_once('.'));
        let grant = match member {
            Some((resource, _)) => Some(format!("{interface}:{resource}")),
            None => FUNCTIONS
                .iter()
                .find(|(of, function, _)| *of == interface && *function == export)
                .map(|(_, _, grant)| (*grant).to_owned()),
        };
        wants.extend(grant);
    }
}

/// `llmhost:aws/ec2@0.1.0` -> `ec2`.
fn interface_of(import: &str) -> Option<&str> {
    let (_, rest) = import.split_once('/')?;
    Some(rest.split_once('@').map_or(rest, |(interface, _)| interface))
}

/// Whether this host has the interface; if not, what to do about it.
fn served(import: &str) -> Result<(), String> {
    let (path, version) = import.split_once('@').unwrap_or((import, ""));
    let (package, interface) = path.split_once('/').unwrap_or((path, ""));
    if let Some((_, interfaces)) = INTERFACES.iter().find(|(served, _)| *served == package) {
        if !interfaces.contains(&interface) {
            let has = interfaces.join(", ");
            return Err(format!(
                "it imports '{import}', and this version of llmhost has no such interface; of {package} it has: {has}"
            ));
        }
        if compatible(version, VERSION) {
            return Ok(());
        }
        return Err(format!(
            "it imports '{import}', and this version of llmhost serves {package} {VERSION}; \
             build the plugin against that version, or use a newer llmhost"
        ));
    }
    if WASI.contains(&package) {
        if version.starts_with("0.2.") {
            return Ok(());
        }
        return Err(format!(
            "it imports '{import}', and the sandbox serves WASI 0.2; build it for wasm32-wasip2 or without WASI"
        ));
    }
    Err(match package {
        "wasi:http" => format!(
            "it imports '{import}', and the sandbox has no network; use the capabilities of llmhost:aws instead"
        ),
        _ => format!(
            "it imports '{import}', which the sandbox does not have; a plugin may import llmhost:plugin, llmhost:aws, llmhost:kubernetes and WASI 0.2"
        ),
    })
}

/// Versions 0.x are compatible within one x.
fn compatible(asked: &str, served: &str) -> bool {
    let minor = |version: &str| version.rsplit_once('.').map(|(minor, _)| minor.to_owned());
    minor(asked).is_some() && minor(asked) == minor(served)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_grant_is_known_and_interfaces_cover_their_parts() {
        let known = known();
        for grant in ["ec2", "ec2:subnet", "ec2:describe", "s3", "s3:bucket", "s3:folder", "sts", "sts:identity"] {
            assert!(known.iter().any(|known| known == grant), "{grant} in {known:?}");
        }
        let wants = ["ec2:describe".to_owned(), "ec2:subnet".to_owned(), "s3:bucket".to_owned()];
        for (allow, left) in [
            (vec![], vec!["ec2:describe", "ec2:subnet", "s3:bucket"]),
            (vec!["ec2".to_owned()], vec!["s3:bucket"]),
            (vec!["ec2:subnet".to_owned(), "s3".to_owned()], vec!["ec2:describe"]),
            (vec!["ec2:sub".to_owned()], vec!["ec2:describe", "ec2:subnet", "s3:bucket"]),
        ] {
            assert_eq!(missing(&wants, &allow), left, "{allow:?}");
        }
    }

    #[test]
    fn an_unknown_grant_is_refused_with_those_there_are() {
        match check(&["ec2:subnets".to_owned()]) {
            Err(LoadError::UnknownGrant { grant, known }) => {
                assert_eq!(grant, "ec2:subnets");
                assert!(known.contains(&"ec2:subnet".to_owned()));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn imports_that_are_not_served_are_told_apart() {
        for (import, part) in [
            ("llmhost:aws/ec2@0.2.0", "serves llmhost:aws 0.1.0"),
            ("llmhost:aws/ec2", "serves llmhost:aws 0.1.0"),
            ("llmhost:aws/rds@0.1.0", "it has: ec2, s3, sts, iam, eks"),
            ("wasi:http/outgoing-handler@0.2.3", "no network"),
            ("wasi:cli/stdout@0.3.0", "WASI 0.2"),
            ("acme:x/y@1.0.0", "does not have"),
            ("print", "does not have"),
        ] {
            let reason = served(import).expect_err(import);
            assert!(reason.contains(part) && reason.contains(import), "{reason}");
        }
        for import in ["llmhost:aws/ec2@0.1.0", "llmhost:plugin/log@0.1.3", "wasi:io/poll@0.2.6"] {
            assert_eq!(served(import), Ok(()), "{import}");
        }
    }
}
