//! Made-up texts, by the name of what they are for.

use super::pattern;
use crate::model::TextRule;

const ACCOUNT: &str = "123456789012";
const REGION: &str = "us-east-1";
const HEX: &str = "0123456789abcdef0";

/// What an id begins with, by the end of a property's name.
const PREFIXES: &[(&str, &str)] = &[
    ("VpcId", "vpc-"),
    ("VPCId", "vpc-"),
    ("SubnetId", "subnet-"),
    ("SecurityGroupId", "sg-"),
    ("SecurityGroup", "sg-"),
    ("GroupId", "sg-"),
    ("InstanceId", "i-"),
    ("ImageId", "ami-"),
    ("VolumeId", "vol-"),
    ("SnapshotId", "snap-"),
    ("RouteTableId", "rtb-"),
    ("NetworkInterfaceId", "eni-"),
    ("InternetGatewayId", "igw-"),
    ("NatGatewayId", "nat-"),
    ("TransitGatewayId", "tgw-"),
    ("TransitGatewayAttachmentId", "tgw-attach-"),
    ("VpcEndpointId", "vpce-"),
    ("AllocationId", "eipalloc-"),
    ("NetworkAclId", "acl-"),
    ("LaunchTemplateId", "lt-"),
    ("FileSystemId", "fs-"),
    ("PrefixListId", "pl-"),
    ("DhcpOptionsId", "dopt-"),
    ("IpamPoolId", "ipam-pool-"),
    ("IpamScopeId", "ipam-scope-"),
    ("IpamId", "ipam-"),
    ("VpcPeeringConnectionId", "pcx-"),
    ("CustomerGatewayId", "cgw-"),
    ("VpnGatewayId", "vgw-"),
    ("HostedZoneId", "Z"),
];

/// An ARN by its template: `arn:${Partition}:sqs:${Region}:${Account}:${QueueName}`.
pub(super) fn arn(template: &str) -> String {
    let mut arn = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        arn.push_str(before);
        match name {
            "Partition" => arn.push_str("aws"),
            "Region" => arn.push_str(REGION),
            "Account" => arn.push_str(ACCOUNT),
            name => {
                let usual = usual(name).into_iter().find(|text| !text.contains(['/', ':']));
                arn.push_str(usual.as_deref().unwrap_or("sample"));
            }
        }
        rest = after;
    }
    arn + rest
}

/// The first text that is plausible and keeps the rule.
pub(super) fn text(rule: &TextRule, name: &str, variant: usize) -> Option<String> {
    let mut candidates = Vec::new();
    candidates.extend(rule.format.and_then(formatted));
    candidates.extend(usual(name));
    candidates.extend(rule.pattern.iter().flat_map(|pattern| arns(pattern.as_str())));
    for plain in ["sample", "Sample1", "sample-1", "example.com", "1", "1.0", "a", HEX, ACCOUNT, REGION, "/sample", "*"]
    {
        candidates.push(plain.to_owned());
    }
    candidates.extend(["sample.fifo", "sample@example.com", "https://example.com", "10.0.0.0/16"].map(str::to_owned));
    candidates.push("2030-01-01T00:00:00Z".to_owned());
    candidates.push(format!("arn:aws:service:{REGION}:{ACCOUNT}:sample/sample"));
    let fits = |text: &String| rule.broken(text).is_none();
    if variant > 0 {
        // Another one for each element of a list.
        let others: Vec<String> = candidates.iter().filter_map(|text| varied(text, variant)).collect();
        if let Some(other) = others.into_iter().find(fits) {
            return Some(other);
        }
    }
    if let Some(found) = candidates.iter().find(|text| fits(text)) {
        return Some(found.clone());
    }
    let least = rule.min_length.unwrap_or(0) as usize;
    if let Some(pattern) = &rule.pattern {
        return pattern::example(pattern.as_str(), least, fits);
    }
    // Too short or too long, then.
    let length = rule.max_length.map_or(least, |most| least.max(1).min(most as usize));
    Some("sample".chars().cycle().take(length).collect()).filter(fits)
}

/// ARNs of the service that a pattern names: `^arn:aws:kafka:.+`.
fn arns(pattern: &str) -> Vec<String> {
    let mut parts = pattern.split(':');
    let (Some(first), _, Some(service)) = (parts.next(), parts.next(), parts.next()) else { return Vec::new() };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !first.ends_with("arn") || service.is_empty() || !service.chars().all(plain) {
        return Vec::new();
    }
    let ends = ["sample/sample", "sample", "sample:sample", "sample/12345678-1234-1234-1234-123456789012"];
    ends.map(|end| format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{end}")).to_vec()
}

/// The same with another number at its end.
fn varied(text: &str, variant: usize) -> Option<String> {
    let (last, before) = text.chars().next_back().map(|last| (last, text.get(..text.len() - last.len_utf8())))?;
    let before = before?;
    let digit = char::from_digit((variant % 10) as u32, 10)?;
    if let Some((network, bits)) = text.split_once(".0.0/") {
        return Some(format!("{network}.{variant}.0/{}", bits.parse::<u32>().map_or(24, |bits| bits.max(24))));
    }
    match last {
        '0'..='9' => Some(format!("{before}{digit}")),
        'a'..='f' if text.ends_with("-1a") => Some(format!("{before}{}", char::from(b'a' + (variant % 6) as u8))),
        'a'..='z' => Some(format!("{text}{digit}")),
        _ => None,
    }
}

/// By the format that a schema names: `date-time`, `AWS::EC2::VPC.Id`.
fn formatted(format: &str) -> Option<String> {
    let text = match format {
        "date-time" | "timestamp" => "2030-01-01T00:00:00Z".to_owned(),
        "ipv4-network" => "10.0.0.0/16".to_owned(),
        "ipv6-network" => "2001:db8::/56".to_owned(),
        "json" => "{}".to_owned(),
        "uri" => "https://example.com".to_owned(),
        _ => {
            let (type_name, part) = format.split_once('.')?;
            let (service, name) = type_name.strip_prefix("AWS::")?.split_once("::")?;
            return match part {
                "Arn" => usual(&format!("{service}{name}Arn")).into_iter().next(),
                "Id" | "Ids" => usual(&format!("{name}Id")).into_iter().next(),
                _ => None,
            };
        }
    };
    Some(text)
}

/// What properties of that name usually hold, the most probable first.
fn usual(name: &str) -> Vec<String> {
    let ends = |end: &str| name.to_lowercase().ends_with(end);
    let mut all = Vec::new();
    if let Some((_, prefix)) = PREFIXES.iter().find(|(end, _)| name.ends_with(end)) {
        all.push(if *prefix == "Z" { "Z0123456789ABCDEFGHIJ".to_owned() } else { format!("{prefix}{HEX}") });
    }
    if ends("arn") {
        all.extend([
            format!("arn:aws:iam::{ACCOUNT}:role/sample"),
            format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:sample"),
            format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"),
            format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:sample-a1b2c3"),
            format!("arn:aws:sns:{REGION}:{ACCOUNT}:sample"),
            "arn:aws:s3:::sample".to_owned(),
        ]);
        // The service is told by the name, where it is a part of it.
        let role = name.contains("Role");
        let first = all.iter().position(|arn| name.to_lowercase().contains(arn.split(':').nth(2).unwrap_or("-")));
        if let (Some(place), false) = (first, role) {
            let arn = all.remove(place);
            all.insert(0, arn);
        }
    }
    if ends("cidr") || ends("cidrblock") || ends("cidrip") || ends("cidrs") {
        all.push("10.0.0.0/16".to_owned());
    }
    let by_end: &[(&str, &str)] = &[
        ("keyid", "12345678-1234-1234-1234-123456789012"),
        ("accountid", ACCOUNT),
        ("account", ACCOUNT),
        ("ownerid", ACCOUNT),
        ("awsaccountid", ACCOUNT),
        ("region", REGION),
        ("availabilityzone", "us-east-1a"),
        ("availabilityzoneid", "use1-az1"),
        ("email", "sample@example.com"),
        ("emailaddress", "sample@example.com"),
        ("domainname", "example.com"),
        ("domain", "example.com"),
        ("hostname", "example.com"),
        ("endpoint", "sample.example.com"),
        ("address", "10.0.0.1"),
        ("ip", "10.0.0.1"),
        ("queueurl", "https://sqs.us-east-1.amazonaws.com/123456789012/sample"),
        ("url", "https://example.com/sample"),
        ("uri", "https://example.com/sample"),
        ("port", "443"),
        ("date", "2030-01-01"),
        ("time", "2030-01-01T00:00:00Z"),
        ("at", "2030-01-01T00:00:00Z"),
        ("timestamp", "2030-01-01T00:00:00Z"),
        ("version", "1.0"),
        ("scheduleexpression", "rate(1 day)"),
        ("path", "/sample/"),
        ("keytype", "HASH"),
        ("status", "ACTIVE"),
    ];
    let found = by_end.iter().filter(|(end, _)| ends(end)).max_by_key(|(end, _)| end.len());
    all.extend(found.map(|(_, value)| (*value).to_owned()));
    if ends("id") {
        all.push(format!("sample-{HEX}"));
        all.push("12345678-1234-1234-1234-123456789012".to_owned());
    }
    all
}
