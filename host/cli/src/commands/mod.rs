//! One file a command.

pub(crate) mod bench;
pub(crate) mod destroy;
pub(crate) mod doctor;
mod draft;
pub(crate) mod drift;
pub(crate) mod explain;
pub(crate) mod generate;
pub(crate) mod graph;
pub(crate) mod import;
pub(crate) mod kubeconfig;
pub(crate) mod lock;
pub(crate) mod model;
pub(crate) mod outputs;
pub(crate) mod pipeline;
pub(crate) mod plugin;
pub(crate) mod policy;
mod preflight;
pub(crate) mod publish;
pub(crate) mod rehearse;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod state;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod validate;
