//! Resources of any type that AWS has, without code: the `aws` plugin.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout)]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use support::{Scene, emulator};

const PIPELINE: &str = r#"
[pipeline]
name = "jobs"
region = "us-east-1"
tags = { team = "search" }

[vars.capacity]
default = 5

[steps.jobs]
uses = "aws"

[steps.jobs.with]
type = "AWS::DynamoDB::Table"

[steps.jobs.with.properties]
TableName = "jobs"
AttributeDefinitions = [{ AttributeName = "id", AttributeType = "S" }]
KeySchema = [{ AttributeName = "id", KeyType = "HASH" }]
ProvisionedThroughput = { ReadCapacityUnits = "${vars.capacity}", WriteCapacityUnits = 1 }

[steps.queues.with.resources]
in = { type = "AWS::SQS::Queue", properties = { QueueName = "in", VisibilityTimeout = 60 } }
out = { type = "AWS::SQS::Queue", properties = { QueueName = "out" } }

[steps.queues]
uses = "aws"

[steps.address]
uses = "aws"

[steps.address.with]
type = "AWS::SSM::Parameter"
properties = { Name = "/jobs", Type = "String", Value = "${jobs.attributes.Arn} ${queues.resources.in.identifier}" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn resources_of_any_type_are_made_changed_replaced_and_deleted() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let at = |args: &[&str]| scene.at(emulator.url(), args);
    scene.write("pipeline.toml", PIPELINE);
    scene.llmhost(&["validate", "pipeline.toml"]).status(0);
    let planned = at(&["run", "pipeline.toml", "--dry-run", "--verbose"]).status(0);
    planned.says(&["4 to create", "team: \"search\"", "{jobs/cloud-control.entity/main.Arn}"]);
    at(&["run", "pipeline.toml", "--yes"]).status(0).says(&["4 created"]);
    at(&["run", "pipeline.toml"]).status(0).says(&["No changes"]);
    at(&["drift", "pipeline.toml"]).status(0);
    let outputs = at(&["outputs", "pipeline.toml", "--json"]).status(0);
    let outputs: Value = serde_json::from_str(&outputs.stdout).unwrap();
    let arn = outputs["jobs"]["attributes"]["Arn"].as_str().unwrap();
    assert!(arn.starts_with("arn:aws:dynamodb:us-east-1:") && arn.ends_with(":table/jobs"), "{outputs}");

    let changed = at(&["run", "pipeline.toml", "--yes", "--var", "capacity=6"]).status(0);
    changed.says(&["properties.ProvisionedThroughput.ReadCapacityUnits: 5 -> 6", "1 updated"]);
    at(&["run", "pipeline.toml", "--var", "capacity=6"]).status(0).says(&["No changes"]);
    // What cannot be changed in place is planned so, and what refers to it follows.
    scene.edit("pipeline.toml", "TableName = \"jobs\"", "TableName = \"work\"");
    let planned = at(&["run", "pipeline.toml", "--dry-run", "--var", "capacity=6"]).status(0);
    planned.says(&["TableName: \"jobs\" -> \"work\"", "1 to replace"]);
    at(&["run", "pipeline.toml", "--yes", "--var", "capacity=6"]).status(0);
    // A rename of a step changes nothing but the address.
    scene.edit("pipeline.toml", "[steps.queues", "[steps.lines");
    scene.edit("pipeline.toml", "${queues.", "${lines.");
    let renamed = at(&["run", "pipeline.toml", "--dry-run", "--var", "capacity=6"]).status(0);
    renamed.says(&["0 to create", "0 to replace, 0 to delete"]);
    at(&["run", "pipeline.toml", "--yes", "--var", "capacity=6"]).status(0);
    at(&["destroy", "pipeline.toml", "--yes"]).status(0).says(&["4 deleted"]);
    scene.llmhost(&["rehearse", "pipeline.toml"]).status(0).says(&["left behind: nothing"]);
}

#[test]
fn what_a_type_does_not_have_is_shown_in_the_file_before_anything_is_asked() {
    let scene = Scene::new();
    let with = |lines: &str| {
        scene.pipeline(&format!("[steps.a]\nuses = \"aws\"\n[steps.a.with]\n{lines}\n"));
        scene.llmhost(&["validate", "pipeline.toml"]).status(2)
    };
    for (lines, said) in [
        (
            "type = \"AWS::SQS::Quue\"",
            &["no resource type 'AWS::SQS::Quue'", "'AWS::SQS::Queue'", "pipeline.toml:8:8"][..],
        ),
        (
            "type = \"AWS::SQS::Queue\"\nproperties = { Delay = 5 }",
            &["AWS::SQS::Queue has no property 'Delay'", "'DelaySeconds'", "pipeline.toml:9:16"],
        ),
        (
            "type = \"AWS::SQS::Queue\"\nproperties = { DelaySeconds = \"5\" }",
            &["properties.DelaySeconds of step a", "must be a whole number", "without quotation marks"],
        ),
        ("type = \"AWS::SQS::Queue\"\nproperties = { QueueUrl = \"x\" }", &["read-only"]),
        (
            "resources.x = { type = \"AWS::EC2::VPC\" }",
            &["resources.x.properties of step a", "'CidrBlock' or 'Ipv4IpamPoolId'"],
        ),
        ("propertis = {}", &["did you mean 'properties'?"]),
        (
            "type = \"sqs queue\"",
            &["'sqs queue' is not a resource type", "Did you mean 'AWS::SQS::Queue'?", "pipeline.toml:8:8"],
        ),
        ("type = \"aws::sqs::queue\"", &["no resource type 'aws::sqs::queue'", "Did you mean 'AWS::SQS::Queue'?"]),
        ("type = \"AWS::DocDB::DBInstance\"", &["Cloud Control cannot create 'AWS::DocDB::DBInstance'", "provider"]),
        ("type = \"AWS::SQS::QueuePolicy\"", &["cannot create", "Use AWS::SQS::QueueInlinePolicy"]),
        (
            "type = \"AWS::DynamoDB::Table\"\nproperties = { BillingMode = \"PAY\", KeySchema = [{ AttributeName = \"id\", KeyTyp = \"HASH\" }] }",
            &[
                "'PAY'",
                "'PAY_PER_REQUEST' or 'PROVISIONED'",
                "KeySchema[0]",
                "requires the property 'KeyType'",
                "pipeline.toml:9:74",
            ],
        ),
        ("properties = { A = 1 }", &["'properties' needs a 'type'", "pipeline.toml:8:1", "type = \"AWS::SQS::Queue\""]),
        ("", &["A resource needs a 'type'", "pipeline.toml:7"]),
        (
            "type = \"AWS::SQS::Queue\"\nresources.x = { type = \"AWS::SQS::Queue\" }",
            &["either one resource", "Move the single resource into 'resources'", "pipeline.toml:9:1"],
        ),
    ] {
        with(lines).says(said);
    }
    // What is newer than the table is taken as it is.
    scene.pipeline(
        "[steps.a]\nuses = \"aws\"\nwith = { type = \"AWS::New::Thing\", unchecked = true, properties = { A = 1 } }\n",
    );
    scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(0).says(&["1 to create"]);
}

#[test]
fn an_attribute_that_a_type_does_not_have_is_shown_in_the_file() {
    let scene = Scene::new();
    let one = "type = \"AWS::RDS::DBInstance\"\nproperties = { DBInstanceClass = \"db.t3.micro\", Engine = \"mysql\" }";
    let several = "resources.in = { type = \"AWS::SQS::Queue\" }";
    let written = |with: &str, reference: &str| {
        let user = format!("type = \"AWS::SNS::Topic\"\nproperties = {{ TopicName = \"{reference}\" }}");
        let steps = [("a", with), ("b", user.as_str())];
        let steps = steps.map(|(name, with)| format!("[steps.{name}]\nuses = \"aws\"\n[steps.{name}.with]\n{with}\n"));
        scene.pipeline(&steps.concat());
        scene.llmhost(&["validate", "pipeline.toml"])
    };
    for (with, reference, said) in [
        (
            one,
            "${a.attributes.Endpoint.Adress}",
            &["no 'Adress'", "did you mean 'Address'?", "pipeline.toml:14:29"][..],
        ),
        (one, "${a.attributes.Url}", &["no 'Url'", "there are ", "Endpoint"]),
        (one, "${a.resources.other.identifier}", &["no 'other'", "there are main"]),
        (several, "${a.resources.out.identifier}", &["no 'out'", "there are in"]),
        (several, "${a.resources.in.attributes.Arm}", &["no 'Arm'", "there are Arn, QueueName, QueueUrl"]),
        (several, "${a.attributes.Arn}", &["no 'Arn'", "attributes is empty in this step"]),
    ] {
        written(with, reference).status(2).says(said);
    }
    for (with, reference) in [
        (one, "${a.attributes.Endpoint.Port}"),
        (one, "${a.resources.main.attributes.Endpoint.Address}"),
        (several, "${a.resources.in.attributes.QueueName}"),
    ] {
        written(with, reference).status(0);
    }
}

#[test]
fn a_policy_has_the_actions_of_the_types_and_no_others() {
    let scene = Scene::new();
    scene.write("pipeline.toml", PIPELINE);
    let policy = |purpose: &str| scene.llmhost(&["policy", "pipeline.toml", "--for", purpose]).status(0);
    let run = policy("run");
    run.says(&["sqs:CreateQueue", "sqs:SetQueueAttributes", "dynamodb:UpdateTable", "ssm:PutParameter"]);
    for action in ["sqs:*", "dynamodb:*", "sqs:SendMessage", "dynamodb:ListStreams", "are not known"] {
        assert!(!format!("{}{}", run.stdout, run.stderr).contains(action), "{action}: {run:?}");
    }
    let destroy = policy("destroy").stdout;
    assert!(destroy.contains("sqs:DeleteQueue") && destroy.contains("sqs:GetQueueAttributes"), "{destroy}");
    assert!(!destroy.contains("sqs:CreateQueue") && !destroy.contains("dynamodb:CreateTable"), "{destroy}");
    // EC2 has actions that take no ARN, and ARNs without a region.
    scene.pipeline("[steps.a]\nuses = \"aws\"\nwith = { type = \"AWS::EC2::IPAM\" }\n");
    let ipam: Value = serde_json::from_str(&policy("run").stdout).unwrap();
    let statements = ipam["Statement"].as_array().unwrap();
    let of = |one: &&Value| one["Action"].as_array().unwrap().contains(&"ec2:CreateIpam".into());
    assert_eq!(statements.iter().find(of).unwrap()["Resource"], serde_json::json!(["*"]));
    // Nobody says what a type needs that is newer.
    scene.pipeline("[steps.a]\nuses = \"aws\"\nwith = { type = \"AWS::New::Thing\", unchecked = true }\n");
    policy("run").says(&["\"new:*\"", "a/cloud-control.entity/main", "are not known"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_may_replace_is_planned_as_an_update_that_says_so() {
    let (scene, emulator) = (Scene::new(), emulator().await);
    let at = |args: &[&str]| scene.at(emulator.url(), args);
    let network = |tenancy: &str| {
        scene.pipeline(&format!(
            "[steps.a]\nuses = \"aws\"\nwith = {{ type = \"AWS::EC2::VPC\", properties = {{ CidrBlock = \"10.0.0.0/16\", InstanceTenancy = \"{tenancy}\" }} }}\n"
        ));
    };
    network("dedicated");
    at(&["run", "pipeline.toml", "--yes"]).status(0);
    network("default");
    let planned = at(&["run", "pipeline.toml", "--dry-run"]).status(0);
    planned.says(&["InstanceTenancy: \"dedicated\" -> \"default\"", "(may force replacement)", "1 to update"]);
    let told = at(&["run", "pipeline.toml", "--dry-run", "--json"]).status(0).stdout.replace(char::is_whitespace, "");
    assert!(told.contains("\"replaces\":false,\"may_replace\":true"), "{told}");
}

#[test]
fn a_type_is_explained_and_offered_to_editors() {
    let scene = Scene::new();
    scene.llmhost(&["explain", "AWS::DynamoDB::Table"]).status(0).says(&[
        "KeySchema *",
        "replaces",
        "StreamArn",
        "Permissions",
        "dynamodb:CreateTable",
    ]);
    scene.llmhost(&["explain", "dynamodb"]).status(0).says(&["AWS::DynamoDB::GlobalTable", "AWS::DynamoDB::Table"]);
    scene.llmhost(&["explain", "AWS::DynamoDB::Tabel"]).status(2).says(&["Did you mean AWS::DynamoDB::Table?"]);
    scene.llmhost(&["explain", "AWS::Nothing::AtAll"]).status(2).says(&["lists the types of a service"]);
    scene.llmhost(&["explain", "EC2::VPC"]).status(0).says(&["AWS::EC2::VPC"]);
    scene.write("pipeline.toml", PIPELINE);
    let schema = scene.llmhost(&["schema", "pipeline.toml"]).status(0).stdout;
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let file: Value = toml::from_str(PIPELINE).unwrap();
    let problems: Vec<String> = validator.iter_errors(&file).map(|error| error.to_string()).collect();
    assert!(problems.is_empty(), "{problems:?}");
    let wrong: Value = toml::from_str(&PIPELINE.replace("TableName", "TableNam")).unwrap();
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn a_thousand_resources_of_fifty_types_are_planned_offline() {
    let scene = Scene::new();
    let types = llmhost_aws_types::names().filter_map(llmhost_aws_types::find);
    let types = types.filter(|of| of.tags().is_some() && *of.handlers() != llmhost_aws_types::Handlers::None);
    let types: Vec<_> = types.step_by(7).take(50).collect();
    let mut text = String::from("[pipeline]\nname = \"many\"\nregion = \"us-east-1\"\n[steps.many]\nuses = \"aws\"\n");
    for number in 0..1000 {
        let of = &types[number % types.len()];
        let one = Map::from_iter([("type".to_owned(), of.name().into()), ("properties".to_owned(), of.sample())]);
        let one = toml::to_string(&Map::from_iter([("x".to_owned(), Value::Object(one))])).unwrap();
        let one = one
            .replace("[x.", &format!("[steps.many.with.resources.r{number}."))
            .replace("[x]", &format!("[steps.many.with.resources.r{number}]"));
        let one = one.replace("[[x.", &format!("[[steps.many.with.resources.r{number}."));
        writeln!(text, "{one}").unwrap();
    }
    scene.write("pipeline.toml", text);
    let began = Instant::now();
    let planned = scene.llmhost(&["run", "pipeline.toml", "--dry-run"]).status(0);
    let took = began.elapsed();
    planned.says(&["1000 to create"]);
    let named: BTreeSet<&str> = types.iter().map(|of| of.name()).collect();
    println!("1,000 resources of {} types, planned in {took:.2?}", named.len());
    // An unoptimised llmhost on a busy machine; an optimised one takes less than a second.
    assert!(took < Duration::from_secs(30), "{took:?}");
}
