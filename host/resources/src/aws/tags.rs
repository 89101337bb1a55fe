//! Tags in a spec: what the plugin says, over what the pipeline says.

use std::collections::BTreeMap;
use std::fmt;

use llmhost_engine::kind::{DeclareContext, ErrorClass, OpError};
use llmhost_engine::run::{ADDRESS_TAG, PIPELINE_TAG};
use llmhost_engine::tags::{self, TagError};
use llmhost_engine::unknown;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Tag with the token of the create that made a resource, for finding it after a crash. Not part
/// of a spec.
pub(super) const INTENT: &str = "llmhost:intent";

/// Tags, sorted by key. Reads WIT's list of pairs and a map, writes a map.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Tags(pub(super) BTreeMap<String, String>);

impl Tags {
    /// Checks the plugin's own tags and puts the pipeline's beneath them; `Name` is the resource's
    /// name where nobody says otherwise.
    pub(super) fn complete(&mut self, context: &DeclareContext<'_>) -> Result<(), String> {
        let service = context.address.kind().split('.').next().unwrap_or_default();
        check(&self.0, service)?;
        lay_under(&mut self.0, context.tags);
        // To IAM, a tag 'name' of the pipeline is the same key.
        if !self.0.keys().any(|key| key.eq_ignore_ascii_case("Name")) {
            self.0.insert("Name".to_owned(), context.address.name().to_owned());
        }
        check_clash(&self.0, service)?;
        match self.0.len() {
            // One more is the host's own.
            tags::MOST.. => Err(format!(
                "it has {} tags with the pipeline's and the host's; AWS allows {}",
                self.0.len() + 1,
                tags::MOST
            )),
            _ => Ok(()),
        }
    }

    /// The tags that a service reports, without those that are not part of a spec.
    pub(super) fn observed<'a>(tags: impl Iterator<Item = (Option<&'a str>, Option<&'a str>)>) -> Self {
        let known = tags.filter_map(|(key, value)| Some((key?, value.unwrap_or_default())));
        let ours = known.filter(|(key, _)| *key != INTENT && !key.starts_with("aws:"));
        Self(ours.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// Refuses where what is there under a name is not this pipeline's any more: whoever deletes by name may
    /// hit what somebody else made after the pipeline's own was gone. `self` is what the state says.
    pub(super) fn own(&self, there: &Self, operation: &str, what: &str) -> Result<(), OpError> {
        // What was imported carries the tags of the pipeline only when it was run.
        let Some(pipeline) = self.0.get(PIPELINE_TAG) else { return Ok(()) };
        if there.0.get(PIPELINE_TAG) == Some(pipeline) {
            return Ok(());
        }
        let address = self.0.get(ADDRESS_TAG).map(String::as_str).unwrap_or_default();
        let other = there.0.get(PIPELINE_TAG).map(String::as_str);
        Err(foreign(operation, what, &format!("tag {PIPELINE_TAG} = {pipeline}"), other, address))
    }
}

/// Whose something is, by its tags: `pipeline 'demo', network/ec2.vpc/main`. Nothing where it carries none of
/// llmhost's.
pub(super) fn maker<'a>(tag: impl Fn(&str) -> Option<&'a str>) -> Option<String> {
    let pipeline = tag(PIPELINE_TAG)?;
    let address = tag(ADDRESS_TAG).map(|address| format!(", {address}")).unwrap_or_default();
    Some(format!("pipeline '{pipeline}'{address}"))
}

/// The refusal to delete what carries no mark of this pipeline, or that of another one.
pub(crate) fn foreign(operation: &str, what: &str, mark: &str, other: Option<&str>, address: &str) -> OpError {
    let whose = match other {
        Some(other) => format!("it has that of the pipeline '{other}'"),
        None => "something else created it under the same name, or the tag was removed".to_owned(),
    };
    let mut error = OpError::local(operation, format!("the {what} does not have the {mark}: {whose}"));
    error.class = ErrorClass::Conflict;
    error.advice = Some(format!(
        "It was not changed. If it belongs to something else, remove it from the state: 'llmhost state rm FILE {address}'. If \
         it belongs to this pipeline, add the tag again, and run the same command again."
    ));
    error
}

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Tags;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("tags: pairs of key and value")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut pairs: A) -> Result<Tags, A::Error> {
                let mut tags = BTreeMap::new();
                while let Some((key, value)) = pairs.next_element::<(String, String)>()? {
                    if let Some(other) = tags.insert(key.clone(), value.clone())
                        && other != value
                    {
                        let message = format!("the tag '{key}' is given twice, as '{other}' and '{value}'");
                        return Err(serde::de::Error::custom(message));
                    }
                }
                Ok(Tags(tags))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tags, A::Error> {
                let mut tags = BTreeMap::new();
                while let Some((key, value)) = entries.next_entry()? {
                    tags.insert(key, value);
                }
                Ok(Tags(tags))
            }
        }
        deserializer.deserialize_any(Pairs)
    }
}

/// Keys and values that are no tags of a resource's own, such as labels. Reads and writes as
/// [`Tags`] do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Pairs(pub(super) BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Tags::deserialize(deserializer).map(|tags| Self(tags.0))
    }
}

/// Tags that EKS and the auto scaling group of a node group put on its instances.
const OF_NODES: usize = 6;

impl Pairs {
    /// Takes these for the tags of instances and of what is made with them: checked, and the pipeline's beneath
    /// them. The address is left out: moving a step must not replace nodes, and what carries an address is never
    /// taken for a cluster's own when the cluster is deleted.
    pub(super) fn complete_for_instances(&mut self, context: &DeclareContext<'_>) -> Result<(), String> {
        check(&self.0, "ec2")?;
        let shared = context.tags.iter().filter(|(key, _)| *key != ADDRESS_TAG);
        lay_under(&mut self.0, shared);
        check_clash(&self.0, "ec2")?;
        match self.0.len() + OF_NODES {
            all if all > tags::MOST => Err(format!(
                "its instances have {all} tags with the pipeline's and those of EKS; AWS allows {}",
                tags::MOST
            )),
            _ => Ok(()),
        }
    }
}

/// Puts tags under those that are there.
fn lay_under<'a>(own: &mut BTreeMap<String, String>, shared: impl IntoIterator<Item = (&'a String, &'a String)>) {
    for (key, value) in shared {
        own.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// Checks a plugin's tags by the rules of a service.
fn check(own: &BTreeMap<String, String>, service: &str) -> Result<(), String> {
    let check = |key: &str, value: &str| {
        tags::check_key(key)?;
        // Anything may come of what is not known yet.
        let known = !unknown::is_opaque(value);
        if known {
            tags::check_value(key, value)?;
        }
        if service != "ec2" {
            tags::check_key_characters(key)?;
            if known {
                tags::check_value_characters(key, value)?;
            }
        }
        Ok(())
    };
    own.iter().try_for_each(|(key, value)| check(key, value)).map_err(|error: TagError| error.to_string())
}

/// Refuses keys that differ in case alone: IAM takes them for one. `Name` beside a `name` of the pipeline is what
/// consoles show, and good everywhere else.
fn check_clash(all: &BTreeMap<String, String>, service: &str) -> Result<(), String> {
    let keys = all.keys().map(String::as_str);
    let keys = keys.filter(|key| service == "iam" || !key.eq_ignore_ascii_case("Name"));
    match tags::clash(keys) {
        Some((one, other)) => Err(format!(
            "the tags '{one}' and '{other}' differ only in case, and IAM treats them as one key; keep one of them in \
             the pipeline's and the step's tags"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn pairs_and_maps_read_alike_and_a_key_has_one_value() {
        let pairs: Tags = serde_json::from_value(json!([["b", "2"], ["a", "1"]])).expect("pairs");
        let map: Tags = serde_json::from_value(json!({"a": "1", "b": "2"})).expect("a map");
        assert_eq!((&pairs, serde_json::to_value(&pairs).expect("a map")), (&map, json!({"a": "1", "b": "2"})));
        let error =
            serde_json::from_value::<Tags>(json!([["a", "1"], ["a", "2"]])).expect_err("two values").to_string();
        assert!(error.contains("given twice"), "{error}");
    }

    #[test]
    fn what_does_not_carry_the_pipelines_tag_is_not_its_own() {
        let tags = |pairs: &[(&str, &str)]| Tags(pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect());
        let state = tags(&[(PIPELINE_TAG, "demo"), (ADDRESS_TAG, "roles/iam.role/node")]);
        let own = |there: &[(&str, &str)]| state.own(&tags(there), "iam:DeleteRole", "role 'node'");
        // Another address is this pipeline's doing: `state mv`.
        assert!(own(&[(PIPELINE_TAG, "demo"), (ADDRESS_TAG, "moved")]).is_ok());
        for foreign in [&[][..], &[(PIPELINE_TAG, "other"), (ADDRESS_TAG, "roles/iam.role/node")], &[("Name", "node")]]
        {
            let error = own(foreign).expect_err("somebody else's");
            assert_eq!(error.class, ErrorClass::Conflict);
            assert!(error.to_string().contains("the role 'node' does not have the tag llmhost:pipeline = demo"));
            assert!(error.advice().contains("llmhost state rm FILE roles/iam.role/node"), "{}", error.advice());
        }
        assert!(tags(&[("Name", "imported")]).own(&tags(&[]), "iam:DeleteRole", "role 'node'").is_ok());
    }

    #[test]
    fn the_plugins_tags_lie_over_the_pipelines_and_reserved_words_are_refused() {
        let address = "network/ec2.vpc/main".parse().expect("an address");
        let tags = BTreeMap::from([("team".to_owned(), "ml".to_owned()), ("env".to_owned(), "test".to_owned())]);
        let context = DeclareContext {
            address: &address,
            tags: &tags,
            region: "",
            base: Path::new(""),
            within: None,
            config: &Value::Null,
        };
        let mut own: Tags = serde_json::from_value(json!({"team": "platform"})).expect("tags");
        own.complete(&context).expect("good tags");
        assert_eq!(
            serde_json::to_value(&own).expect("a map"),
            json!({"Name": "main", "env": "test", "team": "platform"})
        );
        for key in ["aws:x", "llmhost:x", "AWS:x", "", &"k".repeat(129)] {
            assert!(Tags(BTreeMap::from([(key.to_owned(), String::new())])).complete(&context).is_err(), "{key}");
        }
    }

    #[test]
    fn tags_that_some_service_refuses_are_refused_where_they_are_declared() {
        let shared = BTreeMap::from([("env".to_owned(), "test".to_owned()), ("name".to_owned(), "x".to_owned())]);
        let complete = |kind: &str, own: Value| {
            let address = format!("step/{kind}/main").parse().expect("an address");
            let (base, config) = (Path::new(""), &Value::Null);
            let context = DeclareContext { address: &address, tags: &shared, region: "", base, within: None, config };
            let mut tags: Tags = serde_json::from_value(own).expect("tags");
            tags.complete(&context).map(|()| serde_json::to_value(&tags).expect("a map"))
        };
        for kind in ["iam.role", "ec2.vpc", "eks.cluster"] {
            let error = complete(kind, json!({"Env": "x"})).expect_err(kind);
            assert!(error.contains("'Env' and 'env' differ only in case"), "{error}");
        }
        assert_eq!(complete("iam.role", json!({})).expect("good"), json!({"env": "test", "name": "x"}));
        assert!(complete("iam.role", json!({"Name": "y"})).is_err());
        assert!(complete("ec2.vpc", json!({"Name": "y"})).is_ok());
        for (kind, good) in [("ec2.vpc", true), ("iam.role", false), ("eks.cluster", false)] {
            assert_eq!(complete(kind, json!({"team": "a,b"})).is_ok(), good, "{kind}");
        }
        let unknown = unknown::output(&"step/ec2.vpc/main".parse().expect("an address"), "id");
        assert!(complete("iam.role", json!({"vpc": unknown})).is_ok());
    }

    #[test]
    fn instances_have_the_pipelines_tags_and_no_address() {
        let address = "nodes/ec2.launch-template/main".parse().expect("an address");
        let shared = [("env", "test"), (PIPELINE_TAG, "demo"), (ADDRESS_TAG, "nodes/ec2.launch-template/main")];
        let shared = shared.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (base, config) = (Path::new(""), &Value::Null);
        let context = DeclareContext { address: &address, tags: &shared, region: "", base, within: None, config };
        let mut pairs: Pairs = serde_json::from_value(json!({"Name": "llm-gpu", "env": "own"})).expect("pairs");
        pairs.complete_for_instances(&context).expect("good tags");
        let all = serde_json::to_value(&pairs).expect("a map");
        assert_eq!(all, json!({"Name": "llm-gpu", "env": "own", "llmhost:pipeline": "demo"}));
    }
}
