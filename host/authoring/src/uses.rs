//! Which of llmhost's interfaces a plugin uses: the same names as the grants that it will want.

use std::collections::BTreeSet;

use crate::AuthoringError;
use crate::wit::Catalog;

/// A list of interfaces and of parts of them, such as `s3` and `ec2:security-group`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses(BTreeSet<String>);

impl Uses {
    /// Reads names; unknown ones are refused. Each may be a list itself, with commas.
    pub fn parse<S: AsRef<str>>(names: &[S]) -> Result<Self, AuthoringError> {
        let catalog = Catalog::read()?;
        let mut all = BTreeSet::new();
        for name in names.iter().flat_map(|names| names.as_ref().split(',')).map(str::trim).filter(|n| !n.is_empty()) {
            // What of them is granted is a pattern, which no import shows.
            let (interface, _) = name.split_once(':').unwrap_or((name, ""));
            if catalog.is_scoped(interface) {
                all.insert(interface.to_owned());
            } else if catalog.knows(name) {
                all.insert(name.to_owned());
            } else {
                return Err(AuthoringError::UnknownUse { name: name.to_owned(), help: near(name, &catalog) });
            }
        }
        // A part of what is there as a whole says nothing more.
        let whole = all.clone();
        all.retain(|name| name.split_once(':').is_none_or(|(interface, _)| !whole.contains(interface)));
        Ok(Self(all))
    }

    /// Every interface.
    pub(crate) fn all() -> Result<Self, AuthoringError> {
        Ok(Self(Catalog::read()?.interfaces().map(str::to_owned).collect()))
    }

    /// As they stand in the project file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// With more of them.
    #[must_use]
    pub(crate) fn with(&self, name: &str) -> Self {
        let mut all = self.0.clone();
        let (interface, _) = name.split_once(':').unwrap_or((name, ""));
        if !all.contains(interface) {
            all.insert(name.to_owned());
        }
        Self(all)
    }

    /// Whether a grant of this name is among them.
    #[must_use]
    pub fn cover(&self, grant: &str) -> bool {
        let (interface, _) = grant.split_once(':').unwrap_or((grant, ""));
        self.0.contains(interface) || self.0.contains(grant)
    }

    /// Those of `grants` that are not among them are an error. A plugin in Rust imports what it calls, whatever it was
    /// built against.
    pub fn check(&self, grants: &[String]) -> Result<(), AuthoringError> {
        let more: Vec<&str> = grants.iter().map(String::as_str).filter(|grant| !self.cover(grant)).collect();
        if more.is_empty() {
            return Ok(());
        }
        let all = more.iter().fold(self.clone(), |all, grant| all.with(grant));
        let uses = all.names().collect::<Vec<_>>().join(",");
        Err(AuthoringError::Unused { called: more.join(", "), uses })
    }
}

/// The name that was meant, or all that there are.
fn near(name: &str, catalog: &Catalog) -> String {
    let names = catalog.names();
    let close = names.iter().map(|known| (strsim::jaro_winkler(known, name), known));
    let close = close.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(score, _)| *score > 0.85);
    match close {
        Some((_, known)) => format!("Did you mean '{known}'? All there are: {}.", names.join(", ")),
        None => format!("There are {}.", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_grants_and_a_whole_takes_its_parts_in() {
        let uses = Uses::parse(&["s3:bucket, ec2:vpc", "ec2:describe", "s3"]).expect("they are there");
        assert_eq!(uses.names().collect::<Vec<_>>(), ["ec2:describe", "ec2:vpc", "s3"]);
        assert!(uses.cover("s3:folder") && uses.cover("ec2:vpc") && !uses.cover("ec2:subnet"));
        let scoped = Uses::parse(&["cloud-control:AWS::SNS::Topic"]).expect("it is there");
        assert!(scoped.cover("cloud-control:AWS::SNS::Topic") && scoped.cover("cloud-control"));
    }

    #[test]
    fn unknown_names_are_refused_with_those_there_are() {
        let error = Uses::parse(&["ec2:security-groups"]).expect_err("there is none");
        assert!(error.advice().contains("Did you mean 'ec2:security-group'?"), "{}", error.advice());
        let error = Uses::parse(&["azure"]).expect_err("there is none");
        assert!(error.advice().contains("kube"), "{}", error.advice());
    }

    #[test]
    fn what_is_called_beyond_them_is_named() {
        let uses = Uses::parse(&["s3:bucket"]).expect("it is there");
        uses.check(&["s3:bucket".to_owned()]).expect("that is all");
        let error = uses.check(&["s3:bucket".to_owned(), "ec2:vpc".to_owned()]).expect_err("more");
        assert!(error.to_string().contains("ec2:vpc"), "{error}");
        assert!(error.advice().contains("--uses ec2:vpc,s3:bucket"), "{}", error.advice());
    }
}
