//! Custom objects whose definition a cluster may lack: those of well-known projects that EKS does not bring.

use std::collections::BTreeMap;

use llmhost_engine::names::ResourceAddress;
use llmhost_engine::unknown;
use serde_json::Value;

use super::addons::comes_after;
use super::{Declared, Finding, Severity, View, text};
use crate::aws::clients::Aws;
use crate::kubernetes::lacks;

/// A project whose definitions are installed with it.
struct Project {
    group: &'static str,
    name: &'static str,
    /// How they come into a cluster.
    get: &'static str,
    keys: &'static [&'static str],
}

const PROJECTS: [Project; 5] = [
    Project {
        group: "keda.sh",
        name: "KEDA",
        get: "the helm plugin with KEDA's chart keda, or the manifests plugin with the YAML file of its release",
        keys: &["scaling", "cluster"],
    },
    Project {
        group: "http.keda.sh",
        name: "KEDA's HTTP add-on",
        get: "the helm plugin with KEDA's charts keda and keda-add-ons-http",
        keys: &["scaling", "cluster"],
    },
    Project {
        group: "monitoring.coreos.com",
        name: "the Prometheus operator",
        get: "the helm plugin with the chart kube-prometheus-stack, or the manifests plugin with the operator's bundle.yaml",
        keys: &["monitor", "cluster"],
    },
    Project {
        group: "gateway.networking.k8s.io",
        name: "the Gateway API",
        get: "the manifests plugin with standard-install.yaml of its release",
        keys: &["gateway", "cluster"],
    },
    Project {
        group: "inference.networking.k8s.io",
        name: "the inference extension of the Gateway API",
        get: "the manifests plugin with manifests.yaml of its release",
        keys: &["gateway", "cluster"],
    },
];

/// Group, version and kind of an object.
type Name<'a> = (&'a str, &'a str, &'a str);

/// Objects whose definition no step that they wait for declares: the first one of each kind, by cluster.
struct Undefined<'a> {
    target: &'a Value,
    name: Name<'a>,
    project: &'static Project,
    user: Declared<'a>,
    /// A declared definition that comes too late.
    late: Option<&'a ResourceAddress>,
}

/// Says what a cluster that this plan makes will lack, and what comes too late.
pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for one in undefined(view) {
        match one.late {
            Some(definition) => findings.push(late(&one, definition)),
            None if is_new(view, one.target) => findings.push(missing(&one)),
            None => {}
        }
    }
}

/// Asks the clusters that are there.
pub(super) async fn ask(aws: &Aws, view: &View<'_>, findings: &mut Vec<Finding>) {
    for one in undefined(view) {
        let (group, version, kind) = one.name;
        if one.late.is_none() && !is_new(view, one.target) && lacks(aws, one.target, group, version, kind).await {
            findings.push(missing(&one));
        }
    }
}

fn undefined<'a>(view: &View<'a>) -> Vec<Undefined<'a>> {
    let mut all: BTreeMap<(String, Name<'a>), Undefined<'a>> = BTreeMap::new();
    for user in view.checked("kube.object") {
        let (target, manifest) = (&user.spec["target"], &user.spec["manifest"]);
        let Some((group, version)) = text(manifest, "apiVersion").split_once('/') else { continue };
        let Some(project) = PROJECTS.iter().find(|project| project.group == group) else { continue };
        // Who applies a folder of manifests is not known here.
        if target.get("folder").is_some() || unknown::is_opaque(&target.to_string()) {
            continue;
        }
        let name = (group, version, text(manifest, "kind"));
        let definitions = view.of_kind("kube.object").filter(|other| {
            let defined = &other.spec["manifest"]["spec"];
            other.spec["object"]["kind"] == "CustomResourceDefinition"
                && other.spec["target"] == *target
                && defined["group"] == group
                && defined["names"]["kind"] == name.2
        });
        let definition = definitions.map(|definition| definition.address).next();
        if definition.is_some_and(|definition| comes_after(view, user.address, definition)) {
            continue;
        }
        all.entry((target.to_string(), name)).or_insert(Undefined { target, name, project, user, late: definition });
    }
    all.into_values().collect()
}

/// Whether the plan makes the cluster, which has nothing in it then.
fn is_new(view: &View<'_>, target: &Value) -> bool {
    let mut clusters = view.of_kind("eks.cluster");
    clusters.any(|cluster| cluster.is_made() && cluster.spec["cluster_name"] == target["eks"])
}

fn cluster(target: &Value) -> &str {
    target["eks"].as_str().or(target["kubeconfig"]["context"].as_str()).unwrap_or_default()
}

fn finding(one: &Undefined<'_>, message: String, fix: String) -> Finding {
    Finding {
        severity: Severity::Error,
        code: "no-definition",
        address: one.user.address.clone(),
        keys: one.project.keys,
        message,
        fix,
    }
}

fn missing(one: &Undefined<'_>) -> Finding {
    let ((group, version, kind), project) = (one.name, one.project);
    finding(
        one,
        format!(
            "the cluster '{}' has no {kind} of {group}/{version}: the CustomResourceDefinition of {} is missing, and no step \
             declares it",
            cluster(one.target),
            project.name
        ),
        format!("Install {} in a step, and add that step to 'after' of this one: {}.", project.name, project.get),
    )
}

fn late(one: &Undefined<'_>, definition: &ResourceAddress) -> Finding {
    let ((group, _, kind), step) = (one.name, definition.step());
    finding(
        one,
        format!("the {kind} of {group} does not wait for its CustomResourceDefinition, {definition}"),
        format!("Add after = [\"{step}\"] to this step."),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{found, plan, says};
    use super::*;

    fn object(address: &str, target: Value, manifest: Value) -> (String, Value) {
        let object = json!({ "kind": manifest["kind"] });
        (address.to_owned(), json!({ "target": target, "manifest": manifest, "object": object }))
    }

    #[test]
    fn a_new_cluster_has_the_definitions_alone_that_steps_bring_before() {
        let eks = json!({ "eks": "c" });
        let monitor = json!({ "apiVersion": "monitoring.coreos.com/v1", "kind": "PodMonitor" });
        let user = || object("s/kube.object/monitor", eks.clone(), monitor.clone());
        let cluster = || ("c/eks.cluster/main".to_owned(), json!({ "cluster_name": "c" }));
        let names = json!({ "group": "monitoring.coreos.com", "names": { "kind": "PodMonitor" } });
        let crd = json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": names });
        let definition = |target: Value| object("d/kube.object/crd", target, crd.clone());
        let of = |resources: Vec<(String, Value)>| found(&plan(resources), check);
        says(
            &of(vec![cluster(), user()]),
            Some(("no-definition", "'c' has no PodMonitor of monitoring.coreos.com/v1")),
        );
        let elsewhere = definition(json!({ "eks": "d" }));
        says(&of(vec![cluster(), user(), elsewhere]), Some(("no-definition", "the Prometheus operator")));
        let mut both = plan([cluster(), user(), definition(eks.clone())]);
        says(&found(&both, check), Some(("no-definition", "does not wait for its CustomResourceDefinition, d/")));
        let address: ResourceAddress = "s/kube.object/monitor".parse().expect("an address");
        let waits = "d/kube.object/crd".parse().expect("an address");
        both.resources.get_mut(&address).expect("the monitor").depends_on.push(waits);
        says(&found(&both, check), None);
        // What exists is asked, not guessed; kinds of others are theirs; a folder is applied by others.
        says(&of(vec![user()]), None);
        let own = json!({ "apiVersion": "example.org/v1", "kind": "Widget" });
        says(&of(vec![cluster(), object("s/kube.object/w", eks.clone(), own)]), None);
        says(&of(vec![cluster(), object("s/kube.object/m", json!({ "folder": "out" }), monitor.clone())]), None);
    }
}
