//! `eks.cluster`

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_eks::types::{
    AuthenticationMode, Cluster as Found, ClusterStatus, CreateAccessConfigRequest, EncryptionConfig, IpFamily,
    KubernetesNetworkConfigRequest, LogSetup, LogType, Logging, Provider, SupportType, UpgradePolicyRequest,
    VpcConfigRequest,
};
use futures::FutureExt;
use llmhost_engine::byproduct::{Foreseen, Refusal};
use llmhost_engine::kind::{
    ChangeKind, Created, DeclareContext, ErrorClass, Intent, Kind, Neighbours, Observed, OpError, Outputs, Permission,
    Progress, ReplaceOrder, Sampled, Scope,
};
use llmhost_engine::unknown;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::auto_mode::{self, AutoMode};
use super::{
    Operation, check_name, gone, is_made_by, look, observed, once_role_is_known, sync_tags, tagged, updated, versions,
};
use crate::aws::blank;
use crate::aws::clients::Aws;
use crate::aws::ec2::cidr;
use crate::aws::forms;
use crate::aws::limits;
use crate::aws::outputs;
use crate::aws::policy::Arns;
use crate::aws::sweep;
use crate::aws::tags::Tags;
use crate::aws::wait::{self, until};

/// A cluster: the control plane. Who may use it is a matter of access entries.
pub(in crate::aws) struct Cluster(pub(in crate::aws) Arc<Aws>);

/// What the control plane can write to CloudWatch.
const LOGS: [&str; 5] = ["api", "audit", "authenticator", "controllerManager", "scheduler"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::aws) struct Spec {
    cluster_name: String,
    version: String,
    role_arn: String,
    #[serde(deserialize_with = "crate::aws::set::read")]
    subnet_ids: Vec<String>,
    #[serde(deserialize_with = "crate::aws::set::read")]
    security_group_ids: Vec<String>,
    public_access: bool,
    private_access: bool,
    public_access_cidrs: BTreeSet<String>,
    logging: BTreeSet<String>,
    secrets_key_arn: Option<String>,
    service_ipv4_cidr: Option<String>,
    /// Pods and services have addresses of IPv6.
    #[serde(default)]
    ipv6: bool,
    #[serde(default)]
    auto_mode: Option<AutoMode>,
    extended_support: bool,
    deletion_protection: bool,
    /// How long to wait for it; no property of the cluster.
    wait_minutes: u32,
    tags: Tags,
}

impl Cluster {
    /// Why the cluster may not be deleted, where it is not this pipeline's any more.
    async fn foreign(&self, name: &str, spec: &Spec) -> Result<Option<OpError>, OpError> {
        let there = look(&self.0, name).await?.map(|cluster| observed(cluster.tags()));
        let own = there.map(|there| spec.tags.own(&there, "eks:DeleteCluster", &format!("cluster '{name}'")));
        Ok(own.and_then(Result::err))
    }

    /// Waits until the cluster can be changed and used.
    async fn active(&self, name: &str, minutes: u32, progress: &dyn Progress) -> Result<Found, OpError> {
        let operation = "eks:DescribeCluster";
        until(operation, wait::minutes(minutes), || {
            async move {
                let found = look(&self.0, name).await?;
                match found.as_ref().and_then(|cluster| cluster.status()) {
                    Some(ClusterStatus::Active) => Ok(found),
                    Some(ClusterStatus::Failed) => Err(broken(found.as_ref())),
                    Some(ClusterStatus::Deleting) => {
                        let mut error = OpError::local(operation, format!("the cluster '{name}' is being deleted"));
                        error.class = ErrorClass::Conflict;
                        error.advice = Some("Wait until it is deleted, and run again with --refresh.".to_owned());
                        Err(error)
                    }
                    status => {
                        let word = status.map_or("unknown", |status| status.as_str()).to_lowercase();
                        progress.report(&format!("waiting for the cluster ({word})"), 0, 0);
                        Ok(None)
                    }
                }
            }
            .boxed()
        })
        .await
    }

    async fn upgrade(&self, spec: &Spec, there: &Spec, progress: &dyn Progress) -> Result<(), OpError> {
        let operation = "eks:UpdateClusterVersion";
        if spec.version == there.version {
            return Ok(());
        }
        if let Err(message) = versions::check_upgrade(&there.version, &spec.version) {
            let mut error = OpError::local(operation, message);
            error.class = ErrorClass::Invalid;
            return Err(error);
        }
        progress.report(&format!("upgrading to Kubernetes {}", spec.version), 0, 0);
        let request = self.0.eks().await.update_cluster_version().name(&spec.cluster_name).version(&spec.version);
        let answer = match request.send().await.operation(operation) {
            Ok(answer) => answer,
            Err(error) => return Err(versions::explain(&self.0, error, &spec.version).await),
        };
        updated(&self.0, (&spec.cluster_name, None), answer.update, spec.wait_minutes, progress).await
    }

    /// Settings that EKS changes one kind at a time, each waited for.
    async fn sync(&self, spec: &Spec, there: &Spec, progress: &dyn Progress) -> Result<(), OpError> {
        let (eks, operation) = (self.0.eks().await, "eks:UpdateClusterConfig");
        let update = || eks.update_cluster_config().name(&spec.cluster_name);
        let mut requests = Vec::new();
        let endpoint = |spec: &Spec| (spec.public_access, spec.private_access, spec.public_cidrs());
        if endpoint(spec) != endpoint(there) {
            let access = VpcConfigRequest::builder()
                .endpoint_public_access(spec.public_access)
                .endpoint_private_access(spec.private_access)
                .set_public_access_cidrs(spec.public_access.then(|| spec.public_cidrs().into_iter().collect()));
            requests.push(update().resources_vpc_config(access.build()));
        }
        let sorted = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
        if sorted(&spec.subnet_ids) != sorted(&there.subnet_ids)
            || sorted(&spec.security_group_ids) != sorted(&there.security_group_ids)
        {
            let place = VpcConfigRequest::builder()
                .set_subnet_ids(Some(spec.subnet_ids.clone()))
                .set_security_group_ids(Some(spec.security_group_ids.clone()));
            requests.push(update().resources_vpc_config(place.build()));
        }
        if spec.logging != there.logging {
            requests.push(update().logging(logging(&spec.logging)));
        }
        if spec.extended_support != there.extended_support {
            requests.push(update().upgrade_policy(support(spec.extended_support)));
        }
        if spec.deletion_protection != there.deletion_protection {
            requests.push(update().deletion_protection(spec.deletion_protection));
        }
        if spec.auto_mode != there.auto_mode {
            let mode = spec.auto_mode.as_ref();
            let request = update().compute_config(auto_mode::compute(mode)).storage_config(auto_mode::storage(mode));
            requests.push(request.kubernetes_network_config(auto_mode::balancing(mode).build()));
        }
        for request in requests {
            let answer = request.send().await.operation(operation)?;
            updated(&self.0, (&spec.cluster_name, None), answer.update, spec.wait_minutes, progress).await?;
        }
        if spec.secrets_key_arn != there.secrets_key_arn {
            self.encrypt(spec, there, progress).await?;
        }
        Ok(())
    }

    async fn encrypt(&self, spec: &Spec, there: &Spec, progress: &dyn Progress) -> Result<(), OpError> {
        let operation = "eks:AssociateEncryptionConfig";
        let (Some(key), None) = (&spec.secrets_key_arn, &there.secrets_key_arn) else {
            let mut error = OpError::local(operation, "EKS cannot remove or change the key of a cluster's secrets");
            error.class = ErrorClass::Invalid;
            let was = there.secrets_key_arn.as_deref().unwrap_or_default();
            error.advice = Some(format!("Set secrets_key_arn = \"{was}\" again, or create a new cluster."));
            return Err(error);
        };
        let request = self.0.eks().await.associate_encryption_config().cluster_name(&spec.cluster_name);
        let answer = request.encryption_config(encryption(key)).send().await.operation(operation)?;
        updated(&self.0, (&spec.cluster_name, None), answer.update, spec.wait_minutes, progress).await
    }
}

impl Spec {
    /// Who reaches the public endpoint; everybody, where nobody is named.
    fn public_cidrs(&self) -> BTreeSet<String> {
        if self.public_access { self.public_access_cidrs.clone() } else { BTreeSet::new() }
    }

    fn observe(found: &Found, spec: &Self) -> Self {
        let place = found.resources_vpc_config();
        let same = |ours: &[String], theirs: &[String]| {
            let set = |ids: &[String]| ids.iter().cloned().collect::<BTreeSet<_>>();
            // EKS keeps no order; ours is as good as any.
            if set(ours) == set(theirs) { ours.to_vec() } else { theirs.to_vec() }
        };
        let logging = found.logging().into_iter().flat_map(|logging| logging.cluster_logging());
        let on = logging.filter(|setup| setup.enabled() == Some(true)).flat_map(|setup| setup.types());
        let public_access = place.is_some_and(|place| place.endpoint_public_access());
        Self {
            cluster_name: found.name().unwrap_or_default().to_owned(),
            version: found.version().unwrap_or_default().to_owned(),
            role_arn: found.role_arn().unwrap_or_default().to_owned(),
            subnet_ids: same(&spec.subnet_ids, place.map(|place| place.subnet_ids()).unwrap_or_default()),
            security_group_ids: same(
                &spec.security_group_ids,
                place.map(|place| place.security_group_ids()).unwrap_or_default(),
            ),
            public_access,
            private_access: place.is_some_and(|place| place.endpoint_private_access()),
            public_access_cidrs: if public_access {
                place.map(|place| place.public_access_cidrs()).unwrap_or_default().iter().cloned().collect()
            } else {
                spec.public_access_cidrs.clone()
            },
            logging: on.map(|kind| kind.as_str().to_owned()).collect(),
            secrets_key_arn: found
                .encryption_config()
                .first()
                .and_then(|config| config.provider()?.key_arn())
                .map(str::to_owned),
            // EKS chooses one where none is stated.
            service_ipv4_cidr: spec
                .service_ipv4_cidr
                .as_ref()
                .and_then(|_| found.kubernetes_network_config()?.service_ipv4_cidr().map(str::to_owned)),
            ipv6: found.kubernetes_network_config().and_then(|network| network.ip_family()) == Some(&IpFamily::Ipv6),
            auto_mode: AutoMode::observe(found),
            extended_support: found.upgrade_policy().and_then(|policy| policy.support_type())
                != Some(&SupportType::Standard),
            deletion_protection: found.deletion_protection().unwrap_or(false),
            wait_minutes: spec.wait_minutes,
            tags: observed(found.tags()),
        }
    }
}

fn logging(kinds: &BTreeSet<String>) -> Logging {
    let types =
        |on: bool| LOGS.iter().filter(move |kind| kinds.contains(**kind) == on).map(|kind| LogType::from(*kind));
    let setup = |on: bool| LogSetup::builder().enabled(on).set_types(Some(types(on).collect())).build();
    let all = [true, false].into_iter().filter(|&on| types(on).next().is_some());
    Logging::builder().set_cluster_logging(Some(all.map(setup).collect())).build()
}

fn support(extended: bool) -> UpgradePolicyRequest {
    let kind = if extended { SupportType::Extended } else { SupportType::Standard };
    UpgradePolicyRequest::builder().support_type(kind).build()
}

#[allow(deprecated, reason = "EKS ignores it by now, and older regions ask for it")]
fn encryption(key: &str) -> EncryptionConfig {
    let provider = Provider::builder().key_arn(key).build();
    EncryptionConfig::builder().resources("secrets").provider(provider).build()
}

fn broken(found: Option<&Found>) -> OpError {
    let issues = found.and_then(|cluster| cluster.health()).map(|health| health.issues()).unwrap_or_default();
    let words: Vec<String> = issues
        .iter()
        .map(|issue| {
            let code = issue.code().map_or("", |code| code.as_str());
            format!("{code}: {}", issue.message().unwrap_or_default())
        })
        .collect();
    let reason = if words.is_empty() { "EKS does not say why".to_owned() } else { words.join("; ") };
    let mut error = OpError::local("eks:CreateCluster", format!("the cluster failed: {reason}"));
    error.class = ErrorClass::Broken;
    error
}

fn known(found: &Found) -> Outputs {
    let place = found.resources_vpc_config();
    let issuer = found.identity().and_then(|identity| identity.oidc()?.issuer()).unwrap_or_default();
    outputs([
        ("cluster_name", found.name().unwrap_or_default()),
        ("arn", found.arn().unwrap_or_default()),
        ("endpoint", found.endpoint().unwrap_or_default()),
        ("certificate_authority", found.certificate_authority().and_then(|ca| ca.data()).unwrap_or_default()),
        ("oidc_issuer", issuer),
        ("security_group_id", place.and_then(|place| place.cluster_security_group_id()).unwrap_or_default()),
        ("version", found.version().unwrap_or_default()),
    ])
}

impl Spec {
    /// Checks the ranges and groups that a cluster is given.
    fn check_network(&self) -> Result<(), String> {
        let (groups, ranges) = (self.security_group_ids.len(), self.public_access_cidrs.len());
        if groups > limits::CLUSTER_GROUPS {
            let most = limits::CLUSTER_GROUPS;
            return Err(format!("security_group_ids has {groups} groups; EKS allows {most} besides the cluster's own"));
        }
        if ranges > limits::ENDPOINT_RANGES {
            let most = limits::ENDPOINT_RANGES;
            return Err(format!(
                "public_access_cidrs has {ranges} ranges; EKS allows {most}. Combine some into larger ones"
            ));
        }
        for range in &self.public_access_cidrs {
            let Some(net) = cidr::parse("public_access_cidrs", range)? else { continue };
            if cidr::is_private(net) {
                return Err(format!(
                    "public_access_cidrs has the private range {net}; EKS allows only public ranges: the public endpoint \
                     cannot be reached from a private address"
                ));
            }
        }
        let Some(text) = &self.service_ipv4_cidr else { return Ok(()) };
        if self.ipv6 {
            return Err(format!(
                "service_ipv4_cidr {text} is set, and the cluster uses IPv6, where EKS chooses the range of services; remove \
                 one of them"
            ));
        }
        match cidr::parse("service_ipv4_cidr", text)? {
            Some(net) if !(12..=24).contains(&net.prefix_len()) || !cidr::is_private(net) => Err(format!(
                "service_ipv4_cidr {net} is not a range that EKS allows: /12 to /24 within 10.0.0.0/8, 172.16.0.0/12 or \
                 192.168.0.0/16"
            )),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Kind for Cluster {
    type Spec = Spec;
    const NAME: &'static str = "eks.cluster";
    const ACTIONS: &'static [&'static str] = &[
        "eks:CreateCluster",
        "eks:DescribeCluster",
        "eks:DescribeClusterVersions",
        "eks:UpdateClusterConfig",
        "eks:UpdateClusterVersion",
        "eks:AssociateEncryptionConfig",
        "eks:DescribeUpdate",
        "eks:TagResource",
        "eks:UntagResource",
        "eks:DeleteCluster",
        "eks:ListNodegroups",
        "eks:ListFargateProfiles",
        "iam:PassRole",
        "iam:GetRole",
        "iam:CreateServiceLinkedRole",
        "ec2:DescribeSubnets",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSecurityGroupRules",
        "ec2:DescribeVpcs",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeVolumes",
        "ec2:DeleteNetworkInterface",
        "ec2:DeleteSecurityGroup",
        "ec2:DeleteVolume",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
        "ec2:CreateTags",
        "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeTags",
        "elasticloadbalancing:DescribeTargetGroups",
        "elasticloadbalancing:DeleteLoadBalancer",
        "elasticloadbalancing:DeleteTargetGroup",
        "kms:DescribeKey",
        "kms:CreateGrant",
    ];
    const IMMUTABLE: &'static [&'static str] = &["cluster_name", "role_arn", "service_ipv4_cidr", "ipv6"];
    const ASIDE: &'static [&'static str] = &["wait_minutes"];
    const UNIQUE: &'static [&'static str] = &["cluster_name"];
    /// EKS assumes the role by its ARN: one made again under the same name serves as well.
    const BY_NAME: &'static [&'static str] = &["role_arn", "secrets_key_arn"];
    const MAKES: bool = true;
    const IDENTITIES: &'static [&'static str] = &["cluster_name", "arn", "oidc_issuer", "security_group_id"];
    const VOLATILE: &'static [&'static str] = &["version"];

    fn interrupts(&self, old: &Spec, new: &Spec, how: ChangeKind) -> Option<String> {
        if let ChangeKind::Replace(order) = how {
            let gone = "the cluster and everything in it are deleted; the new one is ready after usually 10 to 15 minutes, \
                        and its contents are not restored";
            return (order == ReplaceOrder::DeleteFirst).then(|| gone.to_owned());
        }
        let mut all = Vec::new();
        if old.version != new.version {
            all.push(format!(
                "updates the control plane to {}, usually 10 minutes for each minor version: the API stays available, and \
                 watches reconnect; nodes keep their version until their node group is updated",
                new.version
            ));
        }
        if old.auto_mode.is_some() && new.auto_mode.is_none() {
            all.push(
                "turns EKS Auto Mode off: its nodes are deleted with their pods, and its load balancers are kept"
                    .to_owned(),
            );
        }
        if old.public_access && !new.public_access {
            all.push("closes the public endpoint: clients outside the VPC can no longer reach the API".to_owned());
        }
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn complete(&self, spec: &mut Spec, context: &DeclareContext<'_>) -> Result<(), String> {
        check_name("cluster name", &spec.cluster_name, 100)?;
        crate::aws::region::has_eks(context.region)?;
        if !unknown::is_unknown(&spec.version) && versions::number(&spec.version).is_none() {
            return Err(format!("version '{}' is not a Kubernetes version such as 1.34", spec.version));
        }
        if let Some(kind) = spec.logging.iter().find(|kind| !LOGS.contains(&kind.as_str())) {
            return Err(format!("logging '{kind}' is not one of {}", LOGS.join(", ")));
        }
        if !spec.public_access && !spec.private_access {
            return Err("the API server would not be reachable: both public and private access are off".to_owned());
        }
        spec.check_network()?;
        spec.auto_mode.as_ref().map_or(Ok(()), AutoMode::check)?;
        if spec.public_access && spec.public_access_cidrs.is_empty() {
            spec.public_access_cidrs.insert("0.0.0.0/0".to_owned());
        }
        forms::role("role_arn", &spec.role_arn)?;
        forms::ids("subnet_ids", "subnet-", &spec.subnet_ids)?;
        forms::ids("security_group_ids", "sg-", &spec.security_group_ids)?;
        if spec.subnet_ids.len() < 2 {
            return Err("a cluster needs subnets in at least two availability zones".to_owned());
        }
        spec.tags.complete(context)
    }

    fn check_change(&self, old: &Spec, new: &Spec) -> Result<(), String> {
        if old.secrets_key_arn.is_some() && old.secrets_key_arn != new.secrets_key_arn {
            let was = old.secrets_key_arn.as_deref().unwrap_or_default();
            return Err(format!(
                "EKS cannot remove or change the key of a cluster's secrets; set secrets_key_arn = \"{was}\" again, or \
                 create another cluster"
            ));
        }
        AutoMode::check_change(old.auto_mode.as_ref(), new.auto_mode.as_ref())?;
        versions::check_upgrade(&old.version, &new.version)
    }

    fn foreknown(&self, spec: &Spec) -> Outputs {
        outputs([("cluster_name", spec.cluster_name.as_str()), ("version", &spec.version)])
    }

    fn permissions(&self, spec: &Spec, scope: &Scope<'_>) -> Vec<Permission> {
        let on_it: Vec<_> = Self::ACTIONS
            .iter()
            .copied()
            .filter(|action| action.starts_with("eks:") && *action != "eks:DescribeClusterVersions")
            .collect();
        let mut all = vec![
            Permission::new(&on_it, [scope.arn("eks", &format!("cluster/{}", spec.cluster_name))]),
            Permission::new(&["iam:PassRole", "iam:GetRole"], [scope.known_arn(&spec.role_arn, "iam", "role/*")]),
            Permission::new(
                &["iam:CreateServiceLinkedRole"],
                [scope.iam("role", "/aws-service-role/eks.amazonaws.com/", "*")],
            ),
            Permission::new(
                &[
                    "eks:DescribeClusterVersions",
                    "ec2:DescribeSubnets",
                    "ec2:DescribeSecurityGroups",
                    "ec2:DescribeVpcs",
                ],
                ["*".to_owned()],
            ),
        ];
        all.push(Permission::new(&sweep::LOOKS, ["*".to_owned()]));
        let left = ["network-interface/*", "security-group/*", "volume/*"].map(|kind| scope.arn("ec2", kind));
        all.push(Permission::new(&sweep::REMOVES, left));
        let balancers = ["loadbalancer/*", "targetgroup/*"].map(|kind| scope.arn("elasticloadbalancing", kind));
        all.push(Permission::new(&sweep::REMOVES_BALANCERS, balancers));
        // Volumes are marked before the cluster goes.
        all.push(Permission::new(&["ec2:CreateTags"], [scope.arn("ec2", "volume/*")]).to_destroy());
        if let Some(role) = spec.auto_mode.as_ref().and_then(|mode| mode.node_role_arn.as_ref()) {
            all.push(Permission::new(&["iam:PassRole"], [scope.known_arn(role, "iam", "role/*")]));
        }
        if let Some(key) = &spec.secrets_key_arn {
            all.push(Permission::new(&["kms:DescribeKey", "kms:CreateGrant"], [key.clone()]));
        }
        all
    }

    fn id_of(&self, spec: &Spec) -> Option<String> {
        Some(spec.cluster_name.clone())
    }

    fn sample(&self, output: &str, _: &Spec, sampled: &Sampled<'_>) -> Option<serde_json::Value> {
        super::sample::cluster(output, sampled)
    }

    async fn create(&self, spec: &Spec, intent: &Intent, _: &dyn Progress) -> Result<Created, OpError> {
        let operation = "eks:CreateCluster";
        let place = VpcConfigRequest::builder()
            .set_subnet_ids(Some(spec.subnet_ids.clone()))
            .set_security_group_ids(Some(spec.security_group_ids.clone()))
            .endpoint_public_access(spec.public_access)
            .endpoint_private_access(spec.private_access)
            .set_public_access_cidrs(spec.public_access.then(|| spec.public_cidrs().into_iter().collect()))
            .build();
        let access = CreateAccessConfigRequest::builder()
            .authentication_mode(AuthenticationMode::Api)
            // Whoever runs the pipeline gets in by an access entry that the pipeline states.
            .bootstrap_cluster_creator_admin_permissions(true)
            .build();
        let mode = spec.auto_mode.as_ref();
        let network =
            if mode.is_some() { auto_mode::balancing(mode) } else { KubernetesNetworkConfigRequest::builder() };
        let network = network.set_service_ipv4_cidr(spec.service_ipv4_cidr.clone());
        let network = network.set_ip_family(spec.ipv6.then_some(IpFamily::Ipv6)).build();
        let is_default = network == KubernetesNetworkConfigRequest::builder().build();
        let request = self.0.eks_once().await.create_cluster().name(&spec.cluster_name).version(&spec.version);
        let request = request.role_arn(&spec.role_arn).resources_vpc_config(place).access_config(access);
        // Add-ons are the pipeline's, and EKS's own would be there beside them unmanaged.
        let request = request
            .bootstrap_self_managed_addons(false)
            .logging(logging(&spec.logging))
            .set_kubernetes_network_config((!is_default).then_some(network))
            .set_compute_config(mode.map(|_| auto_mode::compute(mode)))
            .set_storage_config(mode.map(|_| auto_mode::storage(mode)));
        let request = request.set_encryption_config(spec.secrets_key_arn.as_ref().map(|key| vec![encryption(key)]));
        let request =
            request.upgrade_policy(support(spec.extended_support)).deletion_protection(spec.deletion_protection);
        let request = request.client_request_token(&intent.token).set_tags(Some(tagged(&spec.tags, intent)));
        let request = &request;
        let call = || async move { request.clone().send().await.operation(operation) }.boxed();
        self.0.kubernetes.forget(&spec.cluster_name).await;
        let answer = match once_role_is_known(&self.0, call).await {
            Ok(answer) => answer,
            Err(error) => return Err(versions::explain(&self.0, error, &spec.version).await),
        };
        let outputs = answer.cluster.as_ref().map(known).unwrap_or_default();
        Ok(Created { id: spec.cluster_name.clone(), outputs })
    }

    async fn configure(
        &self,
        id: &str,
        spec: &Spec,
        _: Option<&Spec>,
        progress: &dyn Progress,
    ) -> Result<Outputs, OpError> {
        let found = self.active(id, spec.wait_minutes, progress).await?;
        let there = Spec::observe(&found, spec);
        self.upgrade(spec, &there, progress).await?;
        self.sync(spec, &there, progress).await?;
        sync_tags(&self.0, found.arn().unwrap_or_default(), &there.tags, &spec.tags).await?;
        let found = if there == *spec { found } else { self.active(id, spec.wait_minutes, progress).await? };
        Ok(known(&found))
    }

    fn blank(&self, name: &str) -> Option<Spec> {
        blank(json!({
            "cluster_name": name, "version": "", "role_arn": "", "subnet_ids": [], "security_group_ids": [],
            "public_access": false, "private_access": false, "public_access_cidrs": [], "logging": [],
            "secrets_key_arn": null, "service_ipv4_cidr": "", "extended_support": false, "deletion_protection": false,
            "wait_minutes": 0, "tags": {},
        }))
    }

    async fn read(&self, id: &str, spec: &Spec) -> Result<Option<Observed<Spec>>, OpError> {
        let found = look(&self.0, id).await?.filter(|cluster| cluster.status() != Some(&ClusterStatus::Deleting));
        Ok(found.map(|found| Observed { spec: Spec::observe(&found, spec), outputs: known(&found) }))
    }

    async fn find(&self, spec: &Spec, intent: &Intent) -> Result<Option<Created>, OpError> {
        let found = look(&self.0, &spec.cluster_name).await?.filter(|cluster| is_made_by(cluster.tags(), intent));
        Ok(found.map(|found| Created { id: spec.cluster_name.clone(), outputs: known(&found) }))
    }

    async fn foresee(&self, id: &str, spec: &Spec, _: &dyn Neighbours) -> Result<Foreseen, OpError> {
        match self.foreign(id, spec).await? {
            Some(foreign) => Ok(Foreseen { refusal: Some(Refusal::Stays(foreign)), ..Foreseen::default() }),
            None => gone::foresee(&self.0, id, &spec.subnet_ids).await,
        }
    }

    async fn release(&self, id: &str, spec: &Spec, progress: &dyn Progress) {
        if let Ok(None) = self.foreign(id, spec).await {
            gone::release(&self.0, id, &spec.subnet_ids, progress).await;
        }
    }

    async fn delete(&self, id: &str, spec: &Spec, progress: &dyn Progress) -> Result<(), OpError> {
        if let Some(foreign) = self.foreign(id, spec).await? {
            return Err(foreign);
        }
        gone::delete(&self.0, id, &spec.subnet_ids, spec.wait_minutes, progress).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ranges_and_groups_of_a_cluster_are_those_that_eks_takes() {
        let many = |n: usize, of: &dyn Fn(usize) -> String| (0..n).map(of).collect::<Vec<_>>();
        let (group, range) = (|i| format!("sg-{i}"), |i| format!("203.0.113.{i}/32"));
        for (field, value, wrong) in [
            ("security_group_ids", json!(many(4, &group)), None),
            ("security_group_ids", json!(many(5, &group)), Some("5 groups; EKS allows 4")),
            ("public_access_cidrs", json!(many(40, &range)), None),
            ("public_access_cidrs", json!(many(41, &range)), Some("41 ranges; EKS allows 40")),
            ("public_access_cidrs", json!(["0.0.0.0/0"]), None),
            ("public_access_cidrs", json!(["10.1.0.0/16"]), Some("private range 10.1.0.0/16")),
            ("service_ipv4_cidr", json!("10.100.0.0/16"), None),
            ("service_ipv4_cidr", json!("172.16.0.0/12"), None),
            ("service_ipv4_cidr", json!("10.0.0.0/11"), Some("/12 to /24")),
            ("service_ipv4_cidr", json!("10.0.0.0/25"), Some("/12 to /24")),
            ("service_ipv4_cidr", json!("100.64.0.0/16"), Some("within 10.0.0.0/8")),
        ] {
            let mut spec = json!({ "cluster_name": "c", "version": "1.34", "role_arn": "r", "subnet_ids": [],
                "security_group_ids": [], "public_access": true, "private_access": true, "public_access_cidrs": [],
                "logging": [], "secrets_key_arn": null, "service_ipv4_cidr": null, "extended_support": false,
                "deletion_protection": false, "wait_minutes": 1, "tags": [] });
            spec[field] = value;
            let spec: Spec = serde_json::from_value(spec).expect("a spec");
            let found = spec.check_network();
            match wrong {
                None => assert_eq!(found, Ok(()), "{spec:?}"),
                Some(words) => assert!(found.as_ref().is_err_and(|e| e.contains(words)), "{spec:?}: {found:?}"),
            }
        }
    }
}
