//! Every kind against a real API: what is made is read back as it was declared, found again by its
//! intent, changed, and deleted once and for all.
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use llmhost_emulator::Emulator;
use llmhost_engine::kind::{DeclareContext, ErrorClass, Intent, Progress, Sampled, Scope};
use llmhost_engine::registry::Registry;
use llmhost_resources::{Aws, AwsSettings, registry};
use serde_json::{Value, json};

/// What the emulator cannot do, each with the call that fails there.
const GAPS: [(&str, &str); 0] = [];

/// Outputs whose form depends on what is asked for.
const FORMLESS: [(&str, &str); 1] = [("cloud-control.entity", "properties")];

struct Quiet;

impl Progress for Quiet {
    fn report(&self, _: &str, _: u64, _: u64) {}
}

struct Bench {
    registry: Registry,
    folder: tempfile::TempDir,
    seen: BTreeSet<&'static str>,
}

impl Bench {
    fn complete(&self, kind: &'static str, raw: Value) -> Value {
        let address = format!("step/{kind}/it").parse().unwrap();
        let tags = BTreeMap::from([("team".to_owned(), "ml".to_owned())]);
        let config = json!({ "source": "files", "cluster": "kinds" });
        let context = DeclareContext {
            address: &address,
            tags: &tags,
            region: "us-east-1",
            base: self.folder.path(),
            within: None,
            config: &config,
        };
        self.registry.kind(kind).unwrap().complete(raw, &context).unwrap()
    }

    /// Makes it and checks everything about it but its end; gives its id and canonical spec.
    async fn make(&mut self, kind: &'static str, raw: Value, changed: Option<(&str, Value)>) -> (String, Value) {
        self.seen.insert(kind);
        let spec = self.complete(kind, raw.clone());
        let found = Arc::clone(self.registry.kind(kind).unwrap());
        let intent =
            Intent { address: format!("step/{kind}/it").parse().unwrap(), token: format!("token-{}", self.seen.len()) };
        let made = found.create(&spec, &intent, &Quiet).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        let added =
            found.configure(&made.id, &spec, None, &Quiet).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        let outputs = made.outputs.clone().into_iter().chain(added);
        outputs.for_each(|(name, value)| self.has_a_sample(kind, &spec, &name, &value));
        // A second time changes nothing and fails at nothing: a run may have died in between.
        found.configure(&made.id, &spec, None, &Quiet).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        self.reads_as(kind, &made.id, &spec).await;
        let again = found.find(&spec, &intent).await.unwrap().unwrap_or_else(|| panic!("{kind} is not found"));
        assert_eq!(again.id, made.id, "{kind}");
        let Some((field, value)) = changed else { return (made.id, spec) };
        let mut raw = raw;
        raw[field] = value;
        let new = self.complete(kind, raw);
        assert!(!found.compare(&spec, &new).replaces(), "{kind}.{field} can be changed in place");
        found.configure(&made.id, &new, Some(&spec), &Quiet).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        self.reads_as(kind, &made.id, &new).await;
        (made.id, new)
    }

    /// What stands for an output while planning has the form of the real value.
    fn has_a_sample(&self, kind: &str, spec: &Value, output: &str, real: &Value) {
        let found = self.registry.kind(kind).unwrap();
        if found.foreknown(spec).contains_key(output) {
            return;
        }
        let scope = Scope { pipeline: "test", region: "us-east-1", account: "123456789012" };
        let sampled = Sampled { unique: "0417263fedcba9876", scope };
        let sample = found.sample(output, spec, &sampled);
        if FORMLESS.contains(&(kind, output)) {
            assert_eq!(sample, None, "{kind}.{output} has a form now: take it out of the list");
            return;
        }
        let sample = sample.unwrap_or_else(|| panic!("{kind}.{output} has no sample; it is {real}"));
        let (real, sample) = (real.as_str().unwrap(), sample.as_str().unwrap().to_owned());
        if real.is_empty() {
            return;
        }
        // On the emulator, what is at an address has another one.
        if real.starts_with("http:") {
            assert!(sample.starts_with("https:"), "{kind}.{output}: {sample}");
            return;
        }
        // A UUID is random from its first character, so only its groups can be compared.
        if is_uuid(real) {
            assert!(is_uuid(&sample), "{kind}.{output} is {real}, its sample {sample}");
            return;
        }
        // `vpc-`, `arn:`, `https:`, and of versions what comes before the first digit.
        let end = real.find(|c: char| c.is_ascii_digit() || "-:/".contains(c)).unwrap_or(real.len());
        let lead = real[..=end.min(real.len() - 1)].trim_end_matches(|c: char| c.is_ascii_digit());
        assert!(sample.starts_with(lead), "{kind}.{output} is {real}, its sample {sample}");
        if real.starts_with("arn:") {
            assert_eq!(sample.matches(':').count(), real.matches(':').count(), "{kind}.{output}: {real}, {sample}");
        }
    }

    /// Makes it and leaves it, where it can be neither found again nor read back.
    async fn once(&mut self, kind: &'static str, raw: Value) -> (String, Value) {
        self.seen.insert(kind);
        let spec = self.complete(kind, raw);
        let found = Arc::clone(self.registry.kind(kind).unwrap());
        let intent = Intent { address: format!("step/{kind}/it").parse().unwrap(), token: "token-once".into() };
        let made = found.create(&spec, &intent, &Quiet).await.unwrap_or_else(|error| panic!("{kind}: {error}"));
        (made.id, spec)
    }

    /// Changes one field more, in place.
    async fn change(
        &self,
        kind: &'static str,
        made: &(String, Value),
        raw: &mut Value,
        field: &str,
        value: Value,
    ) -> Value {
        raw[field] = value;
        let (found, new) = (self.registry.kind(kind).unwrap(), self.complete(kind, raw.clone()));
        assert!(!found.compare(&made.1, &new).replaces(), "{kind}.{field} can be changed in place");
        let changed = found.configure(&made.0, &new, Some(&made.1), &Quiet).await;
        changed.unwrap_or_else(|error| panic!("{kind}.{field}: {error}"));
        self.reads_as(kind, &made.0, &new).await;
        new
    }

    async fn reads_as(&self, kind: &str, id: &str, spec: &Value) {
        let found = self.registry.kind(kind).unwrap();
        let read = found.read(id, spec).await;
        if let Some((_, operation)) = GAPS.iter().find(|(gap, _)| *gap == kind) {
            let error = read.expect_err("the emulator can do it now: take the gap out");
            assert_eq!(error.operation, *operation, "{error}");
            return;
        }
        let read = read.unwrap_or_else(|error| panic!("{kind}: {error}"));
        let read = read.unwrap_or_else(|| panic!("{kind} is not there"));
        assert_eq!(found.compare(spec, &read.spec).fields, [], "{kind} {id}");
    }

    async fn delete(&self, kind: &str, id: &str, spec: &Value) {
        let found = self.registry.kind(kind).unwrap();
        for time in ["first", "second"] {
            let deleted = found.delete(id, spec, &Quiet).await;
            assert!(deleted.is_ok(), "{kind}, the {time} time: {deleted:?}");
        }
        assert_eq!(found.read(id, spec).await.unwrap().map(|read| read.spec), None, "{kind} is gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_made_read_found_changed_and_deleted() {
    let emulator = Emulator::start(&|_| ()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "files/small", b"small");
    // Above 8 MiB, so that it is sent in parts.
    write(folder.path(), "files/large", &vec![7; 20 << 20]);
    let settings = AwsSettings {
        region: "us-east-1".into(),
        endpoint_url: Some(emulator.url().into()),
        access_key: Some(("testing".into(), "testing".into())),
        wait: Duration::from_secs(5),
        ..AwsSettings::default()
    };
    let mut bench = Bench { registry: registry(Arc::new(Aws::new(settings))), folder, seen: BTreeSet::new() };
    let tags = json!([["a", "1"]]);
    let new_tags = || Some(("tags", json!([["b", "2"]])));
    let zone = bench.registry.facts().look_up("ec2.availability-zone/0").await.unwrap();
    assert_eq!(bench.registry.facts().look_up("sts.account-id").await.unwrap().len(), 12);
    let few = bench.registry.facts().look_up("ec2.availability-zone/99").await.unwrap_err();
    assert!(few.message.contains("zone number 100"), "{few}");

    let vpc = json!({ "cidr_block": "10.0.0.0/16", "dns_support": true, "dns_hostnames": true, "tags": tags });
    let vpc = bench.make("ec2.vpc", vpc, Some(("dns_hostnames", json!(false)))).await;
    let block = json!({ "vpc_id": vpc.0, "range": { "Ipv4": "100.64.0.0/16" } });
    let block = bench.make("ec2.vpc-cidr-block", block, None).await;
    let ipv6 = json!({ "vpc_id": vpc.0, "range": "AmazonIpv6" });
    let ipv6 = bench.make("ec2.vpc-cidr-block", ipv6, None).await;
    let range = bench.registry.kind("ec2.vpc-cidr-block").unwrap().read(&ipv6.0, &ipv6.1).await.unwrap().unwrap();
    let range = range.outputs["cidr_block"].as_str().unwrap().to_owned();
    assert!(range.ends_with("::/56"), "{range}");
    let subnet = json!({ "vpc_id": vpc.0, "cidr_block": "10.0.1.0/24", "availability_zone": zone, "map_public_ip_on_launch": false, "tags": tags });
    let subnet = bench.make("ec2.subnet", subnet, Some(("map_public_ip_on_launch", json!(true)))).await;
    let egress = json!({ "vpc_id": vpc.0, "tags": tags });
    let egress = bench.make("ec2.egress-only-internet-gateway", egress, new_tags()).await;
    let gateway = json!({ "vpc_id": vpc.0, "tags": tags });
    let gateway = bench.make("ec2.internet-gateway", gateway, new_tags()).await;
    let six = json!({ "vpc_id": vpc.0, "cidr_block": "100.64.0.0/19", "availability_zone": zone, "map_public_ip_on_launch": false, "ipv6": { "vpc_range": range, "index": 1 }, "tags": tags });
    let mut six_made = bench.make("ec2.subnet", six.clone(), new_tags()).await;
    let mut now = six;
    now["tags"] = json!([["b", "2"]]);
    for ipv6 in [json!({ "vpc_range": range, "index": 255 }), Value::Null, json!({ "vpc_range": range, "index": 0 })] {
        six_made.1 = bench.change("ec2.subnet", &six_made, &mut now, "ipv6", ipv6).await;
    }
    let address = bench.make("ec2.elastic-ip", json!({ "tags": tags }), new_tags()).await;
    let nat = json!({ "subnet_id": subnet.0, "allocation_id": address.0, "tags": tags });
    let nat = bench.make("ec2.nat-gateway", nat, new_tags()).await;
    let table = bench.make("ec2.route-table", json!({ "vpc_id": vpc.0, "tags": tags }), new_tags()).await;
    let route = json!({ "route_table_id": table.0, "destination_cidr_block": "0.0.0.0/0", "target": { "InternetGateway": gateway.0 } });
    let route = bench.make("ec2.route", route, Some(("target", json!({ "NatGateway": nat.0 })))).await;
    let route_v6 = json!({ "route_table_id": table.0, "destination_cidr_block": "::/0", "target": { "EgressOnlyInternetGateway": egress.0 } });
    let route_v6 = bench.make("ec2.route", route_v6, Some(("target", json!({ "InternetGateway": gateway.0 })))).await;
    let association = json!({ "route_table_id": table.0, "subnet_id": subnet.0 });
    let association = bench.make("ec2.route-table-association", association, None).await;
    let endpoint = json!({ "vpc_id": vpc.0, "service": "s3", "route_table_ids": [table.0], "tags": tags });
    let endpoint = bench.make("ec2.gateway-endpoint", endpoint, new_tags()).await;
    let group = json!({ "vpc_id": vpc.0, "group_name": "web", "description": "Web", "tags": tags });
    let group = bench.make("ec2.security-group", group, new_tags()).await;
    let private = json!({ "vpc_id": vpc.0, "service": "ecr.api", "subnet_ids": [subnet.0], "security_group_ids": [group.0], "private_dns": false, "tags": tags });
    let mut private_made = bench.make("ec2.interface-endpoint", private.clone(), new_tags()).await;
    let mut now = private;
    now["tags"] = json!([["b", "2"]]);
    let zone_b = bench.registry.facts().look_up("ec2.zone-name/use1-az1").await.unwrap();
    let beside = json!({ "vpc_id": vpc.0, "cidr_block": "10.0.9.0/24", "availability_zone": zone_b, "map_public_ip_on_launch": false, "tags": tags });
    let beside = bench.make("ec2.subnet", beside, None).await;
    for subnets in [json!([subnet.0, beside.0]), json!([beside.0])] {
        private_made.1 = bench.change("ec2.interface-endpoint", &private_made, &mut now, "subnet_ids", subnets).await;
    }
    private_made.1 =
        bench.change("ec2.interface-endpoint", &private_made, &mut now, "security_group_ids", json!([])).await;
    for peer in [json!({ "SecurityGroup": group.0 }), json!({ "CidrIpv6": "2001:DB8:0::/32" })] {
        let rule = json!({ "security_group_id": group.0, "direction": "Ingress", "ip_protocol": "tcp", "from_port": 80, "to_port": 80, "peer": peer, "description": "web", "tags": tags });
        let rule = bench.make("ec2.security-group-rule", rule, Some(("description", json!("renamed")))).await;
        bench.delete("ec2.security-group-rule", &rule.0, &rule.1).await;
    }
    let rule = json!({ "security_group_id": group.0, "direction": "Ingress", "ip_protocol": "tcp", "from_port": 80, "to_port": 80, "peer": { "Cidr": "10.0.0.0/16" }, "description": "web", "tags": tags });
    let rule = bench.make("ec2.security-group-rule", rule, Some(("description", json!("renamed")))).await;
    let lifecycle = json!([{ "id": "old", "prefix": "", "expire_after_days": null, "expire_noncurrent_after_days": 3, "abort_multipart_after_days": 7 }]);
    let bucket = json!({ "bucket": "kinds-bucket", "block_public_access": true, "encryption": "S3Managed", "versioning": true, "lifecycle": lifecycle, "force_destroy": true, "tags": tags });
    let bucket = bench.make("s3.bucket", bucket, Some(("lifecycle", json!([])))).await;
    let intent = Intent { address: "step/s3.bucket/other".parse().unwrap(), token: "token-other".into() };
    let again = bench.registry.kind("s3.bucket").unwrap().create(&bucket.1, &intent, &Quiet).await;
    let again = again.expect_err("us-east-1 would say that it was made");
    assert_eq!((again.class, again.code.as_deref()), (ErrorClass::Conflict, Some("BucketAlreadyOwnedByYou")));
    let files = json!({ "bucket": "kinds-bucket", "prefix": "models", "source": "files" });
    let files = bench.make("s3.folder", files, None).await;

    let template = json!({ "template_name": "kinds", "metadata_hop_limit": 1, "root_volume": { "device_name": "/dev/xvda", "size_gib": 40, "kms_key_id": null, "iops": null, "throughput_mibps": null }, "security_group_ids": [], "key_name": null, "user_data": null, "instance_tags": [["a", "1"]], "tags": tags });
    let template = bench.make("ec2.launch-template", template, Some(("metadata_hop_limit", json!(2)))).await;

    let placement = json!({ "group_name": "kinds", "strategy": "partition", "partition_count": 3, "tags": tags });
    let placement = bench.make("ec2.placement-group", placement, new_tags()).await;

    let trust = |service: &str| {
        json!({ "Version": "2012-10-17", "Statement": { "Effect": "Allow", "Principal": { "Service": [service, "pods.eks.amazonaws.com"] }, "Action": ["sts:AssumeRole", "sts:TagSession"] } }).to_string()
    };
    let policy = json!({ "policy_name": "kinds", "path": "/", "description": "d", "document": json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*" }] }).to_string(), "tags": tags });
    let wider =
        json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Action": "s3:*", "Resource": "*" }] })
            .to_string();
    let policy = bench.make("iam.policy", policy, Some(("document", json!(wider)))).await;
    let role = |name: &str, service: &str| json!({ "role_name": name, "path": "/", "description": "d", "assume_role_policy": trust(service), "max_session_duration": 3600, "managed_policy_arns": [policy.0], "inline_policies": [["in", wider]], "permissions_boundary": null, "tags": tags });
    let cluster_role = bench
        .make("iam.role", role("kinds-cluster", "eks.amazonaws.com"), Some(("managed_policy_arns", json!([]))))
        .await;
    let node_role =
        bench.make("iam.role", role("kinds-node", "ec2.amazonaws.com"), Some(("inline_policies", json!([])))).await;
    let arn = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    let profile = json!({ "profile_name": "kinds", "role_name": "kinds-node", "tags": tags });
    let profile = bench.make("iam.instance-profile", profile, Some(("role_name", json!("kinds-cluster")))).await;
    let provider = json!({ "url": "https://oidc.eks.us-east-1.amazonaws.com/id/KINDS", "client_ids": ["sts.amazonaws.com"], "tags": tags });
    let provider =
        bench.make("iam.oidc-provider", provider, Some(("client_ids", json!(["sts.amazonaws.com", "b"])))).await;

    let zone = bench.registry.facts().look_up("ec2.availability-zone/1").await.unwrap();
    let other = json!({ "vpc_id": vpc.0, "cidr_block": "10.0.2.0/24", "availability_zone": zone, "map_public_ip_on_launch": false, "tags": tags });
    let other = bench.make("ec2.subnet", other, None).await;
    let newest = bench.registry.facts().look_up("eks.newest-version").await.unwrap();
    assert_eq!(newest, "1.34");
    let cluster = json!({ "cluster_name": "kinds", "version": "1.33", "role_arn": arn("kinds-cluster"), "subnet_ids": [subnet.0, other.0], "security_group_ids": [], "public_access": true, "private_access": true, "public_access_cidrs": [], "logging": ["audit"], "secrets_key_arn": null, "service_ipv4_cidr": null, "extended_support": false, "deletion_protection": false, "wait_minutes": 1, "tags": tags });
    let mut cluster_made = bench.make("eks.cluster", cluster.clone(), Some(("version", json!("1.34")))).await;
    let mut now = cluster;
    now["version"] = json!("1.34");
    for (field, value) in [
        ("logging", json!(["api", "audit"])),
        ("public_access_cidrs", json!(["203.0.113.0/24"])),
        ("secrets_key_arn", json!("arn:aws:kms:us-east-1:123456789012:key/a")),
        ("extended_support", json!(true)),
        ("deletion_protection", json!(true)),
        ("deletion_protection", json!(false)),
        ("tags", json!([["b", "2"]])),
    ] {
        cluster_made.1 = bench.change("eks.cluster", &cluster_made, &mut now, field, value).await;
    }
    let entry = json!({ "cluster_name": "kinds", "principal_arn": arn("kinds-cluster"), "entry_type": "STANDARD", "kubernetes_groups": ["viewers"], "policies": [{ "policy_arn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy", "namespaces": ["models"] }], "tags": tags });
    let entry = bench.make("eks.access-entry", entry, Some(("policies", json!([{ "policy_arn": "arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminPolicy", "namespaces": [] }])))).await;
    let addon = json!({ "cluster_name": "kinds", "addon_name": "vpc-cni", "version": null, "configuration": "{\"env\":{\"ENABLE_PREFIX_DELEGATION\":\"true\"}}", "service_account_role_arn": null, "overwrite": true, "wait": true, "wait_minutes": 1, "tags": tags });
    let addon = bench.make("eks.addon", addon, Some(("configuration", json!(null)))).await;
    let group_of_nodes = json!({ "cluster_name": "kinds", "node_group_name": "gpu", "role_arn": arn("kinds-node"), "subnet_ids": [subnet.0], "instance_types": ["g4dn.xlarge"], "ami_type": "AL2023_x86_64_NVIDIA", "spot": false, "min_size": 1, "max_size": 2, "desired_size": 1, "labels": [["a", "1"]], "taints": [{ "key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE" }], "max_unavailable": { "Count": 1 }, "launch_template_id": template.0, "launch_template_version": "1", "version": null, "node_repair": true, "wait_minutes": 1, "tags": tags });
    let mut nodes = bench.make("eks.node-group", group_of_nodes.clone(), Some(("desired_size", json!(2)))).await;
    let mut now = group_of_nodes;
    now["desired_size"] = json!(2);
    for (field, value) in [
        ("labels", json!([["b", "2"]])),
        ("taints", json!([])),
        ("max_unavailable", json!({ "Percentage": 50 })),
        ("launch_template_version", json!("2")),
        ("node_repair", json!(false)),
        ("tags", json!([["b", "2"]])),
    ] {
        nodes.1 = bench.change("eks.node-group", &nodes, &mut now, field, value).await;
    }
    let identity = json!({ "cluster_name": "kinds", "namespace": "models", "service_account": "server", "role_arn": arn("kinds-node"), "tags": tags });
    let identity =
        bench.make("eks.pod-identity-association", identity, Some(("role_arn", json!(arn("kinds-cluster"))))).await;
    let fargate_role = bench.make("iam.role", role("kinds-fargate", "eks-fargate-pods.amazonaws.com"), None).await;
    let profile_of_pods = json!({ "cluster_name": "kinds", "profile_name": "pods", "pod_execution_role_arn": arn("kinds-fargate"), "subnet_ids": [other.0], "selectors": [{ "namespace": "dev", "labels": [["a", "1"]] }], "wait_minutes": 1, "tags": tags });
    let profile_of_pods = bench.make("eks.fargate-profile", profile_of_pods, new_tags()).await;
    let queue = json!({ "type_name": "AWS::SQS::Queue", "properties": json!({ "QueueName": "kinds", "DelaySeconds": 5 }).to_string(), "create_only": ["QueueName"], "wait_minutes": 1 });
    let queue = bench
        .make("cloud-control.entity", queue, Some(("properties", json!({ "QueueName": "kinds", "DelaySeconds": 6 }))))
        .await;
    let put = |action: &str, parameters: Value| json!({ "service": "ssm", "endpoint_prefix": null, "protocol": { "Json": { "target": format!("AmazonSSM.{action}"), "version": "1.1" } }, "parameters": parameters.to_string() });
    let call = json!({ "call": put("PutParameter", json!({ "Name": "/kinds/a", "Value": "1", "Type": "String" })), "undo": put("DeleteParameter", json!({ "Name": "/kinds/a" })), "repeatable": true });
    let call = bench.once("request.call", call).await;
    let map = json!({ "target": { "Eks": "kinds" }, "manifest": json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "kinds", "namespace": "default" }, "data": { "a": "1" } }).to_string(), "adopt": false, "force_conflicts": false, "wait": true, "wait_minutes": 1 });
    let changed = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "kinds", "namespace": "default" }, "data": { "b": "2" } });
    let map = bench.make("kube.object", map, Some(("manifest", changed))).await;

    // What runs in the host has no API to read it back from: tests/inference.rs.
    let all = bench.registry.kinds().map(|kind| kind.name()).filter(|name| !name.starts_with("inference."));
    let all: BTreeSet<_> = all.collect();
    assert_eq!(bench.seen, all, "no kind is left out");
    for (kind, made) in [
        ("kube.object", map),
        ("cloud-control.entity", queue),
        ("eks.pod-identity-association", identity),
        ("eks.fargate-profile", profile_of_pods),
        ("eks.node-group", nodes),
        ("eks.addon", addon),
        ("eks.access-entry", entry),
        ("eks.cluster", cluster_made),
        ("iam.oidc-provider", provider),
        ("iam.instance-profile", profile),
        ("iam.role", cluster_role),
        ("iam.role", node_role),
        ("iam.role", fargate_role),
        ("iam.policy", policy),
        ("ec2.launch-template", template),
        ("ec2.placement-group", placement),
        ("ec2.subnet", other),
        ("s3.folder", files),
        ("s3.bucket", bucket),
        ("ec2.interface-endpoint", private_made),
        ("ec2.subnet", beside),
        ("ec2.security-group-rule", rule),
        ("ec2.security-group", group),
        ("ec2.gateway-endpoint", endpoint),
        ("ec2.route-table-association", association),
        ("ec2.route", route),
        ("ec2.route", route_v6),
        ("ec2.nat-gateway", nat),
        ("ec2.elastic-ip", address),
        ("ec2.route-table", table),
        ("ec2.internet-gateway", gateway),
        ("ec2.egress-only-internet-gateway", egress),
        ("ec2.subnet", subnet),
        ("ec2.subnet", six_made),
        ("ec2.vpc-cidr-block", ipv6),
        ("ec2.vpc-cidr-block", block),
        ("ec2.vpc", vpc),
    ] {
        bench.delete(kind, &made.0, &made.1).await;
    }
    let undo = bench.registry.kind("request.call").unwrap();
    for time in ["first", "second"] {
        let undone = undo.delete(&call.0, &call.1, &Quiet).await;
        assert!(undone.is_ok(), "the {time} time: {undone:?}");
    }
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.concat().chars().all(|c| c.is_ascii_hexdigit())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}
