//! The embedded table: every type of it, and a few that everybody knows.

use llmhost_aws_types::{
    BYTES, Handlers, Operation, ReplacementOrder, Replaces, Shape, TagForm, Type, find, names, source,
};
use serde_json::{Value, json};
use std::sync::Arc;

fn closed(_: &str) -> bool {
    false
}

fn of(name: &str) -> Arc<Type> {
    find(name).unwrap_or_else(|| panic!("{name} is in the table"))
}

fn immutable(name: &str) -> Vec<&'static str> {
    of(name).immutable().collect()
}

fn attributes(name: &str) -> Vec<String> {
    of(name).attributes().map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn the_table_has_every_type_and_stays_small() {
    assert!(BYTES.len() < 2_500_000, "{} bytes", BYTES.len());
    let all: Vec<&str> = names().collect();
    assert!(all.len() > 1_800 && all.is_sorted(), "{}", all.len());
    assert!(source().contains("aws-service-spec 0.1.") && source().contains("c7n-awscc"), "{}", source());
    assert!(find("AWS::S3::Bukcet").is_none());
}

#[test]
fn the_table_knows_which_permissions_most_types_need() {
    let handlers = |wanted: fn(&Handlers) -> bool| names().filter(|name| wanted(of(name).handlers())).count();
    assert!(handlers(|of| matches!(of, Handlers::Known(_))) > 1_650);
    assert!(handlers(|of| *of == Handlers::Unknown) < 60);
    let queue = of("AWS::SQS::Queue");
    let actions = queue.handlers().actions(&[Operation::Create, Operation::Delete]).unwrap();
    assert!(actions.contains("sqs:CreateQueue") && actions.contains("sqs:DeleteQueue"), "{actions:?}");
    assert!(!actions.contains("sqs:SetQueueAttributes"), "{actions:?}");
    // Cloud Control has no handlers of what CloudFormation makes itself.
    assert_eq!(*of("AWS::DocDB::DBInstance").handlers(), Handlers::None);
    for name in names() {
        let actions = of(name).handlers().actions(&Operation::ALL).unwrap_or_default();
        assert!(actions.iter().all(|action| action.split(':').count() == 2 && !action.contains(' ')), "{name}");
    }
}

#[test]
fn a_type_that_cannot_be_updated_is_replaced_by_any_change() {
    let fixed = |of: &Type| matches!(of.handlers(), Handlers::Known(known) if !known.contains_key(&Operation::Update));
    let fixed: Vec<Arc<Type>> = names().map(of).filter(|one| fixed(one)).collect();
    assert!(fixed.len() > 100, "{}", fixed.len());
    for one in fixed {
        assert_eq!(one.immutable().count(), one.properties().len(), "{}", one.name());
    }
}

#[test]
fn every_sample_passes_its_own_check() {
    let mut failed = Vec::new();
    for name in names() {
        let one = of(name);
        let sample = one.sample();
        assert_eq!(sample, one.sample(), "{name}");
        let problems = one.check(&sample, &closed);
        if !problems.is_empty() {
            failed.push(format!("{name}: {problems:?}\n{sample:#}"));
        }
    }
    assert!(
        failed.is_empty(),
        "{} fail, the first of them:\n{}",
        failed.len(),
        failed[..failed.len().min(3)].join("\n")
    );
}

#[test]
fn every_type_can_be_described_and_has_a_schema() {
    for name in names() {
        let one = of(name);
        let text = one.describe();
        assert!(text.starts_with(name));
        for line in text.lines().filter(|line| line.len() > 100) {
            // What is wider is a single word, behind the name of a fact.
            assert!(line.split_whitespace().count() <= 2, "{name}: {line}");
        }
        let schema = one.json_schema();
        let mut missing = Vec::new();
        references(&schema, &schema["definitions"], &mut missing);
        assert!(missing.is_empty(), "{name}: {missing:?}");
        for property in one.properties() {
            assert!(!schema["properties"][property.name].is_null(), "{name}.{}", property.name);
        }
    }
}

fn references(node: &Value, definitions: &Value, missing: &mut Vec<String>) {
    if let Some(name) = node["$ref"].as_str().and_then(|path| path.strip_prefix("#/definitions/"))
        && definitions[name].is_null()
    {
        missing.push(name.to_owned());
    }
    match node {
        Value::Object(all) => all.values().for_each(|one| references(one, definitions, missing)),
        Value::Array(all) => all.iter().for_each(|one| references(one, definitions, missing)),
        _ => {}
    }
}

#[test]
fn every_attribute_and_identifier_has_a_sample() {
    for name in names() {
        let one = of(name);
        for attribute in one.attributes().map(|(name, _)| name).chain(one.primary_identifier().iter().copied()) {
            let sample = one.sample_attribute(attribute);
            let known = sample.is_some() || one.property(attribute).is_none();
            assert!(known, "{name}.{attribute}");
        }
    }
}

#[test]
fn well_known_types_are_as_aws_documents_them() {
    assert_eq!(of("AWS::DynamoDB::Table").primary_identifier(), ["TableName"]);
    assert_eq!(attributes("AWS::DynamoDB::Table"), ["Arn", "StreamArn"]);
    assert_eq!(immutable("AWS::DynamoDB::Table"), ["ImportSourceSpecification", "KeySchema", "TableName"]);
    assert!(immutable("AWS::EC2::VPC").contains(&"CidrBlock"));
    assert_eq!(of("AWS::EC2::VPC").property("InstanceTenancy").unwrap().replaces, Replaces::Maybe);
    assert_eq!(of("AWS::S3::Bucket").primary_identifier(), ["BucketName"]);
    assert!(immutable("AWS::S3::Bucket").contains(&"BucketName"));
    assert_eq!(of("AWS::SQS::Queue").primary_identifier(), ["QueueUrl"]);
    assert_eq!(immutable("AWS::SQS::Queue"), ["FifoQueue", "QueueName"]);
    assert_eq!(immutable("AWS::IAM::Role"), ["Path", "RoleName"]);
    assert!(of("AWS::IAM::Role").property("AssumeRolePolicyDocument").unwrap().required);
    let function = of("AWS::Lambda::Function");
    assert!(function.write_only().contains(&"/Code/ZipFile"));
    assert!(function.is_write_only("/Code/ZipFile") && !function.is_write_only("/Code"));
    assert!(of("AWS::S3::Bucket").is_write_only("/LifecycleConfiguration/Rules/3/Transition/TransitionDate"));
    assert_eq!(of("AWS::Connect::Rule").replacement_order(), Some(ReplacementOrder::DeleteThenCreate));
    assert_eq!(of("AWS::Serverless::Function").transform(), Some("AWS::Serverless-2016-10-31"));
    assert!(of("AWS::SQS::Queue").regions().contains(&"eu-central-1"));
    assert_eq!(of("AWS::ApiGateway::Model").primary_identifier(), ["RestApiId", "Name"]);
    assert_eq!(of("AWS::ApiGateway::Model").reference(), ["Name"]);
}

#[test]
fn tags_have_three_forms() {
    for (name, property, form) in [
        ("AWS::S3::Bucket", "Tags", TagForm::List),
        ("AWS::AutoScaling::AutoScalingGroup", "Tags", TagForm::ListThatPropagates),
        ("AWS::ApiGatewayV2::Api", "Tags", TagForm::Map),
    ] {
        let one = of(name);
        let tags = one.tags().unwrap();
        assert_eq!((tags.property, tags.form), (property, form), "{name}");
    }
    assert!(of("AWS::EC2::Route").tags().is_none());
    // In whatever form: their order means nothing.
    for one in names().filter_map(find) {
        if let Some(tags) = one.tags()
            && matches!(one.property(tags.property).map(|property| &property.shape), Some(Shape::List(_)))
        {
            assert!(!one.is_ordered(&format!("/{}", tags.property)), "{}", one.name());
        }
    }
}

#[test]
fn attributes_look_like_what_they_are() {
    for (name, attribute, sample) in [
        ("AWS::SQS::Queue", "Arn", "arn:aws:sqs:us-east-1:123456789012:sample"),
        ("AWS::SQS::Queue", "QueueUrl", "https://sqs.us-east-1.amazonaws.com/123456789012/sample"),
        ("AWS::EC2::VPC", "VpcId", "vpc-0123456789abcdef0"),
        ("AWS::EC2::Subnet", "SubnetId", "subnet-0123456789abcdef0"),
        ("AWS::EC2::SecurityGroup", "GroupId", "sg-0123456789abcdef0"),
        ("AWS::DynamoDB::Table", "Arn", "arn:aws:dynamodb:us-east-1:123456789012:table/sample"),
        ("AWS::DynamoDB::Table", "TableName", "sample"),
        ("AWS::IAM::Role", "Arn", "arn:aws:iam::123456789012:role/sample"),
    ] {
        assert_eq!(of(name).sample_attribute(attribute), Some(sample.into()), "{name}.{attribute}");
    }
    assert_eq!(of("AWS::SQS::Queue").sample_attribute("Nothing"), None);
}

#[test]
fn a_change_is_told_by_the_properties_that_differ() {
    let table = of("AWS::DynamoDB::Table");
    let old = json!({ "TableName": "a", "BillingMode": "PROVISIONED", "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }] });
    let mut new = old.clone();
    new["BillingMode"] = "PAY_PER_REQUEST".into();
    assert!(table.replaces(&old, &new).is_empty());
    new["TableName"] = "b".into();
    new["KeySchema"][0]["AttributeName"] = "key".into();
    assert_eq!(table.replaces(&old, &new), ["/KeySchema", "/TableName"]);
    let vpc = of("AWS::EC2::VPC");
    let [old, new] =
        ["default", "dedicated"].map(|tenancy| json!({ "CidrBlock": "10.0.0.0/16", "InstanceTenancy": tenancy }));
    assert!(vpc.replaces(&old, &new).is_empty());
    assert_eq!(vpc.may_replace(&old, &new), ["/InstanceTenancy"]);
    // A part of an object can be what replaces.
    let fleet = of("AWS::EC2::EC2Fleet");
    let [old, new] = ["vcpu", "units"].map(
        |unit| json!({ "TargetCapacitySpecification": { "TargetCapacityUnitType": unit, "TotalTargetCapacity": 1 } }),
    );
    assert_eq!(fleet.replaces(&old, &new), ["/TargetCapacitySpecification/TargetCapacityUnitType"]);
}

#[test]
fn the_order_of_a_set_means_nothing() {
    let role = of("AWS::IAM::Role");
    assert!(!role.is_ordered("/ManagedPolicyArns") && !role.is_ordered("/Tags"));
    assert!(role.is_ordered("/Path") && role.is_ordered("/Nothing"));
    let [one, other] = [["a", "b"], ["b", "a"]].map(|arns| json!({ "ManagedPolicyArns": arns, "Path": "/" }));
    assert!(role.same(&one, &other));
    assert!(!role.same(&one, &json!({ "ManagedPolicyArns": ["a", "a"], "Path": "/" })));
    assert!(role.same_at("/ManagedPolicyArns", &json!(["a", "b"]), &json!(["b", "a"])));
    let layers = of("AWS::Lambda::Function");
    assert!(layers.is_ordered("/Layers"));
    assert!(!layers.same(&json!({ "Layers": ["a", "b"] }), &json!({ "Layers": ["b", "a"] })));
}

#[test]
fn what_is_not_known_yet_is_only_there() {
    let queue = of("AWS::SQS::Queue");
    let open = |text: &str| text.starts_with("<<");
    let given = json!({ "QueueName": "<<1>>", "DelaySeconds": "<<2>>", "Tags": "<<3>>", "FifoQueue": "no" });
    let problems = queue.check(&given, &open);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].pointer, "/FifoQueue");
    let vpc = of("AWS::EC2::VPC");
    assert!(vpc.check(&json!({ "CidrBlock": "<<1>>" }), &open).is_empty());
}
