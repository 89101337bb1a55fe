"""The network interfaces that EKS and its nodes have in somebody's subnets.

They hold subnets and security groups back, as in AWS: a cluster has one in each of its zones, a node
group one for each node. A node group with the tag `llmhost-test:leaves = "interface"` leaves one behind,
as the network add-on does that is ended before it could clean up.
"""

from . import world


def attach(account, region, subnet, groups, description, tags=None):
    """An interface that a service of AWS manages."""
    made = world.ec2(account, region).create_network_interface(subnet, "", group_ids=groups, description=description, tags=tags)
    made.status, made.requester_managed = "in-use", True
    return made.id


def of_cluster(cluster, account, region):
    """Puts a cluster's interfaces where its subnets are now."""
    detach(account, region, cluster["interfaces"])
    place, zones = cluster["resourcesVpcConfig"], {}
    for subnet_id in place["subnetIds"]:
        subnet = world.subnet(account, region, subnet_id)
        if subnet is not None:
            zones.setdefault(subnet.availability_zone, subnet)
    groups = [place["clusterSecurityGroupId"], *place["securityGroupIds"]]
    description = f"Amazon EKS {cluster['name']}"
    cluster["interfaces"] = [attach(account, region, subnet, groups, description) for subnet in zones.values()]


def of_nodes(cluster, group, account, region):
    """Gives each node of a group its interface, no more and no fewer."""
    there = group["interfaces"]
    wanted = group["scalingConfig"]["desiredSize"] if group["status"] not in ("CREATE_FAILED", "DELETING") else 0
    detach(account, region, there[wanted:])
    group["interfaces"] = there[:wanted]
    subnets = [subnet for subnet in (world.subnet(account, region, one) for one in group["subnets"]) if subnet is not None]
    for at in range(len(group["interfaces"]), wanted if subnets else 0):
        groups = node_groups(cluster, group, account, region)
        group["interfaces"].append(attach(account, region, subnets[at % len(subnets)], groups, ""))


def node_groups(cluster, group, account, region):
    """The security groups of nodes: the launch template's, where it names any, otherwise the cluster's."""
    found = group["launchTemplate"] and world.launch_template(account, region, group["launchTemplate"])
    data = found.get_version(group["launchTemplate"]["version"]).data if found else {}
    named = list(data.get("SecurityGroupIds") or [])
    for interface in data.get("NetworkInterfaces") or []:
        named += interface.get("Groups") or []
    return named or [cluster["resourcesVpcConfig"]["clusterSecurityGroupId"]]


def leave(cluster, group, account, region):
    """What the network add-on of a group that is gone may leave behind."""
    subnet = world.subnet(account, region, group["subnets"][0])
    if subnet is None:
        return
    tags = {"cluster.k8s.amazonaws.com/name": cluster["name"], "node.k8s.amazonaws.com/createdAt": "2026-01-01T00:00:00Z"}
    groups = node_groups(cluster, group, account, region)
    world.ec2(account, region).create_network_interface(subnet, "", group_ids=groups, description="aws-K8S-i-0123456789abcdef0", tags=tags)


def detach(account, region, ids):
    for interface in ids:
        world.ec2(account, region).enis.pop(interface, None)
