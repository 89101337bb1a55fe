//! The rules of the security groups, each by what it allows.

use ipnet::Ipv4Net;
use llmhost_plugin::{Failure, Names, ec2, pointer, written};

use crate::config::{Config, Rule};

/// A rule as it is declared, but for its group's id and its tags.
#[derive(Debug)]
pub(crate) struct Declared<'a> {
    /// Its name as a resource: `web-tcp-443-from-10.0.0.0-8`.
    pub(crate) name: String,
    pub(crate) rule: &'a Rule,
    pub(crate) peer: ec2::Peer,
}

/// The rules of a group, one for each source. Fails where two of them allow the same.
pub(crate) fn of<'a>(config: &'a Config, group: &str, names: &mut Names) -> Result<Vec<Declared<'a>>, Failure> {
    let mut declared = Vec::new();
    for (at, rule) in config.security_groups[group].rules.iter().enumerate() {
        let own = vec![config.cidr.clone()];
        for (source_at, source) in rule.sources.as_ref().unwrap_or(&own).iter().enumerate() {
            let source_text = match &rule.sources {
                Some(_) => {
                    let place = pointer(&[&"security_groups", &group, &"rules", &at, &"sources", &source_at]);
                    written(&place, source)
                }
                None => written("/cidr", source),
            };
            let place = format!("rule '{}' of security_groups.{group}, source {source_text},", rule.name);
            let name = names.take(&identity(group, rule, &source_text), &place)?;
            declared.push(Declared { name, rule, peer: ec2::Peer::Cidr(source.clone()) });
        }
    }
    Ok(declared)
}

/// What AWS tells rules apart by: group, protocol, ports and source. Two rules with another name are the same.
fn identity(group: &str, rule: &Rule, source: &str) -> String {
    let ports = match (rule.port, rule.to_port) {
        (from, Some(to)) if to != from => format!("{from}-{to}"),
        (from, _) => from.to_string(),
    };
    let source = match source.parse::<Ipv4Net>() {
        // A range is written with a slash, which no name has.
        Ok(range) => range.to_string().replace('/', "-"),
        Err(_) => source.to_owned(),
    };
    format!("{group}-{}-{ports}-from-{source}", rule.protocol)
}

#[cfg(test)]
mod tests {
    use llmhost_plugin::name_of;

    use super::*;

    #[test]
    fn a_rule_is_named_by_what_it_allows() {
        let rule = |port, to_port| Rule { name: "x".into(), port, to_port, protocol: "tcp".into(), sources: None };
        for (group, rule, source, name) in [
            ("web", rule(443, None), "10.0.0.0/8", "web-tcp-443-from-10.0.0.0-8"),
            ("web", rule(443, Some(443)), "10.0.0.0/8", "web-tcp-443-from-10.0.0.0-8"),
            ("my-web", rule(8000, Some(8100)), "0.0.0.0/0", "my-web-tcp-8000-8100-from-0.0.0.0-0"),
        ] {
            assert_eq!(name_of(&identity(group, &rule, source)), name);
        }
        let referred = name_of(&identity("web", &rule(22, None), "${office.cidr}"));
        assert!(referred.starts_with("web-tcp-22-from-office.cidr-"), "{referred}");
    }
}
