//! Resources of providers that stand in a step's options, held against their kinds where they stand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use llmhost_engine::config_check::{ConfigCheck, ConfigProblem};
use llmhost_engine::diagnostic::did_you_mean;
use llmhost_engine::pipeline::ConfigSchema;
use llmhost_engine::pointer;
use serde_json::Value;

/// What a plugin's schema asks for it by.
pub const NAME: &str = "provider-kinds";

/// Checks tables with `kind` and `spec`: the options themselves, or each of `resources` in them.
#[derive(Default)]
pub struct SpecCheck {
    /// By `dns.record`.
    kinds: BTreeMap<&'static str, Known>,
}

struct Known {
    schema: Arc<ConfigSchema>,
    outputs: BTreeSet<String>,
}

impl SpecCheck {
    pub(crate) fn add(&mut self, kind: &'static str, schema: &Arc<ConfigSchema>, outputs: &BTreeSet<String>) {
        self.kinds.insert(kind, Known { schema: Arc::clone(schema), outputs: outputs.clone() });
    }

    fn one(&self, one: &Value, at: &str) -> Vec<ConfigProblem> {
        let Some(kind) = one.get("kind").and_then(Value::as_str) else { return Vec::new() };
        let Some(Known { schema, outputs }) = self.kinds.get(kind) else {
            let all: Vec<&str> = self.kinds.keys().copied().collect();
            let help = match (did_you_mean(kind, all.iter().copied()), all.is_empty()) {
                (Some(near), _) => format!("Did you mean '{near}'?"),
                (None, false) => format!("The providers of this file have {}.", all.join(", ")),
                (None, true) => "This file has no providers; declare one in [providers.NAME].".to_owned(),
            };
            let message = format!("no provider has the kind '{kind}'");
            return vec![ConfigProblem { pointer: format!("{at}/kind"), is_of_keys: false, message, help }];
        };
        let mut found = unknown_outputs(kind, one, at, outputs);
        let empty = Value::Object(serde_json::Map::new());
        let spec = match one.get("spec") {
            None => &empty,
            // A reference, or of another type, which the plugin's own schema says.
            Some(spec) if !spec.is_object() => return found,
            Some(spec) => spec,
        };
        let spec = schema.filled(spec).unwrap_or_else(|| spec.clone());
        let problems = schema.problems("the spec", &spec).into_iter();
        found.extend(problems.map(|one| ConfigProblem { pointer: format!("{at}/spec{}", one.pointer), ..one }));
        found
    }
}

/// Outputs that a resource is to give on and its kind has not.
fn unknown_outputs(kind: &str, one: &Value, at: &str, known: &BTreeSet<String>) -> Vec<ConfigProblem> {
    let named = one.get("outputs").and_then(Value::as_array).into_iter().flatten().enumerate();
    let named = named.filter_map(|(index, name)| Some((index, name.as_str()?)));
    let problem = |(index, name): (usize, &str)| {
        let help = match (did_you_mean(name, known.iter().map(String::as_str)), known.is_empty()) {
            (Some(near), _) => format!("Did you mean '{near}'?"),
            (None, true) => "It has none besides id, which needs no entry.".to_owned(),
            (None, false) => {
                format!("It has {}.", known.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
            }
        };
        let message = format!("{kind} has no output '{name}'");
        ConfigProblem { pointer: format!("{at}/outputs/{index}"), is_of_keys: false, message, help }
    };
    named.filter(|(_, name)| *name != crate::describe::ID && !known.contains(*name)).map(problem).collect()
}

impl ConfigCheck for SpecCheck {
    fn check(&self, config: &Value) -> Vec<ConfigProblem> {
        let several = config.get("resources").and_then(Value::as_object).into_iter().flatten();
        let several = several.flat_map(|(name, one)| self.one(one, &format!("/resources/{}", pointer::escaped(name))));
        self.one(config, "").into_iter().chain(several).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(config: &Value) -> Vec<(String, String)> {
        let schema = json!({
            "type": "object", "additionalProperties": false, "required": ["name"],
            "properties": {
                "name": { "type": "string" }, "ttl": { "type": "integer", "default": 300 },
                "target": { "anyOf": [{ "type": "string" }, { "type": "object" }] },
            },
        });
        let mut check = SpecCheck::default();
        let schema = Arc::new(ConfigSchema::of_schema(&schema).expect("a schema"));
        check.add("dns.record", &schema, &BTreeSet::from(["fqdn".to_owned()]));
        let told = |problem: ConfigProblem| (problem.pointer, format!("{}. {}", problem.message, problem.help));
        check.check(config).into_iter().map(told).collect()
    }

    #[test]
    fn problems_are_told_at_their_places() {
        assert_eq!(check(&json!({ "kind": "dns.record", "spec": { "name": "www" } })), []);
        let found = check(&json!({ "resources": {
            "a": { "kind": "dns.recrd", "spec": {} },
            "b": { "kind": "dns.record", "spec": { "name": "www", "tll": 60 } },
            "c": { "kind": "dns.record", "spec": { "ttl": "60" }, "outputs": ["id", "fqdn", "fqnd"] },
            "d": { "kind": "dns.record" },
            "e/f": { "kind": "dns.record", "spec": { "name": null, "target": null } },
        } }));
        let has = |pointer: &str, part: &str| found.iter().any(|(at, text)| at == pointer && text.contains(part));
        assert!(has("/resources/a/kind", "Did you mean 'dns.record'?"), "{found:?}");
        assert!(has("/resources/b/spec/tll", "did you mean 'ttl'?"), "{found:?}");
        assert!(has("/resources/c/spec", "has no 'name'"), "{found:?}");
        assert!(has("/resources/c/spec/ttl", "write 60"), "{found:?}");
        assert!(has("/resources/c/outputs/2", "Did you mean 'fqdn'?"), "{found:?}");
        assert!(has("/resources/d/spec", "has no 'name'"), "{found:?}");
        // References are null; who asks leaves those out.
        assert!(found.iter().all(|(at, _)| !at.contains("target")), "{found:?}");
    }
}
