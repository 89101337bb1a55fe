//! What the keys and values of requests may take, and what so many tokens take of it.
//!
//! On a processor a slot is address space as long as the context, and takes memory by the page as
//! tokens are written. So what limits the requests that run together is the tokens that they use,
//! and not the tokens that they might. On a GPU they lie in rows of a few lengths ([`Tiers`]).

use super::decoder::{Tiers, places};
use super::memory::{self, Pages};
use crate::model::DecoderLayout;

/// Bytes for keys and values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// Bytes in all.
    pub(super) limit: usize,
    /// Parts that a slot's tokens lie in: one for each head, layer and side; two, where the cache moves
    /// through the graph, which holds the old and the new one.
    parts: usize,
    /// Bytes of a token in one part.
    token: usize,
    /// What memory is taken in, for each part.
    unit: usize,
    /// The rows that tokens lie in, where memory does not come by the page.
    pub(super) tiers: Option<Tiers>,
    /// Whether a step writes a token to each slot between those that answer, too.
    pub(super) fills_gaps: bool,
}

impl Budget {
    pub(super) fn new(layout: &DecoderLayout, by_page: bool, limit: usize) -> Self {
        let by_page = layout.shared && by_page;
        // Where the cache moves through the graph, a step holds the old and the new one.
        let copies = if layout.shared { 1 } else { 2 };
        Self {
            limit,
            parts: copies * layout.cache.len() * layout.heads,
            token: layout.head_size * layout.cache_type.bytes(),
            unit: if by_page { memory::page_size() } else { 1 },
            tiers: None,
            fills_gaps: layout.shared,
        }
    }

    /// What is left of the limit where each token is one of another cache, too, that is taken at once.
    pub(super) fn share_with(&self, other: &DecoderLayout) -> usize {
        let own = self.parts * self.token;
        let others = other.cache.len() * other.heads * other.head_size * other.cache_type.bytes();
        self.limit / (own + others) * own
    }

    /// Bytes that so many tokens of one slot take.
    pub(super) fn cost(&self, tokens: usize) -> usize {
        let places = match self.tiers {
            Some(tiers) if tokens > 0 => tiers.of(tokens),
            _ => tokens,
        };
        self.parts * (places * self.token).next_multiple_of(self.unit)
    }

    /// The same memory in rows of a few lengths, for at most `wanted` tokens of a request, or as many as fit.
    ///
    /// A fifth is kept free: while a request moves, it has its old row and the new one, which is four times as long.
    pub(super) fn in_tiers(mut self, wanted: usize) -> Self {
        self.limit -= self.limit / 5;
        let mut context = wanted.min(self.longest());
        // The longest row has some places more than the context.
        while context > 0 && self.parts * self.token * Tiers::new(context).of(context) > self.limit {
            context = (context - 1) / Tiers::STEP * Tiers::STEP;
        }
        self.tiers = Some(Tiers::new(context));
        self
    }

    /// Tokens that fit where one request has everything.
    pub(super) fn longest(&self) -> usize {
        match self.tiers {
            Some(tiers) => tiers.context(),
            None => self.limit / self.parts / self.unit * self.unit / self.token,
        }
    }

    /// Tokens of all requests together, at most.
    pub(super) fn tokens(&self) -> usize {
        self.limit / (self.parts * self.token)
    }

    /// Slots of `context` tokens that the address space has room for; `wanted`, where nothing limits it.
    pub(super) fn slots(&self, context: usize, wanted: usize) -> usize {
        let slot = self.parts * self.token * places(context, self.token);
        let mut slots = wanted;
        // Twice as much is asked for: what the model computes with needs address space, too.
        while slots > 1 && slot.checked_mul(2 * slots).and_then(Pages::new).is_none() {
            slots /= 2;
        }
        if slots < wanted {
            tracing::warn!(
                slots,
                wanted,
                bytes = slot * wanted,
                "the address space is limited (ulimit -v, or vm.overcommit_memory = 2), so fewer requests run together; \
                 raise the limit, or set a shorter context"
            );
        }
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(limit: usize, token: usize, unit: usize) -> Budget {
        Budget { limit, parts: 4, token, unit, tiers: None, fills_gaps: true }
    }

    #[test]
    fn tokens_cost_whole_pages_of_every_part() {
        let budget = budget(10 * 4 * 4096 + 4095, 192, 4096);
        assert_eq!([0, 1, 21, 22, 64].map(|tokens| budget.cost(tokens) / 4 / 4096), [0, 1, 1, 2, 3]);
        let longest = budget.longest();
        assert!(budget.cost(longest) <= budget.limit && budget.cost(longest + 1) > budget.limit, "{longest}");
        assert!(budget.tokens() >= longest);
    }

    #[test]
    fn tokens_cost_the_row_that_they_lie_in() {
        let budget = budget(5 * 4 * 4096 * 64, 64, 1).in_tiers(1 << 20);
        // A fifth is kept free, and a row has a place more than the context.
        assert_eq!((budget.limit, budget.longest()), (4 * 4 * 4096 * 64, 16_320));
        let places = |tokens| budget.cost(tokens) / 4 / 64;
        assert_eq!(
            [0, 1, 255, 256, 1023, 1024, 4096, 16_320].map(places),
            [0, 256, 256, 1024, 1024, 4096, 16_384, 16_384]
        );
        assert!(budget.cost(budget.longest()) <= budget.limit);
        assert_eq!(self::budget(1 << 30, 64, 1).in_tiers(4096).longest(), 4096);
        assert_eq!(self::budget(0, 64, 1).in_tiers(4096).longest(), 0);
    }

    #[test]
    fn parts_end_with_a_page() {
        let page = memory::page_size();
        for token in [2, 64, 80, 160, 192, 256, 512, 3 * page] {
            let places = places(1000, token);
            assert!(places >= 1000 && (places * token).is_multiple_of(page), "{token}: {places}");
            assert!(places < 1000 + page, "{token}: {places}");
        }
    }

    #[test]
    fn more_slots_than_the_address_space_holds_are_fewer() {
        // 47 bits of addresses: 2^44 bytes a slot leave room for less than eight, twice over.
        let budget = budget(1 << 20, 1 << 10, memory::page_size());
        assert!((1..8).contains(&budget.slots(1 << 32, 8)));
        assert_eq!(budget.slots(1 << 10, 8), 8);
    }
}
