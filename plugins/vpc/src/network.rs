//! What is in the VPC. Everything is declared before anything is waited for, so that whatever
//! does not need each other is made at the same time.

use std::collections::BTreeMap;

use llmhost_plugin::{Failure, Names, Options, Outputs, ec2, invalid, outputs};

use crate::config::{Config, Nat};
use crate::zones::{self, Zone};
use crate::{rules, tags};

/// A VPC that is there, and what to put into it.
pub(crate) struct Network<'a> {
    pub(crate) config: &'a Config,
    pub(crate) vpc_id: String,
    pub(crate) zones: &'a [Zone],
    /// The zone of the only NAT gateway, where there is one only.
    pub(crate) single_nat: &'a Zone,
}

/// What a subnet is for.
#[derive(Clone, Copy, PartialEq)]
enum Use {
    Public,
    Private,
    Pods,
}

impl Use {
    /// What names of its subnets begin with.
    fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Pods => "pods",
        }
    }

    fn range(self, zone: &Zone) -> Option<&String> {
        match self {
            Self::Public => zone.public.as_ref(),
            Self::Private => zone.private.as_ref(),
            Self::Pods => zone.pods.as_ref(),
        }
    }

    /// What the AWS load balancer controller looks for.
    fn role(self) -> Option<&'static str> {
        match self {
            Self::Public => Some("kubernetes.io/role/elb"),
            Self::Private => Some("kubernetes.io/role/internal-elb"),
            Self::Pods => None,
        }
    }
}

impl<'a> Network<'a> {
    pub(crate) fn build(&self) -> Result<Outputs, Failure> {
        let names = self.zones.iter().map(|zone| zone.place.name()).collect::<Result<Vec<_>, _>>()?;
        for (at, range) in self.config.secondary_cidrs.iter().enumerate() {
            self.range(&secondary_name(range, at), ec2::VpcRange::Ipv4(range.clone()))?;
        }
        let ipv6 = match self.config.ipv6 {
            true => Some(self.range("ipv6", ec2::VpcRange::AmazonIpv6)?),
            false => None,
        };
        // The internet gateway before NAT gateways: they go out through it.
        let has_public = self.zones.iter().any(|zone| zone.public.is_some());
        let gateway = if has_public { self.gateway()? } else { None };
        let ipv6 = ipv6.map(|range| range.cidr_block()).transpose()?;
        let public = self.subnets(Use::Public, &names, ipv6.as_deref())?;
        let private = self.subnets(Use::Private, &names, ipv6.as_deref())?;
        let pods = self.subnets(Use::Pods, &names, ipv6.as_deref())?;
        let public_table = if has_public { Some(self.table("public")?) } else { None };
        let ways = self.ways_out();
        let tables = ways.iter().map(|zone| self.table(&format!("private-{}", zone.key)));
        let tables = tables.collect::<Result<Vec<_>, _>>()?;
        let egress = if self.config.ipv6 && !ways.is_empty() { Some(self.egress()?) } else { None };
        let group = self.endpoint_group()?;
        let groups = self.groups()?;
        let addresses = self.addresses()?;

        let public = ids(public)?;
        let nat = self.nat(addresses, &public)?;
        let public_table = public_table.map(|table| table.id()).transpose()?;
        let tables = tables.iter().map(ec2::RouteTable::id).collect::<Result<Vec<_>, _>>()?;
        if let Some(table) = &public_table {
            let id = match (&self.config.internet_gateway_id, gateway) {
                (_, Some(made)) => made.id()?,
                (given, None) => given.clone().unwrap_or_default(),
            };
            self.route("public-internet", table, "0.0.0.0/0", ec2::RouteTarget::InternetGateway(id.clone()))?;
            if self.config.ipv6 {
                self.route("public-internet-ipv6", table, "::/0", ec2::RouteTarget::InternetGateway(id))?;
            }
            for (zone, subnet) in &public {
                self.associate(&format!("public-{}", zone.key), subnet, table)?;
            }
        }
        let (private, pods) = (ids(private)?, ids(pods)?);
        for (of, subnets) in [(Use::Private, &private), (Use::Pods, &pods)] {
            for (zone, subnet) in subnets {
                // The one of its own, or the only one.
                let at = ways.iter().position(|way| way.key == zone.key).unwrap_or(0);
                self.associate(&format!("{}-{}", of.word(), zone.key), subnet, &tables[at])?;
            }
        }
        let all_tables: Vec<String> = public_table.into_iter().chain(tables.clone()).collect();
        self.endpoint(&all_tables)?;
        for gateway in &nat {
            let at = ways.iter().position(|way| way.key == gateway.zone.key).unwrap_or(0);
            let target = ec2::RouteTarget::NatGateway(gateway.declared.id()?);
            self.route(&format!("private-internet-{}", gateway.zone.key), &tables[at], "0.0.0.0/0", target)?;
        }
        if let Some(egress) = egress {
            let id = egress.id()?;
            for (zone, table) in ways.iter().zip(&tables) {
                let target = ec2::RouteTarget::EgressOnlyInternetGateway(id.clone());
                self.route(&format!("private-internet-ipv6-{}", zone.key), table, "::/0", target)?;
            }
        }
        let plain = |subnets: Vec<(&Zone, String)>| subnets.into_iter().map(|(_, id)| id).collect::<Vec<_>>();
        let (public, private, pods) = (plain(public), plain(private), plain(pods));
        let endpoints = self.endpoints(group, &private)?;

        let public_ips = nat.iter().map(|gateway| gateway.public_ip()).collect::<Result<Vec<_>, _>>()?;
        Ok(outputs! {
            "vpc_id": self.vpc_id,
            "cidr": self.config.cidr(),
            "subnet_ids": [public.clone(), private.clone()].concat(),
            "public_subnet_ids": public,
            "private_subnet_ids": private,
            "pod_subnet_ids": pods,
            "security_group_ids": groups,
            "nat_public_ips": public_ips,
            "availability_zones": names,
            "route_table_ids": all_tables,
            "endpoint_ids": endpoints,
            "ipv6_cidr": ipv6,
        })
    }

    /// The zones whose private subnets leave by a route table of the zone's own. Those of the other zones share the only
    /// one. A zone's table, address and gateway are the same in both cases.
    pub(crate) fn ways_out(&self) -> Vec<&'a Zone> {
        let mut inner = self.zones.iter().filter(|zone| zone.has_inner());
        match self.config.nat {
            Nat::PerAz => inner.collect(),
            _ if inner.next().is_none() => Vec::new(),
            _ => vec![self.single_nat],
        }
    }

    fn range(&self, name: &str, range: ec2::VpcRange) -> Result<ec2::VpcCidrBlock, Failure> {
        let spec = ec2::VpcCidrBlockSpec { vpc_id: self.vpc_id.clone(), range };
        ec2::VpcCidrBlock::declare(name, &spec, &Options::default())
    }

    /// The internet gateway, unless the file gives one.
    fn gateway(&self) -> Result<Option<ec2::InternetGateway>, Failure> {
        if self.config.internet_gateway_id.is_some() {
            return Ok(None);
        }
        let spec = ec2::InternetGatewaySpec { vpc_id: self.vpc_id.clone(), tags: self.named("internet") };
        ec2::InternetGateway::declare("main", &spec, &Options::default()).map(Some)
    }

    fn egress(&self) -> Result<ec2::EgressOnlyInternetGateway, Failure> {
        let tags = self.named("egress");
        let spec = ec2::EgressOnlyInternetGatewaySpec { vpc_id: self.vpc_id.clone(), tags };
        ec2::EgressOnlyInternetGateway::declare("main", &spec, &Options::default())
    }

    /// The subnets of one use, of the zones that have one.
    fn subnets(&self, of: Use, names: &[String], ipv6: Option<&str>) -> Result<Vec<(&'a Zone, ec2::Subnet)>, Failure> {
        let shared = self.config.cluster.as_ref().map(|cluster| format!("kubernetes.io/cluster/{cluster}"));
        let mut subnets = Vec::new();
        for (zone, zone_name) in self.zones.iter().zip(names) {
            let Some(range) = of.range(zone) else { continue };
            let name = format!("{}-{}", of.word(), zone.key);
            let full = format!("{}-{name}", self.config.name);
            let mut all = vec![("Name", full.as_str())];
            all.extend(of.role().map(|role| (role, "1")));
            all.extend(shared.iter().filter(|_| of != Use::Pods).map(|key| (key.as_str(), "shared")));
            let ipv6 = ipv6.map(|range| {
                let index = ipv6_index(zone, of)?;
                Ok::<_, Failure>(ec2::SubnetIpv6 { vpc_range: range.to_owned(), index })
            });
            let spec = ec2::SubnetSpec {
                vpc_id: self.vpc_id.clone(),
                cidr_block: range.clone(),
                availability_zone: zone_name.clone(),
                map_public_ip_on_launch: of == Use::Public,
                ipv6: ipv6.transpose()?,
                tags: tags(self.config, &all),
            };
            subnets.push((zone, ec2::Subnet::declare(&name, &spec, &Options::default())?));
        }
        Ok(subnets)
    }

    fn table(&self, name: &str) -> Result<ec2::RouteTable, Failure> {
        let spec = ec2::RouteTableSpec { vpc_id: self.vpc_id.clone(), tags: self.named(name) };
        ec2::RouteTable::declare(name, &spec, &Options::default())
    }

    fn route(&self, name: &str, table: &str, range: &str, target: ec2::RouteTarget) -> Result<(), Failure> {
        let spec =
            ec2::RouteSpec { route_table_id: table.to_owned(), destination_cidr_block: range.to_owned(), target };
        ec2::Route::declare(name, &spec, &Options::default()).map(drop)
    }

    fn associate(&self, name: &str, subnet: &str, table: &str) -> Result<(), Failure> {
        let spec = ec2::RouteTableAssociationSpec { route_table_id: table.to_owned(), subnet_id: subnet.to_owned() };
        ec2::RouteTableAssociation::declare(name, &spec, &Options::default()).map(drop)
    }

    fn endpoint(&self, tables: &[String]) -> Result<(), Failure> {
        if !self.config.s3_endpoint {
            return Ok(());
        }
        let spec = ec2::GatewayEndpointSpec {
            vpc_id: self.vpc_id.clone(),
            service: "s3".to_owned(),
            route_table_ids: tables.to_vec(),
            tags: self.named("s3"),
        };
        ec2::GatewayEndpoint::declare("s3", &spec, &Options::default()).map(drop)
    }

    /// The security groups with their rules; gives each id by name.
    fn groups(&self) -> Result<Outputs, Failure> {
        let (mut made, mut names) = (Vec::new(), Names::new("security group rule"));
        for (name, group) in &self.config.security_groups {
            let group_name = format!("{}-{name}", self.config.name);
            let spec = ec2::SecurityGroupSpec {
                vpc_id: self.vpc_id.clone(),
                tags: self.named(name),
                description: group.description.clone(),
                group_name,
            };
            let rules = rules::of(self.config, name, &mut names)?;
            made.push((name, rules, ec2::SecurityGroup::declare(name, &spec, &Options::default())?));
        }
        // A rule may let another group in, so all of them come before.
        let mut ids = BTreeMap::new();
        for (name, _, declared) in &made {
            ids.insert((*name).clone(), declared.id()?);
        }
        for (group, rules, _) in made {
            for rules::Declared { name, rule, source } in rules {
                let peer = match source {
                    rules::Source::Peer(peer) => peer.into(),
                    rules::Source::Group(other) => ec2::Peer::SecurityGroup(ids[&other].clone()),
                };
                let spec = ec2::SecurityGroupRuleSpec {
                    security_group_id: ids[group].clone(),
                    direction: ec2::Direction::Ingress,
                    ip_protocol: rule.protocol.clone(),
                    from_port: rule.port,
                    to_port: rule.to_port.unwrap_or(rule.port),
                    peer,
                    description: rule.name.clone(),
                    tags: tags(self.config, &[("Name", &rule.name)]),
                };
                ec2::SecurityGroupRule::declare(&name, &spec, &Options::default())?;
            }
        }
        Ok(ids.into_iter().map(|(name, id)| (name, id.into())).collect())
    }

    pub(crate) fn named(&self, part: &str) -> Vec<(String, String)> {
        tags(self.config, &[("Name", &format!("{}-{part}", self.config.name))])
    }
}

/// A further range is named by what it is, as far as the file alone tells it.
fn secondary_name(range: &str, at: usize) -> String {
    let text = llmhost_plugin::written(&format!("/secondary_cidrs/{at}"), range);
    llmhost_plugin::name_of(&text.replace('/', "-"))
}

/// Which /64 of the VPC's range a subnet has: the zone and the use decide, so that more zones move none.
fn ipv6_index(zone: &Zone, of: Use) -> Result<u32, Failure> {
    let slot = zones::slot(&zone.key)
        .map_err(|_| invalid(format!("the zone {} has no IPv6 range; leave ipv6 out, or the zone", zone.key)))?;
    Ok(slot as u32 * 4 + of as u32)
}

fn ids(subnets: Vec<(&Zone, ec2::Subnet)>) -> Result<Vec<(&Zone, String)>, Failure> {
    subnets.into_iter().map(|(zone, subnet)| Ok((zone, subnet.id()?))).collect()
}
