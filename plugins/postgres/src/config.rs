//! The options of the provider.

use schemars::JsonSchema;
use serde::Deserialize;

/// Which server, and who asks it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name or IP address of the server. Grant it as tcp:HOST:PORT.
    pub host: String,
    /// Its port.
    #[serde(default = "port")]
    pub port: u16,
    /// The database that is connected to. It is not changed.
    #[serde(default = "database")]
    pub database: String,
    /// The role that makes the changes: a superuser, or one with CREATEROLE and CREATEDB.
    pub user: String,
    /// Its password: a secret of the pipeline file. It is proved by SCRAM-SHA-256 and never sent.
    pub password: Option<String>,
    /// Whether the connection has TLS.
    #[serde(default)]
    pub sslmode: SslMode,
}

/// Whether the connection has TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum SslMode {
    /// TLS with a certificate that is valid for the host.
    #[default]
    #[serde(rename = "verify-full")]
    VerifyFull,
    /// No TLS.
    #[serde(rename = "disable")]
    Disable,
}

fn port() -> u16 {
    5432
}

fn database() -> String {
    "postgres".to_owned()
}
