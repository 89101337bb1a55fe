//! The `aws` plugin: resources of any type that AWS has, without code.

use std::collections::BTreeMap;

use llmhost_plugin::{Failure, Options, Output, Outputs, Plugin, cloud_control, invalid, outputs};
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// One resource, by type and properties, or several in resources.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = checked)]
pub struct Config {
    /// The type of the resource: AWS::DynamoDB::Table. llmhost explain AWS::DynamoDB::Table prints its properties.
    #[serde(rename = "type")]
    type_name: Option<String>,
    /// Its properties, as CloudFormation names them. The pipeline's tags are added.
    #[serde(default)]
    properties: Map<String, Value>,
    /// Do not check the type and its properties: AWS has them since this llmhost was built.
    #[serde(default)]
    unchecked: bool,
    /// How long to wait until AWS has made, changed or deleted a resource.
    #[serde(default = "half_hour")]
    #[schemars(range(min = 1, max = 1440))]
    timeout_minutes: u32,
    /// Several resources, by names that you choose. They are made at the same time: what one needs of another belongs into another step.
    #[serde(default)]
    resources: BTreeMap<String, One>,
}

/// One of several resources.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct One {
    /// The type of the resource: AWS::DynamoDB::Table.
    #[serde(rename = "type")]
    type_name: String,
    /// Its properties.
    #[serde(default)]
    properties: Map<String, Value>,
    /// Do not check the type and its properties.
    #[serde(default)]
    unchecked: bool,
}

/// Has the host hold types and properties against what AWS has, where they stand in the file.
fn checked(schema: &mut Schema) {
    schema.insert("x-llmhost-check".to_owned(), "aws-resource-types".into());
}

fn half_hour() -> u32 {
    30
}

/// What the one resource is called that has no name in the file.
const MAIN: &str = "main";

struct Aws;

impl Plugin for Aws {
    type Config = Config;
    const SUMMARY: &'static str = "Resources of any AWS type, with the names of CloudFormation.";
    const OUTPUTS: &'static [Output] = &[
        Output::any("identifier", "Identifier of the single resource: its name, ARN or address, depending on its type"),
        Output::object(
            "attributes",
            "Attributes that AWS sets for the single resource, by name: Arn, StreamArn, Endpoint.Port as Endpoint = \
                { Port }",
        ),
        Output::object("resources", "Of several resources, identifier and attributes of each, by its name"),
    ];

    fn run(config: Config) -> Result<Outputs, Failure> {
        let timeout = config.timeout_minutes;
        let one = config.type_name.map(|type_name| One {
            type_name,
            properties: config.properties.clone(),
            unchecked: config.unchecked,
        });
        if one.is_none() && !config.properties.is_empty() {
            return Err(invalid("properties without a type; add type = \"AWS::…\""));
        }
        if one.is_some() != config.resources.is_empty() {
            return Err(invalid("set either one resource, with type and properties, or several in resources"));
        }
        let is_one = one.is_some();
        let all: Vec<(String, One)> = match one {
            Some(one) => vec![(MAIN.to_owned(), one)],
            None => config.resources.into_iter().collect(),
        };
        // All of them are declared before any is waited for.
        let declared = all.into_iter().map(|(name, one)| Ok((declare(&name, &one, timeout)?, name)));
        let declared = declared.collect::<Result<Vec<_>, Failure>>()?;
        let mut told = Map::new();
        for (entity, name) in declared {
            told.insert(name, json!({ "identifier": entity.identifier()?, "attributes": attributes(&entity)? }));
        }
        let (identifier, attributes) = match told.get(MAIN).filter(|_| is_one) {
            Some(one) => (one["identifier"].clone(), one["attributes"].clone()),
            None => (Value::Null, json!({})),
        };
        Ok(outputs! { "identifier": identifier, "attributes": attributes, "resources": told })
    }
}

fn declare(name: &str, one: &One, wait_minutes: u32) -> Result<cloud_control::Entity, Failure> {
    let spec = cloud_control::EntitySpec {
        type_name: one.type_name.clone(),
        properties: Value::Object(one.properties.clone()).to_string(),
        create_only: Vec::new(),
        wait_minutes,
        unchecked: one.unchecked,
    };
    cloud_control::Entity::declare(name, &spec, &Options::default())
}

/// The attributes, with parts of parts as tables: `Endpoint.Port` is `{ Endpoint: { Port } }`.
fn attributes(entity: &cloud_control::Entity) -> Result<Value, Failure> {
    let names = entity.attribute_names()?;
    let names: Vec<String> = serde_json::from_str(&names).unwrap_or_default();
    let mut told = json!({});
    // Parts come after what they are part of, and say more.
    for name in &names {
        let value = Value::from(entity.attribute(name)?);
        let mut here = &mut told;
        let mut parts = name.split('.').peekable();
        while let Some(part) = parts.next() {
            if !here.is_object() {
                *here = json!({});
            }
            match parts.peek() {
                Some(_) => here = &mut here[part],
                None => here[part] = value.clone(),
            }
        }
    }
    Ok(told)
}

llmhost_plugin::export!(Aws);
