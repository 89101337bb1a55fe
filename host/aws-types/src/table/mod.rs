//! The table: every text once, then a block of bytes for each type, sorted by name.
//!
//! A file begins with `LHAT`, the version of the format and a checksum of the rest. Opening it reads
//! the lengths of the texts and the index; a type's block is read when it is first asked for.

mod bytes;
mod read;
#[cfg(test)]
mod tests;
#[cfg(any(test, feature = "make"))]
pub(crate) mod write;

use std::sync::{Arc, OnceLock};

use crate::model::Type;
use bytes::Cursor;

const MAGIC: &[u8] = b"LHAT";
const VERSION: u8 = 2;

/// What is wrong with the bytes of a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// It is another file.
    #[error("this is not a table of AWS's types")]
    Foreign,
    /// Another version of this crate wrote it.
    #[error("the table has format {0}, but this program reads format {VERSION}")]
    Version(u8),
    /// Its bytes changed.
    #[error("the table is damaged: its checksum is wrong")]
    Checksum,
    /// It ends too early.
    #[error("the table is damaged: it is truncated")]
    Short,
    /// A part of it makes no sense.
    #[error("the table is damaged: {0} cannot be read")]
    Malformed(&'static str),
}

/// Types by name.
pub struct Table {
    texts: Texts,
    source: &'static str,
    regions: Vec<&'static str>,
    /// Sorted by name.
    entries: Vec<Entry>,
}

struct Entry {
    name: &'static str,
    block: &'static [u8],
    read: OnceLock<Arc<Type>>,
}

/// Every text of the table, by number.
struct Texts {
    /// Where each ends.
    ends: Vec<usize>,
    bytes: &'static [u8],
}

impl Texts {
    fn get(&self, number: usize) -> Result<&'static str, TableError> {
        let end = self.ends.get(number).copied().ok_or(TableError::Malformed("a text"))?;
        let start = number.checked_sub(1).and_then(|before| self.ends.get(before).copied()).unwrap_or(0);
        let bytes = self.bytes.get(start..end).ok_or(TableError::Short)?;
        std::str::from_utf8(bytes).map_err(|_| TableError::Malformed("a text"))
    }
}

impl Table {
    /// Reads the index of a table.
    pub fn open(bytes: &'static [u8]) -> Result<Self, TableError> {
        let mut cursor = Cursor::new(bytes);
        if cursor.take(MAGIC.len()) != Ok(MAGIC) {
            return Err(TableError::Foreign);
        }
        match cursor.byte()? {
            VERSION => {}
            other => return Err(TableError::Version(other)),
        }
        let sum = cursor.take(4)?;
        let start = MAGIC.len() + 1 + 4;
        if crc32fast::hash(bytes.get(start..).unwrap_or_default()).to_le_bytes() != *sum {
            return Err(TableError::Checksum);
        }
        let mut end = 0usize;
        let ends = cursor.list(|cursor| {
            end = end.checked_add(cursor.size()?).ok_or(TableError::Malformed("a text"))?;
            Ok(end)
        })?;
        let texts = Texts { ends, bytes: cursor.take(end)? };
        let source = texts.get(cursor.size()?)?;
        let regions = cursor.list(|cursor| texts.get(cursor.size()?))?;
        let index = cursor.list(|cursor| Ok((texts.get(cursor.size()?)?, cursor.size()?)))?;
        let entries = index
            .into_iter()
            .map(|(name, length)| Ok(Entry { name, block: cursor.take(length)?, read: OnceLock::new() }));
        let entries: Vec<Entry> = entries.collect::<Result<_, TableError>>()?;
        if !cursor.is_at_end() || !entries.is_sorted_by(|one, next| one.name < next.name) {
            return Err(TableError::Malformed("its index"));
        }
        Ok(Self { texts, source, regions, entries })
    }

    /// Every name, sorted.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.entries.iter().map(|entry| entry.name)
    }

    /// What the table was made of.
    #[must_use]
    pub fn source(&self) -> &'static str {
        self.source
    }

    /// The type of that name. It is read once.
    pub fn find(&self, name: &str) -> Result<Option<Arc<Type>>, TableError> {
        let Ok(place) = self.entries.binary_search_by(|entry| entry.name.cmp(name)) else { return Ok(None) };
        let Some(entry) = self.entries.get(place) else { return Ok(None) };
        if let Some(read) = entry.read.get() {
            return Ok(Some(read.clone()));
        }
        let read = Arc::new(self.read(entry.name, entry.block)?);
        Ok(Some(entry.read.get_or_init(|| read).clone()))
    }
}
