//! A topic for alerts, a bucket that keeps them, and a security group for who reads them.

use llmhost_plugin::{Failure, Options, Output, Outputs, Plugin, cloud_control, ec2, log, outputs, s3, serde_json::json};

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {
    /// Name of the topic; the bucket and the security group get it as well.
    #[schemars(regex(pattern = "^[a-z0-9-]{3,40}$"))]
    name: String,
    /// The network of the security group.
    vpc_id: String,
    /// Who may read, an IPv4 range.
    #[serde(default = "private")]
    source: String,
    /// The port that they read at.
    #[serde(default = "https")]
    #[schemars(range(min = 1))]
    port: u16,
    /// Whether changed alerts are kept.
    #[serde(default)]
    versioning: bool,
}

fn private() -> String {
    "10.0.0.0/8".to_owned()
}

fn https() -> u16 {
    443
}

struct Alerts;

impl Plugin for Alerts {
    type Config = Config;
    const SUMMARY: &'static str = "A topic for alerts, a bucket that keeps them, and a security group for who reads them.";
    const OUTPUTS: &'static [Output] = &[
        Output::text("topic_arn", "ARN of the topic").sensitive(),
        Output::text("bucket_arn", "ARN of the bucket"),
        Output::text("security_group_id", "ID of the security group"),
        Output::number("port", "The port"),
    ];
    const NEEDS: &'static [&'static str] = &["cloud-control:AWS::SNS::Topic"];

    fn run(config: Config) -> Result<Outputs, Failure> {
        let options = Options::default();
        let topic = cloud_control::EntitySpec {
            type_name: "AWS::SNS::Topic".to_owned(),
            properties: json!({ "TopicName": config.name }).to_string(),
            create_only: vec!["TopicName".to_owned()],
            wait_minutes: 5,
            unchecked: false,
        };
        let topic = cloud_control::Entity::declare("alerts", &topic, &options)?;
        let bucket = s3::BucketSpec {
            bucket: format!("{}-archive", config.name),
            block_public_access: true,
            encryption: s3::Encryption::S3Managed,
            versioning: config.versioning,
            lifecycle: vec![],
            force_destroy: false,
            tags: vec![("holds".to_owned(), "alerts".to_owned())],
        };
        let bucket = s3::Bucket::declare("archive", &bucket, &options)?;
        let group = ec2::SecurityGroupSpec {
            vpc_id: config.vpc_id,
            group_name: config.name.clone(),
            description: "Reads alerts".to_owned(),
            tags: vec![],
        };
        let group = ec2::SecurityGroup::declare("readers", &group, &options)?;
        let rule = ec2::SecurityGroupRuleSpec {
            security_group_id: group.id()?,
            direction: ec2::Direction::Ingress,
            ip_protocol: "tcp".to_owned(),
            from_port: config.port,
            to_port: config.port,
            peer: ec2::Peer::Cidr(config.source),
            description: "Readers".to_owned(),
            tags: vec![],
        };
        ec2::SecurityGroupRule::declare("readers", &rule, &options)?;
        log::write(log::Level::Info, &format!("alerts of {} are kept", config.name));
        Ok(outputs! {
            "topic_arn": topic.identifier()?,
            "bucket_arn": bucket.arn()?,
            "security_group_id": group.id()?,
            "port": config.port,
        })
    }
}

llmhost_plugin::export!(Alerts);
