//! The table of prices.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use serde::Deserialize;

use crate::date::Date;

/// A table that is older than so many days is said to be old.
pub const OLD_DAYS: i64 = 180;

/// Made by `cargo xtask prices`.
const INSTANCES: &str = include_str!("../data/ec2.json");
/// Written by hand.
const SERVICES: &str = include_str!("../data/services.toml");

/// Prices for an hour, a month or a GB, in US dollars.
#[derive(Debug, Clone)]
pub struct Table {
    instances: Instances,
    services: Services,
    /// What AWS said just now, by type and region.
    asked: HashMap<(String, String), (f64, Date)>,
}

#[derive(Debug, Clone, Deserialize)]
struct Instances {
    sources: Vec<Source>,
    types: BTreeMap<String, HashMap<String, f64>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Source {
    as_of: Date,
    regions: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Services {
    as_of: Date,
    everywhere: HashMap<String, f64>,
    eks_standard_support: HashMap<String, Date>,
    regions: HashMap<String, HashMap<String, f64>>,
}

impl Table {
    /// The one of this version of llmhost.
    pub fn built_in() -> Self {
        static TABLE: LazyLock<Table> = LazyLock::new(|| Table {
            instances: serde_json::from_str(INSTANCES).expect("the tests read it"),
            services: toml::from_str(SERVICES).expect("the tests read it"),
            asked: HashMap::new(),
        });
        TABLE.clone()
    }

    /// With what AWS said of an instance type today.
    pub fn learn(&mut self, instance_type: &str, region: &str, hourly: f64) {
        self.asked.insert((instance_type.to_owned(), region.to_owned()), (hourly, Date::today()));
    }

    /// What an hour of an instance costs on demand with Linux, and when that was so.
    pub(crate) fn instance(&self, instance_type: &str, region: &str) -> Option<(f64, Date)> {
        let asked = self.asked.get(&(instance_type.to_owned(), region.to_owned()));
        let kept = || {
            let hourly = self.instances.types.get(instance_type)?.get(region)?;
            let source = self.instances.sources.iter().find(|source| source.regions.iter().any(|one| one == region))?;
            Some((*hourly, source.as_of))
        };
        asked.copied().or_else(kept)
    }

    /// A price of a service by its name in the table, and when that was so.
    pub(crate) fn service(&self, name: &str, region: &str) -> Option<(f64, Date)> {
        let of_region = self.services.regions.get(region)?;
        // What is the same everywhere is known where the region is.
        let price = of_region.get(name).or_else(|| self.services.everywhere.get(name))?;
        Some((*price, self.services.as_of))
    }

    /// Whether a version of Kubernetes has only extended support on EKS on a day.
    pub(crate) fn has_extended_support(&self, version: &str, today: Date) -> bool {
        self.services.eks_standard_support.get(version).is_some_and(|last| today > *last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_what_models_run_on_in_the_largest_regions() {
        let table = Table::built_in();
        let regions: Vec<&String> = table.services.regions.keys().collect();
        assert!(regions.len() >= 10, "{regions:?}");
        for region in &regions {
            for instance_type in ["t3.medium", "m5.large", "m6i.large", "c5.xlarge", "r6g.large"] {
                assert!(table.instance(instance_type, region).is_some(), "{instance_type} in {region}");
            }
            for service in
                ["nat_hour", "eks_cluster_hour", "gp3_gb_month", "endpoint_hour", "nlb_hour", "public_ipv4_hour"]
            {
                assert!(table.service(service, region).is_some(), "{service} in {region}");
            }
        }
        for (instance_type, hourly) in [("g4dn.xlarge", 0.526), ("g5.xlarge", 1.006), ("p5.48xlarge", 55.04)] {
            assert_eq!(table.instance(instance_type, "us-east-1").map(|found| found.0), Some(hourly));
        }
    }

    #[test]
    fn every_price_is_above_nothing_and_its_region_has_a_date() {
        let table = Table::built_in();
        let mut count = 0;
        for (instance_type, prices) in &table.instances.types {
            for (region, price) in prices {
                assert!(*price > 0.0 && *price < 1_000.0, "{instance_type} in {region}: {price}");
                assert!(table.instance(instance_type, region).is_some(), "{region} has no date");
                count += 1;
            }
        }
        assert!(count > 10_000, "{count}");
    }

    #[test]
    fn what_is_not_there_is_unknown_and_what_was_asked_counts_first() {
        let mut table = Table::built_in();
        assert_eq!(table.instance("p5e.48xlarge", "eu-north-1"), None);
        assert_eq!(table.service("eks_cluster_hour", "cn-north-1"), None);
        table.learn("p5e.48xlarge", "eu-north-1", 50.0);
        assert_eq!(table.instance("p5e.48xlarge", "eu-north-1").map(|found| found.0), Some(50.0));
    }
}
