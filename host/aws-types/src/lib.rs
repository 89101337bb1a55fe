//! The types of resources that CloudFormation and Cloud Control know: their properties, limits,
//! attributes and identifiers, for checks before anything is sent, for comparing, and for help.
//!
//! The facts are in one file, `types.bin`, which `cargo xtask aws-types` makes. They come from
//! [`@aws-cdk/aws-service-spec`](https://github.com/cdklabs/awscdk-service-spec), Copyright Amazon.com,
//! Inc. or its affiliates, under the Apache License 2.0, and from the schemas of CloudFormation's
//! registry as [`cfn-lint`](https://github.com/aws-cloudformation/cfn-lint) carries them, under MIT-0,
//! and [`c7n-awscc`](https://github.com/cloud-custodian/cloud-custodian), under the Apache License 2.0.
//! The table has names and facts, in another form; documentation was left out. See `NOTICE`.
//!
//! A type is read from the table when it is first asked for, and kept.
#![forbid(unsafe_code)]

mod check;
mod compare;
mod describe;
mod handlers;
#[cfg(feature = "make")]
mod make;
mod model;
mod pattern;
mod pointer;
mod sample;
mod schema;
mod suggest;
mod table;

use std::sync::{Arc, LazyLock};

pub use check::{Problem, Rule};
pub use handlers::{Handlers, Operation};
#[cfg(feature = "make")]
pub use make::{Made, Sources, make};
pub use model::{
    Choice, Definition, JsonRule, ListRule, NumberRule, Property, Reference, ReplacementOrder, Replaces, Shape,
    TagForm, Tags, TextRule, Type,
};
pub use pattern::Pattern;
pub use table::{Table, TableError};

/// The file of the table, as it was when this was built.
pub const BYTES: &[u8] = include_bytes!("../types.bin");

fn embedded() -> &'static Table {
    static TABLE: LazyLock<Table> = LazyLock::new(|| Table::open(BYTES).expect("a test reads the embedded table"));
    &TABLE
}

/// The name of every type, sorted.
pub fn names() -> impl Iterator<Item = &'static str> {
    embedded().names()
}

/// The type of that name, such as `AWS::SQS::Queue`.
#[must_use]
pub fn find(name: &str) -> Option<Arc<Type>> {
    embedded().find(name).expect("a test reads every type of the embedded table")
}

/// The type that was probably meant: by another case, with a slip of the pen, in another service, or
/// by its last part alone.
#[must_use]
pub fn suggest(name: &str) -> Option<&'static str> {
    suggest::type_name(name, names())
}

/// What the table was made of: packages and their versions.
#[must_use]
pub fn source() -> &'static str {
    embedded().source()
}
