//! The zones of the network, and the ranges of their subnets.
//!
//! A zone is known by its key: the letter of a zone of the region, the whole name of another (a Local Zone), the id where
//! the file states ids. Names of resources and ranges follow from it, and not from the zone's place in a list.

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
    /// Range of the public subnet, where it has one.
    pub(crate) public: Option<String>,
    /// Range of the private subnet, where it has one.
    pub(crate) private: Option<String>,
    /// Range of the subnet for pods, where it has one.
    pub(crate) pods: Option<String>,
}

impl Zone {
    /// Whether it has a subnet that the internet does not reach.
    pub(crate) fn has_inner(&self) -> bool {
        self.private.is_some() || self.pods.is_some()
    }
}

/// Which zone it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Place {
    /// The region's so many-th zone that is open to the account.
    Number(u32),
    /// The zone of this name.
    Named(String),
    /// The zone of this id.
    Id(String),
}

impl Place {
    /// The zone's name; AWS tells it of a number.
    pub(crate) fn name(&self) -> Result<String, Failure> {
        match self {
            Self::Number(number) => ec2::availability_zone(*number),
            Self::Named(name) => Ok(name.clone()),
            Self::Id(id) => ec2::zone_name(id),
        }
    }

    /// As the file has it, where it has it.
    fn written(&self) -> Option<&str> {
        match self {
            Self::Number(_) => None,
            Self::Named(text) | Self::Id(text) => Some(text),
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
            let places = names.iter().map(|name| key(name, region));
            listed(config, places.collect::<Result<_, Failure>>()?)?
        }
        (None, None) => {
            let count = config.azs.unwrap_or(2);
            let places = (0..count).map(|at| (ranges::letter(at).to_string(), Place::Number(at as u32)));
            listed(config, places.collect())?
        }
    };
    let ids = zones.iter().filter(|zone| matches!(zone.place, Place::Id(_))).count();
    if ids > 0 && ids < zones.len() {
        return Err(invalid(
            "some zones are given by name and some by id, and two of them could be the same; use only names, or \
                only ids",
        ));
    }
    zones.sort_by(|one, other| one.key.cmp(&other.key));
    if let Some(twice) = zones.windows(2).find(|pair| pair[0].key == pair[1].key) {
        return Err(invalid(format!("zones names zone {} twice; name it once", twice[0].key)));
    }
    if zones.is_empty() {
        return Err(invalid("there is no zone; set azs, or zones"));
    }
    Ok(zones)
}

/// The zones in the order of the file, where it lists them.
pub(crate) fn as_listed<'z>(config: &Config, zones: Vec<&'z Zone>) -> Vec<&'z Zone> {
    let mut zones = zones;
    let listed = config.zones.iter().flatten();
    let order: Vec<&str> = listed.map(String::as_str).collect();
    zones.sort_by_key(|zone| order.iter().position(|name| zone.place.written() == Some(*name)));
    zones
}

/// The zone whose NAT gateway all private subnets use where there is a single one.
pub(crate) fn single_nat<'z>(config: &Config, zones: &'z [Zone]) -> Result<&'z Zone, Failure> {
    let Some(wanted) = &config.nat_zone else {
        let good = |zone: &&Zone| zone.has_inner() && zone.public.is_some();
        let inner = || zones.iter().find(|zone| zone.has_inner());
        return Ok(zones.iter().find(good).or_else(inner).unwrap_or(&zones[0]));
    };
    if config.nat == Nat::None {
        return Err(invalid("nat_zone is set, and nat is \"none\"; remove one of them"));
    }
    let named = |zone: &&Zone| zone.place.written() == Some(wanted.as_str());
    zones.iter().find(named).ok_or_else(|| {
        invalid(format!("nat_zone '{wanted}' is not one of the zones that the step names in zones or subnets"))
    })
}

/// Zones whose ranges are stated with them.
fn by_subnets(config: &Config, subnets: &BTreeMap<String, ZoneRanges>, region: &str) -> Result<Vec<Zone>, Failure> {
    let lists = [&config.public_subnets, &config.private_subnets, &config.pod_subnets];
    if config.azs.is_some() || lists.into_iter().any(Option::is_some) {
        return Err(invalid(
            "subnets sets the ranges of every zone; remove azs, public_subnets, private_subnets and pod_subnets",
        ));
    }
    let zone = |(name, ranges): (&String, &ZoneRanges)| {
        let (key, place) = key(name, region)?;
        let ZoneRanges { public, private, pods } = ranges.clone();
        if public.is_none() && private.is_none() && pods.is_none() {
            return Err(invalid(format!("subnets has no range for {name}; set public, private or pods, or remove it")));
        }
        Ok(Zone { key, place, public, private, pods })
    };
    subnets.iter().map(zone).collect()
}

/// Zones in the order of the file, which `public_subnets` and `private_subnets` follow.
fn listed(config: &Config, places: Vec<(String, Place)>) -> Result<Vec<Zone>, Failure> {
    let count = places.len();
    for (what, ranges) in [
        ("public_subnets", &config.public_subnets),
        ("private_subnets", &config.private_subnets),
        ("pod_subnets", &config.pod_subnets),
    ] {
        let Some(ranges) = ranges else { continue };
        if ranges.len() != count && !ranges.is_empty() {
            return Err(invalid(format!(
                "{what} has {} ranges for {count} zones; set one for each zone, or [] for none",
                ranges.len()
            )));
        }
    }
    let stated = |ranges: &Option<Vec<String>>, at: usize| ranges.as_ref().map(|ranges| ranges.get(at).cloned());
    let mut zones = Vec::with_capacity(count);
    for (at, (key, place)) in places.into_iter().enumerate() {
        let (public, private) = match (stated(&config.public_subnets, at), stated(&config.private_subnets, at)) {
            (Some(public), Some(private)) => (public, private),
            (public, private) => {
                let (own_public, own_private) = ranges::of_slot(config.cidr(), slot(&key)?)?;
                (public.unwrap_or(Some(own_public)), private.unwrap_or(Some(own_private)))
            }
        };
        let pods = match (stated(&config.pod_subnets, at), config.secondary_cidrs.first()) {
            (Some(pods), _) => pods,
            (None, Some(range)) => Some(ranges::of_pods(range, slot(&key)?)?),
            (None, None) => None,
        };
        if public.is_none() && private.is_none() && pods.is_none() {
            return Err(invalid("public_subnets and private_subnets are both []; set ranges for one of them"));
        }
        zones.push(Zone { key, place, public, private, pods });
    }
    Ok(zones)
}

/// `us-east-1b` is `b` in us-east-1; a Local Zone such as `us-east-1-bos-1a` has its whole name, and an id such as
/// `use1-az1` is itself.
fn key(name: &str, region: &str) -> Result<(String, Place), Failure> {
    let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    let named = |key: &str| Ok((key.to_owned(), Place::Named(name.to_owned())));
    match name.strip_prefix(region) {
        Some(rest) if plain && rest.len() == 1 && rest.chars().all(|c| c.is_ascii_lowercase()) => return named(rest),
        Some(rest) if plain && rest.starts_with('-') => return named(name),
        _ => {}
    }
    let code = region_code(region);
    let number = name.rsplit_once("-az").filter(|(_, number)| number.parse::<u32>().is_ok());
    match (number, &code) {
        (Some(_), Some(code)) if plain && name.starts_with(&format!("{code}-")) => {
            Ok((name.to_owned(), Place::Id(name.to_owned())))
        }
        (Some(_), None) if plain => Ok((name.to_owned(), Place::Id(name.to_owned()))),
        (_, code) => {
            let id = code.as_ref().map(|code| format!(", or by its id {code}-az1")).unwrap_or_default();
            Err(invalid(format!("'{name}' is not a zone of {region}; one is named {region}a{id}")))
        }
    }
}

/// What ids of a region's zones begin with: `use1` in us-east-1, `usgw1` in us-gov-west-1. Nothing for partitions whose
/// ids this does not know.
fn region_code(region: &str) -> Option<String> {
    let parts: Vec<&str> = region.split('-').collect();
    let (area, number) = (parts.first()?, parts.last()?);
    let known = ["af", "ap", "ca", "cn", "eu", "il", "me", "mx", "sa", "us"];
    if !known.contains(area) || number.parse::<u32>().is_err() || parts[1].starts_with("iso") {
        return None;
    }
    let mut code = (*area).to_owned();
    for part in &parts[1..parts.len() - 1] {
        // `southeast` is `se`, and `gov` is `g`.
        let pair = ["north", "south"].into_iter().find_map(|start| {
            let rest = part.strip_prefix(start).filter(|rest| !rest.is_empty())?;
            Some(format!("{}{}", &start[..1], &rest[..1]))
        });
        code.push_str(&pair.unwrap_or_else(|| part[..1].to_owned()));
    }
    Some(code + number)
}

/// Where the ranges of a zone lie by default.
pub(crate) fn slot(key: &str) -> Result<usize, Failure> {
    let number = || key.rsplit_once("-az")?.1.parse::<usize>().ok()?.checked_sub(1);
    match (key.as_bytes(), number()) {
        ([letter @ b'a'..=b'z'], _) => Ok(usize::from(letter - b'a')),
        (_, Some(number)) if key.matches('-').count() == 1 && number < 26 => Ok(number),
        _ => Err(invalid(format!("the zone {key} has no default ranges; set them in subnets"))),
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
        let keys: BTreeSet<_> = one.iter().map(|zone| (zone.key.as_str(), zone.public.as_deref())).collect();
        assert_eq!(keys, BTreeSet::from([("a", Some("10.0.8.0/24")), ("b", Some("10.0.9.0/24"))]));
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
    fn zones_by_id_have_the_ranges_of_their_number_whatever_their_order() {
        let with = |ids: [&str; 2]| json!({ "name": "n", "zones": ids, "secondary_cidrs": ["100.64.0.0/16"] });
        let one = zones(with(["use1-az4", "use1-az1"])).expect("zones");
        assert_eq!(one, zones(with(["use1-az1", "use1-az4"])).expect("zones"));
        let found: Vec<_> =
            one.iter().map(|zone| (zone.key.as_str(), zone.public.as_deref(), zone.pods.as_deref())).collect();
        assert_eq!(
            found,
            [
                ("use1-az1", Some("10.0.1.0/24"), Some("100.64.0.0/19")),
                ("use1-az4", Some("10.0.7.0/24"), Some("100.64.96.0/19"))
            ]
        );
    }

    #[test]
    fn ids_of_zones_begin_with_the_code_of_their_region() {
        for (region, code) in [
            ("us-east-1", Some("use1")),
            ("eu-central-2", Some("euc2")),
            ("ap-southeast-2", Some("apse2")),
            ("ap-northeast-1", Some("apne1")),
            ("ap-south-1", Some("aps1")),
            ("us-gov-west-1", Some("usgw1")),
            ("cn-northwest-1", Some("cnnw1")),
            ("us-iso-east-1", None),
            ("eusc-de-east-1", None),
        ] {
            assert_eq!(region_code(region).as_deref(), code, "{region}");
        }
    }

    #[test]
    fn given_addresses_follow_the_zones_as_listed() {
        let config = config(json!({ "name": "n", "zones": ["us-east-1c", "us-east-1a"] }));
        let all = of(&config, "us-east-1").map_err(|_| ()).expect("zones");
        let keys: Vec<_> = as_listed(&config, all.iter().collect()).into_iter().map(|zone| zone.key.as_str()).collect();
        assert_eq!(keys, ["c", "a"]);
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (with, words) in [
            (json!({ "zones": ["us-east-1a", "us-east-1a"] }), "names zone a twice"),
            (json!({ "zones": [] }), "there is no zone"),
            (json!({ "zones": ["eu-west-1a"] }), "is not a zone of us-east-1; one is named us-east-1a"),
            (
                json!({ "zones": ["euw1-az1"] }),
                "is not a zone of us-east-1; one is named us-east-1a, or by its id use1-az1",
            ),
            (json!({ "zones": ["use1-az1", "us-east-1a"] }), "use only names, or only ids"),
            (json!({ "zones": ["use1-bos1-az1"] }), "set them in subnets"),
            (
                json!({ "zones": ["us-east-1i"], "secondary_cidrs": ["100.64.0.0/16"] }),
                "has pod ranges for zones a to h, and not for zone i",
            ),
            (json!({ "azs": 1, "public_subnets": [], "private_subnets": [] }), "are both []"),
            (json!({ "subnets": { "us-east-1a": {} } }), "subnets has no range for us-east-1a"),
            (json!({ "zones": ["us-east-1a"], "azs": 2 }), "leave azs out"),
            (json!({ "zones": ["us-east-1-bos-1a"] }), "set them in subnets"),
            (json!({ "zones": ["us-east-1f"], "cidr": "10.0.0.0/25" }), "zones a to d, and not of zone f"),
            (json!({ "azs": 3, "public_subnets": ["10.0.1.0/24"] }), "public_subnets has 1 ranges for 3 zones"),
            (json!({ "subnets": {}, "zones": ["us-east-1a"] }), "leave zones out"),
            (json!({ "subnets": {}, "azs": 1 }), "remove azs"),
        ] {
            let mut with = with;
            with["name"] = "n".into();
            let message = zones(with.clone()).expect_err("it is refused");
            assert!(message.contains(words), "{with}: {message}");
        }
    }
}
