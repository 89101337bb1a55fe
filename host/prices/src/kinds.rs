//! What is billed of each kind of resource.

use serde_json::Value;

use crate::bill::{HOURS_PER_MONTH, Item, Range};
use crate::estimate::{Declared, Desk, Draft};

/// What gp3 volumes have without a price of its own.
const FREE_IOPS: f64 = 3_000.0;
const FREE_MIBPS: f64 = 125.0;
/// The disk of a node whose launch template states none, as EKS makes it.
const USUAL_GIB: f64 = 20.0;

/// What one resource costs; nothing where it costs nothing, or is none of AWS's.
pub(crate) fn item(desk: &mut Desk<'_>, one: &Declared<'_>) -> Option<Item> {
    let Declared { kind, spec, .. } = one;
    match *kind {
        "eks.cluster" => cluster(desk, one),
        "eks.node-group" => node_group(desk, one),
        "eks.fargate-profile" => Draft::new(one, "Fargate").by_use(None, "Fargate pods", "hour").done(),
        "ec2.nat-gateway" => nat_gateway(desk, one),
        "ec2.elastic-ip" => fixed(desk, one, "public IPv4 address", "public_ipv4_hour"),
        "ec2.interface-endpoint" => endpoint(desk, one, length(spec, "subnet_ids").max(1)),
        "s3.bucket" => storage(desk, one),
        "kube.object" => object(desk, one),
        "cloud-control.entity" => entity(desk, one),
        _ => None,
    }
}

/// The instance types that a resource runs.
pub(crate) fn instance_types(kind: &str, spec: &Value) -> Vec<String> {
    let list = match kind {
        "eks.node-group" => spec.get("instance_types").and_then(Value::as_array).cloned().unwrap_or_default(),
        "cloud-control.entity" if text(spec, "type_name") == "AWS::EC2::Instance" => {
            spec.pointer("/properties/InstanceType").cloned().into_iter().collect()
        }
        _ => Vec::new(),
    };
    list.iter().filter_map(Value::as_str).filter(|name| is_known(name)).map(str::to_owned).collect()
}

/// Whether a text is a value, and no token that stands for one.
fn is_known(text: &str) -> bool {
    !text.is_empty() && !text.contains("<<")
}

fn text<'a>(spec: &'a Value, field: &str) -> &'a str {
    spec.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn number(spec: &Value, pointer: &str) -> Option<f64> {
    spec.pointer(pointer).and_then(Value::as_f64)
}

fn length(spec: &Value, field: &str) -> usize {
    spec.get(field).and_then(Value::as_array).map_or(0, Vec::len)
}

fn is_true(spec: &Value, field: &str) -> bool {
    spec.get(field).and_then(Value::as_bool).unwrap_or(false)
}

/// Something with one price for an hour.
fn fixed(desk: &mut Desk<'_>, one: &Declared<'_>, what: &str, price: &str) -> Option<Item> {
    let hourly = desk.service(price, one.region).map(Range::fixed);
    Draft::new(one, what).hour(hourly, || format!("{what} in {}", one.region)).done()
}

fn cluster(desk: &mut Desk<'_>, one: &Declared<'_>) -> Option<Item> {
    let version = text(one.spec, "version");
    let is_extended = is_known(version) && desk.table.has_extended_support(version, desk.today);
    let (what, price) = match is_extended {
        true => (format!("EKS cluster, extended support for {version}"), "eks_extended_support_hour"),
        false => ("EKS cluster".to_owned(), "eks_cluster_hour"),
    };
    let draft = Draft::new(one, what);
    let hourly = desk.service(price, one.region).map(Range::fixed);
    let mut draft = draft.hour(hourly, || format!("EKS cluster in {}", one.region));
    if length(one.spec, "logging") > 0 {
        draft = draft.by_use(desk.service("logs_gb", one.region), "CloudWatch logs", "GB");
    }
    if one.spec.get("auto_mode").is_some_and(|mode| !mode.is_null()) {
        draft = draft.by_use(None, "nodes of EKS Auto Mode", "hour");
    }
    draft.done()
}

fn node_group(desk: &mut Desk<'_>, one: &Declared<'_>) -> Option<Item> {
    let spec = one.spec;
    let [desired, most] = ["/desired_size", "/max_size"].map(|field| number(spec, field).unwrap_or(0.0));
    let nodes = Range { least: desired, most: most.max(desired) };
    let types: Vec<&str> =
        spec.get("instance_types").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let template = desk.used(one, "ec2.launch-template").map(|template| template.spec);
    let size = template.and_then(|template| number(template, "/root_volume/size_gib")).unwrap_or(USUAL_GIB);
    let up_to = if nodes.scales() { format!(" (up to {most})") } else { String::new() };
    let mut draft = Draft::new(one, format!("{desired} x {}, {size} GiB{up_to}", types.join(" or ")));

    // Any of the types may come; the dearest is counted.
    let mut dearest: Option<f64> = None;
    for instance_type in &types {
        match desk.instance(instance_type, one.region) {
            Some(price) => dearest = Some(dearest.map_or(price, |other| other.max(price))),
            None => draft = draft.hour(None, || format!("{instance_type} in {}", one.region)),
        }
    }
    if let Some(price) = dearest {
        draft = draft.hour(Some(nodes.times(price)), String::new);
    }
    let disk = volume(desk, one.region, size, template);
    let is_spot = is_true(spec, "spot");
    draft.hour(disk.map(|disk| nodes.times(disk)), || format!("gp3 volumes in {}", one.region)).spot(is_spot).done()
}

/// An hour of a gp3 volume.
fn volume(desk: &mut Desk<'_>, region: &str, size: f64, template: Option<&Value>) -> Option<f64> {
    let above = |field, free: f64| {
        let asked = template.and_then(|template| number(template, field)).unwrap_or(free);
        (asked - free).max(0.0)
    };
    let (iops, mibps) = (above("/root_volume/iops", FREE_IOPS), above("/root_volume/throughput_mibps", FREE_MIBPS));
    let mut month = size * desk.service("gp3_gb_month", region)?;
    if iops > 0.0 {
        month += iops * desk.service("gp3_iops_month", region)?;
    }
    if mibps > 0.0 {
        month += mibps * desk.service("gp3_mibps_month", region)?;
    }
    Some(month / HOURS_PER_MONTH)
}

fn nat_gateway(desk: &mut Desk<'_>, one: &Declared<'_>) -> Option<Item> {
    let hourly = desk.service("nat_hour", one.region).map(Range::fixed);
    let draft = Draft::new(one, "NAT gateway").hour(hourly, || format!("NAT gateway in {}", one.region));
    draft.by_use(desk.service("nat_gb", one.region), "NAT gateway", "GB").done()
}

/// One interface in each zone.
fn endpoint(desk: &mut Desk<'_>, one: &Declared<'_>, zones: usize) -> Option<Item> {
    let hourly = desk.service("endpoint_hour", one.region).map(|price| Range::fixed(price * zones as f64));
    let s = if zones == 1 { "" } else { "s" };
    let draft = Draft::new(one, format!("interface endpoint in {zones} zone{s}"));
    let draft = draft.hour(hourly, || format!("interface endpoint in {}", one.region));
    draft.by_use(desk.service("endpoint_gb", one.region), "interface endpoints", "GB").done()
}

fn storage(desk: &mut Desk<'_>, one: &Declared<'_>) -> Option<Item> {
    Draft::new(one, "S3 storage").by_use(desk.service("s3_gb", one.region), "S3 storage", "GB a month").done()
}

/// What a cluster's controllers make of an object.
fn object(desk: &mut Desk<'_>, one: &Declared<'_>) -> Option<Item> {
    let manifest = one.spec.get("manifest")?;
    let class = ["/spec/ingressClassName", "/spec/loadBalancerClass"]
        .map(|field| manifest.pointer(field).and_then(Value::as_str).unwrap_or_default());
    match (text(manifest, "kind"), text(manifest, "apiVersion")) {
        ("Service", _) if manifest.pointer("/spec/type").and_then(Value::as_str) == Some("LoadBalancer") => {
            balancer(desk, one, "network load balancer", "nlb_hour")
        }
        ("Ingress", _) if class.contains(&"alb") => balancer(desk, one, "application load balancer", "alb_hour"),
        ("NodePool", api) if api.starts_with("karpenter") => {
            Draft::new(one, "nodes that Karpenter adds").by_use(None, "nodes that Karpenter adds", "hour").done()
        }
        _ => None,
    }
}

fn balancer(desk: &mut Desk<'_>, one: &Declared<'_>, what: &str, price: &str) -> Option<Item> {
    let hourly = desk.service(price, one.region).map(Range::fixed);
    let draft = Draft::new(one, what).hour(hourly, || format!("{what} in {}", one.region));
    draft.by_use(None, &format!("capacity units of {what}s"), "hour").done()
}

/// A type of Cloud Control's.
fn entity(desk: &mut Desk<'_>, one: &Declared<'_>) -> Option<Item> {
    let name = text(one.spec, "type_name");
    let empty = Value::Null;
    let properties = one.spec.get("properties").unwrap_or(&empty);
    match name {
        "AWS::EC2::NatGateway" => nat_gateway(desk, one),
        "AWS::EC2::EIP" => fixed(desk, one, "public IPv4 address", "public_ipv4_hour"),
        "AWS::EKS::Cluster" => fixed(desk, one, "EKS cluster", "eks_cluster_hour"),
        "AWS::S3::Bucket" => storage(desk, one),
        "AWS::EC2::VPCEndpoint" if text(properties, "VpcEndpointType") == "Interface" => {
            endpoint(desk, one, length(properties, "SubnetIds").max(1))
        }
        "AWS::EC2::VPCEndpoint" => None,
        "AWS::ElasticLoadBalancingV2::LoadBalancer" => match text(properties, "Type") {
            "network" => balancer(desk, one, "network load balancer", "nlb_hour"),
            _ => balancer(desk, one, "application load balancer", "alb_hour"),
        },
        "AWS::KMS::Key" => {
            let hourly = desk.service("kms_key_month", one.region).map(|month| Range::fixed(month / HOURS_PER_MONTH));
            Draft::new(one, "KMS key").hour(hourly, || format!("KMS key in {}", one.region)).done()
        }
        "AWS::EC2::Instance" => {
            let instance_type = text(properties, "InstanceType");
            let hourly = desk.instance(instance_type, one.region).map(Range::fixed);
            Draft::new(one, instance_type).hour(hourly, || format!("{instance_type} in {}", one.region)).done()
        }
        "AWS::Logs::LogGroup" => {
            Draft::new(one, "logs").by_use(desk.service("logs_gb", one.region), "CloudWatch logs", "GB").done()
        }
        _ if is_free(name) => None,
        _ if BY_USE.iter().any(|service| is_of(name, service)) => {
            Draft::new(one, name).by_use(None, name, "use").done()
        }
        _ => Draft::new(one, name).hour(None, || name.to_owned()).done(),
    }
}

fn is_of(name: &str, service: &str) -> bool {
    name.strip_prefix("AWS::").and_then(|rest| rest.strip_prefix(service)).is_some_and(|rest| rest.starts_with("::"))
}

/// Services that bill by use alone, in what they usually are.
const BY_USE: [&str; 8] = ["SQS", "SNS", "Lambda", "DynamoDB", "Events", "ECR", "StepFunctions", "Logs"];

/// What costs nothing by itself.
fn is_free(name: &str) -> bool {
    const SERVICES: [&str; 4] = ["IAM", "EKS", "SSM", "AutoScaling"];
    const TYPES: [&str; 21] = [
        "VPC",
        "Subnet",
        "SecurityGroup",
        "SecurityGroupIngress",
        "SecurityGroupEgress",
        "RouteTable",
        "Route",
        "SubnetRouteTableAssociation",
        "SubnetCidrBlock",
        "VPCCidrBlock",
        "VPCGatewayAttachment",
        "VPCDHCPOptionsAssociation",
        "DHCPOptions",
        "InternetGateway",
        "EgressOnlyInternetGateway",
        "NetworkAcl",
        "NetworkAclEntry",
        "KeyPair",
        "LaunchTemplate",
        "PlacementGroup",
        "PrefixList",
    ];
    SERVICES.iter().any(|service| is_of(name, service))
        || name.strip_prefix("AWS::EC2::").is_some_and(|name| TYPES.contains(&name))
        || matches!(
            name,
            "AWS::KMS::Alias" | "AWS::S3::BucketPolicy" | "AWS::SQS::QueuePolicy" | "AWS::SNS::TopicPolicy"
        )
}
