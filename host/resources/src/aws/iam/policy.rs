//! `iam.policy`

use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use llmhost_engine::kind::{
    ChangeKind, Created, DeclareContext, Intent, Kind, Observed, OpError, Outputs, Permission, Progress, ReplaceOrder,
    Sampled, Scope,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::blockers::{self, Held};
use super::{Document, Operation, changes, check_name, check_path, is_made_by, observed, tagged};
use crate::aws::blank;
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::limits;
use crate::aws::outputs;
use crate::aws::policy::Arns;
use crate::aws::tags::Tags;

/// A policy of the account's own.
pub(in crate::aws) struct Policy(pub(in crate::aws) Arc<Aws>);

/// IAM keeps so many versions of a policy, the one in force included.
const VERSIONS: usize = 5;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    policy_name: String,
    path: String,
    description: String,
    document: Document,
    tags: Tags,
}

impl Policy {
    async fn look(&self, arn: &str) -> Result<Option<aws_sdk_iam::types::Policy>, OpError> {
        let answer = self.0.iam().await.get_policy().policy_arn(arn).send().await.operation("iam:GetPolicy");
        Ok(gone_is_none(answer)?.and_then(|answer| answer.policy))
    }

    /// The ARN of the account's policy of this name; a name is unique whatever its path.
    async fn named(&self, spec: &Spec) -> Result<Option<String>, OpError> {
        let request = self.0.iam().await.list_policies().scope(aws_sdk_iam::types::PolicyScopeType::Local);
        let all = request.into_paginator().items().send().try_collect().await.operation("iam:ListPolicies")?;
        let named = all.into_iter().find(|policy| policy.policy_name() == Some(spec.policy_name.as_str()));
        Ok(named.and_then(|policy| policy.arn))
    }

    /// The document in force.
    async fn document(&self, arn: &str, version: &str) -> Result<Option<Document>, OpError> {
        let request = self.0.iam().await.get_policy_version().policy_arn(arn).version_id(version);
        let answer = gone_is_none(request.send().await.operation("iam:GetPolicyVersion"))?;
        Ok(answer.and_then(|answer| Document::observed(answer.policy_version?.document()?)))
    }

    /// The versions that are not in force, oldest first.
    async fn old_versions(&self, arn: &str) -> Result<Vec<String>, OpError> {
        let pages = self.0.iam().await.list_policy_versions().policy_arn(arn).into_paginator().items().send();
        let mut all = pages.try_collect().await.operation("iam:ListPolicyVersions")?;
        all.retain(|version| !version.is_default_version);
        // v1, v2, … v10: by number, not by text.
        let number = |id: &str| id.trim_start_matches('v').parse::<u64>().unwrap_or(0);
        let mut ids: Vec<String> = all.into_iter().filter_map(|version| version.version_id).collect();
        ids.sort_by_key(|id| number(id));
        Ok(ids)
    }

    async fn delete_version(&self, arn: &str, version: &str) -> Result<(), OpError> {
        let request = self.0.iam().await.delete_policy_version().policy_arn(arn).version_id(version);
        gone_is_none(request.send().await.operation("iam:DeletePolicyVersion")).map(drop)
    }
}

#[async_trait]
impl Kind for Policy {
    type Spec = Spec;
    const NAME: &'static str = "iam.policy";
    const ACTIONS: &'static [&'static str] = &[
        "iam:CreatePolicy",
        "iam:GetPolicy",
        "iam:ListPolicies",
        "iam:GetPolicyVersion",
        "iam:ListPolicyTags",
        "iam:ListPolicyVersions",
        "iam:ListEntitiesForPolicy",
        "iam:CreatePolicyVersion",
        "iam:DeletePolicyVersion",
        "iam:TagPolicy",
        "iam:UntagPolicy",
        "iam:DeletePolicy",
    ];
    const IMMUTABLE: &'static [&'static str] = &["policy_name", "path", "description"];
    /// Unique in the account, whatever the path.
    const UNIQUE: &'static [&'static str] = &["policy_name"];
    const BY_NAME: &'static [&'static str] = &["document"];
    const IDENTITIES: &'static [&'static str] = &["arn"];

    fn interrupts(&self, old: &Spec, _: &Spec, how: ChangeKind) -> Option<String> {
        let name = &old.policy_name;
        (how == ChangeKind::Replace(ReplaceOrder::DeleteFirst))
            .then(|| format!("the roles do not have policy '{name}' while it is replaced, usually a few seconds"))
    }

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        check_name("policy name", &spec.policy_name, 128)?;
        check_path(&spec.path)?;
        limits::check_iam_description(&spec.description)?;
        spec.document.check_characters()?;
        limits::check_length(
            "the policy document has",
            spec.document.length(),
            limits::MANAGED_POLICY,
            "in a managed policy",
            "Move statements into a second policy.",
        )?;
        spec.tags.complete(context)
    }

    fn comparable(&self, spec: &Spec) -> Value {
        let mut value = json!(spec);
        value["document"] = spec.document.comparable();
        value
    }

    fn predicted(&self, spec: &Spec, scope: &Scope<'_>) -> Outputs {
        scope.predicted_iam("policy", &spec.path, &spec.policy_name)
    }

    fn permissions(&self, spec: &Spec, scope: &Scope<'_>) -> Vec<Permission> {
        let actions = Self::ACTIONS.iter().copied().filter(|action| *action != "iam:ListPolicies");
        vec![
            Permission::new(&actions.collect::<Vec<_>>(), [scope.iam("policy", &spec.path, &spec.policy_name)]),
            Permission::new(&["iam:ListPolicies"], ["*".to_owned()]),
        ]
    }

    fn sample(&self, _: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<Value> {
        Some(sampled.scope.iam("policy", "/", &format!("sample-{}", sampled.unique)).into())
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let operation = "iam:CreatePolicy";
        let request = self.0.iam_once().await.create_policy().policy_name(&spec.policy_name).path(&spec.path);
        let request = request.description(&spec.description).policy_document(spec.document.text());
        let request = request.set_tags(Some(tagged(operation, &spec.tags, intent)?));
        let answer = request.send().await.operation(operation)?;
        let arn = answer.policy.and_then(|policy| policy.arn);
        let arn = arn.ok_or_else(|| OpError::local(operation, "the response has no ARN"))?;
        Ok(Created { outputs: outputs([("arn", arn.as_str())]), id: arn })
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        let iam = self.0.iam().await;
        let known = match was {
            Some(was) => Some(was.document.clone()),
            None => match self.look(id).await?.and_then(|policy| policy.default_version_id) {
                Some(version) => self.document(id, &version).await?,
                None => None,
            },
        };
        if known.is_some_and(|known| known.comparable() != spec.document.comparable()) {
            let old = self.old_versions(id).await?;
            for version in old.iter().take((old.len() + 2).saturating_sub(VERSIONS)) {
                self.delete_version(id, version).await?;
            }
            let request = iam.create_policy_version().policy_arn(id).policy_document(spec.document.text());
            request.set_as_default(true).send().await.operation("iam:CreatePolicyVersion")?;
        }
        let (new, gone) = changes("iam:TagPolicy", was.map(|was| &was.tags), &spec.tags)?;
        if !new.is_empty() {
            iam.tag_policy().policy_arn(id).set_tags(Some(new)).send().await.operation("iam:TagPolicy")?;
        }
        if !gone.is_empty() {
            iam.untag_policy().policy_arn(id).set_tag_keys(Some(gone)).send().await.operation("iam:UntagPolicy")?;
        }
        Ok(Outputs::new())
    }

    fn blank(&self, name: &str) -> Option<Spec> {
        blank(
            json!({ "policy_name": name, "path": "/", "description": "", "document": Document::nobody(), "tags": {} }),
        )
    }

    async fn called(&self, name: &str) -> Result<Option<Vec<String>>, OpError> {
        match Kind::blank(self, name) {
            Some(spec) => self.by_place(&spec).await,
            None => Ok(None),
        }
    }

    async fn read(&self, id: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let Some(policy) = self.look(id).await? else { return Ok(None) };
        let version = policy.default_version_id().unwrap_or("v1");
        let document = self.document(id, version).await?.unwrap_or_else(|| spec.document.clone());
        let seen = Spec {
            policy_name: policy.policy_name().unwrap_or_default().to_owned(),
            path: policy.path().unwrap_or("/").to_owned(),
            description: policy.description().unwrap_or_default().to_owned(),
            document,
            tags: observed(policy.tags()),
        };
        Ok(Some(Observed { spec: seen, outputs: outputs([("arn", id)]) }))
    }

    async fn by_place(&self, spec: &Spec) -> Result<Option<Vec<String>>, OpError> {
        Ok(Some(self.named(spec).await?.into_iter().collect()))
    }

    async fn find(&self, spec: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let Some(arn) = self.named(spec).await? else { return Ok(None) };
        let found = self.look(&arn).await?.filter(|policy| is_made_by(policy.tags(), intent));
        Ok(found.map(|_| Created { outputs: outputs([("arn", arn.as_str())]), id: arn }))
    }

    async fn delete(&self, id: &str, spec: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        if let Some(there) = self.look(id).await? {
            spec.tags.own(&observed(there.tags()), "iam:DeletePolicy", &format!("policy {id}"))?;
        }
        let Some(old) = gone_is_none(self.old_versions(id).await)? else { return Ok(()) };
        for version in old {
            self.delete_version(id, &version).await?;
        }
        let iam = self.0.iam().await;
        blockers::delete(&self.0, Held::Policy(id), || {
            async move { iam.delete_policy().policy_arn(id).send().await.operation("iam:DeletePolicy").map(drop) }
                .boxed()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use llmhost_engine::unknown;

    use super::*;
    use crate::aws::AwsSettings;

    /// What a policy of so many statements is told when it is declared.
    fn declare(statements: usize, resource: &str) -> Result<(), String> {
        let kind = Policy(Arc::new(Aws::new(AwsSettings::default())));
        let statement = |i: usize| json!({ "Sid": format!("s{i:03}"), "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": [resource] });
        let all: Vec<Value> = (0..statements).map(statement).collect();
        let spec =
            json!({ "policy_name": "p", "path": "/", "description": "", "document": { "Statement": all }, "tags": [] });
        let mut spec: Spec = serde_json::from_value(spec).expect("a spec");
        let address = "a/iam.policy/b".parse().expect("an address");
        let context = DeclareContext {
            address: &address,
            tags: &BTreeMap::new(),
            region: "us-east-1",
            base: Path::new(""),
            within: None,
            config: &Value::Null,
        };
        kind.complete(&mut spec, &context)
    }

    #[test]
    fn a_policy_that_grows_over_its_limit_by_one_statement_is_told_by_how_much() {
        // 39 characters around the statements, and 91 with a comma for each: lists of one are sent as the one.
        let arn = "arn:aws:s3:::models/*";
        let length = |n: usize| 39 + n * 91 - 1;
        assert_eq!((length(67), length(68)), (6135, 6226));
        assert_eq!(declare(67, arn), Ok(()));
        let error = declare(68, arn).expect_err("over the limit");
        assert!(error.contains("has 6226 characters, white space not counted: 82 more than the 6144"), "{error}");
        assert!(error.contains("Move statements into a second policy."), "{error}");
    }

    #[test]
    fn what_is_not_known_yet_counts_for_nothing() {
        let bucket = "a/s3.bucket/models".parse().expect("an address");
        assert_eq!(declare(80, &unknown::output(&bucket, "arn")), Ok(()));
        assert!(declare(100, &unknown::output(&bucket, "arn")).is_err());
    }

    #[test]
    fn a_character_that_iam_does_not_take_is_named() {
        assert!(declare(1, "arn:aws:s3:::東/*").is_err_and(|error| error.contains("'東'")));
        assert_eq!(declare(1, "arn:aws:s3:::é/*"), Ok(()));
    }
}
