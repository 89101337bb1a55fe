//! Waiting for what becomes of an object. Each look has its own client, since a wait may outlive a
//! token, and an API server that does not answer for a while ends no wait.

use std::time::Instant;

use futures::FutureExt;
use llmhost_engine::kind::{ErrorClass, OpError, Progress as Report};
use llmhost_engine::wait::is_interrupted;
use serde_json::Value;

use super::{Object, Spec};
use crate::aws::{is_passing, until};
use crate::kubernetes::rollout;

/// What one look says.
enum Glance {
    There(Value),
    Gone,
    /// No answer for now.
    Unknown,
}

impl Object {
    /// Waits until the object has become what it says.
    pub(super) async fn rolled_out(&self, spec: &Spec, report: &dyn Report) -> Result<(), OpError> {
        let operation = spec.operation("wait for");
        let began = Instant::now();
        let waited = until(&operation, self.0.rollout_patience(spec.wait_minutes), || {
            async move {
                let found = match self.glance(spec, report).await? {
                    Glance::There(found) => found,
                    Glance::Gone => return Ok(Some(Ok(()))),
                    Glance::Unknown => return Ok(None),
                };
                match rollout::progress(&spec.object.kind, &found) {
                    rollout::Progress::Ready => Ok(Some(Ok(()))),
                    rollout::Progress::Waiting(how_far) => {
                        report.report(&how_far, 0, 0);
                        Ok(None)
                    }
                    rollout::Progress::Failed(reason) => {
                        let error = OpError::local(&spec.operation("wait for"), reason);
                        Ok(Some(Err(OpError { class: ErrorClass::Service, ..error })))
                    }
                }
            }
            .boxed()
        })
        .await;
        match waited.and_then(|ended| ended) {
            Ok(()) => Ok(()),
            Err(error) if is_interrupted(&error) => Err(error),
            Err(error) => Err(self.explained(spec, began, error).await),
        }
    }

    /// Waits until an object that was deleted is gone.
    pub(super) async fn went(&self, spec: &Spec, report: &dyn Report) -> Result<(), OpError> {
        let gone = until(&spec.operation("delete"), self.0.rollout_patience(spec.wait_minutes), || {
            async move {
                report.report("waiting for it to go", 0, 0);
                Ok(matches!(self.glance(spec, report).await?, Glance::Gone).then_some(()))
            }
            .boxed()
        })
        .await;
        let Err(mut error) = gone else { return Ok(()) };
        if is_interrupted(&error) {
            return Err(error);
        }
        if let Ok(Some((_, object))) = self.now(spec).await {
            let finalizers = object["metadata"]["finalizers"].as_array();
            let finalizers: Vec<&str> = finalizers.into_iter().flatten().filter_map(Value::as_str).collect();
            if !finalizers.is_empty() {
                error.message = format!("it waits for the finalizers {}", finalizers.join(", "));
                error.advice =
                    Some("The controller that set them has to take them away; see whether it runs.".to_owned());
            }
        }
        Err(error)
    }

    /// How far it came, and what its pods say.
    async fn explained(&self, spec: &Spec, began: Instant, mut error: OpError) -> OpError {
        let Ok(Some((client, found))) = self.now(spec).await else { return error };
        let namespace = spec.object.namespace.as_deref().unwrap_or("default");
        let reasons = rollout::reasons(&client, namespace, &found).await;
        if let rollout::Progress::Waiting(how_far) = rollout::progress(&spec.object.kind, &found) {
            error.message = format!("after {} seconds: {how_far}", began.elapsed().as_secs());
        }
        if !reasons.is_empty() {
            error.message = format!("{}; its pods say: {}", error.message, reasons.join("; "));
        }
        error.advice = Some(
            "The object is there, and the cluster goes on trying. Mend what the pods say, or raise wait_minutes, and run \
             again."
                .to_owned(),
        );
        error
    }

    async fn glance(&self, spec: &Spec, report: &dyn Report) -> Result<Glance, OpError> {
        match self.now(spec).await {
            Ok(Some((_, object))) => Ok(Glance::There(object)),
            Ok(None) => Ok(Glance::Gone),
            Err(error) if is_passing(&error) => {
                report.report(&format!("waiting for an answer: {}", error.message), 0, 0);
                Ok(Glance::Unknown)
            }
            Err(error) => Err(error),
        }
    }

    /// The object as it is, with a client whose token is fresh.
    async fn now(&self, spec: &Spec) -> Result<Option<(kube::Client, Value)>, OpError> {
        let Some(at) = self.at_if_any(spec).await? else { return Ok(None) };
        Ok(self.look(&at, spec).await?.map(|object| (at.client, object)))
    }
}
