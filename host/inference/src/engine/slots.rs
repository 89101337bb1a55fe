//! Rows of the cache: who is in them, and which tokens they keep.
//!
//! A slot keeps its tokens when its request ends. The next prompt that begins alike starts behind
//! them, in place where the slot is free, or from a copy.

use super::generation::Rank;
use super::sequence::Sequence;

/// One row.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Tokens whose keys and values are in the cache.
    pub(super) cached: Vec<u32>,
    /// The request that runs here.
    pub(super) sequence: Option<Sequence>,
    /// When it was last taken, in admissions.
    pub(super) taken: u64,
    /// Tokens whose places were written since the slot's memory was last given back.
    pub(super) extent: usize,
    /// Tokens that the request may come to before it has to ask for room.
    pub(super) promise: usize,
    /// When its prompt is read, among those that wait.
    pub(super) rank: Rank,
    /// The side of the graph's threshold on which the keys were computed.
    pub(super) long: bool,
}

impl Slot {
    /// Tokens that it counts with.
    pub(super) fn counted(&self) -> usize {
        self.extent.max(self.promise)
    }
}

/// Where a prompt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) slot: usize,
    /// The slot whose first tokens it can begin with, and how many.
    pub(super) from: usize,
    pub(super) tokens: usize,
}

/// Fewer shared tokens are not worth a look: every chat template begins alike.
const WORTHWHILE: usize = 8;

/// The place for a prompt; `None` where every slot is taken. Only keys of the prompt's own side of
/// the graph's threshold are of use to it.
pub(super) fn place(slots: &[Slot], prompt: &[u32], long: bool, reuse: bool) -> Option<Place> {
    let free = |slot: &usize| slots[*slot].sequence.is_none();
    let alike = |slot: usize| match reuse && slots[slot].long == long {
        true => common(&slots[slot].cached, prompt),
        false => 0,
    };
    let best = (0..slots.len()).map(|slot| (alike(slot), slot)).max_by_key(|(tokens, slot)| (*tokens, free(slot)))?;
    let (tokens, from) = if best.0 >= WORTHWHILE { best } else { (0, best.1) };
    if tokens > 0 && free(&from) {
        return Some(Place { slot: from, from, tokens });
    }
    // Empty slots first, then those whose tokens were of no use for the longest time.
    let oldest = |slot: &usize| (!slots[*slot].cached.is_empty(), slots[*slot].taken, *slot);
    let slot = (0..slots.len()).filter(free).min_by_key(oldest)?;
    Some(Place { slot, from: if tokens > 0 { from } else { slot }, tokens })
}

/// Tokens that both begin with. The last token of a prompt always runs: its logits are wanted.
fn common(cached: &[u32], prompt: &[u32]) -> usize {
    let alike = cached.iter().zip(prompt).take_while(|(a, b)| a == b).count();
    alike.min(prompt.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(cached: std::ops::Range<u32>, taken: u64) -> Slot {
        Slot { cached: cached.collect(), taken, ..Slot::default() }
    }

    #[test]
    fn a_prompt_goes_where_it_finds_most() {
        let prompt: Vec<u32> = (0..40).collect();
        let slots = [slot(0..0, 0), slot(0..20, 1), slot(0..30, 2), slot(5..50, 3)];
        assert_eq!(place(&slots, &prompt, false, true), Some(Place { slot: 2, from: 2, tokens: 30 }));
        assert_eq!(place(&slots, &prompt, true, true), Some(Place { slot: 0, from: 0, tokens: 0 }), "the other side's");
        assert_eq!(place(&slots, &prompt, false, false), Some(Place { slot: 0, from: 0, tokens: 0 }));
        // The whole prompt is there: its last token runs all the same.
        assert_eq!(place(&slots[1..2], &prompt[..20], false, true).map(|place| place.tokens), Some(19));
        // Too little to be worth it; the oldest makes room.
        let slots = [slot(0..5, 9), slot(7..20, 4)];
        assert_eq!(place(&slots, &prompt, false, true), Some(Place { slot: 1, from: 1, tokens: 0 }));
        assert_eq!(place(&[], &prompt, false, true), None);
    }
}
