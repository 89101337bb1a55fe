//! Plans for the tests of what shows them.

use serde_json::{Value, json};

use super::{Action, FieldChange, Plan, PlannedResource, PlannedStep};
use crate::kind::ReplaceOrder;
use crate::names::ResourceAddress;
use crate::placement::Placement;

const REPLACE: Action = Action::Replace { order: ReplaceOrder::DeleteFirst };

pub(crate) fn address(text: &str) -> ResourceAddress {
    text.parse().expect("an address")
}

pub(crate) fn step(name: &str, uses: &str, depends_on: &[&str]) -> PlannedStep {
    PlannedStep {
        name: name.parse().expect("a step name"),
        uses: uses.to_owned(),
        placement: Placement::default(),
        depends_on: depends_on.iter().map(|name| name.parse().expect("a step name")).collect(),
        outputs: json!({}),
        sensitive: Default::default(),
        files: Default::default(),
    }
}

pub(crate) fn add(plan: &mut Plan, at: &str, action: Action, depends_on: &[&str], spec: Value) {
    let depends_on = depends_on.iter().map(|other| address(other)).collect();
    plan.resources.insert(address(at), PlannedResource { depends_on, ..PlannedResource::new(action, spec) });
}

fn change(plan: &mut Plan, at: &str, path: &str, old: Value, new: Value, replaces: bool) {
    let side = |value: Value| (!value.is_null()).then_some(value);
    let change = FieldChange {
        path: path.to_owned(),
        old: side(old),
        new: side(new),
        replaces,
        may_replace: false,
        successor: None,
    };
    plan.resources.get_mut(&address(at)).expect("added before").changes.push(change);
}

/// Each action once, an edge between steps with and without resources, a step that is gone.
pub(crate) fn plan() -> Plan {
    let mut plan = Plan { pipeline: "llm".to_owned(), ..Plan::default() };
    plan.steps = vec![
        step("network", "vpc", &[]),
        step("storage", "s3", &["network"]),
        step("report", "./plugins/report.wasm", &["storage"]),
    ];
    let vpc_id = "<<network/ec2.vpc/main#id>>";
    add(
        &mut plan,
        "network/ec2.vpc/main",
        Action::Create,
        &[],
        json!({"cidr_block": "10.0.0.0/16", "tags": {"Name": "llm-vpc", "team": "ml", "llmhost:pipeline": "llm", "llmhost:address": "network/ec2.vpc/main"},
            "enable_dns_support": true, "ipv6": null}),
    );
    let subnet = |cidr: &str| json!({"vpc_id": vpc_id, "cidr_block": cidr, "tags": {}});
    add(&mut plan, "network/ec2.subnet/public-a", Action::Update, &["network/ec2.vpc/main"], subnet("10.0.1.0/24"));
    add(&mut plan, "network/ec2.subnet/public-b", REPLACE, &["network/ec2.vpc/main"], subnet("10.0.9.0/24"));
    add(
        &mut plan,
        "network/ec2.route/out",
        Action::Finish,
        &["network/ec2.subnet/public-a", "network/ec2.subnet/public-b", "network/ec2.vpc/main"],
        json!({"arn": format!("arn:aws:{vpc_id}/out"), "zone": "<<fact:ec2.availability-zone/0>>"}),
    );
    add(&mut plan, "storage/s3.bucket/models", Action::Keep, &[], json!({"name": "models"}));
    add(
        &mut plan,
        "storage/s3.policy/models",
        Action::Create,
        &["storage/s3.bucket/models", "network/ec2.vpc/main"],
        json!({"vpc": vpc_id}),
    );
    add(&mut plan, "old-step/ec2.eip/nat", Action::Delete, &[], json!({"domain": "vpc"}));
    change(&mut plan, "network/ec2.subnet/public-a", "tags.team", json!("a"), json!("b"), false);
    change(&mut plan, "network/ec2.subnet/public-a", "tags.new", Value::Null, json!("x"), false);
    change(&mut plan, "network/ec2.subnet/public-a", "tags.old", json!("y"), Value::Null, false);
    let interrupted = plan.resources.get_mut(&address("network/ec2.subnet/public-b")).expect("added before");
    interrupted.interrupts = Some("instances in it are terminated; start them again in the new one".to_owned());
    change(&mut plan, "network/ec2.subnet/public-b", "cidr_block", json!("10.0.1.0/24"), json!("10.0.9.0/24"), true);
    plan
}

/// Texts that try to break out of whatever shows them.
pub(crate) fn hostile() -> Plan {
    let evil = "\u{1b}]0;owned\u{7}\"'`</script></text><script>alert(1)</script>&amp;\\\n]; x[\"#quot;\u{202e}%%{}";
    let mut plan = Plan { pipeline: evil.to_owned(), ..Plan::default() };
    plan.steps = vec![step("one", evil, &[])];
    let at = ResourceAddress::new(&plan.steps[0].name, evil, "main").expect("a good name");
    let mut tags = serde_json::Map::new();
    tags.insert(evil.to_owned(), json!(evil));
    let changes = vec![FieldChange {
        path: format!("tags.{evil}"),
        old: Some(json!(evil)),
        new: None,
        replaces: false,
        may_replace: false,
        successor: None,
    }];
    let spec = json!({"tags": tags});
    let resource = PlannedResource { changes, ..PlannedResource::new(Action::Update, spec.clone()) };
    plan.resources.insert(at, resource);
    add(&mut plan, "one/ec2.vpc/other", Action::Create, &[], spec);
    plan
}

/// The text with its ANSI sequences taken out.
pub(crate) fn without_colours(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |out, piece| out + piece.split_once('m').map_or(piece, |(_, rest)| rest))
}
