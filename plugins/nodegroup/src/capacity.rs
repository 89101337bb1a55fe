//! Where nodes start: reservations, placement groups, EFA; and what goes with a launch template of somebody else's.

use llmhost_plugin::{Failure, Options, ec2, invalid};

use crate::config::{Config, Efa, Placement};
use crate::image;

/// Refuses what does not go together.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    if config.launch_template.is_some() {
        let ours = [
            ("remote_access", config.remote_access.is_some()),
            ("disk_iops", config.disk_iops.is_some()),
            ("disk_throughput", config.disk_throughput.is_some()),
            ("disk_key", config.disk_key.is_some()),
            ("max_pods", config.max_pods.is_some()),
            ("kubelet", !config.kubelet.is_empty()),
            ("local_storage", config.local_storage.is_some()),
            ("user_data", config.user_data.is_some()),
            ("capacity_reservation", config.capacity_reservation.is_some()),
            ("efa", config.efa.is_on()),
            ("placement_group", !matches!(config.placement_group, None | Some(Placement::Not(false)))),
        ];
        if let Some((option, _)) = ours.iter().find(|(_, stated)| *stated) {
            return Err(invalid(format!(
                "{option} belongs into the launch template, and launch_template names one that is there; set it in that \
                 template, or leave launch_template out"
            )));
        }
        return Ok(());
    }
    if config.ami_type.as_deref() == Some("CUSTOM") {
        return Err(invalid("ami_type is CUSTOM, and its image comes from a launch template; set launch_template"));
    }
    if config.capacity_block {
        if config.capacity_reservation.is_none() {
            return Err(invalid("capacity_block says what capacity_reservation is, and that is missing: cr-…"));
        }
        if config.instance_types.len() != 1 {
            return Err(invalid("a capacity block is of one instance type; set that one in instance_types"));
        }
        if config.spot {
            return Err(invalid("spot instances do not start in a capacity block; leave spot out"));
        }
    } else if config.capacity_reservation.is_some() && config.spot {
        return Err(invalid("spot instances do not start in a capacity reservation; leave one of the two out"));
    }
    Ok(())
}

/// How many interfaces for EFA a node has; nothing where it has none.
pub(crate) fn efa_interfaces(config: &Config) -> Result<Option<u32>, Failure> {
    let stated = match &config.efa {
        Efa::On(false) => return Ok(None),
        Efa::On(true) => None,
        Efa::With(fabric) => fabric.interfaces,
    };
    if stated.is_some() {
        return Ok(stated);
    }
    let mut first = None;
    for name in &config.instance_types {
        let cards = image::efa_interfaces(name);
        match first {
            Some((other, of)) if of != cards => {
                return Err(invalid(format!(
                    "{other} takes {of} interfaces for EFA and {name} {cards}; make a node group for each, or state \
                     efa = {{ interfaces = … }}"
                )));
            }
            _ => first = Some((name, cards)),
        }
    }
    Ok(first.map(|(_, cards)| cards))
}

/// The security groups of nodes with EFA. It needs one that lets all traffic within itself in, and by a rule of its own out.
pub(crate) fn efa_groups(config: &Config) -> Result<Vec<String>, Failure> {
    let Efa::With(fabric) = &config.efa else { return Ok(Vec::new()) };
    let (vpc_id, cluster) = match (&fabric.vpc_id, &fabric.cluster_security_group_id) {
        (Some(vpc_id), Some(cluster)) => (vpc_id, cluster),
        (None, None) => return Ok(Vec::new()),
        (Some(_), None) => {
            return Err(invalid(
                "efa.cluster_security_group_id is missing: nodes with groups of their own need the cluster's stated, as \
                 \"${cluster.security_group_id}\"",
            ));
        }
        (None, Some(_)) => return Err(invalid("efa.vpc_id is missing: the security group for EFA is made there")),
    };
    let tags: Vec<(String, String)> = config.tags.clone().into_iter().collect();
    let spec = ec2::SecurityGroupSpec {
        vpc_id: vpc_id.clone(),
        group_name: format!("{}-{}-efa", config.cluster, config.name),
        description: format!("EFA between the nodes of {}", config.name),
        tags: tags.clone(),
    };
    let group = ec2::SecurityGroup::declare("efa", &spec, &Options::default())?;
    let id = group.id()?;
    for (name, direction) in [("efa-in", ec2::Direction::Ingress), ("efa-out", ec2::Direction::Egress)] {
        let spec = ec2::SecurityGroupRuleSpec {
            security_group_id: id.clone(),
            direction,
            ip_protocol: "-1".to_owned(),
            from_port: 0,
            to_port: 0,
            peer: ec2::Peer::SecurityGroup(id.clone()),
            description: "EFA between nodes".to_owned(),
            tags: tags.clone(),
        };
        ec2::SecurityGroupRule::declare(name, &spec, &Options::default())?;
    }
    let mut groups = vec![id];
    if config.remote_access.is_none() {
        groups.push(cluster.clone());
    }
    Ok(groups)
}

/// The placement group that nodes start in.
pub(crate) fn placement(config: &Config) -> Result<Option<String>, Failure> {
    let own = format!("{}-{}", config.cluster, config.name);
    let (name, strategy, partitions) = match &config.placement_group {
        Some(Placement::Not(false)) => return Ok(None),
        Some(Placement::Not(true)) => {
            return Err(invalid("placement_group is true; set the name of one, or { strategy = \"cluster\" }"));
        }
        Some(Placement::Name(name)) => return Ok(Some(name.clone())),
        Some(Placement::Make(group)) => (group.name.clone().unwrap_or(own), group.strategy.word(), group.partitions),
        // Reserved instances are where the reservation has them.
        None if config.efa.is_on() && config.capacity_reservation.is_none() => (own, "cluster", None),
        None => return Ok(None),
    };
    let spec = ec2::PlacementGroupSpec {
        group_name: name,
        strategy: strategy.to_owned(),
        partition_count: partitions,
        tags: config.tags.clone().into_iter().collect(),
    };
    ec2::PlacementGroup::declare("main", &spec, &Options::default())?.group_name().map(Some)
}
