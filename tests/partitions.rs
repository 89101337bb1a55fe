//! The whole stack in every partition: its ARNs, principals and audiences, without a call.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::collections::BTreeSet;

use support::Scene;

const FILE: &str = "llm-on-eks.toml";

fn scene(region: &str) -> Scene {
    let scene = Scene::with_examples();
    scene.edit(FILE, "region = \"us-east-1\"", &format!("region = \"{region}\""));
    scene
}

/// The partitions of all ARNs in a text.
fn partitions(text: &str) -> BTreeSet<&str> {
    text.split("arn:").skip(1).filter_map(|rest| rest.split(':').next()).collect()
}

#[test]
fn everything_that_a_stack_names_is_of_its_own_partition() {
    for (region, partition, ec2, audiences) in [
        ("us-east-1", "aws", "ec2.amazonaws.com", &["sts.amazonaws.com"][..]),
        ("cn-north-1", "aws-cn", "ec2.amazonaws.com.cn", &["sts.amazonaws.com", "sts.amazonaws.com.cn"]),
        ("us-gov-west-1", "aws-us-gov", "ec2.amazonaws.com", &["sts.amazonaws.com"]),
        ("us-iso-east-1", "aws-iso", "ec2.c2s.ic.gov", &["sts.amazonaws.com"]),
        ("us-isob-east-1", "aws-iso-b", "ec2.sc2s.sgov.gov", &["sts.amazonaws.com"]),
        ("eusc-de-east-1", "aws-eusc", "ec2.amazonaws.com", &["sts.amazonaws.com"]),
    ] {
        let scene = scene(region);
        let plan = scene.llmhost(&["run", FILE, "--dry-run", "--json"]).status(0).stdout;
        assert_eq!(partitions(&plan), BTreeSet::from([partition]), "{region}");
        let plan: serde_json::Value = plan
            .lines()
            .find_map(|line| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                line.get("resources").is_some().then_some(line)
            })
            .unwrap();
        let spec = |address: &str| &plan["resources"][address]["spec"];
        let trusts = |role: &str| spec(role)["assume_role_policy"].to_string();
        // Its end too: ec2.amazonaws.com is how ec2.amazonaws.com.cn begins.
        let node = trusts("roles/iam.role/node").replace('\\', "");
        assert!(node.contains(&format!("\"{ec2}\"")), "{node}");
        assert!(trusts("roles/iam.role/cluster").contains("eks.amazonaws.com"), "{region}");
        assert_eq!(spec("cluster/iam.oidc-provider/main")["client_ids"], serde_json::json!(audiences), "{region}");
        let pods = trusts("identity/iam.role/pods");
        assert!(audiences.iter().all(|audience| pods.contains(audience)), "{pods}");
        let policy = scene.llmhost(&["policy", FILE, "--account", "123456789012"]).status(0).stdout;
        assert_eq!(partitions(&policy), BTreeSet::from([partition]), "{region}");
        assert!(policy.contains(&format!("arn:{partition}:s3:::llmhost-models-change-me")), "{policy}");
    }
}

#[test]
fn a_region_that_does_not_exist_is_refused_with_one_that_reads_like_it() {
    for (region, near) in [
        ("eu-wset-1", "did you mean 'eu-west-1'?"),
        ("us-east-9", "did you mean 'us-east-"),
        ("cn-nroth-1", "did you mean 'cn-north-1'?"),
    ] {
        let scene = scene(region);
        for command in [
            &["run", FILE, "--dry-run"][..],
            &["run", FILE],
            &["validate", FILE],
            &["destroy", FILE],
            &["rehearse", FILE],
        ] {
            scene.llmhost(command).status(2).says(&[&format!("there is no region '{region}'"), near, FILE]);
        }
    }
    // One that AWS has opened since.
    let scene = scene("eu-north-9");
    scene.llmhost(&["validate", FILE]).status(2).says(&["there is no region 'eu-north-9'", "--new-region"]);
    scene.llmhost(&["validate", FILE, "--new-region"]).status(0);
}

#[test]
fn a_region_that_the_emulator_does_not_have_is_said_and_one_in_china_is_rehearsed() {
    let stack = |region: &str| {
        let scene = Scene::new();
        scene.pipeline(
            "[steps.net]\nuses = \"vpc\"\nwith = { name = \"c\", cluster = \"c\", security_groups = {} }\n\
             [steps.roles]\nuses = \"iam\"\nwith = { cluster_role = \"c\", node_role = \"n\" }\n\
             [steps.cluster]\nuses = \"eks\"\nwith = { name = \"c\", role_arn = \"${roles.cluster_role_arn}\", subnet_ids = \
             \"${net.subnet_ids}\", endpoint = \"private\" }\n\
             [steps.nodes]\nuses = \"nodegroup\"\nwith = { name = \"g\", cluster = \"${cluster.name}\", role_arn = \
             \"${roles.node_role_arn}\", subnet_ids = \"${net.private_subnet_ids}\", instance_types = [\"t3.medium\"] }\n",
        );
        scene.edit("pipeline.toml", "us-east-1", region);
        scene
    };
    stack("cn-north-1").llmhost(&["rehearse", "pipeline.toml"]).status(0).says(&["Rehearsed", "nothing left"]);
    let unknown = stack("eusc-de-east-1").llmhost(&["rehearse", "pipeline.toml"]).status(1);
    unknown.says(&[
        "no availability zone of eusc-de-east-1 is known here",
        "cannot be rehearsed",
        "llmhost run --dry-run",
    ]);
    assert!(!unknown.stderr.contains("at most 0"), "{}", unknown.stderr);
}

#[test]
fn a_cluster_in_a_region_without_eks_is_refused_before_anything_else() {
    let scene = scene("sa-west-1");
    let refused = scene.llmhost(&["run", FILE, "--dry-run"]).status(1);
    refused.says(&["EKS is not offered in sa-west-1; choose one of", "sa-east-1"]);
}
