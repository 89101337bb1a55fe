//! A model server that scales by its own load, stands behind a Gateway and shares its model: its whole life in a cluster
//! that has the definitions of KEDA, the Prometheus operator, the Gateway API and its inference extension, as their
//! projects publish them.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{Scene, emulator, look, repository};

const FILE: &str = "pipeline.toml";
const CLUSTER: &str = r#"
[steps.net]
uses = "vpc"
with = { name = "sc", cluster = "sc", security_groups = {} }
[steps.roles]
uses = "iam"
with = { cluster_role = "sc-cluster", node_role = "sc-node" }
[steps.cluster]
uses = "eks"
with = { name = "sc", role_arn = "${roles.cluster_role_arn}", subnet_ids = "${net.subnet_ids}", endpoint = "public", public_access_cidrs = ["203.0.113.0/24"] }
[steps.nodes]
uses = "nodegroup"
with = { name = "cpu", cluster = "${cluster.name}", role_arn = "${roles.node_role_arn}", subnet_ids = "${net.private_subnet_ids}", instance_types = ["m6i.2xlarge"], desired = 2, min = 1, max = 3 }
[steps.m]
uses = "s3"
with = { bucket = "sc-models-1", force_destroy = true }
[steps.id]
uses = "irsa"
with = { cluster = "${cluster.name}", namespace = "models", service_account = "s", oidc_provider_arn = "${cluster.oidc_provider_arn}", oidc_issuer = "${cluster.oidc_issuer}", bucket = "${m.bucket}" }
"#;
const DEFINITIONS: &str = r#"
[steps.definitions]
uses = "manifests"
with = { files = ["definitions"], cluster = "${cluster.name}" }
"#;
const KEDA: &str = r#"scaling = { engine = "keda", metric = "requests_waiting", target = 4, min = 0, max = 3, prometheus = "http://prometheus.monitoring:9090", wake = { hosts = ["chat.example.com"] } }"#;
const GATEWAY: &str = r#"gateway = { name = "inference", namespace = "gateways", hostnames = ["chat.example.com"] }"#;

fn server(after: &str, more: &str) -> String {
    format!(
        r#"
[steps.server]
uses = "inference"
after = {after}
[steps.server.with]
cluster = "${{cluster.name}}"
namespace = "${{id.namespace}}"
service_account = "${{id.service_account}}"
image = "example.org/llmhost:1"
model = "s3://${{m.bucket}}/one"
device = "cpu"
{more}
"#
    )
}

/// A scene with the definitions beside the pipeline file.
fn scene() -> Scene {
    let (scene, from) = (Scene::new(), repository().join("tests/fixtures/definitions"));
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let name = format!("definitions/{}", entry.file_name().to_string_lossy());
        scene.write(&name, std::fs::read(entry.path()).unwrap());
    }
    scene
}

/// The objects of a kind in the cluster.
fn objects(url: &str, kind: &str) -> Value {
    look(url)["objects"]["sc"][kind].clone()
}

fn count(all: &Value) -> usize {
    all.as_object().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn keda_scales_a_server_to_zero_and_what_changes_is_changed_alone() {
    let (scene, emulator) = (scene(), emulator().await);
    let url = emulator.url();
    let more = format!("{KEDA}\nmonitor = \"pod\"\nmonitor_labels = {{ release = \"prometheus\" }}\n");
    scene.pipeline(&format!("{CLUSTER}{DEFINITIONS}{}", server("[\"definitions\", \"nodes\"]", &more)));
    scene.llmhost(&["run", FILE, "--dry-run"]).status(0).says(&[
        "+ kube.object/scaled-object",
        "+ kube.object/wake",
        "+ kube.object/monitor",
    ]);
    scene.at(url, &["run", FILE]).status(0);

    let scaled = &objects(url, "scaled_objects")["models/model-server"]["spec"];
    assert_eq!((&scaled["minReplicaCount"], &scaled["maxReplicaCount"]), (&json!(0), &json!(3)));
    let load = &scaled["triggers"][0]["metadata"];
    let query = r#"sum(llmhost_queue_depth{namespace="models",pod=~"model-server-[a-z0-9]+-[a-z0-9]{5}"})"#;
    assert_eq!((&load["query"], &load["threshold"]), (&json!(query), &json!("4")));
    let wake =
        json!({ "scalerAddress": "keda-add-ons-http-external-scaler.keda:9090", "interceptorRoute": "model-server" });
    assert_eq!((&scaled["triggers"][1]["type"], &scaled["triggers"][1]["metadata"]), (&json!("external-push"), &wake));
    let route = &objects(url, "interceptor_routes")["models/model-server"]["spec"];
    assert_eq!(route["target"], json!({ "service": "model-server", "port": 80 }));
    assert_eq!(route["timeouts"]["readiness"], "1200s", "it waits as long as a replica may take to be ready");
    let monitor = &objects(url, "pod_monitors")["models/model-server"];
    assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    assert_eq!(monitor["spec"]["podMetricsEndpoints"][0]["port"], "http");
    let deployment = &objects(url, "deployments")["models/model-server"]["spec"];
    let spread = deployment["template"]["spec"]["topologySpreadConstraints"].as_array().unwrap();
    let over: Vec<&Value> = spread.iter().map(|one| &one["topologyKey"]).collect();
    assert_eq!(over, ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]);
    assert_eq!(deployment["progressDeadlineSeconds"], 1260);
    assert_eq!(objects(url, "autoscalers"), json!({}));

    scene.at(url, &["run", FILE]).status(0).says(&["No changes"]);
    scene.edit(FILE, "target = 4", "target = 6");
    scene.at(url, &["run", FILE]).status(0).says(&["0 created, 1 updated, 0 replaced, 0 deleted"]);
    // Kubernetes' own autoscaler takes the place of KEDA's.
    scene.edit(
        FILE,
        &KEDA.replace("target = 4", "target = 6"),
        "scaling = { engine = \"hpa\", metric = \"cache_used\", target = 0.8, min = 2, max = 3 }",
    );
    scene.at(url, &["run", FILE, "--yes"]).status(0).says(&["1 created, 0 updated, 0 replaced, 2 deleted"]);
    let hpa = &objects(url, "autoscalers")["models/model-server"]["spec"];
    let metric = json!({ "metric": { "name": "llmhost_kv_cache_used_ratio" }, "target": { "type": "AverageValue", "averageValue": "800m" } });
    assert_eq!((&hpa["metrics"][0]["pods"], &hpa["minReplicas"]), (&metric, &json!(2)));
    assert_eq!(hpa["behavior"]["scaleDown"]["stabilizationWindowSeconds"], 300);
    assert_eq!((objects(url, "scaled_objects"), objects(url, "interceptor_routes")), (json!({}), json!({})));
    scene.at(url, &["run", FILE]).status(0).says(&["No changes"]);
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(url)["clusters"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_finds_the_pods_and_another_model_comes_by_another_volume() {
    let (scene, emulator) = (scene(), emulator().await);
    let url = emulator.url();
    let more = format!("{GATEWAY}\nmodel_cache = \"mountpoint\"\nreplicas = {{ min = 2, max = 2 }}\n");
    scene.pipeline(&format!("{CLUSTER}{DEFINITIONS}{}", server("[\"definitions\", \"nodes\"]", &more)));
    scene.at(url, &["run", FILE]).status(0);

    let pool = &objects(url, "inference_pools")["models/model-server"]["spec"];
    assert_eq!(pool["targetPorts"], json!([{ "number": 8000 }]));
    let picker = &pool["endpointPickerRef"];
    assert_eq!((&picker["name"], &picker["port"]["number"]), (&json!("model-server-epp"), &json!(9002)));
    let services = objects(url, "services");
    let service = &services["models/model-server-epp"]["spec"];
    assert_eq!(service["ports"][0]["port"], 9002);
    let deployments = objects(url, "deployments");
    let template = |name: &str| &deployments[name]["spec"]["template"];
    let of = |labels: &Value, selector: &Value| {
        selector.as_object().unwrap().iter().all(|(key, value)| labels[key] == *value)
    };
    let (server, epp) = (template("models/model-server"), template("models/model-server-epp"));
    let chosen = &pool["selector"]["matchLabels"];
    assert!(of(&server["metadata"]["labels"], chosen) && !of(&epp["metadata"]["labels"], chosen), "{chosen}");
    assert!(of(&epp["metadata"]["labels"], &service["selector"]));
    let route = &objects(url, "http_routes")["models/model-server"]["spec"];
    let parent = &route["parentRefs"][0];
    assert_eq!((&parent["name"], &parent["namespace"]), (&json!("inference"), &json!("gateways")));
    assert_eq!(route["rules"][0]["backendRefs"][0]["kind"], "InferencePool");
    assert_eq!(route["rules"][0]["timeouts"]["request"], "600s");

    // The bucket as files, with the pods' own role, for reading.
    let (volumes, claims) = (objects(url, "volumes"), objects(url, "claims"));
    let volume = volumes.as_object().unwrap().values().next().unwrap().clone();
    assert_eq!(volume["spec"]["csi"]["driver"], "s3.csi.aws.com");
    let attributes = json!({ "bucketName": "sc-models-1", "authenticationSource": "pod" });
    assert_eq!(volume["spec"]["csi"]["volumeAttributes"], attributes);
    assert_eq!(volume["spec"]["mountOptions"], json!(["read-only", "allow-other", "prefix one/"]));
    let claim = claims.as_object().unwrap().values().next().unwrap().clone();
    assert_eq!(claim["spec"]["volumeName"], volume["metadata"]["name"]);
    assert_eq!(volume["spec"]["claimRef"]["name"], claim["metadata"]["name"]);
    let container = &server["spec"]["containers"][0];
    assert_eq!(container["args"][2], "/models");
    let mounts = container["volumeMounts"].as_array().unwrap();
    assert!(mounts.contains(&json!({ "name": "model", "mountPath": "/models", "readOnly": true })), "{mounts:?}");
    scene.at(url, &["run", FILE]).status(0).says(&["No changes"]);

    // Each new pod is ready before an old one ends, and keeps what it reads.
    scene.edit(FILE, "}/one", "}/two");
    let ran = scene.at(url, &["run", FILE, "--yes"]).status(0);
    ran.says(&["each new one is ready before an old one stops", "2 created, 1 updated, 0 replaced, 2 deleted"]);
    let (after, claims) = (objects(url, "volumes"), objects(url, "claims"));
    assert_eq!((count(&after), count(&claims)), (1, 1));
    assert!(after.to_string().contains("prefix two/"), "{after}");
    assert!(after.get(format!("-/{}", volume["metadata"]["name"].as_str().unwrap())).is_none(), "the old one is gone");
    scene.at(url, &["run", FILE]).status(0).says(&["No changes"]);
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(url)["clusters"], json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_that_the_cluster_lacks_are_said_before_anything_is_made() {
    let (scene, emulator) = (scene(), emulator().await);
    let url = emulator.url();
    let more = format!("{}\nmonitor = \"pod\"\n", KEDA);
    let lacking = [
        "the cluster 'sc' has no ScaledObject of keda.sh/v1alpha1",
        "the cluster 'sc' has no InterceptorRoute of http.keda.sh/v1beta1",
        "the cluster 'sc' has no PodMonitor of monitoring.coreos.com/v1",
        "the CustomResourceDefinition of the Prometheus operator is missing, and no step declares it",
        "Install KEDA in a step, and add that step to 'after'",
    ];
    // A cluster that the same run would make.
    scene.pipeline(&format!("{CLUSTER}{}", server("[\"nodes\"]", &more)));
    scene.at(url, &["run", FILE]).status(1).says(&lacking).says(&["3 preflight errors; nothing was changed"]);
    assert_eq!(look(url)["clusters"], json!({}));
    // One that is there, and is asked.
    scene.pipeline(CLUSTER);
    scene.at(url, &["run", FILE]).status(0);
    scene.pipeline(&format!("{CLUSTER}{}", server("[\"nodes\"]", &more)));
    scene.at(url, &["run", FILE]).status(1).says(&lacking).says(&["nothing was changed"]);
    assert_eq!(objects(url, "deployments"), json!({}));
    let gateway = server("[\"nodes\"]", GATEWAY);
    scene.pipeline(&format!("{CLUSTER}{gateway}"));
    scene.at(url, &["run", FILE]).status(1).says(&[
        "no InferencePool of inference.networking.k8s.io/v1",
        "no HTTPRoute of gateway.networking.k8s.io/v1",
        "standard-install.yaml of its release",
    ]);
    // A step that brings them and is not waited for is no help, and one that is lets it through.
    scene.pipeline(&format!("{CLUSTER}{gateway}{DEFINITIONS}"));
    let ran = scene.at(url, &["run", FILE]).status(1);
    ran.says(&["does not wait for its CustomResourceDefinition", "after = [\"definitions\"]"]);
    scene.pipeline(&format!("{CLUSTER}{DEFINITIONS}{}", server("[\"definitions\", \"nodes\"]", GATEWAY)));
    scene.at(url, &["run", FILE]).status(0);
    // And then they are the cluster's.
    scene.at(url, &["run", FILE, "--dry-run"]).status(0).says(&["No changes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_says_which_rollout_has_a_gap_and_what_a_node_keeps() {
    let (scene, emulator) = (scene(), emulator().await);
    let url = emulator.url();
    scene.pipeline(&format!("{CLUSTER}{}", server("[\"nodes\"]", "model_cache = \"node\"\nrollout = \"replace\"")));
    scene.at(url, &["run", FILE]).status(0);
    let pod = objects(url, "deployments")["models/model-server"]["spec"]["template"]["spec"].clone();
    let cache = pod["volumes"].as_array().unwrap().iter().find(|volume| volume["name"] == "cache").unwrap();
    assert_eq!(cache["hostPath"], json!({ "path": "/var/lib/llmhost/models", "type": "DirectoryOrCreate" }));
    let owner = &pod["initContainers"][0];
    assert_eq!(owner["command"], json!(["chown", "10001:10001", "/var/cache/llmhost"]));
    assert_eq!(owner["securityContext"]["capabilities"], json!({ "drop": ["ALL"], "add": ["CHOWN"] }));
    scene.edit(FILE, "llmhost:1", "llmhost:2");
    let plan = || scene.at(url, &["run", FILE, "--dry-run"]).status(0);
    plan().says(&["! stops its pods before new ones are ready: nothing answers until these are"]);
    scene.edit(FILE, "rollout = \"replace\"", "rollout = \"surge\"");
    plan().says(&["! rolls its pods: each new one is ready before an old one stops"]);
    scene.edit(FILE, "rollout = \"surge\"", "rollout = \"replace\"\nreplicas = { min = 3, max = 3 }");
    plan().says(&["! rolls its pods: at most 1 of 3 unavailable at a time"]);
}

#[test]
fn words_that_the_plugin_does_not_know_are_refused_with_those_that_it_knows() {
    let scene = Scene::new();
    for (more, words) in [
        ("model_cache = \"disk\"", &["model_cache", "none", "node", "mountpoint"][..]),
        ("rollout = \"canary\"", &["rollout", "surge", "replace"]),
        ("topology_spread = \"yes\"", &["topology_spread", "prefer", "require", "none"]),
        ("monitor = \"service\"", &["monitor", "none", "pod"]),
        ("scaling = { engine = \"knative\", metric = \"requests_waiting\", target = 1, max = 2 }", &["keda", "hpa"]),
        (
            "scaling = { engine = \"hpa\", metric = \"load\", target = 1, max = 2 }",
            &["requests_waiting", "cache_used", "tokens_per_second"],
        ),
        ("gateway = { name = \"g\", picker = \"x\" }", &["'picker' was unexpected"]),
    ] {
        scene.pipeline(&format!("{CLUSTER}{}", server("[\"nodes\"]", more)));
        let ran = scene.llmhost(&["validate", FILE]);
        assert_ne!(ran.status, 0, "{more}");
        ran.says(words).says(&["pipeline.toml"]);
    }
}
