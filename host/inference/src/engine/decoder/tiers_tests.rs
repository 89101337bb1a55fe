//! What slots hold stays theirs, however they move.

use super::*;

fn layout() -> DecoderLayout {
    DecoderLayout { cache_type: FloatType::F16, heads: 3, head_size: 4, ..DecoderLayout::for_a_test() }
}

const CONTEXT: usize = 5000;

fn cache(slots: usize) -> TieredCache {
    TieredCache::new(&layout(), Memory::Host, slots, Tiers::new(CONTEXT)).expect("address space")
}

/// A slot's number at a token, in each buffer and head.
fn place_of(cache: &TieredCache, slot: usize, buffer: usize, head: usize, token: usize) -> *mut u8 {
    let (place, bytes) = (cache.place(slot), cache.head_size * cache.kind.bytes());
    let tier = &cache.tiers[place.tier];
    let start = tier.regions[buffer].start() as usize + place.row * cache.row_bytes(place.tier);
    (start + (head * tier.places + token) * bytes) as *mut u8
}

fn write(cache: &TieredCache, slot: usize, tokens: std::ops::Range<usize>, mark: u8) {
    for (buffer, head) in (0..2).flat_map(|buffer| (0..3).map(move |head| (buffer, head))) {
        for token in tokens.clone() {
            // SAFETY: within a row that the slot holds.
            unsafe { *place_of(cache, slot, buffer, head, token) = mark ^ (buffer * 3 + head) as u8 ^ token as u8 };
        }
    }
}

fn check(cache: &TieredCache, slot: usize, tokens: usize, mark: u8) {
    for (buffer, head) in (0..2).flat_map(|buffer| (0..3).map(move |head| (buffer, head))) {
        for token in 0..tokens {
            // SAFETY: as above.
            let found = unsafe { *place_of(cache, slot, buffer, head, token) };
            let expected = mark ^ (buffer * 3 + head) as u8 ^ token as u8;
            assert_eq!(found, expected, "slot {slot}, buffer {buffer}, head {head}, token {token}");
        }
    }
}

#[test]
fn rows_are_a_quarter_of_the_next_ones() {
    assert_eq!(Tiers::new(131_072).places(), [576, 2112, 8256, 32_832, 131_136]);
    assert_eq!(Tiers::new(512).places(), [576]);
    let tiers = Tiers::new(CONTEXT);
    assert_eq!(tiers.places(), [320, 1280, 5056]);
    assert_eq!(
        [0, 1, 319, 320, 1280, 5000, 9000].map(|tokens| tiers.of(tokens)),
        [320, 320, 320, 1280, 5056, 5056, 5056]
    );
}

#[test]
fn slots_that_grow_shrink_and_go_leave_the_others_as_they_were() {
    let mut cache = cache(6);
    // Tokens and mark of each slot.
    let mut held: Vec<(usize, u8)> = vec![(0, 0); 6];
    let mut state = 5_u64;
    let mut next = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for turn in 0..400_u32 {
        let slot = next(6) as usize;
        let (tokens, mark) = held[slot];
        match next(5) {
            0 => {
                let keep = if next(2) == 0 { 0 } else { tokens / 3 };
                cache.release(slot, keep).expect("given back");
                held[slot] = (keep, mark);
            }
            1 => {
                let other = next(6) as usize;
                if other != slot && tokens > 0 {
                    assert!(cache.copy(slot, other, tokens / 2 + 1).expect("copied"));
                    held[other] = (tokens / 2 + 1, mark);
                }
            }
            2 => {
                let all: Vec<usize> = (0..6).filter(|slot| held[*slot].0 > 0).collect();
                if let Some(tier) = all.first().map(|slot| cache.place(*slot).tier) {
                    let wanted: Vec<usize> =
                        all.into_iter().filter(|slot| cache.place(*slot).tier == tier).step_by(2).collect();
                    cache.bring_together(tier, &wanted).expect("moved");
                }
            }
            _ => {
                let (more, mark) = (1 + next(700) as usize, if tokens == 0 { turn as u8 } else { mark });
                let more = more.min(CONTEXT - tokens);
                cache.hold(slot, tokens + more, tokens).expect("room");
                write(&cache, slot, tokens..tokens + more, mark);
                held[slot] = (tokens + more, mark);
            }
        }
        (0..6).filter(|slot| held[*slot].0 > 0).for_each(|slot| check(&cache, slot, held[slot].0, held[slot].1));
        for (number, tier) in cache.tiers.iter().enumerate() {
            for (row, slot) in tier.rows.iter().enumerate() {
                assert_eq!(cache.place(*slot), Place { tier: number, row }, "rows lie together");
            }
        }
    }
}

#[test]
fn slots_that_step_come_together_one_pair_at_a_time() {
    let mut cache = cache(5);
    for slot in 0..5 {
        cache.hold(slot, 10, 0).expect("room");
        write(&cache, slot, 0..10, slot as u8);
    }
    let rows = |cache: &TieredCache| [0, 2, 4].map(|slot| cache.place(slot).row);
    cache.bring_together(0, &[0, 2, 4]).expect("moved");
    assert_eq!(rows(&cache), [0, 2, 1]);
    cache.bring_together(0, &[0, 2, 4]).expect("moved");
    assert_eq!(rows(&cache), [0, 2, 1], "nothing is left to do");
    (0..5).for_each(|slot| check(&cache, slot, 10, slot as u8));
}
