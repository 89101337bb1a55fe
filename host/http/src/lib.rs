//! HTTP and TCP for providers: requests and connections to what was granted, and to nothing else.
//!
//! A [`Grant`] is what a user wrote in the pipeline file. A [`Client`] holds every request, and every redirect, against
//! it: method, scheme, host, port and path of the URL as it is sent. The host's name is looked up once; each of its
//! addresses is checked, and the connection goes to one of them. Metadata services and link-local addresses are never
//! asked, this machine and private addresses only where the grant says so by name. Secrets are tokens until the
//! moment of sending, go only to where they were granted for, and follow no redirect to another origin.
//!
//! A [`TcpGrant`] and a [`TcpClient`] are the same for connections of other protocols, by the same rules for addresses.
//!
//! What it does not do: it tries nothing twice (but each [`HttpError`] says whether the server may have got the request),
//! keeps no cookies and no connections, uses no proxy of the environment, and decompresses nothing. It speaks HTTP/1.1.

mod address;
mod client;
mod connect;
mod error;
mod exchange;
mod grant;
mod network;
mod redirect;
mod request;
mod secrets;
mod target;
mod tcp;
mod tls;

pub use address::{Reach, Why, reach};
pub use client::{Client, Limits, MOST_REDIRECTS, Options};
pub use error::{Class, Failure, HttpError, Part, Phase, TlsProblem};
pub use grant::{Entry, Grant, GrantError};
pub use network::{Network, SystemNetwork};
pub use request::{Request, Response};
pub use secrets::{NoSecrets, Secrets, Token};
pub use tcp::{Connection, TcpClient, TcpEntry, TcpFailure, TcpGrant, TcpLimits, TcpOptions};
pub use tls::{Roots, SetupError};
