//! Texts that live as long as the process.
//!
//! The engine knows kinds by names that never go: those of its own kinds are constants. Names of providers' kinds are kept
//! once for each text, however often a provider is loaded.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

static TEXTS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
static LISTS: Mutex<BTreeSet<&'static [&'static str]>> = Mutex::new(BTreeSet::new());

/// The same text, for ever.
pub(crate) fn text(text: &str) -> &'static str {
    let mut kept = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(text) {
        return known;
    }
    let new: &'static str = Box::leak(text.to_owned().into_boxed_str());
    kept.insert(new);
    new
}

/// The same list, for ever.
pub(crate) fn list<'a>(texts: impl IntoIterator<Item = &'a str>) -> &'static [&'static str] {
    let list: Vec<&'static str> = texts.into_iter().map(text).collect();
    let mut kept = LISTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(list.as_slice()) {
        return known;
    }
    let new: &'static [&'static str] = Box::leak(list.into_boxed_slice());
    kept.insert(new);
    new
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_same_text_is_kept_once() {
        let (one, other) =
            (super::list(["a", "b"]), super::list(["a".to_owned(), "b".to_owned()].iter().map(|t| &**t)));
        assert!(std::ptr::eq(one, other) && std::ptr::eq(super::text("a"), one[0]));
    }
}
