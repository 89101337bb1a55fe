//! What matters of a resource, in a few words: a CIDR, an instance type, a version, a size.

use serde_json::Value;

use super::super::show::is_empty;
use super::super::words::plain;
use crate::secret::shown;
use crate::unknown::{self, Piece, Source};

/// What is said of each kind, in templates. `{path}` stands for a field's value, `{path#}` for how many it has, and
/// `word?path` is said where the field is true. What has no value is not said.
const FACTS: &[(&str, &[&str])] = &[
    ("ec2.vpc", &["{cidr_block}"]),
    ("ec2.vpc-cidr-block", &["{range}"]),
    ("ec2.subnet", &["{cidr_block}", "public?map_public_ip_on_launch", "zone {availability_zone}"]),
    ("ec2.security-group", &["{description}"]),
    ("ec2.security-group-rule", &["{direction} {ip_protocol} {from_port}-{to_port}", "{peer}"]),
    ("ec2.internet-gateway", &[]),
    ("ec2.route-table", &[]),
    ("ec2.elastic-ip", &[]),
    ("ec2.nat-gateway", &["in {subnet_id}"]),
    ("ec2.route", &["{destination_cidr_block} to {target}"]),
    ("ec2.route-table-association", &["{subnet_id} uses {route_table_id}"]),
    ("ec2.gateway-endpoint", &["{service}"]),
    ("ec2.interface-endpoint", &["{service}", "{subnet_ids#} subnets"]),
    ("ec2.launch-template", &["{instance_type}", "{root_volume.size_gib} GiB"]),
    ("ec2.placement-group", &["{strategy}"]),
    ("eks.cluster", &["version {version}", "public API?public_access", "{public_access_cidrs}"]),
    ("eks.node-group", &["{min_size}-{max_size} x {instance_types}", "spot?spot", "version {version}"]),
    ("eks.addon", &["version {version}"]),
    ("eks.access-entry", &["{principal_arn}", "{policies#} policies"]),
    ("eks.pod-identity-association", &["{namespace}/{service_account}", "role {role_arn}"]),
    ("eks.fargate-profile", &["{profile_name}", "{subnet_ids#} subnets"]),
    ("iam.role", &["{role_name}", "{managed_policy_arns#} policies", "{inline_policies#} inline policies"]),
    ("iam.policy", &["{policy_name}"]),
    ("iam.instance-profile", &["{profile_name}"]),
    ("iam.oidc-provider", &["issuer of {url}"]),
    ("s3.bucket", &["{bucket}", "versioned?versioning", "deleted with its objects?force_destroy"]),
    ("s3.folder", &["s3://{bucket}/{prefix}", "{files#} files"]),
    (
        "kube.object",
        &[
            "{manifest.kind} {manifest.metadata.name}",
            "in {manifest.metadata.namespace}",
            "{manifest.spec.replicas} replicas",
            "{manifest.spec.template.spec.containers.0.image}",
        ],
    ),
    ("cloud-control.entity", &["{type_name}"]),
    ("inference.model", &["{address}"]),
];
/// Of kinds that are not listed, so many fields are said.
const FIRST: usize = 3;

/// What matters of a resource, as facts to be joined by commas.
pub(super) fn facts(kind: &str, spec: &Value) -> Vec<String> {
    match FACTS.iter().find(|(name, _)| *name == kind) {
        Some((_, templates)) => templates.iter().filter_map(|template| filled(template, spec)).collect(),
        None => first(spec),
    }
}

/// How many tags a resource has, as far as the file and its steps give them.
pub(super) fn tags(spec: &Value) -> usize {
    spec.get("tags").and_then(Value::as_object).map_or(0, serde_json::Map::len)
}

/// The first plain fields of a kind that nothing is known of.
fn first(spec: &Value) -> Vec<String> {
    let fields = spec.as_object().into_iter().flatten();
    let plain_ones = fields.filter(|(_, field)| match field {
        Value::String(text) => !text.is_empty(),
        Value::Number(_) => true,
        _ => false,
    });
    plain_ones.take(FIRST).map(|(key, field)| format!("{}: {}", plain(key), text(field))).collect()
}

/// A template with its values; nothing where one is missing.
fn filled(template: &str, spec: &Value) -> Option<String> {
    if let Some((word, path)) = template.split_once('?') {
        return (at(spec, path)? == &Value::Bool(true)).then(|| word.to_owned());
    }
    let mut out = String::new();
    let mut rest = template;
    let mut latest: Option<String> = None;
    while let Some((before, after)) = rest.split_once('{') {
        let (path, behind) = after.split_once('}')?;
        let value = match path.strip_suffix('#') {
            Some(path) => Some(at(spec, path)?).filter(|list| !is_empty(list)).map(|list| length(list).to_string()),
            None => Some(at(spec, path)?).filter(|value| !is_empty(value)).map(text),
        }?;
        match latest.as_ref() == Some(&value) && before == "-" {
            // A range of one.
            true => {}
            false => out.push_str(&format!("{before}{value}")),
        }
        latest = Some(value);
        rest = behind;
    }
    // Of one, the template's own words are said in the singular; the words of a value stay.
    let tail = match (rest.strip_suffix("ies"), rest.strip_suffix('s')) {
        (Some(word), _) if out == "1" => format!("{word}y"),
        (None, Some(word)) if out == "1" => word.to_owned(),
        _ => rest.to_owned(),
    };
    Some(out + &tail)
}

fn length(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 1,
    }
}

/// The value at a dotted path; items of lists by their number.
fn at<'a>(spec: &'a Value, path: &str) -> Option<&'a Value> {
    spec.pointer(&format!("/{}", path.replace('.', "/")))
}

/// A value in a few words. What another resource will give is told by that resource's name.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => words(text),
        Value::Array(items) => match items.as_slice() {
            [] => String::new(),
            [one] => self::text(one),
            [one, rest @ ..] => format!("{} and {} more", self::text(one), rest.len()),
        },
        // One of several ways to say it, such as `{cidr: "10.0.0.0/16"}`.
        Value::Object(fields) => match fields.iter().next() {
            Some((_, only)) if fields.len() == 1 => self::text(only),
            _ => format!("{} fields", fields.len()),
        },
        other => other.to_string(),
    }
}

fn words(text: &str) -> String {
    // Masked before it is cut anywhere.
    let text = shown(text);
    match unknown::whole(&text) {
        Some(Source::Output(address, _)) => return address.name().to_owned(),
        Some(Source::Fact(_)) => return "known after apply".to_owned(),
        Some(Source::Secret { name, .. }) => return format!("secret {name}"),
        None => {}
    }
    let mut out = String::new();
    for piece in unknown::pieces(&text) {
        match piece {
            Piece::Text(text) => out.push_str(&plain(text)),
            Piece::Token(Source::Output(address, _)) => out.push_str(&format!("{{{}}}", address.name())),
            Piece::Token(_) => out.push_str("{known after apply}"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_matters_of_a_resource_is_said_by_its_kind() {
        let id = "<<network/ec2.subnet/public-a#id>>";
        for (kind, spec, said) in [
            ("ec2.vpc", json!({"cidr_block": "10.0.0.0/16", "dns_support": true}), &["10.0.0.0/16"][..]),
            (
                "ec2.subnet",
                json!({"cidr_block": "10.0.1.0/24", "map_public_ip_on_launch": true, "availability_zone": "<<fact:z/0>>"}),
                &["10.0.1.0/24", "public", "zone known after apply"],
            ),
            ("ec2.nat-gateway", json!({"subnet_id": id}), &["in public-a"]),
            (
                "ec2.security-group-rule",
                json!({"direction": "ingress", "ip_protocol": "tcp", "from_port": 22, "to_port": 22, "peer": {"cidr": "10.0.0.0/8"}}),
                &["ingress tcp 22", "10.0.0.0/8"],
            ),
            (
                "eks.node-group",
                json!({"min_size": 1, "max_size": 4, "instance_types": ["g5.xlarge", "g6.xlarge"], "spot": true, "version": null}),
                &["1-4 x g5.xlarge and 1 more", "spot"],
            ),
            ("iam.role", json!({"role_name": "r", "managed_policy_arns": ["a"]}), &["r", "1 policy"]),
            ("s3.folder", json!({"bucket": "b", "prefix": "p", "files": ["a"]}), &["s3://b/p", "1 file"]),
            ("ec2.security-group", json!({"description": "1 of the replies"}), &["1 of the replies"]),
            (
                "kube.object",
                json!({"manifest": {"kind": "Deployment", "metadata": {"name": "web"},
                    "spec": {"replicas": 1, "template": {"spec": {"containers": [{"image": "web:1"}]}}}}}),
                &["Deployment web", "1 replica", "web:1"],
            ),
            ("db.role", json!({"name": "app", "tags": {}, "limit": 3, "empty": ""}), &["name: app", "limit: 3"]),
            ("s3.bucket", json!({"bucket": format!("logs-{id}")}), &["logs-{public-a}"]),
        ] {
            assert_eq!(facts(kind, &spec), said, "{kind}");
        }
    }

    #[test]
    fn values_cannot_act_on_the_terminal() {
        assert_eq!(facts("ec2.vpc", &json!({"cidr_block": "\u{1b}[2Jgone"})), ["\\u{1b}[2Jgone"]);
    }
}
