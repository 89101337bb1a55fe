//! `ec2.launch-template`

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    CapacityReservationTarget, InstanceType, LaunchTemplate as Found, LaunchTemplateBlockDeviceMappingRequest,
    LaunchTemplateCapacityReservationSpecificationRequest, LaunchTemplateEbsBlockDeviceRequest,
    LaunchTemplateHttpTokensState, LaunchTemplateInstanceMarketOptionsRequest,
    LaunchTemplateInstanceMetadataEndpointState, LaunchTemplateInstanceMetadataOptionsRequest,
    LaunchTemplateInstanceNetworkInterfaceSpecification, LaunchTemplateInstanceNetworkInterfaceSpecificationRequest,
    LaunchTemplatePlacementRequest, LaunchTemplateTagSpecificationRequest, MarketType, RequestLaunchTemplateData,
    ResourceType, ResponseLaunchTemplateData, VolumeType,
};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use llmhost_engine::kind::{Created, DeclareContext, Intent, Kind, Observed, OpError, Outputs, Progress, Sampled};
use llmhost_engine::unknown;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Operation, made_by, observed, outputs, present, sync_tags, tag, tagged, there, with_tags};
use crate::aws::blank;
use crate::aws::clients::Aws;
use crate::aws::errors::gone_is_none;
use crate::aws::forms;
use crate::aws::limits;
use crate::aws::tags::{Pairs, Tags};

/// How instances are started. Instance metadata always needs a session token (IMDSv2).
pub(in crate::aws) struct LaunchTemplate(pub(in crate::aws) Arc<Aws>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    template_name: String,
    metadata_hop_limit: i32,
    root_volume: Volume,
    /// None: the default of whoever starts the instances.
    #[serde(deserialize_with = "crate::aws::set::read")]
    security_group_ids: Vec<String>,
    key_name: Option<String>,
    /// Base64, as EC2 takes it.
    user_data: Option<String>,
    /// As text, in place of `user_data`.
    #[serde(default)]
    user_data_text: Option<String>,
    #[serde(default)]
    instance_type: Option<String>,
    /// A name.
    #[serde(default)]
    placement_group: Option<String>,
    #[serde(default)]
    capacity_reservation_id: Option<String>,
    /// The reservation is a capacity block.
    #[serde(default)]
    capacity_block: bool,
    /// One on each network card.
    #[serde(default)]
    efa_interfaces: Option<i32>,
    /// Of instances, and of the volumes and network interfaces that are launched with them.
    instance_tags: Pairs,
    tags: Tags,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Volume {
    device_name: String,
    size_gib: i32,
    kms_key_id: Option<String>,
    iops: Option<i32>,
    throughput_mibps: Option<i32>,
}

/// What carries the tags of instances: all that a launch makes.
const TAGGED: [ResourceType; 3] = [ResourceType::Instance, ResourceType::Volume, ResourceType::NetworkInterface];

impl Volume {
    fn check(&self) -> Result<(), String> {
        let size = self.size_gib;
        if !(1..=65_536).contains(&size) {
            return Err(format!("the root volume has {size} GiB; gp3 allows 1 to 65536"));
        }
        let (least, most) = limits::GP3_IOPS;
        // The first 3,000 come with every volume, however small.
        let most = most.min(limits::GP3_IOPS_PER_GIB.saturating_mul(size).max(least));
        if let Some(iops) = self.iops.filter(|iops| !(least..=most).contains(iops)) {
            return Err(format!("the root volume has {iops} IOPS; gp3 allows {least} to {most} at {size} GiB"));
        }
        let (least, most) = limits::GP3_MIBPS;
        let most = most.min((self.iops.unwrap_or(limits::GP3_IOPS.0) / 4).max(least));
        match self.throughput_mibps.filter(|throughput| !(least..=most).contains(throughput)) {
            Some(throughput) => Err(format!(
                "the root volume has {throughput} MiB/s; gp3 allows {least} to {most} with these IOPS, 0.25 for each"
            )),
            None => Ok(()),
        }
    }
}

impl Spec {
    fn data(&self) -> RequestLaunchTemplateData {
        let metadata = LaunchTemplateInstanceMetadataOptionsRequest::builder()
            .http_tokens(LaunchTemplateHttpTokensState::Required)
            .http_endpoint(LaunchTemplateInstanceMetadataEndpointState::Enabled)
            .http_put_response_hop_limit(self.metadata_hop_limit)
            .build();
        let volume = LaunchTemplateEbsBlockDeviceRequest::builder()
            .volume_type(VolumeType::Gp3)
            .volume_size(self.root_volume.size_gib)
            .encrypted(true)
            .delete_on_termination(true)
            .set_kms_key_id(self.root_volume.kms_key_id.clone())
            .set_iops(self.root_volume.iops)
            .set_throughput(self.root_volume.throughput_mibps)
            .build();
        let device = LaunchTemplateBlockDeviceMappingRequest::builder().device_name(&self.root_volume.device_name);
        let tags: Vec<_> = self.instance_tags.0.iter().map(|(key, value)| tag(key, value)).collect();
        let tagged = TAGGED.map(|kind| {
            let tags = Some(tags.clone());
            LaunchTemplateTagSpecificationRequest::builder().resource_type(kind).set_tags(tags).build()
        });
        let groups = (!self.security_group_ids.is_empty()).then(|| self.security_group_ids.clone());
        let user_data = self.user_data_text.as_ref().map(|text| BASE64_STANDARD.encode(text));
        let target = self.capacity_reservation_id.as_ref().map(|id| {
            let target = CapacityReservationTarget::builder().capacity_reservation_id(id).build();
            LaunchTemplateCapacityReservationSpecificationRequest::builder().capacity_reservation_target(target).build()
        });
        let market = self.capacity_block.then(|| {
            LaunchTemplateInstanceMarketOptionsRequest::builder().market_type(MarketType::CapacityBlock).build()
        });
        let placement = self.placement_group.as_ref();
        let placement = placement.map(|name| LaunchTemplatePlacementRequest::builder().group_name(name).build());
        let interfaces = self.efa_interfaces.map(|count| (0..count).map(|card| self.efa(card)).collect());
        RequestLaunchTemplateData::builder()
            .set_instance_type(self.instance_type.as_deref().map(InstanceType::from))
            .set_capacity_reservation_specification(target)
            .set_instance_market_options(market)
            .set_placement(placement)
            .set_network_interfaces(interfaces)
            .metadata_options(metadata)
            .block_device_mappings(device.ebs(volume).build())
            // Where there are interfaces, groups are theirs.
            .set_security_group_ids(groups.filter(|_| self.efa_interfaces.is_none()))
            .set_key_name(self.key_name.clone())
            .set_user_data(user_data.or_else(|| self.user_data.clone()))
            .set_tag_specifications((!tags.is_empty()).then(|| tagged.to_vec()))
            .build()
    }

    /// The interface on a network card: one has an address, the others carry the fabric's traffic alone.
    fn efa(&self, card: i32) -> LaunchTemplateInstanceNetworkInterfaceSpecificationRequest {
        let groups = (!self.security_group_ids.is_empty()).then(|| self.security_group_ids.clone());
        LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
            .network_card_index(card)
            .device_index(card.min(1))
            .interface_type(if card == 0 { "efa" } else { "efa-only" })
            .delete_on_termination(true)
            .set_groups(groups)
            .build()
    }

    fn observe(template: &Found, data: &ResponseLaunchTemplateData, spec: &Self) -> Self {
        let device = data.block_device_mappings().first();
        let volume = device.and_then(|device| device.ebs());
        let tags_of = |kind: &ResourceType| {
            let all = data.tag_specifications().iter().filter(|tags| tags.resource_type() == Some(kind));
            Pairs(observed(&all.flat_map(|tags| tags.tags()).cloned().collect::<Vec<_>>()).0)
        };
        // All of them have the same; where one has not, that one has to show.
        let mut tags = TAGGED.iter().map(tags_of);
        let instance_tags = tags.find(|tags| *tags != spec.instance_tags).unwrap_or_else(|| spec.instance_tags.clone());
        let metadata = data.metadata_options();
        let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        let user_data = text(data.user_data());
        let decoded = user_data.as_ref().filter(|_| spec.user_data_text.is_some());
        let decoded = decoded.and_then(|data| BASE64_STANDARD.decode(data).ok());
        let user_data_text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let is_efa = |interface: &&LaunchTemplateInstanceNetworkInterfaceSpecification| {
            interface.interface_type().is_some_and(|kind| kind.starts_with("efa"))
        };
        let interfaces = data.network_interfaces();
        let efa = i32::try_from(interfaces.iter().filter(is_efa).count()).unwrap_or(i32::MAX);
        let mut groups = match interfaces.first() {
            Some(first) => first.groups().to_vec(),
            None => data.security_group_ids().to_vec(),
        };
        groups.sort();
        let reservation = data.capacity_reservation_specification();
        let reservation = reservation.and_then(|of| of.capacity_reservation_target()?.capacity_reservation_id());
        let market = data.instance_market_options().and_then(|options| options.market_type());
        let open = metadata.and_then(|m| m.http_tokens()).is_none_or(|tokens| tokens.as_str() != "required");
        Self {
            template_name: template.launch_template_name().unwrap_or_default().to_owned(),
            // Without tokens, any number of hops is too many: it has to show.
            metadata_hop_limit: if open {
                -1
            } else {
                metadata.and_then(|m| m.http_put_response_hop_limit()).unwrap_or(1)
            },
            root_volume: Volume {
                device_name: device.and_then(|device| device.device_name()).unwrap_or_default().to_owned(),
                size_gib: volume.and_then(|volume| volume.volume_size()).unwrap_or_default(),
                kms_key_id: volume.and_then(|volume| volume.kms_key_id()).map(str::to_owned),
                iops: spec.root_volume.iops.and_then(|_| volume.and_then(|volume| volume.iops())),
                throughput_mibps: spec.root_volume.throughput_mibps.and_then(|_| volume.and_then(|v| v.throughput())),
            },
            security_group_ids: groups,
            key_name: data.key_name().map(str::to_owned),
            user_data: user_data.filter(|_| user_data_text.is_none()),
            user_data_text,
            instance_type: text(data.instance_type().map(|kind| kind.as_str())),
            placement_group: text(data.placement().and_then(|placement| placement.group_name())),
            capacity_reservation_id: text(reservation),
            capacity_block: market == Some(&MarketType::CapacityBlock),
            efa_interfaces: (efa > 0).then_some(efa),
            instance_tags,
            tags: observed(template.tags()),
        }
    }

    /// Checks reservation, block and interfaces.
    fn check_capacity(&self) -> Result<(), String> {
        forms::ids("capacity_reservation_id", "cr-", &self.capacity_reservation_id)?;
        if self.capacity_block && (self.capacity_reservation_id.is_none() || self.instance_type.is_none()) {
            return Err("a capacity block needs capacity_reservation_id and instance_type".to_owned());
        }
        match self.efa_interfaces {
            Some(count) if !(1..=limits::NETWORK_CARDS).contains(&count) => {
                Err(format!("efa_interfaces is {count}; an instance has 1 to {} network cards", limits::NETWORK_CARDS))
            }
            _ => Ok(()),
        }
    }

    fn is_same_data(&self, other: &Self) -> bool {
        let bare = |spec: &Self| Self { tags: Tags::default(), ..spec.clone() };
        bare(self) == bare(other)
    }
}

impl LaunchTemplate {
    async fn look(&self, id: &str) -> Result<Option<Found>, OpError> {
        let request = self.0.ec2().await.describe_launch_templates().launch_template_ids(id);
        let answer = gone_is_none(request.send().await.operation("ec2:DescribeLaunchTemplates"))?;
        Ok(answer.and_then(|answer| answer.launch_templates?.pop()))
    }

    /// What the newest version says.
    async fn newest(&self, id: &str) -> Result<Option<(i64, ResponseLaunchTemplateData)>, OpError> {
        let request = self.0.ec2().await.describe_launch_template_versions().launch_template_id(id).versions("$Latest");
        let answer = gone_is_none(request.send().await.operation("ec2:DescribeLaunchTemplateVersions"))?;
        let found = answer.and_then(|answer| answer.launch_template_versions?.pop());
        Ok(found.and_then(|found| Some((found.version_number?, found.launch_template_data?))))
    }
}

fn known(id: &str, version: i64) -> Outputs {
    outputs([("id", id), ("version", version.to_string().as_str())])
}

#[async_trait]
impl Kind for LaunchTemplate {
    type Spec = Spec;
    const NAME: &'static str = "ec2.launch-template";
    const ACTIONS: &'static [&'static str] = &[
        "ec2:CreateLaunchTemplate",
        "ec2:CreateLaunchTemplateVersion",
        "ec2:ModifyLaunchTemplate",
        "ec2:DescribeLaunchTemplates",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:DeleteLaunchTemplate",
        "ec2:CreateTags",
        "ec2:DeleteTags",
    ];
    const IMMUTABLE: &'static [&'static str] = &["template_name"];
    const UNIQUE: &'static [&'static str] = &["template_name"];
    const IDENTITIES: &'static [&'static str] = &["id"];
    const VOLATILE: &'static [&'static str] = &["version"];

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        let name = &spec.template_name;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_()./".contains(c);
        let fits = (3..=128).contains(&name.len()) && name.chars().all(allowed);
        if !(fits || unknown::is_unknown(name)) {
            return Err(format!(
                "the launch template name '{name}' must have 3 to 128 letters, digits and any of -_()./"
            ));
        }
        if !(1..=64).contains(&spec.metadata_hop_limit) {
            return Err(format!("metadata_hop_limit is {}; EC2 allows 1 to 64", spec.metadata_hop_limit));
        }
        spec.root_volume.check()?;
        let groups = spec.security_group_ids.len();
        if groups > limits::INTERFACE_GROUPS {
            let most = limits::INTERFACE_GROUPS;
            return Err(format!("security_group_ids has {groups} groups; a network interface allows at most {most}"));
        }
        if spec.user_data.is_some() && spec.user_data_text.is_some() {
            return Err("user_data and user_data_text are both set; remove one of them".to_owned());
        }
        let encoded = spec.user_data.as_deref().map_or(0, |data| data.trim_end_matches('=').len() * 3 / 4);
        let bytes = spec.user_data_text.as_ref().map_or(encoded, String::len);
        if bytes > limits::USER_DATA {
            return Err(format!("the user data has {bytes} bytes; EC2 allows {}", limits::USER_DATA));
        }
        spec.check_capacity()?;
        spec.instance_tags.complete_for_instances(context)?;
        spec.tags.complete(context)
    }

    fn sample(&self, output: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        Some(match output {
            "version" => "3".into(),
            _ => sampled.id("lt"),
        })
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let operation = "ec2:CreateLaunchTemplate";
        let request = self.0.ec2_once().await.create_launch_template().launch_template_name(&spec.template_name);
        let request = request.client_token(&intent.token).launch_template_data(spec.data());
        let request = request.tag_specifications(tagged(ResourceType::LaunchTemplate, &spec.tags, intent));
        let answer = request.send().await.operation(operation)?;
        let id = answer.launch_template.and_then(|template| template.launch_template_id);
        let id = present(operation, id)?;
        Ok(Created { outputs: known(&id, 1), id })
    }

    async fn configure(&self, id: &str, spec: &Spec, was: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        let ec2 = self.0.ec2().await;
        let template = there("ec2:DescribeLaunchTemplates", id, self.look(id).await?)?;
        let (mut version, data) = there("ec2:DescribeLaunchTemplateVersions", id, self.newest(id).await?)?;
        if !Spec::observe(&template, &data, spec).is_same_data(spec) {
            let operation = "ec2:CreateLaunchTemplateVersion";
            let request = self.0.ec2_once().await.create_launch_template_version().launch_template_id(id);
            let answer = request.launch_template_data(spec.data()).send().await.operation(operation)?;
            let made = answer.launch_template_version.and_then(|version| version.version_number);
            version = present(operation, made)?;
        }
        if template.default_version_number() != Some(version) {
            let request = ec2.modify_launch_template().launch_template_id(id).default_version(version.to_string());
            request.send().await.operation("ec2:ModifyLaunchTemplate")?;
        }
        sync_tags(&self.0, id, was.map(|was| &was.tags), &spec.tags).await?;
        Ok(known(id, version))
    }

    fn blank(&self, name: &str) -> Option<Spec> {
        let root = json!({ "device_name": "/dev/xvda", "size_gib": 1, "kms_key_id": null, "iops": null, "throughput_mibps": null });
        blank(json!({
            "template_name": name, "metadata_hop_limit": 1, "root_volume": root, "security_group_ids": [],
            "key_name": null, "user_data": null, "instance_tags": [], "tags": {},
        }))
    }

    async fn called(&self, name: &str) -> Result<Option<Vec<String>>, OpError> {
        match Kind::blank(self, name) {
            Some(spec) => self.by_place(&spec).await,
            None => Ok(None),
        }
    }

    async fn read(&self, id: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let (Some(template), Some((version, data))) = (self.look(id).await?, self.newest(id).await?) else {
            return Ok(None);
        };
        Ok(Some(Observed { spec: Spec::observe(&template, &data, spec), outputs: known(id, version) }))
    }

    async fn find(&self, _: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let request = self.0.ec2().await.describe_launch_templates().filters(made_by(intent));
        let answer = request.send().await.operation("ec2:DescribeLaunchTemplates")?;
        let id = answer.launch_templates.into_iter().flatten().find_map(|template| template.launch_template_id);
        Ok(id.map(|id| Created { outputs: known(&id, 1), id }))
    }

    async fn by_place(&self, spec: &Spec) -> Result<Option<Vec<String>>, OpError> {
        let request = self.0.ec2().await.describe_launch_templates().launch_template_names(&spec.template_name);
        let answer = gone_is_none(request.send().await.operation("ec2:DescribeLaunchTemplates"))?;
        let found = answer.and_then(|answer| answer.launch_templates).unwrap_or_default();
        Ok(Some(found.into_iter().filter_map(|template| template.launch_template_id).collect()))
    }

    async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
        with_tags(&self.0, ResourceType::LaunchTemplate, tags).await.map(Some)
    }

    async fn delete(&self, id: &str, _: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        let request = self.0.ec2().await.delete_launch_template().launch_template_id(id);
        gone_is_none(request.send().await.operation("ec2:DeleteLaunchTemplate")).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(more: serde_json::Value) -> Spec {
        let volume = serde_json::json!({ "device_name": "/dev/xvda", "size_gib": 20, "kms_key_id": null, "iops": null,
            "throughput_mibps": null });
        let mut all = serde_json::json!({ "template_name": "t", "metadata_hop_limit": 1, "root_volume": volume,
            "security_group_ids": ["sg-1"], "key_name": null, "user_data": null, "instance_tags": [], "tags": [] });
        all.as_object_mut().expect("a table").extend(more.as_object().expect("a table").clone());
        serde_json::from_value(all).expect("a spec")
    }

    #[test]
    fn efa_takes_a_card_each_and_the_groups_with_it() {
        let data = spec(serde_json::json!({ "efa_interfaces": 3, "user_data_text": "#!/bin/sh" })).data();
        let interfaces = data.network_interfaces();
        let told = interfaces.iter().map(|one| (one.network_card_index(), one.device_index(), one.interface_type()));
        let wanted = [(0, 0, "efa"), (1, 1, "efa-only"), (2, 1, "efa-only")];
        assert!(told.eq(wanted.map(|(card, device, kind)| (Some(card), Some(device), Some(kind)))), "{interfaces:?}");
        assert!(interfaces.iter().all(|one| one.groups() == ["sg-1"]) && data.security_group_ids().is_empty());
        assert_eq!(data.user_data(), Some("IyEvYmluL3No"));
        let plain = spec(serde_json::json!({})).data();
        assert_eq!((plain.network_interfaces().len(), plain.security_group_ids().len()), (0, 1));
    }

    #[test]
    fn what_a_reservation_lacks_is_said() {
        for (more, words) in [
            (serde_json::json!({ "capacity_reservation_id": "cr-0123" }), None),
            (serde_json::json!({ "capacity_reservation_id": "p5" }), Some("looks like cr-")),
            (serde_json::json!({ "capacity_block": true, "instance_type": "p5.48xlarge" }), Some("needs capacity_res")),
            (serde_json::json!({ "efa_interfaces": 33 }), Some("1 to 32 network cards")),
        ] {
            let found = spec(more).check_capacity();
            match words {
                None => assert_eq!(found, Ok(())),
                Some(words) => assert!(found.as_ref().is_err_and(|error| error.contains(words)), "{found:?}"),
            }
        }
    }

    #[test]
    fn a_volume_has_what_gp3_gives() {
        for (size_gib, iops, throughput_mibps, wrong) in [
            (20, None, None, None),
            (65_536, Some(80_000), Some(2000), None),
            (65_537, None, None, Some("1 to 65536")),
            (0, None, None, Some("0 GiB")),
            (5, Some(3000), None, None),
            (20, Some(10_000), None, None),
            (20, Some(10_001), None, Some("3000 to 10000 at 20 GiB")),
            (1000, Some(80_001), None, Some("3000 to 80000")),
            (20, Some(2999), None, Some("2999 IOPS")),
            (20, None, Some(750), None),
            (20, None, Some(751), Some("125 to 750")),
            (20, None, Some(124), Some("124 MiB/s")),
        ] {
            let volume =
                Volume { device_name: "/dev/xvda".to_owned(), size_gib, kms_key_id: None, iops, throughput_mibps };
            let found = volume.check();
            match wrong {
                None => assert_eq!(found, Ok(()), "{volume:?}"),
                Some(words) => assert!(found.as_ref().is_err_and(|e| e.contains(words)), "{volume:?}: {found:?}"),
            }
        }
    }
}
