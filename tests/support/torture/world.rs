//! Two worlds compared: what is there, with addresses in the place of ids.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

/// Everything that an independent client found, each thing as a text, with how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World(BTreeMap<String, usize>);

/// In what a world differs from the one that it should be.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Difference {
    /// There more often than it should be.
    pub duplicates: Vec<String>,
    /// There, and should not be.
    pub orphans: Vec<String>,
    /// Not there, and should be.
    pub lost: Vec<String>,
}

impl Difference {
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl World {
    pub fn of(seen: &Value) -> Self {
        let mut seen = seen.clone();
        // Every life has other ones.
        for address in seen["network"]["addresses"].as_array_mut().into_iter().flatten() {
            address.as_object_mut().into_iter().for_each(|address| drop(address.remove("ip")));
        }
        // What a state consists of is not what it says. A bucket that had versions once can only suspend them.
        if let Some(buckets) = seen["storage"].as_array_mut() {
            let suspended = serde_json::json!({ "Status": "Suspended" });
            for bucket in buckets.iter_mut().filter(|bucket| bucket["versioning"] == suspended) {
                bucket["versioning"] = serde_json::json!({});
            }
            buckets.retain(|bucket| bucket["name"] != super::STATES);
        }
        // Which version of its template a group has tells how often it was changed.
        for group in members(&mut seen["clusters"]).flat_map(|cluster| members(&mut cluster["node_groups"])) {
            if let Some(template) = group["launchTemplate"].as_object_mut() {
                template.remove("version");
            }
        }
        // Moto takes the tags of a template itself for a part of its first version.
        for template in members(&mut seen["templates"]) {
            if let Some(tags) = template["data"]["TagSpecifications"].as_array_mut() {
                tags.retain(|of| of["ResourceType"] != "launch-template");
            }
        }
        let seen = &seen;
        let mut text = seen.to_string();
        let mut names = Vec::new();
        ids(seen, &mut names);
        for (id, address) in names {
            text = text.replace(&id, &address);
        }
        let seen: Value = serde_json::from_str(&text).expect("names of JSON for names of JSON");
        let mut things = BTreeMap::new();
        collect("", sorted(seen), &mut things);
        Self(things)
    }

    /// How many things there are.
    pub fn len(&self) -> usize {
        self.0.values().sum()
    }

    /// Compares a world with this one.
    pub fn difference(&self, found: &Self) -> Difference {
        let mut difference = Difference::default();
        for (thing, count) in &found.0 {
            match self.0.get(thing) {
                Some(wanted) if count > wanted => difference.duplicates.push(thing.clone()),
                Some(_) => {}
                None => difference.orphans.push(thing.clone()),
            }
        }
        let short = self.0.iter().filter(|(thing, wanted)| found.0.get(*thing).is_none_or(|count| count < wanted));
        difference.lost = short.map(|(thing, _)| thing.clone()).collect();
        difference
    }
}

/// The values of a table.
fn members(table: &mut Value) -> impl Iterator<Item = &mut Value> {
    table.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut)
}

/// Ids, and what stands for them: the address in the tags; the same word for all that have none.
fn ids(value: &Value, to: &mut Vec<(String, String)>) {
    match value {
        Value::Array(all) => all.iter().for_each(|one| ids(one, to)),
        Value::Object(fields) => {
            if let (Some(id), Some(tags)) = (fields.get("id").and_then(Value::as_str), fields.get("tags")) {
                let address = tags["llmhost:address"].as_str().unwrap_or("nobody's");
                to.push((id.to_owned(), format!("<{address}>")));
            }
            fields.values().for_each(|one| ids(one, to));
        }
        _ => {}
    }
}

/// What differs from life to life and says nothing: when something was, how often it was written, what
/// a create is found again by, where a cluster answers and whom it is signed by. What controllers count and say of a workload.
const VOLATILE: [&str; 17] = [
    "certificateAuthority",
    "clusterIP",
    "clusterIPs",
    "createdAt",
    "creationTimestamp",
    "deployment.kubernetes.io/revision",
    "endpoint",
    "generation",
    "lastTransitionTime",
    "lastUpdateTime",
    "llmhost.dev/intent",
    "llmhost:intent",
    "managedFields",
    "modifiedAt",
    "renewTime",
    "resourceVersion",
    "status",
];

/// Ids that are in texts: UUIDs, EKS's and EC2's.
static IDS: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-F]{32}|-[0-9a-f]{10,32}\\b").expect("a pattern")
});

fn without_ids(text: &str) -> String {
    IDS.replace_all(text, "<id>").into_owned()
}

/// Lists in an order of their own, for services give them in any; and nothing that differs from life
/// to life. Keys stay as they are: two of them may not become one.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(all) => {
            let mut all: Vec<Value> = all.into_iter().map(sorted).collect();
            all.sort_by_cached_key(Value::to_string);
            Value::Array(all)
        }
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(key, value)| {
                // The state of a thing of AWS is a word; that of an object is what its controllers last saw.
                !VOLATILE.contains(&key.as_str()) || (key == "status" && value.is_string())
            });
            let by_key: BTreeMap<String, Value> = kept.map(|(key, value)| (key, sorted(value))).collect();
            by_key.into_iter().collect()
        }
        Value::String(text) => Value::String(without_ids(&text)),
        other => other,
    }
}

/// Takes lists and tables of things apart, three levels deep; what is below is one thing.
fn collect(place: &str, value: Value, to: &mut BTreeMap<String, usize>) {
    let mut count = |thing: String| *to.entry(without_ids(&thing)).or_default() += 1;
    let deep = place.matches('.').count() >= 3;
    match value {
        Value::Object(fields) if !deep => {
            for (key, value) in fields {
                collect(&format!("{place}.{key}"), value, to);
            }
        }
        Value::Array(all) => all.into_iter().for_each(|one| count(format!("{place} {one}"))),
        other => count(format!("{place} {other}")),
    }
}
