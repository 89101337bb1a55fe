//! The zones of a region.

use std::collections::BTreeSet;

use llmhost_engine::kind::{ErrorClass, OpError};

use super::{Operation, filter};
use crate::aws::clients::Aws;

/// The name of the `index`-th zone, by name, that this account can use. Where that one was chosen for
/// another index already, the first that was not.
pub(in crate::aws) async fn availability_zone(
    aws: &Aws,
    index: &str,
    chosen: &BTreeSet<String>,
) -> Result<String, OpError> {
    let operation = "ec2:DescribeAvailabilityZones";
    let index: usize =
        index.parse().map_err(|_| OpError::local(operation, format!("'{index}' is not the number of a zone")))?;
    let request = aws.ec2().await.describe_availability_zones().filters(filter("state", "available"));
    let answer = request.filters(filter("zone-type", "availability-zone")).send().await.operation(operation)?;
    let open = answer
        .availability_zones()
        .iter()
        .filter(|zone| zone.opt_in_status().is_none_or(|status| status.as_str() != "not-opted-in"));
    let mut names: Vec<&str> = open.filter_map(|zone| zone.zone_name()).collect();
    names.sort_unstable();
    let free = |name: &&str| !chosen.contains(*name);
    let zone = names.get(index).copied().filter(free).or_else(|| {
        let rest = names.iter().copied().find(free);
        rest.filter(|_| index < names.len())
    });
    zone.map(str::to_owned).ok_or_else(|| {
        let region = &aws.settings.region;
        let message = format!("zone number {} was asked for, and {region} has {}", index + 1, names.len());
        let mut error = OpError::local(operation, message);
        error.class = ErrorClass::Invalid;
        error.advice = Some(format!("Ask for at most {} zones, or choose another region.", names.len()));
        error
    })
}
