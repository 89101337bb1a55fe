//! The JSON Schema of the file itself, for editors.

use serde_json::{Map, Value, json};

/// A text with a reference in it.
const REFERENCE: &str = "\\$\\{";
/// The type of a variable. Nesting is not a matter of regular expressions.
const TYPE: &str = "^(string|number|integer|bool|any|list|map|(list|map)\\(.+\\))$";

/// The JSON Schema of a pipeline file, with the `with` tables of these plugins: name, schema and
/// summary of each. For editors; a reference may stand for any value.
pub fn file_schema(plugins: &[(&str, &Value, &str)]) -> Value {
    let name = "^[a-z][a-z0-9_-]{0,63}$";
    let reference = json!({ "type": "string", "pattern": REFERENCE });
    let mut definitions = Map::new();
    let steps = steps(plugins, name, &mut definitions);
    json!({
        "$defs": definitions,
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "llmhost pipeline",
        "type": "object",
        "additionalProperties": false,
        "anyOf": [{ "required": ["pipeline"] }, { "required": ["outputs"] }],
        "properties": {
            "pipeline": {
                "type": "object",
                "additionalProperties": false,
                "required": ["name", "region"],
                "properties": {
                    "name": { "anyOf": [{ "type": "string", "pattern": name }, reference], "description": "Names the state and tags every resource." },
                    "region": { "type": "string", "description": "AWS region, such as us-east-1." },
                    "tags": { "type": "object", "additionalProperties": { "type": "string" }, "description": "Tags for every resource, for instances, volumes and network interfaces of node groups, and for load balancers." },
                    "state": { "type": "string", "description": "Where the state is kept: s3://bucket/prefix, or a folder beside this file." },
                },
            },
            "env": {
                "type": "object",
                "description": "Environments, each with a name and a state of its own: --env NAME.",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "name": { "type": "string", "description": "The pipeline's name there; by default its name with -NAME after it." },
                        "region": { "type": "string" },
                        "state": { "type": "string", "description": "Where the state is kept there; by default the place of [pipeline] with /NAME after it." },
                        "tags": { "type": "object", "additionalProperties": { "type": "string" }, "description": "They override those of [pipeline]." },
                        "vars": { "type": "object", "description": "Values of variables; they override the defaults." },
                        "description": { "type": "string" },
                    },
                },
            },
            "vars": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "default": { "description": "The value if none is given by --var, --var-file or LLMHOST_VAR_name." },
                        "type": { "type": "string", "pattern": TYPE, "description": "string, number, integer, bool, list(TYPE), map(TYPE) or any; by default the default's, and string if there is none." },
                        "description": { "type": "string" },
                        "secret": { "type": "boolean", "description": "Mask the value in all output and logs. Plans \
                            and the state contain it." },
                        "validation": validation(),
                    },
                },
            },
            "secrets": {
                "type": "object",
                "description": "Values that are never shown: plugins, plans and the state hold only a handle.",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "env": { "type": "string", "description": "Name of an environment variable." },
                        "file": { "type": "string", "description": "Path of a file." },
                        "parameter": { "type": "string", "description": "Name of a parameter of Systems Manager." },
                        "secrets-manager": { "type": "string", "description": "Name or ARN of a secret of Secrets Manager." },
                        "version": { "anyOf": [{ "type": "integer", "minimum": 1 }, reference], "description": "Increase it to send a changed value again." },
                        "description": { "type": "string" },
                    },
                },
            },
            "providers": providers(name),
            "existing": existing(name),
            "trust": {
                "type": "object",
                "description": "Public keys by patterns of plugins' names (ghcr.io/acme/*): a plugin that matches \
                    must be signed with one of them.",
                "additionalProperties": {
                    "type": "array",
                    "minItems": 1,
                    "items": { "type": "string", "pattern": "^(ssh-ed25519|sk-ssh-ed25519@openssh\\.com) " },
                },
            },
            "outputs": {
                "type": "object",
                "description": "The outputs of this file: for llmhost outputs, for a pipeline that uses it as a \
                    step, and for pipelines that read its state. Values can contain references.",
            },
            "pipelines": {
                "type": "object",
                "propertyNames": { "pattern": name },
                "description": "Other pipelines whose outputs this one reads from their states: ${pipeline.NAME.output}.",
                "additionalProperties": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "file": { "type": "string", "description": "Its file, which says its name and where its state is." },
                        "state": { "type": "string", "description": "Where its state is: s3://bucket/prefix, or a folder." },
                        "name": { "type": "string", "description": "Its name, if there is no file; by default what it is called here." },
                        "env": { "type": "string", "description": "The environment of its file." },
                        "vars": { "type": "object", "description": "Values of variables of its file." },
                        "description": { "type": "string" },
                    },
                },
            },
            "moved": {
                "type": "array",
                "description": "Steps and resources that were renamed.",
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["from", "to"],
                    "properties": {
                        "from": { "type": "string", "description": "The old name of a step, or step/kind/name of a resource." },
                        "to": { "type": "string", "description": "The new one." },
                    },
                },
            },
            "steps": steps,
        },
    })
}

/// The steps.
fn steps(plugins: &[(&str, &Value, &str)], name: &str, definitions: &mut Map<String, Value>) -> Value {
    let names: Vec<_> = plugins.iter().map(|(name, ..)| *name).collect();
    let mut rule = |(name, schema, summary): &(&str, &Value, &str)| {
        let mut with = or_reference(schema);
        move_definitions(name, &mut with, definitions);
        with["description"] = json!(summary);
        json!({
            "if": { "properties": { "uses": { "const": name } }, "required": ["uses"] },
            "then": { "properties": { "with": with } },
        })
    };
    let rules: Vec<_> = plugins.iter().map(&mut rule).collect();
    let reference = json!({ "type": "string", "pattern": REFERENCE });
    let condition = json!({
        "anyOf": [
            { "type": "boolean" },
            reference,
            {
                "type": "object",
                "additionalProperties": false,
                "required": ["value"],
                "minProperties": 2,
                "maxProperties": 2,
                "properties": { "value": {}, "is": {}, "is_not": {}, "in": { "type": ["array", "string"] }, "not_in": { "type": ["array", "string"] } },
            },
        ],
    });
    json!({
        "type": "object",
        "propertyNames": { "pattern": name },
        "additionalProperties": {
            "type": "object",
            "additionalProperties": false,
            "required": ["uses"],
            "properties": {
                "uses": { "description": "A built-in plugin, the path of a component or of another pipeline file (./network.toml), oci://host/name:tag@sha256:…, or https://host/plugin.wasm#sha256=…", "anyOf": [{ "enum": names }, { "type": "string" }] },
                "with": { "type": "object" },
                "for_each": {
                    "description": "The step is repeated for each entry of a list of strings, or of a table. \
                        ${each.key} and ${each.value} are its key and value.",
                    "anyOf": [{ "type": "array", "items": { "type": "string" }, "uniqueItems": true }, { "type": "object" }, reference],
                },
                "when": {
                    "description": "The step exists only if this is true: a boolean, a condition such as { value = \
                        \"${vars.env}\", is = \"prod\" }, or a list of both.",
                    "anyOf": [condition, { "type": "array", "items": condition }],
                },
                "after": { "type": "array", "items": { "type": "string" }, "description": "Steps that must come before." },
                "allow": { "type": "array", "items": { "type": "string" }, "description": "Grants, such as ec2:vpc." },
                "ignore_changes": { "type": "array", "items": { "type": "string" }, "description": "Fields of its \
                    resources that may differ from the file: tags, scaling.desired_size, eks.node-group/main.labels." },
                "protect": { "anyOf": [{ "type": "boolean" }, reference], "description": "Protects the resources of \
                    this step: they cannot be deleted or replaced." },
                "region": { "type": "string", "description": "The region of its resources, if it is not the pipeline's." },
                "profile": { "type": "string", "description": "The profile of the AWS configuration that it uses." },
                "assume_role": { "type": "string", "description": "The ARN of the role that it assumes." },
                "limits": limits(),
            },
            "allOf": rules,
        },
    })
}

/// Components that bring kinds of their own.
fn providers(name: &str) -> Value {
    json!({
        "type": "object",
        "description": "Components that bring kinds of resources of their own. Steps are granted them as resource:NAME.kind.",
        "propertyNames": { "pattern": name },
        "additionalProperties": {
            "type": "object",
            "additionalProperties": false,
            "required": ["uses"],
            "properties": {
                "uses": { "type": "string", "description": "The path of a component, oci://host/name:tag@sha256:…, or https://host/provider.wasm#sha256=…" },
                "with": { "type": "object", "description": "Its options. Variables, secrets and the environment may be in it." },
                "allow": { "type": "array", "items": { "type": "string" }, "description": "What it can access: \
                    http:GET,POST https://api.example.com/v1/*, tcp:db.example.com:5432." },
                "ca": { "type": "string", "description": "A file with the CAs whose servers it speaks to (PEM), in place of the system's." },
                "limits": limits(),
                "description": { "type": "string" },
            },
        },
    })
}

/// What a run of a component may use up.
fn limits() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "memory": { "type": "string", "description": "Such as 256MiB." },
            "time": { "type": "string", "description": "Of computing, such as 10s." },
        },
    })
}

/// What exists already.
fn existing(name: &str) -> Value {
    json!({
        "type": "object",
        "description": "Resources that exist already: looked up and never changed. References: ${existing.name.id}.",
        "propertyNames": { "pattern": name },
        "additionalProperties": {
            "type": "object",
            "additionalProperties": false,
            "required": ["kind"],
            "properties": {
                "kind": { "type": "string", "description": "Such as ec2.vpc, ec2.subnet, iam.role or eks.cluster." },
                "id": { "type": "string", "description": "The id, as AWS has it." },
                "name": { "type": "string", "description": "The name; for kinds without names, the Name tag." },
                "tags": { "type": "object", "additionalProperties": { "type": "string" }, "description": "Tags that it has." },
                "where": { "type": "object", "description": "Attributes that have these values: { vpc_id = \"vpc-…\" }." },
                "region": { "type": "string", "description": "The region in which it is looked up, if it is not the pipeline's." },
                "profile": { "type": "string", "description": "The profile of the AWS configuration that it is looked up with." },
                "assume_role": { "type": "string", "description": "The ARN of the role that it is looked up with." },
                "all": { "type": "boolean", "description": "Return all matches; without it, there must be exactly one." },
            },
        },
    })
}

/// What the value of a variable has to be beyond its type.
fn validation() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "description": "Rules for the value beyond its type. In lists and maps, one_of, pattern, min and max apply \
            to each entry.",
        "properties": {
            "one_of": { "type": "array", "minItems": 1, "description": "The values that are allowed." },
            "pattern": { "type": "string", "format": "regex", "description": "A regular expression that the whole string must match." },
            "min": { "type": "number", "description": "The least number." },
            "max": { "type": "number", "description": "The largest number." },
            "min_length": { "type": "integer", "minimum": 0, "description": "The minimum number of characters of a \
                string, or of entries of a list or map." },
            "max_length": { "type": "integer", "minimum": 0, "description": "The maximum number of characters of a \
                string, or of entries of a list or map." },
            "message": { "type": "string", "description": "The error message for a value that is not allowed." },
        },
    })
}

/// Moves a plugin's definitions to the top of the file's schema, where references to them lead, under names of their own.
pub fn move_definitions(plugin: &str, schema: &mut Value, definitions: &mut Map<String, Value>) {
    fn rename(plugin: &str, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get_mut("$ref")
                    && let Some(name) =
                        ["#/$defs/", "#/definitions/"].iter().find_map(|place| reference.strip_prefix(place))
                {
                    *reference = format!("#/$defs/{plugin}.{name}");
                }
                fields.values_mut().for_each(|field| rename(plugin, field));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| rename(plugin, item)),
            _ => {}
        }
    }
    rename(plugin, schema);
    for place in ["$defs", "definitions"] {
        if let Some(Value::Object(own)) = schema.as_object_mut().and_then(|schema| schema.remove(place)) {
            definitions.extend(own.into_iter().map(|(name, definition)| (format!("{plugin}.{name}"), definition)));
        }
    }
}

/// A schema in which a reference may stand wherever a value may. Whatever sits under `properties`
/// and `items` is wrapped.
fn or_reference(schema: &Value) -> Value {
    let mut schema = schema.clone();
    wrap(&mut schema);
    schema
}

fn wrap(schema: &mut Value) {
    for inside in ["properties", "$defs"] {
        for value in schema.get_mut(inside).and_then(Value::as_object_mut).into_iter().flat_map(|map| map.values_mut())
        {
            wrap(value);
            if inside == "properties" {
                let whole = value.take();
                let description = whole.get("description").cloned();
                *value = json!({ "anyOf": [whole, { "type": "string", "pattern": REFERENCE }] });
                if let Some(description) = description {
                    value["description"] = description;
                }
            }
        }
    }
    if let Some(items) = schema.get_mut("items").filter(|items| items.is_object()) {
        wrap(items);
        let whole = items.take();
        *items = json!({ "anyOf": [whole, { "type": "string", "pattern": REFERENCE }] });
    }
}
