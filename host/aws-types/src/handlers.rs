//! What Cloud Control's handlers of a type call.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Type;

/// What Cloud Control does with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// `CreateResource`
    Create,
    /// `GetResource`
    Read,
    /// `UpdateResource`
    Update,
    /// `DeleteResource`
    Delete,
    /// `ListResources`
    List,
}

impl Operation {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 5] = [Self::Create, Self::Read, Self::Update, Self::Delete, Self::List];

    /// Its name in the schemas of CloudFormation's registry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Read => "read",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::List => "list",
        }
    }
}

/// The handlers of a type: what Cloud Control runs for an operation, with the permissions of its caller.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Handlers {
    /// The source does not have the type.
    #[default]
    Unknown,
    /// The type lacks handlers to create, read or delete it: Cloud Control does not serve it.
    None,
    /// The IAM actions that each handler needs, sorted. An operation that is left out has no handler.
    Known(BTreeMap<Operation, Vec<&'static str>>),
}

impl Handlers {
    /// The IAM actions that these operations need; nothing where the handlers are not known.
    #[must_use]
    pub fn actions(&self, operations: &[Operation]) -> Option<BTreeSet<&'static str>> {
        let Self::Known(known) = self else { return None };
        Some(operations.iter().filter_map(|operation| known.get(operation)).flatten().copied().collect())
    }
}

impl Type {
    /// What Cloud Control calls to create, read, update, delete and list it.
    #[must_use]
    pub fn handlers(&self) -> &Handlers {
        &self.handlers
    }
}
