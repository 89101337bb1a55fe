//! Whether the names that a plan gives are free: what has one already is somebody else's, or this pipeline's and
//! missing in its state.

use llmhost_engine::kind::{ErrorClass, OpError};
use llmhost_engine::plan::Action;
use llmhost_engine::run::PIPELINE_TAG;
use llmhost_engine::unknown;
use serde_json::Value;

use super::names::{self, Unique, unique};
use super::{Declared, Finding, Severity, View, text, together};
use crate::aws::clients::Aws;
use crate::aws::ec2::{self, filter};
use crate::aws::errors::{Operation, gone_is_none};
use crate::aws::tags::Tags;
use crate::aws::{eks, iam, sts};

/// What has the name.
enum There {
    /// Something in this account and region, with its id.
    Here { id: String, tags: Tags },
    /// A bucket of another region, or of another account.
    Elsewhere(&'static str),
}

pub(super) async fn ask(aws: &Aws, view: &View<'_>) -> Result<Vec<Finding>, OpError> {
    let all = names::KINDS.into_iter().filter(|kind| !NOT_ASKED.contains(kind));
    let made =
        all.flat_map(|kind| view.checked(kind)).filter(Declared::is_made).filter(|declared| is_known(view, declared));
    let asked = made.map(|declared| async move {
        let Some(there) = look(aws, declared.address.kind(), declared.spec).await? else { return Ok(None) };
        Ok(finding(view, &declared, there))
    });
    Ok(together(asked).await?.into_iter().flatten().collect())
}

/// Kinds whose places are looked at by nobody here: they are in what the pipeline makes itself, or in a cluster.
const NOT_ASKED: [&str; 3] = ["ec2.route", "ec2.route-table-association", "kube.object"];

/// Whether its name is known, and may be taken: nothing is in a cluster that this run makes.
fn is_known(view: &View<'_>, declared: &Declared<'_>) -> bool {
    let fields: &[&str] = match declared.address.kind() {
        "ec2.security-group" => &["vpc_id", "group_name"],
        "eks.access-entry" => &["cluster_name", "principal_arn"],
        "eks.addon" => &["cluster_name", "addon_name"],
        "eks.fargate-profile" => &["cluster_name", "profile_name"],
        "eks.node-group" => &["cluster_name", "node_group_name"],
        "eks.pod-identity-association" => &["cluster_name", "namespace", "service_account"],
        "iam.oidc-provider" => &["url"],
        _ => &[],
    };
    let name = unique(declared.address.kind(), declared.spec).map(|unique| unique.name).unwrap_or_default();
    let cluster = text(declared.spec, "cluster_name");
    let is_new = |own: Declared<'_>| own.action == Action::Create && text(own.spec, "cluster_name") == cluster;
    !unknown::is_unknown(&name)
        && fields.iter().all(|field| !unknown::is_unknown(text(declared.spec, field)))
        && (declared.address.kind() == "eks.cluster" || cluster.is_empty() || !view.of_kind("eks.cluster").any(is_new))
}

fn finding(view: &View<'_>, declared: &Declared<'_>, there: There) -> Option<Finding> {
    let Unique { what, name, .. } = unique(declared.address.kind(), declared.spec)?;
    let (address, pipeline) = (declared.address, &view.plan.pipeline);
    let (code, message, fix) = match there {
        There::Here { id, .. } if view.is_own(address.kind(), &id) => return None,
        There::Here { id, tags } => match tags.0.get(PIPELINE_TAG) {
            // A bucket gets its tags in a call of its own.
            owner if owner.is_none_or(|owner| owner == pipeline) && view.may_have_begun(address.kind(), &name) => {
                return None;
            }
            Some(owner) if owner == pipeline => (
                "not-in-state",
                format!("the {what} '{name}' exists with the tags of this pipeline, and is not in the state"),
                format!(
                    "If the state was lost, import it: llmhost import FILE {address} {id}. If another state of a pipeline with \
                     this name created it, choose another name."
                ),
            ),
            owner => {
                let of =
                    owner.map(|owner| format!(": it carries the tag {PIPELINE_TAG} = {owner}")).unwrap_or_default();
                let fix = format!(
                    "Choose another name. To manage this one from here, import it: llmhost import FILE {address} {id}"
                );
                ("name-taken", format!("the {what} '{name}' exists and was not created by this pipeline{of}"), fix)
            }
        },
        There::Elsewhere(whose) => (
            "name-taken",
            format!("the {what} '{name}' already exists, {whose}"),
            "Choose another name: those of buckets are unique in all of AWS.".to_owned(),
        ),
    };
    let (address, keys) = (address.clone(), names::keys(declared));
    Some(Finding { severity: Severity::Error, code, address, keys, message, fix })
}

/// Looks for what has the name that a spec wants.
async fn look(aws: &Aws, kind: &str, spec: &Value) -> Result<Option<There>, OpError> {
    let name = |field| text(spec, field);
    let found = match kind {
        "ec2.launch-template" => launch_template(aws, name("template_name")).await?,
        "ec2.placement-group" => placement_group(aws, name("group_name")).await?,
        "ec2.security-group" => security_group(aws, name("vpc_id"), name("group_name")).await?,
        "eks.access-entry" => eks::access_entry(aws, name("cluster_name"), name("principal_arn")).await?,
        "eks.addon" => eks::addon(aws, name("cluster_name"), name("addon_name")).await?,
        "eks.cluster" => eks::cluster(aws, name("cluster_name")).await?,
        "eks.fargate-profile" => eks::fargate_profile(aws, name("cluster_name"), name("profile_name")).await?,
        "eks.node-group" => eks::node_group(aws, name("cluster_name"), name("node_group_name")).await?,
        "eks.pod-identity-association" => {
            eks::pod_identity(aws, name("cluster_name"), name("namespace"), name("service_account")).await?
        }
        "iam.instance-profile" => iam::profile(aws, name("profile_name")).await?,
        "iam.oidc-provider" => {
            let issuer = name("url").trim_start_matches("https://");
            iam::oidc_provider(aws, &own_arn(aws, &format!("oidc-provider/{issuer}")).await?).await?
        }
        "iam.policy" => {
            let arn = own_arn(aws, &format!("policy{}{}", name("path"), name("policy_name"))).await?;
            iam::policy(aws, &arn).await?
        }
        "iam.role" => iam::role(aws, name("role_name")).await?,
        "s3.bucket" => return bucket(aws, name("bucket")).await,
        _ => None,
    };
    Ok(found.map(|(id, tags)| There::Here { id, tags }))
}

/// An ARN of IAM in the caller's account.
async fn own_arn(aws: &Aws, resource: &str) -> Result<String, OpError> {
    Ok(format!("arn:{}:iam::{}:{resource}", aws.partition(), sts::account_id(aws).await?))
}

async fn launch_template(aws: &Aws, name: &str) -> Result<Option<(String, Tags)>, OpError> {
    let request = aws.ec2().await.describe_launch_templates().filters(filter("launch-template-name", name));
    let answer = request.send().await.operation("ec2:DescribeLaunchTemplates")?;
    let found = answer.launch_templates.and_then(|mut all| all.pop());
    Ok(found.and_then(|found| Some((found.launch_template_id.clone()?, ec2::observed(found.tags())))))
}

async fn placement_group(aws: &Aws, name: &str) -> Result<Option<(String, Tags)>, OpError> {
    let request = aws.ec2().await.describe_placement_groups().filters(filter("group-name", name));
    let answer = request.send().await.operation("ec2:DescribePlacementGroups")?;
    let found = answer.placement_groups().iter().find(|group| group.group_name() == Some(name));
    Ok(found.map(|found| (name.to_owned(), ec2::observed(found.tags()))))
}

async fn security_group(aws: &Aws, vpc: &str, name: &str) -> Result<Option<(String, Tags)>, OpError> {
    let filters = [filter("vpc-id", vpc), filter("group-name", name)];
    let request = aws.ec2().await.describe_security_groups().set_filters(Some(filters.into()));
    let answer = request.send().await.operation("ec2:DescribeSecurityGroups")?;
    let found = answer.security_groups.and_then(|mut all| all.pop());
    Ok(found.and_then(|found| Some((found.group_id.clone()?, ec2::observed(found.tags())))))
}

/// S3 says with a status alone whose a bucket is.
async fn bucket(aws: &Aws, name: &str) -> Result<Option<There>, OpError> {
    let s3 = aws.s3_small().await;
    match s3.head_bucket().bucket(name).send().await.operation("s3:HeadBucket") {
        Ok(_) => {}
        Err(error) if error.class == ErrorClass::NotFound => return Ok(None),
        Err(error) if error.code.is_some() || error.advice.is_some() => return Err(error),
        Err(error) if error.class == ErrorClass::Denied => {
            return Ok(Some(There::Elsewhere("and belongs to another account, or these credentials cannot read it")));
        }
        Err(error) if error.class == ErrorClass::Invalid => return Ok(Some(There::Elsewhere("in another region"))),
        Err(error) => return Err(error),
    }
    let answer = s3.get_bucket_tagging().bucket(name).send().await.operation("s3:GetBucketTagging");
    let tags = gone_is_none(answer)?.map(|answer| answer.tag_set).unwrap_or_default();
    let tags = Tags::observed(tags.iter().map(|tag| (Some(tag.key()), Some(tag.value()))));
    Ok(Some(There::Here { id: name.to_owned(), tags }))
}
