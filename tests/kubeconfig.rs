//! `llmhost kubeconfig` and `llmhost token`: kubectl reaches the pipeline's cluster with them.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;
use support::kept::Kept;
use support::{Scene, emulator};

const FILE: &str = "llm-on-eks.toml";

#[test]
fn kubectl_looks_into_a_kept_emulator_by_the_kubeconfig() {
    let (kept, _) = Kept::run(&[], 0);
    kept.kubectl(&["get", "namespaces", "-o", "name"]).status(0).says(&["namespace/models"]);
    let pods = kept.kubectl(&["get", "pods", "-n", "models", "-o", "jsonpath={.items[*].status.phase}"]).status(0);
    assert_eq!(pods.stdout, "Running");
    kept.kubectl(&["rollout", "status", "deployment/model-server", "-n", "models"]).status(0).says(&["successfully"]);
    let path = kept.0.path("kubeconfig");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("https://127.0.0.1:") && text.contains("client.authentication.k8s.io/v1"), "{text}");
    for credential in ["k8s-aws-v1.", "testing", "token:", "client-key"] {
        assert!(!text.contains(credential), "{credential} in {text}");
    }
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // Who trusts another authority does not send it a token.
    let line = text.lines().find(|line| line.contains("certificate-authority-data")).unwrap();
    std::fs::write(&path, text.replace(line, "    tls-server-name: localhost")).unwrap();
    kept.kubectl(&["get", "namespaces"]).status(1).says(&["certificate"]);
}

#[test]
fn a_token_is_printed_as_an_exec_plugin_does() {
    let scene = Scene::new();
    let ran = scene.llmhost(&["token", "--cluster", "c", "--region", "eu-west-1", "--emulate"]).status(0);
    let credential: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (&credential["kind"], &credential["apiVersion"]),
        (&Value::from("ExecCredential"), &Value::from("client.authentication.k8s.io/v1"))
    );
    assert!(credential["status"]["token"].as_str().unwrap().starts_with("k8s-aws-v1."));
    let expires = credential["status"]["expirationTimestamp"].as_str().unwrap();
    assert!(expires.len() > 18 && expires.ends_with('Z'), "{expires}");
    let ran = scene.llmhost(&["token", "--cluster", "c", "--region", "eu-west-1"]).status(1);
    ran.says(&["credentials", "help"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubeconfig_without_a_cluster_says_what_to_do() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let ran = scene.at(emulator.url(), &["kubeconfig", FILE]).status(1);
    ran.says(&["the state of 'llm-on-eks' has no EKS cluster", "Run the pipeline first"]);
    scene.at(emulator.url(), &["run", FILE, "--only", "network,roles,cluster"]).status(0);
    let ran = scene.at(emulator.url(), &["kubeconfig", FILE, "--step", "network"]).status(1);
    ran.says(&["the step 'network' has no EKS cluster"]);
    let ran = scene.at(emulator.url(), &["kubeconfig", FILE, "--step", "cluster"]).status(0);
    ran.says(&["current-context: \"llm-cluster\"", "\"--region\",\"us-east-1\"]"]);
    assert!(!ran.stdout.contains(support::SECRET_KEY) && !ran.stdout.contains(support::ACCESS_KEY), "{}", ran.stdout);
    let ran = scene.at(emulator.url(), &["kubeconfig", FILE, "-o", "no/such/folder"]).status(1);
    ran.says(&["cannot write no/such/folder"]);
}
