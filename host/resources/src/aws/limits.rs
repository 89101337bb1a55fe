//! Limits of the services behind the kinds, in one place, each with where AWS documents it.
//!
//! A fixed limit holds for everybody: kinds check it when a resource is declared. A [`Quota`] can be
//! raised for an account: the checks before a run compare a plan with its default, or with the
//! account's own value where AWS may be asked.

use llmhost_engine::unknown::{self, Piece};

/// Characters of a managed policy, white space not counted.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub const MANAGED_POLICY: usize = 6144;
/// Characters of all inline policies of a role together, white space not counted. Same page.
pub(super) const INLINE_POLICIES: usize = 10_240;
/// Characters of the description of a role or policy. Same page, and the API's pattern.
const IAM_DESCRIPTION: usize = 1000;
/// Characters of a path. Same page.
pub(super) const IAM_PATH: usize = 512;
/// Audiences of an OIDC provider, and the length of each and of its address.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html>
pub(super) const OIDC_CLIENTS: usize = 100;
/// See [`OIDC_CLIENTS`].
pub(super) const OIDC_LENGTH: usize = 255;

/// Characters of a security group's name and description, and of a rule's description.
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html>
pub(super) const GROUP_TEXT: usize = 255;
/// Security groups of a network interface, however far the quota is raised.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
pub(super) const INTERFACE_GROUPS: usize = 16;
/// Bytes of user data before they are encoded.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html>
pub(super) const USER_DATA: usize = 16 * 1024;
/// Network cards of an instance.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/using-eni.html>
pub(super) const NETWORK_CARDS: i32 = 32;
/// IOPS and MiB/s of a gp3 volume, and how many of each its size and IOPS allow.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html>
pub(super) const GP3_IOPS: (i32, i32) = (3000, 80_000);
/// See [`GP3_IOPS`].
pub(super) const GP3_IOPS_PER_GIB: i32 = 500;
/// See [`GP3_IOPS`].
pub(super) const GP3_MIBPS: (i32, i32) = (125, 2000);

/// Security groups that a cluster takes beside its own, and ranges of its public endpoint: neither can be raised.
/// <https://docs.aws.amazon.com/general/latest/gr/eks.html>
pub(super) const CLUSTER_GROUPS: usize = 4;
/// See [`CLUSTER_GROUPS`].
pub(super) const ENDPOINT_RANGES: usize = 40;
/// Taints of a node group.
/// <https://docs.aws.amazon.com/eks/latest/userguide/node-taints-managed-node-groups.html>
pub(super) const TAINTS: usize = 50;
/// Selectors of a Fargate profile, and labels of each.
/// <https://docs.aws.amazon.com/eks/latest/userguide/fargate-profile.html>
pub(super) const FARGATE_SELECTORS: usize = 5;
/// Addresses that EKS needs free in each subnet of a cluster.
/// <https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html>
pub(super) const CLUSTER_ADDRESSES: i32 = 6;
/// Zones, by id, that take no subnets of a cluster's control plane. Same page. A zone's name differs from account to account.
pub(super) const NOT_FOR_CLUSTERS: [&str; 3] = ["use1-az3", "usw1-az2", "cac1-az3"];

/// Rules of a bucket's lifecycle configuration.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html>
pub(super) const LIFECYCLE_RULES: usize = 1000;
/// Bytes of an object's key, and so of a prefix.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
pub(super) const KEY_BYTES: usize = 1024;

/// A limit that an account can have raised.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Quota {
    /// As Service Quotas names it.
    pub(super) name: &'static str,
    /// Its service and its code in Service Quotas.
    pub(super) service: &'static str,
    /// See `service`.
    pub(super) code: &'static str,
    /// What an account has that never asked for more.
    pub(super) default: u64,
    /// What nobody gets more than, where AWS says so.
    pub(super) most: Option<u64>,
    /// The key of `iam:GetAccountSummary`: Service Quotas knows IAM's quotas in one region alone.
    pub(super) summary: Option<&'static str>,
}

const fn quota(service: &'static str, code: &'static str, name: &'static str, default: u64) -> Quota {
    Quota { name, service, code, default, most: None, summary: None }
}

const fn iam(code: &'static str, name: &'static str, default: u64, most: u64, summary: &'static str) -> Quota {
    Quota { name, service: "iam", code, default, most: Some(most), summary: Some(summary) }
}

// <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
pub(super) static VPCS: Quota = quota("vpc", "L-F678F1CE", "VPCs per Region", 5);
pub(super) static SUBNETS: Quota = quota("vpc", "L-407747CB", "Subnets per VPC", 200);
pub(super) static INTERNET_GATEWAYS: Quota = quota("vpc", "L-A4707A72", "Internet gateways per Region", 5);
pub(super) static NAT_GATEWAYS: Quota = quota("vpc", "L-FE5A380F", "NAT gateways per Availability Zone", 5);
pub(super) static ADDRESSES: Quota = quota("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", 5);
pub(super) static ROUTE_TABLES: Quota = quota("vpc", "L-589F43AA", "Route tables per VPC", 200);
pub(super) static ENDPOINTS: Quota = quota("vpc", "L-1B52E74A", "Gateway VPC endpoints per Region", 20);
pub(super) static INTERFACE_ENDPOINTS: Quota = quota("vpc", "L-29B6F2EB", "Interface VPC endpoints per VPC", 50);
/// The first one counts as well.
pub(super) static VPC_RANGES: Quota = quota("vpc", "L-83CA0A9D", "IPv4 CIDR blocks per VPC", 5);
pub(super) static EGRESS_GATEWAYS: Quota = quota("vpc", "L-45FE3B85", "Egress-only internet gateways per Region", 5);
pub(super) static GROUPS: Quota = quota("vpc", "L-E79EC296", "VPC security groups per Region", 2500);
/// Rules in one direction. What they and the groups of an interface multiply to is 1,000 at most.
pub(super) static RULES: Quota =
    Quota { most: Some(1000), ..quota("vpc", "L-0EA8095F", "Inbound or outbound rules per security group", 60) };
pub(super) static GROUPS_PER_INTERFACE: Quota =
    Quota { most: Some(16), ..quota("vpc", "L-2AFB9258", "Security groups per network interface", 5) };
// <https://docs.aws.amazon.com/general/latest/gr/eks.html>
pub(super) static CLUSTERS: Quota = quota("eks", "L-1194D53C", "Clusters", 100);
pub(super) static NODE_GROUPS: Quota = quota("eks", "L-6D54EA21", "Managed node groups per cluster", 30);
pub(super) static NODES: Quota = quota("eks", "L-BD136A63", "Nodes per managed node group", 450);
// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
pub(super) static ROLES: Quota = iam("L-FE177D64", "Roles per account", 1000, 10_000, "RolesQuota");
pub(super) static POLICIES: Quota =
    iam("L-E95E4862", "Customer managed policies per account", 1500, 10_000, "PoliciesQuota");
pub(super) static PROFILES: Quota =
    iam("L-6E65F664", "Instance profiles per account", 1000, 10_000, "InstanceProfilesQuota");
pub(super) static POLICIES_PER_ROLE: Quota =
    iam("L-0DA4ABF3", "Managed policies per role", 10, 25, "AttachedPoliciesPerRoleQuota");
/// In characters.
pub(super) static TRUST_POLICY: Quota =
    iam("L-C07B4B0D", "Role trust policy length", 2048, 8192, "AssumeRolePolicySizeQuota");

/// Characters as IAM counts them: without white space. What only applying can tell counts as none, so that this is
/// the least.
pub(super) fn counted(text: &str) -> usize {
    let known = unknown::pieces(text).map(|piece| match piece {
        Piece::Text(text) => text.chars().filter(|c| !c.is_whitespace()).count(),
        Piece::Token(_) => 0,
    });
    known.sum()
}

/// Refuses what has more characters than IAM takes. `what` and `most_of` are the two ends of the sentence.
pub(super) fn check_length(what: &str, length: usize, most: usize, most_of: &str, fix: &str) -> Result<(), String> {
    match length.checked_sub(most).filter(|over| *over > 0) {
        None => Ok(()),
        Some(over) => Err(format!(
            "{what} {length} characters, white space not counted: {over} more than the {most} that IAM allows {most_of}. {fix}"
        )),
    }
}

/// Checks the description of a role or a policy.
pub(super) fn check_iam_description(text: &str) -> Result<(), String> {
    let length = text.chars().count();
    if length > IAM_DESCRIPTION {
        return Err(format!("the description has {length} characters; IAM allows {IAM_DESCRIPTION}"));
    }
    let allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{a1}'..='\u{ff}');
    match text.chars().find(|c| !allowed(*c)) {
        Some(bad) => Err(format!("the description has the character '{bad}', which IAM does not allow there")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use llmhost_engine::unknown;

    use super::*;

    #[test]
    fn characters_are_counted_without_white_space_and_without_what_is_not_known() {
        let token = unknown::output(&"a/s3.bucket/b".parse().expect("an address"), "arn");
        assert_eq!(counted("{ \"a\":\t\"b c\" }\n"), 10);
        assert_eq!(counted(&format!("arn:{token}/*")), 6);
    }

    #[test]
    fn a_length_is_fine_up_to_the_limit_and_says_by_how_much_it_is_over() {
        let check = |length| check_length("it has", length, 10, "in a test", "Shorten it.");
        assert_eq!((check(9), check(10)), (Ok(()), Ok(())));
        let error = check(13).expect_err("over");
        assert_eq!(
            error,
            "it has 13 characters, white space not counted: 3 more than the 10 that IAM allows in a test. Shorten it."
        );
    }

    #[test]
    fn a_description_has_a_thousand_characters_of_latin_1() {
        for (text, wrong) in
            [("é".repeat(1000), None), ("a".repeat(1001), Some("1001 characters")), ("für 東".to_owned(), Some("'東'"))]
        {
            let found = check_iam_description(&text);
            match wrong {
                None => assert_eq!(found, Ok(())),
                Some(words) => assert!(found.as_ref().is_err_and(|e| e.contains(words)), "{found:?}"),
            }
        }
    }
}
