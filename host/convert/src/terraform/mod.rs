//! A Terraform state of the modules terraform-aws-modules/vpc and /eks as a pipeline, with what to import.
//!
//! The pipeline declares what the state has, under the same names. What is known by an id alone is imported by that; what has
//! a name is found by it.

mod cluster;
mod network;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::document::Document;
use crate::report::{Fate, Field, Report};
use crate::{Converted, Import, Source};

/// Whether a document is a state.
pub(crate) fn is_one(root: &Value) -> bool {
    root["terraform_version"].is_string() && root["resources"].is_array()
}

/// Converts one; why not, where it is of another version.
pub(crate) fn convert(root: &Value) -> Result<Converted, String> {
    match root["version"].as_u64() {
        Some(4) => {}
        _ => return Err("it is a state of another version than 4: terraform state pull > FILE writes one".to_owned()),
    }
    let mut work =
        Work { document: Document::default(), fields: Vec::new(), imports: Vec::new(), resources: resources(root) };
    work.head();
    let network = network::network(&mut work);
    cluster::cluster(&mut work, &network);
    Ok(work.finish())
}

/// One resource of the state.
#[derive(Debug, Clone)]
struct Resource {
    /// `module.vpc.aws_subnet.public[0]`
    address: String,
    kind: String,
    name: String,
    values: Value,
}

impl Resource {
    fn text(&self, pointer: &str) -> Option<&str> {
        self.values.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    fn id(&self) -> &str {
        self.text("/id").unwrap_or_default()
    }

    fn texts(&self, pointer: &str) -> Vec<String> {
        let all = self.values.pointer(pointer).and_then(Value::as_array);
        all.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

fn resources(root: &Value) -> Vec<Resource> {
    let mut all = Vec::new();
    for resource in root["resources"].as_array().into_iter().flatten() {
        if resource["mode"] != "managed" {
            continue;
        }
        let (kind, name) =
            (resource["type"].as_str().unwrap_or_default(), resource["name"].as_str().unwrap_or_default());
        let module = resource["module"].as_str().map(|module| format!("{module}.")).unwrap_or_default();
        for instance in resource["instances"].as_array().into_iter().flatten() {
            let key = match &instance["index_key"] {
                Value::Null => String::new(),
                key => format!("[{key}]"),
            };
            all.push(Resource {
                address: format!("{module}{kind}.{name}{key}"),
                kind: kind.to_owned(),
                name: name.to_owned(),
                values: instance["attributes"].clone(),
            });
        }
    }
    all
}

/// A conversion at work.
struct Work {
    document: Document,
    fields: Vec<Field>,
    imports: Vec<Import>,
    resources: Vec<Resource>,
}

impl Work {
    fn of(&self, kind: &str) -> Vec<Resource> {
        self.resources.iter().filter(|resource| resource.kind == kind).cloned().collect()
    }

    fn same(&mut self, of: &Resource, to: impl Into<String>) {
        self.tell(&of.address, Fate::Same { to: to.into() });
    }

    fn differs(&mut self, of: &Resource, to: impl Into<String>) {
        self.tell(&of.address, Fate::Differs { to: to.into() });
    }

    fn missing(&mut self, of: &Resource, why: impl Into<String>, todo: impl Into<String>) {
        self.tell(&of.address, Fate::Missing { why: why.into(), todo: todo.into(), needed: false });
    }

    fn tell(&mut self, address: &str, fate: Fate) {
        self.fields.push(Field { path: address.to_owned(), line: 0, fate });
    }

    /// To be imported by its id.
    fn import(&mut self, of: &Resource, address: String, id: &str) {
        self.same(of, format!("{address}, imported by its id"));
        self.imports.push(Import { address, id: id.to_owned() });
    }

    /// A reference to what exists and stays with others.
    fn existing(&mut self, kind: &str, id: &str, prefix: &str) -> String {
        self.document.existing(id, prefix, &[("kind", kind), ("id", id)], "id")
    }

    fn head(&mut self) {
        let clusters = self.of("aws_eks_cluster");
        let vpcs = self.of("aws_vpc");
        let named = clusters.first().and_then(|cluster| cluster.text("/name"));
        let named = named.or_else(|| vpcs.first().and_then(|vpc| vpc.text("/tags/Name")));
        self.document.name = self.document.free_name(named.unwrap_or("network"), "network");
        let arns = self.resources.iter().filter_map(|resource| resource.text("/arn"));
        let region = arns.filter_map(|arn| arn.split(':').nth(3)).find(|region| !region.is_empty());
        self.document.region = region.unwrap_or_default().to_owned();
        self.document.head = vec![
            "What a Terraform state has, as a pipeline of llmhost. Import it before the first run: llmhost convert lists how.".to_owned(),
            "Then remove it from Terraform: terraform state rm. Two tools must not manage the same resource.".to_owned(),
        ];
    }

    /// Reports what nobody has read.
    fn finish(mut self) -> Converted {
        let known: BTreeSet<String> = self.fields.iter().map(|field| field.path.clone()).collect();
        for resource in std::mem::take(&mut self.resources) {
            if !known.contains(&resource.address) {
                let (why, todo) = reason(&resource.kind);
                self.missing(&resource, why, todo);
            }
        }
        let has_steps = !self.document.steps.is_empty() && !self.document.region.is_empty();
        Converted {
            source: Source::Terraform,
            pipeline: has_steps.then(|| self.document.text()),
            imports: self.imports,
            report: Report { fields: self.fields },
        }
    }
}

/// Why a type has no counterpart, and what to do.
fn reason(kind: &str) -> (&'static str, &'static str) {
    match kind {
        "aws_default_security_group" | "aws_default_network_acl" | "aws_default_route_table" => {
            ("it comes with the VPC, and llmhost leaves it alone", "Nothing: it stays as it is.")
        }
        "aws_security_group"
        | "aws_security_group_rule"
        | "aws_vpc_security_group_ingress_rule"
        | "aws_vpc_security_group_egress_rule" => (
            "groups of the module are looked up, and stay with Terraform",
            "Keep it in Terraform; or declare it by the plugin aws, and import it.",
        ),
        "aws_launch_template" => (
            "it is looked up, and stays with Terraform",
            "Keep it in Terraform. Without launch_template, the step makes one of its own and replaces the nodes.",
        ),
        "aws_cloudwatch_log_group" => (
            "the log group belongs to EKS here",
            "Keep it in Terraform, or declare it by the plugin aws: AWS::Logs::LogGroup.",
        ),
        "aws_kms_key" | "aws_kms_alias" => {
            ("the key is named by its ARN, and stays with Terraform", "Keep it in Terraform.")
        }
        "aws_iam_role_policy_attachment" | "aws_iam_role_policy" | "aws_iam_policy" => (
            "it is attached to a role that the pipeline does not declare, or is inline",
            "Keep it in Terraform; or state it in a step of the plugin iam, by roles and policies.",
        ),
        "aws_flow_log" => (
            "the plugin vpc makes no flow logs",
            "Keep it in Terraform, or declare it by the plugin aws: AWS::EC2::FlowLog.",
        ),
        _ if !kind.starts_with("aws_") => ("it is nothing in AWS", "Nothing."),
        _ => ("no built-in plugin makes it", "Keep it in Terraform; or declare it by the plugin aws, and import it."),
    }
}
