//! A plugin that declares the records in its options. `@other.output` in one of them is an output of another that
//! comes before it by its name.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

wit_bindgen::generate!({
    inline: "
        package test:records;
        world records {
            include llmhost:plugin/step@0.2.0;
            import llmhost:resources/resources@0.2.0;
        }
    ",
    path: ["../../../../../wit/plugin/0.2.0", "../../../../../wit/resources/0.2.0"],
    world: "test:records/records",
    generate_all,
});

use llmhost::plugin::types::{FailureCode, Options, OutputDoc};
use llmhost::resources::resources::Any;

struct Records;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("the host gives JSON")
}

impl Guest for Records {
    fn describe() -> Description {
        let output = |name: &str| OutputDoc {
            name: name.to_owned(),
            description: String::new(),
            value_type: None,
            sensitive: false,
        };
        let config_schema = json!({
            "type": "object",
            "properties": { "kind": { "type": "string" }, "records": { "type": "object" } },
        });
        Description {
            summary: "Declares records.".into(),
            config_schema: config_schema.to_string(),
            outputs: vec![output("fqdns"), output("ids")],
            needs: vec![],
        }
    }

    fn run(config: String) -> Result<String, Failure> {
        let config = parsed(&config);
        let kind = config["kind"].as_str().unwrap_or("dns.record");
        let mut declared: BTreeMap<String, Any> = BTreeMap::new();
        for (name, spec) in config["records"].as_object().into_iter().flatten() {
            let mut spec = spec.clone();
            for value in spec.as_object_mut().into_iter().flat_map(Map::values_mut) {
                let Some((of, output)) = value.as_str().and_then(|text| text.strip_prefix('@')?.split_once('.')) else {
                    continue;
                };
                let invalid =
                    || Failure { code: FailureCode::Invalid, message: format!("there is no {of} before {name}") };
                *value = parsed(&declared.get(of).ok_or_else(invalid)?.output(output)?);
            }
            declared.insert(name.clone(), Any::declare(kind, name, &spec.to_string(), &Options { after: vec![] })?);
        }
        let read = |output: &str| -> Result<Value, Failure> {
            let each = declared.iter().map(|(name, record)| Ok((name.clone(), parsed(&record.output(output)?))));
            Ok(Value::Object(each.collect::<Result<_, Failure>>()?))
        };
        Ok(json!({ "fqdns": read("fqdn")?, "ids": read("id")? }).to_string())
    }
}

export!(Records);
