//! Lists whose order means nothing.

use serde::{Deserialize, Deserializer};

/// Reads a list of texts in order and without repetitions, so that another order in a pipeline file is no change:
/// `#[serde(deserialize_with = "set::read")]`.
pub(in crate::aws) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let mut texts = Vec::<String>::deserialize(from)?;
    texts.sort();
    texts.dedup();
    Ok(texts)
}
