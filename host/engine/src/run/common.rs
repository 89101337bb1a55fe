//! What planning and applying share: taking a declaration in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use indexmap::IndexSet;
use serde_json::Value;

use super::book::Book;
use super::event::Events;
use super::existing::LookUps;
use crate::graph::StepGraph;
use crate::kind::DeclareContext;
use crate::lock::Lock;
use crate::names::{ResourceAddress, StepName};
use crate::pipeline::{FieldPath, Pipeline};
use crate::plugin::Failure;
use crate::registry::{DynKind, Registry};
use crate::secret;

/// Tag that says which pipeline made a resource.
pub const PIPELINE_TAG: &str = "llmhost:pipeline";
/// Tag that says where in its pipeline a resource stands.
pub const ADDRESS_TAG: &str = "llmhost:address";
/// The annotation of Kubernetes objects that holds it.
pub const ADDRESS_ANNOTATION: &str = "llmhost.dev/address";
/// The one that holds the pipeline's name.
pub const PIPELINE_ANNOTATION: &str = "llmhost.dev/pipeline";

/// One pipeline at work.
pub(crate) struct Common {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) graph: Arc<StepGraph>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) book: Arc<Book>,
    pub(crate) events: Events,
    /// Facts that plugins asked for.
    pub(crate) asked: Mutex<BTreeSet<String>>,
    pub(crate) lock: Option<Arc<Lock>>,
    pub(crate) look_ups: Arc<LookUps>,
}

/// A declaration, checked and in canonical form.
pub(crate) struct Declaration {
    pub(crate) address: ResourceAddress,
    pub(crate) kind: Arc<dyn DynKind>,
    pub(crate) spec: Arc<Value>,
    pub(crate) depends_on: Vec<ResourceAddress>,
    /// Fields that stay as they are in what is there, whatever the file says of them.
    pub(crate) ignored: Vec<FieldPath>,
    /// What it refers to as that very resource, and the fields of the spec that do.
    pub(crate) refers_to: BTreeMap<ResourceAddress, BTreeSet<String>>,
}

impl Common {
    /// The same pipeline for a step that declares once more and is not heard.
    pub(crate) fn beside(&self, step: &StepName) -> Self {
        Self {
            pipeline: Arc::clone(&self.pipeline),
            graph: Arc::clone(&self.graph),
            registry: Arc::clone(&self.registry),
            book: Arc::new(self.book.beside(step)),
            events: Events::none(),
            asked: Mutex::default(),
            lock: self.lock.clone(),
            look_ups: Arc::clone(&self.look_ups),
        }
    }

    /// Takes in what a plugin declares. `config` is the step's `with` table; `ignored` says which fields stay as they
    /// are in a spec, and in which.
    #[allow(clippy::too_many_arguments)] // What a plugin says, and who says it.
    pub(crate) fn declare(
        &self,
        step: &StepName,
        config: &Value,
        kind: &str,
        name: &str,
        spec: Value,
        after: &[String],
        ignored: Option<(&[FieldPath], &Value)>,
    ) -> Result<Declaration, Failure> {
        let declaration = self.draft(step, config, kind, name, spec, after, ignored)?;
        self.register(&declaration)?;
        Ok(declaration)
    }

    /// Notes what is declared from now on.
    pub(crate) fn register(&self, declaration: &Declaration) -> Result<(), Failure> {
        let Declaration { address, spec, .. } = declaration;
        if !self.book.declare(address, Arc::clone(spec)) {
            let reason = "declared twice; two resources of one kind in a step need two names";
            return Err(Failure::invalid(format!("{address}: {reason}")));
        }
        Ok(())
    }

    /// As `declare`, without noting it.
    #[allow(clippy::too_many_arguments)] // As above.
    pub(crate) fn draft(
        &self,
        step: &StepName,
        config: &Value,
        kind: &str,
        name: &str,
        spec: Value,
        after: &[String],
        ignored: Option<(&[FieldPath], &Value)>,
    ) -> Result<Declaration, Failure> {
        let address = ResourceAddress::new(step, kind, name).map_err(|error| Failure::invalid(error.to_string()))?;
        let invalid = |reason: String| Failure::invalid(format!("{address}: {reason}"));
        let kind = self
            .registry
            .kind_of(&address)
            .ok_or_else(|| Failure::refused(format!("this host has no resources of kind {kind}")))?;
        let context = DeclareContext {
            address: &address,
            tags: &self.tags(&address),
            region: self.pipeline.region_of(step),
            base: self.pipeline.base_of(step),
            within: self.pipeline.root_of(step),
            config,
        };
        secret::check_given(&spec, config).map_err(|error| invalid(error.to_string()))?;
        let spec = kind.complete(spec, &context).map_err(invalid)?;
        let view = self.book.view(step);
        let mut spec = kind.follow(spec, &view).map_err(invalid)?;
        let mut kept = Vec::new();
        if let Some((fields, there)) = ignored {
            kept.extend(fields.iter().filter(|field| field.of(there).or(field.of(&spec)).is_some()).cloned());
            kept.iter().for_each(|field| _ = field.copy(there, &mut spec));
            secret::check_given(&spec, config).map_err(|error| invalid(format!("ignore_changes: {error}")))?;
        }
        secret::check_place(&spec, kind.secrets()).map_err(|error| invalid(error.to_string()))?;
        let mut mentioned = view.mentioned(&spec);
        mentioned.shift_remove(&address);
        let mut depends_on: IndexSet<_> = mentioned.keys().cloned().collect();
        let by_name = kind.by_name();
        mentioned.values_mut().for_each(|fields| fields.retain(|field| !by_name.contains(&field.as_str())));
        let refers_to = mentioned.into_iter().filter(|(_, fields)| !fields.is_empty()).collect();
        depends_on.extend(kind.after(&spec, &view));
        for text in after {
            let earlier: ResourceAddress = text.parse().map_err(|error| invalid(format!("after: {error}")))?;
            if !view.has(&earlier) {
                return Err(invalid(format!("after: {earlier} is not declared yet; declare it first")));
            }
            depends_on.insert(earlier);
        }
        depends_on.shift_remove(&address);
        let spec = Arc::new(spec);
        let depends_on = depends_on.into_iter().collect();
        Ok(Declaration { address, kind: Arc::clone(kind), spec, depends_on, ignored: kept, refers_to })
    }

    /// Notes the identity outputs that a plugin has read.
    pub(crate) fn identify(&self, address: &ResourceAddress, output: &str, value: &Value) {
        if self.registry.kind_of(address).is_some_and(|kind| kind.is_identity(output)) {
            self.book.identify(value, address);
        }
    }

    fn tags(&self, address: &ResourceAddress) -> BTreeMap<String, String> {
        let mut tags = self.pipeline.tags.clone();
        tags.insert(PIPELINE_TAG.to_owned(), self.pipeline.name.clone());
        tags.insert(ADDRESS_TAG.to_owned(), address.to_string());
        tags
    }
}
