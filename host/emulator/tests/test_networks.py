"""Ranges, interface endpoints and sources of rules, asked by an independent client."""

import unittest

from served import Server, World, refusal


def setUpModule():
    global server
    server = Server(pace="fast")


def tearDownModule():
    server.stop()


class Networks(unittest.TestCase):
    def setUp(self):
        server.reset()
        self.addCleanup(server.reset)
        self.world = World(server)
        self.ec2, self.vpc = self.world.ec2, self.world.vpc

    def associated(self, **wanted):
        """Associates a range and waits until the VPC has it; gives its association's id and the range."""
        made = self.ec2.associate_vpc_cidr_block(VpcId=self.vpc, **wanted)
        made = made.get("CidrBlockAssociation") or made["Ipv6CidrBlockAssociation"]
        for _ in range(3):
            self.ec2.describe_vpcs(VpcIds=[self.vpc])
        return made["AssociationId"], made.get("CidrBlock") or made["Ipv6CidrBlock"]

    def subnet(self, cidr, zone="us-east-1a"):
        return self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=cidr, AvailabilityZone=zone)["Subnet"]["SubnetId"]

    def dns(self, on):
        for attribute in ("EnableDnsSupport", "EnableDnsHostnames"):
            self.ec2.modify_vpc_attribute(VpcId=self.vpc, **{attribute: {"Value": on}})

    def test_subnets_lie_in_ranges_that_the_vpc_has(self):
        self.ec2.associate_vpc_cidr_block(VpcId=self.vpc, CidrBlock="100.64.0.0/16")
        self.assertEqual(refusal(self.subnet, cidr="100.64.0.0/19")[0], "InvalidSubnet.Range")
        self.ec2.describe_vpcs(VpcIds=[self.vpc])
        self.ec2.describe_vpcs(VpcIds=[self.vpc])
        self.subnet("100.64.0.0/19")
        overlapping = {"VpcId": self.vpc, "CidrBlock": "100.64.128.0/17"}
        self.assertEqual(refusal(self.ec2.associate_vpc_cidr_block, **overlapping)[0], "InvalidVpc.Range")

    def test_range_in_use(self):
        association, _ = self.associated(CidrBlock="100.64.0.0/16")
        subnet = self.subnet("100.64.0.0/19")
        self.assertEqual(refusal(self.ec2.disassociate_vpc_cidr_block, AssociationId=association)[0], "InvalidCidrBlock.InUse")
        self.ec2.delete_subnet(SubnetId=subnet)
        self.ec2.disassociate_vpc_cidr_block(AssociationId=association)
        vpc = self.ec2.describe_vpcs(VpcIds=[self.vpc])["Vpcs"][0]
        self.assertEqual(len(vpc["CidrBlockAssociationSet"]), 1)

    def test_ipv6_of_subnets(self):
        association, block = self.associated(AmazonProvidedIpv6CidrBlock=True)
        one, other = self.subnet("10.0.200.0/24"), self.subnet("10.0.201.0/24")
        wanted = {"Ipv6CidrBlock": block.replace("/56", "/64")}
        given = self.ec2.associate_subnet_cidr_block(SubnetId=one, **wanted)["Ipv6CidrBlockAssociation"]["AssociationId"]
        self.assertEqual(refusal(self.ec2.associate_subnet_cidr_block, SubnetId=other, **wanted)[0], "InvalidSubnet.Conflict")
        outside = {"Ipv6CidrBlock": "2001:db8::/64"}
        self.assertEqual(refusal(self.ec2.associate_subnet_cidr_block, SubnetId=other, **outside)[0], "InvalidSubnet.Range")
        self.ec2.modify_subnet_attribute(SubnetId=one, AssignIpv6AddressOnCreation={"Value": True})
        found = self.ec2.describe_subnets(SubnetIds=[one])["Subnets"][0]["Ipv6CidrBlockAssociationSet"][0]
        self.assertEqual(found["Ipv6CidrBlockState"]["State"], "associated")
        self.assertEqual(refusal(self.ec2.disassociate_subnet_cidr_block, AssociationId=given)[0], "InvalidCidrBlock.InUse")
        self.ec2.modify_subnet_attribute(SubnetId=one, AssignIpv6AddressOnCreation={"Value": False})
        self.assertEqual(refusal(self.ec2.disassociate_vpc_cidr_block, AssociationId=association)[0], "InvalidCidrBlock.InUse")
        self.ec2.disassociate_subnet_cidr_block(AssociationId=given)
        self.ec2.disassociate_vpc_cidr_block(AssociationId=association)

    def test_egress_only_gateways(self):
        tag = {"Key": "team", "Value": "ml"}
        tagged = [{"ResourceType": "egress-only-internet-gateway", "Tags": [tag]}]
        made = self.ec2.create_egress_only_internet_gateway(VpcId=self.vpc, TagSpecifications=tagged)
        made = made["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"]
        self.assertEqual(refusal(self.ec2.create_egress_only_internet_gateway, VpcId=self.vpc)[0], "EgressOnlyInternetGatewayLimitExceeded")
        for value, count in (("ml", 1), ("web", 0)):
            found = self.ec2.describe_egress_only_internet_gateways(Filters=[{"Name": "tag:team", "Values": [value]}])
            self.assertEqual(len(found["EgressOnlyInternetGateways"]), count)
        table = self.ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        of_ipv4 = {"RouteTableId": table, "DestinationCidrBlock": "0.0.0.0/0", "EgressOnlyInternetGatewayId": made}
        self.assertEqual(refusal(self.ec2.create_route, **of_ipv4)[0], "InvalidParameterCombination")

    def endpoint(self, service="sts", **more):
        wanted = {"VpcId": self.vpc, "ServiceName": f"com.amazonaws.us-east-1.{service}", "VpcEndpointType": "Interface", **more}
        return self.ec2.create_vpc_endpoint(**wanted)["VpcEndpoint"]["VpcEndpointId"]

    def look(self, endpoint):
        return self.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]

    def test_interface_endpoints(self):
        a, b = self.subnet("10.0.200.0/24"), self.subnet("10.0.201.0/24", "us-east-1b")
        self.dns(False)
        self.assertEqual(refusal(self.endpoint, SubnetIds=[a], PrivateDnsEnabled=True)[0], "InvalidParameter")
        self.dns(True)
        self.assertEqual(refusal(self.endpoint, service="no-such", SubnetIds=[a])[0], "InvalidServiceName")
        twice = [a, self.subnet("10.0.202.0/24")]
        self.assertEqual(refusal(self.endpoint, SubnetIds=twice)[0], "DuplicateSubnetsInSameZone")
        made = self.endpoint(SubnetIds=[a], PrivateDnsEnabled=True)
        self.assertEqual([self.look(made)["State"] for _ in range(2)], ["pending", "available"])
        self.assertEqual(refusal(self.endpoint, SubnetIds=[a], PrivateDnsEnabled=True)[0], "InvalidParameter")
        self.ec2.modify_vpc_endpoint(VpcEndpointId=made, AddSubnetIds=[b], PrivateDnsEnabled=False)
        self.ec2.modify_vpc_endpoint(VpcEndpointId=made, RemoveSubnetIds=[a])
        found = self.look(made)
        self.assertEqual((found["SubnetIds"], found["PrivateDnsEnabled"], len(found["NetworkInterfaceIds"])), ([b], False, 1))
        self.ec2.delete_subnet(SubnetId=a)
        self.assertEqual(refusal(self.ec2.delete_subnet, SubnetId=b)[0], "DependencyViolation")
        self.ec2.delete_vpc_endpoints(VpcEndpointIds=[made])
        self.ec2.delete_subnet(SubnetId=b)

    def test_services_are_found_by_name(self):
        names = [f"com.amazonaws.us-east-1.{name}" for name in ("sts", "eks-auth", "no-such")]
        found = self.ec2.describe_vpc_endpoint_services(Filters=[{"Name": "service-name", "Values": names}])["ServiceDetails"]
        self.assertEqual([service["ServiceName"] for service in found], [names[1], names[0]])

    def test_prefix_lists_as_sources(self):
        made = self.ec2.create_managed_prefix_list(PrefixListName="office", AddressFamily="IPv4", MaxEntries=2)["PrefixList"]["PrefixListId"]
        group = self.ec2.create_security_group(VpcId=self.vpc, GroupName="web", Description="web")["GroupId"]

        def allow(prefix_list):
            source = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": [{"PrefixListId": prefix_list, "Description": "office"}]}
            return self.ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[source])["SecurityGroupRules"][0]

        self.assertEqual(refusal(allow, prefix_list="pl-0123456789abcdef0")[0], "InvalidPrefixListID.NotFound")
        rule = allow(made)
        self.assertEqual((rule["PrefixListId"], rule["Description"]), (made, "office"))
        self.assertEqual(refusal(allow, prefix_list=made)[0], "InvalidPermission.Duplicate")
        wanted = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListId": made, "Description": "the office"}
        change = {"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": wanted}
        self.ec2.modify_security_group_rules(GroupId=group, SecurityGroupRules=[change])
        found = self.ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])["SecurityGroupRules"][0]
        self.assertEqual((found["PrefixListId"], found["Description"]), (made, "the office"))


if __name__ == "__main__":
    unittest.main()
