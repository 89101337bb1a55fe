//! Whether the role of a service account trusts the cluster that the account is in.

use llmhost_engine::kind::OpError;
use llmhost_engine::plan::Action;
use llmhost_engine::unknown::{self, Source};
use serde_json::Value;

use super::{Declared, Finding, Severity, View, text};
use crate::aws::clients::Aws;
use crate::aws::eks;

/// A role that the pods of a service account are to get, and the cluster that they run in.
struct Use<'a> {
    role: Declared<'a>,
    /// As the policy's conditions name it: without its scheme, or a token.
    issuer: &'a str,
    cluster: &'a str,
    declared: Option<Declared<'a>>,
}

/// What the plan tells alone.
pub(super) fn check(view: &View<'_>, findings: &mut Vec<Finding>) {
    for used in uses(view) {
        let Some(cluster) = used.declared else { continue };
        let is_its_own = match unknown::whole(used.issuer) {
            Some(Source::Output(address, "oidc_issuer")) => address == *cluster.address,
            Some(_) => continue,
            // A cluster that is not there yet has no issuer that anybody could know.
            None => view.plan.resources[cluster.address].action != Action::Create,
        };
        if !is_its_own {
            findings.push(finding(&used));
        }
    }
}

/// What AWS tells of clusters that are there.
pub(super) async fn ask(aws: &Aws, view: &View<'_>, findings: &mut Vec<Finding>) -> Result<(), OpError> {
    for used in uses(view) {
        if unknown::is_unknown(used.cluster) || unknown::is_unknown(used.issuer) {
            continue;
        }
        if let Some(issuer) = eks::issuer(aws, used.cluster).await?
            && issuer.trim_start_matches("https://") != used.issuer
        {
            findings.push(finding(&used));
        }
    }
    Ok(())
}

fn finding(used: &Use<'_>) -> Finding {
    let name = used.declared.map_or(used.cluster, |cluster| text(cluster.spec, "cluster_name"));
    let issuer = match unknown::whole(used.issuer) {
        Some(Source::Output(address, _)) => address.to_string(),
        _ => used.issuer.to_owned(),
    };
    Finding {
        severity: Severity::Error,
        code: "trust-of-another-cluster",
        address: used.role.address.clone(),
        keys: &["oidc_issuer", "oidc_provider_arn", "cluster"],
        message: format!(
            "the role trusts the service accounts of {issuer}, and its own is in the cluster {name}, which has another \
             issuer: its pods cannot assume the role"
        ),
        fix: "Set oidc_issuer and oidc_provider_arn from the step that creates this cluster.".to_owned(),
    }
}

/// Every service account with a role of this plan that this run makes or changes.
fn uses<'a>(view: &View<'a>) -> impl Iterator<Item = Use<'a>> {
    let accounts = view.of_kind("kube.object").filter(|object| object.spec["manifest"]["kind"] == "ServiceAccount");
    accounts.filter_map(|account| {
        let role = role_of(view, &account)?;
        let cluster = &account.spec["target"]["eks"];
        let by_name = || view.of_kind("eks.cluster").find(|found| found.spec["cluster_name"] == *cluster);
        let declared = view.behind(cluster).or_else(by_name);
        Some(Use { role, issuer: issuer_of(role.spec)?, cluster: cluster.as_str()?, declared })
    })
}

fn role_of<'a>(view: &View<'a>, account: &Declared<'a>) -> Option<Declared<'a>> {
    let arn = &account.spec["manifest"]["metadata"]["annotations"]["eks.amazonaws.com/role-arn"];
    let name = |role: &Declared<'_>| format!(":role{}{}", text(role.spec, "path"), text(role.spec, "role_name"));
    let by_name = || view.of_kind("iam.role").find(|role| arn.as_str().is_some_and(|arn| arn.ends_with(&name(role))));
    let role = view.behind(arn).or_else(by_name)?;
    view.checked("iam.role").find(|checked| checked.address == role.address)
}

/// The issuer that the conditions of a trust policy speak of.
fn issuer_of(role: &Value) -> Option<&str> {
    let statements = role["assume_role_policy"]["Statement"].as_array().into_iter().flatten();
    let operators = statements.filter_map(|statement| statement["Condition"].as_object()).flat_map(|all| all.values());
    let mut keys = operators.filter_map(Value::as_object).flat_map(|all| all.keys());
    keys.find_map(|key| key.strip_suffix(":sub"))
}
