//! What a user is told about wrong properties.

use std::fmt::Write;

use llmhost_aws_types::find;
use serde_json::{Value, json};

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let long = "x".repeat(65);
    let cases: Vec<(&str, Value)> = vec![
        (
            "AWS::DynamoDB::Table",
            json!({ "TableNam": "a", "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }] }),
        ),
        ("AWS::DynamoDB::Table", json!({ "KeySchema": [{ "AttributeName": "id", "KeyTyp": "HASH" }], "Arn": "arn" })),
        ("AWS::DynamoDB::Table", json!({ "Xylophone": 1 })),
        (
            "AWS::DynamoDB::Table",
            json!({ "KeySchema": 5, "PointInTimeRecoverySpecification": { "RecoveryPeriodInDays": 36 } }),
        ),
        ("AWS::DynamoDB::Table", json!([])),
        ("AWS::SQS::Queue", json!({ "DelaySeconds": "5", "FifoQueue": "true", "QueueName": 7, "Tags": { "a": "b" } })),
        (
            "AWS::SQS::Queue",
            json!({ "DelaySeconds": 901, "VisibilityTimeout": -1, "MaximumMessageSize": null, "QueueUrl": "x" }),
        ),
        ("AWS::SQS::Queue", json!({ "Tags": [{ "Key": "a" }, { "Key": "b", "Value": true }] })),
        ("AWS::S3::Bucket", json!({ "VersioningConfiguration": { "Status": "enabled" }, "AccessControl": "Public" })),
        ("AWS::S3::Bucket", json!({ "LifecycleConfiguration": { "Rules": { "Status": "Enabled" } } })),
        ("AWS::IAM::Role", json!({ "AssumeRolePolicyDocument": 5, "RoleName": long, "Path": "sample" })),
        ("AWS::IAM::Role", json!({ "AssumeRolePolicyDocument": {}, "RoleName": "a b", "ManagedPolicyArns": "arn" })),
        (
            "AWS::IAM::Role",
            json!({ "AssumeRolePolicyDocument": {}, "ManagedPolicyArns": ["arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/A"] }),
        ),
        ("AWS::EC2::VPC", json!({ "EnableDnsSupport": 1, "VpcEncryptionControl": { "State": "available" } })),
        (
            "AWS::Lambda::Function",
            json!({ "Code": [{ "ZipFile": "x" }], "MemorySize": 128.5, "PackageType": "zip", "Architectures": ["arm64", "x86_64"] }),
        ),
        (
            "AWS::Lambda::Function",
            json!({ "Code": {}, "Role": "arn:aws:iam::123456789012:role/a", "Environment": { "Variables": { "A/B": 1 } } }),
        ),
        (
            "AWS::Lambda::Function",
            json!({ "Code": {}, "Role": "arn:aws:iam::123456789012:role/a", "Runtime": "python3.99" }),
        ),
        ("AWS::Logs::LogGroup", json!({ "RetentionInDays": 8 })),
    ];
    let mut told = String::new();
    for (name, properties) in cases {
        writeln!(told, "{name} {}", shortened(&properties)).unwrap();
        for problem in find(name).unwrap().check(&properties, &|_| false) {
            writeln!(told, "  {} at '{}'", problem.rule.code(), problem.pointer).unwrap();
            writeln!(told, "    {}\n    {}", problem.message, problem.help).unwrap();
        }
    }
    insta::assert_snapshot!(told);
}

fn shortened(properties: &Value) -> String {
    properties.to_string().replace(&"x".repeat(65), "xxx…")
}

#[test]
fn a_type_is_described_for_a_terminal() {
    insta::assert_snapshot!("describe_table", find("AWS::DynamoDB::Table").unwrap().describe());
    insta::assert_snapshot!("describe_queue", find("AWS::SQS::Queue").unwrap().describe());
}

#[test]
fn an_editor_gets_a_schema() {
    insta::assert_snapshot!(format!("{:#}", find("AWS::SQS::Queue").unwrap().json_schema()));
}
