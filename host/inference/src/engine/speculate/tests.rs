use super::*;

/// Figures of a processor: a step of one token takes 10 ms, of 4 of them 18, of 16 of them 48.
fn measured(mode: Speculate) -> Speculation {
    let mut speculation = Speculation::new(mode, 8);
    for _ in 0..5 {
        for (answers, millis) in [(1, 10), (2, 19), (4, 18), (8, 30)] {
            speculation.stepped(answers, Duration::from_millis(millis));
        }
        for (width, millis) in WIDTHS.into_iter().zip([19, 18, 30, 48]) {
            speculation.verified(width, Duration::from_millis(millis));
        }
    }
    speculation
}

/// One answer that repeats `period` tokens, or none of them; how many tokens a turn gave, and how many were run for them.
fn run(speculation: &mut Speculation, text: impl Fn(usize) -> u32, turns: usize) -> (f64, usize) {
    let mut guesser = Guesser::default();
    let mut all: Vec<u32> = (0..200).map(&text).collect();
    let (begun, mut wasted) = (all.len(), 0);
    for _ in 0..turns {
        let (cached, next) = (all[..all.len() - 1].to_vec(), all[all.len() - 1]);
        let answer = Answer { slot: 0, guesser: &mut guesser, cached: &cached, next, room: WIDEST - 1, draft: None };
        let guesses = speculation.plan(vec![answer]).guesses;
        let guess = guesses.first().map_or(&[][..], |guess| &guess.tokens);
        let right = guess.iter().zip(all.len()..).take_while(|(token, place)| **token == text(*place)).count();
        wasted += guess.len() - right;
        let end = all.len() + right + 1;
        all.extend((all.len()..end).map(&text));
        match guess.len() {
            0 => speculation.stepped(1, Duration::from_millis(10)),
            _ => speculation.verified(guess.len() + 1, Duration::from_millis(if guess.len() > 7 { 48 } else { 19 })),
        }
    }
    ((all.len() - begun) as f64 / turns as f64, wasted)
}

/// Numbers without an order, of which few are different.
fn noise(place: usize) -> u32 {
    let mixed = (place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 40) as u32 % 12
}

#[test]
fn what_repeats_is_guessed_widely() {
    let (tokens, _) = run(&mut measured(Speculate::Auto), |place| place as u32 % 40, 50);
    assert!(tokens > 10.0, "{tokens} tokens a turn");
}

#[test]
fn what_does_not_repeat_is_soon_left_alone() {
    let mut speculation = measured(Speculate::Auto);
    run(&mut speculation, noise, 200);
    let (tokens, wasted) = run(&mut speculation, noise, 1000);
    assert!(wasted < 20, "{wasted} tokens were run for nothing");
    assert!(tokens < 1.1, "{tokens} tokens a turn");
}

#[test]
fn an_answer_that_begins_to_repeat_is_noticed() {
    let mut speculation = measured(Speculate::Auto);
    run(&mut speculation, noise, 500);
    let turns = |place: usize| if place < 250 { noise(place) } else { place as u32 % 40 };
    let (tokens, _) = run(&mut speculation, turns, 400);
    assert!(tokens > 5.0, "{tokens} tokens a turn");
}

#[test]
fn steps_that_are_shared_are_preferred_where_they_give_more() {
    let mut speculation = measured(Speculate::Auto);
    let text: Vec<u32> = (0..200).map(|place| place % 40).collect();
    let mut guessers: Vec<Guesser> = (0..8).map(|_| Guesser::default()).collect();
    let mut plan = |speculation: &mut Speculation, count: usize, room: usize| {
        let answer =
            |(slot, guesser)| Answer { slot, guesser, cached: &text[..199], next: text[199], room, draft: None };
        speculation.plan(guessers.iter_mut().take(count).enumerate().map(answer).collect()).guesses.len()
    };
    assert_eq!(plan(&mut speculation, 1, 15), 1);
    assert_eq!(plan(&mut speculation, 2, 15), 2, "two in a step take as long as one after another");
    assert_eq!(plan(&mut speculation, 8, 3), 0, "eight tokens in 30 ms are more than four in 18");
    assert_eq!(plan(&mut speculation, 1, 0), 0, "there is room for one token");
    assert_eq!(plan(&mut measured(Speculate::Off), 1, 15), 0);
}

#[test]
fn without_figures_steps_are_taken_until_there_are_some() {
    let mut speculation = Speculation::new(Speculate::Auto, 1);
    let (tokens, _) = run(&mut speculation, |place| place as u32 % 40, 1);
    assert_eq!(tokens, 1.0);
    let (tokens, _) = run(&mut speculation, |place| place as u32 % 40, 30);
    assert!(tokens > 8.0, "{tokens} tokens a turn");
    let mut always = Speculation::new(Speculate::Always, 1);
    assert_eq!(run(&mut always, |place| place as u32 % 40, 10).0, 16.0);
}

#[test]
fn modes_have_names() {
    assert_eq!("off".parse(), Ok(Speculate::Off));
    assert_eq!("auto".parse(), Ok(Speculate::Auto));
    assert!("on".parse::<Speculate>().is_err_and(|text| text.contains("'on'")));
}

/// An answer that repeats nothing, of which the draft model knows the next tokens or not; tokens a turn, how many it was
/// asked for, and in how many turns it was to read.
fn drafted(speculation: &mut Speculation, knows: bool, drafting: Drafting, turns: usize) -> (f64, usize, usize) {
    let mut guesser = Guesser::default();
    let mut text: Vec<u32> = vec![0];
    let (mut asked, mut to_read) = (0, 0);
    for _ in 0..turns {
        let (cached, next) = (text[..text.len() - 1].to_vec(), text[text.len() - 1]);
        let draft = Some(drafting);
        let answer = Answer { slot: 3, guesser: &mut guesser, cached: &cached, next, room: WIDEST - 1, draft };
        let plan = speculation.plan(vec![answer]);
        to_read += usize::from(plan.to_read == Some(3));
        let count = plan.to_draft.first().map_or(0, |(slot, count)| if *slot == 3 { *count } else { 99 });
        let right = if knows { count } else { 0 };
        asked += count;
        let length = text.len();
        text.extend((length..=length + right).map(|place| place as u32));
        match count {
            0 => speculation.stepped(1, Duration::from_millis(10)),
            _ => {
                speculation.drafted(Some(&mut guesser), right, right < count);
                speculation.verified(count + 1, Duration::from_millis(if count > 7 { 48 } else { 19 }));
            }
        }
    }
    ((text.len() - 1) as f64 / turns as f64, asked, to_read)
}

/// As [`measured`], and a step of the draft model takes so long.
fn with_draft(mode: Speculate, millis: u64) -> Speculation {
    let mut speculation = measured(mode);
    (0..5).for_each(|_| speculation.draft_stepped(1, Duration::from_millis(millis)));
    speculation
}

const NEXT: Drafting = Drafting { behind: 1, room: 100, remaining: 500 };

#[test]
fn a_draft_model_is_asked_for_as_long_as_it_gains() {
    let (tokens, ..) = drafted(&mut with_draft(Speculate::Auto, 1), true, NEXT, 60);
    assert!(tokens > 7.0, "{tokens} tokens a turn");
    let mut speculation = with_draft(Speculate::Auto, 1);
    let (_, asked, _) = drafted(&mut speculation, false, NEXT, 500);
    assert!((1..60).contains(&asked), "{asked} tokens were guessed for nothing");
    // The next answer begins with what was seen.
    let (_, asked, _) = drafted(&mut speculation, false, NEXT, 500);
    assert!(asked < 16, "{asked} tokens were guessed for nothing");
    assert_eq!(drafted(&mut with_draft(Speculate::Auto, 10), true, NEXT, 60).1, 0, "as slow as the model");
    assert_eq!(drafted(&mut with_draft(Speculate::Off, 1), true, NEXT, 60).1, 0);
    let (tokens, asked, to_read) = drafted(&mut with_draft(Speculate::Always, 10), false, NEXT, 60);
    assert!(tokens == 1.0 && asked > 60 * 14 && to_read == 0, "{tokens} tokens a turn, {asked} guessed");
}

#[test]
fn a_draft_model_that_was_wrong_is_tried_again_some_time() {
    let mut speculation = with_draft(Speculate::Auto, 1);
    drafted(&mut speculation, false, NEXT, 500);
    let (tokens, ..) = drafted(&mut speculation, true, NEXT, 12_000);
    assert!(tokens > 2.0, "{tokens} tokens a turn");
}

#[test]
fn a_prompt_is_read_for_the_draft_model_where_the_answer_is_long_enough() {
    let far = |behind, remaining| Drafting { behind, room: 100, remaining };
    let reads = |drafting| drafted(&mut with_draft(Speculate::Auto, 1), true, drafting, 10);
    assert_eq!(reads(far(2000, 500)), (1.0, 0, 10), "it is read first, and not asked meanwhile");
    assert_eq!(reads(far(2000, 20)), (1.0, 0, 0), "200 ms for 20 tokens of 10 ms do not pay");
}

#[test]
fn texts_that_repeat_need_no_draft_model() {
    let mut speculation = with_draft(Speculate::Auto, 4);
    let text: Vec<u32> = (0..200).map(|place| place % 40).collect();
    let mut guesser = Guesser::default();
    let draft = Some(NEXT);
    let answer =
        Answer { slot: 0, guesser: &mut guesser, cached: &text[..199], next: text[199], room: WIDEST - 1, draft };
    let plan = speculation.plan(vec![answer]);
    assert_eq!((plan.guesses.len(), plan.to_draft.len()), (1, 0));
    assert_eq!(plan.guesses[0].source, Source::Text);
}
