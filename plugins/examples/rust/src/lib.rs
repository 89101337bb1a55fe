//! An example in Rust: a queue for jobs, whose address others find in Parameter Store.
//!
//! llmhost has no interface for SQS and none for Parameter Store. `cloud-control` makes any resource
//! that AWS has a type for, and `request` any call; the step that uses this plugin grants both:
//!
//! ```toml
//! [steps.jobs]
//! uses  = "./queue.wasm"
//! allow = ["cloud-control:AWS::SQS::Queue", "request:ssm:PutParameter Name=/jobs/*", "request:ssm:DeleteParameter Name=/jobs/*"]
//! with  = { name = "jobs", keep_days = 3, parameter = "/jobs/queue" }
//! ```

use llmhost_plugin::{Failure, Options, Output, Outputs, Plugin, cloud_control, outputs, request};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// A queue, and where its address is written down.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the queue.
    name: String,
    /// How long a message is kept.
    #[serde(default = "four")]
    #[schemars(range(min = 1, max = 14))]
    keep_days: u32,
    /// Name of the parameter.
    parameter: String,
}

fn four() -> u32 {
    4
}

/// The plugin.
pub struct Queue;

impl Plugin for Queue {
    type Config = Config;
    const SUMMARY: &'static str = "A queue for jobs, with its address in Parameter Store.";
    const OUTPUTS: &'static [Output] =
        &[Output::text("url", "Address of the queue"), Output::any("parameter_version", "Version of the parameter")];

    const NEEDS: &'static [&'static str] =
        &["cloud-control:AWS::SQS::Queue", "request:ssm:PutParameter", "request:ssm:DeleteParameter"];

    fn run(config: Config) -> Result<Outputs, Failure> {
        let properties = json!({ "QueueName": config.name, "MessageRetentionPeriod": config.keep_days * 24 * 60 * 60 });
        let spec = cloud_control::EntitySpec {
            type_name: "AWS::SQS::Queue".to_owned(),
            properties: properties.to_string(),
            create_only: vec!["QueueName".to_owned()],
            wait_minutes: 5,
            unchecked: false,
        };
        let queue = cloud_control::Entity::declare("jobs", &spec, &Options::default())?;
        let url = queue.identifier()?;
        let put = json!({ "Name": config.parameter, "Value": url, "Type": "String", "Overwrite": true });
        let spec = request::CallSpec {
            call: parameter_store("PutParameter", &put),
            undo: Some(parameter_store("DeleteParameter", &json!({ "Name": config.parameter }))),
            // It says the same however often it is said.
            repeatable: true,
        };
        let written = request::Call::declare("address", &spec, &Options::default())?;
        // In a plan there is no answer yet.
        let version =
            serde_json::from_str::<Value>(&written.response()?).map_or(Value::Null, |said| said["Version"].clone());
        Ok(outputs! { "url": url, "parameter_version": version })
    }
}

fn parameter_store(action: &str, parameters: &Value) -> request::Message {
    request::Message {
        service: "ssm".to_owned(),
        endpoint_prefix: None,
        protocol: request::Protocol::Json(request::JsonTarget {
            target: format!("AmazonSSM.{action}"),
            version: "1.1".to_owned(),
        }),
        parameters: parameters.to_string(),
    }
}

llmhost_plugin::export!(Queue);
