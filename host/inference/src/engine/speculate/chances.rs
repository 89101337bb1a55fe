//! How often a guess is right, by how many tokens in front of it agree.

/// Agreeing tokens up to which a guess belongs to a class; longer ones belong to the last.
const UP_TO: [usize; 5] = [2, 3, 5, 9, 16];
const CLASSES: usize = UP_TO.len() + 1;
/// What holds before anything was seen.
const FIRST: [f64; CLASSES] = [0.3, 0.4, 0.55, 0.7, 0.8, 0.9];

/// Guesses that were right, and all of them, the latest counting most.
#[derive(Debug, Default)]
pub(super) struct Chances {
    right: [f64; CLASSES],
    all: [f64; CLASSES],
}

impl Chances {
    /// Takes note of a guess; those before lose weight to `fading`.
    pub(super) fn note(&mut self, agreeing: usize, right: bool, fading: f64) {
        let class = class(agreeing);
        self.right[class] = self.right[class] * fading + f64::from(u8::from(right));
        self.all[class] = self.all[class] * fading + 1.0;
    }

    /// The chance of a guess by these figures; `others` count as some guesses too.
    pub(super) fn of(&self, agreeing: usize, others: Option<&Self>) -> f64 {
        const WEIGHT: f64 = 4.0;
        let class = class(agreeing);
        let before = others.map_or(FIRST[class], |others| others.of(agreeing, None));
        (self.right[class] + WEIGHT * before) / (self.all[class] + WEIGHT)
    }
}

fn class(agreeing: usize) -> usize {
    UP_TO.iter().position(|most| agreeing <= *most).unwrap_or(UP_TO.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chances_follow_what_is_seen_class_by_class() {
        let (mut own, mut all) = (Chances::default(), Chances::default());
        assert!(own.of(2, Some(&all)) < own.of(20, Some(&all)), "more that agrees promises more");
        (0..50).for_each(|_| all.note(2, true, 0.99));
        assert!(own.of(2, Some(&all)) > 0.9, "a new request begins with what others saw");
        (0..50).for_each(|_| own.note(2, false, 0.9));
        assert!(own.of(2, Some(&all)) < 0.3, "and learns for itself");
        assert!(own.of(20, Some(&all)) > 0.8, "other classes are not touched");
    }
}
