//! Reading requests: what is wrong with one is said with the field's name.

use serde::de::DeserializeOwned;

use crate::error::ApiError;

pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let text = std::str::from_utf8(body).map_err(|error| {
        ApiError::invalid(format!("the request is not UTF-8: byte {} is wrong", error.valid_up_to()), None)
    })?;
    if text.trim().is_empty() {
        return Err(ApiError::invalid("the request has no body", None));
    }
    serde_json::from_str(text).map_err(|error| {
        let what = match error.classify() {
            serde_json::error::Category::Data => "the request is wrong",
            _ => "the request is not JSON",
        };
        ApiError::invalid(format!("{what}: {error}"), None)
    })
}

/// Fails where a number is outside its range.
pub(super) fn within(param: &'static str, value: Option<f32>, low: f32, high: f32) -> Result<(), ApiError> {
    match value {
        Some(value) if !(low..=high).contains(&value) => {
            Err(ApiError::invalid(format!("{param} is {value}; it must be {low} to {high}"), Some(param)))
        }
        _ => Ok(()),
    }
}
