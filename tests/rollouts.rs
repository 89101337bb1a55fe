//! Rollouts that fail: which pod, which reason, the latest event, and what to do.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use support::kept::Kept;

#[test]
fn an_image_that_does_not_exist_is_said_with_its_pod_and_event() {
    let (kept, ran) = Kept::run(&["--var", "image=example.com/llmhost-does-not-exist:1"], 1);
    ran.says(&[
        "step server",
        "0 of 1 replicas available; pod models/model-server-",
        "ImagePullBackOff",
        "latest event: Failed to pull image",
        "not found (Failed)",
        "Check the image's name and tag",
    ]);
    // The next run goes on from there.
    kept.again(&["--var", "image=example.com/llmhost-server:1"]).status(0);
}

#[test]
fn a_container_that_crashes_is_said_with_its_exit_code_and_log() {
    let (_kept, ran) = Kept::run(&["--var", "image=example.com/llmhost-exits-with-1:1"], 1);
    ran.says(&[
        "pod models/model-server-",
        "CrashLoopBackOff: container server exited with code 1",
        "Back-off restarting failed container",
        "kubectl logs --previous",
    ]);
    // Nothing runs in the pods of a real API server here, so they have no logs.
    if !llmhost_emulator::has_real_clusters() {
        ran.says(&["its log ends: error: the name of the image says"]);
    }
}

#[test]
fn pods_that_fit_on_no_node_are_said_with_what_is_missing() {
    // One GPU node, and two pods that want a GPU each.
    let kept = Kept(support::Scene::with_examples());
    kept.0.edit("llm-on-eks.toml", "replicas = { min = 1, max = 2 }", "replicas = { min = 2, max = 2 }");
    let ran = kept.again(&[]).status(1);
    ran.says(&["1 of 2 replicas available", "Unschedulable", "Insufficient nvidia.com/gpu", "Request fewer GPUs"]);
    ran.says(&["(FailedScheduling)"]);
}

#[test]
fn a_quota_that_holds_pods_back_is_said_by_its_name() {
    let (kept, _) = Kept::run(&["--exclude", "server"], 0);
    let quota = "{ apiVersion: v1, kind: ResourceQuota, metadata: { name: few, namespace: models }, spec: { hard: { pods: 0 } } }";
    let file = kept.0.write("quota.yaml", quota);
    kept.kubectl(&["apply", "-f", file.to_str().unwrap()]).status(0).says(&["resourcequota/few created"]);
    let ran = kept.again(&[]).status(1);
    ran.says(&[
        "deployment models/model-server: FailedCreate",
        "exceeded quota: few, requested: pods=1, used: pods=0, limited: pods=0",
        "Raise the namespace's ResourceQuota",
    ]);
}

#[test]
fn a_pod_that_never_gets_ready_is_said_with_its_probe() {
    let (_kept, ran) = Kept::run(&["--var", "image=example.com/llmhost-never-ready:1"], 1);
    ran.says(&["ContainersNotReady", "container server runs and its readiness probe does not succeed", "(Unhealthy)"]);
}
