"""AWS's rules that moto lacks: what is in use stays, nothing is there twice, quotas hold."""

import json
import unittest

from served import REGION, Server, World, refusal, trust

ACCOUNT = "123456789012"


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    server.stop()


class Case(unittest.TestCase):
    def setUp(self):
        server.reset()
        self.addCleanup(server.reset)
        self.world = World(server)
        self.ec2, self.iam = self.world.ec2, self.world.iam

    def refused(self, code, call, **arguments):
        found = refusal(call, **arguments)
        self.assertIsNotNone(found, f"{code} was expected, and nothing was refused")
        self.assertEqual(found[0], code, found[1])
        return found[1]

    def group(self, name="app"):
        return self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.world.vpc)["GroupId"]

    def gateway(self):
        made = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=made, VpcId=self.world.vpc)
        return made

    def nat(self, token=None, address=None):
        address = address or self.ec2.allocate_address()["AllocationId"]
        more = {"ClientToken": token} if token else {}
        made = self.ec2.create_nat_gateway(SubnetId=self.world.subnets[0], AllocationId=address, **more)["NatGateway"]
        return made["NatGatewayId"], address


class InUse(Case):
    def test_policy_in_use(self):
        allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
        arn = self.iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(allow))["Policy"]["Arn"]
        # Twice is once.
        for _ in range(2):
            self.iam.attach_role_policy(RoleName="nodes", PolicyArn=arn)
        self.assertIn("attached to entities", self.refused("DeleteConflict", self.iam.delete_policy, PolicyArn=arn))
        self.iam.detach_role_policy(RoleName="nodes", PolicyArn=arn)
        self.iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(allow), SetAsDefault=True)
        self.assertIn("more than one version", self.refused("DeleteConflict", self.iam.delete_policy, PolicyArn=arn))
        self.iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
        self.iam.delete_policy(PolicyArn=arn)

    def test_role_in_use(self):
        self.iam.create_instance_profile(InstanceProfileName="nodes")
        self.iam.add_role_to_instance_profile(InstanceProfileName="nodes", RoleName="nodes")
        self.refused("DeleteConflict", self.iam.delete_role, RoleName="nodes")
        self.refused("DeleteConflict", self.iam.delete_instance_profile, InstanceProfileName="nodes")
        self.refused("NoSuchEntity", self.iam.remove_role_from_instance_profile, InstanceProfileName="nodes", RoleName="cluster")
        self.iam.remove_role_from_instance_profile(InstanceProfileName="nodes", RoleName="nodes")
        self.iam.put_role_policy(RoleName="nodes", PolicyName="p", PolicyDocument=trust_like("s3:GetObject"))
        self.refused("DeleteConflict", self.iam.delete_role, RoleName="nodes")
        self.iam.delete_role_policy(RoleName="nodes", PolicyName="p")
        self.iam.delete_role(RoleName="nodes")

    def test_nat_gateways_by_tags(self):
        (first, _), (second, _) = self.nat(), self.nat()
        self.ec2.create_tags(Resources=[first], Tags=[{"Key": "which", "Value": "first"}])
        self.ec2.create_tags(Resources=[second], Tags=[{"Key": "which", "Value": "second"}])
        for value, wanted in [("first", [first]), ("second", [second]), ("third", [])]:
            wanted_filter = [{"Name": "tag:which", "Values": [value]}]
            found = self.ec2.describe_nat_gateways(Filters=wanted_filter)["NatGateways"]
            self.assertEqual([gateway["NatGatewayId"] for gateway in found], wanted)

    def test_group_of_no_network(self):
        wanted = {"GroupName": "app", "Description": "app", "VpcId": "vpc-0123456789abcdef0"}
        self.refused("InvalidVpcID.NotFound", self.ec2.create_security_group, **wanted)

    def test_group_in_use(self):
        app, other = self.group("app"), self.group("other")
        pair = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": app}]}
        self.ec2.authorize_security_group_ingress(GroupId=app, IpPermissions=[pair])
        rule = self.ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[pair])["SecurityGroupRules"][0]
        self.assertIn("has a dependent object", self.refused("DependencyViolation", self.ec2.delete_security_group, GroupId=app))
        self.ec2.revoke_security_group_ingress(GroupId=other, SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
        interface = self.ec2.create_network_interface(SubnetId=self.world.subnets[0], Groups=[app])["NetworkInterface"]["NetworkInterfaceId"]
        self.refused("DependencyViolation", self.ec2.delete_security_group, GroupId=app)
        self.ec2.delete_network_interface(NetworkInterfaceId=interface)
        self.ec2.delete_security_group(GroupId=app)
        default = self.ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [self.world.vpc]}, {"Name": "group-name", "Values": ["default"]}])
        self.refused("CannotDelete", self.ec2.delete_security_group, GroupId=default["SecurityGroups"][0]["GroupId"])

    def test_group_of_a_cluster_and_of_nodes_in_use(self):
        extra, own = self.group("extra"), self.group("own")
        self.world.cluster(resourcesVpcConfig={"subnetIds": self.world.subnets, "securityGroupIds": [extra]})
        template = self.ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData={"SecurityGroupIds": [own]})["LaunchTemplate"]["LaunchTemplateId"]
        self.world.group(launchTemplate={"id": template, "version": "1"})
        for group in (extra, own):
            self.refused("DependencyViolation", self.ec2.delete_security_group, GroupId=group)
        self.world.eks.delete_nodegroup(clusterName="llm", nodegroupName="gpu")
        self.ec2.delete_security_group(GroupId=own)
        self.world.eks.delete_cluster(name="llm")
        self.ec2.delete_security_group(GroupId=extra)

    def test_launch_template_may_go_and_its_group_degrades(self):
        self.world.cluster()
        template = self.ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData={"EbsOptimized": True})["LaunchTemplate"]["LaunchTemplateId"]
        self.world.group(launchTemplate={"id": template, "version": "1"})
        self.ec2.delete_launch_template(LaunchTemplateId=template)
        found = self.world.eks.describe_nodegroup(clusterName="llm", nodegroupName="gpu")["nodegroup"]
        self.assertEqual((found["status"], found["health"]["issues"][0]["code"]), ("DEGRADED", "Ec2LaunchTemplateNotFound"))

    def test_subnet_in_use(self):
        nat, _ = self.nat()
        self.refused("DependencyViolation", self.ec2.delete_subnet, SubnetId=self.world.subnets[0])
        self.ec2.delete_nat_gateway(NatGatewayId=nat)
        self.ec2.delete_subnet(SubnetId=self.world.subnets[0])
        interface = self.ec2.create_network_interface(SubnetId=self.world.subnets[1])["NetworkInterface"]["NetworkInterfaceId"]
        self.refused("DependencyViolation", self.ec2.delete_subnet, SubnetId=self.world.subnets[1])
        self.ec2.delete_network_interface(NetworkInterfaceId=interface)
        self.ec2.delete_subnet(SubnetId=self.world.subnets[1])

    def test_subnet_of_a_load_balancer_in_use(self):
        gateway = self.gateway()
        balancers, group = server.client("elbv2"), self.group()
        made = balancers.create_load_balancer(Name="web", Subnets=self.world.subnets, SecurityGroups=[group])["LoadBalancers"][0]
        self.refused("DependencyViolation", self.ec2.delete_subnet, SubnetId=self.world.subnets[0])
        self.refused("DependencyViolation", self.ec2.delete_security_group, GroupId=group)
        self.refused("DependencyViolation", self.ec2.detach_internet_gateway, InternetGatewayId=gateway, VpcId=self.world.vpc)
        balancers.delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])
        self.ec2.delete_security_group(GroupId=group)
        self.ec2.delete_subnet(SubnetId=self.world.subnets[0])

    def test_a_subnet_takes_its_association_along(self):
        table = self.ec2.create_route_table(VpcId=self.world.vpc)["RouteTable"]["RouteTableId"]
        self.ec2.associate_route_table(RouteTableId=table, SubnetId=self.world.subnets[0])
        self.refused("DependencyViolation", self.ec2.delete_route_table, RouteTableId=table)
        self.ec2.delete_subnet(SubnetId=self.world.subnets[0])
        self.ec2.delete_route_table(RouteTableId=table)

    def test_address_in_use(self):
        nat, address = self.nat()
        self.refused("InvalidIPAddress.InUse", self.ec2.release_address, AllocationId=address)
        association = self.ec2.describe_addresses(AllocationIds=[address])["Addresses"][0]["AssociationId"]
        self.refused("AuthFailure", self.ec2.disassociate_address, AssociationId=association)
        self.ec2.delete_nat_gateway(NatGatewayId=nat)
        self.ec2.release_address(AllocationId=address)

    def test_gateway_in_use(self):
        gateway = self.gateway()
        nat, _ = self.nat()
        self.assertIn("mapped public", self.refused("DependencyViolation", self.ec2.detach_internet_gateway, InternetGatewayId=gateway, VpcId=self.world.vpc))
        self.ec2.delete_nat_gateway(NatGatewayId=nat)
        self.refused("DependencyViolation", self.ec2.delete_internet_gateway, InternetGatewayId=gateway)
        self.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=self.world.vpc)

    def test_vpc_in_use(self):
        for subnet in self.world.subnets:
            self.ec2.delete_subnet(SubnetId=subnet)
        delete = lambda: self.refused("DependencyViolation", self.ec2.delete_vpc, VpcId=self.world.vpc)  # noqa: E731
        gateway = self.gateway()
        delete()
        self.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=self.world.vpc)
        group = self.group()
        delete()
        self.ec2.delete_security_group(GroupId=group)
        wanted = {"VpcId": self.world.vpc, "ServiceName": f"com.amazonaws.{REGION}.s3", "VpcEndpointType": "Gateway"}
        endpoint = self.ec2.create_vpc_endpoint(**wanted)["VpcEndpoint"]["VpcEndpointId"]
        delete()
        self.ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
        self.ec2.delete_vpc(VpcId=self.world.vpc)
        self.refused("InvalidVpcID.NotFound", self.ec2.delete_vpc, VpcId=self.world.vpc)

    def test_cluster_and_nodes_hold_their_subnets(self):
        self.world.cluster()
        found = self.ec2.describe_network_interfaces()["NetworkInterfaces"]
        self.assertEqual({one["Description"] for one in found}, {"Amazon EKS llm"})
        self.assertEqual({one["SubnetId"] for one in found}, set(self.world.subnets))
        self.refused("InvalidParameterValue", self.ec2.delete_network_interface, NetworkInterfaceId=found[0]["NetworkInterfaceId"])
        self.world.group(scalingConfig={"minSize": 0, "desiredSize": 3, "maxSize": 3})
        self.assertEqual(len(self.ec2.describe_network_interfaces()["NetworkInterfaces"]), 5, "one for each node")
        self.world.eks.update_nodegroup_config(clusterName="llm", nodegroupName="gpu", scalingConfig={"desiredSize": 1})
        self.assertEqual(len(self.ec2.describe_network_interfaces()["NetworkInterfaces"]), 3)
        self.refused("DependencyViolation", self.ec2.delete_subnet, SubnetId=self.world.subnets[0])
        self.world.eks.delete_nodegroup(clusterName="llm", nodegroupName="gpu")
        self.world.eks.delete_cluster(name="llm")
        self.assertEqual(self.ec2.describe_network_interfaces()["NetworkInterfaces"], [])
        self.ec2.delete_subnet(SubnetId=self.world.subnets[0])

    def test_nodes_may_leave_an_interface(self):
        self.world.cluster()
        self.world.group(tags={"llmhost-test:leaves": "interface"})
        self.world.eks.delete_nodegroup(clusterName="llm", nodegroupName="gpu")
        self.world.eks.delete_cluster(name="llm")
        left = self.ec2.describe_network_interfaces()["NetworkInterfaces"]
        self.assertEqual([(one["Description"][:9], one["Status"]) for one in left], [("aws-K8S-i", "available")])
        self.refused("DependencyViolation", self.ec2.delete_subnet, SubnetId=left[0]["SubnetId"])
        self.ec2.delete_network_interface(NetworkInterfaceId=left[0]["NetworkInterfaceId"])
        self.ec2.delete_subnet(SubnetId=left[0]["SubnetId"])


def trust_like(*actions):
    return json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]})


class Twice(Case):
    def test_rule_that_is_there(self):
        app = self.group()
        pair = lambda text, group=app: {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": group, "Description": text}]}  # noqa: E731
        ranges = lambda cidr: {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": cidr}]}  # noqa: E731
        for way in (self.ec2.authorize_security_group_ingress, self.ec2.authorize_security_group_egress):
            way(GroupId=app, IpPermissions=[pair("one")])
            self.assertIn("already exists", self.refused("InvalidPermission.Duplicate", way, GroupId=app, IpPermissions=[pair("two")]))
            way(GroupId=app, IpPermissions=[ranges("10.0.0.0/24")])
            self.refused("InvalidPermission.Duplicate", way, GroupId=app, IpPermissions=[ranges("10.0.0.7/24")])

    def test_group_name_that_is_there(self):
        self.group()
        self.refused("InvalidGroup.Duplicate", self.group)

    def test_names_that_differ_in_case(self):
        document = trust("ec2.amazonaws.com")
        self.refused("EntityAlreadyExists", self.iam.create_role, RoleName="Nodes", AssumeRolePolicyDocument=document)
        self.iam.create_instance_profile(InstanceProfileName="nodes")
        self.refused("EntityAlreadyExists", self.iam.create_instance_profile, InstanceProfileName="Nodes")

    def test_tag_keys_that_differ_in_case(self):
        tags = [{"Key": "env", "Value": "a"}, {"Key": "Env", "Value": "b"}]
        document = trust("ec2.amazonaws.com")
        self.refused("InvalidInput", self.iam.create_role, RoleName="r", AssumeRolePolicyDocument=document, Tags=tags)
        self.refused("InvalidInput", self.iam.create_instance_profile, InstanceProfileName="r", Tags=tags)
        self.iam.tag_role(RoleName="nodes", Tags=tags[:1])
        self.iam.tag_role(RoleName="nodes", Tags=tags[1:])
        self.assertEqual(self.iam.list_role_tags(RoleName="nodes")["Tags"], tags[1:])

    def test_ec2_client_tokens(self):
        one, address = self.nat("once")
        again = self.ec2.create_nat_gateway(SubnetId=self.world.subnets[0], AllocationId=address, ClientToken="once")
        self.assertEqual(again["NatGateway"]["NatGatewayId"], one)
        other = {"SubnetId": self.world.subnets[1], "AllocationId": address, "ClientToken": "once"}
        self.refused("IdempotentParameterMismatch", self.ec2.create_nat_gateway, **other)
        wanted = {"VpcId": self.world.vpc, "ServiceName": f"com.amazonaws.{REGION}.s3", "ClientToken": "endpoint"}
        self.assertEqual(len({self.ec2.create_vpc_endpoint(**wanted)["VpcEndpoint"]["VpcEndpointId"] for _ in range(2)}), 1)
        wanted = {"LaunchTemplateName": "t", "LaunchTemplateData": {"ImageId": "ami-12345678"}, "ClientToken": "template"}
        made = {self.ec2.create_launch_template(**wanted)["LaunchTemplate"]["LaunchTemplateId"] for _ in range(2)}
        self.assertEqual(len(made), 1)

    def test_dry_run(self):
        before = len(self.ec2.describe_vpcs()["Vpcs"])
        self.refused("DryRunOperation", self.ec2.create_vpc, CidrBlock="10.9.0.0/16", DryRun=True)
        self.assertEqual(len(self.ec2.describe_vpcs()["Vpcs"]), before)


class ReadBack(Case):
    def test_descriptions_of_rules(self):
        app, other = self.group("app"), self.group("other")
        pair = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": other, "Description": "from other"}]}
        made = self.ec2.authorize_security_group_ingress(GroupId=app, IpPermissions=[pair])["SecurityGroupRules"][0]
        read = lambda: self.ec2.describe_security_group_rules(SecurityGroupRuleIds=[made["SecurityGroupRuleId"]])["SecurityGroupRules"][0]  # noqa: E731
        self.assertEqual((made["Description"], read()["Description"]), ("from other", "from other"))
        wanted = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 81, "ReferencedGroupId": other, "Description": "changed"}
        change = {"SecurityGroupRuleId": made["SecurityGroupRuleId"], "SecurityGroupRule": wanted}
        self.ec2.modify_security_group_rules(GroupId=app, SecurityGroupRules=[change])
        self.assertEqual((read()["Description"], read()["ToPort"], read()["ReferencedGroupInfo"]["GroupId"]), ("changed", 81, other))

    def test_tags_of_launch_templates(self):
        made = self.ec2.create_launch_template(LaunchTemplateName="t", LaunchTemplateData={"ImageId": "ami-12345678"})["LaunchTemplate"]["LaunchTemplateId"]
        self.ec2.create_tags(Resources=[made], Tags=[{"Key": "env", "Value": "a"}])
        read = lambda: self.ec2.describe_launch_templates(LaunchTemplateIds=[made])["LaunchTemplates"][0].get("Tags", [])  # noqa: E731
        self.assertEqual(read(), [{"Key": "env", "Value": "a"}])
        self.ec2.delete_tags(Resources=[made], Tags=[{"Key": "env"}])
        self.assertEqual(read(), [])

    def test_ranges_are_kept_as_networks(self):
        app = self.group()
        rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{"CidrIp": "10.0.0.7/24"}]}
        made = self.ec2.authorize_security_group_ingress(GroupId=app, IpPermissions=[rule])["SecurityGroupRules"][0]
        self.assertEqual(made["CidrIpv4"], "10.0.0.0/24")


class Limits(Case):
    def grant(self, service, code, value):
        server.client("service-quotas").request_service_quota_increase(ServiceCode=service, QuotaCode=code, DesiredValue=value)

    def test_vpc_quota(self):
        for at in range(3):
            self.ec2.create_vpc(CidrBlock=f"10.{at + 1}.0.0/16")
        self.refused("VpcLimitExceeded", self.ec2.create_vpc, CidrBlock="10.9.0.0/16")
        self.grant("vpc", "L-F678F1CE", 6)
        self.ec2.create_vpc(CidrBlock="10.9.0.0/16")

    def test_address_and_gateway_quotas(self):
        for _ in range(5):
            self.ec2.allocate_address()
            self.ec2.create_internet_gateway()
        self.refused("AddressLimitExceeded", self.ec2.allocate_address)
        self.refused("InternetGatewayLimitExceeded", self.ec2.create_internet_gateway)

    def test_nat_quota_is_of_a_zone(self):
        self.grant("ec2", "L-0263D0A3", 9)
        addresses = [self.ec2.allocate_address()["AllocationId"] for _ in range(7)]
        for address in addresses[:5]:
            self.nat(address=address)
        self.refused("NatGatewayLimitExceeded", self.ec2.create_nat_gateway, SubnetId=self.world.subnets[0], AllocationId=addresses[5])
        self.ec2.create_nat_gateway(SubnetId=self.world.subnets[1], AllocationId=addresses[6])

    def test_network_quotas(self):
        subnets = {"VpcId": self.world.vpc, "CidrBlock": "10.0.9.0/24"}
        for code, error, call, arguments in [
            ("L-407747CB", "SubnetLimitExceeded", self.ec2.create_subnet, subnets),
            ("L-589F43AA", "RouteTableLimitExceeded", self.ec2.create_route_table, {"VpcId": self.world.vpc}),
            ("L-E79EC296", "SecurityGroupLimitExceeded", self.ec2.create_security_group, {"GroupName": "g", "Description": "g", "VpcId": self.world.vpc}),
            ("L-1B52E74A", "VpcEndpointLimitExceeded", self.ec2.create_vpc_endpoint, {"VpcId": self.world.vpc, "ServiceName": "com.amazonaws.us-east-1.s3"}),
        ]:
            self.grant("vpc", code, 0)
            self.refused(error, call, **arguments)

    def test_rules_of_a_group(self):
        app = self.group()
        ranges = lambda count, at: {"IpProtocol": "tcp", "FromPort": at, "ToPort": at, "IpRanges": [{"CidrIp": f"10.0.{n}.0/24"} for n in range(count)]}  # noqa: E731
        self.ec2.authorize_security_group_ingress(GroupId=app, IpPermissions=[ranges(60, 80)])
        self.refused("RulesPerSecurityGroupLimitExceeded", self.ec2.authorize_security_group_ingress, GroupId=app, IpPermissions=[ranges(1, 81)])
        six = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "Ipv6Ranges": [{"CidrIpv6": "2001:db8::/64"}]}
        self.ec2.authorize_security_group_ingress(GroupId=app, IpPermissions=[six])

    def test_cluster_and_node_group_quotas(self):
        self.grant("eks", "L-1194D53C", 1)
        self.grant("eks", "L-6D54EA21", 1)
        self.world.cluster()
        self.refused("ResourceLimitExceededException", self.world.cluster, name="other")
        self.world.group()
        self.refused("ResourceLimitExceededException", self.world.group, name="other")

    def test_sizes_of_documents(self):
        long = trust_like(*[f"s3:GetObject{'x' * 90}{n}" for n in range(70)])
        self.refused("LimitExceeded", self.iam.create_policy, PolicyName="p", PolicyDocument=long)
        self.iam.put_role_policy(RoleName="nodes", PolicyName="one", PolicyDocument=long)
        self.assertIn("10240", self.refused("LimitExceeded", self.iam.put_role_policy, RoleName="nodes", PolicyName="two", PolicyDocument=long))
        self.iam.put_role_policy(RoleName="nodes", PolicyName="one", PolicyDocument=long)
        services = trust(*[f"ec2.amazonaws.com{'x' * 90}" for _ in range(30)])
        self.refused("LimitExceeded", self.iam.update_assume_role_policy, RoleName="nodes", PolicyDocument=services)
        spaces = trust_like("s3:GetObject").replace(" ", " " * 9000)
        self.iam.create_policy(PolicyName="spaces", PolicyDocument=spaces)

    def test_policies_of_a_role(self):
        arns = [self.iam.create_policy(PolicyName=f"p{n}", PolicyDocument=trust_like("s3:GetObject"))["Policy"]["Arn"] for n in range(11)]
        for arn in arns[:10]:
            self.iam.attach_role_policy(RoleName="nodes", PolicyArn=arn)
        self.iam.attach_role_policy(RoleName="nodes", PolicyArn=arns[0])
        self.assertIn("PoliciesPerRole", self.refused("LimitExceeded", self.iam.attach_role_policy, RoleName="nodes", PolicyArn=arns[10]))


if __name__ == "__main__":
    unittest.main()
