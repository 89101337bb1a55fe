//! From an empty folder to a plugin: projects in every language that is offered, the WIT that they are built
//! against, and the tools that build them.
//!
//! Everything that a project starts from is carried in the binary (`carried`): the WIT, the SDKs and one template a
//! language. [`create`] writes a project, [`refresh`] its WIT anew, and [`build`] its WebAssembly. The WIT is cut to
//! what the project [uses](Uses), so that a plugin imports no more than it wants granted, whatever its language's tools
//! do. Tools are pinned in one file (`tools`) and installed into llmhost's own cache folder.

mod bindings;
mod build;
mod carried;
mod command;
mod create;
mod error;
mod language;
mod names;
mod project;
mod tools;
mod uses;
mod wit;

pub use bindings::interfaces;
pub use build::{Built, build};
pub use create::{Created, create, refresh};
pub use error::AuthoringError;
pub use language::Language;
pub use project::{Project, World};
pub use uses::Uses;

/// Told of each step, in a line.
pub type Tell<'a> = &'a (dyn Fn(&str) + Sync);
