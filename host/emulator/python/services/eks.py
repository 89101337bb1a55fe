"""EKS: clusters, node groups, add-ons, access entries, pod identities, updates, versions.

Imitated: which requests EKS refuses and how, what it fills in, which calls wait for which, the
security group that it makes for a cluster, the access entries that it makes for the creator and
for nodes. A client token that comes again gives the first answer again.

Not imitated: machines (their network interfaces are), the auto scaling group behind a node group, outposts,
insights. `fargate` has the Fargate profiles. A tag `llmhost-test:slow` makes something take that many seconds; a tag
`llmhost-test:fail` makes a cluster or node group end in failure with that code.
"""

import base64
import ipaddress
import itertools
import json
import re
import time
import uuid

import yaml
from moto.ec2.exceptions import EC2ClientError

import pace

from . import capacity, interfaces, quotas, world
from .http import Refused

VERSIONS = {"1.31": "EXTENDED_SUPPORT", "1.32": "STANDARD_SUPPORT", "1.33": "STANDARD_SUPPORT", "1.34": "STANDARD_SUPPORT"}
DEFAULT_VERSION = "1.34"
ADDONS = ["vpc-cni", "coredns", "kube-proxy", "eks-pod-identity-agent", "aws-ebs-csi-driver", "aws-efs-csi-driver",
          "aws-mountpoint-s3-csi-driver", "amazon-cloudwatch-observability", "metrics-server", "snapshot-controller"]
ADDON_VERSIONS = ["v1.20.4-eksbuild.1", "v1.20.1-eksbuild.3", "v1.19.6-eksbuild.1"]
# kube-proxy has the cluster's own version.
PROXY_VERSIONS = {version: [f"v{version}.3-eksbuild.2", f"v{version}.0-eksbuild.2"] for version in VERSIONS}
# The service accounts of add-ons that may have a role by Pod Identity, and the policy that EKS recommends for each.
POD_IDENTITIES = {
    "vpc-cni": {"aws-node": "AmazonEKS_CNI_Policy"},
    "aws-ebs-csi-driver": {"ebs-csi-controller-sa": "service-role/AmazonEBSCSIDriverPolicy"},
    "aws-efs-csi-driver": {"efs-csi-controller-sa": "service-role/AmazonEFSCSIDriverPolicy"},
    "aws-mountpoint-s3-csi-driver": {"s3-csi-driver-sa": "AmazonS3ReadOnlyAccess"},
    "amazon-cloudwatch-observability": {"cloudwatch-agent": "CloudWatchAgentServerPolicy"},
}
NAMESPACES = {"amazon-cloudwatch-observability": "amazon-cloudwatch"}
# What EKS Auto Mode makes nodes by, and what its cluster's role needs.
NODE_POOLS = ["general-purpose", "system"]
LOGS = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
POLICIES = ["AmazonEKSClusterAdminPolicy", "AmazonEKSAdminPolicy", "AmazonEKSEditPolicy", "AmazonEKSViewPolicy",
            "AmazonEKSAdminViewPolicy", "AmazonEKSSecretReaderPolicy"]
AMI_TYPES = ["AL2_x86_64", "AL2_x86_64_GPU", "AL2_ARM_64", "CUSTOM", "BOTTLEROCKET_ARM_64", "BOTTLEROCKET_x86_64",
             "BOTTLEROCKET_ARM_64_NVIDIA", "BOTTLEROCKET_x86_64_NVIDIA", "AL2023_x86_64_STANDARD", "AL2023_ARM_64_STANDARD",
             "AL2023_x86_64_NEURON", "AL2023_x86_64_NVIDIA", "AL2023_ARM_64_NVIDIA"]
PRIVATE = [ipaddress.ip_network(own) for own in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]

clusters = {}
tokens = {}
# Numbers for the networks of node groups. No two groups ever share one, so that no node gets the name of one that is gone.
networks = itertools.count()
# Starts a cluster's Kubernetes API and gives its endpoint and authority; ends it with the cluster: set
# by the server. The host is the one that the cluster was asked of.
api_server = lambda host, uid: (f"https://{uid}.eks.invalid", "")  # noqa: E731
on_deleted = lambda uid: None  # noqa: E731


def reset():
    for cluster in clusters.values():
        on_deleted(cluster["uid"])
    clusters.clear()
    tokens.clear()


def invalid(message):
    return Refused("InvalidParameterException", message)


def missing(message):
    return Refused("ResourceNotFoundException", message, 404)


def in_use(message):
    return Refused("ResourceInUseException", message, 409)


def handle(call):
    path = call.parts
    for method, pattern, work in ROUTES:
        if method == call.method and len(pattern) == len(path):
            if all(want in ("*", have) for want, have in zip(pattern, path)):
                names = [have for want, have in zip(pattern, path) if want == "*"]
                return once(call, lambda: work(call, *names)) if method == "POST" else work(call, *names)
    raise Refused("UnknownOperationException", f"{call.method} /{'/'.join(path)} is not imitated", 404)


def once(call, work):
    """Answers a request that comes again with its token as it was answered before."""
    token = call.body.get("clientRequestToken")
    key = (call.account, call.region, call.method, tuple(call.parts), token)
    if token and key in tokens:
        return tokens[key]
    result = work()
    if token:
        tokens[key] = json.loads(json.dumps(result))
    return result


def limited(call, code, there, what):
    """Refuses one more than the quota."""
    most = int(quotas.limit(call.account, call.region, "eks", code))
    if there >= most:
        raise Refused("ResourceLimitExceededException", f"You have reached the maximum number of {what} {most}.")


def find(call, name):
    key = (call.account, call.region, name)
    cluster = clusters.get(key)
    if cluster is not None:
        for things in (cluster["node_groups"], cluster["addons"], cluster["profiles"]):
            for thing in list(things.values()):
                settle(thing)
        settle(cluster)
    if key not in clusters:
        raise missing(f"No cluster found for name: {name}.")
    return cluster


def settle(thing):
    """Ends what has taken its time."""
    wait = thing.get("wait")
    if wait and wait.is_over():
        thing["wait"] = None
        thing["then"]()
    return thing


def begin(thing, status, kind, then):
    """Something takes its time, in a status of its own, and then ends."""
    slow = (thing.get("tags") or {}).get("llmhost-test:slow") if status == "CREATING" else None
    thing.update(status=status, wait=pace.Wait(kind, float(slow) if slow else None), then=then)
    return settle(thing)


def begun(thing, kind, tags, failed):
    """How something that is made begins and ends, by its test tags."""
    thing["ends"] = failed if "llmhost-test:fail" in tags else "ACTIVE"
    return begin(thing, "CREATING", kind, lambda: thing.update(status=thing["ends"]))


def looked(thing, *hidden):
    """A look at something, which brings it nearer to its end."""
    seen = shown(settle(thing), *hidden)
    if thing.get("wait"):
        thing["wait"].look()
    return seen


def shown(thing, *hidden):
    hidden = {"wait", "then", "ends", "uid", "self_managed", "network", "interfaces", "node_groups", "addons", "entries", "associations", "profiles", "updates", *hidden}
    return {key: value for key, value in thing.items() if key not in hidden and value is not None}


# Clusters


def create_cluster(call):
    body = call.body
    name = body.get("name", "")
    if not re.fullmatch(r"[0-9A-Za-z][A-Za-z0-9_-]{0,99}", name):
        raise invalid(f"The given cluster name '{name}' is not valid.")
    if (call.account, call.region, name) in clusters:
        raise in_use(f"Cluster already exists with name: {name}")
    there = sum(1 for account, region, _ in clusters if (account, region) == (call.account, call.region))
    limited(call, "L-1194D53C", there, "clusters per account in this region. The limit is")
    version = body.get("version") or DEFAULT_VERSION
    if version not in VERSIONS:
        raise invalid(f"unsupported Kubernetes version {version}")
    role = world.role(call.account, body.get("roleArn", ""))
    if role is None:
        raise invalid(f"The role {body.get('roleArn')} does not exist.")
    if not world.trusts(role, "eks.amazonaws.com"):
        raise invalid("Role with arn: %s, could not be assumed because it does not exist or the trusted entity is not correct" % role.arn)
    place = vpc_config(call, body.get("resourcesVpcConfig", {}), None)
    network = network_config(call, body.get("kubernetesNetworkConfig") or {}, place)
    compute, storage = auto_mode(call, body, network)
    log = logging(body.get("logging"), None)
    for config in body.get("encryptionConfig") or []:
        if not re.fullmatch(r"arn:aws[\w-]*:kms:[\w-]+:\d{12}:(key|alias)/.+", config.get("provider", {}).get("keyArn", "")):
            raise invalid("The keyArn in encryptionConfig is not valid")
    tags = dict(body.get("tags") or {})
    access = body.get("accessConfig") or {}
    uid = uuid.uuid4().hex.upper()
    group = world.ec2(call.account, call.region).create_security_group(
        f"eks-cluster-sg-{name}-{uid[:10].lower()}",
        "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.",
        place["vpcId"],
        tags={f"kubernetes.io/cluster/{name}": "owned", "aws:eks:cluster-name": name},
    )
    place["clusterSecurityGroupId"] = group.id
    endpoint, authority = api_server(call.host, uid)
    cluster = {
        "name": name,
        "arn": f"arn:aws:eks:{call.region}:{call.account}:cluster/{name}",
        "createdAt": time.time(),
        "version": version,
        "endpoint": endpoint,
        "roleArn": role.arn,
        "resourcesVpcConfig": place,
        "kubernetesNetworkConfig": network,
        "computeConfig": compute,
        "storageConfig": storage,
        "logging": log,
        "identity": {"oidc": {"issuer": f"https://oidc.eks.{call.region}.{world.domain(call.region)}/id/{uid}"}},
        "certificateAuthority": {"data": authority},
        "platformVersion": "eks.9",
        "tags": tags,
        "encryptionConfig": body.get("encryptionConfig") or [],
        "health": {"issues": []},
        "accessConfig": {
            "bootstrapClusterCreatorAdminPermissions": access.get("bootstrapClusterCreatorAdminPermissions", True),
            "authenticationMode": access.get("authenticationMode", "CONFIG_MAP"),
        },
        "upgradePolicy": {"supportType": (body.get("upgradePolicy") or {}).get("supportType", "EXTENDED")},
        "deletionProtection": bool(body.get("deletionProtection")),
        # Without it there is a network plugin only where an add-on brings one.
        "self_managed": body.get("bootstrapSelfManagedAddons", True),
        "uid": uid,
        "interfaces": [],
        "node_groups": {},
        "addons": {},
        "entries": {},
        "associations": {},
        "profiles": {},
        "updates": {},
    }
    begun(cluster, "cluster", tags, "FAILED")
    if cluster["ends"] == "FAILED":
        cluster["health"]["issues"] = [{"code": tags["llmhost-test:fail"], "message": "injected by a test", "resourceIds": place["subnetIds"]}]
    clusters[(call.account, call.region, name)] = cluster
    interfaces.of_cluster(cluster, call.account, call.region)
    if cluster["accessConfig"]["bootstrapClusterCreatorAdminPermissions"]:
        entry = new_entry(call, cluster, world.principal(call.account, call.access_key), "STANDARD", {})
        entry["policies"] = {"arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy": {"type": "cluster", "namespaces": []}}
    let_auto_nodes_in(call, cluster)
    return {"cluster": shown(cluster)}


def network_config(call, wanted, place):
    """The addresses of services: of IPv4 in a private range, or of IPv6, which EKS chooses."""
    family = wanted.get("ipFamily") or "ipv4"
    balancing = {"enabled": bool((wanted.get("elasticLoadBalancing") or {}).get("enabled"))}
    if family not in ("ipv4", "ipv6"):
        raise invalid(f"ipFamily {family} is not valid")
    if family == "ipv4":
        return {"serviceIpv4Cidr": wanted.get("serviceIpv4Cidr") or "10.100.0.0/16", "ipFamily": family, "elasticLoadBalancing": balancing}
    if wanted.get("serviceIpv4Cidr"):
        raise invalid("serviceIpv4Cidr cannot be specified when ipFamily is ipv6")
    for one in place["subnetIds"]:
        if not world.subnet(call.account, call.region, one).ipv6_cidr_block_associations:
            raise invalid(f"Subnet {one} does not have an IPv6 CIDR block associated with it")
    return {"serviceIpv6Cidr": f"fd{uuid.uuid4().hex[:2]}:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}::/108", "ipFamily": family, "elasticLoadBalancing": balancing}


def auto_mode(call, wanted, network):
    """EKS Auto Mode is on in all of its three parts, or in none."""
    compute, storage = wanted.get("computeConfig") or {}, wanted.get("storageConfig") or {}
    parts = {bool(compute.get("enabled")), bool((storage.get("blockStorage") or {}).get("enabled")), network["elasticLoadBalancing"]["enabled"]}
    if len(parts) > 1:
        raise invalid("For EKS Auto Mode, please ensure that all required configs, including computeConfig, kubernetesNetworkConfig, and blockStorage are all either fully enabled or fully disabled.")
    if True not in parts:
        return {"enabled": False}, {"blockStorage": {"enabled": False}}
    pools, arn = compute.get("nodePools") or [], compute.get("nodeRoleArn")
    unknown = [pool for pool in pools if pool not in NODE_POOLS]
    if unknown:
        raise invalid(f"Invalid node pool {unknown[0]}")
    if bool(pools) != bool(arn):
        raise invalid("When Compute Config nodeRoleArn is not null or empty, nodePool value(s) must be provided.")
    if arn:
        role = world.role(call.account, arn)
        if role is None or not world.trusts(role, world.ec2_principal(call.region)):
            raise invalid(f"The role {arn} does not exist or does not trust EC2")
    return {"enabled": True, "nodePools": list(pools), "nodeRoleArn": arn}, {"blockStorage": {"enabled": True}}


def let_auto_nodes_in(call, cluster):
    """EKS lets the nodes of its pools in by itself."""
    arn = cluster["computeConfig"].get("nodeRoleArn")
    if arn and arn not in cluster["entries"]:
        new_entry(call, cluster, arn, "EC2", {})["own"] = True


def vpc_config(call, wanted, old):
    """Checks subnets, groups and ranges, and fills in what is not said."""
    subnets = wanted.get("subnetIds") or (old or {}).get("subnetIds") or []
    found = {subnet_id: world.subnet(call.account, call.region, subnet_id) for subnet_id in subnets}
    unknown = [subnet_id for subnet_id, subnet in found.items() if subnet is None]
    if unknown:
        raise invalid(f"The subnet ID '{unknown[0]}' does not exist (Service: AmazonEC2; Status Code: 400; Error Code: InvalidSubnetID.NotFound)")
    if len({subnet.availability_zone for subnet in found.values()}) < 2:
        raise invalid("Subnets specified must be in at least two different AZs")
    vpcs = {subnet.vpc_id for subnet in found.values()}
    if len(vpcs) > 1:
        raise invalid("Subnets specified must belong to the same VPC")
    groups = wanted.get("securityGroupIds") or (old or {}).get("securityGroupIds") or []
    for group in groups:
        if world.ec2(call.account, call.region).get_security_group_from_id(group) is None:
            raise invalid(f"The security group '{group}' does not exist")
    public = wanted.get("endpointPublicAccess", (old or {}).get("endpointPublicAccess", True))
    private = wanted.get("endpointPrivateAccess", (old or {}).get("endpointPrivateAccess", False))
    if not public and not private:
        raise invalid("Private and public endpoint access cannot be false")
    ranges = wanted.get("publicAccessCidrs") or ((old or {}).get("publicAccessCidrs") if public else []) or (["0.0.0.0/0"] if public else [])
    for cidr in ranges:
        try:
            network = ipaddress.ip_network(cidr)
        except ValueError:
            raise invalid(f"Invalid CIDR '{cidr}' in publicAccessCidrs") from None
        if any(network.subnet_of(own) for own in PRIVATE if own.version == network.version):
            raise invalid(f"The following CIDRs are not allowed in publicAccessCidrs: [{cidr}]")
    return {
        **(old or {}),
        "subnetIds": list(subnets),
        "securityGroupIds": list(groups),
        "vpcId": vpcs.pop(),
        "endpointPublicAccess": public,
        "endpointPrivateAccess": private,
        "publicAccessCidrs": list(ranges),
    }


def logging(wanted, old):
    on = {kind for setup in (old or {}).get("clusterLogging", []) if setup["enabled"] for kind in setup["types"]}
    for setup in (wanted or {}).get("clusterLogging", []):
        for kind in setup.get("types", []):
            if kind not in LOGS:
                raise invalid(f"Invalid log type {kind}")
            (on.add if setup.get("enabled") else on.discard)(kind)
    setups = [(True, [kind for kind in LOGS if kind in on]), (False, [kind for kind in LOGS if kind not in on])]
    return {"clusterLogging": [{"types": kinds, "enabled": enabled} for enabled, kinds in setups if kinds]}


def describe_cluster(call, name):
    return {"cluster": looked(find(call, name))}


def list_clusters(call):
    return {"clusters": sorted(name for account, region, name in clusters if (account, region) == (call.account, call.region))}


def delete_cluster(call, name):
    cluster = find(call, name)
    if cluster["deletionProtection"]:
        raise Refused("InvalidRequestException", f"Cluster {name} cannot be deleted because deletion protection is enabled")
    if cluster["node_groups"]:
        raise in_use(f"Cluster has nodegroups attached")
    if cluster["profiles"]:
        raise in_use("Cluster has Fargate profiles attached")
    if cluster["status"] == "DELETING":
        raise in_use(f"Cluster is already being deleted: {name}")

    def gone():
        interfaces.detach(call.account, call.region, cluster["interfaces"])
        try:
            group = cluster["resourcesVpcConfig"]["clusterSecurityGroupId"]
            world.ec2(call.account, call.region).delete_security_group(group_id=group)
        except EC2ClientError:
            # Somebody still uses it, or deleted it: EKS does not wait for that.
            pass
        clusters.pop((call.account, call.region, name), None)
        on_deleted(cluster["uid"])

    begin(cluster, "DELETING", "cluster gone", gone)
    return {"cluster": {**shown(cluster), "status": "DELETING"}}


def is_active(cluster):
    """A cluster that takes new parts; an update of it does not hinder them."""
    if settle(cluster)["status"] not in ("ACTIVE", "UPDATING"):
        raise Refused("InvalidRequestException", f"Cluster '{cluster['name']}' is not in ACTIVE status")
    return cluster


def is_idle(cluster):
    """A cluster that takes a change of its own."""
    if is_active(cluster)["status"] == "UPDATING":
        raise in_use(f"Cluster {cluster['name']} currently has an update in progress")
    return cluster


def updated(cluster, kind, params, of, thing, holder=None):
    """An update has begun: of the cluster itself, or of `thing`, which `holder` names in it."""
    update = {
        "id": str(uuid.uuid4()),
        "status": "InProgress",
        "type": kind,
        "params": [{"type": key, "value": json.dumps(value)} for key, value in params.items()],
        "createdAt": time.time(),
        "errors": [],
    }
    cluster["updates"][update["id"]] = (holder, update, thing)

    def done():
        thing["status"] = "ACTIVE"
        update["status"] = "Successful"

    first = dict(update)
    begin(thing, "UPDATING", of, done)
    return {"update": first}


def update_cluster_config(call, name):
    cluster, body = is_idle(find(call, name)), call.body
    if body.get("computeConfig") is not None:
        return update_auto_mode(call, cluster)
    kinds = [key for key in ("resourcesVpcConfig", "logging", "accessConfig", "upgradePolicy", "deletionProtection") if body.get(key) is not None]
    if len(kinds) != 1:
        raise invalid("Exactly one type of update can be made at a time")
    key = kinds[0]
    wanted = body[key]
    if key == "resourcesVpcConfig":
        if ("subnetIds" in wanted or "securityGroupIds" in wanted) and any(k.startswith("endpoint") for k in wanted):
            raise invalid("Cannot update both endpoint access and subnets at the same time")
        new, kind = vpc_config(call, wanted, cluster[key]), "VpcConfigUpdate" if "subnetIds" in wanted else "EndpointAccessUpdate"
    elif key == "logging":
        new, kind = logging(wanted, cluster[key]), "LoggingUpdate"
    elif key == "accessConfig":
        new, kind = {**cluster[key], **wanted}, "AccessConfigUpdate"
    else:
        new, kind = wanted, "UpgradePolicyUpdate" if key == "upgradePolicy" else "DeletionProtectionUpdate"
    if new == cluster[key]:
        raise invalid("No changes needed for the configuration provided")
    cluster[key] = new
    if key == "resourcesVpcConfig":
        interfaces.of_cluster(cluster, call.account, call.region)
    return updated(cluster, kind, {key: wanted}, "cluster update", cluster)


def update_auto_mode(call, cluster):
    """EKS Auto Mode, on or off."""
    old, network = cluster["computeConfig"], cluster["kubernetesNetworkConfig"]
    balancing = (call.body.get("kubernetesNetworkConfig") or {}).get("elasticLoadBalancing") or {"enabled": False}
    compute, storage = auto_mode(call, call.body, {**network, "elasticLoadBalancing": balancing})
    if old.get("nodeRoleArn") and compute.get("nodeRoleArn") not in (None, old["nodeRoleArn"]):
        raise invalid("The node role of EKS Auto Mode cannot be changed")
    cluster.update(computeConfig=compute, storageConfig=storage, kubernetesNetworkConfig={**network, "elasticLoadBalancing": balancing})
    let_auto_nodes_in(call, cluster)
    return updated(cluster, "AutoModeUpdate", {"ComputeConfig": compute}, "cluster update", cluster)


def update_cluster_version(call, name):
    cluster, version = is_idle(find(call, name)), call.body.get("version")
    if version not in VERSIONS:
        raise invalid(f"unsupported Kubernetes version update from {cluster['version']} to {version}")
    step = int(version.split(".")[1]) - int(cluster["version"].split(".")[1])
    if step == 0:
        raise invalid(f"Cluster is already at version {version}")
    if step != 1:
        raise invalid(f"Unsupported Kubernetes minor version update from {cluster['version']} to {version}")
    cluster["version"] = version
    return updated(cluster, "VersionUpdate", {"Version": version}, "cluster version", cluster)


def associate_encryption(call, name):
    cluster = is_idle(find(call, name))
    if cluster["encryptionConfig"]:
        raise invalid("Cluster already has an encryption configuration")
    cluster["encryptionConfig"] = call.body.get("encryptionConfig")
    return updated(cluster, "AssociateEncryptionConfig", {"EncryptionConfig": cluster["encryptionConfig"]}, "cluster update", cluster)


def describe_update(call, name, update_id):
    cluster = find(call, name)
    holder, update, thing = cluster["updates"].get(update_id, (None, None, None))
    if update is None or holder != (call.one("nodegroupName") or call.one("addonName")):
        raise missing(f"No update found for ID: {update_id}")
    settle(thing)
    seen = dict(update)
    if thing.get("wait"):
        thing["wait"].look()
    return {"update": seen}


def list_updates(call, name):
    holder = call.one("nodegroupName") or call.one("addonName")
    return {"updateIds": [key for key, (of, _, _) in find(call, name)["updates"].items() if of == holder]}


def cluster_versions(call):
    described = [
        {
            "clusterVersion": version,
            "clusterType": "eks",
            "defaultPlatformVersion": "eks.9",
            "defaultVersion": version == DEFAULT_VERSION,
            "status": support.lower().replace("_", "-"),
            "versionStatus": support,
            "kubernetesPatchVersion": f"{version}.1",
        }
        for version, support in sorted(VERSIONS.items(), reverse=True)
    ]
    if call.one("defaultOnly") == "true":
        described = [version for version in described if version["defaultVersion"]]
    wanted = call.query.get("clusterVersions")
    return {"clusterVersions": [version for version in described if not wanted or version["clusterVersion"] in wanted]}


# Node groups


def create_node_group(call, name):
    cluster, body = is_active(find(call, name)), call.body
    group_name = body.get("nodegroupName", "")
    if group_name in cluster["node_groups"]:
        raise in_use(f"NodeGroup already exists with name {group_name} and cluster name {name}")
    limited(call, "L-6D54EA21", len(cluster["node_groups"]), "managed node groups per cluster. The limit is")
    role = world.role(call.account, body.get("nodeRole", ""))
    principal = world.ec2_principal(call.region)
    if role is None or not world.trusts(role, principal):
        raise invalid(f"Following required service principals [{principal}] were not found in the trust relationships of nodeRole {body.get('nodeRole')}")
    for subnet_id in body.get("subnets") or []:
        subnet = world.subnet(call.account, call.region, subnet_id)
        if subnet is None:
            raise invalid(f"The subnet ID '{subnet_id}' does not exist")
        if subnet.vpc_id != cluster["resourcesVpcConfig"]["vpcId"]:
            raise invalid("Subnets are not in the VPC of the cluster")
    if not body.get("subnets"):
        raise invalid("Subnets cannot be empty")
    sizes = {"minSize": 1, "maxSize": 2, "desiredSize": 1, **(body.get("scalingConfig") or {})}
    scaled(sizes)
    template = body.get("launchTemplate")
    if template:
        found = world.launch_template(call.account, call.region, template)
        if found is None:
            raise invalid("Launch template does not exist")
        if template.get("version") and int(template["version"]) > len(found.versions):
            raise invalid(f"Launch template version {template['version']} does not exist")
        if body.get("diskSize"):
            raise invalid("Disk size must be specified within the launch template.")
        if body.get("remoteAccess"):
            raise invalid("Remote access configuration cannot be specified with a launch template.")
        template = {"id": found.id, "name": found.name, "version": template.get("version") or str(found.default_version_number)}
    data = machine_data(call, template)
    if data.get("InstanceType") and body.get("instanceTypes"):
        raise invalid("Instance types cannot be specified in both the node group and its launch template.")
    types = body.get("instanceTypes") or [data.get("InstanceType") or "t3.medium"]
    capacity_type = body.get("capacityType") or "ON_DEMAND"
    unknown = [kind for kind in types if world.instance_type(kind) is None]
    if unknown:
        raise invalid(f"The following supplied instance types do not exist: [{', '.join(unknown)}]")
    if data.get("ImageId") and (body.get("amiType") or body.get("version") or body.get("releaseVersion")):
        raise invalid("You cannot specify an AMI type, version or release version when the launch template has an image ID.")
    ami = "CUSTOM" if data.get("ImageId") else body.get("amiType") or "AL2023_x86_64_STANDARD"
    started(call, data, capacity_type, types, ami)
    release = released(body.get("releaseVersion"), body.get("version") or cluster["version"], ami)
    fits(ami, types, cluster["version"])
    for taint in body.get("taints") or []:
        tainted(taint)
    tags = dict(body.get("tags") or {})
    uid = str(uuid.uuid4())
    group = {
        "nodegroupName": group_name,
        "nodegroupArn": f"arn:aws:eks:{call.region}:{call.account}:nodegroup/{name}/{group_name}/{uid}",
        "clusterName": name,
        "version": body.get("version") or cluster["version"],
        "releaseVersion": release,
        "createdAt": time.time(),
        "modifiedAt": time.time(),
        "capacityType": capacity_type,
        "scalingConfig": sizes,
        "instanceTypes": types,
        "subnets": body["subnets"],
        "amiType": ami,
        "nodeRole": role.arn,
        "labels": body.get("labels") or {},
        "taints": body.get("taints") or [],
        "resources": {"autoScalingGroups": [{"name": f"eks-{group_name}-{uid}"}]},
        "health": {"issues": []},
        "updateConfig": body.get("updateConfig") or {"maxUnavailable": 1},
        "nodeRepairConfig": body.get("nodeRepairConfig") or {"enabled": False},
        "launchTemplate": template,
        "diskSize": None if template else body.get("diskSize", 20),
        "tags": tags,
        "network": next(networks) % 2**16,
        "interfaces": [],
    }
    holder = group["resources"]["autoScalingGroups"][0]["name"]

    def joined():
        code, _, message = tags.get("llmhost-test:fail", "").partition(" ")
        if not code and not cluster["self_managed"] and "vpc-cni" not in cluster["addons"]:
            code, message = "NodeCreationFailure", "Unhealthy nodes in the kubernetes cluster"
        if not code and sizes["desiredSize"] and not all(world.reaches_out(call.account, call.region, one, private(cluster)) for one in group["subnets"]):
            code, message = "NodeCreationFailure", "Instances failed to join the kubernetes cluster"
        over = None if code else capacity.exceeded(call.account, call.region, all_groups(call), group)
        if over:
            code, message = "AsgInstanceLaunchFailures", over
        group["status"] = "CREATE_FAILED" if code else "ACTIVE"
        if code:
            group["health"]["issues"] = [{"code": code, "message": message or "injected by a test", "resourceIds": [holder]}]

    cluster["node_groups"][group_name] = group
    begin(group, "CREATING", "node group", joined)
    interfaces.of_nodes(cluster, group, call.account, call.region)
    if cluster["accessConfig"]["authenticationMode"] != "CONFIG_MAP" and role.arn not in cluster["entries"]:
        # EKS lets the nodes of a managed group in by itself.
        new_entry(call, cluster, role.arn, "EC2_LINUX", {})["own"] = True
    return {"nodegroup": shown(group)}


def machine_data(call, template):
    """What a version of a launch template says of machines."""
    found = template and world.launch_template(call.account, call.region, template)
    return found.get_version(template["version"]).data if found else {}


def started(call, data, capacity_type, types, ami):
    """What EKS and EC2 refuse of a launch template, before a machine is started."""
    if capacity_type not in ("ON_DEMAND", "SPOT", "CAPACITY_BLOCK"):
        raise invalid(f"Invalid capacity type {capacity_type}")
    block = (data.get("InstanceMarketOptions") or {}).get("MarketType") == "capacity-block"
    if block != (capacity_type == "CAPACITY_BLOCK"):
        raise invalid("Capacity type CAPACITY_BLOCK needs a launch template with the market type capacity-block, and the other way round.")
    there = world.placement(call.account, call.region)
    reservation = ((data.get("CapacityReservationSpecification") or {}).get("CapacityReservationTarget") or {}).get("CapacityReservationId")
    if block and not (reservation and data.get("InstanceType")):
        raise invalid("The launch template of a capacity block must have its reservation ID and the instance type.")
    if reservation:
        found = there["reservations"].get(reservation)
        if found is None or found["State"] != "active":
            raise invalid(f"The capacity reservation ID '{reservation}' does not exist")
        if found["InstanceType"] not in types:
            raise invalid(f"The capacity reservation {reservation} is for {found['InstanceType']}")
    name = (data.get("Placement") or {}).get("GroupName")
    if name and name not in there["placement_groups"]:
        raise invalid(f"The Placement Group '{name}' is unknown.")
    for interface in data.get("NetworkInterfaces") or []:
        if interface.get("InterfaceType", "interface") != "interface":
            for kind in types:
                network = world.instance_type(kind).get("NetworkInfo", {})
                if int(interface.get("NetworkCardIndex") or 0) >= network.get("EfaInfo", {}).get("MaximumEfaInterfaces", 0):
                    raise invalid(f"EFA interfaces are not supported on the network card of {kind}")
    user_data = data.get("UserData")
    if user_data and ami.startswith(("AL2_", "AL2023_")):
        text = base64.b64decode(str(user_data)).decode(errors="replace")
        if not text.startswith(("MIME-Version:", "Content-Type: multipart/")):
            raise invalid("User data was not in the MIME multipart format.")


def released(wanted, version, ami):
    """The AMI release of a node group, the newest where none is asked for."""
    if wanted is None:
        return "1.50.0-abcdef01" if ami.startswith("BOTTLEROCKET") else f"{version}.1-20261101"
    form = r"\d+\.\d+\.\d+-[0-9a-f]{8}" if ami.startswith("BOTTLEROCKET") else rf"{re.escape(version)}\.\d+-20\d{{6}}"
    if not re.fullmatch(form, wanted):
        raise invalid(f"Requested release version {wanted} is not valid for kubernetes version {version}.")
    return wanted


def all_groups(call):
    there = [cluster for (account, region, _), cluster in clusters.items() if (account, region) == (call.account, call.region)]
    return [group for cluster in there for group in cluster["node_groups"].values()]


def private(cluster):
    return cluster["resourcesVpcConfig"]["endpointPrivateAccess"]


def scaled(sizes):
    low, wanted, high = sizes["minSize"], sizes["desiredSize"], sizes["maxSize"]
    if high < 1:
        raise invalid("maxSize must be at least 1")
    if not 0 <= low <= high:
        raise invalid("Minimum capacity %d can't be greater than maximum capacity %d" % (low, high))
    if wanted < low:
        raise invalid("Desired capacity %d can't be less than minimum capacity %d" % (wanted, low))
    if wanted > high:
        raise invalid("Desired capacity %d can't be greater than max size %d" % (wanted, high))


def fits(ami, types, version):
    if ami not in AMI_TYPES:
        raise invalid(f"Invalid amiType {ami}")
    if ami.startswith("AL2_") and int(version.split(".")[1]) >= 33:
        raise invalid(f"AMI Type {ami} is only supported for kubernetes versions 1.32 or earlier")
    if ami == "CUSTOM":
        return
    for kind in types:
        info = world.instance_type(kind)
        arm = "arm64" in info["ProcessorInfo"]["SupportedArchitectures"]
        if arm != ("ARM_64" in ami):
            raise invalid(f"[{kind}] is not a valid instance type for requested amiType {ami}")


def tainted(taint):
    if taint.get("effect") not in ("NO_SCHEDULE", "NO_EXECUTE", "PREFER_NO_SCHEDULE"):
        raise invalid(f"Invalid taint effect {taint.get('effect')}")


def group_of(call, name, group_name):
    cluster = find(call, name)
    group = cluster["node_groups"].get(group_name)
    if group is None:
        raise missing(f"No node group found for name: {group_name}.")
    settle(group)
    template = group["launchTemplate"]
    if template and group["status"] == "ACTIVE" and world.launch_template(call.account, call.region, template) is None:
        # EC2 lets a template go that a node group uses; the group notices.
        name, holder = template["id"], group["resources"]["autoScalingGroups"][0]["name"]
        issue = {"code": "Ec2LaunchTemplateNotFound", "message": f"EC2 Launch Template {name} was not found.", "resourceIds": [holder]}
        group["status"], group["health"] = "DEGRADED", {"issues": [issue]}
    return cluster, group


def describe_node_group(call, name, group_name):
    return {"nodegroup": looked(group_of(call, name, group_name)[1])}


def list_node_groups(call, name):
    return {"nodegroups": sorted(find(call, name)["node_groups"])}


def can_change(group):
    name = group["nodegroupName"]
    if group["status"] == "UPDATING":
        raise in_use(f"Nodegroup {name} currently has an update in progress")
    if group["status"] not in ("ACTIVE", "DEGRADED"):
        raise Refused("InvalidRequestException", f"Nodegroup {name} is not in a valid state for the operation")


def update_node_group_config(call, name, group_name):
    cluster, group = group_of(call, name, group_name)
    body = call.body
    can_change(group)
    if body.get("scalingConfig"):
        sizes = {**group["scalingConfig"], **body["scalingConfig"]}
        scaled(sizes)
        group["scalingConfig"] = sizes
        interfaces.of_nodes(cluster, group, call.account, call.region)
    labels = body.get("labels") or {}
    for key in labels.get("removeLabels") or []:
        if key not in group["labels"]:
            raise invalid(f"The label {key} does not exist on the node group")
        del group["labels"][key]
    group["labels"].update(labels.get("addOrUpdateLabels") or {})
    taints = body.get("taints") or {}
    same = lambda one, other: (one["key"], one["effect"]) == (other["key"], other["effect"])  # noqa: E731
    for taint in (taints.get("removeTaints") or []) + (taints.get("addOrUpdateTaints") or []):
        tainted(taint)
        group["taints"] = [old for old in group["taints"] if not same(old, taint)]
    group["taints"] += taints.get("addOrUpdateTaints") or []
    for key in ("updateConfig", "nodeRepairConfig"):
        group[key] = body.get(key) or group[key]
    group["modifiedAt"] = time.time()
    return updated(cluster, "ConfigUpdate", {"Config": 1}, "node group update", group, group_name)


def update_node_group_version(call, name, group_name):
    cluster, group = group_of(call, name, group_name)
    can_change(group)
    template, version = call.body.get("launchTemplate"), call.body.get("version")
    release = released(call.body.get("releaseVersion"), version or group["version"], group["amiType"])
    if template:
        found = world.launch_template(call.account, call.region, template)
        if found is None or int(template.get("version") or 1) > len(found.versions):
            raise invalid("Launch template version does not exist")
        if group["launchTemplate"] is None or group["launchTemplate"]["id"] != found.id:
            raise invalid("The launch template of a node group cannot be changed to another")
        new = {"id": found.id, "name": found.name, "version": template.get("version")}
        started(call, machine_data(call, new), group["capacityType"], group["instanceTypes"], group["amiType"])
        group["launchTemplate"] = new
    if version and version != group["version"]:
        if int(version.split(".")[1]) > int(cluster["version"].split(".")[1]):
            raise invalid(f"Nodegroup Kubernetes version {version} must not be newer than the cluster's")
        group["version"] = version
    if group["amiType"] != "CUSTOM":
        # Who asks for no release gets the newest.
        group["releaseVersion"] = release
    group["modifiedAt"] = time.time()
    return updated(cluster, "VersionUpdate", {"Version": group["version"]}, "node group update", group, group_name)


def delete_node_group(call, name, group_name):
    cluster, group = group_of(call, name, group_name)
    if group["status"] in ("DELETING", "UPDATING"):
        raise in_use(f"Nodegroup {group_name} cannot be deleted, it is in status {group['status']}")

    def gone():
        interfaces.detach(call.account, call.region, group["interfaces"])
        if group["tags"].get("llmhost-test:leaves") == "interface":
            interfaces.leave(cluster, group, call.account, call.region)
        cluster["node_groups"].pop(group_name, None)
        role = group["nodeRole"]
        if cluster["entries"].get(role, {}).get("own") and all(other["nodeRole"] != role for other in cluster["node_groups"].values()):
            del cluster["entries"][role]

    begin(group, "DELETING", "node group gone", gone)
    return {"nodegroup": {**shown(group), "status": "DELETING"}}


# Access


def new_entry(call, cluster, principal, kind, tags):
    uid = uuid.uuid4()
    who = principal.split(":")[-1].replace("/", "/", 1)
    entry = {
        "clusterName": cluster["name"],
        "principalArn": principal,
        "kubernetesGroups": [] if kind == "STANDARD" else ["system:nodes"],
        "accessEntryArn": f"arn:aws:eks:{call.region}:{call.account}:access-entry/{cluster['name']}/{who}/{uid}",
        "createdAt": time.time(),
        "modifiedAt": time.time(),
        "tags": tags,
        "username": principal,
        "type": kind,
        "policies": {},
    }
    cluster["entries"][principal] = entry
    return entry


def create_entry(call, name):
    cluster, body = is_active(find(call, name)), call.body
    if cluster["accessConfig"]["authenticationMode"] == "CONFIG_MAP":
        raise Refused("InvalidRequestException", "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.")
    principal, kind = body.get("principalArn", ""), body.get("type") or "STANDARD"
    if not world.principal_exists(call.account, principal):
        raise invalid("The specified principalArn is invalid: invalid principal.")
    if principal in cluster["entries"]:
        raise in_use("The specified access entry resource is already in use on this cluster.")
    if kind not in ("STANDARD", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "EC2", "HYBRID_LINUX", "HYPERPOD_LINUX"):
        raise invalid(f"The type {kind} is not valid")
    groups = body.get("kubernetesGroups") or []
    if any(group.startswith("system:") for group in groups):
        raise invalid("The kubernetes group name is invalid, it cannot start with system:")
    if groups and kind != "STANDARD":
        raise invalid("kubernetesGroups can only be set for entries of type STANDARD")
    entry = new_entry(call, cluster, principal, kind, dict(body.get("tags") or {}))
    entry["kubernetesGroups"] = groups or entry["kubernetesGroups"]
    return {"accessEntry": shown(entry, "policies", "own")}


def entry_of(call, name, principal):
    entry = find(call, name)["entries"].get(principal)
    if entry is None:
        raise missing("The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'.")
    return entry


def describe_entry(call, name, principal):
    return {"accessEntry": shown(entry_of(call, name, principal), "policies", "own")}


def list_entries(call, name):
    return {"accessEntries": sorted(find(call, name)["entries"])}


def update_entry(call, name, principal):
    entry = entry_of(call, name, principal)
    if call.body.get("kubernetesGroups") is not None:
        entry["kubernetesGroups"] = call.body["kubernetesGroups"]
    return {"accessEntry": shown(entry, "policies", "own")}


def delete_entry(call, name, principal):
    entry_of(call, name, principal)
    del find(call, name)["entries"][principal]
    return {}


def associate_policy(call, name, principal):
    entry, policy, scope = entry_of(call, name, principal), call.body.get("policyArn", ""), call.body.get("accessScope") or {}
    if policy not in [f"arn:aws:eks::aws:cluster-access-policy/{known}" for known in POLICIES]:
        raise invalid("The policyArn parameter format is not valid")
    if entry["type"] != "STANDARD":
        raise invalid("Access policies can only be associated with entries of type STANDARD")
    if scope.get("type") not in ("cluster", "namespace") or (scope["type"] == "namespace") != bool(scope.get("namespaces")):
        raise invalid("The access scope is not valid")
    entry["policies"][policy] = {"type": scope["type"], "namespaces": scope.get("namespaces") or []}
    return {"clusterName": name, "principalArn": principal, "associatedAccessPolicy": associated(policy, entry)}


def associated(policy, entry):
    return {"policyArn": policy, "accessScope": entry["policies"][policy], "associatedAt": time.time(), "modifiedAt": time.time()}


def disassociate_policy(call, name, principal, policy):
    entry = entry_of(call, name, principal)
    if entry["policies"].pop(policy, None) is None:
        raise missing("The specified policyArn could not be found on this access entry.")
    return {}


def list_policies(call, name, principal):
    entry = entry_of(call, name, principal)
    return {"clusterName": name, "principalArn": principal, "associatedAccessPolicies": [associated(p, entry) for p in entry["policies"]]}


# Add-ons


def create_addon(call, name):
    cluster, body = is_active(find(call, name)), call.body
    addon_name = body.get("addonName", "")
    if addon_name not in ADDONS:
        raise invalid(f"Addon {addon_name} specified is not supported in {cluster['version']} kubernetes version")
    if addon_name in cluster["addons"]:
        raise in_use(f"Addon already exists.")
    addon = {
        "addonName": addon_name,
        "clusterName": name,
        "addonVersion": addon_version(addon_name, body.get("addonVersion"), cluster["version"]),
        "health": {"issues": []},
        "addonArn": f"arn:aws:eks:{call.region}:{call.account}:addon/{name}/{addon_name}/{uuid.uuid4()}",
        "createdAt": time.time(),
        "modifiedAt": time.time(),
        "serviceAccountRoleArn": addon_role(call, body.get("serviceAccountRoleArn")),
        "tags": dict(body.get("tags") or {}),
        "configurationValues": configuration(body.get("configurationValues")),
        "owner": "aws",
        "publisher": "eks",
    }
    addon["podIdentityAssociations"] = pods_of(call, cluster, addon, body.get("podIdentityAssociations") or [])
    begun(addon, "addon", addon["tags"], "CREATE_FAILED")
    cluster["addons"][addon_name] = addon
    return {"addon": {**shown(addon), "status": "CREATING"}}


def versions_of(addon_name, cluster_version):
    """The versions of an add-on for a version of the cluster, the default first."""
    return PROXY_VERSIONS[cluster_version] if addon_name == "kube-proxy" else ADDON_VERSIONS


def addon_version(addon_name, version, cluster_version):
    known = versions_of(addon_name, cluster_version)
    if version and version not in known:
        raise invalid("Addon version specified is not supported")
    return version or known[0]


def addon_role(call, arn):
    if arn and world.role(call.account, arn) is None:
        raise invalid(f"The role {arn} does not exist")
    return arn


def pods_of(call, cluster, addon, wanted):
    """Gives the service accounts of an add-on these roles by Pod Identity, and no others; gives the associations' ARNs."""
    name, known = addon["addonName"], POD_IDENTITIES.get(addon["addonName"], {})
    there, namespace = cluster["associations"], NAMESPACES.get(addon["addonName"], "kube-system")
    own = {uid: one for uid, one in there.items() if one.get("ownerArn") == addon["addonArn"]}
    for pair in wanted:
        if pair["serviceAccount"] not in known:
            raise invalid(f"The service account {pair['serviceAccount']} is not supported for pod identity associations of addon {name}")
        is_a_role_for_pods(call.account, pair["roleArn"])
        for uid, other in there.items():
            if uid not in own and (other["namespace"], other["serviceAccount"]) == (namespace, pair["serviceAccount"]):
                raise in_use(f"Association already exists: {uid}")
    roles = {pair["serviceAccount"]: pair["roleArn"] for pair in wanted}
    for uid, one in own.items():
        if one["serviceAccount"] in roles:
            one["roleArn"] = roles.pop(one["serviceAccount"])
        else:
            del there[uid]
    for account, arn in roles.items():
        new_association(call, cluster, namespace, account, arn, {}, addon["addonArn"])
    return [one["associationArn"] for one in there.values() if one.get("ownerArn") == addon["addonArn"]]


def configuration(text):
    if text:
        try:
            good = isinstance(yaml.safe_load(text), dict)
        except yaml.YAMLError:
            good = False
        if not good:
            raise invalid("ConfigurationValue provided in request is not supported: it must be JSON or YAML")
    return text


def addon_of(call, name, addon_name):
    cluster = find(call, name)
    addon = cluster["addons"].get(addon_name)
    if addon is None:
        raise missing(f"No addon: {addon_name} found in cluster: {name}")
    return cluster, settle(addon)


def describe_addon(call, name, addon_name):
    return {"addon": looked(addon_of(call, name, addon_name)[1])}


def list_addons(call, name):
    return {"addons": sorted(find(call, name)["addons"])}


def update_addon(call, name, addon_name):
    cluster, addon = addon_of(call, name, addon_name)
    body = call.body
    if body.get("addonVersion"):
        addon["addonVersion"] = addon_version(addon_name, body["addonVersion"], cluster["version"])
    if body.get("configurationValues") is not None:
        addon["configurationValues"] = configuration(body["configurationValues"])
    addon["serviceAccountRoleArn"] = addon_role(call, body.get("serviceAccountRoleArn"))
    if body.get("podIdentityAssociations") is not None:
        addon["podIdentityAssociations"] = pods_of(call, cluster, addon, body["podIdentityAssociations"])
    return updated(cluster, "AddonUpdate", {"AddonVersion": addon["addonVersion"]}, "addon", addon, addon_name)


def delete_addon(call, name, addon_name):
    cluster, addon = addon_of(call, name, addon_name)

    def gone():
        pods_of(call, cluster, addon, [])
        cluster["addons"].pop(addon_name, None)

    begin(addon, "DELETING", "addon gone", gone)
    return {"addon": {**shown(addon), "status": "DELETING"}}


def addon_versions(call):
    wanted = call.one("addonName")
    if wanted and wanted not in ADDONS:
        raise invalid(f"Addon {wanted} specified is not supported")
    asked = call.one("kubernetesVersion")
    if asked and asked not in VERSIONS:
        raise invalid(f"Kubernetes version {asked} is not supported")

    def described(name):
        found = {}
        for cluster_version in [asked] if asked else VERSIONS:
            for at, version in enumerate(versions_of(name, cluster_version)):
                entry = {"clusterVersion": cluster_version, "platformVersions": ["*"], "defaultVersion": at == 0}
                found.setdefault(version, []).append(entry)
        return [
            {"addonVersion": version, "architecture": ["amd64", "arm64"], "compatibilities": compatible}
            for version, compatible in found.items()
        ]

    names = [wanted] if wanted else ADDONS
    about = {"type": "networking", "publisher": "eks", "owner": "aws"}
    return {"addons": [{"addonName": name, **about, "addonVersions": described(name)} for name in names]}


def addon_configuration(call):
    """What an add-on's version takes: its schema is open here."""
    name, version = call.one("addonName"), call.one("addonVersion")
    if name not in ADDONS or not any(version in versions_of(name, one) for one in VERSIONS):
        raise missing(f"Addon {name} with version {version} is not supported")
    policy = "arn:aws:iam::aws:policy/{}".format
    pods = [{"serviceAccount": account, "recommendedManagedPolicies": [policy(known)]} for account, known in POD_IDENTITIES.get(name, {}).items()]
    return {"addonName": name, "addonVersion": version, "configurationSchema": "{}", "podIdentityConfiguration": pods}


# Pod identities


def is_a_role_for_pods(account, arn):
    """Refuses a role that pods cannot have. EKS does not know a role that was made a moment ago."""
    role = world.role(account, arn)
    if role is None or not world.is_assumable(arn):
        raise invalid("Role provided in the request does not exist.")
    if not world.trusts(role, "pods.eks.amazonaws.com"):
        raise invalid("Trust policy of the role provided is invalid.")


def create_association(call, name):
    cluster, body = is_active(find(call, name)), call.body
    is_a_role_for_pods(call.account, body.get("roleArn", ""))
    for other in cluster["associations"].values():
        if (other["namespace"], other["serviceAccount"]) == (body.get("namespace"), body.get("serviceAccount")):
            raise in_use(f"Association already exists: {other['associationId']}")
    made = new_association(call, cluster, body.get("namespace"), body.get("serviceAccount"), body["roleArn"], dict(body.get("tags") or {}))
    return {"association": made}


def new_association(call, cluster, namespace, account, role, tags, owner=None):
    name, uid = cluster["name"], "a-" + uuid.uuid4().hex[:17]
    association = {
        "clusterName": name,
        "namespace": namespace,
        "serviceAccount": account,
        "roleArn": role,
        "associationArn": f"arn:aws:eks:{call.region}:{call.account}:podidentityassociation/{name}/{uid}",
        "associationId": uid,
        "tags": tags,
        "createdAt": time.time(),
        "modifiedAt": time.time(),
    }
    if owner:
        association["ownerArn"] = owner
    cluster["associations"][uid] = association
    return association


def association_of(call, name, uid):
    association = find(call, name)["associations"].get(uid)
    if association is None:
        raise missing(f"Association {uid} not found")
    return association


def describe_association(call, name, uid):
    return {"association": association_of(call, name, uid)}


def list_associations(call, name):
    namespace, account = call.one("namespace"), call.one("serviceAccount")
    found = [
        {key: association[key] for key in ("clusterName", "namespace", "serviceAccount", "associationArn", "associationId")}
        for association in find(call, name)["associations"].values()
        if namespace in (None, association["namespace"]) and account in (None, association["serviceAccount"])
    ]
    return {"associations": found}


def update_association(call, name, uid):
    association, arn = association_of(call, name, uid), call.body.get("roleArn")
    if arn:
        is_a_role_for_pods(call.account, arn)
        association["roleArn"] = arn
    return {"association": association}


def delete_association(call, name, uid):
    association = association_of(call, name, uid)
    del find(call, name)["associations"][uid]
    return {"association": association}


# Tags


def tags_of(call, arn):
    for (account, region, _), cluster in clusters.items():
        if (account, region) != (call.account, call.region):
            continue
        things = [(cluster["arn"], cluster)]
        things += [(group["nodegroupArn"], group) for group in cluster["node_groups"].values()]
        things += [(addon["addonArn"], addon) for addon in cluster["addons"].values()]
        things += [(profile["fargateProfileArn"], profile) for profile in cluster["profiles"].values()]
        things += [(entry["accessEntryArn"], entry) for entry in cluster["entries"].values()]
        things += [(association["associationArn"], association) for association in cluster["associations"].values()]
        for known, thing in things:
            if known == arn:
                return thing["tags"]
    raise Refused("NotFoundException", "Resource was not found", 404)


def tag(call, arn):
    tags = tags_of(call, arn)
    new = call.body.get("tags") or {}
    if len({**tags, **new}) > 50:
        raise Refused("BadRequestException", "A resource can have at most 50 tags")
    tags.update(new)
    return {}


def untag(call, arn):
    for key in call.query.get("tagKeys", []):
        tags_of(call, arn).pop(key, None)
    return {}


def list_tags(call, arn):
    return {"tags": tags_of(call, arn)}


def nodes(cluster):
    """The machines of a cluster, for its Kubernetes API: as many as each active group wants."""
    found = []
    # What has ended goes out of the table.
    for name, group in list(cluster["node_groups"].items()):
        if settle(group)["status"] not in ("ACTIVE", "DEGRADED", "UPDATING"):
            continue
        kind = group["instanceTypes"][0]
        info = world.instance_type(kind)
        gpus = sum(gpu.get("Count", 0) for gpu in info.get("GpuInfo", {}).get("Gpus", []))
        arm = "arm64" in info["ProcessorInfo"]["SupportedArchitectures"]
        effects = {"NO_SCHEDULE": "NoSchedule", "NO_EXECUTE": "NoExecute", "PREFER_NO_SCHEDULE": "PreferNoSchedule"}
        for number in range(group["scalingConfig"]["desiredSize"]):
            found.append({
                "name": f"ip-10-{group['network'] >> 8}-{group['network'] & 255}-{number + 10}.ec2.internal",
                "labels": {"eks.amazonaws.com/nodegroup": name, "eks.amazonaws.com/capacityType": group["capacityType"], **group["labels"]},
                "taints": [{"key": t["key"], "value": t.get("value") or "", "effect": effects[t["effect"]]} for t in group["taints"]],
                "instance_type": kind,
                "gpu": gpus,
                "cpu": info["VCpuInfo"]["DefaultVCpus"] * 1000 - 80,
                "memory": (info["MemoryInfo"]["SizeInMiB"] - 700) << 20,
                "architecture": "arm64" if arm else "amd64",
                # Bottlerocket's NVIDIA images carry the device plugin.
                "gpu_plugin_builtin": group["amiType"].startswith("BOTTLEROCKET") and group["amiType"].endswith("NVIDIA"),
            })
    found += fargate.nodes(cluster)
    # EKS Auto Mode starts nodes as pods ask for them; one large one stands for them.
    if settle(cluster)["computeConfig"].get("nodePools") and cluster["status"] != "CREATING":
        found.append({
            "name": "i-0auto0000000000000", "labels": {"eks.amazonaws.com/compute-type": "auto", "karpenter.sh/nodepool": "general-purpose"},
            "taints": [], "instance_type": "c6a.8xlarge", "gpu": 0, "cpu": 32_000, "memory": 64 << 30, "architecture": "amd64",
            "gpu_plugin_builtin": False,
        })
    return found


from . import fargate  # noqa: E402 - it builds on what stands above


ROUTES = [
    (method, pattern.strip("/").split("/"), work)
    for method, pattern, work in [
        ("POST", "/clusters", create_cluster),
        ("GET", "/clusters", list_clusters),
        ("GET", "/clusters/*", describe_cluster),
        ("DELETE", "/clusters/*", delete_cluster),
        ("POST", "/clusters/*/update-config", update_cluster_config),
        ("POST", "/clusters/*/updates", update_cluster_version),
        ("GET", "/clusters/*/updates", list_updates),
        ("GET", "/clusters/*/updates/*", describe_update),
        ("POST", "/clusters/*/encryption-config/associate", associate_encryption),
        ("GET", "/cluster-versions", cluster_versions),
        ("POST", "/clusters/*/node-groups", create_node_group),
        ("GET", "/clusters/*/node-groups", list_node_groups),
        ("GET", "/clusters/*/node-groups/*", describe_node_group),
        ("DELETE", "/clusters/*/node-groups/*", delete_node_group),
        ("POST", "/clusters/*/node-groups/*/update-config", update_node_group_config),
        ("POST", "/clusters/*/node-groups/*/update-version", update_node_group_version),
        ("POST", "/clusters/*/access-entries", create_entry),
        ("GET", "/clusters/*/access-entries", list_entries),
        ("GET", "/clusters/*/access-entries/*", describe_entry),
        ("POST", "/clusters/*/access-entries/*", update_entry),
        ("DELETE", "/clusters/*/access-entries/*", delete_entry),
        ("POST", "/clusters/*/access-entries/*/access-policies", associate_policy),
        ("GET", "/clusters/*/access-entries/*/access-policies", list_policies),
        ("DELETE", "/clusters/*/access-entries/*/access-policies/*", disassociate_policy),
        ("POST", "/clusters/*/addons", create_addon),
        ("GET", "/clusters/*/addons", list_addons),
        ("GET", "/clusters/*/addons/*", describe_addon),
        ("DELETE", "/clusters/*/addons/*", delete_addon),
        ("POST", "/clusters/*/addons/*/update", update_addon),
        ("GET", "/addons/supported-versions", addon_versions),
        ("GET", "/addons/configuration-schemas", addon_configuration),
        ("POST", "/clusters/*/fargate-profiles", fargate.create),
        ("GET", "/clusters/*/fargate-profiles", fargate.listed),
        ("GET", "/clusters/*/fargate-profiles/*", fargate.describe),
        ("DELETE", "/clusters/*/fargate-profiles/*", fargate.delete),
        ("POST", "/clusters/*/pod-identity-associations", create_association),
        ("GET", "/clusters/*/pod-identity-associations", list_associations),
        ("GET", "/clusters/*/pod-identity-associations/*", describe_association),
        ("POST", "/clusters/*/pod-identity-associations/*", update_association),
        ("DELETE", "/clusters/*/pod-identity-associations/*", delete_association),
        ("POST", "/tags/*", tag),
        ("DELETE", "/tags/*", untag),
        ("GET", "/tags/*", list_tags),
    ]
]
