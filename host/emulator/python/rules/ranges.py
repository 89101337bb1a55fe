"""EC2: the ranges of VPCs and subnets, of IPv4 beside the first one and of IPv6."""

import ipaddress

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.internet_gateways import EgressOnlyInternetGatewayBackend
from moto.ec2.models.route_tables import RouteBackend
from moto.ec2.models.subnets import Subnet, SubnetBackend
from moto.ec2.models.vpcs import VPC, VPCBackend

import pace

from .patch import before


def install():
    VPC.get_cidr_block_association_set = association_set
    VPC.associate_vpc_cidr_block = associating(VPC.associate_vpc_cidr_block)
    before(VPCBackend, "associate_vpc_cidr_block", range_is_free)
    before(VPCBackend, "disassociate_vpc_cidr_block", range_is_unused)
    before(SubnetBackend, "create_subnet", range_is_associated)
    before(SubnetBackend, "associate_subnet_cidr_block", sixty_four_is_free)
    before(SubnetBackend, "disassociate_subnet_cidr_block", nothing_is_assigned)
    Subnet.ipv6_cidr_block_association_set = property(ipv6_ranges)
    before(EgressOnlyInternetGatewayBackend, "create_egress_only_internet_gateway", only_one)
    before(RouteBackend, "create_route", egress_takes_ipv6)


def association_set(self, ipv6=False):
    """Moto takes an IPv6 range for one only where it ends in `::`, and it counts what is no more."""
    there = [one for one in self._cidr_block_association_set.values() if one["cidr_block_state"]["state"] != "disassociated"]
    return [one for one in there if (":" in one["cidr_block"]) == bool(ipv6)]


def associating(associate):
    """A range that a VPC gets later is not there at once."""

    def begun(self, cidr_block, *args, **kwargs):
        is_first = not self._cidr_block_association_set
        made = associate(self, cidr_block, *args, **kwargs)
        if ":" in made["cidr_block"]:
            made["cidr_block"] = str(ipaddress.ip_network(made["cidr_block"], strict=False))
        if not is_first:
            state = made["cidr_block_state"]
            state["state"] = "associating"
            pace.begin(made["association_id"], "network", lambda: state.update(state="associated"))
        return made

    return begun


def ranges(vpc, ipv6=False):
    return [ipaddress.ip_network(one["cidr_block"]) for one in vpc.get_cidr_block_association_set(ipv6) if one["cidr_block_state"]["state"] == "associated"]


def of_vpc(backend, vpc_id):
    return [subnet for zone in backend.subnets.values() for subnet in zone.values() if subnet.vpc_id == vpc_id]


def range_is_free(backend, vpc_id, cidr_block, amazon_provided_ipv6_cidr_block=False):
    if amazon_provided_ipv6_cidr_block:
        return
    new = ipaddress.ip_network(cidr_block, strict=False)
    if not 16 <= new.prefixlen <= 28:
        raise EC2ClientError("InvalidVpc.Range", f"The CIDR '{cidr_block}' is invalid.")
    for there in ranges(backend.get_vpc(vpc_id)):
        if there.overlaps(new):
            raise EC2ClientError("InvalidVpc.Range", f"The CIDR '{cidr_block}' conflicts with another CIDR of the VPC: {there}.")


def range_is_unused(backend, association_id):
    for vpc in backend.vpcs.values():
        found = vpc._cidr_block_association_set.get(association_id)
        if found is None:
            continue
        block = ipaddress.ip_network(found["cidr_block"])
        for subnet in of_vpc(backend, vpc.id):
            used = [subnet.cidr_block, *(one["ipv6CidrBlock"] for one in ipv6_ranges(subnet))]
            if any(":" in one and block.version == 6 and ipaddress.ip_network(one).subnet_of(block) for one in used) or (
                block.version == 4 and ipaddress.ip_network(subnet.cidr_block).subnet_of(block)
            ):
                raise EC2ClientError("InvalidCidrBlock.InUse", f"The vpc {vpc.id} currently has a subnet within CIDR block {block}")


def range_is_associated(backend, vpc_id, cidr_block, *_, **__):
    vpc = backend.vpcs.get(vpc_id)
    if vpc is None or not cidr_block:
        return
    new = ipaddress.ip_network(cidr_block, strict=False)
    if not any(new.subnet_of(there) for there in ranges(vpc)):
        raise EC2ClientError("InvalidSubnet.Range", f"The CIDR '{cidr_block}' is invalid.")


def ipv6_ranges(self):
    """Those that the subnet has; moto hides the state in another one."""
    every = self.ipv6_cidr_block_associations.values()
    there = [one for one in every if one["ipv6CidrBlockState"]["State"] == "associated"]
    return [{**one, "ipv6CidrBlockState": {"state": "associated"}} for one in there]


def sixty_four_is_free(backend, subnet_id, ipv6_cidr_block):
    subnet = backend.get_subnet(subnet_id)
    new = ipaddress.ip_network(ipv6_cidr_block)
    vpc = backend.get_vpc(subnet.vpc_id)
    if new.prefixlen != 64 or not any(new.subnet_of(there) for there in ranges(vpc, ipv6=True)):
        raise EC2ClientError("InvalidSubnet.Range", f"The CIDR '{ipv6_cidr_block}' is invalid.")
    if ipv6_ranges(subnet):
        raise EC2ClientError("SubnetIpv6CidrBlockAssociationLimitExceeded", "The subnet has an IPv6 CIDR block already.")
    for other in of_vpc(backend, subnet.vpc_id):
        if any(one["ipv6CidrBlock"] == str(new) for one in ipv6_ranges(other)):
            raise EC2ClientError("InvalidSubnet.Conflict", f"The CIDR '{ipv6_cidr_block}' conflicts with another subnet")


def nothing_is_assigned(backend, association_id):
    subnet = backend.get_subnet_from_ipv6_association(association_id)
    if subnet is not None and str(subnet.assign_ipv6_address_on_creation).lower() == "true":
        message = f"The subnet IPv6 CIDR block with association ID {association_id} may not be disassociated, because its subnet has assign-ipv6-address-on-creation set to true."
        raise EC2ClientError("InvalidCidrBlock.InUse", message)


def only_one(backend, vpc_id, *_, **__):
    if any(gateway.vpc_id == vpc_id for gateway in backend.egress_only_internet_gateways.values()):
        raise EC2ClientError("EgressOnlyInternetGatewayLimitExceeded", f"The VPC {vpc_id} has an egress-only internet gateway already.")


def egress_takes_ipv6(backend, route_table_id, destination_cidr_block, *_, **more):
    if more.get("egress_only_igw_id") and destination_cidr_block:
        raise EC2ClientError("InvalidParameterCombination", "An egress-only internet gateway takes IPv6 traffic only.")
