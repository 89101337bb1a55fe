//! One file a command.

pub(crate) mod destroy;
pub(crate) mod drift;
pub(crate) mod graph;
pub(crate) mod plugin;
pub(crate) mod policy;
mod preflight;
pub(crate) mod rehearse;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod validate;
