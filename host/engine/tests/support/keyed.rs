//! A cloud whose resources are known by name, as in IAM: what is deleted and created again has the
//! same name and ARN and is another thing. Attachments end with what they are attached to, entries
//! keep whom they were made for, and what is in use cannot be deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use llmhost_engine::kind::*;
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::plugin::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What a resource is in the cloud.
#[derive(Debug, Clone, PartialEq)]
pub struct Thing {
    /// Grows with everything that is created: tells a successor from its predecessor.
    pub serial: u32,
    /// Of the intent that created it.
    pub token: String,
    pub spec: Spec,
    /// The serial of each thing that it refers to, as of when the reference was made.
    pub bound: BTreeMap<String, u32>,
}

/// Every thing, by `kind/name`.
#[derive(Default)]
pub struct Cloud {
    pub things: Mutex<BTreeMap<String, Thing>>,
    pub calls: Mutex<Vec<String>>,
    /// Calls that fail, each once: before they act, or after.
    pub failing: Mutex<BTreeMap<String, When>>,
    serial: Mutex<u32>,
}

/// When a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The service refuses it.
    Before,
    /// The service acts, and its answer is lost.
    After,
}

/// One shape for all kinds: each uses the fields that mean something to it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    pub name: String,
    /// Cannot be changed in place.
    #[serde(default)]
    pub fixed: String,
    /// Can be.
    #[serde(default)]
    pub note: String,
    /// ARNs of groups that it is attached to.
    #[serde(default)]
    pub groups: BTreeSet<String>,
    /// The ARN of whom it is for.
    #[serde(default)]
    pub of: String,
}

impl Cloud {
    /// A deletion behind the pipeline's back.
    pub fn lose(&self, key: &str) {
        let mut things = self.things.lock().unwrap();
        if things.remove(key).is_some() {
            let gone = arn(key);
            for thing in things.values_mut() {
                if thing.spec.groups.remove(&gone) {
                    thing.bound.remove(&gone);
                }
            }
        }
    }

    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// References to things that are no longer the ones that they were made to.
    pub fn dangling(&self) -> Vec<String> {
        let things = self.things.lock().unwrap();
        let live = |arn: &String, serial: &u32| things.get(key_of(arn)).is_some_and(|thing| thing.serial == *serial);
        let dead = |(key, thing): (&String, &Thing)| {
            let dead = thing.bound.iter().filter(|(arn, serial)| !live(arn, serial));
            dead.map(|(arn, _)| format!("{key} -> {arn}")).collect::<Vec<_>>()
        };
        things.iter().flat_map(dead).collect()
    }

    /// Notes a call; an error where it is to fail without acting, and whether its answer is to be lost.
    fn call(&self, call: String) -> Result<bool, OpError> {
        let when = self.failing.lock().unwrap().remove(&call);
        self.calls.lock().unwrap().push(call);
        match when {
            Some(When::Before) => Err(Self::error("test:Call", "Throttled", ErrorClass::Throttled)),
            when => Ok(when == Some(When::After)),
        }
    }

    fn lost(is_lost: bool) -> Result<(), OpError> {
        if is_lost { Err(Self::error("test:Call", "Unreachable", ErrorClass::Unreachable)) } else { Ok(()) }
    }

    fn error(operation: &str, code: &str, class: ErrorClass) -> OpError {
        let (operation, code) = (operation.to_owned(), Some(code.to_owned()));
        OpError { operation, code, message: "refused".into(), request_id: None, class, advice: None }
    }
}

fn arn(key: &str) -> String {
    format!("arn:{key}")
}

fn key_of(arn: &str) -> &str {
    arn.strip_prefix("arn:").unwrap_or(arn)
}

macro_rules! kind {
    ($kind:ident, $name:literal, unique: $unique:expr, by_name: $by_name:expr, immutable: $immutable:expr) => {
        pub struct $kind(pub Arc<Cloud>);

        #[async_trait]
        impl Kind for $kind {
            type Spec = Spec;
            const NAME: &'static str = $name;
            const ACTIONS: &'static [&'static str] = &[];
            const IMMUTABLE: &'static [&'static str] = &$immutable;
            const UNIQUE: &'static [&'static str] = &$unique;
            const BY_NAME: &'static [&'static str] = &$by_name;
            const IDENTITIES: &'static [&'static str] = &["arn"];

            fn complete(&self, _: &mut Spec, _: &DeclareContext<'_>) -> Result<(), String> {
                Ok(())
            }

            fn foreknown(&self, spec: &Spec) -> Outputs {
                outputs(&key::<Self>(spec))
            }

            fn without(&self, spec: &Spec, identities: &[String]) -> Option<Spec> {
                let mut spec = spec.clone();
                let before = spec.groups.len();
                spec.groups.retain(|group| !identities.contains(group));
                (spec.groups.len() < before).then_some(spec)
            }

            async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
                let key = key::<Self>(spec);
                let is_lost = self.0.call(format!("create {key}"))?;
                let mut things = self.0.things.lock().unwrap();
                if things.contains_key(&key) {
                    return Err(Cloud::error("test:Create", "EntityAlreadyExists", ErrorClass::Conflict));
                }
                let mut serial = self.0.serial.lock().unwrap();
                *serial += 1;
                let mut bound = BTreeMap::new();
                if !spec.of.is_empty() && !Self::BY_NAME.contains(&"of") {
                    let Some(principal) = things.get(key_of(&spec.of)) else {
                        return Err(Cloud::error("test:Create", "NoSuchPrincipal", ErrorClass::Invalid));
                    };
                    bound.insert(spec.of.clone(), principal.serial);
                }
                // Attachments are made by `configure`.
                let spec = Spec { groups: BTreeSet::new(), ..spec.clone() };
                let token = intent.token.clone();
                things.insert(key.clone(), Thing { serial: *serial, token, spec, bound });
                Cloud::lost(is_lost)?;
                Ok(Created { outputs: outputs(&key), id: key })
            }

            async fn configure(
                &self,
                id: &str,
                spec: &Spec,
                was: Option<&Spec>,
                _: &dyn Progress,
            ) -> Result<Outputs, OpError> {
                let is_lost = was.is_some() && self.0.call(format!("update {id}"))?;
                let mut things = self.0.things.lock().unwrap();
                let serials: BTreeMap<_, _> = things.iter().map(|(key, thing)| (arn(key), thing.serial)).collect();
                let Some(thing) = things.get_mut(id) else {
                    return Err(Cloud::error("test:Update", "NoSuchEntity", ErrorClass::NotFound));
                };
                thing.spec.note.clone_from(&spec.note);
                thing.spec.of.clone_from(&spec.of);
                for gone in thing.spec.groups.difference(&spec.groups) {
                    thing.bound.remove(gone);
                }
                for group in spec.groups.difference(&thing.spec.groups.clone()) {
                    let Some(serial) = serials.get(group) else {
                        return Err(Cloud::error("test:Attach", "NoSuchEntity", ErrorClass::NotFound));
                    };
                    thing.bound.insert(group.clone(), *serial);
                }
                thing.spec.groups.clone_from(&spec.groups);
                Cloud::lost(is_lost)?;
                Ok(Outputs::new())
            }

            async fn read(&self, id: &str, _: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
                let things = self.0.things.lock().unwrap();
                Ok(things.get(id).map(|thing| Observed { spec: thing.spec.clone(), outputs: outputs(id) }))
            }

            async fn find(&self, spec: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
                let (key, things) = (key::<Self>(spec), self.0.things.lock().unwrap());
                let made = things.get(&key).filter(|thing| thing.token == intent.token);
                Ok(made.map(|_| Created { outputs: outputs(&key), id: key.clone() }))
            }

            async fn delete(&self, id: &str, _: &Spec, _: &dyn Progress) -> Result<(), OpError> {
                let is_lost = self.0.call(format!("delete {id}"))?;
                let mut things = self.0.things.lock().unwrap();
                if things.values().any(|other| other.spec.groups.contains(&arn(id))) {
                    return Err(Cloud::error("test:Delete", "DeleteConflict", ErrorClass::Conflict));
                }
                things.remove(id);
                Cloud::lost(is_lost)
            }
        }
    };
}

fn key<K: Kind<Spec = Spec>>(spec: &Spec) -> String {
    let unique = if K::UNIQUE.contains(&"of") { key_of(&spec.of).replace('/', "-") } else { spec.name.clone() };
    format!("{}/{unique}", K::NAME)
}

fn outputs(key: &str) -> Outputs {
    json!({ "arn": arn(key) }).as_object().unwrap().clone()
}

kind!(Group, "test.group", unique: ["name"], by_name: [], immutable: ["name", "fixed"]);
kind!(Member, "test.member", unique: ["name"], by_name: [], immutable: ["name", "fixed"]);
// For one member, and for that very one.
kind!(Entry, "test.entry", unique: ["of"], by_name: [], immutable: ["of"]);
// For whoever has the name.
kind!(Server, "test.server", unique: ["name"], by_name: ["of"], immutable: ["name", "of"]);

/// Declares what `with.declare` lists: `kind`, `at` (the name in its address) and `spec`, in which
/// `@kind/at` stands for the ARN of an earlier one.
pub struct Declarer(pub Description);

impl Declarer {
    pub fn new() -> Self {
        let summary = "Declares what it is given.".to_owned();
        Self(Description {
            summary,
            config_schema: json!({ "type": "object" }),
            outputs: Vec::new(),
            needs: Vec::new(),
        })
    }
}

#[async_trait]
impl Plugin for Declarer {
    fn description(&self) -> &Description {
        &self.0
    }

    fn sha256(&self) -> &str {
        "1"
    }

    async fn run(&self, config: &Value, host: Arc<dyn Capabilities>) -> Result<Value, PluginError> {
        let mut made: BTreeMap<String, ResourceAddress> = BTreeMap::new();
        for entry in config["declare"].as_array().into_iter().flatten() {
            let mut spec = entry["spec"].clone();
            for value in spec.as_object_mut().into_iter().flat_map(|fields| fields.values_mut()) {
                resolve(value, &made, &*host).await.map_err(PluginError::Returned)?;
            }
            let (kind, at) = (entry["kind"].as_str().unwrap(), entry["at"].as_str().unwrap());
            let address = host.declare(kind, at, spec, &[]).map_err(PluginError::Returned)?;
            made.insert(format!("@{kind}/{at}"), address);
        }
        Ok(json!({}))
    }
}

async fn resolve(
    value: &mut Value,
    made: &BTreeMap<String, ResourceAddress>,
    host: &dyn Capabilities,
) -> Result<(), Failure> {
    let texts: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        other => vec![other],
    };
    for text in texts {
        if let Some(address) = text.as_str().and_then(|text| made.get(text)) {
            *text = host.output(address, "arn").await?;
        }
    }
    Ok(())
}
