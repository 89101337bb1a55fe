//! AWS's partitions: the one table of what differs between them.
//!
//! A partition is a group of regions with an IAM of its own. ARNs, host names and some service
//! principals differ from one to the next, and nothing crosses from one to another. The facts come
//! from the SDKs' `partitions.json` and `endpoints.json`, and from the trust policies that EKS asks for.

mod regions;

pub use regions::Region;

/// What differs between one partition and the others.
#[derive(Debug, PartialEq, Eq)]
pub struct Partition {
    /// As ARNs have it: `aws-cn` in `arn:aws-cn:iam::…`.
    pub id: &'static str,
    /// What its regions begin with: `cn-`.
    prefixes: &'static [&'static str],
    /// The domain of its endpoints: `eks.cn-north-1.amazonaws.com.cn`.
    pub dns_suffix: &'static str,
    /// The domain of EC2's service principal. Other services that llmhost names have `amazonaws.com`
    /// everywhere.
    ec2_principal: &'static str,
    /// The audiences that tokens of an EKS cluster's service accounts may have.
    pub web_identity_audiences: &'static [&'static str],
    /// The host of its web console.
    pub console: &'static str,
    /// Its regions.
    pub regions: &'static [Region],
}

const STS: &[&str] = &["sts.amazonaws.com"];

/// Every partition. The first one is where a region belongs that no other one claims.
pub const ALL: &[Partition] = &[
    Partition {
        id: "aws",
        prefixes: &["us-", "eu-", "ap-", "sa-", "ca-", "me-", "af-", "il-", "mx-"],
        dns_suffix: "amazonaws.com",
        ec2_principal: "amazonaws.com",
        web_identity_audiences: STS,
        console: "console.aws.amazon.com",
        regions: regions::AWS,
    },
    Partition {
        id: "aws-cn",
        prefixes: &["cn-"],
        dns_suffix: "amazonaws.com.cn",
        ec2_principal: "amazonaws.com.cn",
        // EKS's webhook asks for the first unless a service account says otherwise; AWS's documents for
        // China name the second. Both mean STS.
        web_identity_audiences: &["sts.amazonaws.com", "sts.amazonaws.com.cn"],
        console: "console.amazonaws.cn",
        regions: regions::CHINA,
    },
    Partition {
        id: "aws-us-gov",
        prefixes: &["us-gov-"],
        dns_suffix: "amazonaws.com",
        ec2_principal: "amazonaws.com",
        web_identity_audiences: STS,
        console: "console.amazonaws-us-gov.com",
        regions: regions::GOVERNMENT,
    },
    Partition {
        id: "aws-eusc",
        prefixes: &["eusc-"],
        dns_suffix: "amazonaws.eu",
        // IAM refuses ec2.amazonaws.eu as a principal.
        ec2_principal: "amazonaws.com",
        web_identity_audiences: STS,
        console: "console.amazonaws-eusc.eu",
        regions: regions::SOVEREIGN,
    },
    Partition {
        id: "aws-iso",
        prefixes: &["us-iso-"],
        dns_suffix: "c2s.ic.gov",
        ec2_principal: "c2s.ic.gov",
        web_identity_audiences: STS,
        console: "console.c2shome.ic.gov",
        regions: regions::ISO,
    },
    Partition {
        id: "aws-iso-b",
        prefixes: &["us-isob-"],
        dns_suffix: "sc2s.sgov.gov",
        ec2_principal: "sc2s.sgov.gov",
        web_identity_audiences: STS,
        console: "console.sc2shome.sgov.gov",
        regions: regions::ISO_B,
    },
    Partition {
        id: "aws-iso-e",
        prefixes: &["eu-isoe-"],
        dns_suffix: "cloud.adc-e.uk",
        ec2_principal: "amazonaws.com",
        web_identity_audiences: STS,
        console: "console.cloud.adc-e.uk",
        regions: regions::ISO_E,
    },
    Partition {
        id: "aws-iso-f",
        prefixes: &["us-isof-"],
        dns_suffix: "csp.hci.ic.gov",
        ec2_principal: "amazonaws.com",
        web_identity_audiences: STS,
        console: "console.csp.hci.ic.gov",
        regions: regions::ISO_F,
    },
];

/// The partition of a region; of one that no partition claims, the first.
pub fn of(region: &str) -> &'static Partition {
    // `us-gov-` begins like `us-`, so the longest prefix tells.
    let claims =
        ALL.iter().flat_map(|partition| partition.prefixes.iter().map(move |prefix| (prefix.len(), partition, prefix)));
    let claim = claims.filter(|(_, _, prefix)| region.starts_with(**prefix)).max_by_key(|(length, ..)| *length);
    claim.map_or(&ALL[0], |(_, partition, _)| partition)
}

/// The partition of an ARN or of this name.
pub fn named(id: &str) -> Option<&'static Partition> {
    ALL.iter().find(|partition| partition.id == id)
}

/// A region, where it is known.
pub fn region(name: &str) -> Option<&'static Region> {
    ALL.iter().flat_map(|partition| partition.regions).find(|region| region.name == name)
}

impl Partition {
    /// The principal of a service in trust policies: `ec2` is `ec2.amazonaws.com.cn` in China.
    pub fn service_principal(&self, service: &str) -> String {
        let domain = if service == "ec2" { self.ec2_principal } else { "amazonaws.com" };
        format!("{service}.{domain}")
    }

    /// The host of a regional service.
    pub fn host(&self, service: &str, region: &str) -> String {
        format!("{service}.{region}.{}", self.dns_suffix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_tells_its_partition_and_what_differs_there() {
        for (region, id, sts, ec2) in [
            ("us-east-1", "aws", "sts.us-east-1.amazonaws.com", "ec2.amazonaws.com"),
            ("eu-west-3", "aws", "sts.eu-west-3.amazonaws.com", "ec2.amazonaws.com"),
            ("cn-north-1", "aws-cn", "sts.cn-north-1.amazonaws.com.cn", "ec2.amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "sts.us-gov-west-1.amazonaws.com", "ec2.amazonaws.com"),
            ("eusc-de-east-1", "aws-eusc", "sts.eusc-de-east-1.amazonaws.eu", "ec2.amazonaws.com"),
            ("us-iso-east-1", "aws-iso", "sts.us-iso-east-1.c2s.ic.gov", "ec2.c2s.ic.gov"),
            ("us-isob-east-1", "aws-iso-b", "sts.us-isob-east-1.sc2s.sgov.gov", "ec2.sc2s.sgov.gov"),
            ("eu-isoe-west-1", "aws-iso-e", "sts.eu-isoe-west-1.cloud.adc-e.uk", "ec2.amazonaws.com"),
            ("us-isof-south-1", "aws-iso-f", "sts.us-isof-south-1.csp.hci.ic.gov", "ec2.amazonaws.com"),
            ("nowhere-1", "aws", "sts.nowhere-1.amazonaws.com", "ec2.amazonaws.com"),
        ] {
            let partition = of(region);
            assert_eq!((partition.id, partition.host("sts", region)), (id, sts.to_owned()), "{region}");
            assert_eq!(partition.service_principal("ec2"), ec2, "{region}");
            assert_eq!(partition.service_principal("eks"), "eks.amazonaws.com", "{region}");
            assert_eq!(named(id), Some(partition));
        }
    }

    #[test]
    fn every_known_region_belongs_to_the_partition_that_lists_it() {
        for partition in ALL {
            assert!(!partition.regions.is_empty(), "{}", partition.id);
            for known in partition.regions {
                assert_eq!(of(known.name).id, partition.id, "{}", known.name);
                assert_eq!(region(known.name), Some(known));
            }
        }
    }
}
