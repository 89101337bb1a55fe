//! `eks.pod-identity-association`

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_eks::types::PodIdentityAssociation as Found;
use futures::FutureExt;
use llmhost_engine::kind::{
    ChangeKind, Created, DeclareContext, Intent, Kind, Neighbours, Observed, OpError, Outputs, Permission, Progress,
    ReplaceOrder, Sampled, Scope,
};
use llmhost_engine::names::ResourceAddress;
use serde::{Deserialize, Serialize};

use super::{Operation, is_made_by, observed, once_role_is_known, sync_tags, tagged, there};
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::forms;
use crate::aws::outputs;
use crate::aws::policy::Arns;
use crate::aws::tags::Tags;
use crate::kubernetes::names::{dns_label, dns_subdomain};

/// Gives the pods of a service account a role, through the cluster's pod identity agent.
pub(in crate::aws) struct PodIdentityAssociation(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    cluster_name: String,
    namespace: String,
    service_account: String,
    role_arn: String,
    tags: Tags,
}

impl PodIdentityAssociation {
    async fn look(&self, cluster: &str, id: &str) -> Result<Option<Found>, OpError> {
        let request = self.0.eks().await.describe_pod_identity_association().cluster_name(cluster).association_id(id);
        let answer = gone_is_none(request.send().await.operation("eks:DescribePodIdentityAssociation"))?;
        Ok(answer.and_then(|answer| answer.association))
    }

    /// The id of the association of a service account: it has one at most.
    async fn of_account(&self, spec: &Spec) -> Result<Vec<String>, OpError> {
        let request = self.0.eks().await.list_pod_identity_associations().cluster_name(&spec.cluster_name);
        let request = request.namespace(&spec.namespace).service_account(&spec.service_account);
        let answer = gone_is_none(request.send().await.operation("eks:ListPodIdentityAssociations"))?;
        let found = answer.and_then(|answer| answer.associations).unwrap_or_default();
        Ok(found.into_iter().filter_map(|summary| summary.association_id).collect())
    }
}

fn known(found: &Found) -> Outputs {
    let (id, arn) = (found.association_id().unwrap_or_default(), found.association_arn().unwrap_or_default());
    outputs([("id", id), ("arn", arn)])
}

#[async_trait]
impl Kind for PodIdentityAssociation {
    type Spec = Spec;
    const NAME: &'static str = "eks.pod-identity-association";
    const ACTIONS: &'static [&'static str] = &[
        "eks:CreatePodIdentityAssociation",
        "eks:DescribePodIdentityAssociation",
        "eks:ListPodIdentityAssociations",
        "eks:UpdatePodIdentityAssociation",
        "eks:TagResource",
        "eks:UntagResource",
        "eks:DeletePodIdentityAssociation",
        "iam:PassRole",
        "iam:GetRole",
    ];
    const IMMUTABLE: &'static [&'static str] = &["cluster_name", "namespace", "service_account"];
    const UNIQUE: &'static [&'static str] = &["cluster_name", "namespace", "service_account"];
    const BY_NAME: &'static [&'static str] = &["role_arn"];
    const IDENTITIES: &'static [&'static str] = &["id", "arn"];

    fn interrupts(&self, old: &Spec, new: &Spec, how: ChangeKind) -> Option<String> {
        let of = format!("{}/{}", old.namespace, old.service_account);
        match how {
            ChangeKind::Replace(ReplaceOrder::DeleteFirst) => Some(format!(
                "pods of service account {of} get no new credentials while it is replaced, usually a few seconds"
            )),
            ChangeKind::Update if old.role_arn != new.role_arn => {
                Some(format!("pods of service account {of} keep the old role until they are started again"))
            }
            _ => None,
        }
    }

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        dns_label("the namespace", &spec.namespace)?;
        dns_subdomain("the service account", &spec.service_account)?;
        forms::role("role_arn", &spec.role_arn)?;
        spec.tags.complete(context)
    }

    /// The agent hands the credentials out; without it there are none.
    fn after(&self, spec: &Spec, declared: &dyn Neighbours) -> Vec<ResourceAddress> {
        let addons = declared.of_kind("eks.addon").into_iter();
        let agent = addons.filter(|addon| {
            addon.spec["cluster_name"] == spec.cluster_name && addon.spec["addon_name"] == "eks-pod-identity-agent"
        });
        agent.map(|addon| addon.address).collect()
    }

    fn permissions(&self, spec: &Spec, scope: &Scope<'_>) -> Vec<Permission> {
        let on_it: Vec<_> = Self::ACTIONS.iter().copied().filter(|action| action.starts_with("eks:")).collect();
        let cluster = scope.arn("eks", &format!("cluster/{}", spec.cluster_name));
        let all = scope.arn("eks", &format!("podidentityassociation/{}/*", spec.cluster_name));
        vec![
            Permission::new(&on_it, [cluster, all]),
            Permission::new(&["iam:PassRole", "iam:GetRole"], [scope.known_arn(&spec.role_arn, "iam", "role/*")]),
        ]
    }

    fn sample(&self, output: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        let id = format!("a-{}", sampled.unique);
        Some(match output {
            "arn" => sampled.scope.arn("eks", &format!("podidentityassociation/sample/{id}")).into(),
            _ => id.into(),
        })
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let operation = "eks:CreatePodIdentityAssociation";
        let request = self.0.eks_once().await.create_pod_identity_association().cluster_name(&spec.cluster_name);
        let request = request.namespace(&spec.namespace).service_account(&spec.service_account);
        let request = request.role_arn(&spec.role_arn).client_request_token(&intent.token);
        let request = &request.set_tags(Some(tagged(&spec.tags, intent)));
        let call = || async move { request.clone().send().await.operation(operation) }.boxed();
        let answer = once_role_is_known(&self.0, call).await?;
        let found = answer.association.ok_or_else(|| OpError::local(operation, "the response has no association"))?;
        Ok(Created { id: found.association_id().unwrap_or_default().to_owned(), outputs: known(&found) })
    }

    async fn configure(&self, id: &str, spec: &Spec, _: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        let look = || self.look(&spec.cluster_name, id).boxed();
        let found = there("eks:DescribePodIdentityAssociation", "pod identity association", id, look).await?;
        if found.role_arn() != Some(&spec.role_arn) {
            let request = self.0.eks().await.update_pod_identity_association().cluster_name(&spec.cluster_name);
            let request = &request.association_id(id).role_arn(&spec.role_arn);
            let operation = "eks:UpdatePodIdentityAssociation";
            let call = || async move { request.clone().send().await.operation(operation) }.boxed();
            once_role_is_known(&self.0, call).await?;
        }
        let arn = found.association_arn().unwrap_or_default();
        sync_tags(&self.0, arn, &observed(found.tags()), &spec.tags).await?;
        Ok(known(&found))
    }

    async fn read(&self, id: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let Some(found) = self.look(&spec.cluster_name, id).await? else { return Ok(None) };
        let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let seen = Spec {
            cluster_name: text(found.cluster_name()),
            namespace: text(found.namespace()),
            service_account: text(found.service_account()),
            role_arn: text(found.role_arn()),
            tags: observed(found.tags()),
        };
        Ok(Some(Observed { spec: seen, outputs: known(&found) }))
    }

    async fn by_place(&self, spec: &Spec) -> Result<Option<Vec<String>>, OpError> {
        self.of_account(spec).await.map(Some)
    }

    async fn find(&self, spec: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        for id in self.of_account(spec).await? {
            if let Some(found) = self.look(&spec.cluster_name, &id).await?
                && is_made_by(found.tags(), intent)
            {
                return Ok(Some(Created { id, outputs: known(&found) }));
            }
        }
        Ok(None)
    }

    async fn delete(&self, id: &str, spec: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let request = self.0.eks().await.delete_pod_identity_association();
        let request = request.cluster_name(&spec.cluster_name).association_id(id);
        gone_is_none(request.send().await.operation("eks:DeletePodIdentityAssociation")).map(drop)
    }
}
