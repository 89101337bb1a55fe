//! Requests that are wrong, given up, too many or too long, and an engine that goes on.

mod common;

use std::time::Duration;

use common::{answer, engine, options, request, tokens};
use llmhost_inference::RequestError;
use llmhost_inference::engine::{Event, NamedTensor, Options, Prompt, Request};
use llmhost_inference::sampling::SamplingParams;

#[test]
fn what_cannot_be_answered_is_refused_with_the_reason() {
    let engine = engine("tiny", &Options { context: Some(64), ..options() });
    let cases: [(Request, &str); 8] = [
        (request(tokens(1, 64), 1), "the prompt has 64 tokens and 1 are requested, and the context has 64"),
        (request(tokens(1, 60), 5), "the context has 64"),
        (request(tokens(1, 5), 0), "max_tokens is 0"),
        (request(vec![1, 100_000], 5), "the token 100000 is not one of the model's"),
        (Request::new(Prompt::Text("x".repeat(10_000_000))), "the context has 64"),
        (
            Request { sampling: SamplingParams { top_p: 2.0, ..Default::default() }, ..request(tokens(1, 5), 5) },
            "top_p is 2, and must be above 0 and at most 1",
        ),
        (Request { max_tokens: None, ..request(tokens(1, 64), 1) }, "the context has 64"),
        (request(tokens(1, 5), usize::MAX), "the context has 64"),
    ];
    for (request, part) in cases {
        let error = engine.generate(request).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(answer(&engine, request(tokens(1, 60), 4)).tokens.len(), 4, "exactly full is fine");
    assert_eq!(answer(&engine, Request { max_tokens: None, ..request(tokens(1, 5), 1) }).tokens.len(), 59);
    assert!(!answer(&engine, Request::new(Prompt::Text(String::new()))).tokens.is_empty(), "begins with bos");
}

#[test]
fn a_caller_who_goes_away_frees_the_slot() {
    let engine = engine("tiny", &Options { max_batch: 1, ..options() });
    for _ in 0..3 {
        let mut stream = engine.generate(request(tokens(1, 9), 500)).expect("accepted");
        assert!(matches!(stream.next_blocking(), Some(Event::Token { .. })));
        let waiting = engine.generate(request(tokens(2, 9), 500)).expect("accepted");
        drop(waiting);
        drop(stream);
    }
    assert_eq!(answer(&engine, request(tokens(3, 9), 5)).tokens.len(), 5);
    let stats = engine.stats();
    assert_eq!((stats.cancelled, stats.active, stats.queued, stats.finished), (6, 0, 0, 1));
}

#[test]
fn a_full_queue_says_so_and_the_rest_is_answered() {
    let engine = engine("tiny", &Options { max_batch: 1, queue: 3, ..options() });
    let mut first = engine.generate(request(tokens(1, 9), 400)).expect("accepted");
    assert!(matches!(first.next_blocking(), Some(Event::Token { .. })), "it has left the queue");
    let waiting: Vec<_> = (0..3).map(|i| engine.generate(request(tokens(i, 5), 3)).expect("accepted")).collect();
    let error = engine.generate(request(tokens(9, 5), 3)).expect_err("full");
    assert!(matches!(error, RequestError::Busy { waiting: 3 }), "{error}");
    for stream in waiting {
        assert_eq!(stream.collect_blocking().expect("answered").tokens.len(), 3);
    }
    assert_eq!(engine.stats().refused, 1);
}

#[test]
fn two_hundred_requests_at_once_all_end() {
    let engine = engine("tiny", &Options { max_batch: 8, chunk: 32, ..options() });
    let streams: Vec<_> = (0..200u32)
        .map(|i| engine.generate(request(tokens(i, 1 + i as usize % 90), 1 + i as usize % 20)).expect("accepted"))
        .collect();
    for (i, stream) in streams.into_iter().enumerate() {
        assert_eq!(stream.collect_blocking().expect("answered").tokens.len(), 1 + i % 20);
    }
    let stats = engine.stats();
    assert_eq!((stats.requests, stats.finished, stats.active, stats.queued), (200, 200, 0, 0));
    assert!(stats.cached_tokens <= stats.slots * stats.context);
}

#[test]
fn a_long_prompt_does_not_hold_up_answers_nor_answers_a_prompt() {
    let engine = engine("tiny", &Options { max_batch: 4, chunk: 16, ..options() });
    let mut running = engine.generate(request(tokens(1, 4), 500)).expect("accepted");
    // What a step takes is known after some.
    (0..10).for_each(|_| assert!(running.next_blocking().is_some()));
    let before = engine.stats();
    let mut long = engine.generate(request(tokens(2, 480), 2)).expect("accepted");
    assert!(long.next_blocking().is_some(), "the prompt is read while the answer runs");
    let after = engine.stats();
    let steps: u64 = after.batch_sizes.iter().zip(&before.batch_sizes).map(|(after, before)| after - before).sum();
    // 480 tokens are 30 chunks. A step runs after each, or after as many as take the time of some steps.
    assert!((3..=45).contains(&steps) || after.active < 2, "{steps} steps");
}

#[tokio::test]
async fn draining_waits_and_then_breaks_off() {
    let engine = engine("tiny", &options());
    let short = engine.generate(request(tokens(1, 5), 5)).expect("accepted");
    assert!(engine.drain(Duration::from_secs(20)).await);
    assert_eq!(short.collect().await.expect("answered").tokens.len(), 5);
    assert!(matches!(engine.generate(request(tokens(1, 5), 5)), Err(RequestError::ShuttingDown)));

    let engine = common::engine("tiny", &Options { max_batch: 1, ..options() });
    let streams: Vec<_> = (0..100).map(|_| engine.generate(request(tokens(1, 5), 500)).expect("accepted")).collect();
    assert!(!engine.drain(Duration::from_millis(1)).await);
    let mut broken = 0;
    for stream in streams {
        broken += usize::from(matches!(stream.collect().await, Err(RequestError::ShuttingDown)));
    }
    assert!(broken > 50, "{broken}");
}

#[test]
fn dropping_the_engine_ends_its_requests() {
    let engine = engine("tiny", &options());
    let stream = engine.generate(request(tokens(1, 5), 500)).expect("accepted");
    drop(engine);
    assert!(!matches!(stream.collect_blocking(), Err(RequestError::Failed(_))));
}

#[tokio::test]
async fn a_run_that_fails_disturbs_nothing() {
    let engine = engine("tiny", &options());
    let stream = engine.generate(request(tokens(1, 5), 100)).expect("accepted");
    let bad = |name: &str, shape: Vec<usize>, data: Vec<u8>| {
        vec![NamedTensor { name: name.into(), element: llmhost_inference::engine::ElementType::Int64, shape, data }]
    };
    for (inputs, part) in [
        (bad("nothing", vec![1], vec![0; 8]), "no input 'nothing'"),
        (bad("input_ids", vec![1, 1], vec![0; 8]), "'attention_mask' is missing"),
    ] {
        let error = engine.run(inputs).await.expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(stream.collect().await.expect("answered").tokens.len(), 100);
    let error = engine.embed(&["text".into()], true).await.expect_err("a decoder").to_string();
    assert_eq!(error, "this model cannot embed text: it is a decoder model");
}

#[test]
fn memory_stays_flat_over_many_requests() {
    let engine = engine("tiny", &options());
    let rounds = |count: u32| {
        for round in 0..count {
            let streams: Vec<_> = (0..20)
                .map(|i| engine.generate(request(tokens(round * 20 + i, 3 + i as usize), 4)).expect("accepted"))
                .collect();
            for stream in streams {
                stream.collect_blocking().expect("answered");
            }
        }
    };
    rounds(40);
    let before = resident();
    rounds(200);
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 << 20, "4,000 requests took {grown} bytes more");
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096
}
