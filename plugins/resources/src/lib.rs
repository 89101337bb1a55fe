//! The `resources` plugin: resources of the kinds that the file's providers bring, without code.

use std::collections::BTreeMap;

use llmhost_plugin::resources::Any;
use llmhost_plugin::{Failure, Options, Output, Outputs, Plugin, invalid, outputs};
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// One resource, by kind and spec, or several in resources.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = checked)]
pub struct Config {
    /// The kind of the resource: dns.record, by the provider's name in this file and one of its kinds. llmhost plugin inspect prints
    /// the kinds of a provider.
    kind: Option<String>,
    /// What the resource is to be, by the kind's schema.
    #[serde(default)]
    spec: Map<String, Value>,
    /// The outputs of the kind that this step gives on, beside id.
    #[serde(default)]
    outputs: Vec<String>,
    /// Several resources, by names that you choose. They are made at the same time: what one needs of another belongs into another step.
    #[serde(default)]
    resources: BTreeMap<String, One>,
}

/// One of several resources.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct One {
    /// The kind of the resource: dns.record.
    kind: String,
    /// What the resource is to be.
    #[serde(default)]
    spec: Map<String, Value>,
    /// The outputs of the kind that this step gives on, beside id.
    #[serde(default)]
    outputs: Vec<String>,
}

/// Has the host hold kinds and specs against what the providers bring, where they stand in the file.
fn checked(schema: &mut Schema) {
    schema.insert("x-llmhost-check".to_owned(), "provider-kinds".into());
}

/// What the one resource is called that has no name in the file.
const MAIN: &str = "main";

struct Resources;

impl Plugin for Resources {
    type Config = Config;
    const SUMMARY: &'static str = "Resources of the kinds of the file's providers.";
    const OUTPUTS: &'static [Output] = &[
        Output::any("id", "Id of the single resource"),
        Output::object("outputs", "Its outputs that are passed on, by name"),
        Output::object("resources", "Of several resources, id and outputs of each, by its name"),
    ];

    fn run(config: Config) -> Result<Outputs, Failure> {
        let Config { kind, spec, outputs, resources } = config;
        if kind.is_none() && !(spec.is_empty() && outputs.is_empty()) {
            return Err(invalid("spec or outputs without a kind; add kind = \"NAME.KIND\""));
        }
        if kind.is_some() != resources.is_empty() {
            return Err(invalid("set either one resource, with kind and spec, or several in resources"));
        }
        let is_one = kind.is_some();
        let all: Vec<(String, One)> = match kind {
            Some(kind) => vec![(MAIN.to_owned(), One { kind, spec, outputs })],
            None => resources.into_iter().collect(),
        };
        // All of them are declared before any is waited for.
        let declared = all.into_iter().map(|(name, one)| {
            let resource = Any::declare(&one.kind, &name, &one.spec, &Options::default())?;
            Ok((name, resource, one.outputs))
        });
        let declared = declared.collect::<Result<Vec<_>, Failure>>()?;
        let mut told = Map::new();
        for (name, resource, names) in declared {
            let values = names.into_iter().map(|output| Ok((output.clone(), resource.output::<Value>(&output)?)));
            let values: Map<String, Value> = values.collect::<Result<_, Failure>>()?;
            told.insert(name, json!({ "id": resource.output::<Value>("id")?, "outputs": values }));
        }
        let (id, values) = match told.get(MAIN).filter(|_| is_one) {
            Some(one) => (one["id"].clone(), one["outputs"].clone()),
            None => (Value::Null, json!({})),
        };
        Ok(outputs! { "id": id, "outputs": values, "resources": told })
    }
}

llmhost_plugin::export!(Resources);
