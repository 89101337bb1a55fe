//! `eks.node-group`

mod interrupts;
mod spec;
mod update;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_eks::types::{AmiTypes, NodeRepairConfig, Nodegroup as Found, NodegroupStatus, TaintEffect};
use futures::FutureExt;
use llmhost_engine::kind::{
    ChangeKind, Created, DeclareContext, ErrorClass, Intent, Kind, Neighbours, Observed, OpError, Outputs, Permission,
    Progress, Sampled, Scope,
};
use llmhost_engine::names::ResourceAddress;
use serde_json::json;

use super::{
    Operation, capacity, check_name, is_made_by, joined, labels, observed, once_role_is_known, sync_tags, tagged,
    versions,
};
use crate::aws::blank;
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::forms;
use crate::aws::outputs;
use crate::aws::policy::Arns;
use crate::aws::wait::{self, until};
use crate::kubernetes::drain::{Drain, drain};
pub(super) use spec::Taint;
use spec::{Share, Spec};

/// A managed node group.
pub(in crate::aws) struct NodeGroup(pub(in crate::aws) Arc<Aws>);

impl NodeGroup {
    async fn look(&self, cluster: &str, name: &str) -> Result<Option<Found>, OpError> {
        let request = self.0.eks().await.describe_nodegroup().cluster_name(cluster).nodegroup_name(name);
        Ok(gone_is_none(request.send().await.operation("eks:DescribeNodegroup"))?.and_then(|answer| answer.nodegroup))
    }

    async fn active(&self, spec: &Spec, progress: &dyn Progress) -> Result<Found, OpError> {
        let operation = "eks:DescribeNodegroup";
        until(operation, wait::minutes(spec.wait_minutes), || {
            async move {
                let found = self.look(&spec.cluster_name, &spec.node_group_name).await?;
                match found.as_ref().and_then(|group| group.status()) {
                    Some(NodegroupStatus::Active | NodegroupStatus::Degraded) => Ok(found),
                    Some(NodegroupStatus::CreateFailed | NodegroupStatus::DeleteFailed) => {
                        let found = found.expect("a status comes from a group");
                        Err(self.broken(&found, spec).await)
                    }
                    status => {
                        let word = status.map_or("unknown", |status| status.as_str()).to_lowercase();
                        progress.report(&format!("waiting for the nodes ({word})"), 0, 0);
                        Ok(None)
                    }
                }
            }
            .boxed()
        })
        .await
    }

    /// Moves the pods of the group to other nodes. Where the cluster goes as well there are none for them.
    async fn drain(&self, spec: &Spec, progress: &dyn Progress) -> Result<(), OpError> {
        if spec.drain_timeout_minutes == 0 || self.0.kubernetes.is_going(&spec.cluster_name) {
            return Ok(());
        }
        let name = &spec.node_group_name;
        let nodes = Drain {
            cluster: &spec.cluster_name,
            selector: &format!("eks.amazonaws.com/nodegroup={name}"),
            what: &format!("node group '{name}'"),
            patience: self.0.rollout_patience(spec.drain_timeout_minutes),
            force: spec.drain_force,
        };
        drain(&self.0, &nodes, progress).await
    }

    /// What went wrong, from the group's health issues, and what would help.
    async fn broken(&self, found: &Found, spec: &Spec) -> OpError {
        let issues = found.health().map(|health| health.issues()).unwrap_or_default();
        let word = |issue: &aws_sdk_eks::types::Issue| {
            let code = issue.code().map_or("", |code| code.as_str());
            let of = match issue.resource_ids() {
                [] => String::new(),
                ids => format!(" ({})", ids.join(", ")),
            };
            format!("{code}: {}{of}", issue.message().unwrap_or("no reason given"))
        };
        let words: Vec<String> = issues.iter().map(word).collect();
        let reason = if words.is_empty() { "EKS does not say why".to_owned() } else { words.join("; ") };
        let mut error = OpError::local("eks:CreateNodegroup", format!("the node group failed: {reason}"));
        error.code = issues.first().and_then(|issue| issue.code()).map(|code| code.as_str().to_owned());
        error.class = ErrorClass::Broken;
        error.advice = capacity::advice(&self.0, &reason, &spec.instance_types, &spec.subnet_ids, spec.spot).await;
        error
    }
}

fn known(found: &Found) -> Outputs {
    let groups = found.resources().map(|resources| resources.auto_scaling_groups()).unwrap_or_default();
    let group = groups.first().and_then(|group| group.name()).unwrap_or_default();
    outputs([
        ("node_group_name", found.nodegroup_name().unwrap_or_default()),
        ("arn", found.nodegroup_arn().unwrap_or_default()),
        ("auto_scaling_group", group),
    ])
}

#[async_trait]
impl Kind for NodeGroup {
    type Spec = Spec;
    const NAME: &'static str = "eks.node-group";
    const ACTIONS: &'static [&'static str] = &[
        "eks:CreateNodegroup",
        "eks:DescribeNodegroup",
        "eks:UpdateNodegroupConfig",
        "eks:UpdateNodegroupVersion",
        "eks:DescribeUpdate",
        "eks:TagResource",
        "eks:UntagResource",
        "eks:DeleteNodegroup",
        "iam:PassRole",
        "iam:GetRole",
        "iam:CreateServiceLinkedRole",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:DescribeSubnets",
        "ec2:DescribeInstanceTypeOfferings",
        "ec2:RunInstances",
    ];
    const IMMUTABLE: &'static [&'static str] = &[
        "cluster_name",
        "node_group_name",
        "role_arn",
        "subnet_ids",
        "instance_types",
        "ami_type",
        "spot",
        "capacity_block",
        "instance_type_in_template",
        "launch_template_id",
    ];
    const ASIDE: &'static [&'static str] = &["wait_minutes"];
    const UNIQUE: &'static [&'static str] = &["cluster_name", "node_group_name"];
    /// As the cluster's role.
    const BY_NAME: &'static [&'static str] = &["role_arn"];
    const IDENTITIES: &'static [&'static str] = &["arn", "auto_scaling_group"];
    const FOLLOWS: bool = true;

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        check_name("node group name", &spec.node_group_name, 63)?;
        if spec.instance_types.is_empty() {
            return Err("instance_types is empty".to_owned());
        }
        if spec.subnet_ids.is_empty() {
            return Err("subnet_ids is empty".to_owned());
        }
        forms::role("role_arn", &spec.role_arn)?;
        forms::ids("subnet_ids", "subnet-", &spec.subnet_ids)?;
        if AmiTypes::from(spec.ami_type.as_str()).as_str() != spec.ami_type
            || !AmiTypes::values().contains(&spec.ami_type.as_str())
        {
            return Err(format!("ami_type '{}' is not one of {}", spec.ami_type, AmiTypes::values().join(", ")));
        }
        if spec.spot && spec.capacity_block {
            return Err("spot instances do not start in a capacity block; set one of the two".to_owned());
        }
        if spec.has_own_image() && (spec.version.is_some() || spec.release_version.is_some()) {
            return Err("the launch template sets the image and its version: remove version and \
                        release_version"
                .to_owned());
        }
        let (min, max, desired) = (spec.min_size, spec.max_size, spec.desired_size);
        if !(0 <= min && min <= desired && desired <= max && max >= 1) {
            return Err(format!(
                "min {min}, desired {desired}, max {max}: they must be in ascending order, and max must be at least 1"
            ));
        }
        match spec.max_unavailable {
            Share::Count(count) if !(1..=100).contains(&count) => {
                return Err(format!("max_unavailable is {count}; EKS allows 1 to 100 nodes"));
            }
            Share::Percentage(share) if !(1..=100).contains(&share) => {
                return Err(format!("max_unavailable is {share} percent; EKS allows 1 to 100"));
            }
            _ => {}
        }
        let effects = TaintEffect::values();
        if let Some(taint) = spec.taints.iter().find(|taint| !effects.contains(&taint.effect.as_str())) {
            return Err(format!("the taint effect '{}' is not one of {}", taint.effect, effects.join(", ")));
        }
        spec.taints.sort();
        labels::check_taints(&spec.taints)?;
        labels::check_labels(&spec.labels.0)?;
        spec.tags.complete(context)
    }

    /// Nodes follow their cluster.
    fn follow(&self, spec: &mut Spec, declared: &dyn Neighbours) {
        if spec.version.is_none() && !spec.has_own_image() {
            spec.version = versions::of_cluster(&spec.cluster_name, declared);
        }
    }

    fn check_change(&self, old: &Spec, new: &Spec) -> Result<(), String> {
        let (Some(was), Some(version)) = (&old.version, &new.version) else { return Ok(()) };
        match (versions::number(was), versions::number(version)) {
            (Some(from), Some(to)) if to < from => Err(format!(
                "the nodes run Kubernetes {was}, and EKS cannot downgrade them to {version}; set version = \"{was}\" or \
                 remove it, or create a node group with another name"
            )),
            _ => Ok(()),
        }
    }

    fn check(&self, _: &ResourceAddress, spec: &Spec, declared: &dyn Neighbours) -> Result<(), String> {
        if let (Some(release), Some(version)) = (&spec.release_version, &spec.version) {
            versions::check_release(release, version, &spec.ami_type)?;
        }
        match (versions::of_cluster(&spec.cluster_name, declared), &spec.version) {
            (Some(cluster), Some(nodes)) => versions::check_skew(&cluster, nodes),
            _ => Ok(()),
        }
    }

    fn interrupts(&self, old: &Spec, new: &Spec, how: ChangeKind) -> Option<String> {
        interrupts::interrupts(old, new, how)
    }

    fn foreknown(&self, spec: &Spec) -> Outputs {
        outputs([("node_group_name", spec.node_group_name.as_str())])
    }

    /// Nodes in private subnets reach the API server, and images, by the routes of their subnets.
    fn after(&self, spec: &Spec, declared: &dyn Neighbours) -> Vec<ResourceAddress> {
        let ours =
            |value: &serde_json::Value| value.as_str().is_some_and(|id| spec.subnet_ids.iter().any(|own| own == id));
        let associations: Vec<_> = declared
            .of_kind("ec2.route-table-association")
            .into_iter()
            .filter(|association| ours(&association.spec["subnet_id"]))
            .collect();
        let is_used = |table: &serde_json::Value| associations.iter().any(|used| used.spec["route_table_id"] == *table);
        let routes = declared.of_kind("ec2.route").into_iter().filter(|route| is_used(&route.spec["route_table_id"]));
        let routes: Vec<_> = routes.map(|route| route.address).collect();
        // And they are ready once the network add-on is, which must not go before they do.
        let addons = declared.of_kind("eks.addon").into_iter();
        let addons = addons.filter(|addon| addon.spec["cluster_name"] == spec.cluster_name).map(|addon| addon.address);
        // Where there is no way out, interface endpoints are.
        let subnets = spec.subnet_ids.iter().filter_map(|id| declared.by_identity(id));
        let vpcs: Vec<_> = subnets.map(|subnet| subnet.spec["vpc_id"].clone()).collect();
        let endpoints = declared.of_kind("ec2.interface-endpoint").into_iter();
        let endpoints = endpoints.filter(|endpoint| vpcs.contains(&endpoint.spec["vpc_id"]));
        let endpoints = endpoints.map(|endpoint| endpoint.address);
        let associations = associations.into_iter().map(|association| association.address);
        associations.chain(routes).chain(addons).chain(endpoints).collect()
    }

    fn permissions(&self, spec: &Spec, scope: &Scope<'_>) -> Vec<Permission> {
        let on_it: Vec<_> = Self::ACTIONS.iter().copied().filter(|action| action.starts_with("eks:")).collect();
        let cluster = scope.arn("eks", &format!("cluster/{}", spec.cluster_name));
        let groups = scope.arn("eks", &format!("nodegroup/{}/{}/*", spec.cluster_name, spec.node_group_name));
        let linked = scope.iam("role", "/aws-service-role/eks-nodegroup.amazonaws.com/", "*");
        vec![
            Permission::new(&on_it, [cluster, groups]),
            Permission::new(&["iam:PassRole", "iam:GetRole"], [scope.known_arn(&spec.role_arn, "iam", "role/*")]),
            Permission::new(&["iam:CreateServiceLinkedRole"], [linked]),
            Permission::new(
                &[
                    "ec2:DescribeLaunchTemplateVersions",
                    "ec2:DescribeSubnets",
                    "ec2:DescribeInstanceTypeOfferings",
                    // EKS checks that its caller may start what the launch template says.
                    "ec2:RunInstances",
                ],
                ["*".to_owned()],
            ),
        ]
    }

    fn id_of(&self, spec: &Spec) -> Option<String> {
        Some(joined(&[&spec.cluster_name, &spec.node_group_name]))
    }

    fn sample(&self, output: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(match output {
            "arn" => sampled.scope.arn("eks", &format!("nodegroup/sample/sample/{}", sampled.unique)).into(),
            _ => format!("eks-sample-{}", sampled.unique).into(),
        })
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let operation = "eks:CreateNodegroup";
        let request = self.0.eks_once().await.create_nodegroup().cluster_name(&spec.cluster_name);
        let request = request.nodegroup_name(&spec.node_group_name).node_role(&spec.role_arn);
        let request = request.set_subnets(Some(spec.subnet_ids.clone()));
        // What the template says, the group must not.
        let types = (!spec.instance_type_in_template).then(|| spec.instance_types.clone());
        let image = (!spec.has_own_image()).then(|| AmiTypes::from(spec.ami_type.as_str()));
        let request = request.set_instance_types(types).set_ami_type(image).capacity_type(spec.capacity());
        let request = request.set_release_version(spec.release_version.clone());
        let request = request.scaling_config(spec.scaling(spec.desired_size)).update_config(spec.update_config());
        let labels: BTreeMap<_, _> = spec.labels.0.clone();
        let request = request.set_labels(Some(labels.into_iter().collect()));
        let request = request.set_taints(Some(spec.taints.iter().map(Taint::to_eks).collect()));
        let request = request.launch_template(spec.template()).set_version(spec.version.clone());
        let request = request.node_repair_config(NodeRepairConfig::builder().enabled(spec.node_repair).build());
        let request = request.client_request_token(&intent.token).set_tags(Some(tagged(&spec.tags, intent)));
        let request = &request;
        let call = || async move { request.clone().send().await.operation(operation) }.boxed();
        let answer = once_role_is_known(&self.0, call).await?;
        let id = joined(&[&spec.cluster_name, &spec.node_group_name]);
        Ok(Created { id, outputs: answer.nodegroup.as_ref().map(known).unwrap_or_default() })
    }

    async fn configure(
        &self,
        _: &str,
        spec: &Spec,
        was: Option<&Spec>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        let found = self.active(spec, progress).await?;
        let there = Spec::observe(&found, spec);
        let running = found.scaling_config().and_then(|sizes| sizes.desired_size());
        self.update_config(spec, &there, spec.desired(was, running), progress).await?;
        self.update_version(spec, &there, progress).await?;
        sync_tags(&self.0, found.nodegroup_arn().unwrap_or_default(), &there.tags, &spec.tags).await?;
        let found = if there == *spec { found } else { self.active(spec, progress).await? };
        Ok(known(&found))
    }

    /// Its name is that of the cluster and its own: `cluster/group`.
    fn blank(&self, name: &str) -> Option<Spec> {
        let (cluster, group) = name.split_once('/')?;
        blank(json!({
            "cluster_name": cluster, "node_group_name": group, "role_arn": "", "subnet_ids": [], "instance_types": [],
            "ami_type": "", "spot": false, "min_size": 0, "max_size": 0, "desired_size": 0, "labels": {}, "taints": [],
            "max_unavailable": { "count": 1 }, "launch_template_id": "", "launch_template_version": "", "version": null,
            "node_repair": false, "wait_minutes": 0, "tags": {},
        }))
    }

    async fn read(&self, _: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let found = self.look(&spec.cluster_name, &spec.node_group_name).await?;
        let found = found.filter(|group| group.status() != Some(&NodegroupStatus::Deleting));
        Ok(found.map(|found| Observed { spec: Spec::observe(&found, spec), outputs: known(&found) }))
    }

    async fn find(&self, spec: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let found = self.look(&spec.cluster_name, &spec.node_group_name).await?;
        let found = found.filter(|group| is_made_by(group.tags(), intent));
        let id = joined(&[&spec.cluster_name, &spec.node_group_name]);
        Ok(found.map(|found| Created { id, outputs: known(&found) }))
    }

    async fn delete(&self, _: &str, spec: &Spec, progress: &dyn Progress) -> Result<(), OpError> {
        if let Some(there) = self.look(&spec.cluster_name, &spec.node_group_name).await? {
            let what = format!("node group '{}' of the cluster '{}'", spec.node_group_name, spec.cluster_name);
            spec.tags.own(&observed(there.tags()), "eks:DeleteNodegroup", &what)?;
            if there.status() != Some(&NodegroupStatus::Deleting) {
                self.drain(spec, progress).await?;
            }
        }
        let request = self.0.eks().await.delete_nodegroup().cluster_name(&spec.cluster_name);
        match request.nodegroup_name(&spec.node_group_name).send().await.operation("eks:DeleteNodegroup") {
            Err(error) if error.class == ErrorClass::NotFound => return Ok(()),
            Err(error) if error.code.as_deref() == Some("ResourceInUseException") => {
                let status = self.look(&spec.cluster_name, &spec.node_group_name).await?.and_then(|group| group.status);
                if status != Some(NodegroupStatus::Deleting) {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        until("eks:DescribeNodegroup", wait::minutes(spec.wait_minutes), || {
            async move {
                let found = self.look(&spec.cluster_name, &spec.node_group_name).await?;
                match found.as_ref().and_then(|group| group.status()) {
                    None => Ok(Some(())),
                    Some(NodegroupStatus::DeleteFailed) => {
                        let found = found.expect("a status comes from a group");
                        let mut error = self.broken(&found, spec).await;
                        error.operation = "eks:DeleteNodegroup".to_owned();
                        error.class = ErrorClass::Conflict;
                        Err(error)
                    }
                    Some(_) => {
                        progress.report("waiting for the nodes to be deleted", 0, 0);
                        Ok(None)
                    }
                }
            }
            .boxed()
        })
        .await
    }
}
