//! What is in the VPC. Everything is declared before anything is waited for, so that whatever
//! does not need each other is made at the same time.

use llmhost_plugin::{Failure, Options, Outputs, ec2, outputs};

use crate::config::{Config, Nat};
use crate::{letter, tags};

/// A VPC that is there, and what to put into it.
pub(crate) struct Network<'a> {
    pub(crate) config: &'a Config,
    pub(crate) vpc_id: String,
    pub(crate) zones: &'a [String],
}

impl Network<'_> {
    pub(crate) fn build(&self, public: &[String], private: &[String]) -> Result<Outputs, Failure> {
        // The internet gateway before NAT gateways: they go out through it.
        let gateway = self.gateway()?;
        let public_subnets = self.subnets("public", public)?;
        let private_subnets = self.subnets("private", private)?;
        let public_table = self.table("public")?;
        let private_tables = self.private_tables(private.len())?;
        let groups = self.groups()?;
        let addresses = self.addresses(private.len())?;

        let public_ids = ids(&public_subnets)?;
        let nat = self.nat(&addresses, &public_ids)?;
        let public_table = public_table.id()?;
        let private_tables = private_tables.iter().map(ec2::RouteTable::id).collect::<Result<Vec<_>, _>>()?;
        self.route("public-internet", &public_table, ec2::RouteTarget::InternetGateway(gateway.id()?))?;
        self.associate("public", &public_ids, |_| &public_table)?;
        let private_ids = ids(&private_subnets)?;
        self.associate("private", &private_ids, |zone| &private_tables[zone.min(private_tables.len() - 1)])?;
        let tables: Vec<String> = std::iter::once(public_table).chain(private_tables.clone()).collect();
        self.endpoint(&tables)?;
        for (at, gateway) in nat.iter().enumerate() {
            let name =
                if nat.len() == 1 { "private-internet".to_owned() } else { format!("private-internet-{}", letter(at)) };
            self.route(&name, &private_tables[at], ec2::RouteTarget::NatGateway(gateway.id()?))?;
        }

        let public_ips = addresses.iter().map(ec2::ElasticIp::public_ip).collect::<Result<Vec<_>, _>>()?;
        Ok(outputs! {
            "vpc_id": self.vpc_id,
            "cidr": self.config.cidr,
            "subnet_ids": [public_ids.clone(), private_ids.clone()].concat(),
            "public_subnet_ids": public_ids,
            "private_subnet_ids": private_ids,
            "security_group_ids": groups,
            "nat_public_ips": public_ips,
            "availability_zones": self.zones,
            "route_table_ids": tables,
        })
    }

    fn gateway(&self) -> Result<ec2::InternetGateway, Failure> {
        let spec = ec2::InternetGatewaySpec { vpc_id: self.vpc_id.clone(), tags: self.named("internet") };
        ec2::InternetGateway::declare("main", &spec, &Options::default())
    }

    fn subnets(&self, kind: &str, ranges: &[String]) -> Result<Vec<ec2::Subnet>, Failure> {
        // What the AWS load balancer controller looks for.
        let role = if kind == "public" { "kubernetes.io/role/elb" } else { "kubernetes.io/role/internal-elb" };
        let shared = self.config.cluster.as_ref().map(|cluster| format!("kubernetes.io/cluster/{cluster}"));
        let declare = |(zone, range): (usize, &String)| {
            let name = format!("{kind}-{}", letter(zone));
            let full = format!("{}-{name}", self.config.name);
            let mut all = vec![("Name", full.as_str()), (role, "1")];
            all.extend(shared.iter().map(|key| (key.as_str(), "shared")));
            let spec = ec2::SubnetSpec {
                vpc_id: self.vpc_id.clone(),
                cidr_block: range.clone(),
                availability_zone: self.zones[zone].clone(),
                map_public_ip_on_launch: kind == "public",
                tags: tags(self.config, &all),
            };
            ec2::Subnet::declare(&name, &spec, &Options::default())
        };
        ranges.iter().enumerate().map(declare).collect()
    }

    fn table(&self, name: &str) -> Result<ec2::RouteTable, Failure> {
        let spec = ec2::RouteTableSpec { vpc_id: self.vpc_id.clone(), tags: self.named(name) };
        ec2::RouteTable::declare(name, &spec, &Options::default())
    }

    /// One for all private subnets, unless each zone has a way out of its own.
    fn private_tables(&self, subnets: usize) -> Result<Vec<ec2::RouteTable>, Failure> {
        match (subnets, self.config.nat) {
            (0, _) => Ok(Vec::new()),
            (_, Nat::PerAz) => (0..subnets).map(|zone| self.table(&format!("private-{}", letter(zone)))).collect(),
            _ => Ok(vec![self.table("private")?]),
        }
    }

    fn addresses(&self, private: usize) -> Result<Vec<ec2::ElasticIp>, Failure> {
        let names = match (private, self.config.nat) {
            (0, _) | (_, Nat::None) => Vec::new(),
            (_, Nat::Single) => vec!["nat".to_owned()],
            (_, Nat::PerAz) => (0..private).map(|zone| format!("nat-{}", letter(zone))).collect(),
        };
        let declare = |name: &String| {
            let spec = ec2::ElasticIpSpec { tags: self.named(name) };
            ec2::ElasticIp::declare(name, &spec, &Options::default())
        };
        names.iter().map(declare).collect()
    }

    /// A NAT gateway for each address, in the public subnet of its zone.
    fn nat(&self, addresses: &[ec2::ElasticIp], public: &[String]) -> Result<Vec<ec2::NatGateway>, Failure> {
        let declare = |(zone, address): (usize, &ec2::ElasticIp)| {
            let name = if addresses.len() == 1 { "nat".to_owned() } else { format!("nat-{}", letter(zone)) };
            let spec = ec2::NatGatewaySpec {
                subnet_id: public[zone].clone(),
                allocation_id: address.allocation_id()?,
                tags: self.named(&name),
            };
            ec2::NatGateway::declare(&name, &spec, &Options::default())
        };
        addresses.iter().enumerate().map(declare).collect()
    }

    fn route(&self, name: &str, table: &str, target: ec2::RouteTarget) -> Result<(), Failure> {
        let spec =
            ec2::RouteSpec { route_table_id: table.to_owned(), destination_cidr_block: "0.0.0.0/0".to_owned(), target };
        ec2::Route::declare(name, &spec, &Options::default()).map(drop)
    }

    fn associate<'t>(
        &self,
        kind: &str,
        subnets: &[String],
        table: impl Fn(usize) -> &'t String,
    ) -> Result<(), Failure> {
        for (zone, subnet) in subnets.iter().enumerate() {
            let spec =
                ec2::RouteTableAssociationSpec { route_table_id: table(zone).clone(), subnet_id: subnet.clone() };
            let name = format!("{kind}-{}", letter(zone));
            ec2::RouteTableAssociation::declare(&name, &spec, &Options::default())?;
        }
        Ok(())
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
        let mut made = Vec::new();
        for (name, group) in &self.config.security_groups {
            let group_name = format!("{}-{name}", self.config.name);
            let spec = ec2::SecurityGroupSpec {
                vpc_id: self.vpc_id.clone(),
                tags: self.named(name),
                description: group.description.clone(),
                group_name,
            };
            made.push((name, group, ec2::SecurityGroup::declare(name, &spec, &Options::default())?));
        }
        let mut ids = Outputs::new();
        for (name, group, declared) in made {
            let id = declared.id()?;
            for rule in &group.rules {
                let own = vec![self.config.cidr.clone()];
                let sources = rule.sources.as_ref().unwrap_or(&own);
                for (at, source) in sources.iter().enumerate() {
                    let mut resource = format!("{name}-{}", rule.name);
                    if sources.len() > 1 {
                        resource = format!("{resource}-{}", at + 1);
                    }
                    let spec = ec2::SecurityGroupRuleSpec {
                        security_group_id: id.clone(),
                        direction: ec2::Direction::Ingress,
                        ip_protocol: rule.protocol.clone(),
                        from_port: rule.port,
                        to_port: rule.to_port.unwrap_or(rule.port),
                        peer: ec2::Peer::Cidr(source.clone()),
                        description: rule.name.clone(),
                        tags: tags(self.config, &[("Name", &rule.name)]),
                    };
                    ec2::SecurityGroupRule::declare(&resource, &spec, &Options::default())?;
                }
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
