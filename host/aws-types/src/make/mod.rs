//! Makes the table of three sources, for `cargo xtask aws-types`.
//!
//! `@aws-cdk/aws-service-spec` says which types, properties, attributes and definitions there are. It
//! is the newer one, and people have corrected it, so its word counts where both speak. `cfn-lint`
//! carries the schemas of CloudFormation's registry, which say what the first one leaves out: limits,
//! patterns, the order of lists, what is write-only or set by AWS, the order of replacements, regions.
//! `c7n-awscc` carries those schemas with their handlers, which `cfn-lint` leaves out.

mod handlers;
mod schemas;
mod spec;

use std::collections::{BTreeMap, HashSet};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::Value;

use crate::handlers::Handlers;
use crate::model::{Shape, Type};
use crate::table::write;

/// The sources as JSON.
pub struct Sources<'a> {
    /// Their names and versions: kept in the table.
    pub versions: &'a str,
    /// What `xtask/aws-types/read.mjs` prints.
    pub spec: &'a Value,
    /// The schemas of the registry, by type.
    pub schemas: &'a BTreeMap<String, Value>,
    /// The schemas with their handlers, by type.
    pub handlers: &'a BTreeMap<String, Value>,
    /// The regions that have the type, by type.
    pub regions: &'a BTreeMap<String, Vec<String>>,
}

/// A table, and what of the sources is not in it.
pub struct Made {
    /// The table's file.
    pub bytes: Vec<u8>,
    /// One line a subject.
    pub notes: Vec<String>,
}

/// The table of all types.
pub fn make(sources: &Sources<'_>) -> Result<Made, String> {
    let all = sources.spec.as_array().ok_or("the service specification is not a list of types")?;
    let mut dropped = Vec::new();
    let mut types = Vec::new();
    for one in all {
        let mut made = spec::one_type(one)?;
        // The newest types are in the third source alone.
        let schema = sources.schemas.get(made.name).or_else(|| sources.handlers.get(made.name));
        if let Some(schema) = schema {
            schemas::refine(&mut made, schema);
        }
        if let Some(regions) = sources.regions.get(made.name) {
            made.regions = regions.iter().map(|region| keep(region)).collect();
            made.regions.sort_unstable();
        }
        if let Some(schema) = sources.handlers.get(made.name) {
            handlers::add(&mut made, schema);
        }
        drop_patterns(&mut made, &mut dropped);
        types.push(made);
    }
    let has_schema = |one: &&Type| [sources.schemas, sources.handlers].iter().any(|all| all.contains_key(one.name));
    let without = types.len() - types.iter().filter(has_schema).count();
    let handlers = |wanted: fn(&Handlers) -> bool| types.iter().filter(|one| wanted(&one.handlers)).count();
    let [unknown, none] = [handlers(|of| *of == Handlers::Unknown), handlers(|of| *of == Handlers::None)];
    dropped.sort_unstable();
    let notes = vec![
        format!("{} types, {without} of them without a schema", types.len()),
        format!("{none} types have no handlers to create, read and delete them; of {unknown} it is not known"),
        format!("{} patterns that are too much for this engine are left out", dropped.len()),
    ];
    Ok(Made { bytes: write::table(sources.versions, &types)?, notes })
}

/// Takes out what cannot be compiled, and what no sample is found for: such a pattern contradicts the
/// limits beside it.
fn drop_patterns(one: &mut Type, dropped: &mut Vec<String>) {
    let lists = one.definitions.iter_mut().map(|definition| &mut definition.properties);
    for property in lists.chain([&mut one.properties]).flatten() {
        each_text(&mut property.shape, &mut |rule| {
            let Some(pattern) = &rule.pattern else { return };
            if pattern.compiled().is_none() || crate::sample::text(rule, property.name, 0).is_none() {
                dropped.push(format!("{}.{}: {}", one.name, property.name, pattern.as_str()));
                rule.pattern = None;
            }
        });
    }
}

fn each_text(shape: &mut Shape, change: &mut dyn FnMut(&mut crate::model::TextRule)) {
    match shape {
        Shape::Text(rule) => change(rule),
        Shape::List(list) => each_text(&mut list.element, change),
        Shape::Map(element) => each_text(element, change),
        Shape::OneOf(shapes) => shapes.iter_mut().for_each(|shape| each_text(shape, change)),
        _ => {}
    }
}

/// The text, for as long as the program runs: a type's texts are those of its table.
fn keep(text: &str) -> &'static str {
    static KEPT: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(text) = kept.get(text) {
        return text;
    }
    let text: &'static str = Box::leak(text.into());
    kept.insert(text);
    text
}
