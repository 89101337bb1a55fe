//! `eks.node-group`

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_eks::types::{
    AmiTypes, CapacityTypes, LaunchTemplateSpecification, NodeRepairConfig, Nodegroup as Found, NodegroupScalingConfig,
    NodegroupStatus, NodegroupUpdateConfig, Taint as EksTaint, TaintEffect, UpdateLabelsPayload, UpdateTaintsPayload,
};
use futures::FutureExt;
use llmhost_engine::kind::{
    Created, DeclareContext, ErrorClass, Intent, Kind, Neighbours, Observed, OpError, Outputs, Permission, Progress,
    Scope,
};
use llmhost_engine::names::ResourceAddress;
use serde::{Deserialize, Serialize};

use super::{
    Operation, capacity, check_name, is_made_by, joined, labels, observed, once_role_is_known, sync_tags, tagged,
    taken, updated,
};
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::outputs;
use crate::aws::policy::Arns;
use crate::aws::tags::{Pairs, Tags};
use crate::aws::wait::{self, until};

/// A managed node group.
pub(in crate::aws) struct NodeGroup(pub(in crate::aws) Arc<Aws>);

/// Who has this tag lets the cluster autoscaler choose the size.
const AUTOSCALED: &str = "k8s.io/cluster-autoscaler/enabled";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    cluster_name: String,
    node_group_name: String,
    role_arn: String,
    #[serde(deserialize_with = "crate::aws::set::read")]
    subnet_ids: Vec<String>,
    instance_types: Vec<String>,
    ami_type: String,
    spot: bool,
    min_size: i32,
    max_size: i32,
    desired_size: i32,
    labels: Pairs,
    taints: Vec<Taint>,
    max_unavailable: Share,
    launch_template_id: String,
    launch_template_version: String,
    version: Option<String>,
    node_repair: bool,
    wait_minutes: u32,
    tags: Tags,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Taint {
    pub(super) key: String,
    pub(super) value: Option<String>,
    pub(super) effect: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Share {
    #[serde(alias = "Count")]
    Count(i32),
    #[serde(alias = "Percentage")]
    Percentage(i32),
}

impl Taint {
    fn to_eks(&self) -> EksTaint {
        let taint = EksTaint::builder().key(&self.key).set_value(self.value.clone());
        taint.effect(TaintEffect::from(self.effect.as_str())).build()
    }

    fn observe(taint: &EksTaint) -> Self {
        Self {
            key: taint.key().unwrap_or_default().to_owned(),
            value: taint.value().filter(|value| !value.is_empty()).map(str::to_owned),
            effect: taint.effect().map(|effect| effect.as_str().to_owned()).unwrap_or_default(),
        }
    }
}

impl Spec {
    fn scaling(&self, desired: i32) -> NodegroupScalingConfig {
        let sizes = NodegroupScalingConfig::builder().min_size(self.min_size).max_size(self.max_size);
        sizes.desired_size(desired).build()
    }

    /// The size that an update asks for where there are `running` nodes: the autoscaler's, inside
    /// the bounds, unless the pipeline states another one than before.
    fn desired(&self, was: Option<&Self>, running: Option<i32>) -> i32 {
        let is_new = was.is_some_and(|was| was.desired_size != self.desired_size);
        match running.filter(|_| self.tags.0.contains_key(AUTOSCALED) && !is_new) {
            Some(running) => running.clamp(self.min_size, self.max_size),
            None => self.desired_size,
        }
    }

    fn update_config(&self) -> NodegroupUpdateConfig {
        match self.max_unavailable {
            Share::Count(count) => NodegroupUpdateConfig::builder().max_unavailable(count),
            Share::Percentage(share) => NodegroupUpdateConfig::builder().max_unavailable_percentage(share),
        }
        .build()
    }

    fn template(&self) -> LaunchTemplateSpecification {
        let template = LaunchTemplateSpecification::builder().id(&self.launch_template_id);
        template.version(&self.launch_template_version).build()
    }

    fn observe(found: &Found, spec: &Self) -> Self {
        let sizes = found.scaling_config();
        let size = |size: Option<i32>| size.unwrap_or_default();
        let share = found.update_config();
        let same = |ours: &[String], theirs: &[String]| {
            let set = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
            if set(ours) == set(theirs) { ours.to_vec() } else { theirs.to_vec() }
        };
        let tags = observed(found.tags());
        let desired = size(sizes.and_then(|sizes| sizes.desired_size()));
        let mut taints: Vec<Taint> = found.taints().iter().map(Taint::observe).collect();
        taints.sort();
        let template = found.launch_template();
        Self {
            cluster_name: found.cluster_name().unwrap_or_default().to_owned(),
            node_group_name: found.nodegroup_name().unwrap_or_default().to_owned(),
            role_arn: found.node_role().unwrap_or_default().to_owned(),
            subnet_ids: same(&spec.subnet_ids, found.subnets()),
            instance_types: same(&spec.instance_types, found.instance_types()),
            ami_type: found.ami_type().map(|kind| kind.as_str().to_owned()).unwrap_or_default(),
            spot: found.capacity_type() == Some(&CapacityTypes::Spot),
            min_size: size(sizes.and_then(|sizes| sizes.min_size())),
            max_size: size(sizes.and_then(|sizes| sizes.max_size())),
            // The autoscaler moves it all the time; that is its business.
            desired_size: if tags.0.contains_key(AUTOSCALED) { spec.desired_size } else { desired },
            labels: Pairs(found.labels().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect()),
            taints,
            max_unavailable: match share.and_then(|share| share.max_unavailable_percentage()) {
                Some(percentage) => Share::Percentage(percentage),
                None => Share::Count(share.and_then(|share| share.max_unavailable()).unwrap_or(1)),
            },
            launch_template_id: template.and_then(|template| template.id()).unwrap_or_default().to_owned(),
            launch_template_version: template.and_then(|template| template.version()).unwrap_or_default().to_owned(),
            version: spec.version.as_ref().and_then(|_| found.version().map(str::to_owned)),
            node_repair: found.node_repair_config().and_then(|repair| repair.enabled()).unwrap_or(false),
            wait_minutes: spec.wait_minutes,
            tags,
        }
    }
}

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

    /// `desired` is the size to ask for.
    async fn update_config(
        &self,
        spec: &Spec,
        there: &Spec,
        desired: i32,
        progress: &dyn Progress,
    ) -> Result<(), OpError> {
        let sizes = |spec: &Spec| (spec.min_size, spec.max_size, spec.desired_size);
        let same_sizes = sizes(spec) == sizes(there);
        let same = same_sizes
            && spec.labels == there.labels
            && spec.taints == there.taints
            && spec.max_unavailable == there.max_unavailable
            && spec.node_repair == there.node_repair;
        if same {
            return Ok(());
        }
        let mut request = self.0.eks().await.update_nodegroup_config().cluster_name(&spec.cluster_name);
        request = request.nodegroup_name(&spec.node_group_name).update_config(spec.update_config());
        // What is not said stays as it is.
        if !same_sizes {
            request = request.scaling_config(spec.scaling(desired));
        }
        if spec.labels != there.labels {
            let new = spec.labels.0.iter().filter(|(key, value)| there.labels.0.get(*key) != Some(value));
            let new: HashMap<_, _> = new.map(|(key, value)| (key.clone(), value.clone())).collect();
            let gone = there.labels.0.keys().filter(|key| !spec.labels.0.contains_key(*key)).cloned().collect();
            let labels = UpdateLabelsPayload::builder();
            request = request.labels(labels.set_add_or_update_labels(Some(new)).set_remove_labels(Some(gone)).build());
        }
        if spec.taints != there.taints {
            let new = spec.taints.iter().filter(|taint| !there.taints.contains(taint)).map(Taint::to_eks).collect();
            // A taint is told by key and effect: one with a new value is updated, not removed.
            let stays = |old: &&Taint| spec.taints.iter().any(|new| new.key == old.key && new.effect == old.effect);
            let gone = there.taints.iter().filter(|old| !stays(old)).map(Taint::to_eks).collect();
            let taints = UpdateTaintsPayload::builder();
            request = request.taints(taints.set_add_or_update_taints(Some(new)).set_remove_taints(Some(gone)).build());
        }
        if spec.node_repair != there.node_repair {
            request = request.node_repair_config(NodeRepairConfig::builder().enabled(spec.node_repair).build());
        }
        let answer = request.send().await.operation("eks:UpdateNodegroupConfig")?;
        let group = (spec.cluster_name.as_str(), Some(spec.node_group_name.as_str()));
        updated(&self.0, group, answer.update, spec.wait_minutes, progress).await
    }

    /// New nodes by a new version of Kubernetes or of the launch template, old ones drained.
    async fn update_version(&self, spec: &Spec, there: &Spec, progress: &dyn Progress) -> Result<(), OpError> {
        if spec.version == there.version && spec.launch_template_version == there.launch_template_version {
            return Ok(());
        }
        progress.report("rolling the nodes over", 0, 0);
        let mut request = self.0.eks().await.update_nodegroup_version().cluster_name(&spec.cluster_name);
        request = request.nodegroup_name(&spec.node_group_name).set_version(spec.version.clone());
        if spec.launch_template_version != there.launch_template_version {
            request = request.launch_template(spec.template());
        }
        let answer = request.send().await.operation("eks:UpdateNodegroupVersion")?;
        let group = (spec.cluster_name.as_str(), Some(spec.node_group_name.as_str()));
        updated(&self.0, group, answer.update, spec.wait_minutes, progress).await
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
        "launch_template_id",
    ];
    const ASIDE: &'static [&'static str] = &["wait_minutes"];
    const UNIQUE: &'static [&'static str] = &["cluster_name", "node_group_name"];
    /// As the cluster's role.
    const BY_NAME: &'static [&'static str] = &["role_arn"];
    const IDENTITIES: &'static [&'static str] = &["arn", "auto_scaling_group"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        check_name("node group name", &spec.node_group_name, 63)?;
        if spec.instance_types.is_empty() {
            return Err("instance_types is empty".to_owned());
        }
        if spec.subnet_ids.is_empty() {
            return Err("subnet_ids is empty".to_owned());
        }
        if AmiTypes::from(spec.ami_type.as_str()).as_str() != spec.ami_type
            || !AmiTypes::values().contains(&spec.ami_type.as_str())
        {
            return Err(format!("ami_type '{}' is not one of {}", spec.ami_type, AmiTypes::values().join(", ")));
        }
        let (min, max, desired) = (spec.min_size, spec.max_size, spec.desired_size);
        if !(0 <= min && min <= desired && desired <= max && max >= 1) {
            return Err(format!(
                "min {min}, desired {desired}, max {max}: none may be below the one before it, and max must be at least 1"
            ));
        }
        match spec.max_unavailable {
            Share::Count(count) if !(1..=100).contains(&count) => {
                return Err(format!("max_unavailable is {count}; EKS takes 1 to 100 nodes"));
            }
            Share::Percentage(share) if !(1..=100).contains(&share) => {
                return Err(format!("max_unavailable is {share} percent; EKS takes 1 to 100"));
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
        associations.into_iter().map(|association| association.address).chain(routes).chain(addons).collect()
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

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let operation = "eks:CreateNodegroup";
        let request = self.0.eks_once().await.create_nodegroup().cluster_name(&spec.cluster_name);
        let request = request.nodegroup_name(&spec.node_group_name).node_role(&spec.role_arn);
        let request = request.set_subnets(Some(spec.subnet_ids.clone()));
        let request = request.set_instance_types(Some(spec.instance_types.clone()));
        let request = request.ami_type(AmiTypes::from(spec.ami_type.as_str()));
        let request = request.capacity_type(if spec.spot { CapacityTypes::Spot } else { CapacityTypes::OnDemand });
        let request = request.scaling_config(spec.scaling(spec.desired_size)).update_config(spec.update_config());
        let labels: BTreeMap<_, _> = spec.labels.0.clone();
        let request = request.set_labels(Some(labels.into_iter().collect()));
        let request = request.set_taints(Some(spec.taints.iter().map(Taint::to_eks).collect()));
        let request = request.launch_template(spec.template()).set_version(spec.version.clone());
        let request = request.node_repair_config(NodeRepairConfig::builder().enabled(spec.node_repair).build());
        let request = request.client_request_token(&intent.token).set_tags(Some(tagged(&spec.tags, intent)));
        let request = &request;
        let call = || async move { request.clone().send().await.operation(operation) }.boxed();
        let answer = once_role_is_known(&self.0, call).await;
        let answer = answer.map_err(|error| taken(error, "node group", &spec.node_group_name))?;
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
                        progress.report("waiting for the nodes to go", 0, 0);
                        Ok(None)
                    }
                }
            }
            .boxed()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(desired: i32, max: i32, autoscaled: bool) -> Spec {
        let tags = if autoscaled { json!([[AUTOSCALED, "true"]]) } else { json!([]) };
        let spec = json!({ "cluster_name": "c", "node_group_name": "n", "role_arn": "r", "subnet_ids": [], "instance_types": [],
            "ami_type": "a", "spot": false, "min_size": 1, "max_size": max, "desired_size": desired, "labels": [], "taints": [],
            "max_unavailable": { "count": 1 }, "launch_template_id": "l", "launch_template_version": "1", "version": null,
            "node_repair": true, "wait_minutes": 1, "tags": tags });
        serde_json::from_value(spec).expect("a spec")
    }

    #[test]
    fn an_update_leaves_the_size_that_the_autoscaler_chose() {
        let old = spec(2, 9, true);
        for (new, running, desired) in [
            (spec(2, 9, true), Some(5), 5),
            // Other bounds, and the size inside them.
            (spec(2, 4, true), Some(5), 4),
            // Another size is meant.
            (spec(3, 9, true), Some(5), 3),
            (spec(2, 9, false), Some(5), 2),
            (spec(2, 9, true), None, 2),
        ] {
            assert_eq!(new.desired(Some(&old), running), desired, "{new:?}");
        }
        assert_eq!(old.desired(None, Some(5)), 5, "a run that goes on");
    }
}
