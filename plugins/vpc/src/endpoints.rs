//! Interface endpoints: private ways to services, for networks without a way out.

use std::collections::BTreeSet;

use llmhost_plugin::{Failure, Options, Outputs, ec2, invalid, name_of};

use crate::config::Config;
use crate::network::Network;
use crate::tags;

/// Name of their security group.
const GROUP: &str = "interface-endpoints";

/// Refuses services that cannot be meant.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    let mut seen = BTreeSet::new();
    for service in &config.endpoints {
        if service == "s3" || service == "dynamodb" {
            let instead = if service == "s3" { "s3_endpoint = true" } else { "its gateway endpoint" };
            return Err(invalid(format!("endpoints has {service}, which has a free gateway endpoint; use {instead}")));
        }
        if !seen.insert(service) {
            return Err(invalid(format!("endpoints has {service} twice; remove one")));
        }
    }
    if !config.endpoints.is_empty() && config.security_groups.contains_key(GROUP) {
        return Err(invalid(format!(
            "security_groups has a group '{GROUP}', which is the name of the group of endpoints; choose another name"
        )));
    }
    Ok(())
}

impl Network<'_> {
    /// The security group of the endpoints, where there are any. What it lets in is declared with the endpoints.
    pub(crate) fn endpoint_group(&self) -> Result<Option<ec2::SecurityGroup>, Failure> {
        if self.config.endpoints.is_empty() {
            return Ok(None);
        }
        let spec = ec2::SecurityGroupSpec {
            vpc_id: self.vpc_id.clone(),
            group_name: format!("{}-{GROUP}", self.config.name),
            description: "Lets the VPC use its interface endpoints".to_owned(),
            tags: self.named(GROUP),
        };
        ec2::SecurityGroup::declare(GROUP, &spec, &Options::default()).map(Some)
    }

    /// The endpoints, in these subnets; gives each id by its service.
    pub(crate) fn endpoints(&self, group: Option<ec2::SecurityGroup>, subnets: &[String]) -> Result<Outputs, Failure> {
        let Some(group) = group else { return Ok(Outputs::new()) };
        if subnets.is_empty() {
            return Err(invalid("endpoints need private subnets, and private_subnets is []"));
        }
        let group = group.id()?;
        for (_, range) in self.config.ranges() {
            let spec = ec2::SecurityGroupRuleSpec {
                security_group_id: group.clone(),
                direction: ec2::Direction::Ingress,
                ip_protocol: "tcp".to_owned(),
                from_port: 443,
                to_port: 443,
                peer: ec2::Peer::Cidr(range.to_owned()),
                description: "HTTPS from the VPC".to_owned(),
                tags: tags(self.config, &[("Name", GROUP)]),
            };
            let name = name_of(&format!("{GROUP}-tcp-443-from-{}", range.replace('/', "-")));
            ec2::SecurityGroupRule::declare(&name, &spec, &Options::default())?;
        }
        let mut declared = Vec::new();
        for service in &self.config.endpoints {
            let spec = ec2::InterfaceEndpointSpec {
                vpc_id: self.vpc_id.clone(),
                service: service.clone(),
                subnet_ids: subnets.to_vec(),
                security_group_ids: vec![group.clone()],
                private_dns: true,
                tags: self.named(service),
            };
            let name = name_of(service);
            declared.push((service, ec2::InterfaceEndpoint::declare(&name, &spec, &Options::default())?));
        }
        let mut ids = Outputs::new();
        for (service, endpoint) in declared {
            ids.insert(service.clone(), endpoint.id()?.into());
        }
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn services_are_stated_once_and_those_with_free_endpoints_not_at_all() {
        for (with, words) in [
            (json!({ "endpoints": ["sts", "s3"] }), "use s3_endpoint = true"),
            (json!({ "endpoints": ["sts", "sts"] }), "endpoints has sts twice"),
            (json!({ "endpoints": ["sts"], "security_groups": { GROUP: {} } }), "choose another name"),
        ] {
            let mut with = with;
            with["name"] = "n".into();
            let config: Config = serde_json::from_value(with.clone()).expect("a configuration");
            let Err(Failure { message, .. }) = check(&config) else { panic!("{with} is refused") };
            assert!(message.contains(words), "{with}: {message}");
        }
    }
}
