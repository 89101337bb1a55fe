//! The world that resources live in: an account, a partition, a region, and the address that answers for
//! them.
//!
//! A state belongs to one. Elsewhere nothing of it would be found, and what is not found looks gone: so
//! whoever reads, changes or deletes what a state holds is held to its world first ([`crate::run`]).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where resources live. Whoever makes them says so ([`crate::kind::Facts::world`]).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    /// Whose resources they are; absent until somebody asked, which takes credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The partition of the region.
    pub partition: String,
    /// The region.
    pub region: String,
    /// The address that calls go to; absent where they go to the region's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// What is known of a world, where not all of it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hints {
    /// Whose resources they are.
    pub account: Option<String>,
    /// The partition of the region.
    pub partition: Option<String>,
    /// The region.
    pub region: Option<String>,
    /// The address that calls go to: nothing is known of it, or that there is none, or which.
    pub endpoint: Option<Option<String>>,
}

/// A part of a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The account.
    Account,
    /// The partition.
    Partition,
    /// The region.
    Region,
    /// The endpoint.
    Endpoint,
}

/// A part in which two worlds differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which part.
    pub part: Part,
    /// The state's. None is AWS's own endpoint.
    pub state: Option<String>,
    /// This run's.
    pub here: Option<String>,
}

impl World {
    /// Whether two worlds are the same place, as far as no account tells them apart.
    pub fn is_place_of(&self, other: &Self) -> bool {
        (&self.partition, &self.region, &self.endpoint) == (&other.partition, &other.region, &other.endpoint)
    }
}

impl From<&World> for Hints {
    fn from(world: &World) -> Self {
        Self {
            account: world.account.clone(),
            partition: Some(world.partition.clone()),
            region: Some(world.region.clone()),
            endpoint: Some(world.endpoint.clone()),
        }
    }
}

impl Hints {
    /// In what a world differs from what is known of another one. What is not known of either is no
    /// difference.
    pub fn differences(&self, here: &World) -> Vec<Difference> {
        let known = |part, state: &Option<String>, here: Option<&String>| {
            let differs = state.as_ref().zip(here).is_some_and(|(state, here)| state != here);
            differs.then(|| Difference { part, state: state.clone(), here: here.cloned() })
        };
        let endpoint = self.endpoint.as_ref().filter(|state| **state != here.endpoint).map(|state| Difference {
            part: Part::Endpoint,
            state: state.clone(),
            here: here.endpoint.clone(),
        });
        let parts = [
            known(Part::Account, &self.account, here.account.as_ref()),
            known(Part::Partition, &self.partition, Some(&here.partition)),
            known(Part::Region, &self.region, Some(&here.region)),
            endpoint,
        ];
        parts.into_iter().flatten().collect()
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "account",
            Self::Partition => "partition",
            Self::Region => "region",
            Self::Endpoint => "endpoint",
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |value: &Option<String>| value.clone().unwrap_or_else(|| "AWS's own".to_owned());
        write!(f, "its {} is {}, and this run's is {}", self.part, name(&self.state), name(&self.here))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(account: Option<&str>, region: &str, endpoint: Option<&str>) -> World {
        let [account, endpoint] = [account, endpoint].map(|text| text.map(str::to_owned));
        World { account, partition: "aws".to_owned(), region: region.to_owned(), endpoint }
    }

    #[test]
    fn every_part_that_differs_is_told_and_what_is_not_known_is_no_difference() {
        let here = world(Some("1"), "eu-west-1", Some("http://b"));
        let told = |state: &Hints| state.differences(&here).iter().map(|found| found.part).collect::<Vec<_>>();
        assert_eq!(told(&Hints::default()), []);
        assert_eq!(told(&(&here).into()), []);
        assert_eq!(told(&(&world(None, "eu-west-1", Some("http://b"))).into()), []);
        assert_eq!(told(&(&world(Some("2"), "us-east-1", None)).into()), [Part::Account, Part::Region, Part::Endpoint]);
        let of_arns = Hints { region: Some("us-east-1".to_owned()), ..Hints::default() };
        assert_eq!(told(&of_arns), [Part::Region]);
    }
}
