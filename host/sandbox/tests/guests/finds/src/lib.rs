//! A plugin that looks up a network and puts a security group into it.

use llmhost_plugin::{Failure, Options, Output, Outputs, Plugin, Which, ec2, outputs};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Config {
    /// Name of a VPC that exists.
    network: String,
    /// What of its subnets is read.
    attribute: String,
}

struct Finds;

impl Plugin for Finds {
    type Config = Config;
    const SUMMARY: &'static str = "Looks up a network.";
    const OUTPUTS: &'static [Output] =
        &[Output::text("group", "Id of the group"), Output::array("subnets", "The attribute of each subnet")];

    fn run(config: Config) -> Result<Outputs, Failure> {
        let which = Which { name: Some(config.network), ..Which::default() };
        let vpc = ec2::existing("vpc", &which, "id")?.remove(0);
        let attributes = vec![("vpc_id".to_owned(), vpc.clone())];
        let tags = vec![("tier".to_owned(), "private".to_owned())];
        let all = Which { tags, attributes, all: true, ..Which::default() };
        let subnets = ec2::existing("subnet", &all, &config.attribute)?;
        let spec = ec2::SecurityGroupSpec {
            vpc_id: vpc,
            group_name: "finds".to_owned(),
            description: "In a network that was looked up".to_owned(),
            tags: Vec::new(),
        };
        let group = ec2::SecurityGroup::declare("it", &spec, &Options::default())?;
        Ok(outputs! { "group": group.id()?, "subnets": subnets })
    }
}

llmhost_plugin::export!(Finds);
