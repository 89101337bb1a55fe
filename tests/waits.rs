//! Waits: they speak, they end with the first signal, and the next run goes on with them.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use llmhost_emulator::testing::{Fault, RecordingProxy, Request};
use serde_json::Value;
use support::{ACCESS_KEY, SECRET_KEY, Scene, emulator, look};

const FILE: &str = "pipeline.toml";
const CLUSTER: &str = r#"
[steps.net]
uses = "vpc"
with = { name = "w", cluster = "w", security_groups = {} }
[steps.roles]
uses = "iam"
with = { cluster_role = "w-cluster", node_role = "w-node" }
[steps.cluster]
uses = "eks"
with = { name = "w", role_arn = "${roles.cluster_role_arn}", subnet_ids = "${net.subnet_ids}", endpoint = "public", public_access_cidrs = ["203.0.113.0/24"], addons = { vpc-cni = {} }, tags = {} }
"#;
const SERVER: &str = r#"
[steps.m]
uses = "s3"
with = { bucket = "w-models-1", force_destroy = true }
[steps.id]
uses = "irsa"
with = { cluster = "${cluster.name}", namespace = "models", service_account = "s", oidc_provider_arn = "${cluster.oidc_provider_arn}", oidc_issuer = "${cluster.oidc_issuer}", bucket = "${m.bucket}" }
[steps.server]
uses = "inference"
with = { cluster = "${cluster.name}", namespace = "${id.namespace}", service_account = "${id.service_account}", image = "example.org/llmhost:1", model = "s3://${m.bucket}/m", device = "cpu" }
"#;

/// llmhost at work, seen event by event.
struct AtWork {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl AtWork {
    fn start(mut command: Command, url: &str) -> Self {
        command.args(["--endpoint-url", url, "--json", "--yes"]);
        command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads events until one is as wanted.
    fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        for line in self.lines.by_ref() {
            let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
            if wanted(&event) {
                return event;
            }
        }
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        panic!("it ended before: {said}");
    }

    /// Sends SIGTERM, and gives the events after that, the exit status and the time that it took.
    fn terminate(mut self) -> (Vec<Value>, i32, Duration) {
        let began = Instant::now();
        let killed = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(killed.success());
        let rest = self.lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        let status = self.child.wait().unwrap().code().unwrap_or(-1);
        (rest, status, began.elapsed())
    }
}

fn is_progress(event: &Value, address: &str) -> bool {
    event["event"] == "operation-progress" && event["address"] == address
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_signal_ends_the_wait_for_a_cluster_and_the_next_run_goes_on_with_it() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(&CLUSTER.replace("tags = {}", "tags = { \"llmhost-test:slow\" = \"600\" }"));
    let mut run = AtWork::start(scene.command(&["run", FILE]), emulator.url());
    run.until(|event| is_progress(event, "cluster/eks.cluster/main"));
    let (rest, status, took) = run.terminate();
    assert_eq!(status, 130);
    assert!(took < Duration::from_secs(10), "{took:?}");
    let stopped = rest.iter().find(|event| event["event"] == "operation-interrupted").unwrap();
    assert_eq!(stopped["address"], "cluster/eks.cluster/main");
    assert!(stopped["waiting"].as_str().unwrap().contains("waiting for the cluster (creating)"), "{stopped}");
    assert!(!rest.iter().any(|event| event["event"] == "failure"), "{rest:?}");

    // The cluster is the pipeline's and unfinished; nothing is made a second time.
    let plan = scene.at(emulator.url(), &["run", FILE, "--dry-run"]).status(0);
    plan.says(&["+ eks.cluster/main", "(started, not finished)"]);
    let made = look(emulator.url())["clusters"]["w"]["cluster"]["arn"].clone();
    scene.edit(FILE, "\"llmhost-test:slow\" = \"600\"", "");
    let mut again = AtWork::start(scene.command(&["run", FILE]), emulator.url());
    again.until(|event| is_progress(event, "cluster/eks.cluster/main"));
    assert_eq!(look(emulator.url())["clusters"]["w"]["cluster"]["arn"], made);
    assert_eq!(again.terminate().1, 130);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_signal_ends_the_wait_for_pods_and_says_what_was_left_waiting() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    // No nodes: its pods are never scheduled.
    scene.pipeline(&format!("{CLUSTER}{SERVER}"));
    let server = "server/kube.object/server";
    let mut run = AtWork::start(scene.command(&["run", FILE, "--skip-preflight"]), emulator.url());
    run.until(|event| is_progress(event, server));
    let (rest, status, took) = run.terminate();
    assert_eq!(status, 130);
    assert!(took < Duration::from_secs(10), "{took:?}");
    let stopped = rest.iter().find(|event| event["event"] == "operation-interrupted").unwrap();
    assert_eq!((&stopped["address"], &stopped["operation"]), (&server.into(), &"create".into()));
    let deployments = look(emulator.url())["objects"]["w"]["deployments"].clone();
    assert_eq!(deployments.as_object().unwrap().len(), 1);

    // With nodes the next run finishes it.
    let nodes = "[steps.nodes]\nuses = \"nodegroup\"\nwith = { name = \"n\", cluster = \"${cluster.name}\", role_arn = \"${roles.node_role_arn}\", subnet_ids = \"${net.private_subnet_ids}\", instance_types = [\"m6i.2xlarge\"] }\n";
    scene.pipeline(&format!("{CLUSTER}{nodes}{SERVER}"));
    scene
        .at(emulator.url(), &["run", FILE, "--skip-preflight"])
        .status(0)
        .says(&["finished server/kube.object/server"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_connection_is_said_while_it_is_tried_again() {
    let scene = Scene::new();
    scene.pipeline("[steps.m]\nuses = \"s3\"\nwith = { bucket = \"models-1\" }\n");
    // Nobody listens there.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut run = AtWork::start(scene.command(&["run", FILE]), &format!("http://{free}"));
    let retry = run.until(|event| event["event"] == "retrying");
    assert!(retry["call"].as_str().unwrap().contains(':') && retry["attempt"] == 1, "{retry}");
    assert!(retry["reason"].as_str().unwrap().contains("refused"), "{retry}");
    run.child.kill().unwrap();
    run.child.wait().unwrap();
}

/// The steps of a cluster, and a service account in it.
fn accounts() -> String {
    let (steps, _) = SERVER.split_once("[steps.server]").unwrap();
    format!("{CLUSTER}{steps}")
}

fn is_namespace_applied(request: &Request) -> bool {
    request.method == "PATCH" && request.path.contains("/namespaces/models?") && request.is_mutating()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_too_busy_is_asked_again_aloud_and_not_forever() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    scene.pipeline(&accounts());
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    let namespace = "id/kube.object/namespace";
    // It wants to be left alone for longer than anybody would wait.
    proxy.inject(is_namespace_applied, 1, Fault::Busy(3600));
    let began = Instant::now();
    let ran = scene.at(proxy.url(), &["run", FILE, "--skip-preflight"]).status(1);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    ran.says(&[
        namespace,
        "429 Too Many Requests: Too many requests, please try again later. (it asks to retry after 3600 seconds)",
        "The API server is overloaded",
        "wait a few minutes, and run again",
    ]);

    // A minute at a time is waited, and whoever waits hears of it more often than that.
    proxy.inject(is_namespace_applied, 1, Fault::Busy(60));
    let mut run = AtWork::start(scene.command(&["run", FILE, "--skip-preflight"]), proxy.url());
    let is_retry = |event: &Value| event["event"] == "retrying" && event["address"] == namespace;
    let first = run.until(is_retry);
    assert!(first["call"].as_str().unwrap().starts_with("kube:PATCH /api/v1/namespaces/models"), "{first}");
    assert!(first["reason"].as_str().unwrap().starts_with("429 Too Many Requests: Too many requests"), "{first}");
    assert_eq!(first["attempt"], 1);
    let began = Instant::now();
    let next = run.until(is_retry);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    assert!(next["reason"].as_str().unwrap().contains("(in "), "{next}");
    let (rest, status, took) = run.terminate();
    assert_eq!(status, 130, "{rest:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let stopped = rest.iter().find(|event| event["event"] == "operation-interrupted").unwrap();
    assert_eq!(stopped["address"], namespace);
    assert!(stopped["waiting"].as_str().unwrap().contains("429 Too Many Requests"), "{stopped}");

    // One that has time again after a while is no failure.
    proxy.inject(is_namespace_applied, 2, Fault::Busy(1));
    scene.at(proxy.url(), &["run", FILE, "--skip-preflight"]).status(0).says(&[
        "kube:PATCH /api/v1/namespaces/models: attempt 1 failed: 429 Too Many Requests",
        "trying again",
        "created id/kube.object/service-account",
    ]);
}
