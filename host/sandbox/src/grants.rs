//! What a component asks for, read off its imports before any of its code runs.

use std::collections::BTreeSet;

use llmhost_engine::plugin::LoadError;
use wasmtime::Engine;
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentInstance, ComponentItem};

use crate::scoped::{self, RESOURCE, SCOPED};
use crate::wit::{ANY, FUNCTIONS, Import, packages, resources};

/// WASI packages that are linked, with nothing behind them.
const WASI: &[&str] = &["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random", "wasi:sockets"];

/// Every grant there is: whole interfaces, resources, and functions that belong to no resource.
pub(crate) fn known() -> Vec<String> {
    let resources = resources().map(|(interface, resource)| format!("{interface}:{resource}"));
    let functions = FUNCTIONS.iter().map(|(_, _, grant)| (*grant).to_owned());
    let grants: BTreeSet<String> = resources.chain(functions).collect();
    let grants: BTreeSet<String> = grants.into_iter().filter(|grant| scoped::interface_of(grant).is_none()).collect();
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

/// What a plugin needs: what its imports tell, and what it says itself of `cloud-control` and `request`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Grants to write into `allow`.
    pub(crate) grants: Vec<String>,
    /// Interfaces that it uses without saying for what.
    pub(crate) unsaid: Vec<&'static str>,
}

impl Needs {
    /// `wants` is what the imports tell, `said` what the description says.
    pub(crate) fn of(wants: &[String], said: &[String]) -> Self {
        let mut needs = Self::default();
        for want in wants {
            match scoped::interface_of(want) {
                None => needs.grants.push(want.clone()),
                Some(interface) if said.iter().any(|said| scoped::interface_of(said) == Some(interface)) => {}
                Some(interface) => needs.unsaid.push(interface),
            }
        }
        let scoped_wants = |said: &&String| {
            let wanted = |want: &String| scoped::interface_of(want) == scoped::interface_of(said);
            wants.iter().any(wanted)
        };
        needs.grants.extend(said.iter().filter(scoped_wants).cloned());
        needs
    }

    /// What `allow` does not cover. An empty list allows nothing. Which types and calls are declared in the end is held
    /// against each declaration.
    pub(crate) fn missing(&self, allow: &[String]) -> Self {
        let covers = |grant: &String, need: &String| {
            let interface = need.split_once(':').map_or(need.as_str(), |(interface, _)| interface);
            grant == need || grant == interface || scoped::may_cover(grant, need)
        };
        let open = self.grants.iter().filter(|need| !allow.iter().any(|grant| covers(grant, need)));
        let granted =
            |interface: &&&'static str| allow.iter().any(|grant| scoped::interface_of(grant) == Some(**interface));
        let unsaid = self.unsaid.iter().filter(|interface| !granted(interface));
        Self { grants: open.cloned().collect(), unsaid: unsaid.copied().collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.grants.is_empty() && self.unsaid.is_empty()
    }
}

/// The grants that a component's imports need; an error where it imports what this host has not.
pub(crate) fn wanted(component: &Component, engine: &Engine) -> Result<Vec<String>, String> {
    let mut wants = BTreeSet::new();
    for (name, item) in component.component_type().imports(engine) {
        let import = Import::parse(name);
        served(&import)?;
        let ComponentItem::ComponentInstance(instance) = &item.ty else {
            return Err(format!("it imports '{name}', which is not an interface; a plugin imports interfaces only"));
        };
        if import.is_own() {
            collect(import.interface, instance, engine, &mut wants);
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
            // Which kinds it declares, imports do not tell.
            Some(_) if interface == ANY => Some(format!("{RESOURCE}:any")),
            Some((resource, _)) => Some(format!("{interface}:{resource}")),
            None => FUNCTIONS
                .iter()
                .find(|(of, function, _)| *of == interface && *function == export)
                .map(|(_, _, grant)| (*grant).to_owned()),
        };
        wants.extend(grant);
    }
}

/// Whether this host has the interface; if not, what to do about it.
fn served(import: &Import<'_>) -> Result<(), String> {
    if import.is_own() {
        return import.served();
    }
    if WASI.contains(&import.package) {
        return match import.version.starts_with("0.2.") {
            true => Ok(()),
            false => Err(format!(
                "it imports '{import}', and the sandbox serves WASI 0.2; build it for wasm32-wasip2 or without WASI"
            )),
        };
    }
    Err(match import.package {
        "wasi:http" => {
            format!("it imports '{import}', and the sandbox has no network; use the capabilities of llmhost instead")
        }
        _ => format!(
            "it imports '{import}', which the sandbox does not have; a plugin may import WASI 0.2 and {}",
            packages()
        ),
    })
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
            assert_eq!(Needs::of(&wants, &[]).missing(&allow).grants, left, "{allow:?}");
        }
    }

    #[test]
    fn what_a_plugin_says_it_needs_is_what_is_missing() {
        let list = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let wants = list(&["cloud-control:entity", "request:call", "s3:bucket"]);
        let said = list(&["cloud-control:AWS::SNS::Topic", "request:ssm:PutParameter Name=/jobs/*"]);
        let needs = Needs::of(&wants, &said);
        assert_eq!(
            needs.grants,
            list(&["s3:bucket", "cloud-control:AWS::SNS::Topic", "request:ssm:PutParameter Name=/jobs/*"])
        );
        for (allow, missing) in [
            (&["s3", "cloud-control:AWS::SNS::*", "request:ssm:PutParameter Name=/jobs/queue"][..], &[][..]),
            (&["s3", "cloud-control:AWS::SQS::Queue", "request:ssm:Put*"], &["cloud-control:AWS::SNS::Topic"]),
            (
                &["s3", "cloud-control:AWS::SNS::Topic", "request:ssm:GetParameter"],
                &["request:ssm:PutParameter Name=/jobs/*"],
            ),
        ] {
            assert_eq!(needs.missing(&list(allow)), Needs { grants: list(missing), unsaid: vec![] }, "{allow:?}");
        }
        // Of what it does not say, no example is made up.
        let silent = Needs::of(&wants, &said[..1]);
        assert_eq!(silent.unsaid, ["request"]);
        assert!(silent.missing(&list(&["s3", "cloud-control:AWS::SNS::Topic", "request:ssm:GetParameter"])).is_empty());
        // What its imports do not reach, it does not need.
        assert_eq!(Needs::of(&wants[2..], &said).grants, ["s3:bucket"]);
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
            ("llmhost:aws-ec2/ec2@0.3.0", "serves llmhost:aws-ec2 0.2.0"),
            ("llmhost:aws/ec2", "serves llmhost:aws 0.1.0"),
            ("llmhost:aws/rds@0.1.0", "it has: "),
            ("llmhost:azure/network@0.1.0", "does not have that package; it has llmhost:plugin"),
            ("wasi:http/outgoing-handler@0.2.3", "no network"),
            ("wasi:cli/stdout@0.3.0", "WASI 0.2"),
            ("acme:x/y@1.0.0", "does not have"),
            ("print", "does not have"),
        ] {
            let reason = served(&Import::parse(import)).expect_err(import);
            assert!(reason.contains(part) && reason.contains(import), "{reason}");
        }
        for import in
            ["llmhost:aws/ec2@0.1.0", "llmhost:aws-ec2/ec2@0.2.1", "llmhost:plugin/log@0.1.3", "wasi:io/poll@0.2.6"]
        {
            assert_eq!(served(&Import::parse(import)), Ok(()), "{import}");
        }
    }
}
