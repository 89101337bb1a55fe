//! Node groups that go: their pods move first, as their budgets allow, for a limited time.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use llmhost_emulator::Emulator;
use llmhost_engine::kind::{DeclareContext, ErrorClass, Intent, OpError, Progress};
use llmhost_engine::registry::Registry;
use llmhost_resources::{Aws, AwsSettings, registry};
use serde_json::{Value, json};

/// Remembers what was noted.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn report(&self, _: &str, _: u64, _: u64) {}

    fn note(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

impl Notes {
    #[track_caller]
    fn has(&self, part: &str) {
        let notes = self.0.lock().unwrap();
        assert!(notes.iter().any(|note| note.contains(part)), "'{part}' is not in {notes:?}");
    }
}

struct World {
    registry: Registry,
    folder: tempfile::TempDir,
    _emulator: Emulator,
}

impl World {
    /// A cluster, made as the pipeline's steps make it.
    async fn new() -> Self {
        let emulator = Emulator::start(&|_| ()).await.unwrap();
        let settings = AwsSettings {
            region: "us-east-1".into(),
            endpoint_url: Some(emulator.url().into()),
            access_key: Some(("testing".into(), "testing".into())),
            wait: Duration::from_secs(5),
            rollout_wait: Some(Duration::from_secs(2)),
            ..AwsSettings::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let world = Self { registry: registry(Arc::new(Aws::new(settings))), folder, _emulator: emulator };
        let vpc = json!({ "cidr_block": "10.0.0.0/16", "dns_support": true, "dns_hostnames": true, "tags": [] });
        let vpc = world.make("ec2.vpc", "vpc", vpc).await.0;
        let mut subnets = Vec::new();
        for at in 0..2 {
            let zone = world.registry.facts().look_up(&format!("ec2.availability-zone/{at}")).await.unwrap();
            let subnet = json!({ "vpc_id": vpc, "cidr_block": format!("10.0.{at}.0/24"), "availability_zone": zone, "map_public_ip_on_launch": true, "tags": [] });
            subnets.push(world.make("ec2.subnet", &format!("s{at}"), subnet).await.0);
        }
        // Nodes join only where they have a way out and the cluster has a network add-on.
        let gateway = world.make("ec2.internet-gateway", "gateway", json!({ "vpc_id": vpc, "tags": [] })).await.0;
        let table = world.make("ec2.route-table", "table", json!({ "vpc_id": vpc, "tags": [] })).await.0;
        let route = json!({ "route_table_id": table, "destination_cidr_block": "0.0.0.0/0", "target": { "InternetGateway": gateway } });
        world.make("ec2.route", "out", route).await;
        for (at, subnet) in subnets.iter().enumerate() {
            let association = json!({ "route_table_id": table, "subnet_id": subnet });
            world.make("ec2.route-table-association", &format!("a{at}"), association).await;
        }
        for service in ["eks", "ec2"] {
            let trust = json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Principal": { "Service": format!("{service}.amazonaws.com") }, "Action": "sts:AssumeRole" } });
            let role = json!({ "role_name": service, "path": "/", "description": "", "assume_role_policy": trust.to_string(), "max_session_duration": 3600, "managed_policy_arns": [], "inline_policies": [], "permissions_boundary": null, "tags": [] });
            world.make("iam.role", service, role).await;
        }
        let cluster = json!({ "cluster_name": "c", "version": "1.34", "role_arn": "arn:aws:iam::123456789012:role/eks", "subnet_ids": subnets, "security_group_ids": [], "public_access": true, "private_access": true, "public_access_cidrs": [], "logging": [], "secrets_key_arn": null, "service_ipv4_cidr": null, "extended_support": false, "deletion_protection": false, "wait_minutes": 1, "tags": [] });
        world.make("eks.cluster", "cluster", cluster).await;
        let addon = json!({ "cluster_name": "c", "addon_name": "vpc-cni", "version": null, "configuration": null, "service_account_role_arn": null, "overwrite": true, "wait": true, "wait_minutes": 1, "tags": [] });
        world.make("eks.addon", "vpc-cni", addon).await;
        let template = json!({ "template_name": "nodes", "metadata_hop_limit": 1, "root_volume": { "device_name": "/dev/xvda", "size_gib": 40, "kms_key_id": null, "iops": null, "throughput_mibps": null }, "security_group_ids": [], "key_name": null, "user_data": null, "instance_tags": [], "tags": [] });
        let template = world.make("ec2.launch-template", "t", template).await.0;
        std::fs::write(world.folder.path().join("subnet"), &subnets[0]).unwrap();
        std::fs::write(world.folder.path().join("template"), template).unwrap();
        world
    }

    fn known(&self, what: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(what)).unwrap()
    }

    async fn make(&self, kind: &str, name: &str, raw: Value) -> (String, Value) {
        let address = format!("step/{kind}/{name}").parse().unwrap();
        let (tags, config) = (BTreeMap::new(), json!({ "cluster": "c" }));
        let context = DeclareContext {
            address: &address,
            tags: &tags,
            region: "us-east-1",
            base: self.folder.path(),
            within: None,
            config: &config,
        };
        let found = self.registry.kind(kind).unwrap();
        let spec = found.complete(raw, &context).unwrap();
        let intent = Intent { token: format!("token-{name}"), address };
        let notes = Notes::default();
        let made = found.create(&spec, &intent, &notes).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        found.configure(&made.id, &spec, None, &notes).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        (made.id, spec)
    }

    async fn group(&self, name: &str, force: bool) -> (String, Value) {
        let group = json!({ "cluster_name": "c", "node_group_name": name, "role_arn": "arn:aws:iam::123456789012:role/ec2", "subnet_ids": [self.known("subnet")], "instance_types": ["t3.large"], "ami_type": "AL2023_x86_64_STANDARD", "spot": false, "min_size": 1, "max_size": 2, "desired_size": 1, "labels": [], "taints": [], "max_unavailable": { "Count": 1 }, "launch_template_id": self.known("template"), "launch_template_version": "1", "version": null, "node_repair": false, "wait_minutes": 1, "drain_timeout_minutes": 15, "drain_force": force, "tags": [] });
        self.make("eks.node-group", name, group).await
    }

    async fn object(&self, manifest: Value) -> (String, Value) {
        let name = manifest["metadata"]["name"].as_str().unwrap().to_owned();
        let object = json!({ "target": { "Eks": "c" }, "manifest": manifest.to_string(), "adopt": false, "force_conflicts": false, "wait": false, "wait_minutes": 1 });
        self.make("kube.object", &name, object).await
    }

    /// Pods that a budget keeps one of, on nodes of `group` alone where there is one.
    async fn workload(&self, name: &str, replicas: u32, group: Option<&str>) -> (String, Value) {
        let labels = json!({ "app": name });
        let selector = group.map(|group| json!({ "eks.amazonaws.com/nodegroup": group })).unwrap_or(json!({}));
        let pod = json!({ "nodeSelector": selector, "containers": [{ "name": "c", "image": "busybox:1" }] });
        let metadata = json!({ "name": name, "namespace": "default" });
        self.object(json!({ "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": { "minAvailable": 1, "selector": { "matchLabels": labels } } })).await;
        self.object(json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": { "replicas": replicas, "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels }, "spec": pod } } })).await
    }

    async fn delete(&self, kind: &str, (id, spec): &(String, Value)) -> (Result<(), OpError>, Notes) {
        let notes = Notes::default();
        (self.registry.kind(kind).unwrap().delete(id, spec, &notes).await, notes)
    }

    async fn is_there(&self, kind: &str, (id, spec): &(String, Value)) -> bool {
        self.registry.kind(kind).unwrap().read(id, spec).await.unwrap().is_some()
    }

    /// Whether all replicas of a workload are available.
    async fn is_available(&self, (id, spec): &(String, Value)) -> bool {
        let mut waiting = spec.clone();
        waiting["wait"] = json!(true);
        let found = self.registry.kind("kube.object").unwrap();
        found.configure(id, &waiting, Some(spec), &Notes::default()).await.is_ok()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pods_of_a_group_that_goes_move_first_and_unmanaged_ones_are_named() {
    let world = World::new().await;
    let old = world.group("old", false).await;
    let web = world.workload("web", 2, None).await;
    let alone = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "alone", "namespace": "default" }, "spec": { "containers": [{ "name": "c", "image": "busybox:1" }] } });
    world.object(alone).await;
    world.group("new", false).await;
    let (deleted, notes) = world.delete("eks.node-group", &old).await;
    deleted.unwrap();
    notes.has("node group 'old': 1 node is cordoned; moving their pods");
    notes.has("pod default/alone has no controller");
    assert!(!world.is_there("eks.node-group", &old).await);
    assert!(world.is_available(&web).await, "both replicas run on the new nodes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_allows_no_eviction_is_named_when_the_time_is_over_and_the_group_stays() {
    let world = World::new().await;
    let old = world.group("old", false).await;
    // One replica, and a budget that wants one: it never moves.
    let web = world.workload("web", 1, None).await;
    world.group("new", false).await;
    let (refused, _) = world.delete("eks.node-group", &old).await;
    let error = refused.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    for part in
        ["node group 'old' could not be drained within 2 seconds", "pod default/web-", "disruption budget web needs 1"]
    {
        assert!(error.message.contains(part), "'{part}' is not in {error}");
    }
    assert!(error.advice().contains("drain_force"), "{}", error.advice());
    assert!(world.is_there("eks.node-group", &old).await && world.is_available(&web).await);

    // Where the step says so, the group goes all the same, and that is said.
    let mut forced = old.clone();
    forced.1["drain_force"] = json!(true);
    let (deleted, notes) = world.delete("eks.node-group", &forced).await;
    deleted.unwrap();
    notes.has("Its nodes are deleted anyway, because drain_force is set");
    assert!(!world.is_there("eks.node-group", &old).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_that_can_run_nowhere_else_are_not_waited_for_and_neither_are_those_of_a_cluster_that_goes() {
    let world = World::new().await;
    let old = world.group("old", false).await;
    world.group("new", false).await;
    world.workload("bound", 1, Some("old")).await;
    let (deleted, notes) = world.delete("eks.node-group", &old).await;
    deleted.unwrap();
    notes.has("no other node can run pod default/bound-");

    // A cluster that goes takes its pods along: nothing is drained, whatever their budgets say.
    let last = world.group("last", false).await;
    world.workload("web", 1, None).await;
    let cluster = world.registry.kind("eks.cluster").unwrap();
    let spec = json!({ "cluster_name": "c", "version": "1.34", "role_arn": "r", "subnet_ids": [], "security_group_ids": [], "public_access": true, "private_access": true, "public_access_cidrs": [], "logging": [], "secrets_key_arn": null, "service_ipv4_cidr": null, "extended_support": false, "deletion_protection": false, "wait_minutes": 1, "tags": {} });
    cluster.release("c", &spec, &Notes::default()).await;
    let (deleted, notes) = world.delete("eks.node-group", &last).await;
    deleted.unwrap();
    assert!(notes.0.lock().unwrap().is_empty(), "{:?}", notes.0);
}
