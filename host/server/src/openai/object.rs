//! Objects within a request: what is wrong with one is said with its place, such as `input[2].role`.

use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::openai::fields::near;

pub(super) struct Object<'a> {
    place: String,
    fields: &'a Map<String, Value>,
}

impl<'a> Object<'a> {
    pub(super) fn new(place: impl Into<String>, value: &'a Value) -> Result<Self, ApiError> {
        let place = place.into();
        match value {
            Value::Object(fields) => Ok(Self { place, fields }),
            _ => Err(ApiError::invalid(format!("{place} must be an object"), Some(&place))),
        }
    }

    pub(super) fn place(&self, name: &str) -> String {
        format!("{}.{name}", self.place)
    }

    /// The error that a field is wrong, such as `must be a text`.
    pub(super) fn wrong(&self, name: &str, what: impl std::fmt::Display) -> ApiError {
        let place = self.place(name);
        ApiError::invalid(format!("{place} {what}"), Some(&place))
    }

    /// The object as it came.
    pub(super) fn value(&self) -> Value {
        Value::Object(self.fields.clone())
    }

    /// A field; null is as good as none.
    pub(super) fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.get(name).filter(|value| !value.is_null())
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, ApiError> {
        let text = |value: &'a Value| value.as_str().ok_or_else(|| self.wrong(name, "must be a string"));
        self.get(name).map(text).transpose()
    }

    pub(super) fn needs(&self, name: &str) -> Result<&'a str, ApiError> {
        self.text(name)?.ok_or_else(|| self.wrong(name, "is missing"))
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        let flag = |value: &Value| value.as_bool().ok_or_else(|| self.wrong(name, "must be true or false"));
        self.get(name).map(flag).transpose()
    }

    /// An object within, which must be there.
    pub(super) fn object(&self, name: &str) -> Result<Object<'a>, ApiError> {
        let value = self.get(name).ok_or_else(|| self.wrong(name, "is missing"))?;
        Object::new(self.place(name), value)
    }

    /// The objects of a list; none where the field is missing.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Object<'a>>, ApiError> {
        let Some(value) = self.get(name) else { return Ok(Vec::new()) };
        let list = value.as_array().ok_or_else(|| self.wrong(name, "must be a list"))?;
        let place = self.place(name);
        list.iter().enumerate().map(|(index, value)| Object::new(format!("{place}[{index}]"), value)).collect()
    }

    /// Fails by the first field that would be ignored.
    pub(super) fn only(&self, own: &[&str]) -> Result<(), ApiError> {
        let is_unknown = |name: &&String| self.get(name).is_some() && !own.contains(&name.as_str());
        match self.fields.keys().find(is_unknown) {
            None => Ok(()),
            Some(name) => Err(match near(name, own.iter().copied()) {
                Some(near) => self.wrong(name, format_args!("is not known; did you mean '{near}'?")),
                None => self.wrong(name, "is not supported; remove it"),
            }),
        }
    }
}
