//! A ClusterConfig of eksctl as a pipeline.
//!
//! Every part reads its fields and says what became of each. What no part has read is found at the end and reported as
//! having no counterpart, so that nothing of a file is lost in silence.

mod access;
mod addons;
mod cluster;
mod fargate;
mod identity;
mod network;
mod nodes;
mod policies;
mod reasons;
mod ssh;
mod user_data;

use toml::Value;

use crate::at::At;
use crate::document::{Document, Step, literal};
use crate::report::{Fate, Field, Report};
use crate::{Converted, Source};

/// What a ClusterConfig says that it is.
pub(crate) fn is_one(root: &At<'_>) -> bool {
    let says = |key, wanted| root.get(key).and_then(|at| at.text()).is_some_and(|text: &str| text.starts_with(wanted));
    says("kind", "ClusterConfig") && says("apiVersion", "eksctl.io/")
}

/// Converts one.
pub(crate) fn convert(root: &At<'_>) -> Converted {
    let mut work =
        Work { root: root.clone(), document: Document::default(), fields: Vec::new(), cluster: String::new() };
    work.head();
    let network = network::network(&mut work);
    cluster::roles(&mut work);
    cluster::cluster(&mut work, &network);
    let addons = addons::addons(&mut work);
    identity::service_accounts(&mut work);
    identity::pod_identities(&mut work);
    nodes::node_groups(&mut work, &network, &addons.before_nodes);
    fargate::fargate_profiles(&mut work, &network);
    addons::after_nodes(&mut work, addons);
    work.finish()
}

/// A conversion at work.
pub(crate) struct Work<'a> {
    root: At<'a>,
    document: Document,
    fields: Vec<Field>,
    /// The cluster's name, as the pipeline has it.
    cluster: String,
}

impl<'a> Work<'a> {
    fn at(&self, path: &str) -> Option<At<'a>> {
        self.root.find(path)
    }

    fn same(&mut self, at: &At<'_>, to: impl Into<String>) {
        self.tell(at, Fate::Same { to: to.into() });
    }

    fn differs(&mut self, at: &At<'_>, to: impl Into<String>) {
        self.tell(at, Fate::Differs { to: to.into() });
    }

    fn missing(&mut self, at: &At<'_>, why: impl Into<String>, todo: impl Into<String>) {
        self.tell(at, Fate::Missing { why: why.into(), todo: todo.into(), needed: false });
    }

    fn tell(&mut self, at: &At<'_>, fate: Fate) {
        self.fields.push(Field { path: at.path.clone(), line: at.node.line, fate });
    }

    /// A value of the wrong type.
    fn wrong(&mut self, at: &At<'_>, wanted: &str) {
        self.missing(at, format!("it is not {wanted}"), "Correct it in the file, and convert again.");
    }

    /// A field's text, if it is one.
    fn text(&mut self, at: Option<At<'_>>, to: &str) -> Option<String> {
        let at = at?;
        match at.text() {
            Some(text) => {
                self.same(&at, to);
                Some(literal(text))
            }
            None => {
                self.wrong(&at, "a text");
                None
            }
        }
    }

    /// A field's number, if it is one.
    fn number(&mut self, at: Option<At<'_>>, to: &str) -> Option<i64> {
        let at = at?;
        let number = at.number();
        if number.is_some() {
            self.same(&at, to)
        } else {
            self.wrong(&at, "a whole number")
        }
        number
    }

    /// A field's texts, if it is a list of such.
    fn texts(&mut self, at: Option<At<'_>>, to: &str) -> Option<Vec<String>> {
        let at = at?;
        let texts = at.texts();
        if texts.is_some() {
            self.same(&at, to)
        } else {
            self.wrong(&at, "a list of strings")
        }
        Some(texts?.into_iter().map(literal).collect())
    }

    /// A field's map of texts, if it is one.
    fn pairs(&mut self, at: Option<At<'_>>, to: &str) -> Option<toml::Table> {
        let at = at?;
        let pairs = at.pairs();
        if pairs.is_some() {
            self.same(&at, to)
        } else {
            self.wrong(&at, "a map of texts")
        }
        Some(pairs?.into_iter().map(|(key, value)| (literal(key), literal(value).into())).collect())
    }

    /// References to the subnets or zones of a list: the network's, or looked up by their ids.
    fn subnets(&mut self, at: &At<'_>, network: &network::Network, is_private: bool, to: &str) -> Vec<String> {
        if !at.is_list() {
            self.wrong(at, "a list of strings");
        }
        let mut found = Vec::new();
        for item in at.items() {
            let Some(text) = item.text() else {
                self.wrong(&item, "a string");
                continue;
            };
            let id = text
                .starts_with("subnet-")
                .then(|| self.document.existing(text, "subnet", &[("kind", "ec2.subnet"), ("id", text)], "id"));
            match network.named(text, is_private).or(id) {
                Some(reference) => {
                    self.same(&item, to);
                    found.push(reference);
                }
                None => self.missing(&item, format!("the network has no '{text}'"), "Choose subnets of the network's."),
            }
        }
        found
    }

    /// The ARN of a role or policy that exists; a policy of AWS's own stands for itself. Nothing where it is no ARN.
    fn iam_arn(&mut self, at: &At<'_>, kind: &'static str) -> Option<String> {
        let arn = at.text().unwrap_or_default();
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let what = if kind == "iam.role" { "role" } else { "policy" };
        let ["arn", _, "iam", "", account, rest] = parts[..] else {
            self.missing(at, format!("'{arn}' is not the ARN of a {what}"), "Correct it in the file.");
            return None;
        };
        if account == "aws" {
            return Some(arn.to_owned());
        }
        let path = rest.strip_prefix(what)?.strip_prefix('/')?;
        let name = path.rsplit('/').next().filter(|name| !name.is_empty())?;
        Some(self.document.existing(name, what, &[("kind", kind), ("name", name)], "arn"))
    }

    fn step(&mut self, wanted: &str, prefix: &str, uses: &'static str) -> Step {
        Step::new(self.document.free_name(wanted, prefix), uses)
    }

    fn add(&mut self, step: Step) {
        self.document.steps.push(step);
    }

    fn head(&mut self) {
        for key in ["apiVersion", "kind"] {
            if let Some(at) = self.at(key) {
                self.same(&at, "the file is a pipeline");
            }
        }
        let name = self.text(self.at("metadata.name"), "pipeline.name and the cluster's name").unwrap_or_default();
        let region = self.text(self.at("metadata.region"), "pipeline.region").unwrap_or_default();
        for (value, path) in [(&name, "metadata.name"), (&region, "metadata.region")] {
            if value.is_empty() {
                self.fields.push(Field {
                    path: path.to_owned(),
                    line: self.root.node.line,
                    fate: Fate::Missing {
                        why: "the file does not state it".to_owned(),
                        todo: "State it in the file, and convert again.".to_owned(),
                        needed: true,
                    },
                });
            }
        }
        self.document.name = self.document.free_name(&name, "cluster");
        self.cluster = name;
        self.document.region = region;
        if let Some(tags) = self.pairs(self.at("metadata.tags"), "pipeline.tags") {
            self.document.tags = tags;
        }
        self.document.head = vec![
            format!("The cluster {} of a ClusterConfig of eksctl, as a pipeline of llmhost.", self.cluster),
            "eksctl implies the network and the roles; here each is a step. Node groups are managed ones, with an"
                .to_owned(),
            "encrypted gp3 disk and protected instance metadata (IMDSv2).".to_owned(),
        ];
    }

    /// Finds what nobody has read, and puts everything together.
    fn finish(mut self) -> Converted {
        let root = self.root.clone();
        let known: Vec<String> = self.fields.iter().map(|field| field.path.clone()).collect();
        self.uncovered(&root, &known);
        self.fields.sort_by_key(|field| field.line);
        let report = Report { fields: self.fields };
        let is_possible = report.blocking().next().is_none();
        if let left @ 1.. = report.missing().count() {
            let fields = if left == 1 { "1 field has" } else { &format!("{left} fields have") };
            self.document.head.push(format!("{fields} no counterpart here: llmhost convert reports them."));
        }
        Converted {
            source: Source::Eksctl,
            pipeline: is_possible.then(|| self.document.text()),
            imports: Vec::new(),
            report,
        }
    }

    fn uncovered(&mut self, at: &At<'_>, known: &[String]) {
        let below = |path: &str, of: &str| path.strip_prefix(of).is_some_and(|rest| rest.starts_with(['.', '[']));
        if known.iter().any(|path| *path == at.path || below(&at.path, path)) {
            return;
        }
        let is_split = at.path.is_empty() || known.iter().any(|path| below(path, &at.path));
        let inner: Vec<At<'_>> = at.entries().into_iter().map(|(_, inner)| inner).chain(at.items()).collect();
        if inner.is_empty() && matches!(&at.node.value, crate::yaml::Value::Map(_) | crate::yaml::Value::List(_)) {
            return self.same(at, "nothing, as it is empty");
        }
        if is_split {
            return inner.iter().for_each(|inner| self.uncovered(inner, known));
        }
        if at.node.value == crate::yaml::Value::Null {
            return;
        }
        let reason = reasons::of(&at.path);
        self.tell(
            at,
            Fate::Missing { why: reason.why.to_owned(), todo: reason.todo.to_owned(), needed: reason.needed },
        );
    }
}

fn list(texts: impl IntoIterator<Item = String>) -> Value {
    Value::from(texts.into_iter().map(Value::from).collect::<Vec<_>>())
}

fn table<const N: usize>(entries: [(&str, Value); N]) -> Value {
    Value::Table(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

#[cfg(test)]
mod tests {
    use crate::report::Fate;

    fn converted(more: &str) -> crate::Converted {
        let head = "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: c, region: eu-west-1}\n";
        crate::convert(format!("{head}{more}").as_bytes()).unwrap()
    }

    #[test]
    fn steps_have_their_names_whatever_subnets_are_called() {
        let found = converted(
            "vpc: {id: vpc-1, subnets: {private: {cluster: {id: subnet-1}, roles: {id: subnet-2}}}}\n\
             managedNodeGroups: [{name: a}]\n",
        );
        let text = found.pipeline.unwrap();
        for part in ["[steps.cluster]", "[steps.roles]", "[existing.cluster]", "${existing.roles.id}"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn what_a_fargate_profile_does_not_get_is_missing() {
        let found = converted(
            "availabilityZones: [eu-west-1a, eu-west-1b]\nfargateProfiles:\n\
             - {name: f, subnets: [eu-west-1b, eu-west-1x], selectors: [{namespace: n, labels: [x]}]}\n",
        );
        let missing: Vec<&str> = found.report.missing().map(|field| field.path.as_str()).collect();
        assert_eq!(missing, ["fargateProfiles[0].subnets[1]", "fargateProfiles[0].selectors[0].labels"]);
        let subnet = found.report.fields.iter().find(|field| field.path == "fargateProfiles[0].subnets[0]").unwrap();
        assert!(matches!(&subnet.fate, Fate::Same { to } if to == "steps.f.with.subnet_ids"), "{subnet:?}");
        assert!(found.pipeline.unwrap().contains("subnet_ids = [\"${network.private_subnet_ids[1]}\"]"));
    }
}
