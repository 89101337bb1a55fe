//! Makes the table of two sources, for `cargo xtask aws-types`.
//!
//! `@aws-cdk/aws-service-spec` says which types, properties, attributes and definitions there are. It
//! is the newer one, and people have corrected it, so its word counts where both speak. `cfn-lint`
//! carries the schemas of CloudFormation's registry, which say what the first one leaves out: limits,
//! patterns, the order of lists, what is write-only or set by AWS, the order of replacements, regions.

mod schemas;
mod spec;

use std::collections::{BTreeMap, HashSet};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde_json::Value;

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
        if let Some(schema) = sources.schemas.get(made.name) {
            schemas::refine(&mut made, schema);
        }
        if let Some(regions) = sources.regions.get(made.name) {
            made.regions = regions.iter().map(|region| keep(region)).collect();
            made.regions.sort_unstable();
        }
        drop_patterns(&mut made, &mut dropped);
        types.push(made);
    }
    let without = types.iter().filter(|one| !sources.schemas.contains_key(one.name)).count();
    dropped.sort_unstable();
    let notes = vec![
        format!("{} types, {without} of them without a schema", types.len()),
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
