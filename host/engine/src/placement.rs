//! Where the calls of a step go, where that is not where the calls of the pipeline go.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A region, a profile or a role that a step, or a look-up, has of its own. What is absent is the pipeline's.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// The region of its resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The profile of the AWS configuration whose credentials it uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// The ARN of the role that it assumes, with these credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<String>,
}

impl Placement {
    /// The pipeline's own.
    pub const OWN: Self = Self { region: None, profile: None, assume_role: None };

    /// Whether it is the pipeline's own.
    pub fn is_own(&self) -> bool {
        *self == Self::OWN
    }

    /// The profile and the role alone: regions share credentials.
    #[must_use]
    pub fn credentials(&self) -> Self {
        Self { region: None, ..self.clone() }
    }

    /// Its region, where the pipeline's is this one.
    pub fn region_in<'a>(&'a self, pipeline: &'a str) -> &'a str {
        self.region.as_deref().unwrap_or(pipeline)
    }

    /// The account that its role is in.
    pub fn account_of_role(&self) -> Option<&str> {
        self.assume_role.as_ref()?.split(':').nth(4)
    }

    /// This one, with what it leaves open as another one has it: that of the pipeline that a step stands in.
    #[must_use]
    pub fn within(&self, outer: &Self) -> Self {
        let or = |inner: &Option<String>, outer: &Option<String>| inner.clone().or_else(|| outer.clone());
        Self {
            region: or(&self.region, &outer.region),
            profile: or(&self.profile, &outer.profile),
            assume_role: or(&self.assume_role, &outer.assume_role),
        }
    }

    /// What a fact is kept under that is asked for there: another region has other zones, another role another account.
    pub(crate) fn fact_key(&self, key: &str) -> String {
        if self.is_own() { key.to_owned() } else { format!("{key}{MARK}{self}") }
    }
}

/// Tells the name of a fact from the placement that it was asked for in.
const MARK: &str = "@";

/// The fact that a key names, and the text of the placement that it is asked for in.
pub fn parts_of_key(key: &str) -> (&str, &str) {
    // The keys of look-ups are JSON, and say the placement themselves.
    match key.split_once(MARK) {
        Some((fact, placement)) if !key.starts_with("existing/") => (fact, placement),
        _ => (key, ""),
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            self.region.as_ref().map(|region| format!("in {region}")),
            self.profile.as_ref().map(|profile| format!("with profile {profile}")),
            self.assume_role.as_ref().map(|role| format!("as {role}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placement(region: Option<&str>, profile: Option<&str>, role: Option<&str>) -> Placement {
        let [region, profile, assume_role] = [region, profile, role].map(|text| text.map(str::to_owned));
        Placement { region, profile, assume_role }
    }

    #[test]
    fn a_step_of_a_pipeline_in_it_has_what_it_says_and_else_what_the_pipeline_has() {
        let outer = placement(Some("eu-west-1"), None, Some("arn:aws:iam::1:role/a"));
        assert_eq!(Placement::default().within(&outer), outer);
        let inner = placement(Some("us-east-1"), Some("b"), None).within(&outer);
        assert_eq!(inner, placement(Some("us-east-1"), Some("b"), Some("arn:aws:iam::1:role/a")));
        assert_eq!(inner.to_string(), "in us-east-1 with profile b as arn:aws:iam::1:role/a");
    }

    #[test]
    fn a_fact_is_kept_for_each_placement() {
        assert_eq!(Placement::default().fact_key("ec2.availability-zone/0"), "ec2.availability-zone/0");
        let key = placement(Some("us-east-1"), None, None).fact_key("ec2.availability-zone/0");
        assert_eq!(parts_of_key(&key), ("ec2.availability-zone/0", "in us-east-1"));
        assert_eq!(parts_of_key("sts.account-id"), ("sts.account-id", ""));
        let look_up = r#"existing/{"kind":"iam.role","name":"a@b"}"#;
        assert_eq!(parts_of_key(look_up), (look_up, ""));
    }
}
