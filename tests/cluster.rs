//! The whole stack, from the network to the model server, seen by an independent client.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::time::{Duration, Instant};

use llmhost_emulator::testing::RecordingProxy;
use serde_json::{Value, json};
use support::{Scene, emulator, look};

const FILE: &str = "llm-on-eks.toml";
const CLUSTER: &str = "llm-cluster";

fn strings(value: &Value) -> Vec<&str> {
    let mut all: Vec<&str> = value.as_array().expect("a list").iter().map(|item| item.as_str().unwrap()).collect();
    all.sort_unstable();
    all
}

fn subnets(world: &Value, public: bool) -> Vec<&str> {
    let all = world["network"]["subnets"].as_array().unwrap().iter();
    let ours = all.filter(|subnet| subnet["tags"]["kubernetes.io/cluster/llm-cluster"] == "shared");
    let mut ids: Vec<&str> =
        ours.filter(|subnet| subnet["public"] == public).map(|subnet| subnet["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// IAM takes a list of one for the one itself.
fn loosened(value: &Value) -> Value {
    match value {
        Value::Array(items) if items.len() == 1 && items[0].is_string() => items[0].clone(),
        Value::Array(items) => items.iter().map(loosened).collect(),
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), loosened(value))).collect(),
        other => other.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_client_finds_every_row_of_the_tutorial() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    scene.at(emulator.url(), &["run", FILE]).status(0);
    let world = look(emulator.url());

    // Roles with exactly these policies.
    let roles = &world["identity"]["roles"];
    for (name, service, policies) in [
        ("EKSClusterRole", "eks.amazonaws.com", &["AmazonEKSClusterPolicy"][..]),
        (
            "EKSNodeRole",
            "ec2.amazonaws.com",
            &["AmazonEC2ContainerRegistryReadOnly", "AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy"],
        ),
    ] {
        let role = &roles[name];
        let arns: Vec<String> = policies.iter().map(|policy| format!("arn:aws:iam::aws:policy/{policy}")).collect();
        assert_eq!(strings(&role["attached"]), arns, "{name}");
        assert_eq!(role["inline"], json!({}), "{name}");
        let statements = role["trust"]["Statement"].as_array().unwrap();
        assert_eq!(statements.len(), 1, "{name}");
        assert_eq!(statements[0]["Effect"], "Allow");
        assert_eq!(loosened(&statements[0]["Principal"]), json!({ "Service": service }));
    }

    // The cluster, its logs and its four subnets.
    let (public, private) = (subnets(&world, true), subnets(&world, false));
    assert_eq!((public.len(), private.len()), (2, 2));
    let found = &world["clusters"][CLUSTER];
    let cluster = &found["cluster"];
    assert_eq!(cluster["status"], "ACTIVE");
    assert_eq!(cluster["roleArn"], roles["EKSClusterRole"]["arn"]);
    let mut four = [public, private.clone()].concat();
    four.sort_unstable();
    assert_eq!(strings(&cluster["resourcesVpcConfig"]["subnetIds"]), four);
    let logging = cluster["logging"]["clusterLogging"].as_array().unwrap();
    let on: Vec<&str> =
        logging.iter().filter(|part| part["enabled"] == true).flat_map(|part| strings(&part["types"])).collect();
    assert_eq!(on, ["api", "audit", "authenticator"]);
    assert_eq!(cluster["accessConfig"]["authenticationMode"], "API");
    assert_eq!(cluster["tags"]["team"], "ml");
    let addons: Vec<&String> = found["addons"].as_object().unwrap().keys().collect();
    assert_eq!(addons, ["coredns", "eks-pod-identity-agent", "kube-proxy", "vpc-cni"]);

    // The node groups.
    for (name, kind, ami, disk) in
        [("gpu", "g4dn.xlarge", "AL2023_x86_64_NVIDIA", 100), ("cpu", "t3.medium", "AL2023_x86_64_STANDARD", 20)]
    {
        let group = &found["node_groups"][name];
        assert_eq!(group["status"], "ACTIVE", "{name}");
        assert_eq!(group["instanceTypes"], json!([kind]));
        assert_eq!(group["amiType"], ami);
        let sizes = &group["scalingConfig"];
        assert_eq!((&sizes["minSize"], &sizes["maxSize"], &sizes["desiredSize"]), (&json!(1), &json!(2), &json!(1)));
        assert_eq!(strings(&group["subnets"]), private);
        assert_eq!(group["nodeRole"], roles["EKSNodeRole"]["arn"]);
        let template = &world["templates"][group["launchTemplate"]["id"].as_str().unwrap()]["data"];
        let volume = &template["BlockDeviceMappings"][0]["Ebs"];
        assert_eq!(
            (&volume["VolumeSize"], &volume["VolumeType"], &volume["Encrypted"]),
            (&json!(disk), &json!("gp3"), &json!(true))
        );
        assert_eq!(template["MetadataOptions"]["HttpTokens"], "required");
    }
    let taints = &found["node_groups"]["gpu"]["taints"];
    assert_eq!(*taints, json!([{ "key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE" }]));

    // The locked bucket.
    let bucket = &world["storage"][0];
    let blocked = bucket["public_access"]["PublicAccessBlockConfiguration"].as_object().unwrap();
    assert_eq!(blocked.len(), 4);
    assert!(blocked.values().all(|value| value == true), "{bucket}");

    // The pods' role: this very service account, for this audience, and one prefix to read.
    let issuer = cluster["identity"]["oidc"]["issuer"].as_str().unwrap().trim_start_matches("https://");
    let providers = world["identity"]["providers"].as_object().unwrap();
    let (provider, facts) = providers.iter().next().expect("an OIDC provider");
    assert_eq!((&facts["url"], &facts["audiences"]), (&json!(issuer), &json!(["sts.amazonaws.com"])));
    let role = &roles["llm-cluster-models-model-server"];
    let (sub, aud) = (format!("{issuer}:sub"), format!("{issuer}:aud"));
    assert_eq!(
        loosened(&role["trust"]["Statement"]),
        json!([{
            "Effect": "Allow",
            "Principal": { "Federated": provider },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": {
                sub: "system:serviceaccount:models:model-server",
                aud: "sts.amazonaws.com",
            } },
        }])
    );
    assert_eq!(role["attached"], json!([]));
    let bucket = "arn:aws:s3:::llmhost-models-change-me";
    assert_eq!(
        loosened(&role["inline"]["access"]["Statement"]),
        json!([
            {
                "Sid": "ListModels", "Effect": "Allow", "Action": "s3:ListBucket", "Resource": bucket,
                "Condition": { "StringLike": { "s3:prefix": ["demo/*", "demo/", "demo"] } },
            },
            { "Sid": "ReadModels", "Effect": "Allow", "Action": "s3:GetObject", "Resource": format!("{bucket}/demo/*") },
        ])
    );
    let objects = &world["objects"][CLUSTER];
    let account = &objects["service_accounts"]["models/model-server"]["metadata"];
    assert_eq!(account["annotations"]["eks.amazonaws.com/role-arn"], role["arn"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_independent_client_finds_the_model_server() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    scene.at(emulator.url(), &["run", FILE]).status(0);
    let world = look(emulator.url());
    let objects = &world["objects"][CLUSTER];
    let deployment = &objects["deployments"]["models/model-server"];
    assert_eq!(deployment["status"]["readyReplicas"], 1, "{deployment}");
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], "model-server");
    assert_eq!(pod["nodeSelector"]["eks.amazonaws.com/nodegroup"], "gpu");
    assert!(pod["tolerations"].to_string().contains("nvidia.com/gpu"), "{pod}");
    let container = &pod["containers"][0];
    assert_eq!(container["resources"]["limits"]["nvidia.com/gpu"], "1");
    assert!(container["args"].to_string().contains("s3://llmhost-models-change-me/demo"), "{container}");
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        assert!(container[probe]["httpGet"]["path"].is_string(), "{probe}");
    }
    let security = &container["securityContext"];
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["capabilities"]["drop"], json!(["ALL"]));
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert!(pod["volumes"].as_array().unwrap().iter().any(|volume| volume["name"] == "cache"), "{pod}");

    let service = &objects["services"]["models/model-server"]["spec"];
    assert_eq!(service["selector"], deployment["spec"]["selector"]["matchLabels"]);
    let scaler = &objects["autoscalers"]["models/model-server"]["spec"];
    assert_eq!((&scaler["minReplicas"], &scaler["maxReplicas"]), (&json!(1), &json!(2)));
    assert!(objects["budgets"]["models/model-server"].is_object());
    // The image AL2023_x86_64_NVIDIA has the driver and not the device plugin.
    let daemons = objects["daemon_sets"].as_object().unwrap();
    assert!(daemons.values().any(|daemon| daemon.to_string().contains("k8s-device-plugin")), "{daemons:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_changes_nothing_and_destroy_leaves_nothing() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let before = look(emulator.url());
    let proxy = RecordingProxy::start(emulator.url()).await.expect("the proxy starts");
    scene.at(proxy.url(), &["run", FILE]).status(0);
    let kinds = ["/clusters", "/llmhost-kubernetes/"];
    for kind in kinds {
        let seen = proxy.requests().iter().any(|request| request.path.starts_with(kind) && request.is_mutating());
        assert!(seen, "requests to {kind} pass the proxy");
    }
    proxy.forget();
    scene.at(proxy.url(), &["run", FILE]).status(0).says(&["No changes", "0 changes"]);
    assert_eq!(proxy.mutating(), 0, "{:?}", proxy.requests());
    scene.at(proxy.url(), &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(emulator.url()), before);
}

#[test]
fn the_whole_life_is_rehearsed_in_seconds() {
    let scene = Scene::with_examples();
    let began = Instant::now();
    let ran = scene.llmhost(&["rehearse", FILE]).status(0);
    let took = began.elapsed();
    ran.says(&["apply: 46 resources made", "0 changes", "drift found a changed tag", "left behind: nothing"]);
    // Beside other tests, on a busy machine, in a build without optimisation.
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert!(!scene.path(".llmhost").exists(), "a rehearsal leaves nothing here either");
}

#[test]
fn a_rehearsal_is_told_as_json_lines() {
    let scene = Scene::with_examples();
    let ran = scene.llmhost(&["rehearse", "network-and-storage.toml", "--json"]).status(0);
    let lines: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let stages: Vec<&str> =
        lines.iter().filter(|line| line["event"] == "stage").map(|line| line["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["apply", "apply again", "drift", "destroy", "left behind"]);
    assert!(lines.last().unwrap()["millis"].as_u64().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_changed_behind_its_back_is_drift() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let file = "network-and-storage.toml";
    scene.at(emulator.url(), &["run", file]).status(0);
    scene
        .at(emulator.url(), &["drift", file, "--exit-code"])
        .status(0)
        .says(&["No drift: all 26 resources are as declared"]);
    let world = look(emulator.url());
    let vpcs = world["network"]["vpcs"].as_array().unwrap();
    let vpc = vpcs.iter().find(|vpc| vpc["default"] == false).unwrap()["id"].as_str().unwrap();
    support::look_after(emulator.url(), &["tag-vpc", vpc, "team", "another"]);
    let ran = scene.at(emulator.url(), &["drift", file, "--exit-code"]).status(3);
    ran.says(&["network/ec2.vpc/main", "tags.team", "\"ml\"", "\"another\""]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pods_get_their_role_by_pod_identity_when_asked() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    scene.edit(
        FILE,
        "service_account = \"model-server\"\noidc",
        "service_account = \"model-server\"\nmode = \"pod-identity\"\noidc",
    );
    scene.at(emulator.url(), &["run", FILE]).status(0);
    let world = look(emulator.url());
    let role = &world["identity"]["roles"]["llm-cluster-models-model-server"];
    let statement = loosened(&role["trust"]["Statement"][0]);
    assert_eq!(statement["Principal"], json!({ "Service": "pods.eks.amazonaws.com" }));
    assert_eq!(statement["Action"], json!(["sts:AssumeRole", "sts:TagSession"]));
    let association = &world["clusters"][CLUSTER]["associations"][0];
    assert_eq!((&association["namespace"], &association["serviceAccount"]), (&json!("models"), &json!("model-server")));
    let account = &world["objects"][CLUSTER]["service_accounts"]["models/model-server"]["metadata"];
    assert!(account["annotations"].get("eks.amazonaws.com/role-arn").is_none(), "{account}");
    scene.at(emulator.url(), &["run", FILE]).status(0).says(&["0 changes"]);
    scene.at(emulator.url(), &["destroy", FILE, "--yes"]).status(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_go_into_a_folder_for_those_who_apply_them_by_git() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let server = "cluster = \"${cluster.name}\"\nnamespace = \"${identity.namespace}\"";
    scene.edit(FILE, server, "target = { manifests = \"manifests\" }\nnamespace = \"${identity.namespace}\"");
    scene.at(emulator.url(), &["run", FILE]).status(0);
    let names: Vec<String> = std::fs::read_dir(scene.path("manifests"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for kind in ["deployment", "service", "horizontalpodautoscaler", "poddisruptionbudget", "daemonset"] {
        assert!(names.iter().any(|name| name.contains(kind)), "{kind} in {names:?}");
    }
    assert!(look(emulator.url())["objects"][CLUSTER]["deployments"].as_object().unwrap().is_empty());
    scene.at(emulator.url(), &["run", FILE]).status(0).says(&["0 changes"]);
    scene.at(emulator.url(), &["destroy", FILE, "--yes"]).status(0);
    let left = std::fs::read_dir(scene.path("manifests")).map(Iterator::count).unwrap_or(0);
    assert_eq!(left, 0, "the manifests are taken away");
}

/// Node groups of other sorts, after the cluster of the example.
const GROUPS: &str = r#"
[steps.arm]
uses = "nodegroup"
[steps.arm.with]
name = "arm"
cluster = "${cluster.name}"
role_arn = "${roles.node_role_arn}"
subnet_ids = "${network.private_subnet_ids}"
instance_types = ["m7g.large", "m6g.large"]
os = "bottlerocket"
spot = true
disk_gib = 40
disk_throughput = 250
min = 0
max = 5
desired = 2
max_unavailable = "33%"
autoscaler = true
metadata_hop_limit = 2
labels = { tier = "front" }
taints = [{ key = "front", effect = "PreferNoSchedule" }]

[steps.reached]
uses = "nodegroup"
[steps.reached.with]
name = "reached"
cluster = "${cluster.name}"
role_arn = "${roles.node_role_arn}"
subnet_ids = "${network.private_subnet_ids}"
instance_types = ["g5.xlarge"]
ami_type = "BOTTLEROCKET_x86_64_NVIDIA"
max = 1

[steps.reached.with.remote_access]
key_name = "ops"
vpc_id = "${network.vpc_id}"
cluster_security_group_id = "${cluster.security_group_id}"
sources = ["10.0.0.0/16"]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn node_groups_of_every_sort_stand_side_by_side() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let text = std::fs::read_to_string(scene.path(FILE)).unwrap();
    let (before, _) = text.split_once("# The model runs on GPUs").unwrap();
    scene.write(FILE, format!("{before}{GROUPS}"));
    scene.at(emulator.url(), &["run", FILE]).status(0);
    let world = look(emulator.url());
    let groups = &world["clusters"][CLUSTER]["node_groups"];
    let template = |group: &Value| &world["templates"][group["launchTemplate"]["id"].as_str().unwrap()]["data"];

    let arm = &groups["arm"];
    assert_eq!((&arm["amiType"], &arm["capacityType"]), (&json!("BOTTLEROCKET_ARM_64"), &json!("SPOT")));
    assert_eq!(arm["instanceTypes"], json!(["m7g.large", "m6g.large"]));
    assert_eq!(arm["scalingConfig"], json!({ "minSize": 0, "maxSize": 5, "desiredSize": 2 }));
    assert_eq!(arm["updateConfig"], json!({ "maxUnavailablePercentage": 33 }));
    assert_eq!(arm["labels"], json!({ "tier": "front" }));
    assert_eq!(arm["taints"][0]["effect"], "PREFER_NO_SCHEDULE");
    assert_eq!(arm["tags"]["k8s.io/cluster-autoscaler/enabled"], "true");
    assert_eq!(arm["tags"]["k8s.io/cluster-autoscaler/llm-cluster"], "owned");
    // Bottlerocket keeps images on its second disk.
    let volume = &template(arm)["BlockDeviceMappings"][0];
    assert_eq!((&volume["DeviceName"], &volume["Ebs"]["VolumeSize"]), (&json!("/dev/xvdb"), &json!(40)));
    assert_eq!(template(arm)["MetadataOptions"]["HttpPutResponseHopLimit"], 2);

    let reached = &groups["reached"];
    assert_eq!(reached["amiType"], "BOTTLEROCKET_x86_64_NVIDIA");
    let data = template(reached);
    assert_eq!(data["KeyName"], "ops");
    let of_nodes = data["SecurityGroupIds"].as_array().unwrap();
    let own = &world["clusters"][CLUSTER]["cluster"]["resourcesVpcConfig"]["clusterSecurityGroupId"];
    assert!(of_nodes.contains(own), "nodes with groups of their own keep the cluster's");
    let all = world["network"]["security_groups"].as_array().unwrap();
    let ssh = all.iter().find(|group| group["name"] == "llm-cluster-reached-ssh").expect("a group for SSH");
    assert!(of_nodes.contains(&ssh["id"]));
    assert_eq!(ssh["ingress"], json!([[22, 22, "tcp", "10.0.0.0/16"]]));

    // Sizes, labels and the update config change in place; other machines need another group.
    scene.edit(FILE, "max = 5\n", "max = 6\n");
    scene.edit(FILE, "tier = \"front\"", "tier = \"edge\"");
    scene.at(emulator.url(), &["run", FILE]).status(0).says(&["1 updated"]);
    let arm = look(emulator.url())["clusters"][CLUSTER]["node_groups"]["arm"].clone();
    assert_eq!((&arm["scalingConfig"]["maxSize"], &arm["labels"]["tier"]), (&json!(6), &json!("edge")));
    scene.edit(FILE, "spot = true\n", "");
    scene.llmhost(&["run", FILE, "--dry-run"]).status(0).says(&["1 to replace", "spot"]);
    scene.at(emulator.url(), &["destroy", FILE, "--yes"]).status(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_upgraded_and_opened_to_others_in_place() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let text = std::fs::read_to_string(scene.path(FILE)).unwrap();
    let (before, _) = text.split_once("# The model runs on GPUs").unwrap();
    scene.write(FILE, before.replace("logging =", "version = \"1.33\"\nlogging ="));
    scene.at(emulator.url(), &["run", FILE]).status(0);
    assert_eq!(look(emulator.url())["clusters"][CLUSTER]["cluster"]["version"], "1.33");

    let more = r#"version = "1.34"
public_access_cidrs = ["203.0.113.0/24"]
admins = ["${roles.cluster_role_arn}"]
access = { readers = { principal_arn = "${roles.node_role_arn}", policy = "AmazonEKSViewPolicy", namespaces = ["models"] } }
addons = { coredns = {}, kube-proxy = {}, vpc-cni = { configuration = { env = { ENABLE_PREFIX_DELEGATION = "true" } } } }
"#;
    scene.write(
        FILE,
        before.replace("logging = [\"api\", \"audit\", \"authenticator\"]", &format!("{more}logging = [\"audit\"]")),
    );
    scene.at(emulator.url(), &["run", FILE, "--yes"]).status(0);
    let world = look(emulator.url());
    let found = &world["clusters"][CLUSTER];
    assert_eq!(found["cluster"]["version"], "1.34");
    assert_eq!(found["cluster"]["resourcesVpcConfig"]["publicAccessCidrs"], json!(["203.0.113.0/24"]));
    let logging = found["cluster"]["logging"]["clusterLogging"].as_array().unwrap();
    let on: Vec<&str> =
        logging.iter().filter(|part| part["enabled"] == true).flat_map(|part| strings(&part["types"])).collect();
    assert_eq!(on, ["audit"]);
    let entries = found["entries"].as_object().unwrap();
    assert!(entries.keys().any(|arn| arn.ends_with("role/EKSClusterRole")), "{entries:?}");
    assert!(entries.keys().any(|arn| arn.ends_with("role/EKSNodeRole")), "{entries:?}");
    assert!(found["addons"].get("eks-pod-identity-agent").is_none(), "it is no longer declared");
    let configuration = found["addons"]["vpc-cni"]["configurationValues"].as_str().unwrap();
    assert!(configuration.contains("ENABLE_PREFIX_DELEGATION"), "{configuration}");
    scene.at(emulator.url(), &["run", FILE]).status(0).says(&["0 changes"]);

    // One minor version at a time, and never back.
    scene.edit(FILE, "version = \"1.34\"", "version = \"1.32\"");
    let ran = scene.at(emulator.url(), &["run", FILE, "--dry-run"]).status(1);
    ran.says(&["EKS cannot go back to 1.32"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_made_anew_under_its_name_has_all_that_was_in_it_made_anew() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let url = emulator.url();
    scene.at(url, &["run", FILE]).status(0);
    let before = look(url);
    // The role of a cluster cannot be changed, and its name is taken until it is gone.
    scene.edit(FILE, r#"cluster_role = "EKSClusterRole""#, r#"cluster_role = "OtherClusterRole""#);
    let plan = scene.llmhost(&["run", FILE, "--dry-run"]).status(0);
    plan.says(&["± eks.cluster/main", "± eks.node-group/main", "± kube.object/namespace", "± eks.addon/vpc-cni"]);
    scene.at(url, &["run", FILE, "--yes"]).status(0);
    let after = look(url);
    let arn = |world: &Value| world["clusters"][CLUSTER]["cluster"]["roleArn"].as_str().unwrap().to_owned();
    assert!(arn(&after).ends_with("/OtherClusterRole") && arn(&before).ends_with("/EKSClusterRole"));
    assert!(after["identity"]["roles"]["EKSClusterRole"].is_null(), "nothing is left of the old one");
    let names = |world: &Value, what: &str| {
        let all = world["objects"][CLUSTER][what].as_object().unwrap();
        all.keys().cloned().collect::<Vec<_>>()
    };
    for what in ["deployments", "secrets"] {
        assert_eq!(names(&after, what), names(&before, what));
    }
    scene.at(url, &["run", FILE]).status(0).says(&["No changes"]);
    scene.at(url, &["drift", FILE, "--exit-code"]).status(0);
    scene.at(url, &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(url)["clusters"], json!({}));
}
