//! Look-ups: resources that exist and that no run of this pipeline makes. They are read and never changed.
//!
//! What is found is a table of attributes: the fields of the resource's spec, its outputs, and `id`.

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::kind::{ErrorClass, OpError, Outputs};
use crate::placement::Placement;
use crate::registry::{DynKind, Registry};
use crate::run::{PIPELINE_ANNOTATION, PIPELINE_TAG};

/// How many resources one look-up may find.
const MOST_FOUND: usize = 200;

/// How many of them are read at a time.
const READS_AT_A_TIME: usize = 10;

/// What the error of a look-up names as the operation.
const OPERATION: &str = "look up";

/// Which resources are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// `ec2.vpc`
    pub kind: String,
    /// The id, as the service has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The name; where resources of the kind have none of their own, the value of their `Name` tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Tags that it has, whatever others it has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Attributes that have these values.
    #[serde(default, rename = "where", skip_serializing_if = "Map::is_empty")]
    pub attributes: Map<String, Value>,
    /// Whether any number may be found, and not exactly one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Where it is looked up, as far as that is not where the pipeline's calls go.
    #[serde(default, skip_serializing_if = "Placement::is_own")]
    pub placement: Placement,
}

impl Query {
    /// What it asks for, in words: `an ec2.vpc with the tags Name=corp`.
    fn words(&self) -> String {
        let Self { kind, id, name, tags, attributes, placement, all: _ } = self;
        let mut parts = Vec::new();
        parts.extend(id.as_ref().map(|id| format!("the id {id}")));
        parts.extend(name.as_ref().map(|name| format!("the name {name}")));
        if !tags.is_empty() {
            let tags: Vec<String> = tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
            parts.push(format!("the tags {}", tags.join(", ")));
        }
        let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        parts.extend(attributes.iter().map(|(key, value)| format!("{key} = {}", plain(value))));
        let place = if placement.is_own() { String::new() } else { format!(" {placement}") };
        format!("{kind} with {}{place}", parts.join(" and "))
    }

    /// What a state keeps its answer under.
    pub(crate) fn key(&self) -> String {
        format!("existing/{}", serde_json::to_string(self).expect("it is JSON"))
    }
}

/// Makes what is looked up, where nothing exists: in an emulator.
#[async_trait]
pub trait StandIns: Send + Sync {
    /// Makes what a query would find, and returns its ids.
    async fn make(&self, query: &Query) -> Result<Vec<String>, OpError>;
}

/// Looks for what a query asks for. Resources that carry the tags of the pipeline `own` are not found: it makes them
/// itself.
///
/// # Errors
///
/// A call fails; nothing is found, or more than one, where exactly one is asked for; an attribute is not one.
pub async fn look_up(registry: &Registry, query: &Query, own: &str) -> Result<Vec<Outputs>, OpError> {
    let registry = registry.at(&query.placement);
    let kind = registry.kind(&query.kind).ok_or_else(|| refused(format!("there is no kind {}", query.kind), ""))?;
    let ids = ids(&**kind, query).await?;
    if ids.len() > MOST_FOUND {
        let message = format!("{} {} are found; at most {MOST_FOUND} are read", ids.len(), query.words());
        return Err(refused(message, "Name more tags, so that fewer resources have all of them."));
    }
    let read_one = |id: String| async move {
        let attributes = read(&**kind, &id).await;
        (id, attributes)
    };
    let reads: Vec<_> = ids.into_iter().map(read_one).collect();
    let mut found = Vec::new();
    let mut of_own = 0;
    let mut read: Vec<_> = futures::stream::iter(reads).buffered(READS_AT_A_TIME).collect().await;
    read.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (_, attributes) in read {
        let Some(attributes) = attributes? else { continue };
        if is_of(&attributes, own) {
            of_own += 1;
            continue;
        }
        let mut has_all = true;
        for (name, wanted) in &query.attributes {
            let value = attributes.get(name).ok_or_else(|| unknown_attribute(&query.kind, name, &attributes))?;
            has_all &= value == wanted;
        }
        if has_all {
            found.push(attributes);
        }
    }
    match (query.all, found.len()) {
        (true, _) | (false, 1) => Ok(found),
        (false, 0) => Err(nothing(query, of_own)),
        (false, _) => {
            let ids: Vec<&str> = found.iter().filter_map(|one| one["id"].as_str()).collect();
            let message = format!("{} are {}: {}", found.len(), query.words(), ids.join(", "));
            Err(refused(
                message,
                "Name one of them by its id, add tags or 'where' that one alone has, or write all = true to take all of them.",
            ))
        }
    }
}

/// Whether a pipeline made a resource.
fn is_of(attributes: &Outputs, pipeline: &str) -> bool {
    let tag = attributes.get("tags").and_then(|tags| tags.get(PIPELINE_TAG));
    let annotations = attributes.get("metadata").and_then(|metadata| metadata.get("annotations"));
    let annotation = annotations.and_then(|annotations| annotations.get(PIPELINE_ANNOTATION));
    tag.or(annotation).is_some_and(|of| of == pipeline)
}

/// The ids of what may be meant.
async fn ids(kind: &dyn DynKind, query: &Query) -> Result<Vec<String>, OpError> {
    if let Some(id) = &query.id {
        return Ok(vec![id.clone()]);
    }
    if let Some(name) = &query.name
        && let Some(ids) = kind.called(name).await?
    {
        return Ok(ids);
    }
    let mut tags = query.tags.clone();
    tags.extend(query.name.clone().map(|name| ("Name".to_owned(), name)));
    kind.by_tags(&tags).await?.ok_or_else(|| {
        let message = format!("{} is not found by tags", kind.name());
        refused(message, "Give its id or its name.")
    })
}

/// The attributes of a resource; nothing where there is none of this id.
pub(crate) async fn read(kind: &dyn DynKind, id: &str) -> Result<Option<Outputs>, OpError> {
    let Some(mut attributes) = kind.attributes(id).await? else { return Ok(None) };
    attributes.insert("id".to_owned(), id.into());
    Ok(Some(attributes))
}

fn nothing(query: &Query, of_own: usize) -> OpError {
    let mut message = format!("there is no {}", query.words());
    if of_own > 0 {
        message += " but what this pipeline makes itself";
    }
    OpError { class: ErrorClass::NotFound, advice: None, ..OpError::local(OPERATION, message) }
}

pub(crate) fn unknown_attribute(kind: &str, name: &str, attributes: &Outputs) -> OpError {
    let names = attributes.keys().map(String::as_str);
    let help = match crate::diagnostic::did_you_mean(name, names.clone()) {
        Some(near) => format!("Did you mean '{near}'?"),
        None => format!("It has {}.", names.collect::<Vec<_>>().join(", ")),
    };
    refused(format!("{kind} has no attribute '{name}'"), &help)
}

pub(crate) fn refused(message: String, advice: &str) -> OpError {
    let advice = Some(advice).filter(|advice| !advice.is_empty()).map(str::to_owned);
    OpError { class: ErrorClass::Invalid, advice, ..OpError::local(OPERATION, message) }
}
