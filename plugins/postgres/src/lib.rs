//! Roles, databases and grants of a PostgreSQL server.
//!
//! Each call has a session of its own, over a connection that the host makes. Passwords are handles of secrets: the host
//! proves that of the session's user, and makes verifiers of those of roles.

mod config;
mod database;
mod grant;
mod role;
mod server_error;
mod session;
mod sql;
mod wire;

pub use database::Database;
pub use grant::Grant;
pub use role::Role;

llmhost_plugin::export_provider!("Roles, databases and grants of a PostgreSQL server.", [Role, Database, Grant]);
