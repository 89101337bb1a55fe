"""An independent client: prints everything that an AWS emulator and its clusters hold, as JSON.

Usage: look.py ENDPOINT REGION[@ROLE] [WHAT-TO-DO-FIRST …]; the names of what can be done are at the end. With
`each-line` in its place, it looks again for each empty line of its input; for a line `USER POLICY-FILE` it makes a
user with that policy and prints the user's access key.
The credentials are the environment's.
"""

import base64
import json
import ssl
import sys
import urllib.error
import urllib.request

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ServiceId
from botocore.signers import RequestSigner

import caller

endpoint, place = sys.argv[1:3]
region, _, role = place.partition("@")
session = boto3.Session(region_name=region)
# Whose account it looks into. The session is that of whoever may enter clusters, and changes.
account = session


def client(service):
    return account.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


if role:
    found = client("sts").assume_role(RoleArn=role, RoleSessionName="look")["Credentials"]
    account = boto3.Session(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], region_name=region)
    session = account


def tags(thing, key="Tags"):
    return {tag["Key"]: tag["Value"] for tag in thing.get(key, [])}


def ask(call, **arguments):
    try:
        answer = call(**arguments)
        answer.pop("ResponseMetadata", None)
        return answer
    except ClientError:
        return None


def network(ec2):
    def attribute(vpc, name, key):
        return ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=name)[key]["Value"]

    return {
        "vpcs": [
            {
                "id": vpc["VpcId"],
                "cidr": vpc["CidrBlock"],
                "more": sorted(one["CidrBlock"] for one in vpc["CidrBlockAssociationSet"] if one["CidrBlock"] != vpc["CidrBlock"]),
                "ipv6": [one["Ipv6CidrBlock"] for one in vpc.get("Ipv6CidrBlockAssociationSet", [])],
                "default": vpc.get("IsDefault", False),
                "dns_support": attribute(vpc, "enableDnsSupport", "EnableDnsSupport"),
                "dns_hostnames": attribute(vpc, "enableDnsHostnames", "EnableDnsHostnames"),
                "tags": tags(vpc),
            }
            for vpc in ec2.describe_vpcs()["Vpcs"]
        ],
        "subnets": [
            {
                "id": subnet["SubnetId"],
                "vpc": subnet["VpcId"],
                "cidr": subnet["CidrBlock"],
                "zone": subnet["AvailabilityZone"],
                "ipv6": [one["Ipv6CidrBlock"] for one in subnet.get("Ipv6CidrBlockAssociationSet", [])],
                "assigns_ipv6": subnet.get("AssignIpv6AddressOnCreation", False),
                "public": subnet["MapPublicIpOnLaunch"],
                "tags": tags(subnet),
            }
            for subnet in ec2.describe_subnets()["Subnets"]
        ],
        "internet_gateways": [
            {
                "id": gateway["InternetGatewayId"],
                "vpcs": [attachment["VpcId"] for attachment in gateway["Attachments"]],
                "tags": tags(gateway),
            }
            for gateway in ec2.describe_internet_gateways()["InternetGateways"]
        ],
        "egress_gateways": [
            {
                "id": gateway["EgressOnlyInternetGatewayId"],
                "vpcs": [attachment["VpcId"] for attachment in gateway["Attachments"]],
                "tags": tags(gateway),
            }
            for gateway in ec2.describe_egress_only_internet_gateways()["EgressOnlyInternetGateways"]
        ],
        "nat_gateways": [
            {
                "id": gateway["NatGatewayId"],
                "subnet": gateway["SubnetId"],
                "allocations": [address["AllocationId"] for address in gateway["NatGatewayAddresses"]],
                "tags": tags(gateway),
            }
            for gateway in ec2.describe_nat_gateways()["NatGateways"]
            if gateway["State"] not in ("deleting", "deleted")
        ],
        "addresses": [
            {"id": address["AllocationId"], "ip": address["PublicIp"], "tags": tags(address)}
            for address in ec2.describe_addresses()["Addresses"]
        ],
        "route_tables": [
            {
                "id": table["RouteTableId"],
                "vpc": table["VpcId"],
                "subnets": [a["SubnetId"] for a in table["Associations"] if a.get("SubnetId")],
                "routes": {
                    route.get("DestinationCidrBlock")
                    or route.get("DestinationIpv6CidrBlock")
                    or route.get("DestinationPrefixListId"): route.get("GatewayId")
                    or route.get("NatGatewayId")
                    or route.get("EgressOnlyInternetGatewayId")
                    for route in table["Routes"]
                },
                "tags": tags(table),
            }
            for table in ec2.describe_route_tables()["RouteTables"]
        ],
        "endpoints": [
            {
                "id": endpoint["VpcEndpointId"],
                "vpc": endpoint["VpcId"],
                "service": endpoint["ServiceName"],
                "type": endpoint["VpcEndpointType"],
                "route_tables": sorted(endpoint["RouteTableIds"]),
                "subnets": sorted(endpoint.get("SubnetIds", [])),
                "groups": sorted(group["GroupId"] for group in endpoint.get("Groups", [])),
                "private_dns": endpoint.get("PrivateDnsEnabled", False),
                "tags": tags(endpoint),
            }
            for endpoint in ec2.describe_vpc_endpoints()["VpcEndpoints"]
            if endpoint["State"] not in ("deleting", "deleted")
        ],
        "prefix_lists": [
            {"id": found["PrefixListId"], "name": found["PrefixListName"]}
            for found in ec2.describe_managed_prefix_lists()["PrefixLists"]
            if not found["PrefixListName"].startswith("com.amazonaws.")
        ],
        "security_groups": [
            {
                "id": group["GroupId"],
                "vpc": group["VpcId"],
                "name": group["GroupName"],
                "ingress": sorted(
                    [rule.get("FromPort"), rule.get("ToPort"), rule["IpProtocol"], source["CidrIp"]]
                    for rule in group["IpPermissions"]
                    for source in rule["IpRanges"]
                ),
                "sources": sorted(
                    [rule.get("FromPort"), rule.get("ToPort"), rule["IpProtocol"], source.get("CidrIpv6") or source.get("GroupId") or source.get("PrefixListId")]
                    for rule in group["IpPermissions"]
                    for source in [*rule["Ipv6Ranges"], *rule["UserIdGroupPairs"], *rule["PrefixListIds"]]
                ),
                "tags": tags(group),
            }
            for group in ec2.describe_security_groups()["SecurityGroups"]
        ],
        "interfaces": [
            {"id": found["NetworkInterfaceId"], "description": found["Description"], "tags": tags(found, "TagSet")}
            for found in ec2.describe_network_interfaces()["NetworkInterfaces"]
        ],
        "volumes": [{"id": found["VolumeId"], "tags": tags(found)} for found in ec2.describe_volumes()["Volumes"]],
        "balancers": balancers(),
    }


def balancers():
    classic, second = client("elb"), client("elbv2")
    return sorted(
        [found["LoadBalancerName"] for found in classic.describe_load_balancers()["LoadBalancerDescriptions"]]
        + [found["LoadBalancerName"] for found in second.describe_load_balancers()["LoadBalancers"]]
        + [found["TargetGroupName"] for found in second.describe_target_groups()["TargetGroups"]]
    )


def storage(s3):
    found = []
    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        found.append(
            {
                "name": name,
                "public_access": ask(s3.get_public_access_block, Bucket=name),
                "encryption": ask(s3.get_bucket_encryption, Bucket=name),
                "versioning": ask(s3.get_bucket_versioning, Bucket=name),
                "lifecycle": ask(s3.get_bucket_lifecycle_configuration, Bucket=name),
                "tags": {tag["Key"]: tag["Value"] for tag in (ask(s3.get_bucket_tagging, Bucket=name) or {"TagSet": []})["TagSet"]},
                "uploads": [
                    upload["Key"] for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", [])
                ],
                "objects": {
                    thing["Key"]: thing["Size"]
                    for thing in s3.list_objects_v2(Bucket=name).get("Contents", [])
                },
            }
        )
    return found


def identity(iam):
    def role(found):
        name = found["RoleName"]
        attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
        return {
            "arn": found["Arn"],
            "trust": found["AssumeRolePolicyDocument"],
            "attached": sorted(policy["PolicyArn"] for policy in attached),
            "inline": {
                policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
                for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]
            },
            "tags": tags(iam.get_role(RoleName=name)["Role"]),
        }

    def provider(arn):
        found = iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)
        return {"url": found["Url"], "audiences": found["ClientIDList"], "tags": tags(found)}

    return {
        "roles": {found["RoleName"]: role(found) for found in iam.list_roles()["Roles"]},
        "policies": [
            policy["PolicyName"] for policy in iam.list_policies(Scope="Local")["Policies"] if policy["Path"] != caller.PATH
        ],
        "providers": {
            found["Arn"]: provider(found["Arn"])
            for found in iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
        },
        "profiles": [found["InstanceProfileName"] for found in iam.list_instance_profiles()["InstanceProfiles"]],
    }


def plain(thing):
    """Without what differs from run to run."""
    return json.loads(json.dumps(thing, default=str))


def clusters(eks):
    def of(cluster, listing, key, describe, name, inner):
        names = getattr(eks, listing)(clusterName=cluster)[key]
        found = {each: getattr(eks, describe)(clusterName=cluster, **{name: each})[inner] for each in names}
        return plain(found)

    def one(name):
        return {
            "cluster": plain(eks.describe_cluster(name=name)["cluster"]),
            "node_groups": of(name, "list_nodegroups", "nodegroups", "describe_nodegroup", "nodegroupName", "nodegroup"),
            "addons": of(name, "list_addons", "addons", "describe_addon", "addonName", "addon"),
            "entries": of(name, "list_access_entries", "accessEntries", "describe_access_entry", "principalArn", "accessEntry"),
            "profiles": of(name, "list_fargate_profiles", "fargateProfileNames", "describe_fargate_profile", "fargateProfileName", "fargateProfile"),
            "associations": plain(eks.list_pod_identity_associations(clusterName=name)["associations"]),
        }

    return {name: one(name) for name in eks.list_clusters()["clusters"]}


def templates(ec2):
    found = {}
    for template in ec2.describe_launch_templates()["LaunchTemplates"]:
        versions = ec2.describe_launch_template_versions(LaunchTemplateId=template["LaunchTemplateId"], Versions=["$Latest"])
        data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        found[template["LaunchTemplateId"]] = {"name": template["LaunchTemplateName"], "data": data}
    return found


def token(cluster):
    """As `aws eks get-token` makes it."""
    signer = RequestSigner(ServiceId("STS"), region, "sts", "v4", session.get_credentials(), session.events)
    request = {
        "method": "GET",
        "url": f"https://sts.{region}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster},
        "context": {},
    }
    url = signer.generate_presigned_url(request, region_name=region, expires_in=60, operation_name="")
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def kubernetes(name, method, path, body=None, kind="application/json"):
    """One request to a cluster's API server."""
    cluster = client("eks").describe_cluster(name=name)["cluster"]
    trusted = ssl.create_default_context(cadata=base64.b64decode(cluster["certificateAuthority"]["data"]).decode())
    request = urllib.request.Request(cluster["endpoint"] + path, method=method, data=body and json.dumps(body).encode())
    request.add_header("Authorization", f"Bearer {token(name)}")
    request.add_header("Content-Type", kind)
    with urllib.request.urlopen(request, context=trusted) as answer:
        return json.loads(answer.read())


KINDS = {
    "namespaces": "/api/v1/namespaces",
    "service_accounts": "/api/v1/serviceaccounts",
    "services": "/api/v1/services",
    "secrets": "/api/v1/secrets",
    "config_maps": "/api/v1/configmaps",
    "deployments": "/apis/apps/v1/deployments",
    "daemon_sets": "/apis/apps/v1/daemonsets",
    "autoscalers": "/apis/autoscaling/v2/horizontalpodautoscalers",
    "budgets": "/apis/policy/v1/poddisruptionbudgets",
    "roles": "/apis/rbac.authorization.k8s.io/v1/roles",
    "volumes": "/api/v1/persistentvolumes",
    "claims": "/api/v1/persistentvolumeclaims",
}
# Where their definitions are.
CUSTOM = {
    "scaled_objects": "/apis/keda.sh/v1alpha1/scaledobjects",
    "interceptor_routes": "/apis/http.keda.sh/v1beta1/interceptorroutes",
    "pod_monitors": "/apis/monitoring.coreos.com/v1/podmonitors",
    "http_routes": "/apis/gateway.networking.k8s.io/v1/httproutes",
    "inference_pools": "/apis/inference.networking.k8s.io/v1/inferencepools",
}


def objects(cluster):
    def named(found):
        return {f"{each['metadata'].get('namespace', '-')}/{each['metadata']['name']}": each for each in found["items"]}

    def listed(path):
        try:
            return named(kubernetes(cluster, "GET", path))
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return {}
            raise

    own = {kind: named(kubernetes(cluster, "GET", path)) for kind, path in KINDS.items()}
    return {**own, **{kind: listed(path) for kind, path in CUSTOM.items()}}


def tag_vpc(vpc, key, value):
    client("ec2").create_tags(Resources=[vpc], Tags=[{"Key": key, "Value": value}])


def make_bucket(name):
    client("s3").create_bucket(Bucket=name)


def put_object(bucket, key, text):
    client("s3").put_object(Bucket=bucket, Key=key, Body=text)


def create_role(name):
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
    client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))


def delete_role(name):
    iam = client("iam")
    for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
        iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
    iam.delete_role(RoleName=name)


def tag_role(name, key, value):
    client("iam").tag_role(RoleName=name, Tags=[{"Key": key, "Value": value}])


def make_network(name, *zones):
    """A VPC with a public subnet in each zone, in the ranges that the vpc plugin gives them, by somebody's hand."""
    ec2 = client("ec2")

    def tagged(kind, name):
        return [{"ResourceType": kind, "Tags": pairs(Name=name)}]

    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tagged("vpc", name))["Vpc"]["VpcId"]
    for at, zone in enumerate(zones):
        place = {"CidrBlock": f"10.0.{2 * at + 1}.0/24", "AvailabilityZone": zone}
        ec2.create_subnet(VpcId=vpc, TagSpecifications=tagged("subnet", f"{name}-{at}"), **place)


def disown():
    """Takes the marks of every pipeline off, so that it looks as if somebody else had made all of it."""
    ec2, iam, s3 = client("ec2"), client("iam"), client("s3")
    for tag in ec2.describe_tags()["Tags"]:
        if tag["Key"].startswith("llmhost:"):
            ec2.delete_tags(Resources=[tag["ResourceId"]], Tags=[{"Key": tag["Key"]}])
    for role in iam.list_roles()["Roles"]:
        keys = [tag["Key"] for tag in iam.list_role_tags(RoleName=role["RoleName"])["Tags"]]
        iam.untag_role(RoleName=role["RoleName"], TagKeys=[key for key in keys if key.startswith("llmhost:")])
    for bucket in s3.list_buckets()["Buckets"]:
        s3.delete_bucket_tagging(Bucket=bucket["Name"])


def give_network(name, cidr):
    """What a team is given: a VPC with an internet gateway and a subnet, addresses, a list of the office's ranges and a group."""
    ec2 = client("ec2")

    def tagged(kind):
        return [{"ResourceType": kind, "Tags": pairs(Name=name)}]

    vpc = ec2.create_vpc(CidrBlock=cidr, TagSpecifications=tagged("vpc"))["Vpc"]["VpcId"]
    for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
        ec2.modify_vpc_attribute(VpcId=vpc, **{attribute: {"Value": True}})
    gateway = ec2.create_internet_gateway(TagSpecifications=tagged("internet-gateway"))["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.create_subnet(VpcId=vpc, CidrBlock=cidr.replace("/16", "/24"), AvailabilityZone=f"{region}a", TagSpecifications=tagged("subnet"))
    for _ in range(2):
        ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip"))
    entry = [{"Cidr": "203.0.113.0/24", "Description": "office"}]
    ec2.create_managed_prefix_list(PrefixListName=name, AddressFamily="IPv4", MaxEntries=2, Entries=entry)
    ec2.create_security_group(VpcId=vpc, GroupName=name, Description="given", TagSpecifications=tagged("security-group"))


def untag_bucket(name):
    client("s3").delete_bucket_tagging(Bucket=name)


def delete_cluster(name):
    """With everything in it, as somebody does who has had enough of it."""
    eks = client("eks")
    for group in eks.list_nodegroups(clusterName=name)["nodegroups"]:
        eks.delete_nodegroup(clusterName=name, nodegroupName=group)
        eks.get_waiter("nodegroup_deleted").wait(clusterName=name, nodegroupName=group, WaiterConfig={"Delay": 1})
    for addon in eks.list_addons(clusterName=name)["addons"]:
        eks.delete_addon(clusterName=name, addonName=addon)
        eks.get_waiter("addon_deleted").wait(clusterName=name, addonName=addon, WaiterConfig={"Delay": 1})
    eks.delete_cluster(name=name)
    eks.get_waiter("cluster_deleted").wait(name=name, WaiterConfig={"Delay": 1})


def tag_bucket(name, key, value):
    """One tag more, as the console does it: all of them are sent."""
    all_tags = s3.get_bucket_tagging(Bucket=name)["TagSet"] + [{"Key": key, "Value": value}]
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": all_tags})


def leave_node(cluster, subnet_name):
    """A node that outlived its cluster: a machine with the tags that EKS gave it."""
    subnets = ec2.describe_subnets(Filters=[{"Name": "tag:Name", "Values": [subnet_name]}])["Subnets"]
    marks = [{"Key": "eks:cluster-name", "Value": cluster}, {"Key": "Name", "Value": "left-node"}]
    ec2.run_instances(
        ImageId="ami-12c6146b", MinCount=1, MaxCount=1, InstanceType="t3.medium", SubnetId=subnets[0]["SubnetId"],
        TagSpecifications=[{"ResourceType": "instance", "Tags": marks}],
    )


def end_nodes():
    """Terminates the machines that were left."""
    found = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["left-node"]}])["Reservations"]
    ids = [instance["InstanceId"] for each in found for instance in each["Instances"]]
    ec2.terminate_instances(InstanceIds=ids)
    # Their interfaces go with them; Moto leaves them.
    of_them = [{"Name": "attachment.instance-id", "Values": ids}]
    for interface in ec2.describe_network_interfaces(Filters=of_them)["NetworkInterfaces"]:
        ask(ec2.detach_network_interface, AttachmentId=interface["Attachment"]["AttachmentId"], Force=True)
        ask(ec2.delete_network_interface, NetworkInterfaceId=interface["NetworkInterfaceId"])


def remake_role(name):
    delete_role(name)
    create_role(name)


def remake_bucket(name, key):
    s3 = client("s3")
    s3.delete_bucket(Bucket=name)
    s3.create_bucket(Bucket=name)
    # The emulator remembers the tags of the one before.
    s3.delete_bucket_tagging(Bucket=name)
    s3.put_object(Bucket=name, Key=key, Body="theirs")


def remake_service_account(cluster, namespace, name):
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    kubernetes(cluster, "DELETE", f"{path}/{name}")
    kubernetes(cluster, "POST", path, {"metadata": {"name": name, "labels": {"owner": "somebody-else"}}})


def tag_cluster(name, key, value):
    eks.tag_resource(resourceArn=eks.describe_cluster(name=name)["cluster"]["arn"], tags={key: value})


def create_service_account(cluster, namespace, name):
    kubernetes(cluster, "POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
    body = {"metadata": {"name": name, "labels": {"owner": "somebody-else"}}}
    kubernetes(cluster, "POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", body)


def edit_deployment(cluster, namespace, name, image):
    """Takes the image over, as `kubectl apply --server-side --force-conflicts` by somebody else does."""
    container = {"name": "server", "image": image}
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{name}?fieldManager=somebody-else&force=true"
    kubernetes(cluster, "PATCH", path, body, "application/apply-patch+yaml")


def forget_access(cluster):
    """Takes everybody's access to a cluster away."""
    eks = client("eks")
    for entry in eks.list_access_entries(clusterName=cluster)["accessEntries"]:
        eks.delete_access_entry(clusterName=cluster, principalArn=entry)


def pairs(**values):
    return [{"Key": key, "Value": value} for key, value in values.items()]


def live_in(cluster):
    """Makes what the controllers of a cluster make while people use it: load balancers of three kinds with
    what belongs to them, a network interface that the CNI left, volumes. Beside each of them stands one
    that is somebody else's."""
    elb, elbv2 = client("elb"), client("elbv2")
    place = eks.describe_cluster(name=cluster)["cluster"]["resourcesVpcConfig"]
    ours, subnets = place["vpcId"], place["subnetIds"][:2]
    elsewhere = ec2.create_vpc(CidrBlock="10.200.0.0/16")["Vpc"]["VpcId"]
    other_subnets = [
        ec2.create_subnet(VpcId=elsewhere, CidrBlock=f"10.200.{at}.0/24", AvailabilityZone=region + zone)["Subnet"]["SubnetId"]
        for at, zone in enumerate("ab")
    ]
    owned, other = {f"kubernetes.io/cluster/{cluster}": "owned"}, {f"kubernetes.io/cluster/{cluster}-2": "owned"}

    def group(name, vpc, tags):
        made = ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"]
        ec2.create_tags(Resources=[made], Tags=pairs(**tags))
        return made

    def second_generation(name, kind, vpc, subnets, groups, tags):
        more = {"SecurityGroups": groups} if groups else {}
        made = elbv2.create_load_balancer(Name=name, Type=kind, Subnets=subnets, Tags=pairs(**tags), **more)
        port = {"Protocol": "TCP" if kind == "network" else "HTTP", "Port": 80}
        target = elbv2.create_target_group(Name=f"{name}-tg", VpcId=vpc, TargetType="ip", Tags=pairs(**tags), **port)
        arn = target["TargetGroups"][0]["TargetGroupArn"]
        forward = [{"Type": "forward", "TargetGroupArn": arn}]
        elbv2.create_listener(LoadBalancerArn=made["LoadBalancers"][0]["LoadBalancerArn"], DefaultActions=forward, **port)

    nodes = group("k8s-traffic", ours, owned)
    front = group("k8s-front", ours, {"elbv2.k8s.aws/cluster": cluster})
    for one, two in ((nodes, front), (front, nodes), (place["clusterSecurityGroupId"], front)):
        rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": two, "Description": "elbv2.k8s.aws/targetGroupBinding=shared"}]}
        ec2.authorize_security_group_ingress(GroupId=one, IpPermissions=[rule])
    web = {"elbv2.k8s.aws/cluster": cluster, "service.k8s.aws/stack": "models/web"}
    second_generation("k8s-models-web", "network", ours, subnets, [], web)
    second_generation("k8s-models-api", "application", ours, subnets, [front], {**web, "ingress.k8s.aws/stack": "models/api"})
    listener = [{"Protocol": "tcp", "LoadBalancerPort": 80, "InstancePort": 80}]
    classic = {**owned, "kubernetes.io/service-name": "models/old"}
    elb.create_load_balancer(LoadBalancerName="a0classic", Listeners=listener, Subnets=subnets, SecurityGroups=[front], Tags=pairs(**classic))
    second_generation("k8s-others", "network", elsewhere, other_subnets, [], {"elbv2.k8s.aws/cluster": f"{cluster}-2"})
    group("k8s-others", elsewhere, other)

    def interface(subnet, group, name):
        tag = [{"ResourceType": "network-interface", "Tags": pairs(**{"cluster.k8s.amazonaws.com/name": name})}]
        ec2.create_network_interface(SubnetId=subnet, Groups=[group], Description=f"aws-K8S-i-{name}", TagSpecifications=tag)

    interface(subnets[0], nodes, cluster)
    interface(other_subnets[0], group("others", elsewhere, other), f"{cluster}-2")

    def volume(name, policy, tags):
        tag = [{"ResourceType": "volume", "Tags": pairs(Name=name, **tags)}]
        made = ec2.create_volume(AvailabilityZone=f"{region}a", Size=20, TagSpecifications=tag)["VolumeId"]
        if policy:
            spec = {
                "capacity": {"storage": "20Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": policy,
                "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": made},
                "claimRef": {"namespace": "models", "name": name},
            }
            kubernetes(cluster, "POST", "/api/v1/persistentvolumes", {"metadata": {"name": name}, "spec": spec})

    driver = {"ebs.csi.aws.com/cluster": "true"}
    volume("cache", "Delete", {**driver, **owned})
    volume("plain-cache", "Delete", driver)
    volume("weights", "Retain", {**driver, **owned})
    volume("forgotten", None, owned)
    volume("others", None, other)
    service = {"metadata": {"name": "web"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "selector": {"app": "web"}}}
    kubernetes(cluster, "POST", "/api/v1/namespaces/default/services", service)


def put_in_profile(role, profile):
    iam.create_instance_profile(InstanceProfileName=profile)
    iam.add_role_to_instance_profile(InstanceProfileName=profile, RoleName=role)


def make_interface(subnet, description):
    ec2.create_network_interface(SubnetId=subnet, Description=description)


def put_secret(parameter, first, name, second):
    client("ssm").put_parameter(Name=parameter, Value=first, Type="SecureString")
    client("secretsmanager").create_secret(Name=name, SecretString=second)


def reserve(kind, zone, count):
    ec2.create_capacity_reservation(InstanceType=kind, InstancePlatform="Linux/UNIX", AvailabilityZone=zone, InstanceCount=int(count))


def make_template(name):
    ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"MetadataOptions": {"HttpTokens": "required"}})


def raise_quota(service, code, value):
    client("service-quotas").request_service_quota_increase(ServiceCode=service, QuotaCode=code, DesiredValue=float(value))


DOINGS = {
    "reserve": reserve,
    "make-template": make_template,
    "raise-quota": raise_quota,
    "put-secret": put_secret,
    "live-in": live_in,
    "put-in-profile": put_in_profile,
    "make-interface": make_interface,
    "tag-vpc": tag_vpc,
    "make-bucket": make_bucket,
    "put-object": put_object,
    "create-role": create_role,
    "delete-role": delete_role,
    "tag-role": tag_role,
    "make-network": make_network,
    "give-network": give_network,
    "untag-bucket": untag_bucket,
    "delete-cluster": delete_cluster,
    "remake-role": remake_role,
    "remake-bucket": remake_bucket,
    "remake-service-account": remake_service_account,
    "tag-cluster": tag_cluster,
    "tag-bucket": tag_bucket,
    "leave-node": leave_node,
    "end-nodes": end_nodes,
    "create-service-account": create_service_account,
    "edit-deployment": edit_deployment,
    "forget-access": forget_access,
    "disown": disown,
}

ec2, eks, s3, iam = map(client, ("ec2", "eks", "s3", "iam"))
if len(sys.argv) > 3 and sys.argv[3] != "each-line":
    DOINGS[sys.argv[3]](*sys.argv[4:])


def everything():
    world = {
        "network": network(ec2),
        "storage": storage(s3),
        "identity": identity(iam),
        "templates": templates(ec2),
        "placement_groups": ec2.describe_placement_groups()["PlacementGroups"],
        "reservations": ec2.describe_capacity_reservations()["CapacityReservations"],
        "clusters": clusters(eks),
        "objects": {},
    }
    for cluster in world["clusters"]:
        try:
            world["objects"][cluster] = objects(cluster)
        except urllib.error.URLError as error:
            world["objects"][cluster] = str(error)
    return json.dumps(world, default=str)


if sys.argv[3:] == ["each-line"]:
    for line in sys.stdin:
        if line.strip():
            key = caller.make(iam, *line.split())
            # Who makes a cluster is let in; whoever looks into it is that user from now on.
            session = boto3.Session(*key, region_name=region)
            print(json.dumps(key), flush=True)
        else:
            print(everything(), flush=True)
else:
    print(everything())
