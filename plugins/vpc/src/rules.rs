//! The rules of the security groups, each by what it allows.

use ipnet::{Ipv4Net, Ipv6Net};
use llmhost_plugin::{Failure, Names, ec2, invalid, is_known, pointer, written};

use crate::config::{Config, Rule};

/// A rule as it is declared, but for its group's id and its tags.
#[derive(Debug)]
pub(crate) struct Declared<'a> {
    /// Its name as a resource: `web-tcp-443-from-10.0.0.0-8`.
    pub(crate) name: String,
    pub(crate) rule: &'a Rule,
    pub(crate) source: Source,
}

/// Who may come in.
#[derive(Debug, PartialEq)]
pub(crate) enum Source {
    Peer(Peer),
    /// The group of this step with this name.
    Group(String),
}

/// As [`ec2::Peer`].
#[derive(Debug, PartialEq)]
pub(crate) enum Peer {
    Cidr(String),
    CidrIpv6(String),
    SecurityGroup(String),
    PrefixList(String),
}

impl From<Peer> for ec2::Peer {
    fn from(peer: Peer) -> Self {
        match peer {
            Peer::Cidr(range) => Self::Cidr(range),
            Peer::CidrIpv6(range) => Self::CidrIpv6(range),
            Peer::SecurityGroup(id) => Self::SecurityGroup(id),
            Peer::PrefixList(id) => Self::PrefixList(id),
        }
    }
}

/// The rules of a group, one for each source. Fails where two of them allow the same.
pub(crate) fn of<'a>(config: &'a Config, group: &str, names: &mut Names) -> Result<Vec<Declared<'a>>, Failure> {
    let mut declared = Vec::new();
    for (at, rule) in config.security_groups[group].rules.iter().enumerate() {
        for (text, source) in sources(config, group, at, rule)? {
            let place = format!("rule '{}' of security_groups.{group}, source {text},", rule.name);
            let name = names.take(&identity(group, rule, &text), &place)?;
            declared.push(Declared { name, rule, source });
        }
    }
    Ok(declared)
}

/// Who a rule lets in, each with the text that says so in the file.
fn sources(config: &Config, group: &str, at: usize, rule: &Rule) -> Result<Vec<(String, Source)>, Failure> {
    let place = |key: &str, source: usize| pointer(&[&"security_groups", &group, &"rules", &at, &key, &source]);
    let mut all = Vec::new();
    for (source_at, source) in rule.sources.iter().flatten().enumerate() {
        let text = written(&place("sources", source_at), source);
        let Some(found) = meant(source, group, |name| config.security_groups.contains_key(name)) else {
            // What another step gives is taken for a range, and known later.
            if is_known(source) && source.parse::<Ipv4Net>().is_err() {
                let groups: Vec<&str> = config.security_groups.keys().map(String::as_str).collect();
                return Err(invalid(format!(
                    "rule '{}' of security_groups.{group}: the source '{source}' is not a range such as 10.0.0.0/8, an \
                     sg-… or pl-… id, self, or a group of this step ({})",
                    rule.name,
                    groups.join(", ")
                )));
            }
            all.push((text, Source::Peer(Peer::Cidr(source.clone()))));
            continue;
        };
        all.push((text, found));
    }
    for (source_at, id) in rule.source_groups.iter().enumerate() {
        let text = written(&place("source_groups", source_at), id);
        all.push((text, Source::Peer(Peer::SecurityGroup(id.clone()))));
    }
    for (source_at, id) in rule.source_prefix_lists.iter().enumerate() {
        let text = written(&place("source_prefix_lists", source_at), id);
        all.push((text, Source::Peer(Peer::PrefixList(id.clone()))));
    }
    if rule.sources.is_none() && all.is_empty() {
        let own = config.ranges();
        all.extend(own.map(|(place, range)| (written(&place, range), Source::Peer(Peer::Cidr(range.to_owned())))));
    }
    Ok(all)
}

/// What a source says by its form; nothing where it can only be an IPv4 range.
fn meant(source: &str, own: &str, is_group: impl Fn(&str) -> bool) -> Option<Source> {
    let is_id = |start: &str| {
        source.strip_prefix(start).is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_hexdigit()))
    };
    if source == "self" {
        return Some(Source::Group(own.to_owned()));
    }
    if is_group(source) {
        return Some(Source::Group(source.to_owned()));
    }
    if is_id("sg-") {
        return Some(Source::Peer(Peer::SecurityGroup(source.to_owned())));
    }
    if is_id("pl-") {
        return Some(Source::Peer(Peer::PrefixList(source.to_owned())));
    }
    source.parse::<Ipv6Net>().ok().map(|_| Source::Peer(Peer::CidrIpv6(source.to_owned())))
}

/// What AWS tells rules apart by: group, protocol, ports and source. Two rules with another name are the same.
fn identity(group: &str, rule: &Rule, source: &str) -> String {
    let ports = match (rule.port, rule.to_port) {
        (from, Some(to)) if to != from => format!("{from}-{to}"),
        (from, _) => from.to_string(),
    };
    let source = match (source.parse::<Ipv4Net>(), source.parse::<Ipv6Net>()) {
        // A range is written with a slash, which no name has.
        (Ok(range), _) => range.to_string().replace('/', "-"),
        (_, Ok(range)) => range.to_string(),
        _ => source.to_owned(),
    };
    format!("{group}-{}-{ports}-from-{source}", rule.protocol)
}

#[cfg(test)]
mod tests {
    use llmhost_plugin::name_of;

    use super::*;

    #[test]
    fn a_rule_is_named_by_what_it_allows() {
        let rule = |port, to_port| Rule { name: "x".into(), port, to_port, protocol: "tcp".into(), ..Rule::default() };
        for (group, rule, source, name) in [
            ("web", rule(443, None), "10.0.0.0/8", "web-tcp-443-from-10.0.0.0-8"),
            ("web", rule(443, Some(443)), "10.0.0.0/8", "web-tcp-443-from-10.0.0.0-8"),
            ("my-web", rule(8000, Some(8100)), "0.0.0.0/0", "my-web-tcp-8000-8100-from-0.0.0.0-0"),
            ("web", rule(443, None), "self", "web-tcp-443-from-self"),
            ("web", rule(443, None), "pl-0123456789abcdef0", "web-tcp-443-from-pl-0123456789abcdef0"),
        ] {
            assert_eq!(name_of(&identity(group, &rule, source)), name);
        }
        let referred = name_of(&identity("web", &rule(22, None), "${office.cidr}"));
        assert!(referred.starts_with("web-tcp-22-from-office.cidr-"), "{referred}");
        let (one, other) =
            (identity("web", &rule(22, None), "2001:db8::/32"), identity("web", &rule(22, None), "2001:DB8:0::/32"));
        assert_eq!(one, other, "two ways to write one range");
    }

    #[test]
    fn a_source_is_told_by_its_form() {
        let group = |name: &str| Some(Source::Group(name.to_owned()));
        let peer = |peer: fn(String) -> Peer, text: &str| Some(Source::Peer(peer(text.to_owned())));
        for (source, wanted) in [
            ("10.0.0.0/8", None),
            ("<<roles/ec2.x/y#z>>", None),
            ("web", group("web")),
            ("self", group("own")),
            ("sg-0123456789abcdef0", peer(Peer::SecurityGroup, "sg-0123456789abcdef0")),
            ("pl-01234567", peer(Peer::PrefixList, "pl-01234567")),
            ("::/0", peer(Peer::CidrIpv6, "::/0")),
            ("2001:db8::/32", peer(Peer::CidrIpv6, "2001:db8::/32")),
            ("sg-web", None),
        ] {
            assert_eq!(meant(source, "own", |name| name == "web"), wanted, "{source}");
        }
    }
}
