//! Who waits for whom, on a clock that the tests turn.

use super::*;

const CHUNK: usize = 128;

/// What a machine takes: for a token of a prompt, and for a step of so many answers.
struct Machine {
    token: f64,
    step: fn(usize) -> f64,
}

/// A prompt that came at a time, with so many tokens to read; then an answer without an end.
struct Waits {
    came: f64,
    tokens: usize,
    read: usize,
    rank: Option<Rank>,
    first: Option<f64>,
}

/// What a run showed.
struct Run {
    /// From when a prompt came to its first token, in the order of the prompts.
    first: Vec<f64>,
    /// The longest time between two steps while there were answers.
    longest_gap: f64,
}

fn run(machine: &Machine, prompts: &[(f64, usize)]) -> Run {
    let mut turns = Turns::default();
    let wait = |(came, tokens): &(f64, usize)| Waits { came: *came, tokens: *tokens, read: 0, rank: None, first: None };
    let mut all: Vec<Waits> = prompts.iter().map(wait).collect();
    let (mut now, mut last_step, mut longest_gap) = (0.0, 0.0, 0.0_f64);
    let took = |seconds: f64| Duration::from_secs_f64(seconds);
    while all.iter().any(|one| one.first.is_none()) {
        // As the generation does it: those that came are let in, pieces, then a step.
        turns.begin();
        loop {
            for at in 0..all.len() {
                if all[at].rank.is_none() && all[at].came <= now {
                    let others = all.iter().filter(|one| one.first.is_none()).filter_map(|one| one.rank);
                    all[at].rank = Some(Rank::after(others));
                }
            }
            let order = |at: &usize| (all[*at].rank.expect("let in").order(), *at);
            let reading = (0..all.len()).filter(|at| all[*at].rank.is_some() && all[*at].first.is_none());
            let Some(next) = reading.min_by_key(order) else { break };
            let piece = CHUNK.min(all[next].tokens - all[next].read);
            if !turns.fits(piece) {
                break;
            }
            let seconds = machine.token * piece as f64;
            now += seconds;
            turns.read(piece, took(seconds));
            let one = &mut all[next];
            one.read += piece;
            one.rank.as_mut().expect("let in").read(piece, CHUNK);
            if one.read == one.tokens {
                one.first = Some(now - one.came);
                last_step = if last_step == 0.0 { now } else { last_step };
            }
            if all.iter().all(|one| one.first.is_none()) {
                break;
            }
        }
        let answers = all.iter().filter(|one| one.first.is_some()).count();
        if answers > 0 {
            longest_gap = longest_gap.max(now - last_step);
            let seconds = (machine.step)(answers);
            now += seconds;
            last_step = now;
            turns.stepped(took(seconds));
        } else if all.iter().all(|one| one.rank.is_none()) {
            now += 0.001;
        }
    }
    Run { first: all.into_iter().map(|one| one.first.expect("read")).collect(), longest_gap }
}

/// Machines on which a step of many answers is cheap, or as dear as that of one for each.
const MACHINES: [Machine; 3] = [
    Machine { token: 0.0007, step: |answers| 0.012 + 0.002 * answers as f64 },
    Machine { token: 0.0007, step: |answers| 0.015 * answers as f64 },
    Machine { token: 0.000_01, step: |_| 0.008 },
];

#[test]
fn prompts_that_come_together_have_their_first_tokens_one_after_the_other() {
    for machine in &MACHINES {
        for tokens in [40, 128, 200, 500] {
            let Run { first, longest_gap } = run(machine, &[(0.0, tokens); 32]);
            assert!(first.is_sorted(), "{tokens}: {first:?}");
            // Twice, and what a step of all takes more than one of half of them.
            assert!(first[31] <= 2.1 * first[16], "{tokens}: {} and {}", first[16], first[31]);
            // Reading takes three quarters of the time at least: a turn is half full or fuller.
            let alone = 32.0 * machine.token * tokens as f64;
            assert!(first[31] <= alone * (1.0 + 2.0 / STEPS) + 32.0 * (machine.step)(1), "{tokens}: {}", first[31]);
            let most = (STEPS * (machine.step)(32)).max(machine.token * CHUNK as f64) * 1.001;
            assert!(longest_gap <= most, "{tokens}: {longest_gap} of {most}");
        }
    }
}

#[test]
fn a_long_prompt_holds_up_neither_answers_nor_short_prompts_and_ends_itself() {
    for machine in &MACHINES {
        let piece = machine.token * CHUNK as f64;
        // An answer runs; then a long prompt, and short ones all the while.
        let short = (0..200).map(|at| (0.01 + 8.0 * piece * f64::from(at), 60));
        let prompts: Vec<(f64, usize)> = [(0.0, 40), (0.005, 5000)].into_iter().chain(short).collect();
        let Run { first, longest_gap } = run(machine, &prompts);
        let most = (STEPS * (machine.step)(202)).max(piece) * 1.001;
        assert!(longest_gap <= most, "{longest_gap} of {most}");
        // A short one waits for a quantum of the long one, and the steps between its pieces.
        let quantum = QUANTUM as f64 * (piece + (machine.step)(202)) + 2.0 * most;
        let waited = first[2..].iter().copied().fold(0.0, f64::max);
        assert!(waited <= quantum, "{waited} of {quantum}");
        let alone = machine.token * 5000.0;
        assert!(first[1] < 8.0 * (alone + 40.0 * (machine.step)(202)), "it is read beside the others: {}", first[1]);
    }
}

#[test]
fn a_prompt_that_comes_later_does_not_pass_those_that_wait() {
    let mut long = Rank::default();
    (0..2 * QUANTUM).for_each(|_| long.read(CHUNK, CHUNK));
    assert_eq!(long.order(), 2);
    let later = Rank::after([long].into_iter());
    assert_eq!(later.order(), 2, "its own quantum is that of the one that waits");
    (0..QUANTUM).for_each(|_| long.read(CHUNK, CHUNK));
    assert!(later.order() < long.order());
    assert_eq!(Rank::after(std::iter::empty()), Rank::default());
}
