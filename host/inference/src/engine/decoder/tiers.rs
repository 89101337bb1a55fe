//! A cache whose slots grow by what their requests use, for memory that does not come by the page.
//!
//! A slot's tokens lie in a row `[heads, places, size]` of a tier, whose rows all have so many places. A
//! request that outgrows its row moves to the next tier, four times as long, by a copy on the device. So a
//! short request takes a short row, whatever the context is; a row has at most four times the places that
//! are used; and each token is copied less than half a time on the average.
//!
//! The rows of a tier lie together from the first on: a run needs neighbours in one tensor, and rows that
//! nobody holds would cost memory. Each tier has address space for all slots, and memory under the rows that
//! are held: tensors never move, so bindings stay valid, and so do recorded runs.

use std::sync::Arc;

use ort::value::DynTensor;

use super::cache::{Place, Store};
use super::view;
use crate::engine::memory::Pages;
use crate::model::{DecoderLayout, FloatType};
use crate::runtime::{Address, Gpu, Reserved, Strips};

/// The lengths that rows have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Tiers {
    context: usize,
}

impl Tiers {
    /// Places of the shortest rows, at least.
    const SHORTEST: usize = 256;
    const FACTOR: usize = 4;
    /// Lengths are multiples of it.
    pub(in crate::engine) const STEP: usize = 64;

    pub(in crate::engine) fn new(context: usize) -> Self {
        Self { context }
    }

    pub(in crate::engine) fn context(self) -> usize {
        self.context
    }

    /// Places of the rows of each tier, shortest first. The longest are made from the context, so that a
    /// request moves into them out of a quarter of their memory.
    pub(in crate::engine) fn places(self) -> Vec<usize> {
        // A row that is only passed over gets a token behind its last one.
        let mut places = vec![(self.context + 1).next_multiple_of(Self::STEP)];
        while let Some(shorter) = places.last().map(|longer| (longer / Self::FACTOR).next_multiple_of(Self::STEP))
            && shorter >= Self::SHORTEST
        {
            places.push(shorter);
        }
        places.reverse();
        places
    }

    /// Places that a row with so many tokens has.
    pub(in crate::engine) fn of(self, tokens: usize) -> usize {
        let places = self.places();
        places.iter().copied().find(|places| *places > tokens).unwrap_or(places[places.len() - 1])
    }
}

/// Memory that tensors may lie in.
pub(super) enum Memory {
    /// The host's, as the device's is used: for tests, which have no other.
    Host,
    /// A GPU's.
    Gpu(Arc<Gpu>, i32),
}

/// Address space with memory under its beginning.
enum Region {
    Host { pages: Pages, used: usize },
    Gpu(Reserved),
}

impl Region {
    fn new(memory: &Memory, length: usize, row: usize) -> Result<Self, String> {
        match memory {
            Memory::Host => {
                let pages = Pages::new(length).ok_or("the system gives no address space for the cache")?;
                Ok(Self::Host { pages, used: 0 })
            }
            Memory::Gpu(gpu, _) => Ok(Self::Gpu(Reserved::new(gpu, length, row)?)),
        }
    }

    fn start(&self) -> Address {
        match self {
            Self::Host { pages, .. } => pages.as_ptr() as Address,
            Self::Gpu(reserved) => reserved.start(),
        }
    }

    fn resize(&mut self, bytes: usize) -> Result<(), String> {
        match self {
            Self::Host { pages, used } => {
                pages.release(bytes..std::mem::replace(used, bytes));
                Ok(())
            }
            Self::Gpu(reserved) => reserved.resize(bytes),
        }
    }
}

struct Tier {
    places: usize,
    /// One for each layer and side.
    regions: Vec<Region>,
    /// The slot of each row.
    rows: Vec<usize>,
}

/// The cache.
pub(super) struct TieredCache {
    tiers: Vec<Tier>,
    lengths: Tiers,
    /// Of each slot: its place, and the tokens that it may hold there.
    at: Vec<Option<(Place, usize)>>,
    heads: usize,
    head_size: usize,
    kind: FloatType,
    memory: Memory,
}

impl TieredCache {
    pub(super) fn new(layout: &DecoderLayout, memory: Memory, slots: usize, lengths: Tiers) -> ort::Result<Self> {
        let tier = |places: usize| {
            let row = layout.heads * places * layout.head_size * layout.cache_type.bytes();
            // One more, by which two rows change places.
            let region = |_| Region::new(&memory, (slots + 1) * row, row).map_err(ort::Error::new);
            let regions = (0..layout.cache.len()).map(region).collect::<ort::Result<_>>()?;
            Ok(Tier { places, regions, rows: Vec::new() })
        };
        let tiers = lengths.places().into_iter().map(tier).collect::<ort::Result<_>>()?;
        let (heads, head_size, kind) = (layout.heads, layout.head_size, layout.cache_type);
        Ok(Self { tiers, lengths, at: vec![None; slots], heads, head_size, kind, memory })
    }

    fn tier_for(&self, tokens: usize) -> usize {
        let places = self.lengths.of(tokens);
        self.tiers.iter().position(|tier| tier.places == places).expect("one of the tiers' own")
    }

    fn row_bytes(&self, tier: usize) -> usize {
        self.heads * self.tiers[tier].places * self.head_size * self.kind.bytes()
    }

    /// Puts memory under so many rows of a tier.
    fn resize(&mut self, tier: usize, rows: usize) -> Result<(), String> {
        let (bytes, before) = (rows * self.row_bytes(tier), self.tiers[tier].rows.len() * self.row_bytes(tier));
        for at in 0..self.tiers[tier].regions.len() {
            if let Err(error) = self.tiers[tier].regions[at].resize(bytes) {
                // What the others got goes back: it would be counted nowhere.
                self.tiers[tier].regions[..=at].iter_mut().try_for_each(|region| region.resize(before))?;
                return Err(format!("the device gives no more memory for keys and values ({error})"));
            }
        }
        Ok(())
    }

    /// Copies the first tokens of a row.
    fn copy_row(&mut self, from: Place, to: Place, tokens: usize) -> Result<(), String> {
        let token = self.head_size * self.kind.bytes();
        let pitch = |place: Place| self.tiers[place.tier].places * token;
        let start =
            |place: Place, region: &Region| region.start() + (place.row * self.row_bytes(place.tier)) as Address;
        let strips: Vec<Strips> = (self.tiers[from.tier].regions.iter().zip(&self.tiers[to.tier].regions))
            .map(|(source, target)| Strips {
                from: start(from, source),
                from_pitch: pitch(from),
                to: start(to, target),
                to_pitch: pitch(to),
                width: tokens.min(self.tiers[from.tier].places).min(self.tiers[to.tier].places) * token,
                count: self.heads,
            })
            .collect();
        match &self.memory {
            Memory::Gpu(gpu, _) => gpu.copy(&strips),
            Memory::Host => {
                for strips in strips {
                    for strip in 0..strips.count {
                        // SAFETY: both lie within their rows, which are different ones, and no run is under way.
                        unsafe {
                            let source = (strips.from as *const u8).add(strip * strips.from_pitch);
                            let target = (strips.to as *mut u8).add(strip * strips.to_pitch);
                            std::ptr::copy_nonoverlapping(source, target, strips.width);
                        }
                    }
                }
                Ok(())
            }
        }
    }

    /// Gives a slot a row of a tier, with the first tokens of the one that it had.
    fn settle(&mut self, slot: usize, tier: usize, room: usize, kept: usize) -> Result<(), String> {
        let row = self.tiers[tier].rows.len();
        self.resize(tier, row + 1)?;
        let (place, before) = (Place { tier, row }, self.at[slot]);
        if let Some((from, _)) = before {
            self.copy_row(from, place, kept)?;
        }
        self.tiers[tier].rows.push(slot);
        self.at[slot] = Some((place, room));
        before.map_or(Ok(()), |(from, _)| self.vacate(from))
    }

    /// Closes the gap that a row leaves, by the last one of its tier.
    fn vacate(&mut self, place: Place) -> Result<(), String> {
        let last = Place { row: self.tiers[place.tier].rows.len() - 1, ..place };
        if place != last {
            let slot = self.tiers[place.tier].rows[last.row];
            let held = self.at[slot].map_or(0, |(_, held)| held);
            self.copy_row(last, place, held)?;
            self.tiers[place.tier].rows[place.row] = slot;
            self.at[slot] = Some((place, held));
        }
        self.tiers[place.tier].rows.pop();
        self.resize(place.tier, last.row)
    }

    /// Lets two rows change places.
    fn swap(&mut self, tier: usize, one: usize, other: usize) -> Result<(), String> {
        let spare = self.tiers[tier].rows.len();
        self.resize(tier, spare + 1)?;
        let place = |row: usize| Place { tier, row };
        let held = |row: usize| self.at[self.tiers[tier].rows[row]].map_or(0, |(_, held)| held);
        let (of_one, of_other) = (held(one), held(other));
        self.copy_row(place(one), place(spare), of_one)?;
        self.copy_row(place(other), place(one), of_other)?;
        self.copy_row(place(spare), place(other), of_one)?;
        self.tiers[tier].rows.swap(one, other);
        for (row, held) in [(one, of_other), (other, of_one)] {
            let slot = self.tiers[tier].rows[row];
            self.at[slot] = Some((place(row), held));
        }
        self.resize(tier, spare)
    }
}

impl Store for TieredCache {
    fn hold(&mut self, slot: usize, tokens: usize, kept: usize) -> ort::Result<()> {
        match &mut self.at[slot] {
            Some((place, held)) if self.tiers[place.tier].places > tokens => {
                *held = tokens.max(*held);
                Ok(())
            }
            _ => self.settle(slot, self.tier_for(tokens), tokens, kept).map_err(ort::Error::new),
        }
    }

    fn place(&self, slot: usize) -> Place {
        self.at[slot].map(|(place, _)| place).expect("a slot that holds tokens has a row")
    }

    fn places(&self, tier: usize) -> usize {
        self.tiers[tier].places
    }

    fn slot_at(&self, place: Place) -> usize {
        self.tiers[place.tier].rows[place.row]
    }

    /// Brings them to the first rows, so that steps over as many are over the same ones. Changes one pair a
    /// step: copies take time that answers wait for.
    fn bring_together(&mut self, tier: usize, slots: &[usize]) -> ort::Result<()> {
        let mut rows: Vec<usize> = slots.iter().map(|slot| self.place(*slot).row).collect();
        rows.sort_unstable();
        let gap = rows.iter().zip(0..).find(|(row, dense)| *row != dense).map(|(_, dense)| dense);
        match gap {
            Some(gap) => self.swap(tier, gap, rows[rows.len() - 1]).map_err(ort::Error::new),
            None => Ok(()),
        }
    }

    fn rows(&self, tier: usize, buffer: usize, first: usize, count: usize) -> ort::Result<DynTensor> {
        let row = self.row_bytes(tier);
        let Tier { places, regions, rows } = &self.tiers[tier];
        assert!(first + count <= rows.len(), "rows that have memory");
        let start = regions[buffer].start() + (first * row) as Address;
        let shape = [count, self.heads, *places, self.head_size];
        let gpu = match &self.memory {
            Memory::Host => None,
            Memory::Gpu(_, gpu) => Some(*gpu),
        };
        let info = view::place(gpu)?;
        // SAFETY: the rows have memory, and the owner drops all bindings before the cache.
        unsafe { view::over(&info, start as *mut u8, count * row, &shape, self.kind.element()) }
    }

    fn copy(&mut self, from: usize, to: usize, tokens: usize) -> ort::Result<bool> {
        if from == to {
            return Ok(true);
        }
        self.hold(to, tokens, 0)?;
        self.copy_row(self.place(from), self.place(to), tokens).map_err(ort::Error::new)?;
        Ok(true)
    }

    fn release(&mut self, slot: usize, keep: usize) -> ort::Result<()> {
        let Some((place, held)) = self.at[slot] else { return Ok(()) };
        if keep == 0 {
            self.at[slot] = None;
            return self.vacate(place).map_err(ort::Error::new);
        }
        let (kept, tier) = (keep.min(held), self.tier_for(keep));
        match tier < place.tier {
            true => self.settle(slot, tier, kept, kept).map_err(ort::Error::new),
            false => {
                self.at[slot] = Some((place, kept));
                Ok(())
            }
        }
    }

    fn wants_dense_rows(&self) -> bool {
        false
    }
}

#[cfg(test)]
#[path = "tiers_tests.rs"]
mod tests;
