//! The `nodegroup` plugin: a managed node group with its launch template.

mod autoscaler;
mod capacity;
mod config;
mod image;
mod user_data;

use config::{Config, Effect, Missing, Os, RemoteAccess, Version};
use image::Kind;
use llmhost_plugin::{Failure, Names, Options, Output, Outputs, Plugin, ec2, eks, invalid, outputs, written};

struct NodeGroup;

impl Plugin for NodeGroup {
    type Config = Config;
    const SUMMARY: &'static str =
        "A managed node group: GPU or CPU image chosen from the instance type, encrypted disk, protected metadata.";
    const OUTPUTS: &'static [Output] = &[
        Output::text("name", "Name of the node group"),
        Output::text("arn", "ARN of the node group"),
        Output::text("ami_type", "AMI type of the nodes"),
        Output::boolean("gpu", "Whether the nodes have NVIDIA GPUs"),
        Output::boolean(
            "needs_device_plugin",
            "Whether their image lacks NVIDIA's device plugin, so that a DaemonSet must bring it",
        ),
        Output::text("auto_scaling_group", "Name of the auto scaling group behind it"),
        Output::text("launch_template_id", "Id of the launch template"),
        Output::text("remote_access_security_group_id", "Id of the group that lets SSH in, or null"),
    ];

    fn run(config: Config) -> Result<Outputs, Failure> {
        let (ami_type, gpu) = match &config.ami_type {
            Some(stated) => (stated.clone(), stated.contains("NVIDIA") || stated.ends_with("GPU")),
            None => {
                let (image, kind) = image::choose(&config.instance_types, config.os)?;
                (image, kind == Kind::Nvidia)
            }
        };
        let is_bottlerocket = ami_type.starts_with("BOTTLEROCKET");
        if config.ami_type.is_some() && (config.os == Os::Bottlerocket) && !is_bottlerocket {
            return Err(invalid(format!(
                "os is bottlerocket, and {ami_type} is an image of another; remove one of them"
            )));
        }
        let desired = config.desired.unwrap_or(config.min);
        capacity::check(&config)?;
        let ssh = config.remote_access.as_ref().map(|access| ssh_group(&config, access)).transpose()?;
        let (template_id, template_version) = match &config.launch_template {
            Some(there) => {
                let version = match &there.version {
                    Version::Number(number) => number.to_string(),
                    Version::Text(text) => text.clone(),
                };
                (there.id.clone(), version)
            }
            None => {
                let template = template(&config, &ami_type, ssh.as_deref())?;
                (template.id()?, template.version()?)
            }
        };
        let spec = eks::NodeGroupSpec {
            cluster_name: config.cluster.clone(),
            node_group_name: config.name.clone(),
            role_arn: config.role_arn.clone(),
            subnet_ids: config.subnet_ids.clone(),
            instance_types: config.instance_types.clone(),
            ami_type: ami_type.clone(),
            spot: config.spot,
            min_size: config.min,
            max_size: config.max,
            desired_size: desired,
            labels: config.labels.clone().into_iter().collect(),
            taints: config.taints.iter().map(taint).collect(),
            max_unavailable: share(&config.max_unavailable)?,
            launch_template_id: template_id.clone(),
            launch_template_version: template_version,
            // A capacity block wants its type in the template.
            instance_type_in_template: config.capacity_block,
            capacity_block: config.capacity_block,
            release_version: config.release_version.clone(),
            version: config.version.clone(),
            node_repair: config.node_repair,
            wait_minutes: config.timeout_minutes,
            drain_timeout_minutes: config.drain_timeout_minutes,
            drain_force: config.drain_force,
            tags: autoscaler::tags(&config, gpu)?,
        };
        let group = eks::NodeGroup::declare("main", &spec, &Options::default())?;
        Ok(outputs! {
            "name": group.node_group_name()?,
            "arn": group.arn()?,
            "ami_type": ami_type,
            "gpu": gpu,
            "needs_device_plugin": gpu && !is_bottlerocket,
            "auto_scaling_group": group.auto_scaling_group()?,
            "launch_template_id": template_id,
            "remote_access_security_group_id": ssh,
        })
    }
}

fn template(config: &Config, ami_type: &str, ssh: Option<&str>) -> Result<ec2::LaunchTemplate, Failure> {
    let is_bottlerocket = ami_type.starts_with("BOTTLEROCKET");
    // Nodes with groups of their own get the cluster's only where it is stated.
    let mut groups: Vec<String> =
        config.remote_access.iter().map(|access| access.cluster_security_group_id.clone()).collect();
    groups.extend(ssh.map(str::to_owned));
    groups.extend(capacity::efa_groups(config)?);
    let user_data_text = user_data::of(config, ami_type)?;
    let mut instance_tags = config.tags.clone();
    instance_tags.entry("Name".to_owned()).or_insert_with(|| format!("{}-{}", config.cluster, config.name));
    let spec = ec2::LaunchTemplateSpec {
        template_name: format!("{}-{}", config.cluster, config.name),
        metadata_hop_limit: config.metadata_hop_limit,
        root_volume: ec2::RootVolume {
            // Bottlerocket keeps images and containers on a second disk.
            device_name: if is_bottlerocket { "/dev/xvdb" } else { "/dev/xvda" }.to_owned(),
            size_gib: config.disk_gib,
            kms_key_id: config.disk_key.clone(),
            iops: config.disk_iops,
            throughput_mibps: config.disk_throughput,
        },
        security_group_ids: groups,
        key_name: config.remote_access.as_ref().map(|access| access.key_name.clone()),
        user_data: None,
        user_data_text,
        instance_type: config.capacity_block.then(|| config.instance_types[0].clone()),
        placement_group: capacity::placement(config)?,
        capacity_reservation_id: config.capacity_reservation.clone(),
        capacity_block: config.capacity_block,
        efa_interfaces: capacity::efa_interfaces(config)?,
        instance_tags: instance_tags.into_iter().collect(),
        tags: tags(config),
    };
    ec2::LaunchTemplate::declare("main", &spec, &Options::default())
}

/// The group that lets SSH in.
fn ssh_group(config: &Config, access: &RemoteAccess) -> Result<String, Failure> {
    if access.sources.is_empty() && access.source_security_group_ids.is_empty() {
        return Err(invalid("remote_access lets nobody in; set sources or source_security_group_ids"));
    }
    let spec = ec2::SecurityGroupSpec {
        vpc_id: access.vpc_id.clone(),
        group_name: format!("{}-{}-ssh", config.cluster, config.name),
        description: "SSH to the nodes".to_owned(),
        tags: tags(config),
    };
    let group = ec2::SecurityGroup::declare("ssh", &spec, &Options::default())?;
    let id = group.id()?;
    for (name, peer) in peers(access)? {
        let spec = ec2::SecurityGroupRuleSpec {
            security_group_id: id.clone(),
            direction: ec2::Direction::Ingress,
            ip_protocol: "tcp".to_owned(),
            from_port: 22,
            to_port: 22,
            peer,
            description: "SSH".to_owned(),
            tags: tags(config),
        };
        ec2::SecurityGroupRule::declare(&name, &spec, &Options::default())?;
    }
    Ok(id)
}

/// Who may come in, each with the name of its rule.
fn peers(access: &RemoteAccess) -> Result<Vec<(String, ec2::Peer)>, Failure> {
    let ranges = access.sources.iter().map(|range| ec2::Peer::Cidr(range.clone())).enumerate();
    let groups = access.source_security_group_ids.iter().map(|id| ec2::Peer::SecurityGroup(id.clone())).enumerate();
    let (mut names, mut peers) = (Names::new("SSH rule"), Vec::new());
    for (at, peer) in ranges.chain(groups) {
        let (list, value) = match &peer {
            ec2::Peer::Cidr(range) => ("sources", range),
            ec2::Peer::CidrIpv6(id) | ec2::Peer::PrefixList(id) | ec2::Peer::SecurityGroup(id) => {
                ("source_security_group_ids", id)
            }
        };
        let text = written(&format!("/remote_access/{list}/{at}"), value);
        // A range is written with a slash, which no name has.
        let identity = match &peer {
            ec2::Peer::Cidr(_) if !text.contains("${") => format!("ssh-from-{}", text.replace('/', "-")),
            _ => format!("ssh-from-{text}"),
        };
        let name = names.take(&identity, &format!("remote_access.{list}[{at}]"))?;
        peers.push((name, peer));
    }
    Ok(peers)
}

fn taint(taint: &config::Taint) -> eks::Taint {
    let effect = match taint.effect {
        Effect::NoSchedule => "NO_SCHEDULE",
        Effect::PreferNoSchedule => "PREFER_NO_SCHEDULE",
        Effect::NoExecute => "NO_EXECUTE",
    };
    eks::Taint { key: taint.key.clone(), value: taint.value.clone(), effect: effect.to_owned() }
}

fn share(missing: &Missing) -> Result<eks::Share, Failure> {
    match missing {
        Missing::Count(count) => Ok(eks::Share::Count(*count)),
        Missing::Share(text) => {
            let share = text.strip_suffix('%').and_then(|number| number.trim().parse().ok());
            let wrong = || invalid(format!("max_unavailable '{text}' is neither a number nor a share such as \"33%\""));
            Ok(eks::Share::Percentage(share.ok_or_else(wrong)?))
        }
    }
}

fn tags(config: &Config) -> Vec<(String, String)> {
    config.tags.clone().into_iter().collect()
}

llmhost_plugin::export!(NodeGroup);
