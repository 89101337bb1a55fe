//! Write a provider: a component that brings kinds of resources of its own.
//!
//! A provider makes single calls and remembers nothing between them. The host plans, compares, journals, replaces and
//! deletes its resources like those that it brings itself.
//!
//! ```no_run
//! use llmhost_plugin::provider::{Created, Error, Kind, Observed, http};
//!
//! /// What stands in the table `with` of the provider.
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     /// Address of the service.
//!     url: String,
//! }
//!
//! #[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Spec {
//!     /// What the flag is called.
//!     name: String,
//!     /// Whether it is on.
//!     #[serde(default)]
//!     on: bool,
//! }
//!
//! struct Flag;
//!
//! impl Kind for Flag {
//!     type Config = Config;
//!     type Spec = Spec;
//!     type Outputs = ();
//!     const NAME: &'static str = "flag";
//!     const SUMMARY: &'static str = "A feature flag.";
//!     const IMMUTABLE: &'static [&'static str] = &["name"];
//!     const UNIQUE: &'static [&'static str] = &["name"];
//!
//!     fn create(config: &Config, spec: &Spec, token: &str) -> Result<Created<()>, Error> {
//!         http::Request::post(format!("{}/flags", config.url)).header("idempotency-key", token).json(spec).done()?;
//!         Ok(Created { id: spec.name.clone(), outputs: () })
//!     }
//!
//!     fn find(_: &Config, _: &Spec, _: &str) -> Result<Option<Created<()>>, Error> {
//!         Ok(None) // The same key makes nothing twice.
//!     }
//!
//!     fn read(config: &Config, id: &str, _: &Spec) -> Result<Option<Observed<Spec, ()>>, Error> {
//!         let there = http::Request::get(format!("{}/flags/{id}", config.url)).send_optional()?;
//!         Ok(there.map(|spec| Observed { spec, outputs: () }))
//!     }
//!
//!     fn update(config: &Config, id: &str, _: &Spec, new: &Spec) -> Result<(), Error> {
//!         http::Request::put(format!("{}/flags/{id}", config.url)).json(new).done()
//!     }
//!
//!     fn delete(config: &Config, id: &str, _: &Spec) -> Result<(), Error> {
//!         http::Request::delete(format!("{}/flags/{id}", config.url)).done()
//!     }
//! }
//!
//! llmhost_plugin::export_provider!("Feature flags.", [Flag]);
//! # fn main() {}
//! ```

pub mod aws;
mod component;
mod error;
pub mod http;
pub mod scram;
pub mod tcp;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

#[doc(hidden)]
pub use component::{AnyKind, Provider, of};

/// The bindings to the host's interfaces for providers.
#[doc(hidden)]
#[allow(missing_docs, reason = "generated; the WIT files document it")]
pub mod bindings {
    wit_bindgen::generate!({
        path: [
            "wit/plugin/0.2.0",
            "wit/http/0.2.0",
            "wit/tcp/0.2.0",
            "wit/provider/0.2.0",
        ],
        world: "llmhost:provider/provider@0.2.0",
        // A provider and a plugin write to the same log.
        with: { "llmhost:plugin/log@0.2.0": crate::bindings::llmhost::plugin::log },
        pub_export_macro: true,
        default_bindings_module: "llmhost_plugin::provider::bindings",
        additional_derives: [Clone],
        generate_all,
    });
}

pub use bindings::exports::llmhost::provider::kinds::{Error, ErrorClass};

/// One kind of resource.
///
/// The host checks specs against the schema of [`Self::Spec`] and fills in its defaults before a function sees them. The
/// handle of a secret (`<<secret:name>>`) may stand in any text of the configuration, and in a field of the spec that is
/// `#[schemars(extend("writeOnly" = true))]`. Put it where its value has to be in a request: the host fills it in.
pub trait Kind {
    /// The table `with` of `[providers.NAME]`, the same type for all kinds of a provider. Doc comments become the
    /// descriptions that users see; put `#[serde(deny_unknown_fields)]` on it.
    type Config: DeserializeOwned + JsonSchema;
    /// What is declared, and what [`Self::read`] gives back. A later version of the provider reads specs that an earlier one
    /// left in a state, so give new fields a default.
    type Spec: Serialize + DeserializeOwned + JsonSchema;
    /// What it tells beside its id; `()` where that is nothing. Every field has to be there: `null` where it has no value.
    type Outputs: Serialize + JsonSchema;
    /// `record` of `dns.record`: a small letter, then small letters, digits and hyphens.
    const NAME: &'static str;
    /// One sentence.
    const SUMMARY: &'static str;
    /// Fields of the spec that cannot be changed in place: another value makes another resource.
    const IMMUTABLE: &'static [&'static str] = &[];
    /// Fields of the spec that together name the resource, so that only one can have them at a time.
    const UNIQUE: &'static [&'static str] = &[];
    /// Outputs that tell this resource from all others and never change. A spec that holds one depends on the resource.
    const IDENTITIES: &'static [&'static str] = &[];
    /// Outputs that are kept out of everything that is shown. The state holds them.
    const SENSITIVE: &'static [&'static str] = &[];

    /// Makes a resource. `token` is unique to it, and the same when the call is made again: give it to the service, as an
    /// idempotency key or a tag.
    fn create(config: &Self::Config, spec: &Self::Spec, token: &str) -> Result<Created<Self::Outputs>, Error>;

    /// Looks for what a [`Self::create`] with this token made, whose answer was lost. Never gives what somebody else made.
    fn find(config: &Self::Config, spec: &Self::Spec, token: &str) -> Result<Option<Created<Self::Outputs>>, Error>;

    /// What the service says now; nothing, or an error of the class [`ErrorClass::NotFound`], where the resource is gone.
    /// Fields that the service does not tell are those of `known`.
    #[allow(clippy::type_complexity, reason = "written out, it says what an implementation gives")]
    fn read(
        config: &Self::Config,
        id: &str,
        known: &Self::Spec,
    ) -> Result<Option<Observed<Self::Spec, Self::Outputs>>, Error>;

    /// Changes a resource in place. May be called again.
    fn update(config: &Self::Config, id: &str, old: &Self::Spec, new: &Self::Spec) -> Result<Self::Outputs, Error>;

    /// Deletes a resource, and returns when it is gone. That it is gone already ([`ErrorClass::NotFound`]) is no error to
    /// the host.
    fn delete(config: &Self::Config, id: &str, spec: &Self::Spec) -> Result<(), Error>;
}

/// A resource that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created<Outputs> {
    /// The service's id, or what stands for one. It never changes.
    pub id: String,
    /// What it tells.
    pub outputs: Outputs,
}

/// A resource as the service has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed<Spec, Outputs> {
    /// In the form in which it is declared. A difference is drift.
    pub spec: Spec,
    /// What it tells.
    pub outputs: Outputs,
}

/// Waits. Where the run is stopped meanwhile, the call ends here, and the next run goes on.
pub fn pause(duration: Duration) {
    const MOST: u128 = 60_000;
    let mut left = duration.as_millis();
    while left > 0 {
        let part = left.min(MOST);
        bindings::llmhost::provider::wait::pause(part as u32);
        left -= part;
    }
}

/// Makes types that are [`Kind`]s the kinds of the component's provider: `export_provider!("DNS records.", [Record, Zone])`.
#[macro_export]
macro_rules! export_provider {
    ($summary:expr, [$first:ty $(, $rest:ty)* $(,)?]) => {
        const _: () = {
            struct Component;

            impl $crate::provider::Provider for Component {
                type Config = <$first as $crate::provider::Kind>::Config;
                const SUMMARY: &'static str = $summary;
                const KINDS: &'static [&'static dyn $crate::provider::AnyKind] =
                    &[&$crate::provider::of::<Self::Config, $first>() $(, &$crate::provider::of::<Self::Config, $rest>())*];
            }

            $crate::provider::bindings::export!(Component with_types_in $crate::provider::bindings);
        };
    };
}
