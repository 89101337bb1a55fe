//! The book of declarations: what each step has declared so far, and who identifies whom.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};

use indexmap::{IndexMap, IndexSet};
use serde_json::Value;

use crate::graph::StepGraph;
use crate::kind::{Neighbour, Neighbours};
use crate::names::{ResourceAddress, StepName};
use crate::unknown::{self, Source};

/// Declarations of one plan or one apply, shared by its steps.
///
/// A step sees its own declarations and those of the steps that it comes after, so that what it
/// sees does not depend on how fast the others are.
pub(crate) struct Book {
    graph: Arc<StepGraph>,
    entries: Mutex<Entries>,
    /// What this one adds to, and the step that it is about: what that step entered there does not count here.
    under: Option<(Arc<Book>, StepName)>,
}

#[derive(Default)]
struct Entries {
    declared: IndexMap<ResourceAddress, Arc<Value>>,
    /// Values of identity outputs that some plugin has read.
    identities: HashMap<String, ResourceAddress>,
    /// Resources that the plan creates or replaces: what is there then is another instance.
    fresh: HashSet<ResourceAddress>,
}

/// What one step may see of the book.
pub(crate) struct View<'a> {
    book: &'a Book,
    step: &'a StepName,
}

impl Book {
    pub(crate) fn new(graph: Arc<StepGraph>) -> Self {
        Self { graph, entries: Mutex::default(), under: None }
    }

    /// A book for a step that declares once more: with what the others have declared, and without what the
    /// step itself has.
    pub(crate) fn beside(self: &Arc<Self>, step: &StepName) -> Self {
        let under = Some((Arc::clone(self), step.clone()));
        Self { graph: Arc::clone(&self.graph), entries: Mutex::default(), under }
    }

    pub(crate) fn view<'a>(&'a self, step: &'a StepName) -> View<'a> {
        View { book: self, step }
    }

    /// Enters a declaration; false where the address is taken.
    pub(crate) fn declare(&self, address: &ResourceAddress, spec: Arc<Value>) -> bool {
        self.lock().declared.insert(address.clone(), spec).is_none()
    }

    /// Notes that this value identifies that resource.
    pub(crate) fn identify(&self, value: &Value, address: &ResourceAddress) {
        if let Value::String(text) = value
            && !text.is_empty()
            && !unknown::is_unknown(text)
        {
            self.lock().identities.insert(text.clone(), address.clone());
        }
    }

    /// Notes that the plan makes another instance of this resource.
    pub(crate) fn renew(&self, address: &ResourceAddress) {
        self.lock().fresh.insert(address.clone());
    }

    /// Whether the plan makes another instance of this resource.
    pub(crate) fn is_renewed(&self, address: &ResourceAddress) -> bool {
        self.lock().fresh.contains(address)
    }

    /// What is declared at an address.
    pub(crate) fn spec(&self, address: &ResourceAddress) -> Option<Arc<Value>> {
        let own = self.lock().declared.get(address).cloned();
        own.or_else(|| self.under.as_ref().filter(|(_, step)| address.step() != step)?.0.spec(address))
    }

    /// The resource that a value identifies.
    fn identified(&self, value: &str) -> Option<ResourceAddress> {
        let own = self.lock().identities.get(value).cloned();
        own.or_else(|| {
            let (under, step) = self.under.as_ref()?;
            under.identified(value).filter(|address| address.step() != step)
        })
    }

    /// Whether any value identifies a resource.
    fn identifies_any(&self) -> bool {
        !self.lock().identities.is_empty() || self.under.as_ref().is_some_and(|(under, _)| under.identifies_any())
    }

    /// Every declaration of one kind.
    fn of_kind(&self, kind: &str) -> Vec<Neighbour> {
        let mut all = self.under.as_ref().map(|(under, _)| under.of_kind(kind)).unwrap_or_default();
        all.retain(|neighbour| self.under.as_ref().is_none_or(|(_, step)| neighbour.address.step() != step));
        let entries = self.lock();
        let same = entries.declared.iter().filter(|(address, _)| address.kind() == kind);
        all.extend(same.map(|(address, spec)| Neighbour { address: address.clone(), spec: Arc::clone(spec) }));
        all
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().expect("no code panics while it holds the book")
    }
}

impl View<'_> {
    /// Whether this address is declared and visible from here.
    pub(crate) fn has(&self, address: &ResourceAddress) -> bool {
        self.sees(address) && self.book.spec(address).is_some()
    }

    /// The resources whose identity stands anywhere in a spec, each with the top-level fields that it
    /// stands in. Tags are left out: a tag names, it does not use.
    pub(crate) fn mentioned(&self, spec: &Value) -> IndexMap<ResourceAddress, BTreeSet<String>> {
        let mut found: IndexMap<_, BTreeSet<String>> = IndexMap::new();
        for (key, value) in spec.as_object().into_iter().flatten().filter(|(key, _)| *key != "tags") {
            let mut here = IndexSet::new();
            self.collect(value, &mut here);
            here.into_iter().for_each(|address| {
                found.entry(address).or_default().insert(key.clone());
            });
        }
        found
    }

    fn collect(&self, value: &Value, found: &mut IndexSet<ResourceAddress>) {
        match value {
            Value::String(text) => self.collect_text(text, found),
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, found)),
            Value::Object(fields) => fields.values().for_each(|field| self.collect(field, found)),
            _ => {}
        }
    }

    fn collect_text(&self, text: &str, found: &mut IndexSet<ResourceAddress>) {
        for source in unknown::tokens(text) {
            if let Source::Output(address, _) = source
                && self.has(&address)
            {
                found.insert(address);
            }
        }
        if !self.book.identifies_any() {
            return;
        }
        let hits: Vec<_> = identifiers(text).filter_map(|part| self.book.identified(part)).collect();
        found.extend(hits.into_iter().filter(|address| self.sees(address)));
    }

    fn sees(&self, address: &ResourceAddress) -> bool {
        self.book.graph.comes_after(self.step, address.step())
    }
}

/// The parts of a text that could be an identity: the whole, each run of the characters that ids
/// and ARNs are made of, and each start of such a run that ends before a slash
/// (`arn:aws:s3:::bucket` in `arn:aws:s3:::bucket/models/*`).
fn identifiers(text: &str) -> impl Iterator<Item = &str> {
    let runs = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '/' | '.' | '_' | '-')))
        .filter(|run| !run.is_empty());
    let starts = runs.flat_map(|run| run.match_indices('/').map(|(at, _)| &run[..at]).chain([run]));
    std::iter::once(text).chain(starts.filter(move |part| part.len() < text.len()))
}

impl Neighbours for View<'_> {
    fn by_identity(&self, value: &str) -> Option<Neighbour> {
        let address = match unknown::whole(value) {
            Some(Source::Output(address, _)) => address,
            Some(Source::Fact(_) | Source::Secret { .. }) => return None,
            None => self.book.identified(value)?,
        };
        let spec = self.sees(&address).then(|| self.book.spec(&address))??;
        Some(Neighbour { address, spec })
    }

    fn of_kind(&self, kind: &str) -> Vec<Neighbour> {
        let all = self.book.of_kind(kind);
        all.into_iter().filter(|neighbour| self.sees(&neighbour.address)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn address(text: &str) -> ResourceAddress {
        text.parse().expect("an address")
    }

    fn book() -> Book {
        let names: Vec<StepName> = ["a", "b", "c"].map(|name| name.parse().expect("a name")).to_vec();
        let graph = StepGraph::new(&names, &[vec![], vec![0], vec![]]).expect("no cycle");
        let book = Book::new(Arc::new(graph));
        book.declare(&address("a/s3.bucket/models"), Arc::new(json!({})));
        book.declare(&address("a/ec2.vpc/main"), Arc::new(json!({"cidr_block": "10.0.0.0/16"})));
        book.identify(&json!("arn:aws:s3:::llm-models"), &address("a/s3.bucket/models"));
        book.identify(&json!("vpc-1"), &address("a/ec2.vpc/main"));
        book
    }

    #[test]
    fn a_spec_depends_on_what_it_mentions_by_id_by_token_and_inside_an_arn() {
        let book = book();
        let step = "b".parse().expect("a name");
        let view = book.view(&step);
        let vpc = address("a/ec2.vpc/main");
        for (spec, expected) in [
            (json!({"vpc_id": "vpc-1"}), vec!["a/ec2.vpc/main"]),
            (json!({"vpc_id": unknown::output(&vpc, "id")}), vec!["a/ec2.vpc/main"]),
            (json!({"policy": "{\"Resource\":\"arn:aws:s3:::llm-models/x/*\"}"}), vec!["a/s3.bucket/models"]),
            (json!({"list": [{"deep": "vpc-1"}]}), vec!["a/ec2.vpc/main"]),
            (json!({"cidr_block": "10.0.0.0/16"}), vec![]),
            (json!({"vpc_id": "vpc-10"}), vec![]),
            (json!({"tags": {"of": "vpc-1"}}), vec![]),
        ] {
            let found: Vec<_> = view.mentioned(&spec).keys().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{spec}");
        }
    }

    #[test]
    fn a_step_sees_only_itself_and_what_it_comes_after() {
        let book = book();
        let (b, c) = ("b".parse().expect("a name"), "c".parse().expect("a name"));
        assert!(book.view(&b).by_identity("vpc-1").is_some());
        assert!(book.view(&c).by_identity("vpc-1").is_none());
        assert!(book.view(&c).mentioned(&json!({"vpc_id": "vpc-1"})).is_empty());
        assert!(book.view(&c).of_kind("ec2.vpc").is_empty());
    }
}
