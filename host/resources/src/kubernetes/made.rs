//! What the objects of a cluster had made outside of it: load balancers and volumes.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolume, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{Api, DeleteParams, ListParams};
use kube::{Client, ResourceExt};
use llmhost_engine::kind::{ErrorClass, OpError};

use super::errors::Described;
use super::object::Target;
use crate::aws::Aws;

/// An API server that does not answer must not hold up a destroy.
const PATIENCE: Duration = Duration::from_secs(20);
/// The driver of EBS volumes.
const DRIVER: &str = "ebs.csi.aws.com";
/// Finalizers of ingresses that have a load balancer of AWS begin so.
const INGRESS_FINALIZER: &str = "ingress.k8s.aws/";

/// What the objects of a cluster had made outside of it.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// Services and ingresses that have a load balancer made.
    pub(crate) balanced: Vec<Balanced>,
    /// EBS volumes by their ids.
    pub(crate) volumes: BTreeMap<String, Claimed>,
}

/// An object that has a load balancer made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Balanced {
    pub(crate) is_ingress: bool,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// Who claimed a volume, and what becomes of it without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claimed {
    /// `namespace/name` of the claim, where there is one.
    pub(crate) by: Option<String>,
    /// Whether its reclaim policy is Delete.
    pub(crate) goes: bool,
}

impl Balanced {
    /// `service` or `ingress`.
    pub(crate) fn what(&self) -> &'static str {
        if self.is_ingress { "ingress" } else { "service" }
    }

    /// `namespace/name`
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// Asks a cluster what its objects had made; nothing where the cluster is gone.
pub(crate) async fn made(aws: &Aws, cluster: &str) -> Result<Option<Made>, OpError> {
    within(async {
        let Some(client) = client(aws, cluster).await? else { return Ok(None) };
        let all = ListParams::default();
        let services: Api<Service> = Api::all(client.clone());
        let services = services.list(&all).await.described("kube:list services")?;
        let ingresses: Api<Ingress> = Api::all(client.clone());
        let ingresses = ingresses.list(&all).await.described("kube:list ingresses")?;
        let volumes: Api<PersistentVolume> = Api::all(client);
        let volumes = volumes.list(&all).await.described("kube:list persistentvolumes")?;
        let is_balanced = |service: &&Service| {
            service.spec.as_ref().is_some_and(|spec| spec.type_.as_deref() == Some("LoadBalancer"))
        };
        let balanced = |is_ingress, object: &dyn Named| {
            let (namespace, name) = object.named();
            Balanced { is_ingress, namespace, name }
        };
        let mut made = Made::default();
        made.balanced.extend(services.iter().filter(is_balanced).map(|service| balanced(false, service)));
        let has_balancer =
            |ingress: &&Ingress| ingress.finalizers().iter().any(|one| one.starts_with(INGRESS_FINALIZER));
        made.balanced.extend(ingresses.iter().filter(has_balancer).map(|ingress| balanced(true, ingress)));
        made.volumes.extend(volumes.iter().filter_map(claimed));
        Ok(Some(made))
    })
    .await
}

/// Deletes an object, so that the cluster's controllers take its load balancer away. They may need
/// a while. Already gone is success.
pub(crate) async fn let_go(aws: &Aws, cluster: &str, object: &Balanced) -> Result<(), OpError> {
    within(async {
        let Some(client) = client(aws, cluster).await? else { return Ok(()) };
        let params = DeleteParams::background();
        let result = if object.is_ingress {
            let api: Api<Ingress> = Api::namespaced(client, &object.namespace);
            api.delete(&object.name, &params).await.map(drop)
        } else {
            let api: Api<Service> = Api::namespaced(client, &object.namespace);
            api.delete(&object.name, &params).await.map(drop)
        };
        match result.described(&format!("kube:delete {}", object.what())) {
            Err(error) if error.class == ErrorClass::NotFound => Ok(()),
            other => other,
        }
    })
    .await
}

async fn client(aws: &Aws, cluster: &str) -> Result<Option<Client>, OpError> {
    aws.kubernetes.client(aws, &Target::Eks(cluster.to_owned())).await
}

async fn within<T>(work: impl Future<Output = Result<T, OpError>>) -> Result<T, OpError> {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| {
        let message = format!("the API server did not answer within {} seconds", PATIENCE.as_secs());
        Err(OpError { class: ErrorClass::Unreachable, ..OpError::local("kube:list", message) })
    })
}

trait Named {
    fn named(&self) -> (String, String);
}

impl<R: kube::Resource> Named for R {
    fn named(&self) -> (String, String) {
        (self.namespace().unwrap_or_default(), self.name_any())
    }
}

/// The EBS volume behind a persistent volume.
fn claimed(volume: &PersistentVolume) -> Option<(String, Claimed)> {
    let spec = volume.spec.as_ref()?;
    let csi = spec.csi.as_ref().filter(|csi| csi.driver == DRIVER).map(|csi| csi.volume_handle.clone());
    let in_tree = || spec.aws_elastic_block_store.as_ref().map(|source| source.volume_id.clone());
    // Old ones are written aws://zone/vol-1.
    let id = csi.or_else(in_tree)?.rsplit('/').next().unwrap_or_default().to_owned();
    let claim = spec.claim_ref.as_ref();
    let by = claim.map(|claim| {
        format!("{}/{}", claim.namespace.as_deref().unwrap_or_default(), claim.name.as_deref().unwrap_or_default())
    });
    let goes = spec.persistent_volume_reclaim_policy.as_deref() == Some("Delete");
    id.starts_with("vol-").then_some((id, Claimed { by, goes }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn volumes_of_ebs_are_known_by_their_id_and_go_only_where_their_policy_says_so() {
        let volume =
            |spec| serde_json::from_value(json!({ "metadata": { "name": "pv" }, "spec": spec })).expect("a volume");
        let csi = |driver: &str| json!({ "driver": driver, "volumeHandle": "vol-1" });
        for (spec, expected) in [
            (
                json!({ "csi": csi(DRIVER), "persistentVolumeReclaimPolicy": "Delete", "claimRef": { "namespace": "a", "name": "b" } }),
                Some(("vol-1", Some("a/b"), true)),
            ),
            (json!({ "csi": csi(DRIVER), "persistentVolumeReclaimPolicy": "Retain" }), Some(("vol-1", None, false))),
            (json!({ "csi": csi(DRIVER) }), Some(("vol-1", None, false))),
            (
                json!({ "awsElasticBlockStore": { "volumeID": "aws://us-east-1a/vol-2" }, "persistentVolumeReclaimPolicy": "Delete" }),
                Some(("vol-2", None, true)),
            ),
            (json!({ "csi": csi("efs.csi.aws.com"), "persistentVolumeReclaimPolicy": "Delete" }), None),
            (json!({ "hostPath": { "path": "/x" } }), None),
        ] {
            let found = claimed(&volume(spec.clone()));
            let expected = expected.map(|(id, by, goes)| (id.to_owned(), Claimed { by: by.map(str::to_owned), goes }));
            assert_eq!(found, expected, "{spec}");
        }
    }
}
