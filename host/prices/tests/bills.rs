//! Bills of what pipelines declare.
#![allow(missing_docs)]

use llmhost_prices::{Bill, Date, Declared, Table, estimate, instance_types};
use serde_json::{Value, json};

fn bill_on(today: &str, region: &str, resources: &[(&str, &str, Value, &[&str])]) -> Bill {
    let declared: Vec<Declared<'_>> = resources
        .iter()
        .map(|(address, kind, spec, uses)| Declared {
            address: (*address).to_owned(),
            kind,
            region,
            spec,
            uses: uses.iter().map(|one| (*one).to_owned()).collect(),
        })
        .collect();
    estimate(&Table::built_in(), &declared, today.parse().expect("a date"))
}

fn bill(region: &str, resources: &[(&str, &str, Value, &[&str])]) -> Bill {
    bill_on("2025-07-01", region, resources)
}

fn nodes(types: &[&str], least: u32, most: u32) -> Value {
    json!({"instance_types": types, "desired_size": least, "max_size": most, "min_size": least, "spot": false})
}

#[track_caller]
fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
}

#[test]
fn a_cluster_with_gpus_costs_what_its_parts_cost() {
    let template = json!({"root_volume": {"size_gib": 100, "iops": null, "throughput_mibps": null}});
    let found = bill(
        "us-east-1",
        &[
            ("network/ec2.vpc/main", "ec2.vpc", json!({"cidr_block": "10.0.0.0/16"}), &[]),
            ("network/ec2.nat-gateway/a", "ec2.nat-gateway", json!({}), &[]),
            ("network/ec2.elastic-ip/a", "ec2.elastic-ip", json!({}), &[]),
            ("cluster/eks.cluster/main", "eks.cluster", json!({"version": "<<fact:eks.newest-version>>"}), &[]),
            ("gpu/ec2.launch-template/main", "ec2.launch-template", template, &[]),
            (
                "gpu/eks.node-group/main",
                "eks.node-group",
                nodes(&["g4dn.xlarge"], 1, 2),
                &["gpu/ec2.launch-template/main"],
            ),
            ("models/s3.bucket/main", "s3.bucket", json!({"bucket": "b"}), &[]),
        ],
    );
    let disk = 100.0 * 0.08 / 730.0;
    near(found.hourly.least, 0.045 + 0.005 + 0.10 + 0.526 + disk);
    near(found.hourly.most, 0.045 + 0.005 + 0.10 + 2.0 * (0.526 + disk));
    near(found.monthly.least, found.hourly.least * 730.0);
    assert_eq!(found.items[0].resource, "gpu/eks.node-group/main");
    assert_eq!(found.items[0].what, "1 x g4dn.xlarge, 100 GiB (up to 2)");
    assert_eq!(found.items.len(), 5, "{found:?}");
    assert_eq!(found.by_use(), ["NAT gateway $0.045 a GB", "S3 storage $0.023 a GB a month"]);
    assert_eq!((found.unknown(), found.has_spot()), (vec![], false));
}

#[test]
fn what_has_no_price_is_unknown_and_the_rest_is_counted() {
    let found =
        bill("eu-north-1", &[("gpu/eks.node-group/main", "eks.node-group", nodes(&["p5e.48xlarge"], 2, 2), &[])]);
    assert_eq!(found.unknown(), ["p5e.48xlarge in eu-north-1"]);
    near(found.hourly.least, 2.0 * 20.0 * 0.0836 / 730.0);
    let found = bill("mars-1", &[("a/eks.cluster/b", "eks.cluster", json!({"version": "1.33"}), &[])]);
    assert_eq!((found.unknown(), found.hourly.least), (vec!["EKS cluster in mars-1"], 0.0));
    let database = json!({"type_name": "AWS::RDS::DBInstance", "properties": {}});
    let found = bill("us-east-1", &[("a/cloud-control.entity/b", "cloud-control.entity", database, &[])]);
    assert_eq!(found.unknown(), ["AWS::RDS::DBInstance"]);
}

#[test]
fn of_several_types_the_dearest_counts_and_spot_says_so() {
    let mut spec = nodes(&["g5.xlarge", "g4dn.xlarge"], 1, 1);
    spec["spot"] = json!(true);
    let found = bill("us-west-2", &[("a/eks.node-group/b", "eks.node-group", spec, &[])]);
    near(found.hourly.least, 1.006 + 20.0 * 0.08 / 730.0);
    assert!(found.has_spot());
}

#[test]
fn extended_support_endpoints_and_what_a_cluster_makes_are_billed() {
    let cluster = json!({"version": "1.30", "logging": ["api"]});
    let endpoint = json!({"subnet_ids": ["a", "b", "c"]});
    let service = json!({"manifest": {"apiVersion": "v1", "kind": "Service", "spec": {"type": "LoadBalancer"}}});
    let pool = json!({"manifest": {"apiVersion": "karpenter.sh/v1", "kind": "NodePool"}});
    let key = json!({"type_name": "AWS::KMS::Key", "properties": {}});
    let role = json!({"type_name": "AWS::IAM::Role", "properties": {}});
    let found = bill_on(
        "2025-12-01",
        "eu-west-1",
        &[
            ("a/eks.cluster/b", "eks.cluster", cluster, &[]),
            ("a/ec2.interface-endpoint/b", "ec2.interface-endpoint", endpoint, &[]),
            ("a/kube.object/b", "kube.object", service, &[]),
            ("a/kube.object/c", "kube.object", pool, &[]),
            ("a/cloud-control.entity/d", "cloud-control.entity", key, &[]),
            ("a/cloud-control.entity/e", "cloud-control.entity", role, &[]),
        ],
    );
    near(found.hourly.least, 0.60 + 3.0 * 0.011 + 0.0252 + 1.0 / 730.0);
    assert!(found.by_use().contains(&"nodes that Karpenter adds") && found.unknown().is_empty(), "{found:?}");
}

#[test]
fn a_table_that_is_older_than_half_a_year_is_said_to_be_old() {
    let nat = [("a/ec2.nat-gateway/b", "ec2.nat-gateway", json!({}), &[][..])];
    let [fresh, old] = ["2025-11-28", "2025-11-29"].map(|today| bill_on(today, "us-east-1", &nat));
    assert_eq!((fresh.is_old, old.is_old), (false, true));
    assert_eq!(old.as_of, "2025-06-01".parse::<Date>().ok());
    assert_eq!(serde_json::to_value(&old).expect("JSON")["as_of"], "2025-06-01");
}

#[test]
fn specs_of_any_shape_are_survived() {
    for spec in [json!(null), json!([]), json!({"instance_types": "x", "desired_size": "y"}), json!({"manifest": 1})] {
        for kind in ["eks.node-group", "eks.cluster", "kube.object", "cloud-control.entity", "s3.bucket", "other.kind"]
        {
            let found = bill("us-east-1", &[("a/b/c", kind, spec.clone(), &["a/b/c"])]);
            assert!(found.hourly.least >= 0.0);
        }
    }
}

#[test]
fn the_types_to_ask_for_are_each_named_once() {
    let spec = nodes(&["g5.xlarge", "<<fact:type>>"], 1, 1);
    let one = |region: &'static str| Declared {
        address: String::new(),
        kind: "eks.node-group",
        region,
        spec: &spec,
        uses: vec![],
    };
    let found = instance_types(&[one("b"), one("a"), one("b")]);
    assert_eq!(found, [("g5.xlarge".to_owned(), "a".to_owned()), ("g5.xlarge".to_owned(), "b".to_owned())]);
}
