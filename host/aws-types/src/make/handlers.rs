//! The handlers in the registry's schemas.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::keep;
use crate::handlers::{Handlers, Operation};
use crate::model::{Replaces, Type};

/// Adds what a schema says of handlers.
pub(super) fn add(one: &mut Type, schema: &Value) {
    // The registry calls a type without one of these three not provisionable.
    let needed = [Operation::Create, Operation::Read, Operation::Delete];
    let is_whole = |all: &&Map<String, Value>| needed.iter().all(|operation| all.contains_key(operation.name()));
    let all = schema["handlers"].as_object().filter(is_whole);
    one.handlers = match all {
        None => Handlers::None,
        Some(all) => {
            let stated =
                Operation::ALL.into_iter().filter_map(|operation| Some((operation, all.get(operation.name())?)));
            let known: BTreeMap<_, _> =
                stated.map(|(operation, handler)| (operation, actions(&handler["permissions"]))).collect();
            if !known.contains_key(&Operation::Update) {
                // Whatever changes, AWS has no way to change it in place.
                one.properties.iter_mut().for_each(|property| property.replaces = Replaces::Yes);
            }
            Handlers::Known(known)
        }
    };
}

fn actions(stated: &Value) -> Vec<&'static str> {
    let stated = stated.as_array().into_iter().flatten().filter_map(Value::as_str);
    let mut actions: Vec<&'static str> = stated.filter(|action| is_action(action)).map(keep).collect();
    actions.sort_unstable();
    actions.dedup();
    actions
}

/// `sqs:CreateQueue` or `ec2:Describe*`. Some schemas have empty texts and names of events among them.
fn is_action(text: &str) -> bool {
    text.split_once(':').is_some_and(|(service, name)| {
        !service.is_empty()
            && service.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '*')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_action_is_left_out() {
        let stated =
            serde_json::json!(["sqs:B", "", "*", "s3:REST.PUT.OBJECT", "sqs:A", "sqs:B", "ec2:Describe*", ":x"]);
        assert_eq!(actions(&stated), ["ec2:Describe*", "sqs:A", "sqs:B"]);
    }
}
