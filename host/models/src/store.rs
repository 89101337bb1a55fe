//! What a fetch asks of a store of objects. S3's is where AWS's clients are made.

use std::ops::Range;

use async_trait::async_trait;

/// An object of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its whole key.
    pub key: String,
    /// In bytes.
    pub size: u64,
    /// What tells this content of the key from another: S3's ETag.
    pub etag: String,
}

/// Why a store did not give what was asked for.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// In the store's words.
    pub message: String,
    /// Whether asking again may help.
    pub is_passing: bool,
    /// The key holds another content by now.
    pub has_changed: bool,
}

/// Takes the bytes of an object, piece by piece.
pub type Sink<'a> = dyn FnMut(&[u8]) -> std::io::Result<()> + Send + 'a;

/// A store of objects.
#[async_trait]
pub trait Store: Send + Sync {
    /// Every object whose key begins with `prefix`.
    async fn list(&self, prefix: &str) -> Result<Vec<Object>, StoreError>;

    /// Gives `sink` the bytes of a range of an object, in order, piece by piece. Fails where the
    /// object is not the listed one any more.
    async fn read(&self, object: &Object, range: Range<u64>, sink: &mut Sink<'_>) -> Result<(), StoreError>;
}
