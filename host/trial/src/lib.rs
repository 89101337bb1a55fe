//! Cases for a plugin: small files beside it that say what it is given and what it has to do.
//!
//! A case is run by the real engine, with the real kinds of resources as far as a plan goes: specs are checked,
//! dependencies are found, the plan is held to a second plan with other values and to what is applied. Only the
//! calls to the provider are made up, so that a case takes milliseconds and needs no network. The same case runs
//! against an emulator, too.

mod case;
mod expect;
mod given;
mod junit;
mod pretend;
mod report;
mod run;
mod update;
mod watch;

pub use case::{Case, CaseError};
pub use expect::Difference;
pub use junit::junit;
pub use pretend::Provider;
pub use report::{CaseReport, Verdict};
pub use run::{Subject, run};
pub use update::{UpdateError, update};
