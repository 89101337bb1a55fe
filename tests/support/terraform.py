"""Makes what the Terraform modules vpc and eks make, behind an endpoint, and prints the state that Terraform would have."""
import json, sys
import boto3
url, region = sys.argv[1], sys.argv[2]
client = lambda name: boto3.client(name, endpoint_url=url, region_name=region)
ec2, iam, eks = client("ec2"), client("iam"), client("eks")
resources = []
def add(module, kind, name, attributes, key=None):
    for one in resources:
        if (one["module"], one["type"], one["name"]) == (module, kind, name): break
    else:
        one = {"module": module, "mode": "managed", "type": kind, "name": name, "provider": 'provider["registry.terraform.io/hashicorp/aws"]', "instances": []}
        resources.append(one)
    instance = {"schema_version": 1, "attributes": attributes}
    if key is not None: instance["index_key"] = key
    one["instances"].append(instance)
V, E = "module.vpc", "module.eks"
def tag(id, name): ec2.create_tags(Resources=[id], Tags=[{"Key": "Name", "Value": name}])
vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]; tag(vpc, "demo")
ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsSupport={"Value": True}); ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
add(V, "aws_vpc", "this", {"id": vpc, "arn": f"arn:aws:ec2:{region}:123456789012:vpc/{vpc}", "cidr_block": "10.0.0.0/16", "tags": {"Name": "demo"}}, 0)
igw = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]; ec2.attach_internet_gateway(InternetGatewayId=igw, VpcId=vpc)
add(V, "aws_internet_gateway", "this", {"id": igw, "vpc_id": vpc}, 0)
subnets = {"public": [], "private": []}
for sort, base in (("public", 101), ("private", 1)):
    for at, letter in enumerate("ab"):
        cidr = f"10.0.{base + at}.0/24"
        id = ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=region + letter)["Subnet"]["SubnetId"]
        if sort == "public": ec2.modify_subnet_attribute(SubnetId=id, MapPublicIpOnLaunch={"Value": True})
        tag(id, f"demo-{sort}-{region}{letter}"); subnets[sort].append(id)
        add(V, "aws_subnet", sort, {"id": id, "vpc_id": vpc, "cidr_block": cidr, "availability_zone": region + letter}, at)
database = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.21.0/24", AvailabilityZone=region + "a")["Subnet"]["SubnetId"]
add(V, "aws_subnet", "database", {"id": database, "vpc_id": vpc, "cidr_block": "10.0.21.0/24", "availability_zone": region + "a"}, 0)
address = ec2.allocate_address(Domain="vpc")["AllocationId"]; add(V, "aws_eip", "nat", {"id": address, "allocation_id": address}, 0)
nat = ec2.create_nat_gateway(SubnetId=subnets["public"][0], AllocationId=address)["NatGateway"]["NatGatewayId"]
add(V, "aws_nat_gateway", "this", {"id": nat, "subnet_id": subnets["public"][0], "allocation_id": address}, 0)
for sort, target, name in (("public", {"GatewayId": igw}, "public_internet_gateway"), ("private", {"NatGatewayId": nat}, "private_nat_gateway")):
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **target)
    add(V, "aws_route_table", sort, {"id": table, "vpc_id": vpc}, 0)
    add(V, "aws_route", name, {"id": "r-" + table, "route_table_id": table, "destination_cidr_block": "0.0.0.0/0"}, 0)
    for at, id in enumerate(subnets[sort]):
        association = ec2.associate_route_table(RouteTableId=table, SubnetId=id)["AssociationId"]
        add(V, "aws_route_table_association", sort, {"id": association, "route_table_id": table, "subnet_id": id}, at)
add(V, "aws_default_security_group", "this", {"id": "sg-default", "vpc_id": vpc}, 0)
group = ec2.create_security_group(GroupName="demo-cluster", Description="EKS cluster security group", VpcId=vpc)["GroupId"]
add(E, "aws_security_group", "cluster", {"id": group, "vpc_id": vpc}, 0)
def role(module, name, service, policies):
    trust = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    add(module, "aws_iam_role", "this", {"id": name, "name": name, "arn": arn, "path": "/"}, 0)
    for policy in policies:
        iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/" + policy)
        add(module, "aws_iam_role_policy_attachment", "this", {"id": name + policy, "role": name, "policy_arn": "arn:aws:iam::aws:policy/" + policy}, policy)
    return arn
G = 'module.eks.module.eks_managed_node_group["default"]'
cluster_role = role(E, "demo-cluster-2026", "eks.amazonaws.com", ["AmazonEKSClusterPolicy"])
node_role = role(G, "default-eks-node-group-2026", "ec2.amazonaws.com", ["AmazonEKSWorkerNodePolicy", "AmazonEKS_CNI_Policy", "AmazonEC2ContainerRegistryReadOnly"])
access = {"subnetIds": subnets["private"], "securityGroupIds": [group], "endpointPublicAccess": True, "endpointPrivateAccess": True}
made = eks.create_cluster(name="demo", roleArn=cluster_role, resourcesVpcConfig=access, version=sys.argv[3])["cluster"]
import time
for _ in range(100):
    made = eks.describe_cluster(name="demo")["cluster"]
    if made["status"] == "ACTIVE": break
    time.sleep(0.1)
add(E, "aws_eks_cluster", "this", {"id": "demo", "name": "demo", "arn": made["arn"], "version": sys.argv[3], "role_arn": cluster_role, "enabled_cluster_log_types": [],
    "vpc_config": [{"subnet_ids": subnets["private"], "security_group_ids": [group], "endpoint_public_access": True, "endpoint_private_access": True, "public_access_cidrs": ["0.0.0.0/0"]}],
    "identity": [{"oidc": [{"issuer": made["identity"]["oidc"]["issuer"]}]}]}, 0)
template = ec2.create_launch_template(LaunchTemplateName="default-2026", LaunchTemplateData={"MetadataOptions": {"HttpTokens": "required"}})["LaunchTemplate"]["LaunchTemplateId"]
add(G, "aws_launch_template", "this", {"id": template, "name": "default-2026"}, 0)
eks.create_nodegroup(clusterName="demo", nodegroupName="default-2026", nodeRole=node_role, subnets=subnets["private"], instanceTypes=["m6i.large"], amiType="AL2023_x86_64_STANDARD",
    scalingConfig={"minSize": 1, "maxSize": 3, "desiredSize": 2}, launchTemplate={"id": template, "version": "1"}, labels={"team": "ml"})
add(G, "aws_eks_node_group", "this", {"id": "demo:default-2026", "node_group_name": "default-2026", "node_role_arn": node_role, "subnet_ids": subnets["private"],
    "instance_types": ["m6i.large"], "ami_type": "AL2023_x86_64_STANDARD", "capacity_type": "ON_DEMAND", "labels": {"team": "ml"},
    "scaling_config": [{"min_size": 1, "max_size": 3, "desired_size": 2}], "launch_template": [{"id": template, "name": "default-2026", "version": "1"}], "taint": []}, 0)
add(E, "time_sleep", "this", {"id": "now"}, 0)
print(json.dumps({"version": 4, "terraform_version": "1.13.0", "serial": 7, "lineage": "demo", "outputs": {}, "resources": resources}, indent=1))
