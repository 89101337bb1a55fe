use std::sync::mpsc::{Sender, channel};

use futures::StreamExt;
use llmhost_example_models::{Example, onnxruntime};
use llmhost_inference::engine::Options;
use llmhost_inference::runtime::Search;
use llmhost_inference::{Device, Engine};

use super::*;
use crate::{Backend, Constraint, EngineBackend, GenerateRequest, Prompt, Sampling, Stop};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(20);
const FIELD: &str = "response_format";

/// Work that ends on a signal, or when the sender is dropped.
fn stuck() -> (Sender<()>, impl FnOnce() -> Result<(), Failure> + Send + 'static) {
    let (end, ended) = channel();
    (end, move || {
        let _ = ended.recv();
        Ok(())
    })
}

async fn until(what: impl Fn() -> bool) {
    let limit = Instant::now() + Duration::from_secs(10);
    while !what() {
        assert!(Instant::now() < limit, "it never happened");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn a_compile_that_does_not_end_is_refused_and_holds_up_no_other() {
    let compiles = Compiles::new(1, 2, SHORT);
    let mut ends = Vec::new();
    for _ in 0..2 {
        let (end, work) = stuck();
        ends.push(end);
        let refused = compiles.run(FIELD, work).await.expect_err("it does not end");
        let Failure::Invalid { message, param } = refused else { panic!("{refused:?}") };
        assert_eq!(param, Some(FIELD));
        assert!(message.contains("not ready within 100ms"), "{message}");
        until(|| compiles.running.available_permits() == 1).await;
        if ends.len() == 1 {
            assert_eq!(compiles.run(FIELD, || Ok(7)).await, Ok(7), "the next one has its place");
        }
    }
    // As many as may be were left behind.
    assert_eq!(compiles.run(FIELD, || Ok(7)).await, Err(Failure::Busy));
    drop(ends.pop());
    until(|| compiles.left.available_permits() == 1).await;
    assert_eq!(compiles.run(FIELD, || Ok(7)).await, Ok(7), "one of them has ended");
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back_when_the_compile_ends() {
    let compiles = Compiles::new(1, 2, LONG);
    let (end, work) = stuck();
    let left = tokio::time::timeout(SHORT, compiles.run(FIELD, work)).await;
    assert!(left.is_err(), "it waits");
    assert_eq!(compiles.running.available_permits(), 0, "the compile goes on");
    drop(end);
    until(|| compiles.running.available_permits() == 1).await;
    assert_eq!(compiles.run(FIELD, || Ok(7)).await, Ok(7));
}

#[tokio::test]
async fn no_more_compile_at_once_than_there_are_places() {
    let compiles = Arc::new(Compiles::new(1, 1, SHORT));
    // Whoever waits for a place in vain is to come again; the grammar may be a good one.
    let place = Arc::clone(&compiles.running).acquire_owned().await.expect("a place");
    assert_eq!(compiles.run(FIELD, || Ok(7)).await, Err(Failure::Busy));
    drop(place);
    // One that nobody left room for keeps the place that it has.
    let behind = Arc::clone(&compiles.left);
    let (end, work) = stuck();
    let one = tokio::spawn({
        let compiles = Arc::clone(&compiles);
        async move { compiles.run(FIELD, work).await }
    });
    until(|| compiles.running.available_permits() == 0).await;
    let behind = behind.acquire_owned().await.expect("room");
    assert!(matches!(one.await.expect("no panic"), Err(Failure::Invalid { .. })));
    tokio::time::sleep(SHORT).await;
    assert_eq!(compiles.running.available_permits(), 0);
    drop((end, behind));
    until(|| compiles.running.available_permits() == 1 && compiles.left.available_permits() == 1).await;
}

#[tokio::test]
async fn work_that_panics_is_an_error_of_the_server() {
    let compiles = Compiles::new(1, 1, LONG);
    let lost = compiles.run::<()>(FIELD, || panic!("on purpose")).await;
    assert!(matches!(lost, Err(Failure::Internal(_))), "{lost:?}");
    until(|| compiles.running.available_permits() == 1).await;
}

#[tokio::test]
async fn requests_with_a_grammar_go_this_way_and_others_do_not() {
    let library = Some(onnxruntime().expect("ONNX Runtime"));
    let search = Search { library, ..Search::default() };
    let options = Options { search, device: Device::Cpu, threads: Some(1), ..Options::default() };
    let engine = Engine::load(&Example::Tiny.folder().expect("a model"), &options).expect("an engine");
    let mut backend = EngineBackend::new(engine, "tiny");
    let ask = |constraint| GenerateRequest {
        prompt: Prompt::Text("a".to_owned()),
        max_tokens: Some(3),
        sampling: Sampling::default(),
        stop: Stop::default(),
        top_logprobs: None,
        constraint,
        tools: None,
    };
    let events = backend.generate(ask(Some(Constraint::Json))).await.expect("it has time enough");
    assert!(events.count().await > 0);
    backend.compiles = Box::leak(Box::new(Compiles::new(1, 0, LONG)));
    let refused = backend.generate(ask(Some(Constraint::Json))).await.err();
    assert_eq!(refused, Some(Failure::Busy), "there is no room");
    assert!(backend.generate(ask(None)).await.is_ok());
}
