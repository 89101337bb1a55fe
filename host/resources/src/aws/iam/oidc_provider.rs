//! `iam.oidc-provider`

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::kind::{
    Created, DeclareContext, Intent, Kind, Observed, OpError, Outputs, Permission, Progress, Sampled, Scope,
};
use llmhost_engine::unknown;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Operation, changes, is_made_by, observed, tagged};
use crate::aws::blank;
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::limits;
use crate::aws::outputs;
use crate::aws::policy::Arns;
use crate::aws::tags::Tags;

/// Makes IAM trust the tokens of an issuer, such as a cluster's.
pub(in crate::aws) struct OidcProvider(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    url: String,
    client_ids: BTreeSet<String>,
    tags: Tags,
}

type Found = aws_sdk_iam::operation::get_open_id_connect_provider::GetOpenIdConnectProviderOutput;

impl OidcProvider {
    async fn look(&self, arn: &str) -> Result<Option<Found>, OpError> {
        let request = self.0.iam().await.get_open_id_connect_provider().open_id_connect_provider_arn(arn);
        gone_is_none(request.send().await.operation("iam:GetOpenIDConnectProvider"))
    }

    /// The ARN of the account's provider for the issuer: it has one at most.
    async fn of_issuer(&self, spec: &Spec) -> Result<Option<String>, OpError> {
        let answer = self.0.iam().await.list_open_id_connect_providers().send().await;
        let all = answer.operation("iam:ListOpenIDConnectProviders")?.open_id_connect_provider_list.unwrap_or_default();
        let ending = format!("oidc-provider/{}", spec.url.trim_start_matches("https://"));
        Ok(all.into_iter().filter_map(|entry| entry.arn).find(|arn| arn.ends_with(&ending)))
    }
}

#[async_trait]
impl Kind for OidcProvider {
    type Spec = Spec;
    const NAME: &'static str = "iam.oidc-provider";
    const ACTIONS: &'static [&'static str] = &[
        "iam:CreateOpenIDConnectProvider",
        "iam:GetOpenIDConnectProvider",
        "iam:ListOpenIDConnectProviders",
        "iam:AddClientIDToOpenIDConnectProvider",
        "iam:RemoveClientIDFromOpenIDConnectProvider",
        "iam:TagOpenIDConnectProvider",
        "iam:UntagOpenIDConnectProvider",
        "iam:DeleteOpenIDConnectProvider",
    ];
    const IMMUTABLE: &'static [&'static str] = &["url"];
    const UNIQUE: &'static [&'static str] = &["url"];
    const IDENTITIES: &'static [&'static str] = &["arn"];

    fn predicted(&self, spec: &Spec, scope: &Scope<'_>) -> Outputs {
        scope.predicted_iam("oidc-provider", "/", spec.url.trim_start_matches("https://"))
    }

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        if !unknown::is_unknown(&spec.url) && !spec.url.starts_with("https://") {
            return Err(format!("the issuer '{}' must be an https:// address", spec.url));
        }
        if spec.client_ids.is_empty() {
            return Err("client_ids is empty; clusters use sts.amazonaws.com".to_owned());
        }
        let longest = spec.client_ids.iter().map(|id| id.len()).chain([spec.url.len()]).max().unwrap_or(0);
        if longest > limits::OIDC_LENGTH || spec.client_ids.len() > limits::OIDC_CLIENTS {
            return Err(format!(
                "an OIDC provider has at most {} client_ids, and at most {} characters in each and in its url",
                limits::OIDC_CLIENTS,
                limits::OIDC_LENGTH
            ));
        }
        spec.tags.complete(context)
    }

    fn permissions(&self, _: &Spec, scope: &Scope<'_>) -> Vec<Permission> {
        let on_it: Vec<_> = Self::ACTIONS.iter().copied().filter(|action| !action.contains(":List")).collect();
        vec![
            Permission::new(&on_it, [scope.iam("oidc-provider", "/", "*")]),
            Permission::new(&["iam:ListOpenIDConnectProviders"], ["*".to_owned()]),
        ]
    }

    fn sample(&self, _: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        let issuer = format!("oidc.eks.{}.amazonaws.com/id/{}", sampled.scope.region, sampled.unique.to_uppercase());
        Some(sampled.scope.iam("oidc-provider", "/", &issuer).into())
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let operation = "iam:CreateOpenIDConnectProvider";
        let request = self.0.iam_once().await.create_open_id_connect_provider().url(&spec.url);
        let request = request.set_client_id_list(Some(spec.client_ids.iter().cloned().collect()));
        let request = request.set_tags(Some(tagged(operation, &spec.tags, intent)?));
        let answer = request.send().await.operation(operation)?;
        let arn = answer.open_id_connect_provider_arn;
        let arn = arn.ok_or_else(|| OpError::local(operation, "the response has no ARN"))?;
        Ok(Created { outputs: outputs([("arn", arn.as_str())]), id: arn })
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        let iam = self.0.iam().await;
        let there: BTreeSet<String> = match was {
            Some(was) => was.client_ids.clone(),
            None => {
                self.look(id).await?.and_then(|found| found.client_id_list).unwrap_or_default().into_iter().collect()
            }
        };
        for client in spec.client_ids.difference(&there) {
            let request = iam.add_client_id_to_open_id_connect_provider().open_id_connect_provider_arn(id);
            request.client_id(client).send().await.operation("iam:AddClientIDToOpenIDConnectProvider")?;
        }
        for client in there.difference(&spec.client_ids) {
            let request = iam.remove_client_id_from_open_id_connect_provider().open_id_connect_provider_arn(id);
            request.client_id(client).send().await.operation("iam:RemoveClientIDFromOpenIDConnectProvider")?;
        }
        let (new, gone) = changes("iam:TagOpenIDConnectProvider", was.map(|was| &was.tags), &spec.tags)?;
        if !new.is_empty() {
            let request = iam.tag_open_id_connect_provider().open_id_connect_provider_arn(id).set_tags(Some(new));
            request.send().await.operation("iam:TagOpenIDConnectProvider")?;
        }
        if !gone.is_empty() {
            let request = iam.untag_open_id_connect_provider().open_id_connect_provider_arn(id);
            request.set_tag_keys(Some(gone)).send().await.operation("iam:UntagOpenIDConnectProvider")?;
        }
        Ok(Outputs::new())
    }

    fn blank(&self, name: &str) -> Option<Spec> {
        blank(json!({ "url": name, "client_ids": [], "tags": {} }))
    }

    /// Its name is its issuer.
    async fn called(&self, name: &str) -> Result<Option<Vec<String>>, OpError> {
        match Kind::blank(self, &format!("https://{}", name.trim_start_matches("https://"))) {
            Some(spec) => self.by_place(&spec).await,
            None => Ok(None),
        }
    }

    async fn read(&self, id: &str, _: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let Some(found) = self.look(id).await? else { return Ok(None) };
        // IAM gives the address without its scheme.
        let url = found.url().unwrap_or_default().trim_start_matches("https://");
        let spec = Spec {
            url: format!("https://{url}"),
            client_ids: found.client_id_list().iter().cloned().collect(),
            tags: observed(found.tags()),
        };
        Ok(Some(Observed { spec, outputs: outputs([("arn", id)]) }))
    }

    async fn by_place(&self, spec: &Spec) -> Result<Option<Vec<String>>, OpError> {
        Ok(Some(self.of_issuer(spec).await?.into_iter().collect()))
    }

    async fn find(&self, spec: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let Some(arn) = self.of_issuer(spec).await? else { return Ok(None) };
        let found = self.look(&arn).await?.filter(|found| is_made_by(found.tags(), intent));
        Ok(found.map(|_| Created { outputs: outputs([("arn", arn.as_str())]), id: arn }))
    }

    async fn delete(&self, id: &str, spec: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let operation = "iam:DeleteOpenIDConnectProvider";
        if let Some(there) = self.look(id).await? {
            spec.tags.own(&observed(there.tags()), operation, &format!("OIDC provider {id}"))?;
        }
        let request = self.0.iam().await.delete_open_id_connect_provider().open_id_connect_provider_arn(id);
        gone_is_none(request.send().await.operation(operation)).map(drop)
    }
}
