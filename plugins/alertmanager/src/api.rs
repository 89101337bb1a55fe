//! Silences as Alertmanager's API v2 has them, and the calls that are needed of it.

use llmhost_plugin::provider::http::encoded;
use llmhost_plugin::provider::{Error, ErrorClass};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::time;

/// A label and what it has to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Matcher {
    pub name: String,
    pub value: String,
    pub is_regex: bool,
    // Alertmanager has it since version 0.22.
    #[serde(default = "yes")]
    pub is_equal: bool,
}

fn yes() -> bool {
    true
}

/// What a silence is made or changed by.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Posted<'a> {
    /// That of the silence which is changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    pub matchers: Vec<Matcher>,
    pub starts_at: &'a str,
    pub ends_at: &'a str,
    pub created_by: &'a str,
    pub comment: String,
}

/// A silence that is there.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct There {
    pub id: String,
    pub matchers: Vec<Matcher>,
    pub starts_at: String,
    pub ends_at: String,
    pub created_by: String,
    pub comment: String,
    pub status: Status,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    pub state: State,
}

/// Where a silence is in its life. One that was ended stays for a while, as expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Pending,
    Active,
    Expired,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(rename = "silenceID")]
    silence_id: String,
}

/// What `GET /status` has of interest: that it is Alertmanager that answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct About {
    #[serde(rename = "versionInfo")]
    _version: serde::de::IgnoredAny,
}

/// Makes or changes a silence, and gives its id.
pub fn post(config: &Config, silence: &Posted<'_>) -> Result<String, Error> {
    let answer: Answer =
        config.request("POST", "/silences").json(silence).send().map_err(|error| misled(config, error))?;
    Ok(answer.silence_id)
}

/// All silences, those that ended lately among them.
pub fn all(config: &Config) -> Result<Vec<There>, Error> {
    config.request("GET", "/silences").send().map_err(|error| misled(config, error))
}

/// One silence.
pub fn get(config: &Config, id: &str) -> Result<Option<There>, Error> {
    config.request("GET", &path(id)).send_optional()
}

/// Ends a silence.
pub fn expire(config: &Config, id: &str) -> Result<(), Error> {
    config.request("DELETE", &path(id)).done()
}

/// What time it is to Alertmanager, in milliseconds, where it says so. Anything else than Alertmanager is an error: its 404 would be
/// taken for a silence that is gone.
pub fn now(config: &Config) -> Result<Option<i64>, Error> {
    let request = config.request("GET", "/status");
    let response = request.success().map_err(|error| misled(config, error))?;
    let _: About = request.decode(&response)?;
    let date = response.headers.iter().find(|(name, _)| name == "date");
    Ok(date.and_then(|(_, date)| time::of_http(date)))
}

fn path(id: &str) -> String {
    format!("/silence/{}", encoded(id))
}

/// A 404 where Alertmanager has none is the answer of something else.
fn misled(config: &Config, error: Error) -> Error {
    match error.class {
        ErrorClass::NotFound => Error {
            class: ErrorClass::Invalid,
            message: format!("there is no Alertmanager at {}: {}", config.url(), error.message),
            advice: Some(
                "Check the option url of the provider: the address of Alertmanager, without /api/v2.".to_owned(),
            ),
            ..error
        },
        _ => error,
    }
}
