//! A graph that fails while it runs: the request in question fails, and nothing beside it.
#![allow(missing_docs)]

mod common;

use common::{answer, copied, engine, fails_on, options, request, tokens};
use llmhost_inference::engine::Options;
use llmhost_inference::{Engine, RequestError};

#[test]
fn a_step_that_fails_ends_its_request_and_no_other() {
    for name in ["tiny", "tiny-plain"] {
        let whole = engine(name, &options());
        let expected: Vec<Vec<u32>> = (0..3).map(|seed| answer(&whole, request(tokens(seed, 20), 60)).tokens).collect();
        let used =
            |token: &u32| (0..3).any(|seed| tokens(seed, 20).contains(token)) || expected.concat().contains(token);
        let bad = (3..250).find(|token| !used(token)).expect("a token that nobody uses");

        let folder = copied(name);
        fails_on(folder.path(), bad);
        let failing = Engine::load(folder.path(), &Options { max_batch: 8, ..options() }).expect("it loads");

        let streams: Vec<_> =
            (0..3).map(|seed| failing.generate(request(tokens(seed, 20), 60)).expect("accepted")).collect();
        let prompt = [tokens(7, 9), vec![bad], tokens(8, 3)].concat();
        for _ in 0..5 {
            let failed = failing.generate(request(prompt.clone(), 5)).expect("accepted").collect_blocking();
            assert!(matches!(&failed, Err(RequestError::Failed(reason)) if reason.contains("Gather")), "{failed:?}");
        }
        for (stream, expected) in streams.into_iter().zip(&expected) {
            assert_eq!(stream.collect_blocking().expect("answered").tokens, *expected, "{name}");
        }
        let stats = failing.stats();
        assert_eq!((stats.active, stats.queued), (0, 0), "{name}");
    }
}
