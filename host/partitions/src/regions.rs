//! The regions of each partition.

/// A region.
#[derive(Debug, PartialEq, Eq)]
pub struct Region {
    /// `us-east-1`.
    pub name: &'static str,
    /// Whether EKS is offered there.
    pub eks: bool,
}

const fn with_eks(name: &'static str) -> Region {
    Region { name, eks: true }
}

const fn without_eks(name: &'static str) -> Region {
    Region { name, eks: false }
}

pub(crate) const AWS: &[Region] = &[
    with_eks("af-south-1"),
    with_eks("ap-east-1"),
    with_eks("ap-east-2"),
    with_eks("ap-northeast-1"),
    with_eks("ap-northeast-2"),
    with_eks("ap-northeast-3"),
    with_eks("ap-south-1"),
    with_eks("ap-south-2"),
    with_eks("ap-southeast-1"),
    with_eks("ap-southeast-2"),
    with_eks("ap-southeast-3"),
    with_eks("ap-southeast-4"),
    with_eks("ap-southeast-5"),
    with_eks("ap-southeast-6"),
    with_eks("ap-southeast-7"),
    with_eks("ca-central-1"),
    with_eks("ca-west-1"),
    with_eks("eu-central-1"),
    with_eks("eu-central-2"),
    with_eks("eu-north-1"),
    with_eks("eu-south-1"),
    with_eks("eu-south-2"),
    with_eks("eu-west-1"),
    with_eks("eu-west-2"),
    with_eks("eu-west-3"),
    with_eks("il-central-1"),
    with_eks("me-central-1"),
    with_eks("me-south-1"),
    without_eks("me-west-1"),
    with_eks("mx-central-1"),
    with_eks("sa-east-1"),
    without_eks("sa-west-1"),
    with_eks("us-east-1"),
    with_eks("us-east-2"),
    with_eks("us-west-1"),
    with_eks("us-west-2"),
];
pub(crate) const CHINA: &[Region] = &[with_eks("cn-north-1"), with_eks("cn-northwest-1")];
pub(crate) const GOVERNMENT: &[Region] = &[with_eks("us-gov-east-1"), with_eks("us-gov-west-1")];
pub(crate) const SOVEREIGN: &[Region] = &[with_eks("eusc-de-east-1")];
pub(crate) const ISO: &[Region] = &[with_eks("us-iso-east-1"), with_eks("us-iso-west-1")];
pub(crate) const ISO_B: &[Region] = &[with_eks("us-isob-east-1"), with_eks("us-isob-west-1")];
pub(crate) const ISO_E: &[Region] = &[with_eks("eu-isoe-west-1")];
pub(crate) const ISO_F: &[Region] = &[with_eks("us-isof-east-1"), with_eks("us-isof-south-1")];
