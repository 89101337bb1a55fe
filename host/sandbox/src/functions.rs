//! Machine code of functions, kept while a process builds the same plugin again and again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use wasmtime::CacheStore;

/// What is kept at most. The runtimes of JavaScript, Go and Python together need some 100 MB.
const MOST_BYTES: usize = 512 << 20;

/// Functions that were compiled, by what they were compiled from: an edit of a plugin in JavaScript or Python leaves
/// those of the language's runtime as they are. In memory alone; what is loaded from disk is whole components.
#[derive(Default)]
pub struct Functions(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    functions: HashMap<Vec<u8>, Vec<u8>>,
    bytes: usize,
}

impl Functions {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.kept();
        f.debug_struct("Functions").field("kept", &kept.functions.len()).field("bytes", &kept.bytes).finish()
    }
}

impl CacheStore for Functions {
    fn get(&self, key: &[u8]) -> Option<Cow<'_, [u8]>> {
        self.kept().functions.get(key).cloned().map(Cow::Owned)
    }

    fn insert(&self, key: &[u8], value: Vec<u8>) -> bool {
        let mut kept = self.kept();
        let bytes = key.len() + value.len();
        if kept.bytes + bytes > MOST_BYTES {
            return false;
        }
        kept.bytes += bytes;
        kept.functions.insert(key.to_vec(), value).is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_given_back_until_there_is_no_more_room() {
        let functions = Functions::default();
        assert!(functions.get(b"a").is_none());
        assert!(functions.insert(b"a", vec![1, 2]));
        assert_eq!(functions.get(b"a").as_deref(), Some(&[1, 2][..]));
        assert!(!functions.insert(b"b", vec![0; MOST_BYTES]));
        assert!(functions.get(b"b").is_none());
    }
}
