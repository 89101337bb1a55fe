//! `eks.access-entry`

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_eks::types::{AccessEntry as Found, AccessScope, AccessScopeType};
use futures::FutureExt;
use llmhost_engine::kind::{
    ChangeKind, Created, DeclareContext, Intent, Kind, Observed, OpError, Outputs, Permission, Progress, ReplaceOrder,
    Sampled, Scope,
};
use llmhost_engine::unknown;
use serde::{Deserialize, Serialize};

use super::{Operation, is_made_by, joined, observed, once_role_is_known, sync_tags, tagged, there};
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::outputs;
use crate::aws::policy::Arns;
use crate::aws::tags::Tags;

/// Lets an IAM role or user into a cluster.
pub(in crate::aws) struct AccessEntry(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    cluster_name: String,
    principal_arn: String,
    entry_type: String,
    kubernetes_groups: BTreeSet<String>,
    policies: Vec<AccessPolicy>,
    tags: Tags,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct AccessPolicy {
    policy_arn: String,
    /// None: the whole cluster.
    namespaces: BTreeSet<String>,
}

impl AccessEntry {
    async fn look(&self, cluster: &str, principal: &str) -> Result<Option<Found>, OpError> {
        let request = self.0.eks().await.describe_access_entry().cluster_name(cluster).principal_arn(principal);
        Ok(gone_is_none(request.send().await.operation("eks:DescribeAccessEntry"))?
            .and_then(|answer| answer.access_entry))
    }

    async fn policies(&self, cluster: &str, principal: &str) -> Result<BTreeMap<String, BTreeSet<String>>, OpError> {
        let request = self.0.eks().await.list_associated_access_policies().cluster_name(cluster);
        let pages = request.principal_arn(principal).into_paginator().items().send();
        let all = pages.try_collect().await.operation("eks:ListAssociatedAccessPolicies")?;
        let known = all.into_iter().filter_map(|policy| {
            let namespaces = policy.access_scope().map(AccessScope::namespaces).unwrap_or_default();
            Some((policy.policy_arn.clone()?, namespaces.iter().cloned().collect()))
        });
        Ok(known.collect())
    }
}

fn made(spec: &Spec, found: Option<&Found>) -> Created {
    let arn = found.and_then(|entry| entry.access_entry_arn()).unwrap_or_default();
    Created { id: joined(&[&spec.cluster_name, &spec.principal_arn]), outputs: outputs([("arn", arn)]) }
}

#[async_trait]
impl Kind for AccessEntry {
    type Spec = Spec;
    const NAME: &'static str = "eks.access-entry";
    const ACTIONS: &'static [&'static str] = &[
        "eks:CreateAccessEntry",
        "eks:DescribeAccessEntry",
        "eks:UpdateAccessEntry",
        "eks:AssociateAccessPolicy",
        "eks:DisassociateAccessPolicy",
        "eks:ListAssociatedAccessPolicies",
        "eks:TagResource",
        "eks:UntagResource",
        "eks:DeleteAccessEntry",
    ];
    const IMMUTABLE: &'static [&'static str] = &["cluster_name", "principal_arn", "entry_type"];
    const UNIQUE: &'static [&'static str] = &["cluster_name", "principal_arn"];
    const IDENTITIES: &'static [&'static str] = &["arn"];

    fn interrupts(&self, old: &Spec, _: &Spec, how: ChangeKind) -> Option<String> {
        let who = &old.principal_arn;
        (how == ChangeKind::Replace(ReplaceOrder::DeleteFirst))
            .then(|| format!("{who} has no access to the cluster while its entry is replaced, usually a few seconds"))
    }

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        if !unknown::is_unknown(&spec.principal_arn) && !spec.principal_arn.starts_with("arn:") {
            return Err(format!("principal_arn '{}' is not the ARN of a role or user", spec.principal_arn));
        }
        if let Some(group) = spec.kubernetes_groups.iter().find(|group| group.starts_with("system:")) {
            return Err(format!("the group '{group}' belongs to Kubernetes; use an access policy instead"));
        }
        if spec.entry_type != "STANDARD" && !(spec.policies.is_empty() && spec.kubernetes_groups.is_empty()) {
            return Err(format!("an entry of type {} cannot have groups or policies", spec.entry_type));
        }
        spec.policies.sort_by(|a, b| a.policy_arn.cmp(&b.policy_arn));
        spec.tags.complete(context)
    }

    fn permissions(&self, spec: &Spec, scope: &Scope<'_>) -> Vec<Permission> {
        let cluster = scope.arn("eks", &format!("cluster/{}", spec.cluster_name));
        let entries = scope.arn("eks", &format!("access-entry/{}/*", spec.cluster_name));
        vec![Permission::new(Self::ACTIONS, [cluster, entries])]
    }

    fn id_of(&self, spec: &Spec) -> Option<String> {
        Some(joined(&[&spec.cluster_name, &spec.principal_arn]))
    }

    fn sample(&self, _: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(sampled.scope.arn("eks", &format!("access-entry/sample/role/{}", sampled.unique)).into())
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let operation = "eks:CreateAccessEntry";
        let request = self.0.eks_once().await.create_access_entry().cluster_name(&spec.cluster_name);
        let request = request.principal_arn(&spec.principal_arn).r#type(&spec.entry_type);
        let groups = (spec.entry_type == "STANDARD").then(|| spec.kubernetes_groups.iter().cloned().collect());
        let request = request.set_kubernetes_groups(groups).client_request_token(&intent.token);
        let request = &request.set_tags(Some(tagged(&spec.tags, intent)));
        let call = || async move { request.clone().send().await.operation(operation) }.boxed();
        let answer = once_role_is_known(&self.0, call).await?;
        Ok(made(spec, answer.access_entry.as_ref()))
    }

    async fn configure(&self, _: &str, spec: &Spec, _: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        let (eks, cluster, principal) = (self.0.eks().await, &spec.cluster_name, &spec.principal_arn);
        let look = || self.look(cluster, principal).boxed();
        let found = there("eks:DescribeAccessEntry", "access entry for", principal, look).await?;
        let given = self.policies(cluster, principal).await?;
        for policy in spec.policies.iter().filter(|policy| given.get(&policy.policy_arn) != Some(&policy.namespaces)) {
            let scope = match policy.namespaces.is_empty() {
                true => AccessScope::builder().r#type(AccessScopeType::Cluster),
                false => AccessScope::builder()
                    .r#type(AccessScopeType::Namespace)
                    .set_namespaces(Some(policy.namespaces.iter().cloned().collect())),
            };
            let request = eks.associate_access_policy().cluster_name(cluster).principal_arn(principal);
            let request = request.policy_arn(&policy.policy_arn).access_scope(scope.build());
            request.send().await.operation("eks:AssociateAccessPolicy")?;
        }
        for arn in given.keys().filter(|arn| !spec.policies.iter().any(|policy| policy.policy_arn == **arn)) {
            let request =
                eks.disassociate_access_policy().cluster_name(cluster).principal_arn(principal).policy_arn(arn);
            gone_is_none(request.send().await.operation("eks:DisassociateAccessPolicy"))?;
        }
        let groups: BTreeSet<String> = found.kubernetes_groups().iter().cloned().collect();
        if spec.entry_type == "STANDARD" && groups != spec.kubernetes_groups {
            let request = eks.update_access_entry().cluster_name(cluster).principal_arn(principal);
            let request = request.set_kubernetes_groups(Some(spec.kubernetes_groups.iter().cloned().collect()));
            request.send().await.operation("eks:UpdateAccessEntry")?;
        }
        let arn = found.access_entry_arn().unwrap_or_default();
        sync_tags(&self.0, arn, &observed(found.tags()), &spec.tags).await?;
        Ok(outputs([("arn", arn)]))
    }

    async fn read(&self, _: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let Some(found) = self.look(&spec.cluster_name, &spec.principal_arn).await? else { return Ok(None) };
        let policies = self.policies(&spec.cluster_name, &spec.principal_arn).await?;
        let policy = |(policy_arn, namespaces)| AccessPolicy { policy_arn, namespaces };
        let seen = Spec {
            cluster_name: found.cluster_name().unwrap_or_default().to_owned(),
            principal_arn: found.principal_arn().unwrap_or_default().to_owned(),
            entry_type: found.r#type().unwrap_or_default().to_owned(),
            // EKS itself puts nodes into groups.
            kubernetes_groups: match spec.entry_type.as_str() {
                "STANDARD" => found.kubernetes_groups().iter().cloned().collect(),
                _ => BTreeSet::new(),
            },
            policies: policies.into_iter().map(policy).collect(),
            tags: observed(found.tags()),
        };
        Ok(Some(Observed { spec: seen, outputs: made(spec, Some(&found)).outputs }))
    }

    async fn find(&self, spec: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let found = self.look(&spec.cluster_name, &spec.principal_arn).await?;
        Ok(found.filter(|entry| is_made_by(entry.tags(), intent)).map(|entry| made(spec, Some(&entry))))
    }

    async fn delete(&self, _: &str, spec: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        if let Some(there) = self.look(&spec.cluster_name, &spec.principal_arn).await? {
            let what = format!("access entry of {} to the cluster '{}'", spec.principal_arn, spec.cluster_name);
            spec.tags.own(&observed(there.tags()), "eks:DeleteAccessEntry", &what)?;
        }
        let request = self.0.eks().await.delete_access_entry().cluster_name(&spec.cluster_name);
        let request = request.principal_arn(&spec.principal_arn);
        gone_is_none(request.send().await.operation("eks:DeleteAccessEntry")).map(drop)
    }
}
