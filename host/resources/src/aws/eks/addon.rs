//! `eks.addon`

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_eks::types::{
    Addon as Found, AddonPodIdentityAssociations, AddonStatus, AddonVersionInfo, ResolveConflicts,
};
use futures::FutureExt;
use llmhost_engine::kind::{
    ChangeKind, Created, DeclareContext, ErrorClass, Intent, Kind, Neighbours, Observed, OpError, Outputs, Permission,
    Progress, ReplaceOrder, Sampled, Scope,
};
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::run::ADDRESS_TAG;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Operation, is_made_by, joined, observed, once_role_is_known, sync_tags, tagged, there, versions};
use crate::aws::blank;
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::forms;
use crate::aws::outputs;
use crate::aws::policy::Arns;
use crate::aws::tags::Tags;
use crate::aws::wait::{self, until};
use crate::kubernetes::names::dns_subdomain;

/// Software that EKS installs in a cluster and keeps running.
pub(in crate::aws) struct Addon(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    cluster_name: String,
    addon_name: String,
    /// None: the default for the cluster's version.
    version: Option<String>,
    /// The version of the declared cluster, where none is stated for the add-on: it follows.
    #[serde(default)]
    cluster_version: Option<String>,
    /// JSON, by the add-on's own schema.
    #[serde(deserialize_with = "settings")]
    configuration: Option<Value>,
    service_account_role_arn: Option<String>,
    /// Roles by Pod Identity, of service accounts of the add-on.
    #[serde(default)]
    pod_identity: Vec<PodRole>,
    overwrite: bool,
    /// An update keeps what others changed.
    #[serde(default)]
    preserve: bool,
    wait: bool,
    wait_minutes: u32,
    tags: Tags,
}

/// A service account of an add-on, and the role that its pods get.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct PodRole {
    service_account: String,
    role_arn: String,
}

impl PodRole {
    fn to_eks(&self) -> Result<AddonPodIdentityAssociations, OpError> {
        let pair = AddonPodIdentityAssociations::builder().service_account(&self.service_account);
        let pair = pair.role_arn(&self.role_arn).build();
        pair.map_err(|error| OpError::local("eks:CreateAddon", error.to_string()))
    }
}

/// Reads WIT's text, or the value that the state holds.
fn settings<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        Some(Value::String(text)) => serde_json::from_str(&text)
            .map(Some)
            .map_err(|error| serde::de::Error::custom(format!("configuration is not JSON: {error}"))),
        other => Ok(other),
    }
}

/// The add-on that makes volumes of EBS for claims.
const EBS_DRIVER: &str = "aws-ebs-csi-driver";

/// The add-on that hands out the credentials of Pod Identity.
const AGENT: &str = "eks-pod-identity-agent";

/// Has the driver put the pipeline's tags on the volumes that it makes, unless its configuration says which. The
/// address is left out: what carries one is never taken for the cluster's own, which these are.
fn tag_volumes(spec: &mut Spec, context: &DeclareContext<'_>) {
    let tags = context.tags.iter().filter(|(key, _)| *key != ADDRESS_TAG);
    let tags: Value = tags.map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
    let configuration = spec.configuration.get_or_insert_with(|| json!({}));
    let controller = &mut configuration["controller"];
    if controller.is_null() {
        *controller = json!({});
    }
    if let Some(controller) = controller.as_object_mut() {
        controller.entry("extraVolumeTags").or_insert(tags);
    }
}

impl Addon {
    async fn look(&self, cluster: &str, name: &str) -> Result<Option<Found>, OpError> {
        let request = self.0.eks().await.describe_addon().cluster_name(cluster).addon_name(name);
        Ok(gone_is_none(request.send().await.operation("eks:DescribeAddon"))?.and_then(|answer| answer.addon))
    }

    /// The add-on as EKS shows it, in the form of a spec. The roles of its pods stand in associations of their own.
    async fn seen(&self, found: &Found, spec: &Spec) -> Result<Spec, OpError> {
        let mut seen = Spec::observe(found, spec);
        for arn in found.pod_identity_associations() {
            let id = arn.rsplit('/').next().unwrap_or_default();
            let request = self.0.eks().await.describe_pod_identity_association().cluster_name(&spec.cluster_name);
            let answer = request.association_id(id).send().await.operation("eks:DescribePodIdentityAssociation");
            if let Some(pair) = gone_is_none(answer)?.and_then(|answer| answer.association) {
                let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
                let (service_account, role_arn) = (text(pair.service_account()), text(pair.role_arn()));
                seen.pod_identity.push(PodRole { service_account, role_arn });
            }
        }
        seen.pod_identity.sort();
        Ok(seen)
    }

    /// The version that EKS recommends for the cluster's version, where an add-on that states none follows its cluster
    /// there. What is newer already stays.
    async fn followed(&self, spec: &Spec, was: Option<&Spec>, found: &Found) -> Result<Option<String>, OpError> {
        let (None, Some(cluster)) = (&spec.version, &spec.cluster_version) else { return Ok(spec.version.clone()) };
        // One that was made a moment ago has it.
        if was.is_none_or(|was| was.cluster_version == spec.cluster_version) {
            return Ok(None);
        }
        let request = self.0.eks().await.describe_addon_versions().addon_name(&spec.addon_name);
        let answer = request.kubernetes_version(cluster).send().await.operation("eks:DescribeAddonVersions")?;
        let offered = answer.addons().iter().flat_map(|addon| addon.addon_versions());
        let is_default = |version: &&AddonVersionInfo| {
            let mut places = version.compatibilities().iter();
            places.any(|place| place.default_version() && place.cluster_version() == Some(cluster))
        };
        let default = offered.filter(is_default).find_map(|version| version.addon_version());
        let there = found.addon_version().unwrap_or_default();
        Ok(default.filter(|default| versions::is_newer_addon(default, there)).map(str::to_owned))
    }

    /// Waits until EKS is done with it. Without a node that it could run on, `DEGRADED` is as good
    /// as it gets: nodes come later. An update that failed is mended by another one.
    async fn settled(&self, spec: &Spec, progress: &dyn Progress) -> Result<Found, OpError> {
        let operation = "eks:DescribeAddon";
        let look = || self.look(&spec.cluster_name, &spec.addon_name).boxed();
        let look = || there(operation, "add-on", &spec.addon_name, look);
        until(operation, wait::minutes(spec.wait_minutes), || {
            async move {
                let found = look().await?;
                match found.status() {
                    Some(AddonStatus::Active | AddonStatus::Degraded | AddonStatus::UpdateFailed) => Ok(Some(found)),
                    Some(AddonStatus::CreateFailed) => Err(broken(&found)),
                    _ if !spec.wait => Ok(Some(found)),
                    _ => {
                        progress.report("waiting for the add-on", 0, 0);
                        Ok(None)
                    }
                }
            }
            .boxed()
        })
        .await
    }
}

fn broken(found: &Found) -> OpError {
    let message = format!("the add-on failed: {}", reason(found));
    OpError { class: ErrorClass::Broken, ..OpError::local("eks:CreateAddon", message) }
}

fn not_updated(found: &Found) -> OpError {
    let message = format!("the add-on's update failed: {}", reason(found));
    let advice = "Fix the cause and run again: the update is repeated. With overwrite = true it also replaces fields that \
                  others changed.";
    let error = OpError::local("eks:UpdateAddon", message);
    OpError { class: ErrorClass::Conflict, advice: Some(advice.to_owned()), ..error }
}

/// Why EKS says that it failed.
fn reason(found: &Found) -> String {
    let issues = found.health().map(|health| health.issues()).unwrap_or_default();
    let word = |issue: &aws_sdk_eks::types::AddonIssue| {
        format!("{}: {}", issue.code().map_or("", |code| code.as_str()), issue.message().unwrap_or_default())
    };
    let words: Vec<String> = issues.iter().map(word).collect();
    if words.is_empty() { "EKS does not say why".to_owned() } else { words.join("; ") }
}

fn conflicts(spec: &Spec) -> ResolveConflicts {
    match (spec.overwrite, spec.preserve) {
        (true, _) => ResolveConflicts::Overwrite,
        (false, true) => ResolveConflicts::Preserve,
        (false, false) => ResolveConflicts::None,
    }
}

fn known(found: &Found) -> Outputs {
    outputs([("arn", found.addon_arn().unwrap_or_default()), ("version", found.addon_version().unwrap_or_default())])
}

#[async_trait]
impl Kind for Addon {
    type Spec = Spec;
    const NAME: &'static str = "eks.addon";
    const ACTIONS: &'static [&'static str] = &[
        "eks:CreateAddon",
        "eks:DescribeAddon",
        "eks:UpdateAddon",
        "eks:DescribeAddonVersions",
        "eks:TagResource",
        "eks:UntagResource",
        "eks:DeleteAddon",
        "eks:CreatePodIdentityAssociation",
        "eks:DescribePodIdentityAssociation",
        "eks:UpdatePodIdentityAssociation",
        "eks:DeletePodIdentityAssociation",
        "iam:PassRole",
        "iam:GetRole",
    ];
    const IMMUTABLE: &'static [&'static str] = &["cluster_name", "addon_name"];
    const ASIDE: &'static [&'static str] = &["wait", "wait_minutes", "overwrite", "preserve"];
    const UNIQUE: &'static [&'static str] = &["cluster_name", "addon_name"];
    const BY_NAME: &'static [&'static str] = &["service_account_role_arn", "pod_identity"];
    const IDENTITIES: &'static [&'static str] = &["arn"];
    const VOLATILE: &'static [&'static str] = &["version"];
    const FOLLOWS: bool = true;

    fn interrupts(&self, old: &Spec, new: &Spec, how: ChangeKind) -> Option<String> {
        let name = old.addon_name.as_str();
        if let ChangeKind::Replace(order) = how {
            let gone = order == ReplaceOrder::DeleteFirst;
            return gone
                .then(|| format!("add-on '{name}' is missing until the new one is active, usually under 5 minutes"));
        }
        let same = old.version == new.version
            && old.configuration == new.configuration
            && old.service_account_role_arn == new.service_account_role_arn
            && old.pod_identity == new.pod_identity;
        let restarted = match name {
            "vpc-cni" => {
                "restarts its DaemonSet aws-node, node by node: a new pod may wait some seconds for its address"
            }
            "kube-proxy" => "restarts its DaemonSet kube-proxy, node by node: open connections are kept",
            "coredns" => "restarts CoreDNS, one pod after the other: names still resolve",
            "eks-pod-identity-agent" => {
                "restarts its DaemonSet, node by node: pods there get no new credentials for a few seconds"
            }
            "aws-ebs-csi-driver" => "restarts the driver's pods: mounted volumes are kept, new ones wait a few seconds",
            _ => "restarts the add-on's pods",
        };
        (!same).then(|| restarted.to_owned())
    }

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        if spec.addon_name.is_empty() {
            return Err("the add-on has no name".to_owned());
        }
        if spec.configuration.as_ref().is_some_and(|settings| !settings.is_object()) {
            return Err("configuration must be a JSON object".to_owned());
        }
        if spec.overwrite && spec.preserve {
            return Err("overwrite replaces what others changed, and preserve keeps it; set one of them".to_owned());
        }
        if let Some(role) = &spec.service_account_role_arn {
            forms::role("service_account_role_arn", role)?;
        }
        spec.pod_identity.sort();
        for pair in &spec.pod_identity {
            dns_subdomain("the service account", &pair.service_account)?;
            forms::role("role_arn", &pair.role_arn)?;
        }
        if let Some(twice) = spec.pod_identity.windows(2).find(|two| two[0].service_account == two[1].service_account) {
            let account = &twice[0].service_account;
            return Err(format!("pod_identity has the service account '{account}' twice; it can have one role"));
        }
        spec.tags.complete(context)?;
        if spec.addon_name == EBS_DRIVER {
            tag_volumes(spec, context);
        }
        Ok(())
    }

    fn follow(&self, spec: &mut Spec, declared: &dyn Neighbours) {
        if spec.version.is_none() {
            spec.cluster_version = versions::of_cluster(&spec.cluster_name, declared);
        }
    }

    /// The agent hands out the credentials of Pod Identity. CoreDNS of a cluster without nodes runs on Fargate.
    fn after(&self, spec: &Spec, declared: &dyn Neighbours) -> Vec<ResourceAddress> {
        let of_cluster = |kind: &str| {
            let all = declared.of_kind(kind).into_iter();
            all.filter(|neighbour| neighbour.spec["cluster_name"] == spec.cluster_name)
        };
        let agents = of_cluster("eks.addon").filter(|addon| {
            !spec.pod_identity.is_empty() && addon.spec["addon_name"] == AGENT && spec.addon_name != AGENT
        });
        let profiles = of_cluster("eks.fargate-profile");
        agents.chain(profiles).map(|neighbour| neighbour.address).collect()
    }

    fn permissions(&self, spec: &Spec, scope: &Scope<'_>) -> Vec<Permission> {
        let is_of_pods = |action: &str| action.ends_with("PodIdentityAssociation");
        let (of_pods, on_it): (Vec<&str>, Vec<&str>) = Self::ACTIONS
            .iter()
            .copied()
            .filter(|action| action.starts_with("eks:") && *action != "eks:DescribeAddonVersions")
            .partition(|action| is_of_pods(action));
        let cluster = scope.arn("eks", &format!("cluster/{}", spec.cluster_name));
        let addons = scope.arn("eks", &format!("addon/{}/{}/*", spec.cluster_name, spec.addon_name));
        let mut all = vec![
            Permission::new(&on_it, [cluster.clone(), addons]),
            Permission::new(&["eks:DescribeAddonVersions"], ["*".to_owned()]),
        ];
        if let Some(role) = &spec.service_account_role_arn {
            all.push(Permission::new(&["iam:PassRole"], [scope.known_arn(role, "iam", "role/*")]));
        }
        if !spec.pod_identity.is_empty() {
            let associations = scope.arn("eks", &format!("podidentityassociation/{}/*", spec.cluster_name));
            all.push(Permission::new(&of_pods, [cluster, associations]));
            let roles = spec.pod_identity.iter().map(|pair| scope.known_arn(&pair.role_arn, "iam", "role/*"));
            all.push(Permission::new(&["iam:PassRole", "iam:GetRole"], roles));
        }
        all
    }

    fn id_of(&self, spec: &Spec) -> Option<String> {
        Some(joined(&[&spec.cluster_name, &spec.addon_name]))
    }

    fn sample(&self, output: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<Value> {
        Some(match output {
            "version" => "v1.20.4-eksbuild.1".into(),
            _ => sampled.scope.arn("eks", &format!("addon/sample/sample/{}", sampled.unique)).into(),
        })
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let operation = "eks:CreateAddon";
        let request = self.0.eks_once().await.create_addon().cluster_name(&spec.cluster_name);
        let request = request.addon_name(&spec.addon_name).set_addon_version(spec.version.clone());
        let request = request.set_configuration_values(spec.configuration.as_ref().map(Value::to_string));
        let request = request.set_service_account_role_arn(spec.service_account_role_arn.clone());
        let pods: Vec<_> = spec.pod_identity.iter().map(PodRole::to_eks).collect::<Result<_, _>>()?;
        let request = request.set_pod_identity_associations((!pods.is_empty()).then_some(pods));
        let request = request.resolve_conflicts(conflicts(spec)).client_request_token(&intent.token);
        let request = &request.set_tags(Some(tagged(&spec.tags, intent)));
        let call = || async move { request.clone().send().await.operation(operation) }.boxed();
        let answer = once_role_is_known(&self.0, call).await?;
        let outputs = answer.addon.as_ref().map(known).unwrap_or_default();
        Ok(Created { id: joined(&[&spec.cluster_name, &spec.addon_name]), outputs })
    }

    async fn configure(
        &self,
        _: &str,
        spec: &Spec,
        was: Option<&Spec>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        let found = self.settled(spec, progress).await?;
        let failed = |found: &Found| found.status() == Some(&AddonStatus::UpdateFailed);
        let there = self.seen(&found, spec).await?;
        let version = self.followed(spec, was, &found).await?;
        let is_old = version.is_some() && version.as_deref() != found.addon_version();
        let settings = |spec: &Spec| {
            (spec.configuration.clone(), spec.service_account_role_arn.clone(), spec.pod_identity.clone())
        };
        let is_updated = is_old || settings(&there) != settings(spec) || failed(&found);
        if is_updated {
            let request = self.0.eks().await.update_addon().cluster_name(&spec.cluster_name);
            let request = request.addon_name(&spec.addon_name).set_addon_version(version);
            let values = spec.configuration.as_ref().map_or_else(|| "{}".to_owned(), Value::to_string);
            let request = request.configuration_values(values).resolve_conflicts(conflicts(spec));
            let request = request.set_service_account_role_arn(spec.service_account_role_arn.clone());
            // An empty list takes away what is there; none leaves it.
            let pods: Vec<_> = spec.pod_identity.iter().map(PodRole::to_eks).collect::<Result<_, _>>()?;
            let differ = spec.pod_identity != there.pod_identity;
            let request = &request.set_pod_identity_associations(differ.then_some(pods));
            let call = || async move { request.clone().send().await.operation("eks:UpdateAddon") }.boxed();
            once_role_is_known(&self.0, call).await?;
            let now = self.settled(spec, progress).await?;
            if failed(&now) {
                return Err(not_updated(&now));
            }
        }
        sync_tags(&self.0, found.addon_arn().unwrap_or_default(), &there.tags, &spec.tags).await?;
        let found = match is_updated {
            true => self.look(&spec.cluster_name, &spec.addon_name).await?,
            false => Some(found),
        };
        Ok(found.as_ref().map(known).unwrap_or_default())
    }

    /// Its name is that of the cluster and its own: `cluster/addon`.
    fn blank(&self, name: &str) -> Option<Spec> {
        let (cluster, addon) = name.split_once('/')?;
        blank(json!({
            "cluster_name": cluster, "addon_name": addon, "version": null, "configuration": null,
            "service_account_role_arn": null, "overwrite": false, "wait": false, "wait_minutes": 0, "tags": {},
        }))
    }

    async fn read(&self, _: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let found = self.look(&spec.cluster_name, &spec.addon_name).await?;
        let Some(found) = found.filter(|addon| addon.status() != Some(&AddonStatus::Deleting)) else {
            return Ok(None);
        };
        Ok(Some(Observed { spec: self.seen(&found, spec).await?, outputs: known(&found) }))
    }

    async fn find(&self, spec: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let found = self.look(&spec.cluster_name, &spec.addon_name).await?;
        let found = found.filter(|addon| is_made_by(addon.tags(), intent));
        let id = joined(&[&spec.cluster_name, &spec.addon_name]);
        Ok(found.map(|addon| Created { id, outputs: known(&addon) }))
    }

    async fn delete(&self, _: &str, spec: &Spec, progress: &dyn Progress) -> Result<(), OpError> {
        if let Some(there) = self.look(&spec.cluster_name, &spec.addon_name).await? {
            let what = format!("add-on '{}' of the cluster '{}'", spec.addon_name, spec.cluster_name);
            spec.tags.own(&observed(there.tags()), "eks:DeleteAddon", &what)?;
        }
        let request = self.0.eks().await.delete_addon().cluster_name(&spec.cluster_name).addon_name(&spec.addon_name);
        match request.send().await.operation("eks:DeleteAddon") {
            Err(error) if error.class == ErrorClass::NotFound => return Ok(()),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        until("eks:DescribeAddon", wait::minutes(spec.wait_minutes), || {
            async move {
                progress.report("waiting for the add-on to be deleted", 0, 0);
                Ok(self.look(&spec.cluster_name, &spec.addon_name).await?.is_none().then_some(()))
            }
            .boxed()
        })
        .await
    }
}

impl Spec {
    fn observe(found: &Found, spec: &Self) -> Self {
        let configuration = found.configuration_values().filter(|text| !text.is_empty());
        let configuration = configuration.and_then(|text| serde_json::from_str(text).ok());
        let nothing = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
        Self {
            cluster_name: found.cluster_name().unwrap_or_default().to_owned(),
            addon_name: found.addon_name().unwrap_or_default().to_owned(),
            // Where none was stated, whatever EKS chose is right.
            version: spec.version.as_ref().and_then(|_| found.addon_version().map(str::to_owned)),
            cluster_version: spec.cluster_version.clone(),
            configuration: configuration.filter(|value| !(spec.configuration.is_none() && nothing(value))),
            service_account_role_arn: found.service_account_role_arn().map(str::to_owned),
            pod_identity: Vec::new(),
            overwrite: spec.overwrite,
            preserve: spec.preserve,
            wait: spec.wait,
            wait_minutes: spec.wait_minutes,
            tags: observed(found.tags()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;

    #[test]
    fn volumes_of_the_ebs_driver_have_the_pipelines_tags_unless_it_is_told_which() {
        let tags: BTreeMap<String, String> = [("team", "ml"), (ADDRESS_TAG, "cluster/eks.addon/aws-ebs-csi-driver")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let address = "cluster/eks.addon/aws-ebs-csi-driver".parse().expect("an address");
        let (base, config) = (Path::new(""), &Value::Null);
        let context = DeclareContext { address: &address, tags: &tags, region: "", base, within: None, config };
        for (configuration, wanted) in [
            (json!(null), json!({ "controller": { "extraVolumeTags": { "team": "ml" } } })),
            (
                json!({ "controller": { "replicas": 1 } }),
                json!({ "controller": { "replicas": 1, "extraVolumeTags": { "team": "ml" } } }),
            ),
            (
                json!({ "controller": { "extraVolumeTags": { "own": "x" } } }),
                json!({ "controller": { "extraVolumeTags": { "own": "x" } } }),
            ),
        ] {
            let spec = json!({ "cluster_name": "c", "addon_name": EBS_DRIVER, "version": null, "configuration": configuration,
                "service_account_role_arn": null, "overwrite": true, "wait": false, "wait_minutes": 1, "tags": {} });
            let mut spec: Spec = serde_json::from_value(spec).expect("a spec");
            tag_volumes(&mut spec, &context);
            assert_eq!(spec.configuration, Some(wanted));
        }
    }
}
