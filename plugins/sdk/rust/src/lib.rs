//! Write an llmhost plugin in Rust.
//!
//! A plugin declares resources and reads their outputs; the host makes them real. It runs twice,
//! once to plan and once to apply, and must declare the same both times.
//!
//! ```no_run
//! use llmhost_plugin::{Failure, Output, Outputs, Plugin, outputs, s3};
//!
//! /// What stands in the step's `with` table.
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     /// Name of the bucket.
//!     bucket: String,
//! }
//!
//! struct Logs;
//!
//! impl Plugin for Logs {
//!     type Config = Config;
//!     const SUMMARY: &'static str = "A bucket for logs.";
//!     const OUTPUTS: &'static [Output] = &[Output::text("arn", "ARN of the bucket")];
//!
//!     fn run(config: Config) -> Result<Outputs, Failure> {
//!         let spec = s3::BucketSpec {
//!             bucket: config.bucket,
//!             block_public_access: true,
//!             encryption: s3::Encryption::S3Managed,
//!             versioning: false,
//!             lifecycle: vec![],
//!             force_destroy: false,
//!             tags: vec![],
//!         };
//!         let bucket = s3::Bucket::declare("logs", &spec, &Default::default())?;
//!         Ok(outputs! { "arn": bucket.arn()? })
//!     }
//! }
//!
//! llmhost_plugin::export!(Logs);
//! # fn main() {}
//! ```
//!
//! A component that brings kinds of resources is written with [`provider`]; a plugin declares them by [`resources`].

mod names;
mod panic;
mod place;
pub mod provider;
pub mod resources;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

pub use names::{Names, name_of, pointer, written};
pub use place::{Applier, Elsewhere, How, Kubeconfig};

/// The bindings to the host's interfaces.
#[doc(hidden)]
#[allow(missing_docs, reason = "generated; the WIT files document it")]
pub mod bindings {
    wit_bindgen::generate!({
        inline: "
            package llmhost:guest;
            world guest {
                include llmhost:plugin/step@0.2.0;
                import llmhost:aws-ec2/ec2@0.2.0;
                import llmhost:aws-s3/s3@0.2.0;
                import llmhost:aws-sts/sts@0.2.0;
                import llmhost:aws-iam/iam@0.2.0;
                import llmhost:aws-eks/eks@0.2.0;
                import llmhost:aws-cloud-control/cloud-control@0.2.0;
                import llmhost:aws-request/request@0.2.0;
                import llmhost:kubernetes/kube@0.2.0;
                import llmhost:inference/inference@0.2.0;
                import llmhost:files/files@0.2.0;
                import llmhost:resources/resources@0.2.0;
            }
        ",
        path: [
            "wit/plugin/0.2.0",
            "wit/aws-ec2/0.2.0",
            "wit/aws-s3/0.2.0",
            "wit/aws-sts/0.2.0",
            "wit/aws-iam/0.2.0",
            "wit/aws-eks/0.2.0",
            "wit/aws-cloud-control/0.2.0",
            "wit/aws-request/0.2.0",
            "wit/kubernetes/0.2.0",
            "wit/inference/0.2.0",
            "wit/files/0.2.0",
            "wit/resources/0.2.0",
        ],
        world: "llmhost:guest/guest",
        pub_export_macro: true,
        default_bindings_module: "llmhost_plugin::bindings",
        additional_derives: [Clone],
        generate_all,
    });
}

pub use bindings::llmhost::aws_cloud_control::cloud_control;
pub use bindings::llmhost::aws_ec2::ec2;
pub use bindings::llmhost::aws_eks::eks;
pub use bindings::llmhost::aws_iam::iam;
pub use bindings::llmhost::aws_request::request;
pub use bindings::llmhost::aws_s3::s3;
pub use bindings::llmhost::aws_sts::sts;
pub use bindings::llmhost::files::files;
pub use bindings::llmhost::inference::inference;
pub use bindings::llmhost::kubernetes::kube;
pub use bindings::llmhost::plugin::log;
#[doc(hidden)]
pub use bindings::llmhost::plugin::types::{Description, OutputDoc};
pub use bindings::llmhost::plugin::types::{Failure, FailureCode, Options, ValueType, Which};
pub use bindings::llmhost::plugin::values::is_known;
/// For JSON in texts: properties of `cloud-control`, parameters of `request`, manifests of `kube`.
pub use serde_json;

/// A step's outputs by name; [`outputs!`] makes them.
pub type Outputs = serde_json::Map<String, serde_json::Value>;

/// An output of a step.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    name: &'static str,
    description: &'static str,
    value_type: Option<ValueType>,
    sensitive: bool,
}

impl Output {
    const fn of(name: &'static str, value_type: Option<ValueType>, description: &'static str) -> Self {
        Self { name, description, value_type, sensitive: false }
    }

    /// Keeps the value out of everything that is shown: the terminal, `--json`, graphs, logs. Other steps get it.
    pub const fn sensitive(mut self) -> Self {
        self.sensitive = true;
        self
    }

    /// A string.
    pub const fn text(name: &'static str, description: &'static str) -> Self {
        Self::of(name, Some(ValueType::Text), description)
    }

    /// A number.
    pub const fn number(name: &'static str, description: &'static str) -> Self {
        Self::of(name, Some(ValueType::Number), description)
    }

    /// `true` or `false`.
    pub const fn boolean(name: &'static str, description: &'static str) -> Self {
        Self::of(name, Some(ValueType::Boolean), description)
    }

    /// An array.
    pub const fn array(name: &'static str, description: &'static str) -> Self {
        Self::of(name, Some(ValueType::Array), description)
    }

    /// An object.
    pub const fn object(name: &'static str, description: &'static str) -> Self {
        Self::of(name, Some(ValueType::Object), description)
    }

    /// A value of any type.
    pub const fn any(name: &'static str, description: &'static str) -> Self {
        Self::of(name, None, description)
    }
}

/// A plugin.
pub trait Plugin {
    /// The step's `with` table. Its doc comments become the descriptions that users see; put
    /// `#[serde(deny_unknown_fields)]` on it, so that a misspelt option is an error.
    type Config: DeserializeOwned + JsonSchema;
    /// One sentence: what the step makes.
    const SUMMARY: &'static str;
    /// Every output.
    const OUTPUTS: &'static [Output];
    /// The grants that its calls of `cloud_control` and `request` need, such as `cloud-control:AWS::SNS::Topic`. Whoever
    /// uses the plugin is told; for the other interfaces the host sees what is needed.
    const NEEDS: &'static [&'static str] = &[];

    /// Declares the step's resources and returns its outputs.
    fn run(config: Self::Config) -> Result<Outputs, Failure>;
}

/// Makes a step's outputs: `outputs! { "vpc_id": vpc.id()?, … }`.
#[macro_export]
macro_rules! outputs {
    ($($name:literal: $value:expr),* $(,)?) => {{
        let mut outputs = $crate::Outputs::new();
        $(outputs.insert($name.to_owned(), $crate::serde_json::json!($value));)*
        outputs
    }};
}

/// A failure of the plugin's own, and no crash.
pub fn failure(code: FailureCode, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into() }
}

/// A failure for a wrong option.
pub fn invalid(message: impl Into<String>) -> Failure {
    failure(FailureCode::Invalid, message)
}

/// Refuses what Kubernetes takes for no name, where the name becomes part of another one first: the message speaks of
/// the option that was written. What is not known yet may become anything.
pub fn kubernetes_name(option: &str, name: &str) -> Result<(), Failure> {
    let is_part = |part: &str| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !part.is_empty() && part.chars().all(allowed) && !part.starts_with('-') && !part.ends_with('-')
    };
    match name.contains("<<") || name.split('.').all(is_part) {
        true => Ok(()),
        false => Err(invalid(format!(
            "{option} '{name}' is not a valid name for Kubernetes: lower-case letters, digits and hyphens, starting and \
             ending with a letter or digit"
        ))),
    }
}

#[allow(clippy::derivable_impls, reason = "the type is generated; others of its file have no default")]
impl Default for Which {
    fn default() -> Self {
        Self { id: None, name: None, tags: Vec::new(), attributes: Vec::new(), all: false }
    }
}

#[allow(clippy::derivable_impls, reason = "the type is generated; others of its file have no default")]
impl Default for Options {
    fn default() -> Self {
        Self { after: Vec::new() }
    }
}

/// Makes a type that is a [`Plugin`] the component's plugin.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        const _: () = {
            struct Component;

            impl $crate::bindings::Guest for Component {
                fn describe() -> $crate::Description {
                    $crate::describe::<$plugin>()
                }

                fn run(config: String) -> Result<String, $crate::Failure> {
                    $crate::run::<$plugin>(&config)
                }
            }

    $crate::bindings::export!(Component with_types_in $crate::bindings);
        };
    };
}

#[doc(hidden)]
pub fn describe<P: Plugin>() -> Description {
    panic::speak();
    let schema = schemars::schema_for!(P::Config);
    let output = |output: &Output| OutputDoc {
        name: output.name.to_owned(),
        description: output.description.to_owned(),
        value_type: output.value_type,
        sensitive: output.sensitive,
    };
    Description {
        summary: P::SUMMARY.to_owned(),
        config_schema: schema.as_value().to_string(),
        outputs: P::OUTPUTS.iter().map(output).collect(),
        needs: P::NEEDS.iter().map(ToString::to_string).collect(),
    }
}

#[doc(hidden)]
pub fn run<P: Plugin>(config: &str) -> Result<String, Failure> {
    panic::speak();
    let config = serde_json::from_str(config).map_err(|error| invalid(format!("the configuration: {error}")))?;
    P::run(config).map(|outputs| serde_json::Value::Object(outputs).to_string())
}
