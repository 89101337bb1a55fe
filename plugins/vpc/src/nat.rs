//! NAT gateways and the addresses that they go out with.

use llmhost_plugin::{Failure, Options, ec2, invalid};

use crate::config::{Config, Nat};
use crate::network::Network;
use crate::zones::{self, Zone};

/// An address for a gateway.
pub(crate) enum Address {
    /// One that the step allocates.
    Made(ec2::ElasticIp),
    /// One that the file gives, by its allocation's id.
    Given(String),
}

impl Address {
    fn allocation_id(&self) -> Result<String, Failure> {
        match self {
            Self::Made(address) => address.allocation_id(),
            Self::Given(id) => Ok(id.clone()),
        }
    }
}

/// A gateway of a zone.
pub(crate) struct Gateway<'a> {
    pub(crate) zone: &'a Zone,
    pub(crate) address: Address,
    pub(crate) declared: ec2::NatGateway,
}

impl Gateway<'_> {
    /// The public address that it goes out with.
    pub(crate) fn public_ip(&self) -> Result<String, Failure> {
        match &self.address {
            Address::Made(address) => address.public_ip(),
            Address::Given(_) => self.declared.public_ip(),
        }
    }
}

/// The addresses that the file gives, for gateways in these zones; nothing where it gives none.
fn given(config: &Config, zones: &[&Zone]) -> Result<Vec<(String, String)>, Failure> {
    let Some(ids) = &config.nat_elastic_ips else { return Ok(Vec::new()) };
    if ids.len() != zones.len() {
        let keys: Vec<&str> = zones.iter().map(|zone| zone.key.as_str()).collect();
        return Err(invalid(format!(
            "nat_elastic_ips has {} addresses, and {} needed: one for each NAT gateway, which are in {}",
            ids.len(),
            if keys.len() == 1 { "1 is".to_owned() } else { format!("{} are", keys.len()) },
            if keys.len() == 1 { format!("zone {}", keys[0]) } else { format!("the zones {}", keys.join(", ")) },
        )));
    }
    let listed = zones::as_listed(config, zones.to_vec());
    Ok(listed.iter().zip(ids).map(|(zone, id)| (zone.key.clone(), id.clone())).collect())
}

impl<'a> Network<'a> {
    /// The zones that have a NAT gateway.
    fn with_nat(&self) -> Result<Vec<&'a Zone>, Failure> {
        if self.config.nat == Nat::None {
            return Ok(Vec::new());
        }
        let zones = self.ways_out();
        match zones.iter().find(|zone| zone.public.is_none()) {
            Some(zone) => Err(invalid(format!(
                "zone {} has no public subnet for its NAT gateway; set nat = \"none\", or a range for a public subnet",
                zone.key
            ))),
            None => Ok(zones),
        }
    }

    /// The address of each NAT gateway.
    pub(crate) fn addresses(&self) -> Result<Vec<(&'a Zone, Address)>, Failure> {
        let zones = self.with_nat()?;
        let given = given(self.config, &zones)?;
        let address = |zone: &'a Zone| {
            if let Some((_, id)) = given.iter().find(|(key, _)| *key == zone.key) {
                return Ok((zone, Address::Given(id.clone())));
            }
            let name = format!("nat-{}", zone.key);
            let spec = ec2::ElasticIpSpec { tags: self.named(&name) };
            Ok((zone, Address::Made(ec2::ElasticIp::declare(&name, &spec, &Options::default())?)))
        };
        zones.into_iter().map(address).collect()
    }

    /// A NAT gateway for each address, in the public subnet of its zone.
    pub(crate) fn nat(
        &self,
        addresses: Vec<(&'a Zone, Address)>,
        public: &[(&'a Zone, String)],
    ) -> Result<Vec<Gateway<'a>>, Failure> {
        let mut gateways = Vec::new();
        for (zone, address) in addresses {
            let Some((_, subnet)) = public.iter().find(|(other, _)| other.key == zone.key) else { continue };
            let name = format!("nat-{}", zone.key);
            let spec = ec2::NatGatewaySpec {
                subnet_id: subnet.clone(),
                allocation_id: address.allocation_id()?,
                tags: self.named(&name),
            };
            let declared = ec2::NatGateway::declare(&name, &spec, &Options::default())?;
            gateways.push(Gateway { zone, address, declared });
        }
        Ok(gateways)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn given_addresses_are_as_many_as_gateways_and_stay_with_their_zones() {
        let config = |ids: &[&str]| -> Config {
            let with = json!({ "name": "n", "zones": ["us-east-1c", "us-east-1a"], "nat_elastic_ips": ids });
            serde_json::from_value(with).expect("a configuration")
        };
        let two = config(&["eipalloc-c", "eipalloc-a"]);
        let zones = zones::of(&two, "us-east-1").map_err(|_| ()).expect("zones");
        let zones: Vec<&Zone> = zones.iter().collect();
        let pair = |key: &str, id: &str| (key.to_owned(), id.to_owned());
        let found = given(&two, &zones).map_err(|_| ()).expect("addresses");
        assert_eq!(found, [pair("c", "eipalloc-c"), pair("a", "eipalloc-a")]);
        for (ids, zones, words) in [
            (
                &["eipalloc-c"][..],
                &zones[..],
                "has 1 addresses, and 2 are needed: one for each NAT gateway, which are in the zones a, c",
            ),
            (&[], &zones[..1], "has 0 addresses, and 1 is needed: one for each NAT gateway, which are in zone a"),
        ] {
            let Err(Failure { message, .. }) = given(&config(ids), zones) else { panic!("{ids:?}") };
            assert!(message.contains(words), "{message}");
        }
    }
}
