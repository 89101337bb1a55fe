//! Waiting for what becomes of an object. Each look has its own client, since a wait may outlive a
//! token, and an API server that does not answer for a while ends no wait.

use std::time::{Duration, Instant};

use futures::FutureExt;
use llmhost_engine::kind::{ErrorClass, OpError, Progress as Report};
use llmhost_engine::wait::is_interrupted;
use serde_json::Value;
use tokio::sync::Mutex;

use super::{Object, Spec};
use crate::aws::{is_passing, until};
use crate::kubernetes::rollout;
use crate::kubernetes::trouble::{Trouble, troubles};

/// How long a reason that only a change helps against has to last: the first pods of a rollout may be
/// there before what they need.
const LASTING: Duration = Duration::from_secs(30);
/// How often pods and events are asked while an object is waited for.
const LOOK: Duration = Duration::from_secs(5);

/// What one look says.
enum Glance {
    There(Value),
    Gone,
    /// No answer for now.
    Unknown,
}

impl Object {
    /// Waits until the object has become what it says, or cannot any more.
    pub(super) async fn rolled_out(&self, spec: &Spec, report: &dyn Report) -> Result<(), OpError> {
        let operation = spec.operation("wait for");
        let (began, patience) = (Instant::now(), self.0.rollout_patience(spec.wait_minutes));
        let lasting = LASTING.min(patience / 2);
        let seen = &Mutex::new(Seen::default());
        let waited = until(&operation, patience, || {
            async move {
                let found = match self.glance(spec, report).await? {
                    Glance::There(found) => found,
                    Glance::Gone => return Ok(Some(Ok(()))),
                    Glance::Unknown => return Ok(None),
                };
                let how_far = match rollout::progress(&spec.object.kind, &found) {
                    rollout::Progress::Ready => return Ok(Some(Ok(()))),
                    rollout::Progress::Waiting(how_far) => how_far,
                    rollout::Progress::Failed(reason) => {
                        let error = OpError::local(&spec.operation("wait for"), reason);
                        let error = OpError { class: ErrorClass::Service, ..error };
                        return Ok(Some(Err(self.explained(spec, began, error).await)));
                    }
                };
                let mut seen = seen.lock().await;
                match self.looked_into(spec, &found, &mut seen).await {
                    Some(trouble) if seen.is_lasting(lasting) => Ok(Some(Err(failed(spec, &how_far, &trouble)))),
                    trouble => {
                        let why = trouble.map(|trouble| format!("; {trouble}")).unwrap_or_default();
                        report.report(&format!("{how_far}{why}"), 0, 0);
                        Ok(None)
                    }
                }
            }
            .boxed()
        })
        .await;
        match waited {
            Ok(result) => result,
            Err(error) if is_interrupted(&error) => Err(error),
            Err(error) => Err(self.explained(spec, began, error).await),
        }
    }

    /// What is wrong with the object's pods, asked now and then.
    async fn looked_into(&self, spec: &Spec, found: &Value, seen: &mut Seen) -> Option<Trouble> {
        if seen.looked.is_some_and(|at| at.elapsed() < LOOK) {
            return seen.trouble.clone();
        }
        let at = self.at_if_any(spec).await.ok()??;
        let namespace = spec.object.namespace.as_deref().unwrap_or("default");
        let trouble = troubles(&at.client, namespace, found).await.into_iter().next();
        let is_final = trouble.as_ref().is_some_and(|trouble| trouble.is_final);
        let is_same = trouble.as_ref().map(|trouble| &trouble.reason) == seen.trouble.as_ref().map(|old| &old.reason);
        if !is_final {
            seen.since = None;
        } else if seen.since.is_none() || !is_same {
            seen.since = Some(Instant::now());
        }
        seen.looked = Some(Instant::now());
        seen.trouble.clone_from(&trouble);
        trouble
    }

    /// Waits until an object that was deleted is gone.
    pub(super) async fn went(&self, spec: &Spec, report: &dyn Report) -> Result<(), OpError> {
        let gone = until(&spec.operation("delete"), self.0.rollout_patience(spec.wait_minutes), || {
            async move {
                report.report("waiting for it to be deleted", 0, 0);
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
                error.advice = Some("The controller that set them must remove them; check whether it runs.".to_owned());
            }
        }
        Err(error)
    }

    /// How far it came, and what is wrong with its pods.
    async fn explained(&self, spec: &Spec, began: Instant, mut error: OpError) -> OpError {
        let Ok(Some((client, found))) = self.now(spec).await else { return error };
        let namespace = spec.object.namespace.as_deref().unwrap_or("default");
        let all = troubles(&client, namespace, &found).await;
        if let rollout::Progress::Waiting(how_far) = rollout::progress(&spec.object.kind, &found) {
            error.message = format!("after {} seconds: {how_far}", began.elapsed().as_secs());
        }
        for trouble in &all {
            error.message = format!("{}; {trouble}", error.message);
        }
        let advice = all.first().map_or("Raise wait_minutes if it only needs more time.", Trouble::advice);
        error.advice = Some(format!("{advice} The object exists, and the cluster keeps trying; then run again."));
        error
    }

    async fn glance(&self, spec: &Spec, report: &dyn Report) -> Result<Glance, OpError> {
        match self.now(spec).await {
            Ok(Some((_, object))) => Ok(Glance::There(object)),
            Ok(None) => Ok(Glance::Gone),
            Err(error) if is_passing(&error) => {
                report.report(&format!("waiting for a response: {}", error.message), 0, 0);
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

/// What was seen of an object's pods.
#[derive(Default)]
struct Seen {
    looked: Option<Instant>,
    trouble: Option<Trouble>,
    /// Since when the trouble is one that only a change helps against.
    since: Option<Instant>,
}

impl Seen {
    fn is_lasting(&self, long: Duration) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= long)
    }
}

/// It will not become ready without a change.
fn failed(spec: &Spec, how_far: &str, trouble: &Trouble) -> OpError {
    let mut error = OpError::local(&spec.operation("wait for"), format!("{how_far}; {trouble}"));
    error.class = ErrorClass::Service;
    error.advice = Some(format!("{} Then run again.", trouble.advice()));
    error
}
