//! Add-ons with roles, nodes of every sort, Fargate and Auto Mode: said, applied, read back by an independent client, and
//! taken away again.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use serde_json::{Value, json};
use support::{ACCESS_KEY, Ran, SECRET_KEY, Scene, emulator, look, look_after, repository, without};

const FILE: &str = "pipeline.toml";

/// A network, roles and a cluster called `ad`, with these options of the cluster.
fn cluster(options: &str) -> String {
    format!(
        r#"[steps.net]
uses = "vpc"
with = {{ name = "ad", cluster = "ad", security_groups = {{}} }}
[steps.roles]
uses = "iam"
[steps.roles.with]
cluster_role = "ad-cluster"
node_role = "ad-node"
[steps.roles.with.roles.pods]
name = "ad-pods"
services = ["pods.eks.amazonaws.com"]
policies = ["arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"]
[steps.cluster]
uses = "eks"
[steps.cluster.with]
name = "ad"
role_arn = "${{roles.cluster_role_arn}}"
subnet_ids = "${{net.subnet_ids}}"
endpoint = "private"
{options}
"#
    )
}

/// A node group called `ng`, with these options.
fn nodes(options: &str) -> String {
    format!(
        r#"[steps.nodes]
uses = "nodegroup"
[steps.nodes.with]
name = "ng"
cluster = "${{cluster.name}}"
role_arn = "${{roles.node_role_arn}}"
subnet_ids = ["${{net.private_subnet_ids[0]}}"]
{options}
"#
    )
}

/// The EBS driver with a role by IRSA that only its cluster's issuer tells.
const EBS: &str = r#"[steps.ebs-role]
uses = "irsa"
[steps.ebs-role.with]
cluster = "${cluster.name}"
namespace = "kube-system"
service_account = "ebs-csi-controller-sa"
oidc_provider_arn = "${cluster.oidc_provider_arn}"
oidc_issuer = "${cluster.oidc_issuer}"
role_only = true
policies = ["arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"]
[steps.ebs]
uses = "addon"
[steps.ebs.with]
cluster = "${cluster.name}"
name = "aws-ebs-csi-driver"
role_arn = "${ebs-role.role_arn}"
"#;

/// The add-ons of the cluster, as the case of the issue has them.
const ADDONS: &str = r#"[steps.cluster.with.addons.vpc-cni.configuration.env]
ENABLE_PREFIX_DELEGATION = "true"
WARM_PREFIX_TARGET = "1"
[steps.cluster.with.addons.coredns.configuration]
replicaCount = 3
[steps.cluster.with.addons.kube-proxy]
[steps.cluster.with.addons.eks-pod-identity-agent]
"#;

fn decoded(template: &Value) -> String {
    use std::process::{Command, Stdio};
    // The independent client's language has base64; this one would need a crate.
    let mut python = Command::new(llmhost_emulator::python().unwrap());
    python.args(["-c", "import base64, sys; sys.stdout.buffer.write(base64.b64decode(sys.argv[1]))"]);
    let output = python.arg(template["UserData"].as_str().unwrap()).stderr(Stdio::inherit()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_add_on_whose_role_needs_its_cluster_is_rehearsed_as_a_step_of_its_own() {
    let scene = Scene::new();
    scene.pipeline(&format!("{}{EBS}{}", cluster(ADDONS), nodes("instance_types = [\"m6i.large\"]")));
    scene.llmhost(&["rehearse", FILE]).status(0).says(&["apply again: 0 changes", "Rehearsed", "left behind: nothing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn add_ons_have_roles_by_irsa_and_by_pod_identity() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    let before = look(url);
    // It stood in the cluster's step first, without a role; as a step of its own it is the same one.
    scene.pipeline(&cluster(&format!("{ADDONS}[steps.cluster.with.addons.aws-ebs-csi-driver]")));
    scene.at(url, &["run", FILE]).status(0);
    let arn = |world: &Value| world["clusters"]["ad"]["addons"]["aws-ebs-csi-driver"]["addonArn"].clone();
    let first = arn(&look(url));
    scene.pipeline(&format!("{}{EBS}", cluster(ADDONS)));
    scene.at(url, &["run", FILE]).status(0);
    let world = look(url);
    assert_eq!(arn(&world), first, "the add-on was not made anew");
    let driver = &world["clusters"]["ad"]["addons"]["aws-ebs-csi-driver"];
    let role = &world["identity"]["roles"]["ad-kube-system-ebs-csi-controller-sa"];
    assert_eq!(driver["serviceAccountRoleArn"], role["arn"]);
    assert_eq!(role["attached"], json!(["arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"]));
    assert!(world["objects"]["ad"]["service_accounts"]["kube-system/ebs-csi-controller-sa"].is_null(), "role_only");
    scene.at(url, &["run", FILE]).status(0).says(&["0 changes"]);
    scene.at(url, &["drift", FILE, "--exit-code"]).status(0);

    // By Pod Identity, with a role that needs nothing of the cluster.
    let (_, steps) = EBS.split_once("[steps.ebs]").unwrap();
    let by_pods = steps.replace(
        "role_arn = \"${ebs-role.role_arn}\"",
        "resolve_conflicts = \"preserve\"\npod_identity = { service_account = \"ebs-csi-controller-sa\", role_arn = \"${roles.role_arns.pods}\" }",
    );
    scene.pipeline(&format!("{}[steps.ebs]{by_pods}", cluster(ADDONS)));
    scene.at(url, &["run", FILE, "--yes"]).status(0).says(&["restarts the driver's pods"]);
    let world = look(url);
    let driver = &world["clusters"]["ad"]["addons"]["aws-ebs-csi-driver"];
    assert!(driver["serviceAccountRoleArn"].is_null(), "{driver}");
    let association = &world["clusters"]["ad"]["associations"][0];
    assert_eq!(driver["podIdentityAssociations"], json!([association["associationArn"]]));
    assert_eq!(association["serviceAccount"], "ebs-csi-controller-sa");
    scene.at(url, &["run", FILE]).status(0).says(&["0 changes"]);
    scene.edit(FILE, "ebs-csi-controller-sa", "ebs-controller");
    scene
        .at(url, &["run", FILE])
        .status(1)
        .says(&["aws-ebs-csi-driver has no service account 'ebs-controller'", "It has ebs-csi-controller-sa"]);
    scene.edit(FILE, "ebs-controller", "ebs-csi-controller-sa");
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(url), before);
}

#[test]
fn what_add_ons_do_not_take_is_said_with_the_place() {
    let step = |with: &str| format!("[steps.x]\nuses = \"addon\"\nwith = {{ cluster = \"c\", {with} }}\n");
    let role = "arn:aws:iam::123456789012:role/r";
    for (steps, words) in [
        (step("name = \"coredns\", versoin = \"v1\""), &["unknown option 'versoin' in step x"][..]),
        (
            step(&format!(
                "name = \"e\", role_arn = \"{role}\", pod_identity = {{ service_account = \"s\", role_arn = \"{role}\" }}"
            )),
            &["role_arn is for IRSA, and pod_identity for Pod Identity; set one of them"],
        ),
        (
            step("name = \"e\", pod_identity = { service_account = \"s\", role_arn = \"r\" }"),
            &["'r' is not the ARN of a role"],
        ),
        (step("name = \"e\", resolve_conflicts = \"ignore\""), &["resolve_conflicts"]),
        (step("name = \"e\", configuration = \"a\""), &["configuration is not a table"]),
    ] {
        let scene = Scene::new();
        scene.pipeline(&steps);
        let ran = scene.llmhost(&["validate", FILE]);
        assert_ne!(ran.status, 0, "{steps}");
        ran.says(words);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_start_as_they_are_told() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    let before = look(url);
    let told = r##"instance_types = ["g5.2xlarge"]
min = 0
autoscaler = true
labels = { tier = "gpu" }
taints = [{ key = "nvidia.com/gpu", value = "true", effect = "NoSchedule" }]
max_pods = 110
kubelet = { evictionHard = { "memory.available" = "5%" } }
local_storage = "raid0"
user_data = "#!/bin/bash\nsysctl -w vm.max_map_count=262144"
release_version = "1.34.1-20261001"
"##;
    let options = "version = \"1.34\"";
    scene.pipeline(&format!("{}{}", cluster(options), nodes(told)));
    scene.at(url, &["run", FILE]).status(0);
    let world = look(url);
    let group = &world["clusters"]["ad"]["node_groups"]["ng"];
    assert_eq!(group["releaseVersion"], "1.34.1-20261001");
    // What the autoscaler needs to know of a node that is not there.
    let node = |what: &str| group["tags"][format!("k8s.io/cluster-autoscaler/node-template/{what}")].clone();
    assert_eq!((node("label/tier"), node("taint/nvidia.com/gpu")), (json!("gpu"), json!("true:NoSchedule")));
    assert_eq!((node("resources/nvidia.com/gpu"), node("resources/ephemeral-storage")), (json!("1"), Value::Null));
    let template = |world: &Value| {
        let id = world["clusters"]["ad"]["node_groups"]["ng"]["launchTemplate"]["id"].clone();
        world["templates"][id.as_str().unwrap()]["data"].clone()
    };
    let data = decoded(&template(&world));
    assert!(data.starts_with("MIME-Version: 1.0\n"), "{data}");
    for words in ["application/node.eks.aws", "\"maxPods\": 110", "\"RAID0\"", "memory.available", "vm.max_map_count"] {
        assert!(data.contains(words), "{words}: {data}");
    }
    scene.at(url, &["run", FILE]).status(0).says(&["0 changes"]);
    scene.at(url, &["drift", FILE, "--exit-code"]).status(0);

    // Releases roll by their own schedule, and other user data does as well.
    scene.edit(FILE, "1.34.1-20261001", "1.34.1-20261101");
    scene.edit(FILE, "max_pods = 110", "max_pods = 58");
    scene.at(url, &["run", FILE]).status(0).says(&["rolls its nodes", "2 updated"]);
    let world = look(url);
    assert_eq!(world["clusters"]["ad"]["node_groups"]["ng"]["releaseVersion"], "1.34.1-20261101");
    assert!(decoded(&template(&world)).contains("\"maxPods\": 58"));
    scene.edit(FILE, "1.34.1-20261101", "1.33.4-20261101");
    scene.at(url, &["run", FILE]).status(1).says(&["release_version 1.33.4-20261101 is of Kubernetes 1.33"]);
    scene.edit(FILE, "1.33.4-20261101", "1.34.1-20261101");
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(url), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn reserved_machines_with_a_fast_network_stand_near_each_other() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    look_after(url, &["raise-quota", "ec2", "L-417A185B", "1000"]);
    let before = look_after(url, &["reserve", "p5.48xlarge", "us-east-1a", "2"]);
    let reservation = before["reservations"][0]["CapacityReservationId"].as_str().unwrap().to_owned();
    let told = format!(
        r#"instance_types = ["p5.48xlarge"]
capacity_reservation = "{reservation}"
efa = {{ vpc_id = "${{net.vpc_id}}", cluster_security_group_id = "${{cluster.security_group_id}}" }}
placement_group = {{ strategy = "cluster" }}
max_pods = 110
user_data = "IyEvYmluL2Jhc2g="
"#
    );
    scene.pipeline(&format!("{}{}", cluster(""), nodes(&told)));
    scene.at(url, &["run", FILE]).status(0);
    let world = look(url);
    let group = &world["clusters"]["ad"]["node_groups"]["ng"];
    assert_eq!((&group["status"], &group["capacityType"]), (&json!("ACTIVE"), &json!("ON_DEMAND")));
    let data = &world["templates"][group["launchTemplate"]["id"].as_str().unwrap()]["data"];
    let cards = data["NetworkInterfaces"].as_array().unwrap();
    assert_eq!(cards.len(), 32);
    assert_eq!((&cards[0]["InterfaceType"], &cards[0]["DeviceIndex"]), (&json!("efa"), &json!(0)));
    assert_eq!((&cards[31]["InterfaceType"], &cards[31]["DeviceIndex"]), (&json!("efa-only"), &json!(1)));
    assert_eq!(cards[31]["NetworkCardIndex"], 31);
    let groups = cards[7]["Groups"].as_array().unwrap();
    let own = &world["clusters"]["ad"]["cluster"]["resourcesVpcConfig"]["clusterSecurityGroupId"];
    assert!(groups.len() == 2 && groups.contains(own), "{groups:?}");
    assert_eq!(data["Placement"]["GroupName"], "ad-ng");
    assert_eq!(world["placement_groups"][0]["Strategy"], "cluster");
    let target = &data["CapacityReservationSpecification"]["CapacityReservationTarget"];
    assert_eq!(target["CapacityReservationId"], reservation.as_str());
    assert!(decoded(data).contains("#!/bin/bash"), "base64 is taken as it is meant");
    scene.at(url, &["run", FILE]).status(0).says(&["0 changes"]);
    scene.at(url, &["drift", FILE, "--exit-code"]).status(0);

    // What the reservation cannot hold is said before.
    scene.edit(FILE, "\"p5.48xlarge\"", "\"p4d.24xlarge\"");
    scene.at(url, &["run", FILE]).status(1).says(&["is for p5.48xlarge, which is not among the group's types"]);
    scene.edit(FILE, "\"p4d.24xlarge\"", "\"p5.48xlarge\"");
    scene.edit(FILE, &reservation, "cr-0123456789abcdef0");
    scene.at(url, &["run", FILE]).status(1).says(&["there is no capacity reservation cr-0123456789abcdef0"]);
    scene.edit(FILE, "cr-0123456789abcdef0", &reservation);

    // As a capacity block, the type stands in the template.
    scene.edit(FILE, "max_pods = 110", "max_pods = 110\ncapacity_block = true\nmin = 0");
    scene.at(url, &["run", FILE, "--yes"]).status(0);
    let world = look(url);
    let group = &world["clusters"]["ad"]["node_groups"]["ng"];
    assert_eq!(group["capacityType"], "CAPACITY_BLOCK");
    let data = &world["templates"][group["launchTemplate"]["id"].as_str().unwrap()]["data"];
    assert_eq!(data["InstanceMarketOptions"]["MarketType"], "capacity-block");
    assert_eq!(data["InstanceType"], "p5.48xlarge");
    scene.at(url, &["run", FILE]).status(0).says(&["0 changes"]);
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(url), before);
}

#[test]
fn the_case_of_the_issue_is_said_and_what_does_not_go_together_is_refused() {
    let group = |options: &str| {
        format!(
            "[steps.n]\nuses = \"nodegroup\"\n[steps.n.with]\nname = \"p5\"\ncluster = \"c\"\n\
             role_arn = \"arn:aws:iam::123456789012:role/r\"\nsubnet_ids = [\"subnet-1\"]\n{options}"
        )
    };
    let case = "instance_types = [\"p5.48xlarge\"]\ncapacity_reservation = \"cr-0123456789abcdef0\"\nefa = true\n\
                max_pods = 110\nuser_data = \"IyEvYmluL2Jhc2g=\"\n";
    let scene = Scene::new();
    scene.pipeline(&group(case));
    scene.llmhost(&["validate", FILE]).status(0).says(&["EFA name no security group", "2 resources"]);
    let one = "instance_types = [\"m6i.large\"]\n";
    for (options, words) in [
        ("user_data = \"echo hello\"", "user_data is neither a script that starts with #!"),
        ("user_data = { kublet = {} }", "the spec of a NodeConfig has"),
        ("capacity_reservation = \"p5\"", "'p5' is not an id: one looks like cr-"),
        ("capacity_block = true", "capacity_block says what capacity_reservation is, and that is missing"),
        ("capacity_reservation = \"cr-1\"\nspot = true", "spot instances do not start in a capacity reservation"),
        ("launch_template = { id = \"lt-1\", version = 2 }\nmax_pods = 9", "max_pods belongs into the launch template"),
        ("ami_type = \"CUSTOM\"", "set launch_template"),
        ("placement_group = true", "set the name of one"),
        ("placement_group = { strategy = \"near\" }", "placement_group"),
        ("efa = { vpc_id = \"vpc-1\" }", "efa.cluster_security_group_id is missing"),
        ("version = \"1.34\"\nrelease_version = \"newest\"", "'newest' is not a release of EKS's images"),
        ("ami_type = \"AL2_x86_64\"\nmax_pods = 4", "which AL2_x86_64 lacks"),
    ] {
        let scene = Scene::new();
        scene.pipeline(&group(&format!("{one}{options}\n")));
        let ran = scene.llmhost(&["validate", FILE]);
        assert_ne!(ran.status, 0, "{options}");
        ran.says(&[words]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_takes_a_launch_template_that_is_there() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    let before = look_after(url, &["make-template", "theirs"]);
    let (id, _) = before["templates"].as_object().unwrap().iter().next().unwrap();
    let told = format!("instance_types = [\"m6i.large\"]\nlaunch_template = {{ id = \"{id}\", version = 1 }}\n");
    scene.pipeline(&format!("{}{}", cluster(""), nodes(&told)));
    scene.at(url, &["run", FILE]).status(0);
    let world = look(url);
    assert_eq!(world["clusters"]["ad"]["node_groups"]["ng"]["launchTemplate"]["id"], id.as_str());
    assert_eq!(world["templates"], before["templates"], "it is as it was");
    scene.at(url, &["run", FILE]).status(0).says(&["0 changes"]);
    scene.edit(FILE, id, "lt-0123456789abcdef0");
    scene.at(url, &["run", FILE]).status(1).says(&["there is no launch template lt-0123456789abcdef0"]);
    scene.edit(FILE, "lt-0123456789abcdef0", id);
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(url), before);
}

const FARGATE: &str = r#"[steps.dev]
uses = "fargate"
with = { cluster = "${cluster.name}", namespace = "dev", subnet_ids = "${net.private_subnet_ids}" }
[steps.batch]
uses = "fargate"
[steps.batch.with]
cluster = "${cluster.name}"
name = "batch"
selectors = [{ namespace = "batch-*" }, { namespace = "tools", labels = { on = "fargate" } }]
pod_execution_role_arn = "${dev.pod_execution_role_arn}"
[steps.third]
uses = "fargate"
with = { cluster = "${cluster.name}", namespace = "third" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn fargate_profiles_are_made_one_after_the_other() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    let before = look(url);
    scene.pipeline(&format!("{}{FARGATE}", cluster("")));
    scene.at(url, &["run", FILE]).status(0);
    let world = look(url);
    let profiles = &world["clusters"]["ad"]["profiles"];
    assert_eq!(profiles["dev"]["selectors"], json!([{ "namespace": "dev", "labels": {} }]));
    assert_eq!(profiles["batch"]["selectors"][1], json!({ "namespace": "tools", "labels": { "on": "fargate" } }));
    for name in ["dev", "batch", "third"] {
        assert_eq!(
            (&profiles[name]["status"], profiles[name]["subnets"].as_array().unwrap().len()),
            (&json!("ACTIVE"), 2)
        );
    }
    let role = &world["identity"]["roles"]["ad-fargate-dev"];
    assert_eq!(profiles["batch"]["podExecutionRoleArn"], role["arn"]);
    assert_eq!(role["attached"], json!(["arn:aws:iam::aws:policy/AmazonEKSFargatePodExecutionRolePolicy"]));
    let trust = role["trust"].to_string();
    assert!(trust.contains("eks-fargate-pods.amazonaws.com") && trust.contains(":fargateprofile/ad/*"), "{trust}");
    scene.at(url, &["run", FILE]).status(0).says(&["0 changes"]);
    scene.at(url, &["drift", FILE, "--exit-code"]).status(0);
    // Another selector is another profile; another tag is none.
    scene.edit(FILE, "batch-*", "jobs-*");
    scene.at(url, &["run", FILE, "--dry-run"]).status(0).says(&["1 to replace", "EKS stops the pods"]);
    scene.at(url, &["run", FILE, "--yes"]).status(0);
    assert_eq!(look(url)["clusters"]["ad"]["profiles"]["batch"]["selectors"][0]["namespace"], "jobs-*");
    scene.edit(FILE, "\"${net.private_subnet_ids}\"", "\"${net.public_subnet_ids}\"");
    scene
        .at(url, &["run", FILE])
        .status(1)
        .says(&["has a route to an internet gateway", "Fargate supports only private subnets"]);
    scene.edit(FILE, "\"${net.public_subnet_ids}\"", "\"${net.private_subnet_ids}\"");
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(url), before);
}

#[test]
fn fargate_is_rehearsed_and_its_mistakes_are_said() {
    let scene = Scene::new();
    scene.pipeline(&format!("{}{FARGATE}", cluster("")));
    scene.llmhost(&["rehearse", FILE]).status(0).says(&["apply again: 0 changes", "left behind: nothing"]);
    let step = |with: &str| format!("[steps.f]\nuses = \"fargate\"\nwith = {{ cluster = \"c\", {with} }}\n");
    scene.pipeline(&step("namespace = \"dev\""));
    scene.llmhost(&["validate", FILE]).status(0).says(&["2 resources"]);
    for (with, words) in [
        ("name = \"f\"", "the pods for Fargate are missing: set namespace, or selectors"),
        ("namespace = \"a\", selectors = [{ namespace = \"b\" }]", "namespace is short for selectors"),
        ("selectors = [{ namespace = \"b\" }], labels = { a = \"b\" }", "set them in each selector"),
        ("namespace = \"a\", pod_execution_role_arn = \"x\", role_name = \"y\"", "remove the one or the others"),
        (
            "namespace = \"a\", labels = { a = \"1\", b = \"1\", c = \"1\", d = \"1\", e = \"1\", f = \"1\" }",
            "has 6 labels; EKS allows 5",
        ),
    ] {
        scene.pipeline(&step(with));
        let ran = scene.llmhost(&["validate", FILE]);
        assert_ne!(ran.status, 0, "{with}");
        ran.says(&[words]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eks_auto_mode_is_turned_on_and_off_in_place() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let url = emulator.url();
    let before = look(url);
    scene.pipeline(&cluster("auto_mode = true"));
    // The role of an ordinary cluster is not enough.
    scene.at(url, &["run", FILE]).status(1).says(&["AmazonEKSComputePolicy", "Set auto_mode = true in the iam step"]);
    scene.edit(FILE, "cluster_role = \"ad-cluster\"", "cluster_role = \"ad-cluster\"\nauto_mode = true # its policies");
    scene.at(url, &["run", FILE]).status(0);
    let world = look(url);
    let found = &world["clusters"]["ad"];
    let compute = &found["cluster"]["computeConfig"];
    assert_eq!((&compute["enabled"], &compute["nodePools"]), (&json!(true), &json!(["general-purpose", "system"])));
    assert_eq!(compute["nodeRoleArn"], world["identity"]["roles"]["ad-auto-node"]["arn"]);
    assert_eq!(found["cluster"]["storageConfig"]["blockStorage"]["enabled"], true);
    assert_eq!(found["cluster"]["kubernetesNetworkConfig"]["elasticLoadBalancing"]["enabled"], true);
    assert_eq!(found["addons"], json!({}), "its nodes have what add-ons bring");
    scene.at(url, &["run", FILE]).status(0).says(&["0 changes"]);
    scene.at(url, &["drift", FILE, "--exit-code"]).status(0);
    scene.edit(FILE, "\nauto_mode = true\n", "\nauto_mode = { node_pools = [] }\n");
    scene.at(url, &["run", FILE, "--yes"]).status(0);
    let compute = look(url)["clusters"]["ad"]["cluster"]["computeConfig"].clone();
    assert_eq!((&compute["enabled"], &compute["nodePools"]), (&json!(true), &json!([])));
    scene.edit(FILE, "auto_mode = { node_pools = [] }", "addons = {}");
    scene.at(url, &["run", FILE, "--yes"]).status(0).says(&["turns EKS Auto Mode off"]);
    assert_eq!(look(url)["clusters"]["ad"]["cluster"]["computeConfig"]["enabled"], false);
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(url), before);
}

#[test]
fn ipv6_and_an_oidc_provider_that_is_there_are_said() {
    let scene = Scene::new();
    let text = cluster("ip_family = \"ipv6\"\noidc_provider_arn = \"arn:aws:iam::123456789012:oidc-provider/x\"");
    scene.pipeline(&text);
    let ran = scene.llmhost(&["run", FILE, "--dry-run", "--verbose"]);
    ran.says(&["ipv6: true"]).does_not_say(&["iam.oidc-provider"]);
    scene.pipeline(&cluster("ip_family = \"ipv6\"\nservice_cidr = \"10.100.0.0/16\""));
    scene.llmhost(&["validate", FILE]).status(1).says(&["with ip_family = \"ipv6\" EKS chooses the range"]);
    scene.pipeline(&cluster("auto_mode = { node_pools = [\"gpu\"] }"));
    scene
        .llmhost(&["validate", FILE])
        .status(1)
        .says(&["node_pools has 'gpu'", "EKS provides general-purpose and system"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_policy_says_is_enough_for_all_of_it() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let group =
        "instance_types = [\"g5.2xlarge\"]\nplacement_group = { strategy = \"cluster\" }\nmax_pods = 58\nmin = 0\n";
    let addon = r#"[steps.ebs]
uses = "addon"
with = { cluster = "${cluster.name}", name = "aws-ebs-csi-driver", pod_identity = { service_account = "ebs-csi-controller-sa", role_arn = "${roles.role_arns.pods}" } }
[steps.dev]
uses = "fargate"
with = { cluster = "${cluster.name}", namespace = "dev", subnet_ids = "${net.private_subnet_ids}" }
"#;
    scene.pipeline(&format!("{}{}{addon}", cluster("auto_mode = true\naddons = { vpc-cni = {} }"), nodes(group)));
    scene.edit(FILE, "cluster_role = \"ad-cluster\"", "cluster_role = \"ad-cluster\"\nauto_mode = true");
    let policy = |purpose: &str| -> Value {
        let ran = scene.llmhost(&["policy", FILE, "--account", "123456789012", "--for", purpose]).status(0);
        serde_json::from_str(&ran.stdout).unwrap()
    };
    let as_user = |policy: &Value, args: &[&str]| {
        let file = scene.write("policy.json", policy.to_string());
        let mut make = std::process::Command::new(llmhost_emulator::python().unwrap());
        make.arg(repository().join("tests/support/caller.py"))
            .args([emulator.url(), "us-east-1", "deployer"])
            .arg(file);
        let made = make.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY).output().unwrap();
        let [key, secret]: [String; 2] = serde_json::from_slice(&made.stdout).unwrap();
        let mut command = scene.command(args);
        command.args(["--endpoint-url", emulator.url()]);
        let output = command.env("AWS_ACCESS_KEY_ID", key).env("AWS_SECRET_ACCESS_KEY", secret).output().unwrap();
        Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    };
    let run = policy("run");
    let out = ["eks:CreatePodIdentityAssociation", "eks:CreateFargateProfile", "ec2:CreatePlacementGroup"];
    as_user(&without(&run, &out), &["run", FILE, "--yes"]).status(1).says(&out);
    as_user(&run, &["run", FILE, "--yes"]).status(0);
    as_user(&run, &["run", FILE, "--yes"]).status(0).says(&["0 changes"]);
    as_user(&policy("destroy"), &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(emulator.url())["clusters"], json!({}));
}
