//! A cloud in memory, two kinds of resources in it, and a plugin that declares what its `with`
//! table lists. Enough to see the engine at work without AWS and without WebAssembly.
#![allow(dead_code, reason = "each test file uses its own part of this")]

pub mod keyed;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use llmhost_engine::kind::*;
use llmhost_engine::names::ResourceAddress;
use llmhost_engine::pipeline::Pipeline;
use llmhost_engine::plan::{Action, Plan};
use llmhost_engine::plugin::*;
use llmhost_engine::registry::Registry;
use llmhost_engine::run::{Cancel, Engine, Events, Report};
use llmhost_engine::state::{LocalStore, State, StateStore};
use llmhost_engine::wait;
use llmhost_engine::world::World as Place;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What exists, and every mutating call so far.
#[derive(Default)]
pub struct Cloud {
    pub things: Mutex<BTreeMap<String, Spec>>,
    pub calls: Mutex<Vec<String>>,
    /// Names whose create fails, with the class of the failure.
    pub broken: Mutex<HashMap<String, ErrorClass>>,
    /// Names whose next update does half of its work, tags or the rest, and fails.
    pub half: Mutex<BTreeSet<String>>,
    /// Names whose updates are refused.
    pub refused: Mutex<BTreeSet<String>>,
    /// Names that take for ever to be ready, and to be gone.
    pub slow: Mutex<BTreeSet<String>>,
    /// Names whose create acts and then gives no answer.
    pub silent: Mutex<BTreeSet<String>>,
    /// What was looked up.
    pub asked: Mutex<Vec<String>>,
    serial: Mutex<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    pub name: String,
    #[serde(default)]
    pub range: String,
    #[serde(default)]
    pub parents: Vec<String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

impl Cloud {
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.things.lock().unwrap().values().map(|spec| spec.name.clone()).collect();
        names.sort();
        names
    }

    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn ids(&self, is_meant: impl Fn(&Spec) -> bool) -> Vec<String> {
        let things = self.things.lock().unwrap();
        things.iter().filter(|(_, spec)| is_meant(spec)).map(|(id, _)| id.clone()).collect()
    }

    fn call(&self, what: &str, name: &str) {
        self.calls.lock().unwrap().push(format!("{what} {name}"));
    }

    /// Waits as those do who wait for a service.
    async fn settle(&self, name: &str, progress: &dyn Progress) -> Result<(), OpError> {
        if !self.slow.lock().unwrap().contains(name) {
            return Ok(());
        }
        progress.report(&format!("waiting for {name}"), 0, 0);
        wait::pause("test:Wait", Duration::from_secs(3600)).await
    }

    fn error(&self, operation: &str, class: ErrorClass) -> OpError {
        OpError {
            operation: operation.into(),
            code: Some("Broken".into()),
            message: "it does not work".into(),
            request_id: Some("req-1".into()),
            class,
            advice: None,
        }
    }

    fn create(&self, spec: &Spec) -> Result<Created, OpError> {
        self.call("create", &spec.name);
        if let Some(class) = self.broken.lock().unwrap().get(&spec.name) {
            return Err(self.error("test:Create", *class));
        }
        let mut things = self.things.lock().unwrap();
        if let Some(missing) = spec.parents.iter().find(|parent| !things.contains_key(*parent)) {
            panic!("{} is made before its parent {missing}", spec.name);
        }
        let mut serial = self.serial.lock().unwrap();
        *serial += 1;
        let id = format!("id-{}-{serial}", spec.name);
        things.insert(id.clone(), spec.clone());
        if self.silent.lock().unwrap().remove(&spec.name) {
            return Err(self.error("test:Create", ErrorClass::Unreachable));
        }
        Ok(created(id))
    }

    fn delete(&self, id: &str) -> Result<(), OpError> {
        let mut things = self.things.lock().unwrap();
        if things.values().any(|other| other.parents.iter().any(|parent| parent == id)) {
            return Err(self.error("test:Delete", ErrorClass::Conflict));
        }
        if let Some(gone) = things.remove(id) {
            drop(things);
            self.call("delete", &gone.name);
        }
        Ok(())
    }
}

fn created(id: String) -> Created {
    let outputs = json!({ "id": id }).as_object().unwrap().clone();
    Created { id, outputs }
}

macro_rules! kind {
    ($kind:ident, $name:literal, $clashes:literal, $sample:expr) => {
        pub struct $kind(pub Arc<Cloud>);

        #[async_trait]
        impl Kind for $kind {
            type Spec = Spec;
            const NAME: &'static str = $name;
            const ACTIONS: &'static [&'static str] = &[];
            const IMMUTABLE: &'static [&'static str] = &["range", "parents"];
            const IDENTITIES: &'static [&'static str] = &["id"];

            fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
                spec.tags.extend(context.tags.clone());
                if spec.range == "bad" { Err("the range is bad".into()) } else { Ok(()) }
            }

            fn clashes(&self, _: &Spec, _: &Spec) -> bool {
                $clashes
            }

            fn check(&self, at: &ResourceAddress, spec: &Spec, declared: &dyn Neighbours) -> Result<(), String> {
                let same = |other: &Neighbour| other.address != *at && other.spec["range"] == spec.range.as_str();
                match declared.of_kind(Self::NAME).iter().find(|other| !spec.range.is_empty() && same(other)) {
                    Some(other) => Err(format!("has the range of {}", other.address)),
                    None => Ok(()),
                }
            }

            fn sample(&self, output: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<Value> {
                let sample: fn(&Sampled<'_>) -> Option<Value> = $sample;
                (output == "id").then(|| sample(sampled))?
            }

            async fn create(&self, spec: &Spec, _: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
                self.0.create(spec)
            }

            async fn configure(
                &self,
                id: &str,
                spec: &Spec,
                was: Option<&Spec>,
                progress: &dyn Progress,
            ) -> Result<Outputs, OpError> {
                self.0.settle(&spec.name, progress).await?;
                if was.is_some() && self.0.refused.lock().unwrap().contains(&spec.name) {
                    return Err(self.0.error("test:Update", ErrorClass::Invalid));
                }
                if was.is_some_and(|was| was != spec) {
                    self.0.call("update", &spec.name);
                }
                let mut things = self.0.things.lock().unwrap();
                let thing = things.entry(id.into()).or_insert_with(|| spec.clone());
                // As services have it: tags are added one by one, and taken away where the difference says so.
                thing.tags.extend(spec.tags.clone());
                if self.0.half.lock().unwrap().remove(&spec.name) {
                    return Err(self.0.error("test:Update", ErrorClass::Service));
                }
                let gone =
                    |tag: &String| was.is_some_and(|was| was.tags.contains_key(tag)) && !spec.tags.contains_key(tag);
                thing.tags.retain(|tag, _| !gone(tag));
                Ok(Outputs::new())
            }

            async fn read(&self, id: &str, _: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
                let things = self.0.things.lock().unwrap();
                Ok(things.get(id).map(|spec| Observed { spec: spec.clone(), outputs: created(id.into()).outputs }))
            }

            async fn find(&self, spec: &Spec, _: &Intent) -> Result<Option<Created>, OpError> {
                let things = self.0.things.lock().unwrap();
                Ok(things.iter().find(|(_, thing)| *thing == spec).map(|(id, _)| created(id.clone())))
            }

            fn blank(&self, name: &str) -> Option<Spec> {
                self.0.asked.lock().unwrap().push(name.to_owned());
                let (range, parents, tags) = Default::default();
                Some(Spec { name: name.to_owned(), range, parents, tags })
            }

            async fn called(&self, name: &str) -> Result<Option<Vec<String>>, OpError> {
                Ok(Some(self.0.ids(|spec| spec.name == name)))
            }

            async fn by_tags(&self, tags: &BTreeMap<String, String>) -> Result<Option<Vec<String>>, OpError> {
                let has_all = |spec: &Spec| tags.iter().all(|(key, value)| spec.tags.get(key) == Some(value));
                Ok((Self::NAME == "test.slot").then(|| self.0.ids(has_all)))
            }

            fn interrupts(&self, old: &Spec, new: &Spec, how: ChangeKind) -> Option<String> {
                (old.tags != new.tags || how != ChangeKind::Update).then(|| format!("restarts {}: {how:?}", old.name))
            }

            async fn delete(&self, id: &str, spec: &Spec, progress: &dyn Progress) -> Result<(), OpError> {
                self.0.settle(&spec.name, progress).await?;
                self.0.delete(id)
            }
        }
    };
}
kind!(Slot, "test.slot", true, |sampled| Some(sampled.id("id")));
// Nobody knows the form of its ids.
kind!(Disk, "test.disk", false, |_| None);

/// Facts of a place.
struct NoFacts(Place);

#[async_trait]
impl Facts for NoFacts {
    async fn look_up(&self, key: &str) -> Result<String, OpError> {
        let account = self.0.account.clone().filter(|_| key == "sts.account-id");
        Ok(account.unwrap_or_else(|| format!("the {key}")))
    }

    async fn world(&self) -> Place {
        Place { account: None, ..self.0.clone() }
    }
}

/// Declares what `with.declare` lists: kind, name, range, `of` (names of earlier ones whose ids
/// become parents), `in` (ids from other steps). Returns each id as an output of its name.
struct Script {
    description: Description,
    /// Applied differently than planned, to see it refused.
    runs: Mutex<HashMap<String, u32>>,
}

#[async_trait]
impl Plugin for Script {
    fn description(&self) -> &Description {
        &self.description
    }

    fn sha256(&self) -> &str {
        "0"
    }

    async fn run(&self, config: &Value, host: Arc<dyn Capabilities>) -> Result<Value, PluginError> {
        let run = {
            let mut runs = self.runs.lock().unwrap();
            let run = runs.entry(config.to_string()).or_default();
            *run += 1;
            *run
        };
        self.declare(config, &*host, run).await.map_err(PluginError::Returned)
    }
}

impl Script {
    async fn declare(&self, config: &Value, host: &dyn Capabilities, run: u32) -> Result<Value, Failure> {
        let mut made: BTreeMap<String, ResourceAddress> = BTreeMap::new();
        let mut outputs = serde_json::Map::new();
        for entry in config["declare"].as_array().into_iter().flatten() {
            // A plan runs it twice: something of it is not known.
            if entry["only_when_planning"] == true && run > 2 {
                continue;
            }
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            let mut parents = Vec::new();
            for of in entry["of"].as_array().into_iter().flatten() {
                parents.push(host.output(&made[of.as_str().unwrap()], "id").await?);
            }
            parents.extend(entry["in"].as_array().into_iter().flatten().cloned());
            let (mut range, name) = (text("range"), text("name"));
            if entry["drifts"] == true && run > 2 {
                range.push('x');
            }
            let after: Vec<_> = entry["after"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|n| made[n.as_str().unwrap()].to_string())
                .collect();
            let tags = entry.get("tags").cloned().unwrap_or(json!({}));
            let spec = json!({ "name": name, "range": range, "parents": parents, "tags": tags });
            let kind = if entry["disk"] == true { "test.disk" } else { "test.slot" };
            made.insert(name.clone(), host.declare(kind, &name, spec, &after)?);
        }
        for (name, address) in &made {
            outputs.insert(name.clone(), host.output(address, "id").await?);
        }
        Ok(Value::Object(outputs))
    }
}

struct Scripts;

#[async_trait]
impl PluginLoader for Scripts {
    async fn load(&self, request: &LoadRequest<'_>) -> Result<Arc<dyn Plugin>, LoadError> {
        Ok(match request.uses {
            "keyed" => Arc::new(keyed::Declarer::new()),
            uses => Arc::new(script(uses)),
        })
    }
}

/// The plugin that `script:a,b` names: its outputs are `a` and `b`.
pub fn script(uses: &str) -> impl Plugin + use<> {
    let outputs = uses.strip_prefix("script:").unwrap_or_default();
    let outputs = outputs.split(',').map(|name| OutputDoc {
        name: name.to_owned(),
        description: String::new(),
        value_type: None,
        sensitive: name.starts_with("secret"),
    });
    let description = Description {
        summary: "Declares what it is told.".into(),
        config_schema: json!({"type": "object"}),
        outputs: outputs.collect(),
        needs: Vec::new(),
    };
    Script { description, runs: Mutex::default() }
}

/// A pipeline in a folder of its own, and a cloud.
pub struct World {
    pub cloud: Arc<Cloud>,
    /// Those of other placements.
    pub elsewhere: Arc<Mutex<BTreeMap<String, Arc<Cloud>>>>,
    pub keyed: Arc<keyed::Cloud>,
    /// Where runs are.
    pub place: Place,
    pub folder: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        let place = Place { partition: "one".into(), region: "us-east-1".into(), ..Place::default() };
        Self {
            cloud: Arc::default(),
            elsewhere: Arc::default(),
            place,
            keyed: Arc::default(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn registry(&self) -> Arc<Registry> {
        let registry = Registry::new(Arc::new(NoFacts(self.place.clone())));
        let registry = registry.with(Slot(Arc::clone(&self.cloud))).with(Disk(Arc::clone(&self.cloud)));
        let keyed = || Arc::clone(&self.keyed);
        let registry = registry.with(keyed::Group(keyed())).with(keyed::Member(keyed()));
        let registry = registry.with(keyed::Entry(keyed())).with(keyed::Server(keyed()));
        let (clouds, place) = (Arc::clone(&self.elsewhere), self.place.clone());
        Arc::new(registry.with_elsewhere(move |placement| {
            let mut place = place.clone();
            place.region = placement.region.clone().unwrap_or(place.region);
            place.account = placement.assume_role.clone().or(place.account);
            let cloud = Arc::clone(clouds.lock().unwrap().entry(placement.to_string()).or_default());
            Registry::new(Arc::new(NoFacts(place))).with(Slot(Arc::clone(&cloud))).with(Disk(cloud))
        }))
    }

    /// The cloud of a placement, as it is written.
    pub fn cloud_at(&self, placement: &str) -> Arc<Cloud> {
        Arc::clone(self.elsewhere.lock().unwrap().entry(placement.to_owned()).or_default())
    }

    pub async fn engine(&self, steps: &str) -> Engine {
        self.engine_for(steps, 4).await
    }

    /// An engine that does so much at a time.
    pub async fn engine_for(&self, steps: &str, parallelism: usize) -> Engine {
        self.engine_with(steps, parallelism, Events::none()).await
    }

    /// As above, with its events.
    pub async fn engine_with(&self, steps: &str, parallelism: usize, events: Events) -> Engine {
        let file = self.folder.path().join("pipeline.toml");
        let text = format!("[pipeline]\nname = \"test\"\nregion = \"us-east-1\"\n{steps}");
        std::fs::write(&file, text).unwrap();
        let pipeline = Pipeline::load(&file, &[], &|_| None).unwrap();
        Engine::load(Arc::new(pipeline), &Scripts, self.registry(), events, parallelism).await.unwrap()
    }

    pub fn state_folder(&self) -> std::path::PathBuf {
        self.folder.path().join("state")
    }

    pub fn state(&self) -> State {
        LocalStore::read(&self.state_folder(), "test").unwrap()
    }

    pub fn store(&self) -> Arc<dyn StateStore> {
        open(&self.state_folder())
    }

    pub async fn plan(&self, steps: &str) -> Plan {
        self.engine(steps).await.plan(&Arc::new(self.state())).await.unwrap()
    }

    /// Plans and applies.
    pub async fn run(&self, steps: &str) -> Report {
        let engine = self.engine(steps).await;
        let store = self.store();
        let plan = engine.plan(&Arc::new(store.snapshot())).await.unwrap();
        let report = engine.apply(Arc::new(plan), Arc::clone(&store), Cancel::default()).await.unwrap();
        store.close().await.unwrap();
        report
    }
}

fn open(folder: &Path) -> Arc<dyn StateStore> {
    let (store, _) = LocalStore::open(folder, "test", "run").unwrap();
    Arc::new(store)
}

/// The fates of a plan's resources by name, those that are kept left out.
pub fn fates(plan: &Plan) -> Vec<(String, &'static str)> {
    let fate = |action| match action {
        Action::Keep => "keep",
        Action::Create => "create",
        Action::Finish => "finish",
        Action::Update => "update",
        Action::Replace { .. } => "replace",
        Action::Delete => "delete",
    };
    let all = plan.resources.iter().map(|(address, planned)| (address.name().to_owned(), fate(planned.action)));
    all.filter(|(_, fate)| *fate != "keep").collect()
}
