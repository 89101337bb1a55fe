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
        let message = match names.len() {
            0 => format!("no availability zone of {region} is known here"),
            count => format!("zone number {} was asked for, and {region} has {count}", index + 1),
        };
        let mut error = OpError::local(operation, message);
        error.class = ErrorClass::Invalid;
        error.advice = Some(match names.len() {
            // Also where the emulator does not have the region.
            0 if aws.settings.endpoint_url.is_some() => "The emulator does not have this region, so this pipeline cannot be rehearsed. Set \
                                                     region = \"us-east-1\" for the rehearsal, or plan without one: llmhost run \
                                                     --dry-run."
                .to_owned(),
            0 => "Check whether the region is enabled in this account, or choose another region.".to_owned(),
            count => format!("Ask for at most {count} zones, or choose another region."),
        });
        error
    })
}

/// The name that the zone with this id has in the account.
pub(in crate::aws) async fn zone_name(aws: &Aws, id: &str) -> Result<String, OpError> {
    let operation = "ec2:DescribeAvailabilityZones";
    let request = aws.ec2().await.describe_availability_zones().filters(filter("zone-id", id));
    let answer = request.send().await.operation(operation)?;
    let found = answer.availability_zones().iter().find(|zone| zone.zone_id() == Some(id));
    found.and_then(|zone| zone.zone_name()).map(str::to_owned).ok_or_else(|| {
        let mut error =
            OpError::local(operation, format!("there is no zone with the id {id} in {}", aws.settings.region));
        error.class = ErrorClass::Invalid;
        error.advice = Some(
            "List the ids of the region's zones: aws ec2 describe-availability-zones --query \
             'AvailabilityZones[].[ZoneName,ZoneId]'."
                .to_owned(),
        );
        error
    })
}
