//! What a person waits for: how long things usually take in AWS, and what costs money while it exists.

use llmhost_engine::run::Operation;

/// How long an operation usually takes, in words: "8 to 12 min". Nothing where it takes seconds, or where nobody can say.
///
/// The times are those that users of these services see; AWS promises none.
pub fn usually(kind: &str, operation: Operation) -> Option<&'static str> {
    use Operation::{Adopt, Create, Delete, Detach, Finish, Update};
    let is_made = matches!(operation, Create | Finish | Adopt);
    Some(match (kind, operation) {
        ("eks.cluster", _) if is_made => "8 to 12 min",
        ("eks.cluster", Update) => "2 to 12 min",
        ("eks.cluster", Delete) => "2 to 5 min",
        ("eks.node-group", _) if is_made => "2 to 5 min",
        ("eks.node-group", Update) => "3 to 15 min",
        ("eks.node-group", Delete) => "3 to 8 min",
        ("eks.fargate-profile", _) if is_made => "1 to 3 min",
        ("eks.fargate-profile", Delete) => "1 to 4 min",
        ("eks.addon", Detach | Delete) => "under 1 min",
        ("eks.addon", _) => "1 to 3 min",
        ("ec2.nat-gateway", _) if is_made => "1 to 3 min",
        ("ec2.nat-gateway", Delete) => "1 to 2 min",
        ("ec2.interface-endpoint", _) if is_made => "1 to 3 min",
        ("ec2.interface-endpoint", Delete) => "1 to 3 min",
        _ => return None,
    })
}

/// Whether a resource of this kind costs money for as long as it exists, or may: of a type of Cloud Control, only AWS can tell.
pub fn is_billed(kind: &str) -> bool {
    matches!(
        kind,
        "eks.cluster"
            | "eks.node-group"
            | "eks.fargate-profile"
            | "ec2.nat-gateway"
            | "ec2.elastic-ip"
            | "ec2.interface-endpoint"
            | "s3.bucket"
            | "cloud-control.entity"
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Aws, AwsSettings, registry};

    #[test]
    fn every_kind_of_the_tables_exists() {
        let registry = registry(Arc::new(Aws::new(AwsSettings::default())));
        for kind in [
            "eks.cluster",
            "eks.node-group",
            "eks.fargate-profile",
            "eks.addon",
            "ec2.nat-gateway",
            "ec2.interface-endpoint",
        ] {
            assert!(registry.kind(kind).is_some(), "{kind}");
            assert!(usually(kind, Operation::Create).is_some() && usually(kind, Operation::Delete).is_some(), "{kind}");
        }
        for kind in ["ec2.elastic-ip", "s3.bucket", "cloud-control.entity"] {
            assert!(registry.kind(kind).is_some() && is_billed(kind), "{kind}");
        }
        assert_eq!(usually("ec2.vpc", Operation::Create), None);
        assert!(!is_billed("ec2.vpc"));
    }
}
