//! What the file gives instead of letting it be made, and whether it goes together.

use llmhost_plugin::{Failure, invalid, is_known};

use crate::config::{Config, Nat};
use crate::endpoints;

/// Refuses what does not go together, before anything is declared.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    together(config)?;
    let addresses = config.nat_elastic_ips.iter().flatten().map(|id| ("nat_elastic_ips", "eipalloc-", id));
    let vpc = config.vpc_id.iter().map(|id| ("vpc_id", "vpc-", id));
    let gateway = config.internet_gateway_id.iter().map(|id| ("internet_gateway_id", "igw-", id));
    for (option, start, id) in vpc.chain(gateway).chain(addresses) {
        // What another step gives is known later.
        if !id.starts_with(start) && is_known(id) {
            return Err(invalid(format!("{option} '{id}' is not an id of this kind; it starts with {start}")));
        }
    }
    endpoints::check(config)
}

fn together(config: &Config) -> Result<(), Failure> {
    if let Some(vpc) = &config.vpc_id {
        if config.cidr.is_none() {
            return Err(invalid(
                "vpc_id needs cidr: the range of that VPC, or the part of it for the subnets and security groups of this \
                 step",
            ));
        }
        for (is_stated, option, instead) in [
            (
                !config.secondary_cidrs.is_empty(),
                "secondary_cidrs",
                "associate the range there, and set pod_subnets in it",
            ),
            (config.ipv6, "ipv6", "remove ipv6, or let the step create the VPC"),
        ] {
            if is_stated {
                return Err(invalid(format!("{option} would change {vpc}, which is given by vpc_id; {instead}")));
            }
        }
    } else if config.internet_gateway_id.is_some() {
        return Err(invalid(
            "internet_gateway_id is set without vpc_id, and a new VPC has no internet gateway; remove it",
        ));
    }
    match (&config.nat_elastic_ips, config.nat) {
        (Some(_), Nat::None) => Err(invalid("nat_elastic_ips is set, and nat is \"none\"; remove one of them")),
        (Some(ids), _) => {
            let mut sorted: Vec<&String> = ids.iter().collect();
            sorted.sort();
            match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
                Some(twice) => Err(invalid(format!(
                    "nat_elastic_ips has {} twice; two gateways cannot share an address",
                    twice[0]
                ))),
                None => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (with, words) in [
            (json!({ "vpc_id": "vpc-01234567" }), "vpc_id needs cidr"),
            (
                json!({ "vpc_id": "vpc-01234567", "cidr": "10.0.0.0/16", "secondary_cidrs": ["100.64.0.0/16"] }),
                "secondary_cidrs would change vpc-01234567, which is given by vpc_id; associate the range there",
            ),
            (
                json!({ "vpc_id": "vpc-01234567", "cidr": "10.0.0.0/16", "ipv6": true }),
                "ipv6 would change vpc-01234567",
            ),
            (json!({ "internet_gateway_id": "igw-01234567" }), "internet_gateway_id is set without vpc_id"),
            (json!({ "nat": "none", "nat_elastic_ips": ["eipalloc-1"] }), "nat is \"none\""),
            (json!({ "nat_elastic_ips": ["eipalloc-1", "eipalloc-1"] }), "nat_elastic_ips has eipalloc-1 twice"),
        ] {
            let mut with = with;
            with["name"] = "n".into();
            let config: Config = serde_json::from_value(with.clone()).expect("a configuration");
            let Err(Failure { message, .. }) = together(&config) else { panic!("{with} is refused") };
            assert!(message.contains(words), "{with}: {message}");
        }
    }
}
