//! Kinds of resources: their fields, and which changes replace one.

use std::fmt::Write;
use std::sync::Arc;

use llmhost_engine::registry::DynKind;
use llmhost_resources::{Aws, AwsSettings};

use super::{nearest, schema, wit};
use crate::app;
use crate::failure::Failure;
use crate::view::{capitalized, style};

/// A kind.
pub(super) type Kind = Arc<dyn DynKind>;

/// Every kind of the host, by name.
pub(super) fn all() -> Vec<Kind> {
    let registry = llmhost_resources::registry(Arc::new(Aws::new(AwsSettings::default())));
    let mut kinds: Vec<Kind> = registry.kinds().map(Arc::clone).collect();
    kinds.sort_by_key(|kind| kind.name());
    kinds
}

/// The kind that a name begins with, and what follows.
pub(super) fn find<'a, 'n>(kinds: &'a [Kind], name: &'n str) -> Option<(&'a Kind, Vec<&'n str>)> {
    kinds.iter().find_map(|kind| {
        let rest = name.strip_prefix(kind.name())?;
        match rest.strip_prefix('.') {
            Some(path) => Some((kind, path.split('.').collect())),
            None => rest.is_empty().then(|| (kind, Vec::new())),
        }
    })
}

/// Prints a kind with its fields, or one field.
pub(super) fn explain(kind: &Kind, path: &[&str]) -> Result<(), Failure> {
    let name = kind.name();
    let fields = kind.fields().unwrap_or_default();
    let parts = wit::fields(name);
    let doc = |field: &str| {
        let found = parts.iter().find(|part| part.key() == field);
        found.map_or(("", ""), |part| (part.of.as_str(), part.words.as_str()))
    };
    let bold = style::NAME;
    let replaces = |field: &str| match kind.immutable().contains(&field) {
        true => "a change forces replacement",
        false => "changed in place",
    };
    let mut text = String::new();
    match path {
        [] => {
            let _ = writeln!(text, "{bold}{name}{bold:#}\n");
            for field in fields {
                let (of, words) = doc(field);
                let of = if of.is_empty() { String::new() } else { format!("{of}; ") };
                let _ = writeln!(text, "  {bold}{field}{bold:#} ({of}{})", replaces(field));
                if !words.is_empty() {
                    let _ = writeln!(text, "{}", textwrap::indent(&textwrap::fill(words, 92), "      "));
                }
            }
            if !kind.unique_fields().is_empty() {
                let _ = writeln!(text, "\nOnly one can have the same {}.", kind.unique_fields().join(" and "));
            }
            let _ = writeln!(
                text,
                "\nIAM actions:\n{}",
                textwrap::indent(&textwrap::fill(&kind.actions().join(" "), 92), "  ")
            );
        }
        [field] if fields.contains(field) => {
            let (of, words) = doc(field);
            let of = if of.is_empty() { String::new() } else { format!(" ({of})") };
            let _ = writeln!(text, "{bold}{name}.{field}{bold:#}{of}");
            if !words.is_empty() {
                let _ = writeln!(text, "{}", textwrap::indent(&textwrap::fill(words, 92), "  "));
            }
            let _ = writeln!(text, "\n{}.", capitalized(replaces(field)));
        }
        [field, part, ..] if fields.contains(field) => {
            return Err(schema::no_such(&format!("{name}.{field}"), part, &[]));
        }
        [field, ..] => {
            let help = match nearest(field, fields.iter().copied()) {
                Some(near) => format!("Did you mean {name}.{near}?"),
                None => format!("It has {}.", fields.join(", ")),
            };
            return Err(Failure::usage(format!("{name} has no '{field}'"), help));
        }
    }
    app::print(&text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_a_kind_has_no_parts() {
        let kinds = all();
        let (kind, path) = find(&kinds, "ec2.subnet.cidr_block.nonsense").expect("a kind");
        let failure = explain(kind, &path).expect_err("no parts");
        assert_eq!(failure.to_string(), "ec2.subnet.cidr_block has no 'nonsense'");
        assert_eq!(failure.help().as_deref(), Some("ec2.subnet.cidr_block has no parts."));
    }

    #[test]
    fn a_name_is_a_kind_or_a_field_of_one() {
        let kinds = all();
        assert!(kinds.len() > 30);
        assert!(find(&kinds, "ec2.subnet").is_some_and(|(kind, path)| kind.name() == "ec2.subnet" && path.is_empty()));
        assert!(find(&kinds, "ec2.subnet.cidr_block").is_some_and(|(_, path)| path == ["cidr_block"]));
        assert!(find(&kinds, "ec2.subnets").is_none());
    }
}
