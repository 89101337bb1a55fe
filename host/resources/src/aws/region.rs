//! Regions: which there are, and what is offered there.

use std::collections::BTreeMap;

use llmhost_engine::diagnostic::did_you_mean;
use llmhost_engine::state::State;
use llmhost_engine::world::Hints;
use llmhost_partitions as partitions;
use serde_json::Value;

/// Why a region cannot be meant, and what to do; nothing where it is one.
pub fn unknown(region: &str) -> Option<(String, String)> {
    if partitions::region(region).is_some() {
        return None;
    }
    let all = partitions::ALL.iter().flat_map(|partition| partition.regions).map(|known| known.name);
    let near = did_you_mean(region, all).map(|near| format!("did you mean '{near}'? ")).unwrap_or_default();
    let help = format!("{near}if AWS has opened '{region}' since this llmhost was built, use --new-region");
    Some((format!("there is no region '{region}'"), help))
}

/// Refuses a cluster in a region where EKS is known not to be offered.
pub(crate) fn has_eks(region: &str) -> Result<(), String> {
    let Some(known) = partitions::region(region).filter(|known| !known.eks) else { return Ok(()) };
    let partition = partitions::of(known.name);
    let with: Vec<&str> = partition.regions.iter().filter(|other| other.eks).map(|other| other.name).collect();
    let fix = match with[..] {
        [] => format!("no region of the partition {} has it", partition.id),
        _ => format!("choose one of {}", with.join(", ")),
    };
    Err(format!("EKS is not offered in {region}; {fix}"))
}

/// What the ids and ARNs of a state's resources tell of the world that they are in. An ARN of something
/// else, a role of another account, may be among their outputs: most of them decide.
pub(crate) fn told_by(state: &State) -> Hints {
    let mut seen: [BTreeMap<String, usize>; 3] = Default::default();
    let instances = state.resources.values().filter_map(|record| record.current.as_ref());
    let texts = instances.flat_map(|one| one.outputs.values().filter_map(Value::as_str).chain([one.id.as_str()]));
    for arn in texts.filter_map(|text| text.strip_prefix("arn:")) {
        let parts: Vec<&str> = arn.splitn(5, ':').collect();
        let [partition, _, region, account, _] = parts[..] else { continue };
        for (count, part) in seen.iter_mut().zip([account, partition, region]) {
            if !part.is_empty() {
                *count.entry(part.to_owned()).or_default() += 1;
            }
        }
    }
    let [account, partition, region] = seen.map(|counts| {
        let most = counts.iter().max_by_key(|(_, count)| **count)?;
        Some(most.0.clone())
    });
    // A zone is called after its region, with a letter.
    let zone = state.facts.iter().find(|(key, _)| key.starts_with("ec2.availability-zone/"));
    let of_zone = zone.map(|(_, zone)| zone.trim_end_matches(|letter: char| letter.is_ascii_lowercase()).to_owned());
    Hints { account, partition, region: region.or(of_zone), endpoint: None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arns_and_zones_of_a_state_tell_where_its_resources_are() {
        let resource = |id: &str, arn: &str| json!({ "current": { "id": id, "spec": {}, "outputs": { "id": id, "arn": arn, "n": 1 } } });
        let state = |resources: Value, facts: Value| -> State {
            serde_json::from_value(json!({ "pipeline": "x", "resources": resources, "facts": facts })).expect("a state")
        };
        let hints = |account: &str, partition: &str, region: &str| {
            let [account, partition, region] =
                [account, partition, region].map(|t| (!t.is_empty()).then(|| t.to_owned()));
            Hints { account, partition, region, endpoint: None }
        };
        let cluster = "arn:aws-cn:eks:cn-north-1:123456789012:cluster/x";
        let role = "arn:aws-cn:iam::123456789012:role/x";
        for (resources, facts, told) in [
            (json!({}), json!({}), hints("", "", "")),
            (json!({ "a/ec2.vpc/b": resource("vpc-1", "") }), json!({}), hints("", "", "")),
            (
                json!({ "a/ec2.vpc/b": resource("vpc-1", "") }),
                json!({ "ec2.availability-zone/0": "us-east-1b" }),
                hints("", "", "us-east-1"),
            ),
            (json!({ "a/iam.role/b": resource("x", role) }), json!({}), hints("123456789012", "aws-cn", "")),
            (
                json!({ "a/iam.role/b": resource("x", role), "a/eks.cluster/b": resource("x", cluster) }),
                json!({}),
                hints("123456789012", "aws-cn", "cn-north-1"),
            ),
        ] {
            assert_eq!(told_by(&state(resources, facts)), told);
        }
    }

    #[test]
    fn a_region_that_does_not_exist_is_told_with_one_that_reads_like_it() {
        for (region, near) in [
            ("us-east-1", None),
            ("cn-north-1", None),
            ("eusc-de-east-1", None),
            ("eu-wset-1", Some("'eu-west-1'")),
            ("us-east-9", Some("'us-east-")),
            ("us-gov-wset-1", Some("'us-gov-west-1'")),
            ("cn-nroth-1", Some("'cn-north-1'")),
        ] {
            let told = unknown(region);
            assert_eq!(told.is_some(), near.is_some(), "{region}");
            if let (Some((message, help)), Some(near)) = (told, near) {
                assert!(message.contains(region) && help.contains(near) && help.contains("--new-region"), "{help}");
            }
        }
    }

    #[test]
    fn a_cluster_is_refused_where_eks_is_not_offered() {
        assert_eq!(has_eks("us-iso-east-1"), Ok(()));
        assert_eq!(has_eks("brand-new-1"), Ok(()), "nothing is known of it");
        let refused = has_eks("sa-west-1").expect_err("not there");
        assert!(refused.contains("EKS is not offered in sa-west-1") && refused.contains("sa-east-1"), "{refused}");
    }
}
