//! What is in the VPC. Everything is declared before anything is waited for, so that whatever
//! does not need each other is made at the same time.

use llmhost_plugin::{Failure, Names, Options, Outputs, ec2, outputs};

use crate::config::{Config, Nat};
use crate::zones::Zone;
use crate::{rules, tags};

/// A VPC that is there, and what to put into it.
pub(crate) struct Network<'a> {
    pub(crate) config: &'a Config,
    pub(crate) vpc_id: String,
    pub(crate) zones: &'a [Zone],
    /// The zone of the only NAT gateway, where there is one only.
    pub(crate) single_nat: &'a Zone,
}

impl<'a> Network<'a> {
    pub(crate) fn build(&self) -> Result<Outputs, Failure> {
        let names = self.zones.iter().map(|zone| zone.place.name()).collect::<Result<Vec<_>, _>>()?;
        // The internet gateway before NAT gateways: they go out through it.
        let gateway = self.gateway()?;
        let public = self.subnets("public", &names, |zone| Some(&zone.public))?;
        let private = self.subnets("private", &names, |zone| zone.private.as_ref())?;
        let public_table = self.table("public")?;
        let ways = self.ways_out();
        let tables = ways.iter().map(|zone| self.table(&format!("private-{}", zone.key)));
        let tables = tables.collect::<Result<Vec<_>, _>>()?;
        let groups = self.groups()?;
        let addresses = self.addresses()?;

        let public_ids = ids(&public)?;
        let nat = self.nat(&addresses, &public_ids)?;
        let public_table = public_table.id()?;
        let tables = tables.iter().map(ec2::RouteTable::id).collect::<Result<Vec<_>, _>>()?;
        self.route("public-internet", &public_table, ec2::RouteTarget::InternetGateway(gateway.id()?))?;
        for (zone, subnet) in self.zones.iter().zip(&public_ids) {
            self.associate(&format!("public-{}", zone.key), subnet, &public_table)?;
        }
        let private_ids = ids(&private)?;
        for (zone, subnet) in self.with_private().zip(&private_ids) {
            // The one of its own, or the only one.
            let at = ways.iter().position(|way| way.key == zone.key).unwrap_or(0);
            self.associate(&format!("private-{}", zone.key), subnet, &tables[at])?;
        }
        let all_tables: Vec<String> = std::iter::once(public_table).chain(tables.clone()).collect();
        self.endpoint(&all_tables)?;
        for ((zone, gateway), table) in nat.iter().zip(&tables) {
            let target = ec2::RouteTarget::NatGateway(gateway.id()?);
            self.route(&format!("private-internet-{}", zone.key), table, target)?;
        }

        let public_ips = addresses.iter().map(|(_, address)| address.public_ip()).collect::<Result<Vec<_>, _>>()?;
        Ok(outputs! {
            "vpc_id": self.vpc_id,
            "cidr": self.config.cidr,
            "subnet_ids": [public_ids.clone(), private_ids.clone()].concat(),
            "public_subnet_ids": public_ids,
            "private_subnet_ids": private_ids,
            "security_group_ids": groups,
            "nat_public_ips": public_ips,
            "availability_zones": names,
            "route_table_ids": all_tables,
        })
    }

    /// The zones that have a private subnet.
    fn with_private(&self) -> impl Iterator<Item = &'a Zone> {
        self.zones.iter().filter(|zone| zone.private.is_some())
    }

    /// The zones whose private subnets leave by a route table of the zone's own. Those of the other zones share the only
    /// one. A zone's table, address and gateway are the same in both cases.
    fn ways_out(&self) -> Vec<&'a Zone> {
        match self.config.nat {
            Nat::PerAz => self.with_private().collect(),
            _ if self.with_private().next().is_none() => Vec::new(),
            _ => vec![self.single_nat],
        }
    }

    /// The zones that have a NAT gateway.
    fn with_nat(&self) -> Vec<&'a Zone> {
        if self.config.nat == Nat::None { Vec::new() } else { self.ways_out() }
    }

    fn gateway(&self) -> Result<ec2::InternetGateway, Failure> {
        let spec = ec2::InternetGatewaySpec { vpc_id: self.vpc_id.clone(), tags: self.named("internet") };
        ec2::InternetGateway::declare("main", &spec, &Options::default())
    }

    /// The subnets of one kind, of the zones that have one.
    fn subnets(
        &self,
        kind: &str,
        names: &[String],
        range: impl Fn(&'a Zone) -> Option<&'a String>,
    ) -> Result<Vec<ec2::Subnet>, Failure> {
        // What the AWS load balancer controller looks for.
        let role = if kind == "public" { "kubernetes.io/role/elb" } else { "kubernetes.io/role/internal-elb" };
        let shared = self.config.cluster.as_ref().map(|cluster| format!("kubernetes.io/cluster/{cluster}"));
        let mut subnets = Vec::new();
        for (zone, zone_name) in self.zones.iter().zip(names) {
            let Some(range) = range(zone) else { continue };
            let name = format!("{kind}-{}", zone.key);
            let full = format!("{}-{name}", self.config.name);
            let mut all = vec![("Name", full.as_str()), (role, "1")];
            all.extend(shared.iter().map(|key| (key.as_str(), "shared")));
            let spec = ec2::SubnetSpec {
                vpc_id: self.vpc_id.clone(),
                cidr_block: range.clone(),
                availability_zone: zone_name.clone(),
                map_public_ip_on_launch: kind == "public",
                tags: tags(self.config, &all),
            };
            subnets.push(ec2::Subnet::declare(&name, &spec, &Options::default())?);
        }
        Ok(subnets)
    }

    fn table(&self, name: &str) -> Result<ec2::RouteTable, Failure> {
        let spec = ec2::RouteTableSpec { vpc_id: self.vpc_id.clone(), tags: self.named(name) };
        ec2::RouteTable::declare(name, &spec, &Options::default())
    }

    /// The address of each NAT gateway.
    fn addresses(&self) -> Result<Vec<(&'a Zone, ec2::ElasticIp)>, Failure> {
        let declare = |zone: &'a Zone| {
            let name = format!("nat-{}", zone.key);
            let spec = ec2::ElasticIpSpec { tags: self.named(&name) };
            Ok((zone, ec2::ElasticIp::declare(&name, &spec, &Options::default())?))
        };
        self.with_nat().into_iter().map(declare).collect()
    }

    /// A NAT gateway for each address, in the public subnet of its zone.
    fn nat(
        &self,
        addresses: &[(&'a Zone, ec2::ElasticIp)],
        public: &[String],
    ) -> Result<Vec<(&'a Zone, ec2::NatGateway)>, Failure> {
        let mut gateways = Vec::new();
        for (zone, address) in addresses {
            let Some(at) = self.zones.iter().position(|other| other.key == zone.key) else { continue };
            let name = format!("nat-{}", zone.key);
            let spec = ec2::NatGatewaySpec {
                subnet_id: public[at].clone(),
                allocation_id: address.allocation_id()?,
                tags: self.named(&name),
            };
            gateways.push((*zone, ec2::NatGateway::declare(&name, &spec, &Options::default())?));
        }
        Ok(gateways)
    }

    fn route(&self, name: &str, table: &str, target: ec2::RouteTarget) -> Result<(), Failure> {
        let spec =
            ec2::RouteSpec { route_table_id: table.to_owned(), destination_cidr_block: "0.0.0.0/0".to_owned(), target };
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
        let mut ids = Outputs::new();
        for (name, rules, declared) in made {
            let id = declared.id()?;
            for rules::Declared { name, rule, peer } in rules {
                let spec = ec2::SecurityGroupRuleSpec {
                    security_group_id: id.clone(),
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
            ids.insert(name.clone(), id.into());
        }
        Ok(ids)
    }

    fn named(&self, part: &str) -> Vec<(String, String)> {
        tags(self.config, &[("Name", &format!("{}-{part}", self.config.name))])
    }
}

fn ids(subnets: &[ec2::Subnet]) -> Result<Vec<String>, Failure> {
    subnets.iter().map(ec2::Subnet::id).collect()
}
