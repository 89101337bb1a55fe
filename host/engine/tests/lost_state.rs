//! A state that is lost in the middle of a run: nothing more is begun, and that is said once.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use llmhost_engine::run::{Cancel, Events, Reason, Report, Selection, destroy};
use llmhost_engine::state::{Change, State, StateError, StateStore};
use support::World;

const STEPS: &str = r#"
    [steps.one]
    uses = "script:a,b,c"
    with = { declare = [{ name = "a", range = "1" }, { name = "b", range = "2" }, { name = "c", range = "3" }] }
    [steps.two]
    uses = "script:x"
    with = { declare = [{ name = "x", range = "4" }] }
"#;

/// A store that is somebody else's after so many questions.
struct Lost(Arc<dyn StateStore>, AtomicUsize);

#[async_trait]
impl StateStore for Lost {
    async fn record(&self, change: Change) -> Result<(), StateError> {
        self.0.record(change).await
    }

    fn check(&self) -> Result<(), StateError> {
        let left = self.1.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        let lost = || StateError::TakenOver { path: "s3://states/x".into(), by: "llmhost run (process 7)".into() };
        left.map(|_| ()).map_err(|_| lost())
    }

    fn with(&self, look: &mut dyn FnMut(&State)) {
        self.0.with(look);
    }

    async fn close(&self) -> Result<(), StateError> {
        self.0.close().await
    }
}

fn said(report: &Report) -> Vec<String> {
    let lost = report.failures.iter().filter(|failure| matches!(failure.reason, Reason::State(_)));
    lost.map(ToString::to_string).collect()
}

#[tokio::test]
async fn nothing_more_is_begun_and_that_is_said_once() {
    // Whoever makes something asks twice: before its intent is recorded, and before the call.
    for questions in 0..7_usize {
        let (operations, begun) = (questions / 2, questions.div_ceil(2));
        let world = World::new();
        let engine = world.engine_for(STEPS, 1).await;
        let store: Arc<dyn StateStore> = Arc::new(Lost(world.store(), questions.into()));
        let plan = Arc::new(engine.plan(&Arc::new(store.snapshot())).await.unwrap());
        let report = engine.apply(plan, Arc::clone(&store), Cancel::default()).await.unwrap();
        store.close().await.unwrap();
        assert_eq!(said(&report), ["the state s3://states/x was taken over by llmhost run (process 7)"], "{report:?}");
        assert!(!report.is_ok() && !report.interrupted, "{report:?}");
        assert_eq!(world.cloud.names().len(), operations);

        // As for deleting: what is left stays, and the state says so.
        let store: Arc<dyn StateStore> = Arc::new(Lost(world.store(), 0.into()));
        let report =
            destroy(world.registry(), Arc::clone(&store), Events::none(), Cancel::default(), 4, &Selection::default())
                .await
                .unwrap();
        store.close().await.unwrap();
        assert_eq!((said(&report).len(), world.cloud.names().len()), (begun.min(1), operations));
        assert_eq!(world.state().resources.len(), begun, "an intent is not forgotten");
        assert!(world.run(STEPS).await.is_ok(), "another run goes on from there");
    }
}
