"""EC2: no more of anything than the account's quota, as Service Quotas tells it."""

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_ip_addresses import ElasticAddressBackend
from moto.ec2.models.internet_gateways import InternetGatewayBackend
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.models.route_tables import RouteBackend
from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.ec2.models.subnets import SubnetBackend
from moto.ec2.models.vpcs import VPCBackend

from services import quotas

from .patch import before


def install():
    before(VPCBackend, "create_vpc", lambda self, *_, **__: vpcs(self))
    before(ElasticAddressBackend, "allocate_address", lambda self, *_, **__: addresses(self))
    before(InternetGatewayBackend, "create_internet_gateway", lambda self, *_, **__: gateways(self))
    before(NatGatewayBackend, "create_nat_gateway", nat_gateways)
    before(SubnetBackend, "create_subnet", lambda self, vpc_id, *_, **__: subnets(self, vpc_id))
    before(RouteBackend, "create_route_table", lambda self, vpc_id, *_, **__: route_tables(self, vpc_id))
    before(RouteBackend, "create_route", routes)
    before(SecurityGroupBackend, "create_security_group", lambda self, *_, **__: groups(self))
    before(VPCBackend, "create_vpc_endpoint", endpoints)


def limited(backend, code, there, error, what, service="vpc"):
    """Refuses one more than the quota."""
    if there >= quotas.limit(backend.account_id, backend.region_name, service, code):
        raise EC2ClientError(error, f"The maximum number of {what} has been reached.")


def vpcs(self):
    limited(self, "L-F678F1CE", len(self.vpcs), "VpcLimitExceeded", "VPCs")


def addresses(self):
    limited(self, "L-0263D0A3", len(self.addresses), "AddressLimitExceeded", "addresses", "ec2")


def gateways(self):
    limited(self, "L-A4707A72", len(self.internet_gateways), "InternetGatewayLimitExceeded", "internet gateways")


def nat_gateways(self, subnet_id, *_, **__):
    zone = self.get_subnet(subnet_id).availability_zone
    there = [one for one in self.nat_gateways.values() if one.state not in ("deleted", "failed")]
    in_zone = sum(1 for one in there if self.get_subnet(one.subnet_id).availability_zone == zone)
    limited(self, "L-FE5A380F", in_zone, "NatGatewayLimitExceeded", "NAT Gateways")


def subnets(self, vpc_id):
    there = sum(1 for zone in self.subnets.values() for one in zone.values() if one.vpc_id == vpc_id)
    limited(self, "L-407747CB", there, "SubnetLimitExceeded", "subnets")


def route_tables(self, vpc_id):
    there = sum(1 for one in self.route_tables.values() if one.vpc_id == vpc_id)
    limited(self, "L-589F43AA", there, "RouteTableLimitExceeded", "route tables")


def routes(self, route_table_id, *_, **__):
    table = self.route_tables.get(route_table_id)
    limited(self, "L-93826ACB", len(table.routes) if table else 0, "RouteLimitExceeded", "routes")


def groups(self):
    there = sum(len(of_vpc) for of_vpc in self.groups.values())
    limited(self, "L-E79EC296", there, "SecurityGroupLimitExceeded", "security groups")


def endpoints(self, vpc_id, service_name, endpoint_type=None, *_, **__):
    there = [one for one in self.vpc_end_points.values() if one.state != "deleted"]
    if (endpoint_type or "Gateway") == "Gateway":
        of_kind = sum(1 for one in there if one.vpc_endpoint_type == "Gateway")
        limited(self, "L-1B52E74A", of_kind, "VpcEndpointLimitExceeded", "gateway endpoints")
    else:
        of_kind = sum(1 for one in there if one.vpc_endpoint_type != "Gateway" and one.vpc_id == vpc_id)
        limited(self, "L-29B6F2EB", of_kind, "VpcEndpointLimitExceeded", "interface endpoints")
