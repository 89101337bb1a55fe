//! A caller that has exactly what `llmhost policy` printed can run, change and destroy a pipeline, and
//! with one action less it is told which.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::process::Command;

use llmhost_emulator::Emulator;
use serde_json::Value;
use support::{ACCESS_KEY, Ran, SECRET_KEY, Scene, emulator, look, repository, without};

const FILE: &str = "llm-on-eks.toml";
const ACCOUNT: &str = "123456789012";

/// Somebody with an access key of their own.
struct Caller<'a> {
    scene: &'a Scene,
    emulator: &'a Emulator,
}

impl Caller<'_> {
    /// The policy that llmhost prints for the pipeline as it is now.
    fn policy(&self, purpose: &str) -> Value {
        let ran = self.scene.llmhost(&["policy", FILE, "--account", ACCOUNT, "--for", purpose]).status(0);
        serde_json::from_str(&ran.stdout).unwrap()
    }

    /// Runs llmhost as a user who has this policy and nothing else.
    fn llmhost(&self, policy: &Value, args: &[&str]) -> Ran {
        let file = self.scene.write("policy.json", policy.to_string());
        let python = llmhost_emulator::python().unwrap();
        let mut make = Command::new(python);
        make.arg(repository().join("tests/support/caller.py"));
        make.args([self.emulator.url(), "us-east-1", "deployer"]).arg(file);
        make.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        let made = make.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let [key, secret]: [String; 2] = serde_json::from_slice(&made.stdout).unwrap();
        let mut command = self.scene.command(args);
        command.args(["--endpoint-url", self.emulator.url()]);
        command.env("AWS_ACCESS_KEY_ID", key).env("AWS_SECRET_ACCESS_KEY", secret);
        let output = command.output().unwrap();
        Ran {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_policy_says_is_enough_and_one_action_less_is_named() {
    let (scene, emulator) = (Scene::with_examples(), emulator().await);
    let caller = Caller { scene: &scene, emulator: &emulator };
    let run = caller.policy("run");
    // Each run goes on from where the one before was held back; steps that need nothing of each other go
    // on beside each other.
    for out in [
        &["servicequotas:GetServiceQuota"][..],
        &["ec2:CreateTags", "iam:CreateRole", "s3:PutObject"],
        &["ec2:CreateNatGateway"],
        &["iam:CreateServiceLinkedRole"],
        &["eks:CreateAddon"],
        &["iam:PassRole"],
        &["ec2:RunInstances"],
    ] {
        caller.llmhost(&without(&run, out), &["run", FILE, "--yes"]).status(1).says(out);
    }
    caller.llmhost(&run, &["run", FILE, "--yes"]).status(0);
    caller.llmhost(&run, &["run", FILE, "--yes"]).status(0).says(&["0 changes"]);
    caller.llmhost(&run, &["drift", FILE]).status(0);

    scene.edit(FILE, "team = \"ml\"", "team = \"serving\"");
    scene.edit(FILE, "disk_gib = 20", "disk_gib = 40");
    scene.write("models/demo/more.json", "{}");
    let changed = caller.policy("run");
    caller
        .llmhost(&without(&changed, &["ec2:CreateLaunchTemplateVersion"]), &["run", FILE, "--yes"])
        .status(1)
        .says(&["ec2:CreateLaunchTemplateVersion"]);
    caller.llmhost(&changed, &["run", FILE, "--yes"]).status(0);

    let destroy = caller.policy("destroy");
    for action in ["eks:DeleteNodegroup", "ec2:DeleteSubnet"] {
        caller.llmhost(&without(&destroy, &[action]), &["destroy", FILE, "--yes"]).status(1).says(&[action]);
    }
    caller.llmhost(&destroy, &["destroy", FILE, "--yes"]).status(0);
    let left = look(emulator.url());
    assert_eq!(left["network"]["vpcs"].as_array().unwrap().len(), 1, "{left}");
    assert_eq!(left["clusters"], serde_json::json!({}));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_a_network_is_enough_for_all_that_it_can_have() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let caller = Caller { scene: &scene, emulator: &emulator };
    let network = |ipv6: bool| {
        let with = format!(
            "name = \"all\", zones = [\"use1-az1\", \"use1-az4\"], secondary_cidrs = [\"100.64.0.0/16\"], ipv6 = {ipv6}, \
             endpoints = [\"sts\"], security_groups = {{ web = {{ rules = [{{ name = \"in\", port = 443, sources = [\"self\", \"2001:db8::/32\"] }}] }} }}"
        );
        let head = "[pipeline]\nname = \"all\"\nregion = \"us-east-1\"\n";
        scene.write(FILE, format!("{head}[steps.net]\nuses = \"vpc\"\nwith = {{ {with} }}\n"));
    };
    network(true);
    let run = caller.policy("run");
    for out in [&["ec2:AssociateVpcCidrBlock"][..], &["ec2:AssociateSubnetCidrBlock"]] {
        caller.llmhost(&without(&run, out), &["run", FILE, "--yes"]).status(1).says(out);
    }
    caller.llmhost(&run, &["run", FILE, "--yes"]).status(0);
    caller.llmhost(&run, &["drift", FILE, "--exit-code"]).status(0);
    network(false);
    caller.llmhost(&caller.policy("run"), &["run", FILE, "--yes"]).status(0);
    network(true);
    caller.llmhost(&caller.policy("run"), &["run", FILE, "--yes"]).status(0);
    let destroy = caller.policy("destroy");
    // What does not hang on it goes all the same, so that there is one to leave out.
    let action = "ec2:DeleteEgressOnlyInternetGateway";
    caller.llmhost(&without(&destroy, &[action]), &["destroy", FILE, "--yes"]).status(1).says(&[action]);
    caller.llmhost(&destroy, &["destroy", FILE, "--yes"]).status(0);
    assert_eq!(look(emulator.url())["network"]["vpcs"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_of_any_resource_has_the_actions_of_its_type_and_is_enough() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let caller = Caller { scene: &scene, emulator: &emulator };
    let write = |seconds: u32| {
        let head = "[pipeline]\nname = \"any\"\nregion = \"us-east-1\"\n[steps.any]\nuses = \"aws\"\n[steps.any.with.resources]\n";
        let queue =
            format!("in = {{ type = \"AWS::SQS::Queue\", properties = {{ VisibilityTimeout = {seconds} }} }}\n");
        let others = "logs = { type = \"AWS::Logs::LogGroup\" }\nnews = { type = \"AWS::SNS::Topic\" }\nrepo = { type = \"AWS::ECR::Repository\" }\n";
        scene.write(FILE, format!("{head}{queue}{others}"));
    };
    write(30);
    let run = caller.policy("run");
    let out = ["sqs:CreateQueue", "logs:CreateLogGroup", "sns:CreateTopic"];
    caller.llmhost(&without(&run, &out), &["run", FILE, "--yes"]).status(1).says(&out);
    caller.llmhost(&run, &["run", FILE, "--yes"]).status(0);
    write(60);
    caller.llmhost(&without(&run, &["sqs:SetQueueAttributes"]), &["run", FILE, "--yes"]).status(1);
    caller.llmhost(&run, &["run", FILE, "--yes"]).status(0);
    caller.llmhost(&run, &["drift", FILE, "--exit-code"]).status(0);
    let destroy = caller.policy("destroy");
    caller.llmhost(&without(&destroy, &["sqs:DeleteQueue"]), &["destroy", FILE, "--yes"]).status(1);
    caller.llmhost(&destroy, &["destroy", FILE, "--yes"]).status(0);
}
