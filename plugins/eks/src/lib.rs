//! The `eks` plugin: a cluster, who gets in, and what runs in it from the start.

mod auto_mode;
mod config;

use std::collections::BTreeMap;

use config::{Access, Addon, AutoMode, Config, Endpoint, IpFamily, Support};
use llmhost_plugin::{
    Failure, Names, Options, Output, Outputs, Plugin, eks, iam, invalid, outputs, pointer, sts, written,
};

/// Add-ons that run on every node, and so are there at once in a cluster without any. The others
/// need a node that a later step makes.
const ON_EVERY_NODE: [&str; 3] = ["vpc-cni", "kube-proxy", "eks-pod-identity-agent"];

struct Cluster;

impl Plugin for Cluster {
    type Config = Config;
    const SUMMARY: &'static str =
        "An EKS cluster with audit logs, access entries, an OIDC provider and the add-ons that nodes need.";
    const OUTPUTS: &'static [Output] = &[
        Output::text("name", "Name of the cluster"),
        Output::text("arn", "ARN of the cluster"),
        Output::text("endpoint", "Address of the API server"),
        Output::text("certificate_authority", "The API server's certificate authority: PEM in base64"),
        Output::text("version", "Kubernetes version"),
        Output::text("security_group_id", "Security group of control plane and nodes"),
        Output::text("oidc_issuer", "Issuer of the tokens of its service accounts"),
        Output::text("oidc_provider_arn", "ARN of the OIDC provider, or null"),
        Output::text("auto_node_role_arn", "ARN of the role of EKS Auto Mode's nodes, or null"),
    ];

    fn run(config: Config) -> Result<Outputs, Failure> {
        let version = match &config.version {
            Some(version) => version.clone(),
            None => eks::newest_version()?,
        };
        let (public_access, private_access) = match config.endpoint {
            Endpoint::Public => (true, false),
            Endpoint::Private => (false, true),
            Endpoint::PublicAndPrivate => (true, true),
        };
        if !public_access && !config.public_access_cidrs.is_empty() {
            return Err(invalid("public_access_cidrs is set, and the endpoint is private; remove one of them"));
        }
        let is_ipv6 = config.ip_family == IpFamily::Ipv6;
        if is_ipv6 && config.service_cidr.is_some() {
            return Err(invalid(
                "service_cidr is a range of IPv4, and with ip_family = \"ipv6\" EKS chooses the range; remove it",
            ));
        }
        if !config.oidc_provider && config.oidc_provider_arn.is_some() {
            return Err(invalid("oidc_provider_arn is set, and oidc_provider = false means that there is none"));
        }
        let auto_mode = auto_mode::of(&config)?;
        let auto_node_role = auto_mode.as_ref().and_then(|mode| mode.node_role_arn.clone());
        let spec = eks::ClusterSpec {
            cluster_name: config.name.clone(),
            version,
            role_arn: config.role_arn.clone(),
            subnet_ids: config.subnet_ids.clone(),
            security_group_ids: config.security_group_ids.clone(),
            public_access,
            private_access,
            public_access_cidrs: config.public_access_cidrs.clone(),
            logging: config.logging.clone(),
            secrets_key_arn: config.secrets_key_arn.clone(),
            service_ipv4_cidr: config.service_cidr.clone(),
            ipv6: is_ipv6,
            auto_mode,
            extended_support: matches!(config.support, Support::Extended),
            deletion_protection: config.deletion_protection,
            wait_minutes: config.timeout_minutes,
            tags: tags(&config),
        };
        let cluster = eks::Cluster::declare("main", &spec, &Options::default())?;
        // EKS takes what belongs to a cluster once it is active.
        let (name, issuer) = (cluster.cluster_name()?, cluster.oidc_issuer()?);
        let after = Options { after: vec![cluster.address()] };
        let provider = match config.oidc_provider && config.oidc_provider_arn.is_none() {
            true => {
                let client_ids = sts::web_identity_audiences();
                let spec = iam::OidcProviderSpec { url: issuer.clone(), client_ids, tags: tags(&config) };
                Some(iam::OidcProvider::declare("main", &spec, &Options::default())?)
            }
            false => None,
        };
        entries(&config, &name, &after)?;
        let is_auto = !matches!(config.auto_mode, AutoMode::On(false));
        let usual = if is_auto { BTreeMap::new() } else { config::addons() };
        for (addon, wanted) in config.addons.as_ref().unwrap_or(&usual) {
            declare_addon(&config, &name, addon, wanted, &after)?;
        }
        let made = provider.as_ref().map(iam::OidcProvider::arn).transpose()?;
        Ok(outputs! {
            "name": name,
            "arn": cluster.arn()?,
            "endpoint": cluster.endpoint()?,
            "certificate_authority": cluster.certificate_authority()?,
            "version": cluster.version()?,
            "security_group_id": cluster.security_group_id()?,
            "oidc_issuer": issuer,
            "oidc_provider_arn": made.or(config.oidc_provider_arn),
            "auto_node_role_arn": auto_node_role,
        })
    }
}

/// Who gets in. An entry is known by its principal, of which EKS takes one entry for each cluster.
fn entries(config: &Config, cluster: &str, after: &Options) -> Result<(), Failure> {
    let admin = |arn: &String| Access {
        principal_arn: arn.clone(),
        policy: Some("AmazonEKSClusterAdminPolicy".to_owned()),
        namespaces: Vec::new(),
        groups: Vec::new(),
    };
    let admins = config.admins.iter().enumerate().map(|(at, arn)| {
        let principal = written(&format!("/admins/{at}"), arn);
        (format!("admins[{at}]"), principal, admin(arn))
    });
    let others = config.access.iter().map(|(name, access)| {
        let principal = written(&pointer(&[&"access", name, &"principal_arn"]), &access.principal_arn);
        (format!("access.{name}"), principal, access.clone())
    });
    let mut names = Names::new("access entry");
    for (place, principal, access) in admins.chain(others) {
        if access.policy.is_none() && access.groups.is_empty() {
            return Err(invalid(format!("{place} grants nothing; set policy or groups")));
        }
        let name = names.take(&principal, &place)?;
        let policy = |policy: String| {
            let arn = match policy.starts_with("arn:") {
                true => policy,
                false => format!("arn:{}:eks::aws:cluster-access-policy/{policy}", sts::partition()),
            };
            eks::AccessPolicy { policy_arn: arn, namespaces: access.namespaces.clone() }
        };
        let spec = eks::AccessEntrySpec {
            cluster_name: cluster.to_owned(),
            principal_arn: access.principal_arn.clone(),
            entry_type: "STANDARD".to_owned(),
            kubernetes_groups: access.groups.clone(),
            policies: access.policy.clone().map(policy).into_iter().collect(),
            tags: tags(config),
        };
        eks::AccessEntry::declare(&name, &spec, after)?;
    }
    Ok(())
}

fn declare_addon(config: &Config, cluster: &str, name: &str, wanted: &Addon, after: &Options) -> Result<(), Failure> {
    if wanted.role_arn.is_some() && wanted.pod_identity.is_some() {
        return Err(invalid(format!(
            "addons.{name}: role_arn is for IRSA, and pod_identity for Pod Identity; set one of them"
        )));
    }
    let pair = wanted.pod_identity.as_ref().map(|pair| eks::AddonPodIdentity {
        service_account: pair.service_account.clone(),
        role_arn: pair.role_arn.clone(),
    });
    let spec = eks::AddonSpec {
        cluster_name: cluster.to_owned(),
        addon_name: name.to_owned(),
        version: wanted.version.clone(),
        configuration: wanted.configuration.as_ref().map(ToString::to_string),
        service_account_role_arn: wanted.role_arn.clone(),
        pod_identity: pair.into_iter().collect(),
        overwrite: true,
        preserve: false,
        wait: ON_EVERY_NODE.contains(&name),
        wait_minutes: config.timeout_minutes,
        tags: tags(config),
    };
    eks::Addon::declare(name, &spec, after).map(drop)
}

fn tags(config: &Config) -> Vec<(String, String)> {
    let tags: BTreeMap<String, String> = config.tags.clone();
    tags.into_iter().collect()
}

llmhost_plugin::export!(Cluster);
