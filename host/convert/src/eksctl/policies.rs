//! Policies that eksctl knows by a word.

use toml::Value;

use super::{list, table};

/// What a word stands for.
pub(crate) enum WellKnown {
    /// A managed policy of AWS, by its name with its path.
    Managed(&'static str),
    /// Statements.
    Statements(Vec<Value>),
}

/// A word of `wellKnownPolicies`.
pub(crate) fn well_known(word: &str) -> Option<WellKnown> {
    let statement = |actions: &[&str], resource: &str| {
        table([
            ("Effect", "Allow".into()),
            ("Action", list(actions.iter().map(|action| (*action).to_owned()))),
            ("Resource", resource.into()),
        ])
    };
    let zones = "arn:aws:route53:::hostedzone/*";
    Some(match word {
        "ebsCSIController" => WellKnown::Managed("service-role/AmazonEBSCSIDriverPolicy"),
        "efsCSIController" => WellKnown::Managed("service-role/AmazonEFSCSIDriverPolicy"),
        "imageBuilder" => WellKnown::Managed("AmazonEC2ContainerRegistryPowerUser"),
        "autoScaler" => WellKnown::Statements(vec![statement(
            &[
                "autoscaling:DescribeAutoScalingGroups",
                "autoscaling:DescribeAutoScalingInstances",
                "autoscaling:DescribeLaunchConfigurations",
                "autoscaling:DescribeScalingActivities",
                "autoscaling:DescribeTags",
                "autoscaling:SetDesiredCapacity",
                "autoscaling:TerminateInstanceInAutoScalingGroup",
                "ec2:DescribeImages",
                "ec2:DescribeInstanceTypes",
                "ec2:DescribeLaunchTemplateVersions",
                "ec2:GetInstanceTypesFromInstanceRequirements",
                "eks:DescribeNodegroup",
            ],
            "*",
        )]),
        "externalDNS" => WellKnown::Statements(vec![
            statement(&["route53:ChangeResourceRecordSets"], zones),
            statement(
                &["route53:ListHostedZones", "route53:ListResourceRecordSets", "route53:ListTagsForResources"],
                "*",
            ),
        ]),
        "certManager" => WellKnown::Statements(vec![
            statement(&["route53:GetChange"], "arn:aws:route53:::change/*"),
            statement(&["route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets"], zones),
            statement(&["route53:ListHostedZonesByName"], "*"),
        ]),
        _ => return None,
    })
}

/// A word of a node group's `withAddonPolicies` that a managed policy of AWS stands for.
pub(crate) fn of_nodes(word: &str) -> Option<&'static str> {
    Some(match word {
        "imageBuilder" => "AmazonEC2ContainerRegistryPowerUser",
        "ebs" => "service-role/AmazonEBSCSIDriverPolicy",
        "efs" => "service-role/AmazonEFSCSIDriverPolicy",
        "fsx" => "AmazonFSxFullAccess",
        "cloudWatch" => "CloudWatchAgentServerPolicy",
        "xRay" => "AWSXRayDaemonWriteAccess",
        "appMesh" => "AWSAppMeshFullAccess",
        _ => return None,
    })
}
