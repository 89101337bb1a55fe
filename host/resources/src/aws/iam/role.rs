//! `iam.role`

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use llmhost_engine::kind::{
    ChangeKind, Created, DeclareContext, ErrorClass, Intent, Kind, Observed, OpError, Outputs, Permission, Progress,
    ReplaceOrder, Sampled, Scope,
};
use llmhost_engine::unknown;
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
use crate::aws::wait::settled;

/// A role with its policies: those attached, and those written into it.
pub(in crate::aws) struct Role(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    role_name: String,
    path: String,
    description: String,
    assume_role_policy: Document,
    max_session_duration: i32,
    /// ARNs; whatever else is attached is detached.
    managed_policy_arns: BTreeSet<String>,
    /// By name; whatever else is there is deleted.
    #[serde(deserialize_with = "super::role::pairs")]
    inline_policies: BTreeMap<String, Document>,
    permissions_boundary: Option<String>,
    tags: Tags,
}

/// Reads WIT's list of pairs, or a map.
fn pairs<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Document>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Pairs(Vec<(String, Value)>),
        Map(BTreeMap<String, Value>),
    }
    let all: Vec<(String, Value)> = match Either::deserialize(deserializer)? {
        Either::Pairs(pairs) => pairs,
        Either::Map(map) => map.into_iter().collect(),
    };
    let document = |(name, raw): (String, Value)| match serde_json::from_value::<Document>(raw) {
        Ok(document) => Ok((name, document)),
        Err(error) => Err(serde::de::Error::custom(format!("the policy '{name}': {error}"))),
    };
    all.into_iter().map(document).collect()
}

/// What IAM has of a role's policies.
struct Policies {
    managed: BTreeSet<String>,
    inline: BTreeSet<String>,
}

impl Role {
    async fn look(&self, name: &str) -> Result<Option<aws_sdk_iam::types::Role>, OpError> {
        let answer = self.0.iam().await.get_role().role_name(name).send().await.operation("iam:GetRole");
        Ok(gone_is_none(answer)?.and_then(|answer| answer.role))
    }

    async fn policies(&self, name: &str) -> Result<Policies, OpError> {
        let iam = self.0.iam().await;
        let pages = iam.list_attached_role_policies().role_name(name).into_paginator().items().send();
        let attached = pages.try_collect().await.operation("iam:ListAttachedRolePolicies")?;
        let pages = iam.list_role_policies().role_name(name).into_paginator().items().send();
        let inline = pages.try_collect().await.operation("iam:ListRolePolicies")?;
        Ok(Policies {
            managed: attached.into_iter().filter_map(|policy| policy.policy_arn).collect(),
            inline: inline.into_iter().collect(),
        })
    }

    async fn sync_policies(&self, id: &str, spec: &Spec, was: Option<&Spec>) -> Result<(), OpError> {
        let iam = self.0.iam().await;
        let there = self.policies(id).await?;
        for arn in spec.managed_policy_arns.difference(&there.managed) {
            let call = || {
                let request = iam.attach_role_policy().role_name(id).policy_arn(arn);
                async move { request.send().await.operation("iam:AttachRolePolicy").map(drop) }.boxed()
            };
            // A policy made a moment ago is not known everywhere at once; AWS's own always are.
            let attached = if arn.contains(":iam::aws:") { call().await } else { settled(call).await };
            attached.map_err(|mut error| {
                if error.class == ErrorClass::NotFound {
                    error.class = ErrorClass::Invalid;
                    error.advice = Some(format!("There is no policy {arn}; check its ARN."));
                }
                error
            })?;
        }
        for arn in there.managed.difference(&spec.managed_policy_arns) {
            let request = iam.detach_role_policy().role_name(id).policy_arn(arn);
            gone_is_none(request.send().await.operation("iam:DetachRolePolicy"))?;
        }
        for (name, document) in &spec.inline_policies {
            let same = was.and_then(|was| was.inline_policies.get(name)) == Some(document);
            if !same || !there.inline.contains(name) {
                let request = iam.put_role_policy().role_name(id).policy_name(name).policy_document(document.text());
                request.send().await.operation("iam:PutRolePolicy")?;
            }
        }
        for name in there.inline.iter().filter(|name| !spec.inline_policies.contains_key(*name)) {
            let request = iam.delete_role_policy().role_name(id).policy_name(name);
            gone_is_none(request.send().await.operation("iam:DeleteRolePolicy"))?;
        }
        Ok(())
    }
}

impl Spec {
    /// Checks what no quota can raise: lengths, and how many policies a role can have at most.
    fn check_sizes(&self) -> Result<(), String> {
        limits::check_iam_description(&self.description)?;
        self.assume_role_policy.check_characters()?;
        self.inline_policies.values().try_for_each(Document::check_characters)?;
        let inline = self.inline_policies.values().map(Document::length).sum();
        limits::check_length(
            "the inline policies have together",
            inline,
            limits::INLINE_POLICIES,
            "in all inline policies of a role",
            "Move statements into a managed policy.",
        )?;
        let most = limits::TRUST_POLICY.most.unwrap_or(u64::MAX);
        let trust = self.assume_role_policy.length();
        let fix = "Trust fewer principals, or create a second role.";
        limits::check_length("the trust policy has", trust, most as usize, "in a trust policy at most", fix)?;
        let (count, most) = (self.managed_policy_arns.len(), limits::POLICIES_PER_ROLE.most.unwrap_or(u64::MAX));
        if count as u64 > most {
            return Err(format!(
                "the role has {count} managed policies; IAM attaches {most} at most. Combine their statements in \
                    fewer policies."
            ));
        }
        Ok(())
    }
}

#[async_trait]
impl Kind for Role {
    type Spec = Spec;
    const NAME: &'static str = "iam.role";
    const ACTIONS: &'static [&'static str] = &[
        "iam:CreateRole",
        "iam:GetRole",
        "iam:UpdateRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:PutRolePermissionsBoundary",
        "iam:DeleteRolePermissionsBoundary",
        "iam:AttachRolePolicy",
        "iam:DetachRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:PutRolePolicy",
        "iam:GetRolePolicy",
        "iam:DeleteRolePolicy",
        "iam:ListRolePolicies",
        "iam:ListInstanceProfilesForRole",
        "iam:TagRole",
        "iam:UntagRole",
        "iam:DeleteRole",
    ];
    const IMMUTABLE: &'static [&'static str] = &["role_name", "path"];
    /// Unique in the account, whatever the path.
    const UNIQUE: &'static [&'static str] = &["role_name"];
    /// Permissions are given on names. A principal of the trust policy is not: IAM keeps who it was.
    const BY_NAME: &'static [&'static str] = &["inline_policies"];
    /// IAM deletes a principal that others trust.
    const LOOSE: &'static [&'static str] = &["assume_role_policy"];
    const IDENTITIES: &'static [&'static str] = &["arn", "role_name"];

    fn interrupts(&self, old: &Spec, new: &Spec, how: ChangeKind) -> Option<String> {
        let name = &old.role_name;
        match how {
            ChangeKind::Replace(ReplaceOrder::DeleteFirst) => Some(format!(
                "role '{name}' cannot be assumed while it is replaced, usually under a minute; its sessions end"
            )),
            ChangeKind::Replace(ReplaceOrder::CreateFirst) => None,
            ChangeKind::Update => {
                let gone = old.managed_policy_arns.difference(&new.managed_policy_arns).map(String::as_str);
                let names = old.inline_policies.keys().filter(|name| !new.inline_policies.contains_key(*name));
                let gone: Vec<&str> = gone.chain(names.map(String::as_str)).collect();
                let trust = old.assume_role_policy.comparable() != new.assume_role_policy.comparable();
                match (gone.is_empty(), trust) {
                    (true, false) => None,
                    (false, _) => Some(format!("principals with role '{name}' lose {}", gone.join(", "))),
                    (true, true) => Some(format!(
                        "principals that the new trust policy does not name can no longer assume role '{name}'"
                    )),
                }
            }
        }
    }

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        check_name("role name", &spec.role_name, 64)?;
        check_path(&spec.path)?;
        spec.assume_role_policy.check_federation()?;
        spec.inline_policies.keys().try_for_each(|name| check_name("policy name", name, 128))?;
        spec.check_sizes()?;
        if !(3600..=43_200).contains(&spec.max_session_duration) {
            return Err(format!(
                "max_session_duration is {}; IAM allows 3600 to 43200 seconds",
                spec.max_session_duration
            ));
        }
        spec.tags.complete(context)
    }

    fn comparable(&self, spec: &Spec) -> Value {
        let mut value = json!(spec);
        value["assume_role_policy"] = spec.assume_role_policy.comparable();
        for (name, document) in &spec.inline_policies {
            value["inline_policies"][name] = document.comparable();
        }
        value
    }

    fn foreknown(&self, spec: &Spec) -> Outputs {
        outputs([("role_name", spec.role_name.as_str())])
    }

    fn predicted(&self, spec: &Spec, scope: &Scope<'_>) -> Outputs {
        scope.predicted_iam("role", &spec.path, &spec.role_name)
    }

    fn without(&self, spec: &Spec, identities: &[String]) -> Option<Spec> {
        let mut spec = spec.clone();
        let before = spec.managed_policy_arns.len();
        spec.managed_policy_arns.retain(|arn| !identities.contains(arn));
        (spec.managed_policy_arns.len() < before).then_some(spec)
    }

    fn permissions(&self, spec: &Spec, scope: &Scope<'_>) -> Vec<Permission> {
        // IAM names a role that it does not find without its path: before a new role is seen everywhere, and
        // when the answer to its deletion was lost. A name is one role's, whatever its path.
        let names = BTreeSet::from([spec.path.as_str(), "/"]).into_iter();
        let own = Permission::new(Self::ACTIONS, names.map(|path| scope.iam("role", path, &spec.role_name)));
        // Whether they are there is asked before a run.
        let named = spec.managed_policy_arns.iter().chain(&spec.permissions_boundary);
        let named: Vec<String> = named.filter(|arn| !unknown::is_unknown(arn)).cloned().collect();
        let asked = (!named.is_empty()).then(|| Permission::new(&["iam:GetPolicy"], named));
        std::iter::once(own).chain(asked).collect()
    }

    fn id_of(&self, spec: &Spec) -> Option<String> {
        Some(spec.role_name.clone())
    }

    fn sample(&self, _: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<Value> {
        Some(sampled.scope.iam("role", "/", &format!("sample-{}", sampled.unique)).into())
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let operation = "iam:CreateRole";
        let request = self.0.iam_once().await.create_role().role_name(&spec.role_name).path(&spec.path);
        let request = request.description(&spec.description).max_session_duration(spec.max_session_duration);
        let request = request.assume_role_policy_document(spec.assume_role_policy.text());
        let request = request.set_permissions_boundary(spec.permissions_boundary.clone());
        let request = request.set_tags(Some(tagged(operation, &spec.tags, intent)?));
        let answer = request.send().await.operation(operation)?;
        let arn = answer.role.map(|role| role.arn).unwrap_or_default();
        Ok(Created {
            id: spec.role_name.clone(),
            outputs: outputs([("arn", arn.as_str()), ("role_name", &spec.role_name)]),
        })
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        let iam = self.0.iam().await;
        if was.is_none_or(|was| was.assume_role_policy != spec.assume_role_policy) {
            let call = || {
                let request =
                    iam.update_assume_role_policy().role_name(id).policy_document(spec.assume_role_policy.text());
                async move { request.send().await.operation("iam:UpdateAssumeRolePolicy").map(drop) }.boxed()
            };
            settled(call).await?;
        }
        let settings = |spec: &Spec| (spec.description.clone(), spec.max_session_duration);
        if was.is_none_or(|was| settings(was) != settings(spec)) {
            let request = iam.update_role().role_name(id).description(&spec.description);
            let request = request.max_session_duration(spec.max_session_duration);
            request.send().await.operation("iam:UpdateRole")?;
        }
        match &spec.permissions_boundary {
            Some(arn) if was.is_none_or(|was| was.permissions_boundary.as_ref() != Some(arn)) => {
                let request = iam.put_role_permissions_boundary().role_name(id).permissions_boundary(arn);
                request.send().await.operation("iam:PutRolePermissionsBoundary")?;
            }
            None if was.is_some_and(|was| was.permissions_boundary.is_some()) => {
                let request = iam.delete_role_permissions_boundary().role_name(id);
                gone_is_none(request.send().await.operation("iam:DeleteRolePermissionsBoundary"))?;
            }
            _ => {}
        }
        self.sync_policies(id, spec, was).await?;
        let (new, gone) = changes("iam:TagRole", was.map(|was| &was.tags), &spec.tags)?;
        if !new.is_empty() {
            iam.tag_role().role_name(id).set_tags(Some(new)).send().await.operation("iam:TagRole")?;
        }
        if !gone.is_empty() {
            iam.untag_role().role_name(id).set_tag_keys(Some(gone)).send().await.operation("iam:UntagRole")?;
        }
        Ok(Outputs::new())
    }

    fn blank(&self, name: &str) -> Option<Spec> {
        blank(json!({
            "role_name": name, "path": "/", "description": "", "assume_role_policy": Document::nobody(), "max_session_duration": 3600,
            "managed_policy_arns": [], "inline_policies": {}, "permissions_boundary": null, "tags": {},
        }))
    }

    async fn read(&self, id: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let Some(role) = self.look(id).await? else { return Ok(None) };
        let iam = self.0.iam().await;
        let there = self.policies(id).await?;
        let mut inline_policies = BTreeMap::new();
        for name in there.inline {
            let answer = iam.get_role_policy().role_name(id).policy_name(&name).send().await;
            if let Some(answer) = gone_is_none(answer.operation("iam:GetRolePolicy"))?
                && let Some(document) = Document::observed(&answer.policy_document)
            {
                inline_policies.insert(name, document);
            }
        }
        let trust = role.assume_role_policy_document().and_then(Document::observed);
        let seen = Spec {
            role_name: role.role_name.clone(),
            path: role.path.clone(),
            description: role.description().unwrap_or_default().to_owned(),
            assume_role_policy: trust.unwrap_or_else(|| spec.assume_role_policy.clone()),
            max_session_duration: role.max_session_duration().unwrap_or(3600),
            managed_policy_arns: there.managed,
            inline_policies,
            permissions_boundary: role
                .permissions_boundary()
                .and_then(|boundary| boundary.permissions_boundary_arn())
                .map(str::to_owned),
            tags: observed(role.tags()),
        };
        Ok(Some(Observed {
            spec: seen,
            outputs: outputs([("arn", role.arn.as_str()), ("role_name", &role.role_name)]),
        }))
    }

    async fn find(&self, spec: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let role = self.look(&spec.role_name).await?.filter(|role| is_made_by(role.tags(), intent));
        Ok(role.map(|role| Created {
            outputs: outputs([("arn", role.arn.as_str()), ("role_name", &role.role_name)]),
            id: role.role_name,
        }))
    }

    async fn delete(&self, id: &str, spec: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let iam = self.0.iam().await;
        if let Some(there) = self.look(id).await? {
            spec.tags.own(&observed(there.tags()), "iam:DeleteRole", &format!("role '{id}'"))?;
        }
        let Some(there) = gone_is_none(self.policies(id).await)? else { return Ok(()) };
        for arn in &there.managed {
            let request = iam.detach_role_policy().role_name(id).policy_arn(arn);
            gone_is_none(request.send().await.operation("iam:DetachRolePolicy"))?;
        }
        for name in &there.inline {
            let request = iam.delete_role_policy().role_name(id).policy_name(name);
            gone_is_none(request.send().await.operation("iam:DeleteRolePolicy"))?;
        }
        blockers::delete(&self.0, Held::Role(id), || {
            async move { iam.delete_role().role_name(id).send().await.operation("iam:DeleteRole").map(drop) }.boxed()
        })
        .await
    }
}
