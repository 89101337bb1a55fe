"""What a request needs: actions of IAM, each on a resource, with what conditions may ask about.

Resources are told as the Service Authorization Reference has them for the services that llmhost calls. Of
other services the action counts, and any resource that a policy names will do.
"""

import re
from urllib.parse import unquote

from services import world

from . import s3

# Of services whose IAM prefix is not the name that requests are signed for.
PREFIXES = {"cloudcontrolapi": "cloudformation", "tagging": "tag", "monitoring": "cloudwatch"}
# What everybody may.
FREE = {"sts:GetCallerIdentity", "sts:GetSessionToken"}
# Types of EC2's resources, by how their ids begin.
TYPES = {
    "vpc": "vpc", "subnet": "subnet", "igw": "internet-gateway", "eigw": "egress-only-internet-gateway", "rtb": "route-table", "nat": "natgateway", "eipalloc": "elastic-ip",
    "vpce": "vpc-endpoint", "sg": "security-group", "sgr": "security-group-rule", "lt": "launch-template", "eni": "network-interface",
    "vol": "volume", "i": "instance", "ami": "image", "acl": "network-acl",
}
MADE = {
    "CreateVpc": "vpc", "CreateSubnet": "subnet", "CreateInternetGateway": "internet-gateway", "CreateRouteTable": "route-table",
    "CreateEgressOnlyInternetGateway": "egress-only-internet-gateway", "CreateNatGateway": "natgateway", "AllocateAddress": "elastic-ip", "CreateVpcEndpoint": "vpc-endpoint",
    "CreateSecurityGroup": "security-group", "CreateLaunchTemplate": "launch-template", "CreateNetworkInterface": "network-interface",
    "CreateVolume": "volume", "RunInstances": "instance",
}


def needed(request):
    """Yields action, resource and context of everything that a request needs."""
    of_service = {"ec2": ec2, "iam": iam, "eks": eks, "s3": s3.needed}.get(request.service, other)
    for action, resource, context in of_service(request):
        if action not in FREE:
            yield action, resource, context


def other(request):
    prefix = PREFIXES.get(request.service, request.service)
    operation = request.form.get("Action") or request.target
    if prefix == "ssm" and "Name" in request.json:
        yield f"ssm:{operation}", f"arn:aws:ssm:{request.region}:{request.account}:parameter/{request.json['Name'].lstrip('/')}", {}
    elif operation:
        yield f"{prefix}:{operation}", None, {}


def tags_of(pairs):
    """The context of tags that a request sets."""
    return {"aws:TagKeys": list(pairs), **{f"aws:RequestTag/{key}": value for key, value in pairs.items()}} if pairs else {}


def members(form, lead, key, value):
    """The pairs of a list in EC2's or IAM's form: `Tag.1.Key`, `Tags.member.1.Key`."""
    found = {}
    for name, text in form.items():
        match = re.fullmatch(rf"{lead}\.(?:member\.)?(\d+)\.{key}", name)
        if match:
            found[text] = form.get(name[: -len(key)] + value, "")
    return found


def ec2(request):
    form, operation = request.form, request.form.get("Action", "")
    action = f"ec2:{operation}"
    if operation.startswith(("Describe", "Get", "List")):
        yield action, "*", {}
        return
    arn = lambda kind, name: f"arn:aws:ec2:{request.region}:{request.account}:{kind}/{name}"  # noqa: E731
    specified = {}
    for name, kind in form.items():
        match = re.fullmatch(r"TagSpecification\.(\d+)\.ResourceType", name)
        if match:
            specified[kind] = members(form, rf"TagSpecification\.{match[1]}\.Tag", "Key", "Value")
    ids = [text for name, text in sorted(form.items()) if not name.startswith(("Filter", "TagSpecification", "Tag.")) and re.fullmatch(r"[a-z]+-[0-9a-f]{8,17}", text)]
    resources = [arn(TYPES[one.split("-")[0]], one) for one in ids if one.split("-")[0] in TYPES]
    if operation in MADE:
        resources.append(arn(MADE[operation], "*"))
    tags = tags_of(members(form, "Tag", "Key", "Value")) if operation == "CreateTags" else tags_of(specified.get(MADE.get(operation), {}))
    # Some ids, as of associations, are in no ARN: then it is one that is not known here.
    for resource in dict.fromkeys(resources) or [None]:
        yield action, resource, {**tags, **(carried(request, resource) if resource else {})}
    for kind, pairs in specified.items():
        yield "ec2:CreateTags", arn(kind, "*"), {"ec2:CreateAction": operation, **tags_of(pairs)}


def carried(request, resource):
    """The tags that a resource of EC2 has, as conditions ask about them."""
    tags = world.ec2(request.account, request.region).tags.get(resource.rpartition("/")[2], {})
    return {f"{lead}/{key}": value for key, value in tags.items() for lead in ("aws:ResourceTag", "ec2:ResourceTag")}


def iam(request):
    form, operation = request.form, request.form.get("Action", "")
    action, account = f"iam:{operation}", f"arn:aws:iam::{request.account}"
    path = form.get("Path", "/")
    roles = {role.name: role.arn for role in world.iam(request.account).roles.values()}
    role = form.get("RoleName") and roles.get(form["RoleName"], f"{account}:role{path}{form['RoleName']}")
    profile = form.get("InstanceProfileName")
    if profile:
        resource = f"{account}:instance-profile{path}{profile}"
    elif role:
        resource = role
    elif form.get("PolicyName") and operation == "CreatePolicy":
        resource = f"{account}:policy{path}{form['PolicyName']}"
    elif form.get("Url"):
        resource = f"{account}:oidc-provider/{form['Url'].removeprefix('https://')}"
    elif form.get("UserName"):
        resource = f"{account}:user/{form['UserName']}"
    else:
        resource = form.get("OpenIDConnectProviderArn") or form.get("PolicyArn") or "*"
    tags = tags_of(members(form, "Tags", "Key", "Value"))
    yield action, resource, tags
    if tags and operation.startswith("Create"):
        kind = {"CreateOpenIDConnectProvider": "OpenIDConnectProvider"}.get(operation, operation.removeprefix("Create"))
        yield f"iam:Tag{kind}", resource, tags
    if operation == "AddRoleToInstanceProfile":
        yield "iam:PassRole", role, {"iam:PassedToService": "ec2.amazonaws.com"}


def eks(request):
    """EKS by path; what it makes needs the cluster, what is there needs itself."""
    parts, body, method = request.parts, request.json, request.method
    arn = lambda *names: f"arn:aws:eks:{request.region}:{request.account}:{'/'.join(names)}"  # noqa: E731
    tags = tags_of(body.get("tags") or {})
    operation, resource = eks_operation(request, method, parts, arn)
    yield f"eks:{operation}", resource, tags
    if tags and operation.startswith("Create"):
        if operation == "CreateCluster":
            made = arn("cluster", body["name"])
        else:
            kind, key = EKS_MADE[operation]
            made = arn(kind, parts[1], named(kind, body[key] if key else "a-0123abcd"))
        yield "eks:TagResource", made, tags
    passed = body.get("roleArn") or body.get("nodeRole") or body.get("serviceAccountRoleArn") or body.get("podExecutionRoleArn")
    services = {"CreateCluster": "eks.amazonaws.com", "CreateNodegroup": "ec2.amazonaws.com", "CreateFargateProfile": "eks-fargate-pods.amazonaws.com"}
    if passed:
        yield "iam:PassRole", passed, {"iam:PassedToService": services.get(operation, "pods.eks.amazonaws.com")}
    if operation in ("CreateNodegroup", "CreatePodIdentityAssociation", "CreateFargateProfile"):
        yield "iam:GetRole", passed, {}
    if (body.get("computeConfig") or {}).get("nodeRoleArn"):
        yield "iam:PassRole", body["computeConfig"]["nodeRoleArn"], {"iam:PassedToService": "ec2.amazonaws.com"}
    for pair in body.get("podIdentityAssociations") or []:
        # EKS makes the associations of an add-on in its caller's name.
        yield "eks:CreatePodIdentityAssociation", arn("cluster", parts[1]), {}
        yield "iam:PassRole", pair["roleArn"], {"iam:PassedToService": "pods.eks.amazonaws.com"}
        yield "iam:GetRole", pair["roleArn"], {}
    linked_roles = {
        "CreateCluster": ("eks", "AWSServiceRoleForAmazonEKS"), "CreateNodegroup": ("eks-nodegroup", "AWSServiceRoleForAmazonEKSNodegroup"),
        "CreateFargateProfile": ("eks-fargate", "AWSServiceRoleForAmazonEKSForFargate"),
    }
    if operation in linked_roles:
        service, role = linked_roles[operation]
        linked = f"arn:aws:iam::{request.account}:role/aws-service-role/{service}.amazonaws.com/{role}"
        yield "iam:CreateServiceLinkedRole", linked, {"iam:AWSServiceName": f"{service}.amazonaws.com"}
    if operation == "CreateNodegroup" and body.get("launchTemplate"):
        # EKS asks EC2 whether its caller may start what the template says. Images are Amazon's.
        of_account = f"arn:aws:ec2:{request.region}:{request.account}"
        template = body["launchTemplate"].get("id") or "*"
        for resource in (f"{of_account}:launch-template/{template}", f"{of_account}:instance/*", f"{of_account}:network-interface/*", f"arn:aws:ec2:{request.region}::image/*"):
            yield "ec2:RunInstances", resource, {}


# What a call makes in a cluster, and which parameter names it.
EKS_MADE = {
    "CreateNodegroup": ("nodegroup", "nodegroupName"), "CreateAddon": ("addon", "addonName"),
    "CreateAccessEntry": ("access-entry", "principalArn"), "CreatePodIdentityAssociation": ("podidentityassociation", None),
    "CreateFargateProfile": ("fargateprofile", "fargateProfileName"),
}
# What stands under a cluster: the word of the path, of the operation, and of the ARN.
UNDER = {
    "node-groups": ("Nodegroup", "Nodegroups", "nodegroup"), "addons": ("Addon", "Addons", "addon"),
    "access-entries": ("AccessEntry", "AccessEntries", "access-entry"),
    "pod-identity-associations": ("PodIdentityAssociation", "PodIdentityAssociations", "podidentityassociation"),
    "fargate-profiles": ("FargateProfile", "FargateProfiles", "fargateprofile"),
}


def eks_operation(request, method, parts, arn):
    """The name of a call of EKS and the ARN of what it is about."""
    verb = {"GET": "Describe", "DELETE": "Delete", "POST": "Update"}.get(method, "Describe")
    if parts[0] == "tags":
        return {"POST": "TagResource", "DELETE": "UntagResource"}.get(method, "ListTagsForResource"), unquote(parts[1])
    if parts == ["addons", "configuration-schemas"]:
        return "DescribeAddonConfiguration", "*"
    if parts[0] in ("cluster-versions", "addons"):
        return {"cluster-versions": "DescribeClusterVersions", "addons": "DescribeAddonVersions"}[parts[0]], "*"
    if len(parts) == 1:
        return ("CreateCluster", arn("cluster", request.json.get("name", ""))) if method == "POST" else ("ListClusters", "*")
    cluster = arn("cluster", parts[1])
    if len(parts) == 2:
        return f"{verb}Cluster", cluster
    if parts[2] not in UNDER:
        single = {"update-config": "UpdateClusterConfig", "encryption-config": "AssociateEncryptionConfig"}.get(parts[2])
        updates = {"POST": "UpdateClusterVersion"}.get(method, "DescribeUpdate" if len(parts) > 3 else "ListUpdates")
        return single or updates, cluster
    one, many, kind = UNDER[parts[2]]
    if len(parts) == 3:
        return (f"Create{one}", cluster) if method == "POST" else (f"List{many}", cluster)
    resource = arn(kind, parts[1], named(kind, unquote(parts[3])))
    if len(parts) > 4:
        if kind == "access-entry":
            return {"POST": "AssociateAccessPolicy", "DELETE": "DisassociateAccessPolicy"}.get(method, "ListAssociatedAccessPolicies"), resource
        return {"update-config": "UpdateNodegroupConfig", "update-version": "UpdateNodegroupVersion", "update": "UpdateAddon"}[parts[4]], resource
    return f"{verb}{one}", resource


def named(kind, name):
    """The end of an ARN that has a unique id in it, which any id stands for here."""
    if kind == "podidentityassociation":
        return name
    if kind == "access-entry":
        # arn:aws:iam::ACCOUNT:role/NAME
        account, _, rest = name.removeprefix("arn:aws:iam::").partition(":")
        what, _, path = rest.partition("/")
        return f"{what}/{account}/{path.rpartition('/')[2]}/0123abcd"
    return f"{name}/0123abcd"
