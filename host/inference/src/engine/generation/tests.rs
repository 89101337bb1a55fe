//! In which order requests run, shown by what a decoder is asked for.

use std::sync::Mutex;

use llmhost_example_models::Example;
use ort::session::Session;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::engine::request::Event;
use crate::model::DecoderLayout;
use crate::sampling::{Sampler, SamplingParams};
use crate::tokens::{Detokenizer, StopStrings, Tokenizer};

const VOCABULARY: usize = 64;
const CHUNK: usize = 128;

/// A run of the graph.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Run {
    /// Tokens of the prompt of the request with this first token, and whether they were its last.
    Piece(u32, usize, bool),
    /// So many answers.
    Step(usize),
}

/// A graph that computes nothing, and writes down what it is asked for.
struct Written {
    runs: Arc<Mutex<Vec<Run>>>,
    firsts: Vec<u32>,
    logits: Vec<f32>,
}

impl Written {
    fn write(&self, run: Run) {
        self.runs.lock().expect("no panic under this lock").push(run);
    }
}

impl Decoder for Written {
    fn prefill(&mut self, slot: usize, start: usize, tokens: &[u32], last: bool) -> Result<(), RequestError> {
        if start == 0 {
            self.firsts[slot] = tokens[0];
        }
        self.write(Run::Piece(self.firsts[slot], tokens.len(), last));
        Ok(())
    }

    fn decode(&mut self, rows: &[Row], _lengths: &[usize]) -> Result<(), RequestError> {
        self.write(Run::Step(rows.len()));
        Ok(())
    }

    fn widest(&self) -> usize {
        1
    }

    fn verify(&mut self, _slot: usize, _start: usize, _tokens: &[u32]) -> Result<(), RequestError> {
        Err(RequestError::Failed("it takes one token".to_owned()))
    }

    fn logits(&mut self, _row: usize) -> &mut [f32] {
        &mut self.logits
    }

    fn share(&mut self, from: usize, to: usize, _tokens: usize) -> Result<bool, RequestError> {
        Ok(from == to)
    }

    fn release(&mut self, _slot: usize, _keep: usize) -> Result<(), RequestError> {
        Ok(())
    }

    fn wants_dense_rows(&self) -> bool {
        false
    }

    fn session(&mut self) -> &mut Session {
        unreachable!("there is no graph")
    }
}

/// A generation over such a graph, what it was asked for, and the tokenizer of its requests.
struct Tried {
    generation: Generation,
    runs: Arc<Mutex<Vec<Run>>>,
    tokenizer: Arc<Tokenizer>,
    /// Requests end without a listener.
    listeners: Vec<UnboundedReceiver<Event>>,
}

impl Tried {
    fn new(slots: usize) -> Self {
        const CONTEXT: usize = 8192;
        let layout = DecoderLayout { vocabulary: VOCABULARY, last_only: true, ..DecoderLayout::for_a_test() };
        let runs = Arc::new(Mutex::new(Vec::new()));
        let decoder = Written { runs: Arc::clone(&runs), firsts: vec![0; slots], logits: vec![0.0; VOCABULARY] };
        let settings = Settings {
            chunk: CHUNK,
            reuse: false,
            speculate: Speculate::Off,
            lengths: Lengths::Any,
            budget: Budget::new(&layout, true, 1 << 30),
        };
        let counters = Arc::new(Counters::new(slots, CONTEXT, (1 << 30, CONTEXT * slots), "test"));
        let path = Example::Tiny.folder().expect("made").join("tokenizer.json");
        Self {
            generation: Generation::new(Box::new(decoder), counters, settings),
            runs,
            tokenizer: Arc::new(Tokenizer::read(&path, false).expect("a tokenizer")),
            listeners: Vec::new(),
        }
    }

    /// Asks for an answer to a prompt that begins with this token.
    fn ask(&mut self, first: u32, tokens: usize) {
        let (listener, receiver) = unbounded_channel();
        self.listeners.push(receiver);
        let prompt: Vec<u32> = std::iter::once(first).chain((1..).take(tokens - 1)).collect();
        self.generation.counters.queued.fetch_add(1, Relaxed);
        self.generation.add(Box::new(Pending {
            sampler: Sampler::new(SamplingParams::default(), &[], None),
            prompt,
            budget: 100,
            ends: Arc::from([]),
            text: Detokenizer::new(Arc::clone(&self.tokenizer)),
            stops: StopStrings::new([]),
            listener,
            made: Instant::now(),
            end_logprobs: false,
            prompt_logprobs: None,
        }));
    }

    /// Takes turns until so many prompts were read; gives what was run.
    fn until(&mut self, prompts: usize) -> Vec<Run> {
        let ends = |runs: &[Run]| runs.iter().filter(|run| matches!(run, Run::Piece(_, _, true))).count();
        loop {
            let runs = self.runs.lock().expect("no panic under this lock").clone();
            if ends(&runs) >= prompts {
                return runs;
            }
            self.generation.step();
        }
    }
}

/// Tokens of prompts that were read before the prompt of each request was whole, in the order in which they were.
fn ends(runs: &[Run]) -> Vec<(u32, usize)> {
    let mut read = 0;
    let mut ends = Vec::new();
    for run in runs {
        if let Run::Piece(first, tokens, last) = run {
            read += tokens;
            ends.extend(last.then_some((*first, read)));
        }
    }
    ends
}

#[test]
fn requests_that_come_together_get_their_first_tokens_in_their_order_and_evenly() {
    for tokens in [60, 128, 300] {
        let mut tried = Tried::new(32);
        (0..32).for_each(|first| tried.ask(first, tokens));
        let runs = tried.until(32);
        let ends = ends(&runs);
        assert!(ends.iter().map(|(first, _)| *first).eq(0..32), "{tokens}: {ends:?}");
        assert!(ends[31].1 <= 2 * ends[16].1, "{tokens}: {ends:?}");
        // While a prompt waits there is one step between its pieces, at most.
        assert!(runs.windows(2).all(|two| !matches!(two, [Run::Step(_), Run::Step(_)])), "{tokens}: {runs:?}");
        assert!(runs.iter().any(|run| matches!(run, Run::Step(_))), "{tokens}: {runs:?}");
    }
}

#[test]
fn a_long_prompt_lets_short_ones_by_and_is_read_to_its_end() {
    let mut tried = Tried::new(32);
    tried.ask(1, 20);
    tried.until(1);
    tried.ask(2, 5000);
    (10..20).for_each(|first| tried.ask(first, 60));
    let runs = tried.until(12);
    let ends = ends(&runs);
    let short = |first: &u32| (10..20).contains(first);
    assert!(ends[1..11].iter().all(|(first, _)| short(first)) && ends[11].0 == 2, "{ends:?}");
    // One quantum of the long one, at most, stands in front of all of them.
    assert!(ends[10].1 <= 20 + 4 * CHUNK + 10 * 60, "{ends:?}");
    assert!(runs.iter().any(|run| matches!(run, Run::Step(_))), "{runs:?}");
}
