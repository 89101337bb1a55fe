//! `eks.fargate-profile`

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_eks::types::{FargateProfile as Found, FargateProfileSelector, FargateProfileStatus};
use futures::FutureExt;
use futures::future::BoxFuture;
use llmhost_engine::kind::{
    ChangeKind, Created, DeclareContext, ErrorClass, Intent, Kind, Neighbours, Observed, OpError, Outputs, Permission,
    Progress, ReplaceOrder, Sampled, Scope,
};
use llmhost_engine::names::ResourceAddress;
use serde::{Deserialize, Serialize};

use super::{Operation, check_name, is_made_by, is_unknown_role, joined, observed, sync_tags, tagged};
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::forms;
use crate::aws::limits;
use crate::aws::outputs;
use crate::aws::policy::Arns;
use crate::aws::tags::{Pairs, Tags};
use crate::aws::wait::{self, until};

/// Has the pods that it selects run on Fargate, without nodes.
pub(in crate::aws) struct FargateProfile(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    cluster_name: String,
    profile_name: String,
    pod_execution_role_arn: String,
    /// Empty: the private ones of the cluster.
    #[serde(deserialize_with = "crate::aws::set::read")]
    subnet_ids: Vec<String>,
    selectors: Vec<Selector>,
    /// How long to wait for it; no property of the profile.
    wait_minutes: u32,
    tags: Tags,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Selector {
    namespace: String,
    labels: Pairs,
}

impl Selector {
    fn to_eks(&self) -> FargateProfileSelector {
        let labels = self.labels.0.clone().into_iter().collect();
        FargateProfileSelector::builder().namespace(&self.namespace).set_labels(Some(labels)).build()
    }

    fn observe(found: &FargateProfileSelector) -> Self {
        let labels = found.labels().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone()));
        Self { namespace: found.namespace().unwrap_or_default().to_owned(), labels: Pairs(labels.collect()) }
    }
}

impl FargateProfile {
    async fn look(&self, spec: &Spec) -> Result<Option<Found>, OpError> {
        let request = self.0.eks().await.describe_fargate_profile().cluster_name(&spec.cluster_name);
        let answer = request.fargate_profile_name(&spec.profile_name).send().await;
        Ok(gone_is_none(answer.operation("eks:DescribeFargateProfile"))?.and_then(|answer| answer.fargate_profile))
    }

    /// EKS makes and deletes one profile of a cluster at a time, and refuses the next one meanwhile.
    async fn in_turn<'a, T>(
        &self,
        minutes: u32,
        progress: &dyn Progress,
        call: impl FnMut() -> BoxFuture<'a, Result<T, OpError>> + Send,
    ) -> Result<T, OpError> {
        let waits = |error: &OpError| {
            let busy = is_another_under_way(error);
            if busy {
                progress.report("waiting for another Fargate profile of the cluster", 0, 0);
            }
            busy
        };
        wait::while_unknown(wait::minutes(minutes), waits, call).await
    }

    async fn active(&self, spec: &Spec, progress: &dyn Progress) -> Result<Found, OpError> {
        let operation = "eks:DescribeFargateProfile";
        until(operation, wait::minutes(spec.wait_minutes), || {
            async move {
                let found = self.look(spec).await?;
                match found.as_ref().and_then(|profile| profile.status()) {
                    Some(FargateProfileStatus::Active) => Ok(found),
                    Some(FargateProfileStatus::CreateFailed | FargateProfileStatus::DeleteFailed) => {
                        Err(broken(found.as_ref()))
                    }
                    _ => {
                        progress.report("waiting for the Fargate profile", 0, 0);
                        Ok(None)
                    }
                }
            }
            .boxed()
        })
        .await
    }
}

fn is_another_under_way(error: &OpError) -> bool {
    error.code.as_deref() == Some("ResourceInUseException") && error.message.contains("currently has Fargate profile")
}

fn broken(found: Option<&Found>) -> OpError {
    let issues = found.and_then(|profile| profile.health()).map(|health| health.issues()).unwrap_or_default();
    let word = |issue: &aws_sdk_eks::types::FargateProfileIssue| {
        let code = issue.code().map_or("", |code| code.as_str());
        format!("{code}: {}", issue.message().unwrap_or("no reason given"))
    };
    let words: Vec<String> = issues.iter().map(word).collect();
    let reason = if words.is_empty() { "EKS does not say why".to_owned() } else { words.join("; ") };
    let message = format!("the Fargate profile failed: {reason}");
    OpError { class: ErrorClass::Broken, ..OpError::local("eks:CreateFargateProfile", message) }
}

fn known(found: &Found) -> Outputs {
    let (name, arn) = (found.fargate_profile_name(), found.fargate_profile_arn());
    outputs([("profile_name", name.unwrap_or_default()), ("arn", arn.unwrap_or_default())])
}

#[async_trait]
impl Kind for FargateProfile {
    type Spec = Spec;
    const NAME: &'static str = "eks.fargate-profile";
    const ACTIONS: &'static [&'static str] = &[
        "eks:CreateFargateProfile",
        "eks:DescribeFargateProfile",
        "eks:TagResource",
        "eks:UntagResource",
        "eks:DeleteFargateProfile",
        "iam:PassRole",
        "iam:GetRole",
        "iam:CreateServiceLinkedRole",
        "ec2:DescribeSubnets",
        "ec2:DescribeRouteTables",
    ];
    const IMMUTABLE: &'static [&'static str] =
        &["cluster_name", "profile_name", "pod_execution_role_arn", "subnet_ids", "selectors"];
    const ASIDE: &'static [&'static str] = &["wait_minutes"];
    const UNIQUE: &'static [&'static str] = &["cluster_name", "profile_name"];
    const BY_NAME: &'static [&'static str] = &["pod_execution_role_arn"];
    const IDENTITIES: &'static [&'static str] = &["arn"];

    fn interrupts(&self, old: &Spec, _: &Spec, how: ChangeKind) -> Option<String> {
        let name = &old.profile_name;
        match how {
            ChangeKind::Replace(ReplaceOrder::DeleteFirst) => Some(format!(
                "EKS stops the pods on Fargate profile '{name}' and starts none there until the new profile is \
                 active, usually 3 to 5 minutes"
            )),
            ChangeKind::Replace(ReplaceOrder::CreateFirst) => {
                Some(format!("EKS stops the pods on Fargate profile '{name}'; their controllers start them again"))
            }
            ChangeKind::Update => None,
        }
    }

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        check_name("Fargate profile name", &spec.profile_name, 100)?;
        forms::role("pod_execution_role_arn", &spec.pod_execution_role_arn)?;
        forms::ids("subnet_ids", "subnet-", &spec.subnet_ids)?;
        let (most, count) = (limits::FARGATE_SELECTORS, spec.selectors.len());
        if !(1..=most).contains(&count) {
            return Err(format!("the profile has {count} selectors; EKS allows 1 to {most}"));
        }
        for selector in &spec.selectors {
            if selector.namespace.is_empty() {
                return Err("a selector has no namespace; EKS requires one".to_owned());
            }
            let labels = selector.labels.0.len();
            if labels > most {
                let namespace = &selector.namespace;
                return Err(format!("the selector of {namespace} has {labels} labels; EKS allows {most}"));
            }
        }
        spec.tags.complete(context)
    }

    /// Pods on Fargate reach the registry and the API server by the routes of their subnets.
    fn after(&self, spec: &Spec, declared: &dyn Neighbours) -> Vec<ResourceAddress> {
        let routed = declared.of_kind("ec2.route-table-association").into_iter();
        let ours = routed.filter(|association| {
            association.spec["subnet_id"].as_str().is_some_and(|id| spec.subnet_ids.iter().any(|own| own == id))
        });
        ours.map(|association| association.address).collect()
    }

    fn foreknown(&self, spec: &Spec) -> Outputs {
        outputs([("profile_name", spec.profile_name.as_str())])
    }

    fn permissions(&self, spec: &Spec, scope: &Scope<'_>) -> Vec<Permission> {
        let on_it: Vec<_> = Self::ACTIONS.iter().copied().filter(|action| action.starts_with("eks:")).collect();
        let cluster = scope.arn("eks", &format!("cluster/{}", spec.cluster_name));
        let profiles = scope.arn("eks", &format!("fargateprofile/{}/{}/*", spec.cluster_name, spec.profile_name));
        let role = scope.known_arn(&spec.pod_execution_role_arn, "iam", "role/*");
        let linked = scope.iam("role", "/aws-service-role/eks-fargate.amazonaws.com/", "*");
        vec![
            Permission::new(&on_it, [cluster, profiles]),
            Permission::new(&["iam:PassRole", "iam:GetRole"], [role]),
            Permission::new(&["iam:CreateServiceLinkedRole"], [linked]),
            // EKS looks at the subnets in its caller's name.
            Permission::new(&["ec2:DescribeSubnets", "ec2:DescribeRouteTables"], ["*".to_owned()]),
        ]
    }

    fn id_of(&self, spec: &Spec) -> Option<String> {
        Some(joined(&[&spec.cluster_name, &spec.profile_name]))
    }

    fn sample(&self, output: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(match output {
            "arn" => sampled.scope.arn("eks", &format!("fargateprofile/sample/sample/{}", sampled.unique)).into(),
            _ => format!("sample-{}", sampled.unique).into(),
        })
    }

    async fn create(&self, spec: &Spec, intent: &Intent, progress: &dyn Progress) -> Result<Created, OpError> {
        let operation = "eks:CreateFargateProfile";
        let request = self.0.eks_once().await.create_fargate_profile().cluster_name(&spec.cluster_name);
        let request = request.fargate_profile_name(&spec.profile_name);
        let request = request.pod_execution_role_arn(&spec.pod_execution_role_arn);
        let request = request.set_subnets((!spec.subnet_ids.is_empty()).then(|| spec.subnet_ids.clone()));
        let request = request.set_selectors(Some(spec.selectors.iter().map(Selector::to_eks).collect()));
        let request = request.client_request_token(&intent.token);
        let request = &request.set_tags(Some(tagged(&spec.tags, intent)));
        let known_within = wait::ROLE_IS_KNOWN.min(self.0.settings.wait);
        let call = || {
            let call = move || async move { request.clone().send().await.operation(operation) }.boxed();
            wait::while_unknown(known_within, is_unknown_role, call).boxed()
        };
        let answer = self.in_turn(spec.wait_minutes, progress, call).await?;
        let outputs = answer.fargate_profile.as_ref().map(known).unwrap_or_default();
        Ok(Created { id: joined(&[&spec.cluster_name, &spec.profile_name]), outputs })
    }

    async fn configure(
        &self,
        _: &str,
        spec: &Spec,
        _: Option<&Spec>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        let found = self.active(spec, progress).await?;
        let arn = found.fargate_profile_arn().unwrap_or_default();
        sync_tags(&self.0, arn, &observed(found.tags()), &spec.tags).await?;
        Ok(known(&found))
    }

    async fn read(&self, _: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let found = self.look(spec).await?;
        let found = found.filter(|profile| profile.status() != Some(&FargateProfileStatus::Deleting));
        Ok(found.map(|found| Observed { spec: Spec::observe(&found, spec), outputs: known(&found) }))
    }

    async fn find(&self, spec: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let found = self.look(spec).await?.filter(|profile| is_made_by(profile.tags(), intent));
        let id = joined(&[&spec.cluster_name, &spec.profile_name]);
        Ok(found.map(|profile| Created { id, outputs: known(&profile) }))
    }

    async fn delete(&self, _: &str, spec: &Spec, progress: &dyn Progress) -> Result<(), OpError> {
        let Some(there) = self.look(spec).await? else { return Ok(()) };
        let what = format!("Fargate profile '{}' of the cluster '{}'", spec.profile_name, spec.cluster_name);
        spec.tags.own(&observed(there.tags()), "eks:DeleteFargateProfile", &what)?;
        if there.status() != Some(&FargateProfileStatus::Deleting) {
            let eks = self.0.eks().await;
            let call = || {
                async move {
                    let request = eks.delete_fargate_profile().cluster_name(&spec.cluster_name);
                    let answer = request.fargate_profile_name(&spec.profile_name).send().await;
                    gone_is_none(answer.operation("eks:DeleteFargateProfile")).map(drop)
                }
                .boxed()
            };
            self.in_turn(spec.wait_minutes, progress, call).await?;
        }
        until("eks:DescribeFargateProfile", wait::minutes(spec.wait_minutes), || {
            async move {
                let found = self.look(spec).await?;
                match found.as_ref().and_then(|profile| profile.status()) {
                    None => Ok(Some(())),
                    Some(FargateProfileStatus::DeleteFailed) => {
                        let mut error = broken(found.as_ref());
                        error.operation = "eks:DeleteFargateProfile".to_owned();
                        error.class = ErrorClass::Conflict;
                        Err(error)
                    }
                    Some(_) => {
                        progress.report("waiting for the Fargate profile to be deleted", 0, 0);
                        Ok(None)
                    }
                }
            }
            .boxed()
        })
        .await
    }
}

impl Spec {
    fn observe(found: &Found, spec: &Self) -> Self {
        let mut subnet_ids = found.subnets().to_vec();
        subnet_ids.sort();
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        Self {
            cluster_name: text(found.cluster_name()),
            profile_name: text(found.fargate_profile_name()),
            pod_execution_role_arn: text(found.pod_execution_role_arn()),
            // Where none were stated, whatever EKS chose is right.
            subnet_ids: if spec.subnet_ids.is_empty() { Vec::new() } else { subnet_ids },
            selectors: found.selectors().iter().map(Selector::observe).collect(),
            wait_minutes: spec.wait_minutes,
            tags: observed(found.tags()),
        }
    }
}
