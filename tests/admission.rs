//! Admission policies of a real API server: what they deny is said in their own words, with what to do.
//!
//! The emulated one evaluates no CEL and has none; there these tests see that it says so.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use support::kept::Kept;

const WORDS: &str = "images come from registry.example.com alone";
const ADVICE: &str = "An admission rule of the cluster refuses the object. Change the manifest as the message says";

/// A policy about the images of deployments or pods, and its binding, by the reason of its denials.
fn policy(group: &str, resource: &str, spec: &str, reason: &str) -> String {
    format!(
        r#"apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{ name: own-images }}
spec:
  matchConstraints:
    resourceRules:
      - {{ apiGroups: ["{group}"], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [{resource}] }}
  validations:
    - expression: object.spec{spec}.containers.all(it, it.image.startsWith("registry.example.com/"))
      message: {WORDS}
      reason: {reason}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{ name: own-images }}
spec:
  policyName: own-images
  validationActions: [Deny]
  matchResources: {{ namespaceSelector: {{ matchLabels: {{ kubernetes.io/metadata.name: models }} }} }}
"#
    )
}

/// The stack without its server, and this policy at work in it; nothing where the API server has no policies.
fn denying(policy: &str, probe: &[&str]) -> Option<Kept> {
    let (kept, _) = Kept::run(&["--exclude", "server"], 0);
    let file = kept.0.write("policy.yaml", policy);
    let applied = kept.kubectl(&["apply", "--validate=false", "-f", file.to_str().unwrap()]);
    if !llmhost_emulator::has_real_clusters() {
        applied.status(1).says(&["no matches for kind \"ValidatingAdmissionPolicy\""]);
        return None;
    }
    applied.status(0);
    // It takes the API server a moment to know of a policy.
    let began = Instant::now();
    while kept.kubectl(&[probe, &["-n", "models", "--image=x", "--dry-run=server"]].concat()).status == 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "the policy has no effect");
        std::thread::sleep(Duration::from_millis(500));
    }
    Some(kept)
}

/// Takes the policy away, and runs to the end.
fn goes_on(kept: &Kept) {
    kept.kubectl(&["delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", "own-images"]).status(0);
    let began = Instant::now();
    while kept.again(&[]).status != 0 {
        assert!(began.elapsed() < Duration::from_secs(180), "the policy stays at work");
    }
}

#[test]
fn a_denied_deployment_is_said_in_the_policys_words_whatever_its_status() {
    // By default a denial is 422, as if the object were malformed; a policy may choose 403 or 413.
    for reason in ["Invalid", "RequestEntityTooLarge"] {
        let policy = policy("apps", "deployments", ".template.spec", reason);
        let Some(kept) = denying(&policy, &["create", "deployment", "probe"]) else { return };
        let ran = kept.again(&[]).status(1);
        ran.says(&[
            "step server, server/kube.object/server",
            "deployments.apps \"model-server\" is forbidden",
            &format!("ValidatingAdmissionPolicy 'own-images' with binding 'own-images' denied request: {WORDS}"),
            ADVICE,
        ]);
        if reason == "Invalid" {
            goes_on(&kept);
        }
    }
}

#[test]
fn denied_pods_are_said_with_their_deployment_and_the_policys_words() {
    let policy = policy("", "pods", "", "Forbidden");
    let Some(kept) = denying(&policy, &["run", "probe"]) else { return };
    let ran = kept.again(&[]).status(1);
    ran.says(&[
        "step server, server/kube.object/server",
        "deployment models/model-server: FailedCreate",
        &format!("ValidatingAdmissionPolicy 'own-images' with binding 'own-images' denied request: {WORDS}"),
        "Change the pod template so that the cluster's admission rules allow it",
    ]);
    goes_on(&kept);
}
