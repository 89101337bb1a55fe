//! The zones of the network, and the ranges of their subnets.
//!
//! A zone is known by its key: the letter of a zone of the region, the whole name of another (a Local Zone). Names of
//! resources and ranges follow from it, and not from the zone's place in a list.

use std::collections::BTreeMap;

use llmhost_plugin::{Failure, ec2, invalid};

use crate::config::{Config, Nat, ZoneRanges};
use crate::ranges;

/// A zone with its subnets.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Zone {
    /// `a`: what its resources are named by.
    pub(crate) key: String,
    pub(crate) place: Place,
    /// Range of the public subnet.
    pub(crate) public: String,
    /// Range of the private subnet, where it has one.
    pub(crate) private: Option<String>,
}

/// Which zone it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    /// The region's so many-th zone that is open to the account.
    Number(u32),
    /// The zone of this name.
    Named(String),
}

impl Place {
    /// The zone's name; AWS tells it of a number.
    pub(crate) fn name(&self) -> Result<String, Failure> {
        match self {
            Self::Number(number) => ec2::availability_zone(*number),
            Self::Named(name) => Ok(name.clone()),
        }
    }
}

/// The zones of a configuration, in the order of their names.
pub(crate) fn of(config: &Config, region: &str) -> Result<Vec<Zone>, Failure> {
    let mut zones = match (&config.subnets, &config.zones) {
        (Some(_), Some(_)) => return Err(invalid("subnets names the zones; leave zones out")),
        (Some(subnets), None) => by_subnets(config, subnets, region)?,
        (None, Some(names)) => {
            if config.azs.is_some() {
                return Err(invalid("zones names the zones; leave azs out"));
            }
            let places = names.iter().map(|name| Ok((key(name, region)?, Place::Named(name.clone()))));
            listed(config, places.collect::<Result<_, Failure>>()?)?
        }
        (None, None) => {
            let count = config.azs.unwrap_or(2);
            let places = (0..count).map(|at| (ranges::letter(at).to_string(), Place::Number(at as u32)));
            listed(config, places.collect())?
        }
    };
    zones.sort_by(|one, other| one.key.cmp(&other.key));
    if let Some(twice) = zones.windows(2).find(|pair| pair[0].key == pair[1].key) {
        return Err(invalid(format!("zones names zone {} twice; name it once", twice[0].key)));
    }
    if zones.is_empty() {
        return Err(invalid("there is no zone; state azs, or name one in zones"));
    }
    Ok(zones)
}

/// The zone whose NAT gateway all private subnets use where there is a single one.
pub(crate) fn single_nat<'z>(config: &Config, zones: &'z [Zone]) -> Result<&'z Zone, Failure> {
    let Some(wanted) = &config.nat_zone else {
        return Ok(zones.iter().find(|zone| zone.private.is_some()).unwrap_or(&zones[0]));
    };
    if config.nat == Nat::None {
        return Err(invalid("nat_zone is stated, and nat is \"none\"; leave one of them out"));
    }
    let named = |zone: &&Zone| matches!(&zone.place, Place::Named(name) if name == wanted);
    zones.iter().find(named).ok_or_else(|| {
        invalid(format!("nat_zone '{wanted}' is not one of the zones that the step names in zones or subnets"))
    })
}

/// Zones whose ranges are stated with them.
fn by_subnets(config: &Config, subnets: &BTreeMap<String, ZoneRanges>, region: &str) -> Result<Vec<Zone>, Failure> {
    if config.azs.is_some() || config.public_subnets.is_some() || config.private_subnets.is_some() {
        return Err(invalid(
            "subnets states the ranges of every zone; leave azs, public_subnets and private_subnets out",
        ));
    }
    let zone = |(name, ranges): (&String, &ZoneRanges)| {
        Ok(Zone {
            key: key(name, region)?,
            place: Place::Named(name.clone()),
            public: ranges.public.clone(),
            private: ranges.private.clone(),
        })
    };
    subnets.iter().map(zone).collect()
}

/// Zones in the order of the file, which `public_subnets` and `private_subnets` follow.
fn listed(config: &Config, places: Vec<(String, Place)>) -> Result<Vec<Zone>, Failure> {
    let count = places.len();
    for (what, ranges, none) in
        [("public_subnets", &config.public_subnets, false), ("private_subnets", &config.private_subnets, true)]
    {
        let Some(ranges) = ranges else { continue };
        if ranges.len() != count && !(none && ranges.is_empty()) {
            return Err(invalid(format!(
                "{what} has {} ranges for {count} zones; state one for each zone",
                ranges.len()
            )));
        }
    }
    let mut zones = Vec::with_capacity(count);
    for (at, (key, place)) in places.into_iter().enumerate() {
        let public = config.public_subnets.as_ref().map(|ranges| ranges[at].clone());
        let private = config.private_subnets.as_ref().map(|ranges| ranges.get(at).cloned());
        let (public, private) = match (public, private) {
            (Some(public), Some(private)) => (public, private),
            (public, private) => {
                let (own_public, own_private) = ranges::of_slot(&config.cidr, slot(&key)?)?;
                (public.unwrap_or(own_public), private.unwrap_or(Some(own_private)))
            }
        };
        zones.push(Zone { key, place, public, private });
    }
    Ok(zones)
}

/// `us-east-1b` is `b` in us-east-1; a Local Zone such as `us-east-1-bos-1a` has its whole name.
fn key(name: &str, region: &str) -> Result<String, Failure> {
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    match name.strip_prefix(region) {
        Some(rest) if plain && rest.len() == 1 && rest.chars().all(|c| c.is_ascii_lowercase()) => Ok(rest.to_owned()),
        Some(rest) if plain && rest.starts_with('-') => Ok(name.to_owned()),
        _ => Err(invalid(format!("'{name}' is not a zone of {region}; one is named {region}a"))),
    }
}

/// Where the ranges of a zone lie by default.
fn slot(key: &str) -> Result<usize, Failure> {
    match key.as_bytes() {
        [letter @ b'a'..=b'z'] => Ok(usize::from(letter - b'a')),
        _ => Err(invalid(format!("the zone {key} has no ranges by default; state them in subnets"))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    fn config(with: serde_json::Value) -> Config {
        serde_json::from_value(with).expect("a configuration")
    }

    fn zones(with: serde_json::Value) -> Result<Vec<Zone>, String> {
        of(&config(with), "us-east-1").map_err(|failure| failure.message)
    }

    #[test]
    fn more_zones_move_no_subnet_and_no_nat_gateway_whatever_the_size_of_the_range() {
        let mut grown = 0;
        for length in 16..=28 {
            for base in ["10.0.0.0", "10.8.128.0", "172.16.0.0", "192.168.255.0"] {
                let cidr = format!("{base}/{length}");
                let with = |azs: usize| json!({ "name": "n", "cidr": cidr, "azs": azs });
                let mut before: Vec<Zone> = Vec::new();
                for azs in 1..=6 {
                    // A range without room says so, and for every larger number as well.
                    let Ok(now) = zones(with(azs)) else { break };
                    assert_eq!(now[..before.len()], before[..], "{cidr} from {} to {azs} zones", before.len());
                    assert_eq!(now.len(), azs);
                    let single = single_nat(&config(with(azs)), &now).map_err(|_| ()).expect("a zone");
                    assert_eq!(single.key, "a", "{cidr}, {azs} zones");
                    grown += 1;
                    before = now;
                }
            }
        }
        assert!(grown > 200, "{grown}");
    }

    #[test]
    fn zones_by_name_have_the_same_subnets_in_any_order_and_company() {
        let all = ["us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d"];
        let by_number = zones(json!({ "name": "n", "azs": 4 })).expect("zones");
        for set in 1_usize..16 {
            let some: Vec<_> = (0..4).filter(|at| set >> at & 1 == 1).map(|at| all[at]).collect();
            let mut turned = some.clone();
            turned.reverse();
            let straight = zones(json!({ "name": "n", "zones": some })).expect("zones");
            assert_eq!(straight, zones(json!({ "name": "n", "zones": turned })).expect("zones"));
            for zone in straight {
                let same = by_number.iter().find(|other| other.key == zone.key).expect("one of the four");
                assert_eq!((&zone.public, &zone.private), (&same.public, &same.private), "{some:?}");
            }
        }
    }

    #[test]
    fn stated_ranges_follow_the_zones_as_listed() {
        let with = |zones: [&str; 2], public: [&str; 2]| json!({ "name": "n", "zones": zones, "public_subnets": public, "private_subnets": [] });
        let one = zones(with(["us-east-1b", "us-east-1a"], ["10.0.9.0/24", "10.0.8.0/24"])).expect("zones");
        let other = zones(with(["us-east-1a", "us-east-1b"], ["10.0.8.0/24", "10.0.9.0/24"])).expect("zones");
        assert_eq!(one, other);
        let keys: BTreeSet<_> = one.iter().map(|zone| (zone.key.as_str(), zone.public.as_str())).collect();
        assert_eq!(keys, BTreeSet::from([("a", "10.0.8.0/24"), ("b", "10.0.9.0/24")]));
        assert!(one.iter().all(|zone| zone.private.is_none()));
        let stated = zones(json!({
            "name": "n",
            "subnets": { "us-east-1-bos-1a": { "public": "10.0.7.0/24" }, "us-east-1c": { "public": "10.0.8.0/24", "private": "10.0.9.0/24" } },
        }))
        .expect("zones");
        let keys: Vec<_> = stated.iter().map(|zone| zone.key.as_str()).collect();
        assert_eq!(keys, ["c", "us-east-1-bos-1a"]);
    }

    #[test]
    fn the_single_nat_gateway_may_be_given_a_zone() {
        let with = |zone: &str| json!({ "name": "n", "zones": ["us-east-1a", "us-east-1b"], "nat_zone": zone });
        let all = zones(with("us-east-1b")).expect("zones");
        let of = |zone: &str| single_nat(&config(with(zone)), &all).map(|zone| zone.key.clone()).map_err(|_| ());
        assert_eq!((of("us-east-1b"), of("us-east-1c")), (Ok("b".to_owned()), Err(())));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (with, words) in [
            (json!({ "zones": ["us-east-1a", "us-east-1a"] }), "names zone a twice"),
            (json!({ "zones": [] }), "there is no zone"),
            (json!({ "zones": ["eu-west-1a"] }), "is not a zone of us-east-1; one is named us-east-1a"),
            (json!({ "zones": ["use1-az1"] }), "is not a zone of us-east-1"),
            (json!({ "zones": ["us-east-1a"], "azs": 2 }), "leave azs out"),
            (json!({ "zones": ["us-east-1-bos-1a"] }), "state them in subnets"),
            (json!({ "zones": ["us-east-1f"], "cidr": "10.0.0.0/25" }), "zones a to d, and not of zone f"),
            (json!({ "azs": 3, "public_subnets": ["10.0.1.0/24"] }), "public_subnets has 1 ranges for 3 zones"),
            (json!({ "subnets": {}, "zones": ["us-east-1a"] }), "leave zones out"),
            (json!({ "subnets": {}, "azs": 1 }), "leave azs"),
        ] {
            let mut with = with;
            with["name"] = "n".into();
            let message = zones(with.clone()).expect_err("it is refused");
            assert!(message.contains(words), "{with}: {message}");
        }
    }
}
