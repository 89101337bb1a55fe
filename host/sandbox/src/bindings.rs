//! WIT on one side, the engine's [`Capabilities`](llmhost_engine::plugin::Capabilities) on the
//! other. A new kind of resource is one line of the table below and its WIT.

// The generated code has its documentation in WIT, and its own idea of what is public.
#![allow(missing_docs, unreachable_pub, clippy::all)]

use llmhost_engine::plugin::{Failure as EngineFailure, LogLevel};
use wasmtime::component::Resource;

use crate::state::{Declared, State};

/// Makes the bindings of all interfaces, and for each resource `declare`, the reading of its
/// outputs, `address` and the drop of its handle.
macro_rules! capabilities {
    ($($wit:tt => $interface:ident::$host:ident($spec:ident) [$($output:ident),*];)*) => {
        wasmtime::component::bindgen!({
            inline: "
                package llmhost:host@0.1.0;
                world guest {
                    include llmhost:plugin/step@0.1.0;
                    import llmhost:aws/ec2@0.1.0;
                    import llmhost:aws/s3@0.1.0;
                    import llmhost:aws/sts@0.1.0;
                    import llmhost:aws/iam@0.1.0;
                    import llmhost:aws/eks@0.1.0;
                    import llmhost:aws/cloud-control@0.1.0;
                    import llmhost:aws/request@0.1.0;
                    import llmhost:kubernetes/kube@0.1.0;
                    import llmhost:inference/inference@0.1.0;
                }
            ",
            path: ["../../wit/plugin/0.1.0", "../../wit/aws/0.1.0", "../../wit/kubernetes/0.1.0", "../../wit/inference/0.1.0"],
            world: "llmhost:host/guest",
            imports: { "llmhost:plugin/log": trappable, default: async | trappable },
            exports: { default: async },
            with: { $($wit: crate::state::Declared,)* },
            // Records become the engine's specs as serde's derive writes them.
            additional_derives: [serde::Serialize],
        });

        /// Every resource that a plugin can declare, by its full name in WIT.
        pub(crate) const RESOURCES: &[&str] = &[$($wit),*];

        $(impl $interface::$host for State {
            async fn declare(
                &mut self,
                name: String,
                spec: $interface::$spec,
                options: types::Options,
            ) -> wasmtime::Result<Result<Resource<Declared>, types::Failure>> {
                const KIND: &str = kind($wit);
                self.declare(KIND, &name, &spec, &options.after)
            }

            $(async fn $output(
                &mut self,
                this: Resource<Declared>,
            ) -> wasmtime::Result<Result<String, types::Failure>> {
                self.output(this, stringify!($output)).await
            })*

            async fn address(&mut self, this: Resource<Declared>) -> wasmtime::Result<String> {
                self.address(this)
            }

            async fn drop(&mut self, this: Resource<Declared>) -> wasmtime::Result<()> {
                self.forget(this)
            }
        })*
    };
}

capabilities! {
    "llmhost:aws/ec2.vpc" => ec2::HostVpc(VpcSpec) [id];
    "llmhost:aws/ec2.subnet" => ec2::HostSubnet(SubnetSpec) [id];
    "llmhost:aws/ec2.internet-gateway" => ec2::HostInternetGateway(InternetGatewaySpec) [id];
    "llmhost:aws/ec2.elastic-ip" => ec2::HostElasticIp(ElasticIpSpec) [allocation_id, public_ip];
    "llmhost:aws/ec2.nat-gateway" => ec2::HostNatGateway(NatGatewaySpec) [id];
    "llmhost:aws/ec2.route-table" => ec2::HostRouteTable(RouteTableSpec) [id];
    "llmhost:aws/ec2.route" => ec2::HostRoute(RouteSpec) [];
    "llmhost:aws/ec2.route-table-association" => ec2::HostRouteTableAssociation(RouteTableAssociationSpec) [id];
    "llmhost:aws/ec2.gateway-endpoint" => ec2::HostGatewayEndpoint(GatewayEndpointSpec) [id];
    "llmhost:aws/ec2.security-group" => ec2::HostSecurityGroup(SecurityGroupSpec) [id];
    "llmhost:aws/ec2.security-group-rule" => ec2::HostSecurityGroupRule(SecurityGroupRuleSpec) [id];
    "llmhost:aws/ec2.launch-template" => ec2::HostLaunchTemplate(LaunchTemplateSpec) [id, version];
    "llmhost:aws/s3.bucket" => s3::HostBucket(BucketSpec) [bucket_name, arn];
    "llmhost:aws/s3.folder" => s3::HostFolder(FolderSpec) [uri, digest];
    "llmhost:aws/iam.role" => iam::HostRole(RoleSpec) [arn, role_name];
    "llmhost:aws/iam.policy" => iam::HostPolicy(PolicySpec) [arn];
    "llmhost:aws/iam.instance-profile" => iam::HostInstanceProfile(InstanceProfileSpec) [arn, profile_name];
    "llmhost:aws/iam.oidc-provider" => iam::HostOidcProvider(OidcProviderSpec) [arn];
    "llmhost:aws/eks.cluster" => eks::HostCluster(ClusterSpec) [cluster_name, arn, endpoint, certificate_authority, oidc_issuer, security_group_id, version];
    "llmhost:aws/eks.access-entry" => eks::HostAccessEntry(AccessEntrySpec) [arn];
    "llmhost:aws/eks.addon" => eks::HostAddon(AddonSpec) [arn, version];
    "llmhost:aws/eks.node-group" => eks::HostNodeGroup(NodeGroupSpec) [node_group_name, arn, auto_scaling_group];
    "llmhost:aws/eks.pod-identity-association" => eks::HostPodIdentityAssociation(PodIdentityAssociationSpec) [id, arn];
    "llmhost:aws/cloud-control.entity" => cloud_control::HostEntity(EntitySpec) [identifier, properties];
    "llmhost:aws/request.call" => request::HostCall(CallSpec) [response];
    "llmhost:kubernetes/kube.object" => kube::HostObject(ObjectSpec) [name, namespace, uid];
    "llmhost:inference/inference.model" => inference::HostModel(ModelSpec) [id, provider, sort];
    "llmhost:inference/inference.answer" => inference::HostAnswer(AnswerSpec) [text, finish, tokens_per_second];
    "llmhost:inference/inference.embedding" => inference::HostEmbedding(EmbeddingSpec) [vectors];
    "llmhost:inference/inference.tensors" => inference::HostTensors(TensorsSpec) [outputs];
}

/// Functions that belong to no resource, with the grant that each needs.
pub(crate) const FUNCTIONS: &[(&str, &str, &str)] = &[
    ("ec2", "availability-zone", "ec2:describe"),
    ("eks", "newest-version", "eks:describe"),
    ("sts", "account-id", "sts:identity"),
    ("sts", "partition", "sts:identity"),
    ("sts", "region", "sts:identity"),
    ("sts", "service-principal", "sts:identity"),
    ("sts", "web-identity-audiences", "sts:identity"),
];

/// The interfaces served, by package; all are of the version in [`VERSION`].
pub(crate) const INTERFACES: &[(&str, &[&str])] = &[
    ("llmhost:plugin", &["types", "log", "file"]),
    ("llmhost:aws", &["ec2", "s3", "sts", "iam", "eks", "cloud-control", "request"]),
    ("llmhost:kubernetes", &["kube"]),
    ("llmhost:inference", &["inference"]),
];

/// The version of every llmhost interface that this host serves.
pub(crate) const VERSION: &str = "0.1.0";

use llmhost::aws::{cloud_control, ec2, eks, iam, request, s3, sts};
use llmhost::inference::inference;
use llmhost::kubernetes::kube;
pub(crate) use llmhost::plugin::types;
use llmhost::plugin::{file, log};

/// `llmhost:aws/ec2.subnet` -> `ec2.subnet`.
const fn kind(wit: &'static str) -> &'static str {
    let mut at = 0;
    while wit.as_bytes()[at] != b'/' {
        at += 1;
    }
    wit.split_at(at + 1).1
}

impl types::Host for State {}
impl s3::Host for State {}
impl iam::Host for State {}
impl cloud_control::Host for State {}
impl request::Host for State {}
impl kube::Host for State {}
impl inference::Host for State {}

impl eks::Host for State {
    async fn newest_version(&mut self) -> wasmtime::Result<Result<String, types::Failure>> {
        Ok(self.fact("eks.newest-version").await)
    }
}

impl ec2::Host for State {
    async fn availability_zone(&mut self, index: u32) -> wasmtime::Result<Result<String, types::Failure>> {
        Ok(self.fact(&format!("ec2.availability-zone/{index}")).await)
    }
}

impl sts::Host for State {
    async fn account_id(&mut self) -> wasmtime::Result<Result<String, types::Failure>> {
        Ok(self.fact("sts.account-id").await)
    }

    async fn partition(&mut self) -> wasmtime::Result<String> {
        Ok(self.partition_of_region().id.to_owned())
    }

    async fn service_principal(&mut self, service: String) -> wasmtime::Result<String> {
        Ok(self.partition_of_region().service_principal(&service))
    }

    async fn web_identity_audiences(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.partition_of_region().web_identity_audiences.iter().map(ToString::to_string).collect())
    }

    async fn region(&mut self) -> wasmtime::Result<String> {
        Ok(self.region_name().to_owned())
    }
}

impl file::Host for State {
    async fn written(&mut self, pointer: String) -> wasmtime::Result<Option<String>> {
        Ok(self.text_in_file(&pointer))
    }
}

impl log::Host for State {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
        };
        self.log(level, &message);
        Ok(())
    }
}

impl From<EngineFailure> for types::Failure {
    fn from(failure: EngineFailure) -> Self {
        match failure {
            EngineFailure::Invalid(text) => Self::Invalid(text),
            EngineFailure::Refused(text) => Self::Refused(text),
            EngineFailure::Failed(text) => Self::Failed(text),
        }
    }
}

impl From<types::Failure> for EngineFailure {
    fn from(failure: types::Failure) -> Self {
        match failure {
            types::Failure::Invalid(text) => Self::Invalid(text),
            types::Failure::Refused(text) => Self::Refused(text),
            types::Failure::Failed(text) => Self::Failed(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_interface_and_resource() {
        assert_eq!(kind("llmhost:aws/ec2.route-table"), "ec2.route-table");
    }

    #[test]
    fn specs_are_written_as_serde_derives_them() {
        let rule = ec2::SecurityGroupRuleSpec {
            security_group_id: "sg-1".into(),
            direction: ec2::Direction::Ingress,
            ip_protocol: "tcp".into(),
            from_port: 22,
            to_port: 22,
            peer: ec2::Peer::Cidr("10.0.0.0/8".into()),
            description: "ssh".into(),
            tags: vec![("a".into(), "b".into())],
        };
        assert_eq!(
            serde_json::to_value(rule).expect("a spec is always JSON"),
            serde_json::json!({
                "security_group_id": "sg-1", "direction": "Ingress", "ip_protocol": "tcp",
                "from_port": 22, "to_port": 22, "peer": {"Cidr": "10.0.0.0/8"},
                "description": "ssh", "tags": [["a", "b"]],
            })
        );
        let encryption = serde_json::to_value(s3::Encryption::S3Managed).expect("a spec is always JSON");
        assert_eq!(encryption, "S3Managed");
    }
}
