//! Whether a cluster knows a kind of object.

use kube::core::gvk::GroupVersionKind;
use serde_json::Value;

use super::clusters::is_unknown_kind;
use super::object::Target;
use crate::aws::Aws;

/// Whether a cluster that answers says that it has no such kind. One that cannot be asked may have it.
pub(crate) async fn lacks(aws: &Aws, target: &Value, group: &str, version: &str, kind: &str) -> bool {
    let Ok(target) = serde_json::from_value::<Target>(target.clone()) else { return false };
    let Ok(Some(client)) = aws.kubernetes.client(aws, &target).await else { return false };
    let found = aws.kubernetes.kind(&client, &target, &GroupVersionKind::gvk(group, version, kind)).await;
    found.is_err_and(|error| is_unknown_kind(&error))
}
