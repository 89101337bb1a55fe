//! Values of a component as JSON, and failures as values.
//!
//! JSON is in the form that serde's derive writes and the engine's specs have: fields in snake case, cases in camel
//! case with a capital.

use llmhost_engine::plugin::{Failure, FailureCode};
use serde_json::map::Entry;
use serde_json::{Map, Value};
use wasmtime::bail;
use wasmtime::component::Val;
use wasmtime::component::types::Type;

use super::served::Shape;

/// A value as JSON.
pub(super) fn json(value: &Val) -> wasmtime::Result<Value> {
    let list = |values: &[Val]| values.iter().map(json).collect::<wasmtime::Result<Vec<_>>>().map(Value::Array);
    let inner = |value: &Option<Box<Val>>| value.as_deref().map(json).transpose();
    Ok(match value {
        Val::Bool(value) => Value::from(*value),
        Val::S8(value) => Value::from(*value),
        Val::U8(value) => Value::from(*value),
        Val::S16(value) => Value::from(*value),
        Val::U16(value) => Value::from(*value),
        Val::S32(value) => Value::from(*value),
        Val::U32(value) => Value::from(*value),
        Val::S64(value) => Value::from(*value),
        Val::U64(value) => Value::from(*value),
        Val::Float32(value) => Value::from(*value),
        Val::Float64(value) => Value::from(*value),
        Val::Char(value) => Value::from(value.to_string()),
        Val::String(text) => Value::from(text.as_str()),
        Val::List(values) | Val::Tuple(values) | Val::FixedLengthList(values) => list(values)?,
        Val::Record(fields) => {
            let field = |(name, value): &(String, Val)| Ok((name.replace('-', "_"), json(value)?));
            Value::Object(fields.iter().map(field).collect::<wasmtime::Result<Map<_, _>>>()?)
        }
        Val::Variant(case, None) | Val::Enum(case) => Value::from(camel(case)),
        Val::Variant(case, Some(value)) => Value::Object(Map::from_iter([(camel(case), json(value)?)])),
        Val::Option(value) => inner(value)?.unwrap_or(Value::Null),
        Val::Result(Ok(value)) => Value::Object(Map::from_iter([("Ok".to_owned(), inner(value)?.unwrap_or_default())])),
        Val::Result(Err(value)) => {
            Value::Object(Map::from_iter([("Err".to_owned(), inner(value)?.unwrap_or_default())]))
        }
        other => bail!("a declaration has no values like {other:?}"),
    })
}

/// Adds the fields that a type lacks because it was compiled before they were: nothing, an empty list, or `false`.
pub(super) fn complete(value: &mut Value, shape: &Shape) {
    match (shape, value) {
        (Shape::Record(fields), Value::Object(map)) => {
            for (name, shape) in *fields {
                match (map.entry(name.replace('-', "_")), shape) {
                    (Entry::Occupied(mut field), _) => complete(field.get_mut(), shape),
                    (Entry::Vacant(field), Shape::List(_)) => _ = field.insert(Value::Array(Vec::new())),
                    (Entry::Vacant(field), Shape::Bool) => _ = field.insert(Value::Bool(false)),
                    (Entry::Vacant(field), _) => _ = field.insert(Value::Null),
                }
            }
        }
        (Shape::Variant(cases), Value::Object(map)) => {
            for (case, value) in map {
                let shape = cases.iter().find(|(name, _)| camel(name) == *case).and_then(|(_, shape)| *shape);
                shape.into_iter().for_each(|shape| complete(value, shape));
            }
        }
        (Shape::List(of), Value::Array(items)) => items.iter_mut().for_each(|item| complete(item, of)),
        (Shape::Tuple(shapes), Value::Array(items)) => {
            items.iter_mut().zip(*shapes).for_each(|(item, shape)| complete(item, shape));
        }
        (Shape::Option(of), value) if !value.is_null() => complete(value, of),
        _ => {}
    }
}

/// `al2023-x86-64` -> `Al2023X8664`
fn camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    for word in name.split('-') {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.extend(letters.map(|letter| letter.to_ascii_lowercase()));
    }
    camel
}

/// A failure as a value of a component's type.
pub(super) fn lower(failure: &Failure, ty: &Type) -> wasmtime::Result<Val> {
    let known = |names: &mut dyn Iterator<Item = &str>| {
        let names: Vec<&str> = names.collect();
        // A plugin that was compiled before a code was added.
        let code = if names.contains(&failure.code.name()) { failure.code } else { FailureCode::Failed };
        code.name().to_owned()
    };
    let message = || Val::String(failure.message.clone());
    Ok(match ty {
        Type::Variant(variant) => {
            let case = known(&mut variant.cases().map(|case| case.name));
            Val::Variant(case, Some(Box::new(message())))
        }
        Type::Record(record) => Val::Record(
            record
                .fields()
                .map(|field| {
                    let value = match &field.ty {
                        Type::Enum(codes) => Val::Enum(known(&mut codes.names())),
                        _ => message(),
                    };
                    (field.name.to_owned(), value)
                })
                .collect(),
        ),
        other => bail!("a failure is no {other:?}"),
    })
}

/// A failure that a component gave.
pub(super) fn failure(value: &Val) -> Failure {
    let code =
        |name: &str| FailureCode::ALL.into_iter().find(|code| code.name() == name).unwrap_or(FailureCode::Failed);
    let mut failure = Failure::failed(String::new());
    match value {
        Val::Variant(case, Some(text)) => {
            failure.code = code(case);
            if let Val::String(text) = &**text {
                failure.message.clone_from(text);
            }
        }
        Val::Record(fields) => {
            for (_, value) in fields {
                match value {
                    Val::Enum(name) => failure.code = code(name),
                    Val::String(text) => failure.message.clone_from(text),
                    _ => {}
                }
            }
        }
        _ => {}
    }
    failure
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_written_as_serde_derives_them() {
        let text = |text: &str| Val::String(text.to_owned());
        let rule = Val::Record(vec![
            ("security-group-id".to_owned(), text("sg-1")),
            ("direction".to_owned(), Val::Enum("ingress".to_owned())),
            ("from-port".to_owned(), Val::U32(22)),
            ("peer".to_owned(), Val::Variant("cidr".to_owned(), Some(Box::new(text("10.0.0.0/8"))))),
            ("encryption".to_owned(), Val::Variant("s3-managed".to_owned(), None)),
            ("key-name".to_owned(), Val::Option(None)),
            ("tags".to_owned(), Val::List(vec![Val::Tuple(vec![text("a"), text("b")])])),
        ]);
        assert_eq!(
            json(&rule).expect("plain values"),
            json!({
                "security_group_id": "sg-1", "direction": "Ingress", "from_port": 22, "peer": {"Cidr": "10.0.0.0/8"},
                "encryption": "S3Managed", "key_name": null, "tags": [["a", "b"]],
            })
        );
        assert_eq!(camel("al2023-x86-64-standard"), "Al2023X8664Standard");
    }

    #[test]
    fn what_was_added_since_is_filled_in() {
        const RULE: Shape = Shape::Record(&[("port", Shape::Number("u32")), ("names", Shape::List(&Shape::Text))]);
        const SPEC: Shape = Shape::Record(&[
            ("rules", Shape::List(&RULE)),
            ("key-name", Shape::Option(&Shape::Text)),
            ("is-public", Shape::Bool),
            ("peer", Shape::Variant(&[("by-rule", Some(&RULE))])),
        ]);
        let mut value = json!({ "rules": [{ "port": 1 }], "peer": { "ByRule": { "port": 2, "names": ["a"] } } });
        complete(&mut value, &SPEC);
        assert_eq!(
            value,
            json!({
                "rules": [{ "port": 1, "names": [] }], "key_name": null, "is_public": false,
                "peer": { "ByRule": { "port": 2, "names": ["a"] } },
            })
        );
    }

    #[test]
    fn failures_of_both_forms_are_read() {
        let text = || Val::String("too long".to_owned());
        let old = Val::Variant("invalid".to_owned(), Some(Box::new(text())));
        let new =
            Val::Record(vec![("code".to_owned(), Val::Enum("invalid".to_owned())), ("message".to_owned(), text())]);
        for value in [old, new] {
            assert_eq!(failure(&value), Failure::invalid("too long"));
        }
    }
}
