//! What stands for the outputs of a cluster that is not there yet.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use llmhost_engine::kind::Sampled;
use serde_json::Value;

use crate::aws::policy::Arns;

/// A value of the form that EKS gives.
pub(super) fn cluster(output: &str, sampled: &Sampled<'_>) -> Option<Value> {
    let region = sampled.scope.region;
    let (partition, unique) = (llmhost_partitions::of(region), sampled.unique.to_uppercase());
    Some(match output {
        "arn" => sampled.scope.arn("eks", &format!("cluster/sample-{}", sampled.unique)).into(),
        "endpoint" => format!("https://{unique}.gr7.{region}.eks.{}", partition.dns_suffix).into(),
        "certificate_authority" => {
            let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
            BASE64_STANDARD.encode(format!("{begin}\n{}\n{end}\n", BASE64_STANDARD.encode(&unique))).into()
        }
        "oidc_issuer" => format!("https://oidc.{}/id/{unique}", partition.host("eks", region)).into(),
        "security_group_id" => sampled.id("sg"),
        "version" => super::versions::SAMPLE.into(),
        "cluster_name" => format!("sample-{}", sampled.unique).into(),
        _ => return None,
    })
}
