//! What the pipeline file grants a provider.

use std::sync::Arc;

use llmhost_engine::plugin::LoadError;
use llmhost_http::Grant;

use crate::scoped;

/// The beginning of grants of requests.
const HTTP: &str = "http:";
const EXAMPLES: [&str; 2] = ["http:GET,POST https://api.example.com/v1/*", "request:ssm:PutParameter Name=/jobs/*"];

/// The entries of `allow`, by what they are for.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    /// Requests over HTTP.
    pub(crate) http: Arc<Grant>,
    /// Calls of AWS, as they stand in the file.
    pub(crate) calls: Vec<String>,
}

impl Grants {
    /// Reads the grants of a provider.
    pub(crate) fn read(allow: &[String]) -> Result<Self, LoadError> {
        let (mut http, mut calls) = (Vec::with_capacity(allow.len()), Vec::new());
        for grant in allow {
            if scoped::interface_of(grant) == Some(scoped::REQUEST) {
                if let Some(Err(reason)) = scoped::check(grant) {
                    return Err(LoadError::BadGrant { grant: grant.clone(), reason });
                }
                calls.push(grant.clone());
                continue;
            }
            let Some(entry) = grant.strip_prefix(HTTP) else {
                let known = EXAMPLES.map(str::to_owned).to_vec();
                return Err(LoadError::UnknownGrant { grant: grant.clone(), known });
            };
            if let Err(error) = Grant::parse(&[entry]) {
                return Err(LoadError::BadGrant { grant: grant.clone(), reason: error.to_string() });
            }
            http.push(entry);
        }
        Ok(Self { http: Arc::new(Grant::parse(&http).expect("each of them was read")), calls })
    }

    /// Whether there is nothing that it may reach.
    pub(crate) fn is_empty(&self) -> bool {
        self.http.entries().is_empty() && self.calls.is_empty()
    }
}
