//! Calls of AWS services, which the host signs with the credentials of the run.
//!
//! ```no_run
//! use llmhost_plugin::provider::{Error, aws};
//! use serde_json::{Value, json};
//!
//! # fn example() -> Result<(), Error> {
//! let put = json!({ "Name": "/jobs/queue", "Value": "https://sqs…", "Type": "String" });
//! let answer: Value = aws::json("ssm", "AmazonSSM.PutParameter", &put).send()?;
//! # Ok(()) }
//! ```

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::bindings::llmhost::provider::aws as wit;
use super::{Error, ErrorClass};

/// A call.
///
/// The pipeline file grants it by name: `allow = ["request:ssm:PutParameter Name=/jobs/*"]`. The handle of a secret may stand in any
/// text of the parameters.
#[derive(Debug, Clone)]
#[must_use = "a call is made by send, send_optional, done or text"]
pub struct Call {
    message: wit::Message,
    /// What could not be written as JSON.
    problem: Option<String>,
}

/// A call of a service that speaks JSON, version 1.1: `json("ssm", "AmazonSSM.GetParameter", &parameters)`.
pub fn json(service: &str, target: &str, parameters: &(impl Serialize + ?Sized)) -> Call {
    let target = wit::JsonTarget { target: target.to_owned(), version: "1.1".to_owned() };
    Call::new(service, wit::Protocol::Json(target), parameters)
}

/// A call of a service that speaks in forms and answers in XML: `query("sns", "Publish", "2010-03-31", &parameters)`.
pub fn query(service: &str, action: &str, version: &str, parameters: &(impl Serialize + ?Sized)) -> Call {
    let action = wit::QueryAction { action: action.to_owned(), version: version.to_owned() };
    Call::new(service, wit::Protocol::Query(action), parameters)
}

/// A call of a service that tells actions by method and path: `rest("lambda", "GET", "/2015-03-31/functions", &json!({}))`.
pub fn rest(service: &str, method: &str, path: &str, parameters: &(impl Serialize + ?Sized)) -> Call {
    let path = wit::RestPath { method: method.to_owned(), path: path.to_owned() };
    Call::new(service, wit::Protocol::Rest(path), parameters)
}

impl Call {
    fn new(service: &str, protocol: wit::Protocol, parameters: &(impl Serialize + ?Sized)) -> Self {
        let (parameters, problem) = match serde_json::to_string(parameters) {
            Ok(parameters) => (parameters, None),
            Err(error) => (String::new(), Some(format!("the parameters cannot be written as JSON: {error}"))),
        };
        let message = wit::Message { service: service.to_owned(), endpoint_prefix: None, protocol, parameters };
        Self { message, problem }
    }

    /// With another version of the JSON protocol: `1.0`.
    pub fn version(mut self, version: &str) -> Self {
        if let wit::Protocol::Json(target) = &mut self.message.protocol {
            target.version = version.to_owned();
        }
        self
    }

    /// With another first part of the host's name than the service's.
    pub fn endpoint_prefix(mut self, prefix: &str) -> Self {
        self.message.endpoint_prefix = Some(prefix.to_owned());
        self
    }

    /// Makes the call, and gives the text of the answer: JSON or XML.
    pub fn text(self) -> Result<String, Error> {
        if let Some(problem) = self.problem {
            return Err(Error::invalid(problem));
        }
        wit::call(&self.message).map_err(Error::from)
    }

    /// Makes the call, and reads the answer as JSON.
    pub fn send<T: DeserializeOwned>(self) -> Result<T, Error> {
        let service = self.message.service.clone();
        let text = self.text()?;
        let text = if text.is_empty() { "null" } else { &text };
        serde_json::from_str(text).map_err(|error| {
            Error::new(ErrorClass::Service, format!("{service} answered with something else than expected: {error}"))
        })
    }

    /// As [`Call::send`]; nothing where the service says that it is not there.
    pub fn send_optional<T: DeserializeOwned>(self) -> Result<Option<T>, Error> {
        match self.send() {
            Err(Error { class: ErrorClass::NotFound, .. }) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Makes the call; what it answers does not matter. What is not there is no error: to delete it again is none.
    pub fn done(self) -> Result<(), Error> {
        match self.text() {
            Err(Error { class: ErrorClass::NotFound, .. }) => Ok(()),
            other => other.map(drop),
        }
    }
}
