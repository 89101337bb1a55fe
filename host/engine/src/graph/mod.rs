//! Graphs: their shape ([`Dag`], [`StepGraph`]), the walk over them ([`walk`]), and drawings of a
//! plan's ([`draw`]).

mod dag;
pub mod draw;
mod steps;
mod walk;

pub use dag::{Circle, Dag};
pub use steps::{Cycle, StepGraph};
pub use walk::{Outcome, walk};

use std::collections::HashSet;
use std::hash::Hash;

/// Whether `from` needs `to`, directly or by what it needs. `needs` gives what one of them needs directly.
pub(crate) fn reaches<'a, T, I>(from: &'a T, to: &T, needs: impl Fn(&'a T) -> I) -> bool
where
    T: Eq + Hash,
    I: IntoIterator<Item = &'a T>,
{
    let (mut seen, mut next) = (HashSet::new(), vec![from]);
    while let Some(at) = next.pop() {
        for needed in needs(at) {
            if needed == to {
                return true;
            }
            if seen.insert(needed) {
                next.push(needed);
            }
        }
    }
    false
}
