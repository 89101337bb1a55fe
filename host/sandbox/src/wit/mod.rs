//! What the WIT says, and how a component's own types are served.
//!
//! A component carries the types that it was compiled with. They are read by the names of their fields and cases, so
//! one host serves every released version of an interface, and an interface can gain optional fields: `link` ties what
//! components import to the engine's capabilities, `check` holds a component's types against the newest ones, `values`
//! turns values into JSON and back, `step` calls what a plugin exports, `kinds` what a provider does.

mod check;
mod connections;
pub(crate) mod kinds;
mod link;
mod outgoing;
mod proofs;
mod served;
mod step;
mod values;

pub(crate) use check::imports as check_imports;
pub(crate) use link::add_to as add_to_linker;
pub(crate) use served::{ANY, FUNCTIONS, Import, is_built_in, packages, resources};
pub(crate) use step::{Described, Step};
