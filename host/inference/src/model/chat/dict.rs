//! What a template is given, as the values that it sees.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object, ObjectRepr, Serde};

/// Attributes of Python's dictionaries. `schema.items` is a method, whatever keys the schema has; `schema['items']` is the
/// key.
const METHODS: [&str; 11] =
    ["clear", "copy", "fromkeys", "get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"];

/// A JSON value as Python's `json.loads` gives it.
pub(super) fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Array(list) => list.iter().map(value).collect(),
        serde_json::Value::Object(map) => {
            Value::from_object(Dict(Value::from_pairs(map.iter().map(|(key, item)| (key.clone(), value(item))))))
        }
        other => Value::from(Serde(other)),
    }
}

/// A map whose attributes are told apart from its keys.
#[derive(Debug)]
struct Dict(Value);

impl Object for Dict {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.as_object()?.get_value(key)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        match METHODS.contains(&key) {
            true => Some(Value::from_object(Method(Arc::clone(self), key.to_owned()))),
            false => self.0.as_object()?.get_value_by_str(key),
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.try_iter().into_iter().flatten().collect())
    }
}

/// A method that is not called yet.
#[derive(Debug)]
struct Method(Arc<Dict>, String);

impl Object for Method {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, state: &mut minijinja::State<'_, '_>, args: &[Value]) -> Result<Value, minijinja::Error> {
        Value::from_dyn_object(Arc::clone(&self.0)).call_method(state, &self.1, args)
    }
}
