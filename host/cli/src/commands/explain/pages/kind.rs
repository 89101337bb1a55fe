//! The page of a kind of resource.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::super::kinds::Kind;
use super::super::wit::{self, Part, Shape, Type};
use super::text::{cell, code, page, paragraphs, table};

/// Everything about a kind, and the built-in plugins that declare it.
pub(super) fn markdown(kind: &Kind, plugins: &[&str]) -> String {
    let name = kind.name();
    let types = wit::types(name);
    let (interface, resource) = name.split_once('.').unwrap_or((name, ""));
    let mut text = paragraphs(&summary(&types, resource));
    let links: Vec<String> = plugins.iter().map(|plugin| format!("[{plugin}](../plugins/{plugin}.md)")).collect();
    let _ = match links.is_empty() {
        true => writeln!(text, "No built-in plugin declares it: a plugin of your own can."),
        false => writeln!(text, "Plugins that declare it: {}.", links.join(", ")),
    };
    let _ = writeln!(text, "\nGrant for a plugin of your own: {}.\n", grant(interface, resource));

    text += "## Fields\n\n";
    let fields = kind.fields().unwrap_or_default();
    let spec = format!("{resource}-spec");
    let declared = types.iter().find(|known| known.name == spec).map_or(&[][..], |spec| &spec.parts);
    let described = |field: &&&str| declared.iter().find(|part| part.key() == ***field);
    let on_change = |field: &str| super::on_change(kind.immutable().contains(&field)).to_owned();
    let rows = fields.iter().filter_map(|field| Some((field, described(&field)?)));
    text += &table(
        &["Field", "Type", "On change", "Description"],
        rows.map(|(field, part)| vec![code(field), linked(&part.of, &types), on_change(field), cell(&part.words)]),
    );
    let added: Vec<String> =
        fields.iter().filter(|field| described(field).is_none()).map(|field| code(field)).collect();
    if !added.is_empty() {
        let _ = writeln!(text, "llmhost adds {}, as plans and states show it.\n", added.join(", "));
    }
    if !kind.unique_fields().is_empty() {
        let unique: Vec<String> = kind.unique_fields().iter().map(|field| code(field)).collect();
        let _ = writeln!(text, "Only one can have the same {}.\n", unique.join(" and "));
    }
    if !kind.secrets().is_empty() {
        let places: Vec<String> =
            kind.secrets().iter().map(|place| code(&place.trim_start_matches('/').replace('/', "."))).collect();
        let _ = writeln!(text, "A secret may be in {}.\n", places.join(", "));
    }

    let inside = reachable(declared, &types);
    if !inside.is_empty() {
        text += "## Types\n\n";
    }
    for of in inside {
        let _ = writeln!(text, "### {}\n", of.name);
        text += &if of.words.is_empty() { String::new() } else { paragraphs(&of.words) };
        let head = if of.shape == Shape::Cases { "Case" } else { "Field" };
        let rows = of.parts.iter().map(|part| {
            let name = if of.shape == Shape::Cases { part.name.clone() } else { part.key() };
            vec![code(&name), linked(&part.of, &types), cell(&part.words)]
        });
        text += &table(&[head, "Type", "Description"], rows);
    }

    let rows = itself(&types, resource).into_iter().flat_map(|of| &of.parts).map(|part| {
        let sensitive = if kind.sensitive().contains(&part.key().as_str()) { ", sensitive" } else { "" };
        vec![code(&part.key()), part.of.clone() + sensitive, cell(&part.words)]
    });
    let rows = table(&["Output", "Type", "Description"], rows);
    if !rows.is_empty() {
        let _ = write!(text, "## Outputs\n\n{rows}");
    }
    let actions: String = kind.actions().iter().map(|action| format!("{action}\n")).collect();
    if !actions.is_empty() {
        let _ = writeln!(text, "## IAM actions\n\nAll of its operations together need:\n\n```text\n{actions}```");
    }
    page(name, &text)
}

/// What a kind is, without the actions that the comment names: the kind itself knows them.
pub(super) fn summary(types: &[Type], resource: &str) -> String {
    let words = itself(types, resource).map_or("", |of| of.words.as_str());
    let kept: Vec<&str> = words.split("\n\n").filter(|paragraph| !paragraph.starts_with("IAM:")).collect();
    kept.join("\n\n")
}

/// The resource of a kind among the types of its interface.
fn itself<'a>(types: &'a [Type], resource: &str) -> Option<&'a Type> {
    types.iter().find(|known| known.name == resource && known.shape == Shape::Resource)
}

/// What `allow` says.
fn grant(interface: &str, resource: &str) -> String {
    match interface {
        "cloud-control" => "`cloud-control:AWS::SERVICE::TYPE`".to_owned(),
        "request" => "`request:SERVICE:ACTION`".to_owned(),
        _ => code(&format!("{interface}:{resource}")),
    }
}

/// A type with a link to where it is described on the page.
fn linked(of: &str, types: &[Type]) -> String {
    let (words, last) = of.rsplit_once(' ').map_or(("", of), |(words, last)| (words, last));
    match types.iter().any(|known| known.name == last && known.shape != Shape::Resource) {
        true => format!("{words} [{last}](#{last})").trim_start().to_owned(),
        false => cell(of),
    }
}

/// The types that these fields are of, and those of their parts, each once, in the order of the interface.
fn reachable<'a>(fields: &[Part], types: &'a [Type]) -> Vec<&'a Type> {
    let named = |part: &Part| {
        let last = part.of.rsplit(' ').next().unwrap_or_default().to_owned();
        types.iter().position(|known| known.name == last && known.shape != Shape::Resource)
    };
    let (mut found, mut open) = (BTreeSet::new(), fields.iter().filter_map(named).collect::<Vec<usize>>());
    while let Some(at) = open.pop() {
        if found.insert(at) {
            open.extend(types[at].parts.iter().filter_map(named));
        }
    }
    found.into_iter().map(|at| &types[at]).collect()
}
