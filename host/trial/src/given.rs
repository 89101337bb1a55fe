//! Steps that only give outputs: what the tested step refers to. A plan does not know their values, as it does not
//! know those of a real step that is not applied yet.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use llmhost_engine::kind::{Created, DeclareContext, Intent, Kind, Observed, OpError, Outputs, Progress, Sampled};
use llmhost_engine::plugin::{
    Capabilities, Description, Identity, LoadError, LoadRequest, OutputDoc, Plugin, PluginError, PluginLoader,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::case::{Case, GIVEN};
use crate::watch::{Watch, Watched};

/// What stands for the resources of a step that is given.
pub(crate) struct GivenKind;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Spec {
    outputs: Map<String, Value>,
}

#[async_trait]
impl Kind for GivenKind {
    type Spec = Spec;
    const NAME: &'static str = "given.outputs";
    const ACTIONS: &'static [&'static str] = &[];
    const IMMUTABLE: &'static [&'static str] = &[];
    const IDENTITIES: &'static [&'static str] = &[];

    fn complete(&self, _: &mut Spec, _: &DeclareContext<'_>) -> Result<(), String> {
        Ok(())
    }

    fn sample(&self, output: &str, spec: &Spec, _: &Sampled<'_>) -> Option<Value> {
        spec.outputs.get(output).cloned()
    }

    async fn create(&self, spec: &Spec, _: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        Ok(Created { id: GIVEN.to_owned(), outputs: spec.outputs.clone() })
    }

    async fn configure(&self, _: &str, _: &Spec, _: Option<&Spec>, _: &dyn Progress) -> Result<Outputs, OpError> {
        Ok(Outputs::new())
    }

    async fn read(&self, _: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        Ok(Some(Observed { spec: spec.clone(), outputs: spec.outputs.clone() }))
    }

    async fn find(&self, _: &Spec, _: &Intent) -> Result<Option<Created>, OpError> {
        Ok(None)
    }

    async fn delete(&self, _: &str, _: &Spec, _: &dyn Progress) -> Result<(), OpError> {
        Ok(())
    }
}

/// The plugin of a step that is given.
struct Given {
    description: Description,
    outputs: Map<String, Value>,
}

impl Given {
    fn new(outputs: Map<String, Value>) -> Self {
        let doc = |name: &String| OutputDoc {
            name: name.clone(),
            description: String::new(),
            value_type: None,
            sensitive: false,
        };
        let description = Description {
            summary: "Returns the outputs that a case sets.".to_owned(),
            config_schema: json!({ "type": "object", "additionalProperties": false }),
            outputs: outputs.keys().map(doc).collect(),
            needs: Vec::new(),
        };
        Self { description, outputs }
    }
}

#[async_trait]
impl Plugin for Given {
    fn description(&self) -> &Description {
        &self.description
    }

    fn sha256(&self) -> &str {
        ""
    }

    async fn run(&self, _: &Value, host: Arc<dyn Capabilities>) -> Result<Value, PluginError> {
        let address = host
            .declare(GivenKind::NAME, "step", json!({ "outputs": self.outputs }), &[])
            .map_err(PluginError::Returned)?;
        let mut given = Map::new();
        for name in self.outputs.keys() {
            given.insert(name.clone(), host.output(&address, name).await.map_err(PluginError::Returned)?);
        }
        Ok(given.into())
    }
}

/// Loads the tested plugin watched, and what stands for the steps that are given.
pub(crate) struct CaseLoader<'a> {
    pub(crate) loader: &'a dyn PluginLoader,
    pub(crate) case: &'a Case,
    pub(crate) watch: Arc<Watch>,
}

#[async_trait]
impl PluginLoader for CaseLoader<'_> {
    async fn identify(&self, uses: &str, base: &Path, locked: Option<&str>) -> Result<Option<Identity>, LoadError> {
        match uses {
            GIVEN => Ok(None),
            _ => self.loader.identify(uses, base, locked).await,
        }
    }

    async fn load(&self, request: &LoadRequest<'_>) -> Result<Arc<dyn Plugin>, LoadError> {
        if request.uses == GIVEN {
            let outputs = self.case.content.given.get(request.step.as_str()).cloned().unwrap_or_default();
            return Ok(Arc::new(Given::new(outputs.into_iter().collect())));
        }
        let plugin = self.loader.load(request).await?;
        Ok(Arc::new(Watched { plugin, watch: Arc::clone(&self.watch) }))
    }
}
