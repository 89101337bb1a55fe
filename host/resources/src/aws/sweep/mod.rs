//! What a cluster makes by itself and no state knows: load balancers with their target groups and
//! security groups, network interfaces that the CNI left, volumes.
//!
//! Three moments matter. Before a destroy everything is looked for and shown ([`foresee`]). While the
//! API server still answers, the objects that own load balancers are deleted, so that the controllers
//! that made these take them away; and each volume is marked with what its reclaim policy says, which
//! only the API server knows ([`release`]). When the cluster is gone, what is left is removed by calls
//! to AWS ([`sweep`]).
//!
//! Only what carries the cluster's tags as owned, in the cluster's own VPC, is touched.

mod find;
mod owner;
mod release;
mod remove;

pub(super) use find::foresee;
pub(super) use owner::Owner;
pub(super) use release::release;
pub(super) use remove::sweep;

/// Actions that looking needs; IAM narrows none of them.
pub(super) const LOOKS: [&str; 8] = [
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSubnets",
    "ec2:DescribeVolumes",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTags",
    "elasticloadbalancing:DescribeTargetGroups",
];
/// Actions that removing needs in EC2.
pub(super) const REMOVES: [&str; 5] = [
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteSecurityGroup",
    "ec2:DeleteVolume",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
];
/// Actions that removing load balancers needs.
pub(super) const REMOVES_BALANCERS: [&str; 2] =
    ["elasticloadbalancing:DeleteLoadBalancer", "elasticloadbalancing:DeleteTargetGroup"];
