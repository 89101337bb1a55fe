//! Draining: before nodes go, their pods are moved to other nodes, as the pods' budgets allow.
//!
//! EKS drains the nodes of a group that it deletes, all at once and for five minutes, and then ends what is
//! left, whatever its budgets say. So this is done before: no pod is placed on the nodes any more, each pod
//! is evicted (`policy/v1` Eviction), and refused evictions are tried again until a time limit. Pods of
//! DaemonSets and static pods belong to their node and stay. A pod that can run on no other node gains
//! nothing by waiting: it ends with its node.

mod places;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, EvictParams, ListParams};
use kube::{Client, ResourceExt};
use llmhost_engine::kind::{ErrorClass, OpError, Progress};
use llmhost_engine::wait::pause;

use super::errors::Described;
use super::object::Target;
use crate::aws::{Aws, is_passing};
use places::Place;

const OPERATION: &str = "kube:drain";
/// How long an API server that does not answer is asked before the nodes are left to EKS.
const ASKING: Duration = Duration::from_secs(60);
/// How many pods are named in a message.
const NAMED: usize = 5;

/// Nodes that are about to go.
pub(crate) struct Drain<'a> {
    /// The cluster of EKS.
    pub(crate) cluster: &'a str,
    /// The label that all of the nodes have.
    pub(crate) selector: &'a str,
    /// What goes, in words: `node group 'gpu'`.
    pub(crate) what: &'a str,
    /// How long pods are waited for.
    pub(crate) patience: Duration,
    /// Whether the nodes go all the same when that time is over.
    pub(crate) force: bool,
}

/// A pod that is still on one of the nodes, and why.
struct Left {
    name: String,
    why: Why,
}

enum Why {
    /// It was evicted, or deleted by somebody, and is shutting down.
    Ending,
    /// Its eviction was refused; waiting helps only where it can run elsewhere.
    Refused { reason: String, place: Place },
    /// The nodes that it could move to are not ready.
    NoNodeYet,
}

impl std::fmt::Display for Left {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.why {
            Why::Ending => write!(f, "{} is shutting down", self.name),
            Why::Refused { reason, .. } => write!(f, "{}: {reason}", self.name),
            Why::NoNodeYet => write!(f, "{} waits for another node to become ready", self.name),
        }
    }
}

/// Moves the pods away. It is an error when the time is over and pods are left, where `force` does not say
/// otherwise. A cluster that cannot be asked is left to EKS, and that is said.
pub(crate) async fn drain(aws: &Aws, drain: &Drain<'_>, progress: &dyn Progress) -> Result<(), OpError> {
    match (Draining { aws, drain, progress, named: HashSet::new() }).run().await {
        Err(error) if is_passing(&error) || error.class == ErrorClass::Denied => {
            progress.note(&format!(
                "{} is not drained, because the cluster does not answer ({error}): EKS drains its nodes, for 5 minutes",
                drain.what
            ));
            Ok(())
        }
        other => other,
    }
}

struct Draining<'a> {
    aws: &'a Aws,
    drain: &'a Drain<'a>,
    progress: &'a dyn Progress,
    /// Unmanaged pods that were named.
    named: HashSet<String>,
}

impl Draining<'_> {
    async fn run(mut self) -> Result<(), OpError> {
        let (began, mut wait, mut most) = (Instant::now(), Duration::from_millis(100), 0);
        loop {
            let left = match self.round().await {
                Ok(left) => left,
                Err(error) if is_passing(&error) && began.elapsed() < ASKING.min(self.drain.patience) => {
                    self.progress.report(&format!("draining: {}", error.message), 0, 0);
                    pause(OPERATION, wait).await?;
                    wait = (wait * 2).min(Duration::from_secs(5));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let Some(first) = left.first() else { return Ok(()) };
            most = most.max(left.len());
            let hopeless = |left: &Left| matches!(left.why, Why::Refused { place: Place::Nowhere, .. });
            if left.iter().all(hopeless) {
                let names = names(&left);
                self.progress
                    .note(&format!("{}: no other node can run {names}; they stop with their nodes", self.drain.what));
                return Ok(());
            }
            let done = most - left.len();
            self.progress.report(&format!("draining: {done} of {most} pods moved; {first}"), done as u64, most as u64);
            if began.elapsed() + wait > self.drain.patience {
                return self.over(&left);
            }
            pause(OPERATION, wait).await?;
            wait = (wait * 2).min(Duration::from_secs(5));
        }
    }

    /// Cordons the nodes, evicts what can be evicted, and gives what is left.
    async fn round(&mut self) -> Result<Vec<Left>, OpError> {
        let target = Target::Eks(self.drain.cluster.to_owned());
        let Some(client) = self.aws.kubernetes.client(self.aws, &target).await? else { return Ok(Vec::new()) };
        let api: Api<Node> = Api::all(client.clone());
        let going = api.list(&ListParams::default().labels(self.drain.selector)).await.described(OPERATION)?.items;
        if going.is_empty() {
            return Ok(Vec::new());
        }
        let is_open = |node: &&Node| node.spec.as_ref().and_then(|spec| spec.unschedulable) != Some(true);
        let open: Vec<&Node> = going.iter().filter(is_open).collect();
        for node in &open {
            gone_is_fine(api.cordon(&node.name_any()).await.described(OPERATION).map(drop))?;
        }
        if !open.is_empty() {
            let (what, count) = (self.drain.what, open.len());
            let nodes = if count == 1 { "node is" } else { "nodes are" };
            self.progress.note(&format!("{what}: {count} {nodes} cordoned; moving their pods"));
        }
        let names: HashSet<String> = going.iter().map(ResourceExt::name_any).collect();
        let mut others = api.list(&ListParams::default()).await.described(OPERATION)?.items;
        others.retain(|node| !names.contains(&node.name_any()));
        let mut left = Vec::new();
        for node in &names {
            let on_it = ListParams::default().fields(&format!("spec.nodeName={node}"));
            let pods: Api<Pod> = Api::all(client.clone());
            for pod in pods.list(&on_it).await.described(OPERATION)?.items.iter().filter(|pod| moves(pod)) {
                left.extend(self.evicted(&client, pod, &others).await?);
            }
        }
        Ok(left)
    }

    /// Evicts a pod; nothing where it is gone already.
    async fn evicted(&mut self, client: &Client, pod: &Pod, others: &[Node]) -> Result<Option<Left>, OpError> {
        let namespace = pod.namespace().unwrap_or_default();
        let name = format!("{namespace}/{}", pod.name_any());
        let left = |why| Ok(Some(Left { name: format!("pod {name}"), why }));
        if pod.metadata.deletion_timestamp.is_some() {
            return left(Why::Ending);
        }
        if is_unmanaged(pod) && self.named.insert(name.clone()) {
            self.progress.note(&format!("pod {name} has no controller: it stops here, and nothing starts it again"));
        }
        let place = places::of(pod, others);
        if place == Place::Soon {
            return left(Why::NoNodeYet);
        }
        let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        match pods.evict(&pod.name_any(), &EvictParams::default()).await {
            Ok(_) => left(Why::Ending),
            // A budget says no; or several do, of which the API server can ask one.
            Err(kube::Error::Api(status)) if status.code == 429 || status.code == 500 => {
                let causes = status.details.iter().flat_map(|details| &details.causes);
                let causes: Vec<&str> = causes.map(|cause| cause.message.as_str()).collect();
                let reason = if causes.is_empty() { status.message.clone() } else { causes.join("; ") };
                left(Why::Refused { reason, place })
            }
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
            Err(error) => Err(error).described(OPERATION),
        }
    }

    /// The time is over.
    fn over(&self, left: &[Left]) -> Result<(), OpError> {
        let Drain { what, patience, force, .. } = self.drain;
        let time = match patience.as_secs() {
            seconds if seconds % 60 == 0 => format!("{} minutes", seconds / 60),
            seconds => format!("{seconds} seconds"),
        };
        let message = format!("{what} could not be drained within {time}: {}", listed(left));
        if *force {
            self.progress.note(&format!("{message}. Its nodes are deleted anyway, because drain_force is set"));
            return Ok(());
        }
        let advice = format!(
            "Nothing was deleted, and the nodes accept no new pods. Add replicas, or nodes that the pods can move to, \
             or relax the named budgets, and run again: draining continues. drain_timeout_minutes and drain_force of the nodegroup step set how long to wait, and what to do then. To keep the nodes after all, undo the change \
             and run 'kubectl uncordon -l {}'.",
            self.drain.selector
        );
        let error = OpError::local(OPERATION, message);
        Err(OpError { class: ErrorClass::Conflict, advice: Some(advice), ..error })
    }
}

/// Whether a pod has to move when its node goes: those of DaemonSets and static pods belong to their node, and
/// those that have ended do nothing.
fn moves(pod: &Pod) -> bool {
    let owned = pod.owner_references().iter().any(|owner| owner.kind == "DaemonSet" && owner.controller == Some(true));
    let is_static = pod.annotations().contains_key("kubernetes.io/config.mirror");
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    !owned && !is_static && !matches!(phase, Some("Succeeded" | "Failed"))
}

fn is_unmanaged(pod: &Pod) -> bool {
    !pod.owner_references().iter().any(|owner| owner.controller == Some(true))
}

fn gone_is_fine(result: Result<(), OpError>) -> Result<(), OpError> {
    match result {
        Err(error) if error.class == ErrorClass::NotFound => Ok(()),
        other => other,
    }
}

fn names(left: &[Left]) -> String {
    shortened(left.iter().map(|left| left.name.clone()))
}

fn listed(left: &[Left]) -> String {
    shortened(left.iter().map(ToString::to_string))
}

fn shortened(all: impl ExactSizeIterator<Item = String>) -> String {
    let more = all.len().saturating_sub(NAMED);
    let text = all.take(NAMED).collect::<Vec<_>>().join("; ");
    if more > 0 { format!("{text}; and {more} more") } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_that_belong_to_their_node_or_have_ended_do_not_move() {
        let owner = |kind: &str| json!({ "ownerReferences": [{ "kind": kind, "name": "x", "uid": "1", "apiVersion": "apps/v1", "controller": true }] });
        for (metadata, phase, expected, unmanaged) in [
            (owner("ReplicaSet"), "Running", true, false),
            (owner("DaemonSet"), "Running", false, false),
            (json!({ "annotations": { "kubernetes.io/config.mirror": "1" } }), "Running", false, true),
            (owner("Job"), "Succeeded", false, false),
            (json!({}), "Running", true, true),
        ] {
            let pod: Pod =
                serde_json::from_value(json!({ "metadata": metadata, "status": { "phase": phase } })).unwrap();
            assert_eq!((moves(&pod), is_unmanaged(&pod)), (expected, unmanaged), "{pod:?}");
        }
    }

    #[test]
    fn a_drain_that_ran_out_of_time_names_the_first_pods_and_counts_the_rest() {
        let left: Vec<Left> = (0..7).map(|at| Left { name: format!("pod a/{at}"), why: Why::Ending }).collect();
        let said = listed(&left);
        assert!(said.starts_with("pod a/0 is shutting down; pod a/1") && said.ends_with("; and 2 more"), "{said}");
    }
}
