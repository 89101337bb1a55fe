//! What the table of types says of properties: checks, tags, comparing, outputs.

use std::collections::BTreeMap;
use std::sync::Arc;

use llmhost_aws_types::{self as aws_types, Handlers, Operation, ReplacementOrder, Replaces, Rule, TagForm, Type};
use llmhost_engine::config_check::ConfigProblem;
use llmhost_engine::kind::{Outputs, Permission};
use llmhost_engine::pointer::escaped;
use llmhost_engine::secret;
use llmhost_engine::unknown;
use serde_json::{Map, Value, json};

/// What a type takes.
type Properties = Map<String, Value>;

/// The type of that name; nothing where it is not AWS's, or not to be checked.
pub(super) fn known(name: &str, unchecked: bool) -> Result<Option<Arc<Type>>, (String, String)> {
    match aws_types::find(name) {
        Some(found) if !unchecked && *found.handlers() == Handlers::None => {
            let instead = name.strip_suffix("Policy").map(|of| format!("{of}InlinePolicy"));
            let help = match instead.filter(|name| aws_types::find(name).is_some()) {
                Some(name) => format!("Use {name}."),
                None => "Create it with CloudFormation, or with a provider of your own.".to_owned(),
            };
            let new = "If Cloud Control has added it since this llmhost was built, set unchecked = true.";
            Err((format!("Cloud Control cannot create '{name}'."), format!("{help} {new}")))
        }
        Some(found) if !unchecked => Ok(Some(found)),
        None if !is_type_name(name) => {
            Err((format!("'{name}' is not a resource type such as AWS::SQS::Queue."), near(name)))
        }
        None if !unchecked && name.to_ascii_uppercase().starts_with("AWS::") => {
            let new = "If AWS has added it since this llmhost was built, set unchecked = true.";
            Err((format!("AWS has no resource type '{name}'."), format!("{} {new}", near(name))))
        }
        _ => Ok(None),
    }
}

fn near(name: &str) -> String {
    match aws_types::suggest(name) {
        Some(near) => format!("Did you mean '{near}'?"),
        None => "llmhost explain AWS:: lists the types.".to_owned(),
    }
}

/// Three names: of a publisher, a service and a resource.
fn is_type_name(name: &str) -> bool {
    let parts: Vec<&str> = name.split("::").collect();
    parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric()))
}

/// The problems of a type's properties, and secrets that somebody could read there.
pub(super) fn problems(of: &Type, properties: &Properties) -> Vec<ConfigProblem> {
    let value = Value::Object(properties.clone());
    let found = of.check(&value, &|text| unknown::is_opaque(text));
    let mut problems: Vec<ConfigProblem> = found
        .into_iter()
        .map(|found| ConfigProblem {
            is_of_keys: matches!(found.rule, Rule::Unknown | Rule::Missing | Rule::OneOf | Rule::ReadOnly),
            pointer: found.pointer,
            message: found.message,
            help: found.help,
        })
        .collect();
    for (pointer, name) in secret::places(&value) {
        if !of.is_write_only(&pointer) {
            problems.push(ConfigProblem {
                message: format!("The secret '{name}' would be readable: AWS shows this property."),
                help: "Use the secret in a property that AWS does not show, or give the service its own reference to \
                       a secret ({{resolve:secretsmanager:…}})."
                    .to_owned(),
                pointer,
                is_of_keys: false,
            });
        }
    }
    problems
}

/// One sentence for each, for a declaration.
pub(super) fn words(of: &Type, problems: &[ConfigProblem]) -> String {
    let told: Vec<String> = problems.iter().map(|problem| format!("{} {}", problem.message, problem.help)).collect();
    format!("{}: {}", of.name(), told.join(" "))
}

/// Where its tags are, if they can be changed: what is told by tags that stay could not follow a rename.
fn tag_property(of: &Type) -> Option<(&'static str, TagForm)> {
    let tags = of.tags()?;
    let property = of.property(tags.property)?;
    matches!(property.replaces, Replaces::No).then_some((tags.property, tags.form))
}

/// Of these tags, those that a type takes and that are not stated among its properties.
pub(super) fn own_tags(of: &Type, stated: &Properties, tags: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let Some((property, _)) = tag_property(of) else { return BTreeMap::new() };
    // What another step gives stands for all of them.
    if stated.get(property).is_some_and(|value| !(value.is_array() || value.is_object())) {
        return BTreeMap::new();
    }
    let known = self::tags(of, stated);
    tags.iter().filter(|(key, _)| !known.contains_key(*key)).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Adds the pipeline's tags to those that are stated.
pub(super) fn add_tags(of: &Type, properties: &mut Properties, tags: &BTreeMap<String, String>) {
    let Some((property, form)) = tag_property(of) else { return };
    let stated = properties.get(property).cloned();
    let merged = match (form, stated) {
        (TagForm::Map, None | Some(Value::Object(_))) => {
            let mut all: Map<String, Value> =
                tags.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
            all.extend(stated_map(properties.get(property)));
            Value::Object(all)
        }
        (TagForm::List | TagForm::ListThatPropagates, stated @ (None | Some(Value::Array(_)))) => {
            let mut all = stated.and_then(|list| list.as_array().cloned()).unwrap_or_default();
            let taken: Vec<String> = all.iter().filter_map(key_of).map(str::to_owned).collect();
            for (key, value) in tags.iter().filter(|(key, _)| !taken.contains(key)) {
                let mut tag = json!({ "Key": key, "Value": value });
                if form == TagForm::ListThatPropagates {
                    tag["PropagateAtLaunch"] = false.into();
                }
                all.push(tag);
            }
            Value::Array(all)
        }
        // A reference to another step's output stands for all of it.
        _ => return,
    };
    properties.insert(property.to_owned(), merged);
}

fn stated_map(tags: Option<&Value>) -> Map<String, Value> {
    tags.and_then(Value::as_object).cloned().unwrap_or_default()
}

fn key_of(tag: &Value) -> Option<&str> {
    tag.get("Key")?.as_str()
}

/// The tags among properties, whatever their form.
pub(super) fn tags(of: &Type, properties: &Properties) -> BTreeMap<String, String> {
    let Some((property, _)) = tag_property(of) else { return BTreeMap::new() };
    let pair = |key: &str, value: Option<&Value>| Some((key.to_owned(), value?.as_str()?.to_owned()));
    match properties.get(property) {
        Some(Value::Array(all)) => all.iter().filter_map(|tag| pair(key_of(tag)?, tag.get("Value"))).collect(),
        Some(Value::Object(all)) => all.iter().filter_map(|(key, value)| pair(key, Some(value))).collect(),
        _ => BTreeMap::new(),
    }
}

/// Leaves the tags out of `there` that none of `ours` has: others tag what they find.
pub(super) fn leave_others(of: &Type, there: &mut Properties, ours: &[&Properties]) {
    let Some((property, _)) = tag_property(of) else { return };
    let known: Vec<BTreeMap<String, String>> = ours.iter().map(|properties| tags(of, properties)).collect();
    let is_ours = |key: &str| known.iter().any(|tags| tags.contains_key(key));
    match there.get_mut(property) {
        Some(Value::Array(all)) => all.retain(|tag| key_of(tag).is_none_or(is_ours)),
        Some(Value::Object(all)) => all.retain(|key, _| is_ours(key)),
        _ => {}
    }
}

/// Adds the tags of others to what an update sends: the property is set as a whole.
pub(super) fn keep_others(of: &Type, sent: &mut Properties, there: &Properties, ours: &[&Properties]) {
    let Some((property, _)) = tag_property(of) else { return };
    let known: Vec<BTreeMap<String, String>> = ours.iter().map(|properties| tags(of, properties)).collect();
    let is_other = |key: &str| !key.starts_with("aws:") && !known.iter().any(|tags| tags.contains_key(key));
    match (sent.get_mut(property), there.get(property)) {
        (Some(Value::Array(sent)), Some(Value::Array(there))) => {
            sent.extend(there.iter().filter(|tag| key_of(tag).is_some_and(is_other)).cloned());
        }
        (Some(Value::Object(sent)), Some(Value::Object(there))) => {
            let others = there.iter().filter(|(key, _)| is_other(key));
            sent.extend(others.map(|(key, value)| (key.clone(), value.clone())));
        }
        _ => {}
    }
}

/// Properties with lists whose order means nothing in one order.
pub(super) fn in_order(of: &Type, properties: &Properties) -> Value {
    fn walk(of: &Type, pointer: &mut String, value: &Value) -> Value {
        match value {
            Value::Array(items) => {
                let below = |pointer: &mut String, (at, item): (usize, &Value)| {
                    let length = pointer.len();
                    pointer.push_str(&format!("/{at}"));
                    let ordered = walk(of, pointer, item);
                    pointer.truncate(length);
                    ordered
                };
                let mut all: Vec<Value> = items.iter().enumerate().map(|item| below(pointer, item)).collect();
                if !of.is_ordered(pointer) {
                    all.sort_by_cached_key(Value::to_string);
                }
                Value::Array(all)
            }
            Value::Object(fields) => {
                let below = |(key, field): (&String, &Value)| {
                    let length = pointer.len();
                    pointer.push_str(&format!("/{}", escaped(key)));
                    let ordered = walk(of, pointer, field);
                    pointer.truncate(length);
                    (key.clone(), ordered)
                };
                Value::Object(fields.iter().map(below).collect())
            }
            other => other.clone(),
        }
    }
    walk(of, &mut String::new(), &Value::Object(properties.clone()))
}

/// Whether a resource with the new properties can be made only when the old one is gone: they have a name in common.
pub(super) fn clash(of: &Type, old: &Properties, new: &Properties) -> bool {
    if of.replacement_order() == Some(ReplacementOrder::DeleteThenCreate) {
        return true;
    }
    let names = of.immutable().filter(|name| {
        of.primary_identifier().contains(name) || name.ends_with("Name") || name.ends_with("Identifier")
    });
    let stated: Vec<&str> = names.filter(|name| new.contains_key(*name)).collect();
    !stated.is_empty() && stated.iter().all(|name| old.get(*name) == new.get(*name))
}

/// The properties whose values an update has to send again, because AWS does not show them and would lose them.
pub(super) fn sent_again<'a>(of: &'a Type, stated: &'a Properties) -> impl Iterator<Item = &'a String> {
    let tops = of.write_only().iter().filter_map(|pointer| pointer.split('/').nth(1));
    tops.filter_map(|top| stated.get_key_value(top).map(|(key, _)| key))
}

/// The identifier, where the properties alone tell it.
pub(super) fn identifier(of: &Type, properties: &Properties) -> Option<String> {
    let parts = of.primary_identifier().iter().map(|name| {
        let text = properties.get(*name)?.as_str()?;
        (!unknown::is_opaque(text)).then(|| text.to_owned())
    });
    let parts = parts.collect::<Option<Vec<String>>>()?;
    (!parts.is_empty()).then(|| parts.join("|"))
}

/// The attributes, as outputs: texts, and what is no text as JSON. One that is not there is an empty text.
pub(super) fn attributes(of: &Type, there: &Properties) -> Outputs {
    let value = |name: &str| {
        let mut parts = name.split('.');
        let first = there.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.get(part)).filter(|value| !value.is_null())
    };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let named =
        of.attributes().map(|(name, _)| (name.to_owned(), Value::from(value(name).map(text).unwrap_or_default())));
    named.collect()
}

/// The names of the attributes, as an output.
pub(super) fn attribute_names(of: &Type) -> Value {
    let names: Vec<&str> = of.attributes().map(|(name, _)| name).collect();
    Value::from(json!(names).to_string())
}

/// The service in IAM actions: `dynamodb` of `arn:${Partition}:dynamodb:…`.
fn service(name: &str, of: Option<&Type>) -> String {
    let of_arn =
        of.and_then(Type::arn_template).and_then(|arn| arn.split(':').nth(2)).filter(|part| !part.contains('$'));
    let of_name = || name.split("::").nth(1).unwrap_or_default().to_lowercase();
    of_arn.map_or_else(of_name, str::to_owned)
}

/// What the handlers of a type do with the permissions of whoever calls Cloud Control. Where it is not known which
/// actions those are, all of the type's service.
pub(super) fn handlers_permissions(name: &str, of: Option<&Type>) -> Vec<Permission> {
    use Operation::{Create, Delete, Read, Update};
    let actions = |operations: &[Operation]| {
        let all = of?.handlers().actions(operations)?.into_iter().collect::<Vec<_>>();
        Some(Permission::new(&all, ["*".to_owned()]).as_is())
    };
    match (actions(&[Create, Read, Update, Delete]), actions(&[Read, Delete])) {
        (Some(to_run), Some(to_destroy)) => vec![to_run.to_run_alone(), to_destroy.to_destroy()],
        _ => {
            let whole = format!("{}:*", service(name, of));
            vec![Permission::new(&[whole.as_str()], ["*".to_owned()]).as_is().to_destroy()]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Arc<Type> {
        aws_types::find(name).expect("a type")
    }

    fn map(value: Value) -> Properties {
        serde_json::from_value(value).expect("an object")
    }

    #[test]
    fn a_pipelines_tags_go_in_by_the_form_of_the_type_and_those_of_others_stay() {
        let tags = BTreeMap::from([("a".to_owned(), "1".to_owned()), ("team".to_owned(), "x".to_owned())]);
        let queue = of("AWS::SQS::Queue");
        let mut stated = map(json!({ "Tags": [{ "Key": "a", "Value": "own" }] }));
        add_tags(&queue, &mut stated, &tags);
        assert_eq!(stated["Tags"], json!([{ "Key": "a", "Value": "own" }, { "Key": "team", "Value": "x" }]));
        let mut there = map(json!({ "Tags": [{ "Key": "theirs", "Value": "2" }, { "Key": "team", "Value": "x" }] }));
        let mut sent = stated.clone();
        keep_others(&queue, &mut sent, &there, &[&stated]);
        assert_eq!(sent["Tags"].as_array().map(Vec::len), Some(3));
        leave_others(&queue, &mut there, &[&stated]);
        assert_eq!(there["Tags"], json!([{ "Key": "team", "Value": "x" }]));
        let group = of("AWS::AutoScaling::AutoScalingGroup");
        let mut stated = Map::new();
        add_tags(&group, &mut stated, &tags);
        assert_eq!(stated["Tags"][0], json!({ "Key": "a", "Value": "1", "PropagateAtLaunch": false }));
    }

    #[test]
    fn a_secret_may_stand_where_aws_does_not_show_it() {
        let secret = unknown::secret("password", 1);
        let at = |name, properties: Value| {
            problems(&of(name), &map(properties)).into_iter().map(|one| one.pointer).collect::<Vec<_>>()
        };
        assert_eq!(at("AWS::SecretsManager::Secret", json!({ "SecretString": secret })), Vec::<String>::new());
        assert_eq!(at("AWS::SNS::Topic", json!({ "DisplayName": secret })), ["/DisplayName"]);
    }

    #[test]
    fn the_order_of_a_set_is_no_difference_and_names_in_common_clash() {
        let role = of("AWS::IAM::Role");
        let one = map(json!({ "ManagedPolicyArns": ["b", "a"] }));
        let other = map(json!({ "ManagedPolicyArns": ["a", "b"] }));
        assert_eq!(in_order(&role, &one), in_order(&role, &other));
        let table = of("AWS::DynamoDB::Table");
        assert!(clash(&table, &map(json!({ "TableName": "a" })), &map(json!({ "TableName": "a" }))));
        assert!(!clash(&table, &map(json!({ "TableName": "a" })), &map(json!({ "TableName": "b" }))));
        assert!(!clash(&table, &Map::new(), &Map::new()));
        assert_eq!(identifier(&table, &map(json!({ "TableName": "a" }))).as_deref(), Some("a"));
        assert_eq!(identifier(&of("AWS::SQS::Queue"), &map(json!({ "QueueName": "a" }))), None);
    }
}
