//! An example of a provider in Rust: parameters of AWS Systems Manager, by signed calls.
//!
//! ```toml
//! [providers.ssm]
//! uses  = "./parameters.wasm"
//! allow = ["request:ssm:* Name=/jobs/*", "request:ssm:* ResourceId=/jobs/*"]
//!
//! [steps.settings]
//! uses = "resources"
//! with = { kind = "ssm.parameter", spec = { name = "/jobs/queue", value = "${jobs.url}" } }
//! ```

use llmhost_plugin::provider::{Created, Error, Kind, Observed, aws};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The provider has no options.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Config {}

/// A parameter.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Spec {
    /// Name, with a path: /jobs/queue.
    name: String,
    /// The value, which anyone may see who may see the pipeline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// In place of a value: a secret, which is kept encrypted. That somebody else changed it is not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("writeOnly" = true))]
    secret: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Outputs {
    /// ARN of the parameter.
    arn: String,
    /// How often it was written.
    version: u64,
}

/// The answer of GetParameter.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    parameter: Parameter,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameter {
    #[serde(rename = "ARN")]
    arn: String,
    value: String,
    version: u64,
}

impl Parameter {
    fn get(name: &str) -> Result<Option<Self>, Error> {
        let answer: Option<Answer> =
            aws::json("ssm", "AmazonSSM.GetParameter", &json!({ "Name": name })).send_optional()?;
        Ok(answer.map(|answer| answer.parameter))
    }

    fn outputs(&self) -> Outputs {
        Outputs { arn: self.arn.clone(), version: self.version }
    }
}

/// The tag by which a create whose answer was lost is found again.
const TOKEN: &str = "llmhost-token";

impl Spec {
    fn put(&self, more: &Value) -> Result<(), Error> {
        let (kind, value) = match (&self.value, &self.secret) {
            (Some(value), None) => ("String", value),
            (None, Some(secret)) => ("SecureString", secret),
            _ => return Err(Error::invalid("a parameter has either a value or a secret")),
        };
        let mut put = json!({ "Name": self.name, "Value": value, "Type": kind });
        for (key, field) in more.as_object().into_iter().flatten() {
            put[key] = field.clone();
        }
        aws::json("ssm", "AmazonSSM.PutParameter", &put).done()
    }

    fn made(&self) -> Result<Option<Created<Outputs>>, Error> {
        let there = Parameter::get(&self.name)?;
        Ok(there.map(|parameter| Created { id: self.name.clone(), outputs: parameter.outputs() }))
    }
}

impl Kind for Parameter {
    type Config = Config;
    type Spec = Spec;
    type Outputs = Outputs;
    const NAME: &'static str = "parameter";
    const SUMMARY: &'static str = "A parameter of Parameter Store.";
    const IMMUTABLE: &'static [&'static str] = &["name"];
    const UNIQUE: &'static [&'static str] = &["name"];
    const IDENTITIES: &'static [&'static str] = &["arn"];

    fn create(_: &Config, spec: &Spec, token: &str) -> Result<Created<Outputs>, Error> {
        spec.put(&json!({ "Overwrite": false, "Tags": [{ "Key": TOKEN, "Value": token }] }))?;
        spec.made()?.ok_or_else(|| Error::not_found(format!("{} disappeared right after its creation", spec.name)))
    }

    fn find(_: &Config, spec: &Spec, token: &str) -> Result<Option<Created<Outputs>>, Error> {
        let of = json!({ "ResourceType": "Parameter", "ResourceId": spec.name });
        // AWS says InvalidResourceId where there is no such parameter.
        let tags: Value = match aws::json("ssm", "AmazonSSM.ListTagsForResource", &of).send() {
            Err(Error { code: Some(code), .. }) if code == "InvalidResourceId" => return Ok(None),
            other => other?,
        };
        let is_ours = |tag: &Value| tag["Key"] == TOKEN && tag["Value"] == token;
        match tags["TagList"].as_array().is_some_and(|tags| tags.iter().any(is_ours)) {
            true => spec.made(),
            false => Ok(None),
        }
    }

    fn read(_: &Config, id: &str, known: &Spec) -> Result<Option<Observed<Spec, Outputs>>, Error> {
        let Some(there) = Self::get(id)? else { return Ok(None) };
        let outputs = there.outputs();
        // An encrypted value comes encrypted, and says nothing.
        let value = if known.secret.is_some() { None } else { Some(there.value) };
        Ok(Some(Observed { spec: Spec { name: id.to_owned(), value, secret: known.secret.clone() }, outputs }))
    }

    fn update(_: &Config, id: &str, _: &Spec, new: &Spec) -> Result<Outputs, Error> {
        new.put(&json!({ "Overwrite": true }))?;
        let there = Self::get(id)?.ok_or_else(|| Error::not_found(format!("there is no parameter {id}")))?;
        Ok(there.outputs())
    }

    fn delete(_: &Config, id: &str, _: &Spec) -> Result<(), Error> {
        aws::json("ssm", "AmazonSSM.DeleteParameter", &json!({ "Name": id })).done()
    }
}

llmhost_plugin::export_provider!("Parameters of AWS Systems Manager.", [Parameter]);
