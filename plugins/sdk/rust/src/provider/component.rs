//! From the typed kinds to the component's exports.

use std::marker::PhantomData;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::bindings::exports::llmhost::provider::kinds as wit;
use super::{Created, Error, Kind};

/// The provider of a component; [`crate::export_provider!`] makes one.
pub trait Provider {
    /// The `with` table of all kinds.
    type Config: DeserializeOwned + JsonSchema;
    /// One sentence.
    const SUMMARY: &'static str;
    /// Its kinds.
    const KINDS: &'static [&'static dyn AnyKind];
}

/// A [`Kind`] with texts in place of types.
pub trait AnyKind {
    /// What it is called.
    fn name(&self) -> &'static str;
    /// What the host is told of it.
    fn describe(&self) -> wit::Kind;
    /// [`Kind::create`]
    fn create(&self, config: &str, spec: &str, token: &str) -> Result<wit::Created, Error>;
    /// [`Kind::find`]
    fn find(&self, config: &str, spec: &str, token: &str) -> Result<Option<wit::Created>, Error>;
    /// [`Kind::read`]
    fn read(&self, config: &str, id: &str, known: &str) -> Result<Option<wit::Observed>, Error>;
    /// [`Kind::update`]
    fn update(&self, config: &str, id: &str, old: &str, new: &str) -> Result<String, Error>;
    /// [`Kind::delete`]
    fn delete(&self, config: &str, id: &str, spec: &str) -> Result<(), Error>;
}

/// A kind of a provider whose kinds all have this configuration.
pub const fn of<Config, K: Kind<Config = Config>>() -> PhantomData<K> {
    PhantomData
}

impl<K: Kind> AnyKind for PhantomData<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn describe(&self) -> wit::Kind {
        wit::Kind {
            name: K::NAME.to_owned(),
            summary: K::SUMMARY.to_owned(),
            spec_schema: schema::<K::Spec>().as_value().to_string(),
            immutable: K::IMMUTABLE.iter().map(ToString::to_string).collect(),
            unique: K::UNIQUE.iter().map(ToString::to_string).collect(),
            outputs: outputs_of::<K>(),
        }
    }

    fn create(&self, config: &str, spec: &str, token: &str) -> Result<wit::Created, Error> {
        created(K::create(&options(config)?, &declared(spec)?, token)?)
    }

    fn find(&self, config: &str, spec: &str, token: &str) -> Result<Option<wit::Created>, Error> {
        K::find(&options(config)?, &declared(spec)?, token)?.map(created).transpose()
    }

    fn read(&self, config: &str, id: &str, known: &str) -> Result<Option<wit::Observed>, Error> {
        let Some(seen) = K::read(&options(config)?, id, &recorded(known)?)? else { return Ok(None) };
        let mut spec = value("the spec", &seen.spec)?;
        leave_out(&mut spec, serde_json::from_str(known).ok().as_ref());
        Ok(Some(wit::Observed { id: id.to_owned(), spec: spec.to_string(), outputs: outputs(&seen.outputs)? }))
    }

    fn update(&self, config: &str, id: &str, old: &str, new: &str) -> Result<String, Error> {
        outputs(&K::update(&options(config)?, id, &recorded(old)?, &declared(new)?)?)
    }

    fn delete(&self, config: &str, id: &str, spec: &str) -> Result<(), Error> {
        K::delete(&options(config)?, id, &recorded(spec)?)
    }
}

impl<P: Provider> wit::Guest for P {
    fn describe() -> wit::Description {
        crate::panic::speak();
        wit::Description {
            summary: P::SUMMARY.to_owned(),
            config_schema: schema::<P::Config>().as_value().to_string(),
            kinds: P::KINDS.iter().map(|kind| kind.describe()).collect(),
        }
    }

    fn create(config: String, kind: String, spec: String, token: String) -> Result<wit::Created, Error> {
        named::<P>(&kind)?.create(&config, &spec, &token)
    }

    fn find(config: String, kind: String, spec: String, token: String) -> Result<Option<wit::Created>, Error> {
        named::<P>(&kind)?.find(&config, &spec, &token)
    }

    fn read(config: String, kind: String, id: String, spec: String) -> Result<Option<wit::Observed>, Error> {
        named::<P>(&kind)?.read(&config, &id, &spec)
    }

    fn update(config: String, kind: String, id: String, old: String, new: String) -> Result<String, Error> {
        named::<P>(&kind)?.update(&config, &id, &old, &new)
    }

    fn delete(config: String, kind: String, id: String, spec: String) -> Result<(), Error> {
        named::<P>(&kind)?.delete(&config, &id, &spec)
    }
}

fn named<P: Provider>(name: &str) -> Result<&'static dyn AnyKind, Error> {
    crate::panic::speak();
    let kind = P::KINDS.iter().find(|kind| kind.name() == name);
    kind.copied().ok_or_else(|| Error::invalid(format!("this provider has no kind '{name}'")))
}

/// Without `$ref`: the host sees which fields are `writeOnly` where they stand.
fn schema<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<T>()
}

/// The fields of the type of its outputs.
fn outputs_of<K: Kind>() -> Vec<wit::Output> {
    let schema = schema::<K::Outputs>();
    let fields = schema.get("properties").and_then(Value::as_object);
    for name in K::IDENTITIES.iter().chain(K::SENSITIVE) {
        // A misspelt sensitive output would be shown.
        assert!(fields.is_some_and(|fields| fields.contains_key(*name)), "kind {}: it has no output '{name}'", K::NAME);
    }
    let described = |field: &Value| field.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    let output = |(name, field): (&String, &Value)| wit::Output {
        name: name.clone(),
        description: described(field),
        identity: K::IDENTITIES.contains(&name.as_str()),
        sensitive: K::SENSITIVE.contains(&name.as_str()),
    };
    fields.into_iter().flatten().map(output).collect()
}

fn options<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::invalid(format!("the options of the provider: {error}")))
}

fn declared<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::invalid(format!("the spec: {error}")))
}

/// A spec of the state, which an earlier version of the provider may have left.
fn recorded<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| {
        Error::invalid(format!("this version of the provider cannot read the spec that the state has: {error}"))
            .with_advice(
                "Use the version of the provider that made the resource, or a later one that can read its spec.",
            )
    })
}

fn value(what: &str, of: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(of).map_err(|error| Error::invalid(format!("{what} cannot be written as JSON: {error}")))
}

fn outputs(of: &impl Serialize) -> Result<String, Error> {
    match value("the outputs", of)? {
        // `()`
        Value::Null => Ok(Value::Object(Map::new()).to_string()),
        other => Ok(other.to_string()),
    }
}

fn created<Outputs: Serialize>(made: Created<Outputs>) -> Result<wit::Created, Error> {
    Ok(wit::Created { outputs: outputs(&made.outputs)?, id: made.id })
}

/// Leaves out fields with `null` that the known spec does not have: an `Option` that nobody set is no drift.
fn leave_out(seen: &mut Value, known: Option<&Value>) {
    match seen {
        Value::Object(fields) => {
            fields.retain(|name, value| !value.is_null() || known.is_some_and(|known| known.get(name).is_some()));
            fields.iter_mut().for_each(|(name, value)| leave_out(value, known.and_then(|known| known.get(name))));
        }
        Value::Array(items) => {
            let items = items.iter_mut().enumerate();
            items.for_each(|(at, item)| leave_out(item, known.and_then(|known| known.get(at))));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
