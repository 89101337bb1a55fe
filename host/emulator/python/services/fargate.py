"""Fargate profiles of EKS: made and deleted one at a time in a cluster, in private subnets alone.

No machine is started: a profile gives its cluster a place that takes the pods which it selects.
"""

import time
import uuid

from . import eks, world

# A place of this size for all pods of a profile.
CPU, MEMORY = 256_000, 1 << 40


def create(call, name):
    cluster, body = eks.is_active(eks.find(call, name)), call.body
    profile_name, profiles = body.get("fargateProfileName", ""), cluster["profiles"]
    if profile_name in profiles:
        raise eks.in_use("A Fargate Profile already exists with this name in this cluster.")
    is_idle(cluster, profile_name, "create")
    role = world.role(call.account, body.get("podExecutionRoleArn", ""))
    if role is None or not world.trusts(role, "eks-fargate-pods.amazonaws.com"):
        raise eks.invalid("Misconfigured PodExecutionRole Trust Policy; Please add the eks-fargate-pods.amazonaws.com Service Principal")
    subnets = body.get("subnets") or [one for one in cluster["resourcesVpcConfig"]["subnetIds"] if not is_public(call, one)]
    if not subnets:
        raise eks.invalid("Fargate profiles need at least one private subnet")
    for one in subnets:
        place = world.subnet(call.account, call.region, one)
        if place is None:
            raise eks.invalid(f"The subnet ID '{one}' does not exist")
        if place.vpc_id != cluster["resourcesVpcConfig"]["vpcId"]:
            raise eks.invalid("Subnets are not in the VPC of the cluster")
        if is_public(call, one):
            raise eks.invalid(f"Subnet {one} provided in Fargate Profile is not a private subnet")
    selectors = body.get("selectors") or []
    if not 1 <= len(selectors) <= 5 or any(not one.get("namespace") or len(one.get("labels") or {}) > 5 for one in selectors):
        raise eks.invalid("Fargate profile must have 1 to 5 selectors, each with a namespace and at most 5 labels")
    profile = {
        "fargateProfileName": profile_name,
        "fargateProfileArn": f"arn:aws:eks:{call.region}:{call.account}:fargateprofile/{name}/{profile_name}/{uuid.uuid4()}",
        "clusterName": name,
        "createdAt": time.time(),
        "podExecutionRoleArn": role.arn,
        "subnets": list(subnets),
        "selectors": selectors,
        "health": {"issues": []},
        "tags": dict(body.get("tags") or {}),
    }
    eks.begun(profile, "fargate profile", profile["tags"], "CREATE_FAILED")
    profiles[profile_name] = profile
    if cluster["accessConfig"]["authenticationMode"] != "CONFIG_MAP" and role.arn not in cluster["entries"]:
        # EKS lets the pods of a profile in by itself.
        eks.new_entry(call, cluster, role.arn, "FARGATE_LINUX", {})["own"] = True
    return {"fargateProfile": {**eks.shown(profile), "status": "CREATING"}}


def is_idle(cluster, wanted, verb):
    """EKS makes or deletes one profile of a cluster at a time."""
    for other in list(cluster["profiles"].values()):
        status = eks.settle(other)["status"]
        if status in ("CREATING", "DELETING"):
            # Whoever is told waits; time passes by the look.
            other["wait"].look()
            busy = f"cluster {cluster['name']} currently has Fargate profile {other['fargateProfileName']} in status {status}"
            raise eks.in_use(f"Cannot {verb} Fargate Profile {wanted} because {busy}")


def is_public(call, subnet_id):
    """Whether a subnet's route to everywhere is an internet gateway."""
    backend, place = world.ec2(call.account, call.region), world.subnet(call.account, call.region, subnet_id)
    if place is None:
        return False
    tables = list(backend.route_tables.values())
    own = next((table for table in tables if subnet_id in table._associations.values()), None)
    main = next((table for table in tables if table.vpc_id == place.vpc_id and table.main_association_id), None)
    routes = (own or main).routes if own or main else []
    return any(route.gateway and route.gateway.id.startswith("igw-") for route in routes)


def of(call, name, profile_name):
    cluster = eks.find(call, name)
    profile = cluster["profiles"].get(profile_name)
    if profile is None:
        raise eks.missing(f"No Fargate Profile found with name: {profile_name}.")
    eks.settle(profile)
    if profile_name not in cluster["profiles"]:
        raise eks.missing(f"No Fargate Profile found with name: {profile_name}.")
    return cluster, profile


def describe(call, name, profile_name):
    return {"fargateProfile": eks.looked(of(call, name, profile_name)[1])}


def listed(call, name):
    return {"fargateProfileNames": sorted(eks.find(call, name)["profiles"])}


def delete(call, name, profile_name):
    cluster, profile = of(call, name, profile_name)
    is_idle(cluster, profile_name, "delete")

    def gone():
        cluster["profiles"].pop(profile_name, None)
        role = profile["podExecutionRoleArn"]
        if cluster["entries"].get(role, {}).get("own") and all(other["podExecutionRoleArn"] != role for other in cluster["profiles"].values()):
            del cluster["entries"][role]

    eks.begin(profile, "DELETING", "fargate profile gone", gone)
    return {"fargateProfile": {**eks.shown(profile), "status": "DELETING"}}


def nodes(cluster):
    """Where the pods of each profile run."""
    for at, profile in enumerate(sorted(cluster["profiles"].values(), key=lambda one: one["fargateProfileName"])):
        if eks.settle(profile)["status"] != "ACTIVE":
            continue
        yield {
            "name": f"fargate-ip-10-255-{at}-10.ec2.internal",
            "labels": {"eks.amazonaws.com/compute-type": "fargate"},
            "taints": [{"key": "eks.amazonaws.com/compute-type", "value": "fargate", "effect": "NoSchedule"}],
            "selectors": [(one["namespace"], one.get("labels") or {}) for one in profile["selectors"]],
            "instance_type": "", "gpu": 0, "cpu": CPU, "memory": MEMORY, "architecture": "amd64", "gpu_plugin_builtin": False,
        }
