//! Why a workload does not become ready: the reason of its pods, or of there being none, and the
//! latest event that tells of it.

use std::fmt;

use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, LogParams};
use kube::core::discovery::ApiResource;
use kube::core::gvk::GroupVersionKind;
use serde_json::Value;

/// How many pods of a workload are looked at: their reasons are alike.
const PODS: u32 = 20;
/// A container that ended so many times is not started again within the next minutes.
const RESTARTS: i64 = 5;
/// Longest text that is taken over from a pod or an event.
const LONGEST: usize = 400;
/// How much of a crashed container's log is shown.
const LOG_LINES: i64 = 5;

/// What is wrong with one pod, or with making one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    /// `pod NAMESPACE/NAME`, or the set that cannot make its pods.
    who: String,
    /// Kubernetes' own word: `ImagePullBackOff`.
    pub(super) reason: String,
    message: String,
    /// The latest warning about it.
    event: Option<String>,
    /// The end of the log of a container that crashed.
    log: Option<String>,
    /// Whether only a change helps, and not time.
    pub(super) is_final: bool,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.who, self.reason)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(event) = &self.event {
            write!(f, "; latest event: {event}")?;
        }
        match &self.log {
            Some(log) => write!(f, "; its log ends: {log}"),
            None => Ok(()),
        }
    }
}

impl Trouble {
    fn new(who: String, reason: &str, message: &str) -> Self {
        let (reason, message) = (reason.to_owned(), short(message));
        Self { who, reason, message, event: None, log: None, is_final: false }
    }

    /// What to do about it.
    pub(super) fn advice(&self) -> &'static str {
        let all = format!("{} {}", self.message, self.event.as_deref().unwrap_or_default());
        let says = |words: &[&str]| words.iter().any(|word| all.contains(word));
        match self.reason.as_str() {
            "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" => {
                if says(&["unauthorized", "denied", "403", "no basic auth"]) {
                    "Allow the nodes to pull the image: give their role a policy for the registry, or the pod an image \
                     pull secret. Check the name too: registries answer the same for repositories that do not exist."
                } else if says(&["no match for platform", "no matching manifest", "exec format"]) {
                    "Build the image for the processor architecture of the nodes, or choose nodes with that of the \
                        image."
                } else if says(&["timeout", "no such host", "dial tcp", "connection refused"]) {
                    "Check that the nodes can reach the registry: a NAT gateway or an endpoint in their subnets, \
                        and DNS."
                } else {
                    "Check the image's name and tag, and that it was pushed to this registry and region."
                }
            }
            "Unschedulable" if says(&["Insufficient nvidia.com/gpu"]) => {
                "Request fewer GPUs, or add nodes with GPUs to the node group (its size, its instance type); the NVIDIA \
                 device plugin must run on them."
            }
            "Unschedulable" if says(&["untolerated taint"]) => {
                "Give the pods a toleration for the taint, or add nodes without it."
            }
            "Unschedulable" if says(&["node affinity/selector"]) => {
                "Correct the node selector, or give nodes the labels that it needs."
            }
            "Unschedulable" => "Add nodes or larger ones, or request less cpu and memory.",
            "CrashLoopBackOff" | "Error" | "OOMKilled" | "StartError" | "ContainerCannotRun" | "RunContainerError" => {
                if says(&["OOMKilled", "exit code 137"]) {
                    "Raise the container's memory limit."
                } else {
                    "Fix the error in the container's log: kubectl logs --previous shows all of it."
                }
            }
            "CreateContainerConfigError" => "Create the ConfigMap or Secret that the container uses, with that key.",
            "FailedCreate" if says(&["exceeded quota", "must specify"]) => {
                "Raise the namespace's ResourceQuota, or request less."
            }
            "FailedCreate" => "Change the pod template so that the cluster's admission rules allow it.",
            _ => "Run kubectl describe pod for details.",
        }
    }
}

/// What keeps a workload's pods from becoming ready, each reason once, the final ones first.
pub(super) async fn troubles(client: &Client, namespace: &str, object: &Value) -> Vec<Trouble> {
    let mut found = Vec::new();
    if let Some(trouble) = not_made(object) {
        found.push(trouble);
    }
    if let Some(selector) = selector(object) {
        let pods: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &core("Pod"));
        let listed = pods.list(&ListParams::default().labels(&selector).limit(PODS)).await;
        let mut pods = listed.map(|list| list.items).unwrap_or_default();
        // The newest say what becomes of the newest template.
        pods.sort_by_key(|pod| std::cmp::Reverse(pod.metadata.creation_timestamp.clone()));
        let newest = pods.first().and_then(revision);
        let of_newest = pods.iter().filter(|pod| revision(pod) == newest && pod.metadata.deletion_timestamp.is_none());
        for pod in of_newest {
            let Ok(value) = serde_json::to_value(pod) else { continue };
            let Some(mut trouble) = of_pod(namespace, &value) else { continue };
            let is_known = |known: &Trouble| known.reason == trouble.reason;
            if found.iter().any(is_known) {
                continue;
            }
            let uid = pod.metadata.uid.as_deref().unwrap_or_default();
            trouble.event = latest_event(client, namespace, uid).await;
            if crashed(&trouble.reason) {
                trouble.log = last_words(client, namespace, &value).await;
            }
            trouble.is_final = is_final(&trouble, &value);
            found.push(trouble);
        }
    }
    if let Some(trouble) = found.iter_mut().find(|trouble| trouble.reason == "FailedCreate") {
        trouble.is_final = true;
    }
    found.sort_by_key(|trouble| !trouble.is_final);
    found
}

fn core(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", kind))
}

fn selector(object: &Value) -> Option<String> {
    let labels = object.pointer("/spec/selector/matchLabels")?.as_object()?;
    let pairs = labels.iter().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
    Some(pairs.collect::<Vec<_>>().join(","))
}

/// Which template a pod was made from.
fn revision(pod: &DynamicObject) -> Option<&String> {
    let labels = pod.metadata.labels.as_ref()?;
    labels.get("pod-template-hash").or_else(|| labels.get("controller-revision-hash"))
}

/// Why a workload's controller makes no pods: a quota, an admission rule.
fn not_made(object: &Value) -> Option<Trouble> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let failed = conditions.iter().find(|it| it["type"] == "ReplicaFailure" && it["status"] == "True")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let kind = text(&object["kind"]).to_lowercase();
    let who = format!("{kind} {}/{}", text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
    Some(Trouble::new(who, &text(&failed["reason"]), &text(&failed["message"])))
}

/// What is wrong with a pod, if anything is.
fn of_pod(namespace: &str, pod: &Value) -> Option<Trouble> {
    let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let who = format!("pod {namespace}/{name}");
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let unscheduled = conditions.clone().find(|it| it["type"] == "PodScheduled" && it["status"] == "False");
    if let Some(condition) = unscheduled {
        return Some(Trouble::new(who, &text(condition, "reason"), &text(condition, "message")));
    }
    for status in containers(pod) {
        let ended = status.pointer("/lastState/terminated").or_else(|| status.pointer("/state/terminated"));
        let ended = ended.filter(|ended| ended["exitCode"] != 0);
        let how = ended.map(|ended| {
            let code = ended["exitCode"].as_i64().unwrap_or_default();
            let more = [text(ended, "reason"), text(ended, "message")];
            let more: Vec<String> = more.into_iter().filter(|more| !more.is_empty() && more != "Error").collect();
            let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join(": ")) };
            format!("container {} exited with code {code}{more}", text(status, "name"))
        });
        if let Some(waiting) = status.pointer("/state/waiting") {
            let reason = text(waiting, "reason");
            if !matches!(reason.as_str(), "" | "ContainerCreating" | "PodInitializing") {
                let message = how.filter(|_| crashed(&reason)).unwrap_or_else(|| text(waiting, "message"));
                return Some(Trouble::new(who, &reason, &message));
            }
        } else if let (Some(how), Some(ended)) = (how, status.pointer("/state/terminated")) {
            return Some(Trouble::new(who, &text(ended, "reason"), &how));
        }
    }
    let unready = containers(pod).find(|status| status["ready"] == false && status.pointer("/state/running").is_some());
    unready.map(|status| {
        let message = format!("container {} runs and its readiness probe does not succeed", text(status, "name"));
        Trouble::new(who, "ContainersNotReady", &message)
    })
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
    lists.into_iter().filter_map(|list| pod.pointer(list)?.as_array()).flatten()
}

fn crashed(reason: &str) -> bool {
    matches!(reason, "CrashLoopBackOff" | "Error" | "OOMKilled" | "RunContainerError")
}

/// Whether a pod's trouble needs a change of the pod, its image or its surroundings.
fn is_final(trouble: &Trouble, pod: &Value) -> bool {
    let all = format!("{} {}", trouble.message, trouble.event.as_deref().unwrap_or_default());
    let says = |words: &[&str]| words.iter().any(|word| all.contains(word));
    match trouble.reason.as_str() {
        "InvalidImageName" | "ErrImageNeverPull" => true,
        // Registries that do not answer may do so later; one that has no such image has said its last word.
        "ErrImagePull" | "ImagePullBackOff" => {
            says(&["not found", "manifest unknown", "does not exist", "no match for platform", "no matching manifest"])
        }
        "CrashLoopBackOff" => {
            containers(pod).any(|status| status["restartCount"].as_i64().unwrap_or_default() >= RESTARTS)
        }
        _ => false,
    }
}

/// The latest warning about an object.
async fn latest_event(client: &Client, namespace: &str, uid: &str) -> Option<String> {
    let events: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &core("Event"));
    let params = ListParams::default().fields(&format!("involvedObject.uid={uid},type=Warning"));
    let found = events.list(&params).await.ok()?.items;
    latest(found.iter().map(|event| &event.data))
}

fn latest<'a>(events: impl Iterator<Item = &'a Value>) -> Option<String> {
    let time = |event: &Value| {
        let known = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp"];
        known.iter().find_map(|pointer| event.pointer(pointer)?.as_str().map(str::to_owned)).unwrap_or_default()
    };
    // What a container waits for says less than why.
    let is_vague = |event: &Value| event["message"].as_str().is_some_and(|text| text.starts_with("Back-off "));
    let event = events.max_by_key(|event| (!is_vague(event), time(event)))?;
    let text = |key: &str| short(event[key].as_str().unwrap_or_default());
    Some(format!("{} ({})", text("message"), text("reason")))
}

/// The end of the log of a pod's container that crashed, where it can be read.
async fn last_words(client: &Client, namespace: &str, pod: &Value) -> Option<String> {
    let status = containers(pod).find(|status| {
        let ended = status.pointer("/lastState/terminated").or_else(|| status.pointer("/state/terminated"));
        ended.is_some_and(|ended| ended["exitCode"] != 0)
    })?;
    let previous = status.pointer("/lastState/terminated").is_some();
    let params = LogParams {
        container: status["name"].as_str().map(str::to_owned),
        previous,
        tail_lines: Some(LOG_LINES),
        ..LogParams::default()
    };
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let log = pods.logs(pod.pointer("/metadata/name")?.as_str()?, &params).await.ok()?;
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    (!lines.is_empty()).then(|| short(&lines.join(" | ")))
}

/// A text on one line, without its middle where it is long.
fn short(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let count = text.chars().count();
    if count <= LONGEST {
        return text;
    }
    let half = LONGEST / 2;
    let (start, end): (String, String) = (text.chars().take(half).collect(), text.chars().skip(count - half).collect());
    format!("{start} … {end}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(status: &Value) -> Value {
        json!({ "metadata": { "name": "a-1" }, "status": status })
    }

    fn waiting(reason: &str, message: &str, more: &Value) -> Value {
        let mut status = json!({ "name": "server", "ready": false, "state": { "waiting": { "reason": reason, "message": message } } });
        let fields = status.as_object_mut().expect("an object");
        fields.extend(more.as_object().cloned().unwrap_or_default());
        pod(&json!({ "containerStatuses": [status] }))
    }

    #[test]
    fn each_kind_of_failed_rollout_has_its_sentence_and_its_advice() {
        let crash = json!({ "restartCount": 6, "lastState": { "terminated": { "exitCode": 3, "reason": "Error" } } });
        let killed =
            json!({ "restartCount": 1, "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled" } } });
        let unscheduled = |why: &str| {
            pod(&json!({ "conditions": [
                { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why }] }))
        };
        for (pod, sentence, advice, is_final) in [
            (
                waiting("ImagePullBackOff", "Back-off pulling image \"r/x:1\": r/x:1: not found", &json!({})),
                "pod models/a-1: ImagePullBackOff: Back-off pulling image \"r/x:1\": r/x:1: not found",
                "name and tag",
                true,
            ),
            (
                waiting("ErrImagePull", "pull access denied", &json!({})),
                "ErrImagePull: pull access denied",
                "give their role a policy",
                false,
            ),
            (waiting("ErrImagePull", "dial tcp: i/o timeout", &json!({})), "i/o timeout", "NAT gateway", false),
            (waiting("InvalidImageName", "bad", &json!({})), "InvalidImageName: bad", "name and tag", true),
            (
                waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container", &crash),
                "CrashLoopBackOff: container server exited with code 3",
                "kubectl logs --previous",
                true,
            ),
            (
                waiting("CrashLoopBackOff", "back-off", &killed),
                "exited with code 137 (OOMKilled)",
                "memory limit",
                false,
            ),
            (
                waiting("CreateContainerConfigError", "secret \"k\" not found", &json!({})),
                "secret \"k\" not found",
                "Secret",
                false,
            ),
            (
                unscheduled("0/2 nodes are available: 2 Insufficient nvidia.com/gpu."),
                "Unschedulable: 0/2",
                "GPU",
                false,
            ),
            (unscheduled("1 node(s) had untolerated taint {a: b}"), "untolerated taint", "toleration", false),
            (unscheduled("2 Insufficient cpu."), "Insufficient cpu", "larger ones", false),
        ] {
            let trouble = of_pod("models", &pod).expect("there is trouble");
            assert!(trouble.to_string().contains(sentence), "{trouble}");
            assert!(trouble.advice().contains(advice), "{trouble}: {}", trouble.advice());
            assert_eq!(is_final_of(&trouble, &pod), is_final, "{trouble}");
        }
    }

    fn is_final_of(trouble: &Trouble, pod: &Value) -> bool {
        super::is_final(trouble, pod)
    }

    #[test]
    fn a_pod_that_only_starts_is_in_no_trouble() {
        for reason in ["ContainerCreating", "PodInitializing"] {
            assert_eq!(of_pod("models", &waiting(reason, "", &json!({}))), None, "{reason}");
        }
        assert_eq!(of_pod("models", &pod(&json!({ "phase": "Pending" }))), None);
    }

    #[test]
    fn a_workload_that_cannot_make_its_pods_says_why() {
        let message = "pods \"a-1\" is forbidden: exceeded quota: q, requested: cpu=2, used: cpu=0, limited: cpu=1";
        let object = json!({ "kind": "Deployment", "metadata": { "namespace": "models", "name": "a" }, "status": {
            "conditions": [{ "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message }] } });
        let trouble = not_made(&object).expect("there is trouble");
        assert_eq!(trouble.to_string(), format!("deployment models/a: FailedCreate: {message}"));
        assert!(trouble.advice().contains("ResourceQuota"));
        let denied = message.replace("exceeded quota: q", "admission webhook \"w\" denied the request");
        let trouble = Trouble::new("deployment models/a".to_owned(), "FailedCreate", &denied);
        assert!(trouble.advice().contains("admission"), "{}", trouble.advice());
    }

    #[test]
    fn the_latest_event_that_says_why_is_told() {
        let event = |reason: &str, message: &str, time: &str| json!({ "reason": reason, "message": message, "lastTimestamp": time });
        let all = [
            event("Failed", "Failed to pull image: old", "2026-01-01T00:00:01Z"),
            event("Failed", "Failed to pull image: not found", "2026-01-01T00:00:02Z"),
            event("BackOff", "Back-off pulling image", "2026-01-01T00:00:03Z"),
        ];
        assert_eq!(latest(all.iter()).as_deref(), Some("Failed to pull image: not found (Failed)"));
        assert_eq!(latest(all[2..].iter()).as_deref(), Some("Back-off pulling image (BackOff)"));
        assert_eq!(latest([].iter()), None);
    }

    #[test]
    fn a_long_text_keeps_its_start_and_its_end() {
        let text = short(&format!("start {} end", "x".repeat(5000)));
        assert!(
            text.starts_with("start x") && text.ends_with("x end") && text.chars().count() < LONGEST + 10,
            "{text}"
        );
    }
}
