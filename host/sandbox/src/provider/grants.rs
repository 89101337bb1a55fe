//! What the pipeline file grants a provider.

use llmhost_engine::plugin::LoadError;
use llmhost_http::{Grant, GrantError, Roots, TcpGrant};

use crate::scoped;

/// The beginnings of grants of requests and of connections.
const HTTP: &str = "http:";
const TCP: &str = "tcp:";
pub(crate) const HTTP_EXAMPLE: &str = "http:GET,POST https://api.example.com/v1/*";
pub(crate) const TCP_EXAMPLE: &str = "tcp:db.example.com:5432";
const CALL_EXAMPLE: &str = "request:ssm:PutParameter Name=/jobs/*";

/// The entries of `allow`, by what they are for.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    /// Requests over HTTP.
    pub(crate) http: Grant,
    /// Connections.
    pub(crate) tcp: TcpGrant,
    /// Calls of AWS, as they stand in the file.
    pub(crate) calls: Vec<String>,
    /// Whom TLS trusts.
    pub(crate) roots: Roots,
}

impl Grants {
    /// Reads the grants of a provider, and its CA.
    pub(crate) fn read(allow: &[String], ca: Option<&str>) -> Result<Self, LoadError> {
        let (mut http, mut tcp, mut calls) = (Vec::new(), Vec::new(), Vec::new());
        for grant in allow {
            let bad = |reason: String| LoadError::BadGrant { grant: grant.clone(), reason };
            let unread = |error: GrantError| bad(error.to_string());
            if scoped::interface_of(grant) == Some(scoped::REQUEST) {
                if let Some(Err(reason)) = scoped::check(grant) {
                    return Err(bad(reason));
                }
                calls.push(grant.clone());
            } else if let Some(entry) = grant.strip_prefix(HTTP) {
                Grant::parse(&[entry]).map_err(unread)?;
                http.push(entry);
            } else if let Some(entry) = grant.strip_prefix(TCP) {
                TcpGrant::parse(&[entry]).map_err(unread)?;
                tcp.push(entry);
            } else {
                let known = [HTTP_EXAMPLE, TCP_EXAMPLE, CALL_EXAMPLE].map(str::to_owned).to_vec();
                return Err(LoadError::UnknownGrant { grant: grant.clone(), known });
            }
        }
        let roots = ca.map_or(Roots::System, |pem| Roots::Only(pem.to_owned()));
        roots.check().map_err(|error| LoadError::BadCa { reason: error.to_string() })?;
        let each_was_read = "each of them was read";
        let (http, tcp) = (Grant::parse(&http).expect(each_was_read), TcpGrant::parse(&tcp).expect(each_was_read));
        Ok(Self { http, tcp, calls, roots })
    }

    /// Whether there is nothing that it may reach.
    pub(crate) fn is_empty(&self) -> bool {
        self.http.entries().is_empty() && self.tcp.entries().is_empty() && self.calls.is_empty()
    }
}
