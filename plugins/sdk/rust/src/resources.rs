//! Resources of the kinds that providers bring.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::llmhost::resources::resources as wit;
use crate::{Failure, FailureCode, Options, failure, invalid, is_known};

/// A resource of a provider of the pipeline file. Granted by `allow = ["resource:dns.record"]`.
#[derive(Debug)]
pub struct Any(wit::Any);

impl Any {
    /// Declares a resource. `kind` is the provider's name in the pipeline file and one of its kinds: `dns.record`; the
    /// user chooses that name, so the kind is best an option of the step. Texts in the spec may hold unknown tokens; put a
    /// value of another type that is not known yet into a [`serde_json::Value`].
    pub fn declare(
        kind: &str,
        name: &str,
        spec: &(impl Serialize + ?Sized),
        options: &Options,
    ) -> Result<Self, Failure> {
        let spec = serde_json::to_string(spec)
            .map_err(|error| invalid(format!("the spec of {kind} '{name}' cannot be written as JSON: {error}")))?;
        wit::Any::declare(kind, name, &spec, options).map(Self)
    }

    /// An output. While planning one that is not known yet is a text with a token in it, whatever type it will have: read an
    /// output that is no text as a [`serde_json::Value`], and pass it on.
    pub fn output<T: DeserializeOwned>(&self, name: &str) -> Result<T, Failure> {
        decoded(name, &self.0.output(name)?, is_known)
    }

    /// The id.
    pub fn id(&self) -> Result<String, Failure> {
        self.output("id")
    }

    /// Where it stands, for [`Options::after`].
    pub fn address(&self) -> String {
        self.0.address()
    }
}

fn decoded<T: DeserializeOwned>(name: &str, json: &str, is_known: fn(&str) -> bool) -> Result<T, Failure> {
    serde_json::from_str(json).map_err(|error| match is_known(json) {
        true => failure(FailureCode::Failed, format!("the output '{name}' is not what the plugin expects: {error}")),
        false => failure(
            FailureCode::Failed,
            format!(
                "the output '{name}' is not known while planning, and this plugin needs its value: read it as any JSON"
            ),
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_is_a_value_or_a_token() {
        let is_known = |text: &str| !text.contains("<<");
        assert_eq!(decoded::<u32>("serial", "7", is_known).ok(), Some(7));
        assert_eq!(decoded::<String>("serial", "\"<<unknown>>\"", is_known).ok().as_deref(), Some("<<unknown>>"));
        for (json, part) in
            [("\"a\"", "is not what the plugin expects"), ("\"<<unknown>>\"", "not known while planning")]
        {
            let Err(Failure { message, .. }) = decoded::<u32>("serial", json, is_known) else { panic!("no number") };
            assert!(message.contains(part) && message.contains("'serial'"), "{message}");
        }
    }
}
