//! Kinds of resources that providers bring.
//!
//! A [`Provider`] is a component that makes single calls; the sandbox implements it. [`ProviderKind`] is a kind of the
//! engine made of it: it holds specs against the kind's schema, sees that what the provider gives is what it described, and
//! tries again what may pass. [`kinds`] loads the providers of a pipeline file. Nothing of it knows WebAssembly.

mod call;
mod checks;
mod describe;
mod keep;
mod kind;
mod load;
mod provider;
mod stand_in;

pub use checks::{NAME as SPEC_CHECK, SpecCheck};
pub use describe::{Checked, CheckedKind, check};
pub use kind::{Pace, ProviderKind};
pub use load::{Brought, Means, kinds};
pub use provider::{
    AwsCalls, Call, CallError, CallErrorClass, Described, KindDoc, Log, Made, OutputDoc, Provider, ProviderError,
    ProviderLoader, ProviderRequest, SecretValues, Seen,
};
