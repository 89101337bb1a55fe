//! A plugin that looks into a value that another step gives, in a way that its configuration names.

use llmhost_plugin::{Failure, Options, Output, Outputs, Plugin, ec2, outputs, s3};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Config {
    /// What it does.
    how: String,
    /// The id of a VPC.
    vpc_id: String,
    /// Filled in by the host where the file says nothing: the plugin itself has no default.
    #[schemars(default = "three")]
    size: u32,
}

fn three() -> u32 {
    3
}

struct Peek;

impl Plugin for Peek {
    type Config = Config;
    const SUMMARY: &'static str = "Looks into a value.";
    const OUTPUTS: &'static [Output] = &[
        Output::text("group", "Id of the group"),
        Output::number("size", "The size"),
        Output::text("seen", "What it saw"),
    ];

    fn run(config: Config) -> Result<Outputs, Failure> {
        let vpc = &config.vpc_id;
        let looks_real = vpc.starts_with("vpc-");
        if config.how == "crash" && looks_real {
            too_real(vpc);
        }
        if config.how == "cut" {
            bucket(&format!("logs-{}", &vpc[vpc.len() - 6..]))?;
        }
        let spec = |name: &str| ec2::SecurityGroupSpec {
            vpc_id: vpc.clone(),
            group_name: name.to_owned(),
            description: "for a test".into(),
            tags: vec![("in".into(), format!("it is in {vpc}"))],
        };
        let group = ec2::SecurityGroup::declare("it", &spec("peek"), &Options::default())?;
        if config.how == "branch" && looks_real {
            ec2::SecurityGroup::declare("extra", &spec("extra"), &Options::default())?;
        }
        let seen = if config.how == "output" { vpc.to_uppercase() } else { vpc.clone() };
        Ok(outputs! { "group": group.id()?, "size": config.size, "seen": seen })
    }
}

fn bucket(name: &str) -> Result<(), Failure> {
    let spec = s3::BucketSpec {
        bucket: name.to_owned(),
        block_public_access: true,
        encryption: s3::Encryption::S3Managed,
        versioning: false,
        lifecycle: vec![],
        force_destroy: true,
        tags: vec![],
    };
    s3::Bucket::declare("logs", &spec, &Options::default()).map(drop)
}

#[inline(never)]
fn too_real(vpc: &str) {
    panic!("{} is too real", &vpc[..4]);
}

llmhost_plugin::export!(Peek);
