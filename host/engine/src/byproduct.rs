//! What resources make by themselves, beyond any plan, and what deleting them would meet.

use serde::Serialize;

use crate::kind::OpError;

/// Something that a resource made by itself: no plugin declared it, and no state knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Byproduct {
    /// What it is: `network interface`.
    pub what: String,
    /// Its id, or its name.
    pub id: String,
    /// What it was made for, or what it is called; empty where nobody knows.
    pub note: String,
    /// Why it stays when the resource is deleted; absent where it goes as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

impl Byproduct {
    /// One that goes with its resource.
    pub fn new(what: &str, id: impl Into<String>, note: impl Into<String>) -> Self {
        Self { what: what.to_owned(), id: id.into(), note: note.into(), kept: None }
    }

    /// One that stays, and why.
    #[must_use]
    pub fn kept(self, why: impl Into<String>) -> Self {
        Self { kept: Some(why.into()), ..self }
    }
}

/// What deleting a resource would meet, as far as it can be known before.
#[derive(Debug, Clone, Default)]
pub struct Foreseen {
    /// What it made by itself.
    pub byproducts: Vec<Byproduct>,
    /// Why it would not be deleted.
    pub refusal: Option<Refusal>,
}

/// Why a resource would not be deleted.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// It stays, and everything else goes.
    Stays(OpError),
    /// It is protected on purpose: nothing may be deleted before somebody takes the protection off.
    Protected(OpError),
}
