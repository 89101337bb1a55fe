//! Stand-ins: what a pipeline looks up, made in an emulator, where nothing exists.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use llmhost_engine::kind::{ErrorClass, Intent, OpError, Outputs, Progress};
use llmhost_engine::look_up::{self, Query};
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::placement::Placement;
use llmhost_engine::registry::Registry;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

/// Marks what stands in for a resource that the file names by its id.
const MARK: &str = "llmhost:stand-in";

/// How many stand in for any number.
const SEVERAL: usize = 2;

/// Where the range of the first network begins.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 0);

/// Services that may assume a role that stands in: those that the built-in plugins make roles for.
const TRUSTED: [&str; 4] = ["eks", "ec2", "pods.eks", "eks-fargate-pods"];

/// What roles of clusters and nodes have, so that such a role can be either.
const POLICIES: [&str; 5] = [
    "AmazonEKSClusterPolicy",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonSSMManagedInstanceCore",
];

/// The name of a network that the file does not look up, and something in it is.
const UNNAMED: &str = "stand-in";

/// What nodes of a cluster need to join it.
const ADDONS: [&str; 4] = ["vpc-cni", "kube-proxy", "coredns", "eks-pod-identity-agent"];

/// Makes what would be looked up.
pub struct StandIns {
    registry: Arc<Registry>,
    region: String,
    /// Networks so far.
    networks: Mutex<BTreeMap<String, Network>>,
    count: AtomicUsize,
    /// Tells its tokens from those of an earlier run with the same emulator.
    began: u128,
    /// Those of other placements.
    elsewhere: Mutex<BTreeMap<Placement, Arc<StandIns>>>,
}

/// A network that stands in.
struct Network {
    /// Where its range begins.
    begin: Ipv4Addr,
    /// How many subnets it has.
    subnets: u32,
    /// The route table of its subnets, which leads out.
    table: Option<String>,
    /// Whether the file looks it up: others look up what is in it.
    is_looked_up: bool,
}

struct Quiet;

impl Progress for Quiet {
    fn report(&self, _: &str, _: u64, _: u64) {}
}

impl StandIns {
    /// Stand-ins that these kinds make.
    pub fn new(registry: Arc<Registry>, region: &str) -> Self {
        let (networks, count) = (Mutex::default(), AtomicUsize::new(0));
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        Self { registry, region: region.to_owned(), networks, count, began, elsewhere: Mutex::default() }
    }

    /// Those of a placement.
    async fn at(&self, placement: &Placement) -> Arc<Self> {
        let mut elsewhere = self.elsewhere.lock().await;
        let make = || {
            let region = placement.region_in(&self.region);
            Arc::new(Self::new(self.registry.at(placement), region))
        };
        Arc::clone(elsewhere.entry(placement.clone()).or_insert_with(make))
    }

    /// What an earlier run made for the same query, where the emulator was kept.
    async fn made_before(&self, query: &Query) -> Result<Vec<String>, OpError> {
        let kind = self.registry.kind(&query.kind);
        let kind = kind.ok_or_else(|| unsupported(&query.kind))?;
        if let Some(id) = &query.id
            && let Some(ids) = kind.by_tags(&BTreeMap::from([(MARK.to_owned(), id.clone())])).await?
            && !ids.is_empty()
        {
            return Ok(ids);
        }
        match look_up::look_up(&self.registry, query, "").await {
            Ok(found) => Ok(found.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect()),
            Err(error) if matches!(error.class, ErrorClass::NotFound | ErrorClass::Invalid) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    async fn create(&self, name: &str, spec: Value) -> Result<(String, Outputs), OpError> {
        let kind = self.registry.kind(name).ok_or_else(|| unsupported(name))?;
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let address: ResourceAddress =
            format!("existing/{name}/stand-in-{number}").parse().map_err(|_| unsupported(name))?;
        let token = format!("llmhost-{}-{number}", self.began);
        let created = kind.create(&spec, &Intent { address, token }, &Quiet).await?;
        let mut outputs = created.outputs;
        outputs.extend(kind.configure(&created.id, &spec, None, &Quiet).await?);
        Ok((created.id, outputs))
    }

    /// A network to put things in.
    async fn network(&self, wanted: Option<String>) -> Result<String, OpError> {
        match wanted {
            Some(id) => Ok(id),
            None => {
                // Held while one is made: look-ups at the same time share it.
                let mut networks = self.networks.lock().await;
                match networks.keys().next().cloned() {
                    Some(id) => Ok(id),
                    None => self.vpc(&mut networks, &Map::new(), json!({ "Name": UNNAMED })).await,
                }
            }
        }
    }

    async fn vpc(
        &self,
        networks: &mut BTreeMap<String, Network>,
        attributes: &Map<String, Value>,
        tags: Value,
    ) -> Result<String, OpError> {
        let range = text(attributes, "cidr_block");
        let is_looked_up = tags["Name"] != UNNAMED;
        // One that was made for what is in it is the one that the file means.
        let free = networks.iter_mut().find(|(_, network)| is_looked_up && range.is_none() && !network.is_looked_up);
        if let Some((id, network)) = free {
            network.is_looked_up = true;
            let spec = |tags: Value| {
                let range = format!("{}/16", network.begin);
                json!({ "cidr_block": range, "dns_support": true, "dns_hostnames": true, "tags": tags })
            };
            let kind = self.registry.kind("ec2.vpc").ok_or_else(|| unsupported("ec2.vpc"))?;
            kind.configure(id, &spec(tags), Some(&spec(json!({ "Name": UNNAMED }))), &Quiet).await?;
            return Ok(id.clone());
        }
        let number = 200 + networks.len();
        let range = range.unwrap_or_else(|| format!("10.{number}.0.0/16"));
        let begin = range.split('/').next().and_then(|begin| begin.parse().ok()).unwrap_or(FIRST);
        let spec = json!({ "cidr_block": range, "dns_support": true, "dns_hostnames": true, "tags": tags });
        let (id, _) = self.create("ec2.vpc", over(spec, attributes)).await?;
        networks.insert(id.clone(), Network { begin, subnets: 0, table: None, is_looked_up });
        Ok(id)
    }

    async fn subnet(&self, attributes: &Map<String, Value>, tags: Value) -> Result<String, OpError> {
        let vpc = self.network(text(attributes, "vpc_id")).await?;
        let mut networks = self.networks.lock().await;
        let network = networks.entry(vpc.clone()).or_insert(Network {
            begin: FIRST,
            subnets: 0,
            table: None,
            is_looked_up: true,
        });
        let zone = format!("{}{}", self.region, ['a', 'b', 'c'][network.subnets as usize % 3]);
        let range = format!("{}/24", Ipv4Addr::from_bits(network.begin.to_bits() + (network.subnets << 8)));
        network.subnets += 1;
        let spec = json!({
            "vpc_id": vpc, "cidr_block": range, "availability_zone": zone, "map_public_ip_on_launch": false, "tags": tags,
        });
        let (id, _) = self.create("ec2.subnet", over(spec, attributes)).await?;
        if network.table.is_none() {
            network.table = Some(self.way_out(&vpc, &id).await?);
        }
        let association = json!({ "route_table_id": network.table, "subnet_id": id });
        self.create("ec2.route-table-association", association).await?;
        Ok(id)
    }

    /// A route table that leads out by a gateway in a subnet, so that nodes reach what they need, as in a network that is
    /// there.
    async fn way_out(&self, vpc: &str, subnet: &str) -> Result<String, OpError> {
        let (_, address) = self.create("ec2.elastic-ip", json!({ "tags": {} })).await?;
        let address = address.get("allocation_id").cloned().unwrap_or_default();
        let gateway = json!({ "subnet_id": subnet, "allocation_id": address, "tags": {} });
        let (gateway, _) = self.create("ec2.nat-gateway", gateway).await?;
        let (table, _) = self.create("ec2.route-table", json!({ "vpc_id": vpc, "tags": {} })).await?;
        let target = json!({ "nat_gateway": gateway });
        let route = json!({ "route_table_id": table, "destination_cidr_block": "0.0.0.0/0", "target": target });
        self.create("ec2.route", route).await?;
        Ok(table)
    }

    async fn role(
        &self,
        name: &str,
        attributes: &Map<String, Value>,
        tags: Value,
    ) -> Result<(String, Outputs), OpError> {
        let partition = llmhost_partitions::of(&self.region);
        let policies = POLICIES.map(|policy| format!("arn:{}:iam::aws:policy/{policy}", partition.id));
        let trusted = TRUSTED.map(|service| partition.service_principal(service));
        let spec = json!({
            "role_name": name, "path": "/", "description": "", "max_session_duration": 3600, "managed_policy_arns": policies,
            "inline_policies": {}, "permissions_boundary": null, "tags": tags,
            "assume_role_policy": {
                "Statement": [{
                    "Effect": "Allow", "Principal": { "Service": trusted }, "Action": ["sts:AssumeRole", "sts:TagSession"],
                }],
            },
        });
        self.create("iam.role", over(spec, attributes)).await
    }

    async fn cluster(&self, name: &str, attributes: &Map<String, Value>, tags: Value) -> Result<String, OpError> {
        let role = format!("{name}-stand-in");
        let (_, role) = self.role(&role, &Map::new(), json!({ "Name": role })).await?;
        let mut subnets = Vec::new();
        for _ in 0..SEVERAL {
            subnets.push(self.subnet(&Map::new(), json!({ "Name": name })).await?);
        }
        let version = self.registry.facts().look_up("eks.newest-version").await?;
        let blank = self.registry.kind("eks.cluster").and_then(|kind| kind.blank(name));
        let mut spec = blank.ok_or_else(|| unsupported("eks.cluster"))?;
        for (key, value) in [
            ("version", json!(version)),
            ("role_arn", role.get("arn").cloned().unwrap_or_default()),
            ("subnet_ids", json!(subnets)),
            ("public_access", json!(true)),
            ("private_access", json!(true)),
            ("public_access_cidrs", json!(["0.0.0.0/0"])),
            ("service_ipv4_cidr", Value::Null),
            ("extended_support", json!(true)),
            ("wait_minutes", json!(30)),
            ("tags", tags),
        ] {
            spec[key] = value;
        }
        let (cluster, _) = self.create("eks.cluster", over(spec, attributes)).await?;
        for addon in ADDONS {
            self.addon(&format!("{cluster}/{addon}"), json!({})).await?;
        }
        Ok(cluster)
    }

    /// An add-on, by the name of its cluster and its own.
    async fn addon(&self, name: &str, tags: Value) -> Result<String, OpError> {
        let blank = self.registry.kind("eks.addon").and_then(|kind| kind.blank(name));
        let mut spec = blank.ok_or_else(|| unsupported("eks.addon"))?;
        (spec["tags"], spec["wait_minutes"]) = (tags, 20.into());
        Ok(self.create("eks.addon", spec).await?.0)
    }

    /// One of what a query would find.
    async fn one(&self, query: &Query, number: usize) -> Result<String, OpError> {
        let mut attributes = query.attributes.clone();
        let called = query.name.clone().or_else(|| query.id.clone()).or_else(|| query.tags.get("Name").cloned());
        let called = called.unwrap_or_else(|| format!("stand-in-{number}"));
        let mut tags = query.tags.clone();
        if let Some(name) = &query.name {
            tags.entry("Name".to_owned()).or_insert_with(|| name.clone());
        }
        if let Some(id) = &query.id {
            tags.insert(MARK.to_owned(), id.clone());
        }
        let tags = json!(tags);
        let in_network = |vpc: String| json!({ "vpc_id": vpc, "tags": tags });
        let kind = &*query.kind;
        let vpc = text(&attributes, "vpc_id");
        let (id, _) = match kind {
            "ec2.vpc" => return self.vpc(&mut *self.networks.lock().await, &attributes, tags).await,
            "ec2.subnet" => return self.subnet(&attributes, tags).await,
            "eks.cluster" => return self.cluster(&called, &attributes, tags).await,
            "iam.role" => self.role(&called, &attributes, tags).await?,
            "ec2.elastic-ip" => self.create(kind, json!({ "tags": tags })).await?,
            "ec2.internet-gateway" | "ec2.route-table" => {
                self.create(kind, over(in_network(self.network(vpc).await?), &attributes)).await?
            }
            "ec2.security-group" => {
                let mut spec = in_network(self.network(vpc).await?);
                (spec["group_name"], spec["description"]) = (called.into(), "stand-in".into());
                self.create(kind, over(spec, &attributes)).await?
            }
            "ec2.nat-gateway" => {
                let (_, address) = self.create("ec2.elastic-ip", json!({ "tags": {} })).await?;
                let subnet = match text(&attributes, "subnet_id") {
                    Some(subnet) => subnet,
                    None => self.subnet(&Map::new(), json!({})).await?,
                };
                let address = address.get("allocation_id").cloned().unwrap_or_default();
                self.create(kind, json!({ "subnet_id": subnet, "allocation_id": address, "tags": tags })).await?
            }
            "iam.instance-profile" => {
                self.role(&called, &Map::new(), json!({})).await?;
                self.create(kind, json!({ "profile_name": called, "role_name": called, "tags": tags })).await?
            }
            "iam.oidc-provider" => {
                let issuer = match called.split_once(":oidc-provider/") {
                    Some((_, issuer)) => issuer.to_owned(),
                    None => called.trim_start_matches("https://").to_owned(),
                };
                let url = format!("https://{issuer}");
                self.create(
                    kind,
                    over(json!({ "url": url, "client_ids": ["sts.amazonaws.com"], "tags": tags }), &attributes),
                )
                .await?
            }
            "iam.policy" | "s3.bucket" | "ec2.launch-template" => {
                // The last part of an ARN.
                let name = called.rsplit('/').next().unwrap_or(&called);
                let blank = self.registry.kind(kind).and_then(|kind| kind.blank(name));
                let mut spec = blank.ok_or_else(|| unsupported(kind))?;
                spec["tags"] = tags;
                if kind == "s3.bucket" {
                    spec["block_public_access"] = true.into();
                }
                if kind == "ec2.launch-template" {
                    spec["root_volume"]["size_gib"] = 20.into();
                }
                attributes.retain(|key, _| spec.get(key).is_some());
                self.create(kind, over(spec, &attributes)).await?
            }
            "eks.addon" => {
                let (cluster, addon) = called.split_once('/').ok_or_else(|| unsupported(kind))?;
                let of_cluster =
                    Query { kind: "eks.cluster".to_owned(), id: Some(cluster.to_owned()), ..Query::default() };
                if self.made_before(&of_cluster).await?.is_empty() {
                    self.cluster(cluster, &Map::new(), json!({})).await?;
                    if ADDONS.contains(&addon) {
                        return Ok(called);
                    }
                }
                return self.addon(&called, tags).await;
            }
            _ => return Err(unsupported(kind)),
        };
        Ok(id)
    }
}

#[async_trait]
impl look_up::StandIns for StandIns {
    async fn make(&self, query: &Query) -> Result<Vec<String>, OpError> {
        if !query.placement.is_own() {
            let there = self.at(&query.placement).await;
            // Its own registry is that of the placement.
            return there.make(&Query { placement: Placement::default(), ..query.clone() }).await;
        }
        let before = self.made_before(query).await?;
        if !before.is_empty() {
            return Ok(before);
        }
        let mut ids = Vec::new();
        for number in 0..if query.all { SEVERAL } else { 1 } {
            ids.push(self.one(query, number).await?);
        }
        ids.sort();
        Ok(ids)
    }
}

/// A spec with what a query says of it.
fn over(mut spec: Value, attributes: &Map<String, Value>) -> Value {
    for (key, value) in attributes {
        if let Some(field) = spec.get_mut(key) {
            *field = value.clone();
        }
    }
    spec
}

fn text(attributes: &Map<String, Value>, key: &str) -> Option<String> {
    attributes.get(key)?.as_str().map(str::to_owned)
}

fn unsupported(kind: &str) -> OpError {
    let mut error = OpError::local("make a stand-in", format!("an emulator starts empty, and {kind} has no stand-in"));
    error.class = ErrorClass::Invalid;
    error.advice = Some("Remove the look-up for the rehearsal, or set its value with a variable.".to_owned());
    error
}
