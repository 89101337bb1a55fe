//! The options of the provider.

use std::collections::BTreeMap;

use llmhost_plugin::provider::http::Request;
use schemars::JsonSchema;
use serde::Deserialize;

/// Where Alertmanager is, and who asks it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address of Alertmanager without /api/v2: http://alertmanager.example.com:9093. With the path where it has one, such as https://mimir.example.com/alertmanager.
    #[schemars(regex(pattern = "^https?://"))]
    url: String,
    /// Value of the Authorization header, with a secret in it: "Bearer ${secrets.alerts}". Remove it where basic is set.
    authorization: Option<String>,
    /// User and password.
    basic: Option<Basic>,
    /// Other headers, such as X-Scope-OrgID for a tenant of Grafana Mimir.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Basic {
    user: String,
    /// A secret: ${secrets.alerts}.
    password: String,
}

impl Config {
    /// A request of the API: `/silences`.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let mut request = Request::new(method, format!("{}/api/v2{path}", self.base()));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        match &self.basic {
            Some(Basic { user, password }) => request.basic(user, password),
            None => request,
        }
    }

    /// A silence in the user interface.
    pub fn link(&self, id: &str) -> String {
        format!("{}/#/silences/{id}", self.base())
    }

    /// The address as it was stated.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn base(&self) -> &str {
        self.url.trim_end_matches('/')
    }
}
