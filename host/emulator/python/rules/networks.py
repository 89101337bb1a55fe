"""EC2: what is in use is neither deleted, nor detached, nor released."""

import itertools

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.elastic_ip_addresses import ElasticAddressBackend
from moto.ec2.models.elastic_network_interfaces import NetworkInterfaceBackend
from moto.ec2.models.internet_gateways import InternetGatewayBackend
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.models.subnets import SubnetBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.elb.models import elb_backends
from moto.elbv2.models import elbv2_backends

import pace

from .patch import before, dependency


def install():
    before(SubnetBackend, "delete_subnet", subnet_is_free)
    before(InternetGatewayBackend, "detach_internet_gateway", no_mapped_address)
    before(VPCBackend, "delete_vpc", vpc_is_empty)
    before(NetworkInterfaceBackend, "delete_network_interface", interface_is_free)
    before(ElasticAddressBackend, "disassociate_address", is_not_managed)
    NatGatewayBackend.create_nat_gateway = create_nat_gateway(NatGatewayBackend.create_nat_gateway)
    NatGatewayBackend.delete_nat_gateway = delete_nat_gateway
    for owner, name in ((VPCBackend, "create_vpc"), (SubnetBackend, "create_subnet")):
        setattr(owner, name, pending(getattr(owner, name)))
    ElasticAddressBackend.release_address = release_address
    SubnetBackend.delete_subnet = without_associations(SubnetBackend.delete_subnet)


def interfaces(backend):
    """The network interfaces that there are; those of an instance end with it."""
    for interface in backend.enis.values():
        instance = interface.instance
        if instance is None or instance._state.name != "terminated" or not interface.delete_on_termination:
            yield interface


def balancers(backend):
    """Load balancers of all kinds, each as its subnets, its groups and whether it has public addresses."""
    account, region = backend.account_id, backend.region_name
    for found in elbv2_backends[account][region].load_balancers.values():
        yield {getattr(one, "id", one) for one in found.subnets}, set(found.security_groups or []), found.scheme != "internal"
    for found in elb_backends[account][region].load_balancers.values():
        yield set(found.subnets or []), set(found.security_groups or []), found.scheme != "internal"


def pending(create):
    """A network that was just made is pending."""

    def begun(self, *args, **kwargs):
        made = create(self, *args, **kwargs)
        # Those that every account has are older.
        if not kwargs.get("is_default") and self.vpcs and not getattr(made, "default_for_az", False):
            made.state = "pending"
            pace.begin(made.id, "network", lambda: setattr(made, "state", "available"))
        return made

    return begun


def subnet_is_free(backend, subnet_id):
    used = any(interface.subnet.id == subnet_id for interface in interfaces(backend))
    if used or any(subnet_id in subnets for subnets, _, _ in balancers(backend)):
        raise dependency(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")


def without_associations(delete):
    """With a subnet goes its place in a route table; moto leaves it."""

    def deleted(self, subnet_id):
        result = delete(self, subnet_id)
        for table in self.route_tables.values():
            for key in [key for key, of in table._associations.items() if of == subnet_id]:
                del table._associations[key]
        return result

    return deleted


def no_mapped_address(backend, internet_gateway_id, vpc_id):
    of_vpc = [interface for interface in interfaces(backend) if interface.subnet.vpc_id == vpc_id]
    subnets = {subnet.id for zone in backend.subnets.values() for subnet in zone.values() if subnet.vpc_id == vpc_id}
    public = any(interface.public_ip for interface in of_vpc)
    if public or any(facing and used & subnets for used, _, facing in balancers(backend)):
        message = f"Network {vpc_id} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
        raise dependency(message)


def vpc_is_empty(backend, vpc_id):
    """Everything but the default group, network ACL and main route table has to be gone before."""
    groups = backend.groups.get(vpc_id, {}).values()
    attached = itertools.chain(backend.internet_gateways.values(), [])
    in_the_way = itertools.chain(
        (gateway for gateway in attached if gateway.vpc and gateway.vpc.id == vpc_id),
        (gateway for gateway in backend.egress_only_internet_gateways.values() if gateway.vpc_id == vpc_id),
        (group for group in groups if not group.is_default),
        (endpoint for endpoint in backend.vpc_end_points.values() if endpoint.vpc_id == vpc_id and endpoint.state != "deleted"),
        (interface for interface in interfaces(backend) if interface.subnet.vpc_id == vpc_id),
        (peering for peering in backend.vpc_pcxs.values() if peering._status.code == "active" and vpc_id in (peering.vpc.id, peering.peer_vpc.id)),
    )
    if next(in_the_way, None) is not None:
        raise dependency(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
    # EC2 deletes the default group with its VPC, and only so.
    for group in groups:
        group.is_default = False


def interface_is_free(backend, eni_id):
    found = backend.enis.get(eni_id)
    if found is not None and (found.status == "in-use" or found.requester_managed):
        if found.instance is None or found.instance._state.name != "terminated":
            raise EC2ClientError("InvalidParameterValue", f"Network interface '{eni_id}' is currently in use.")


def create_nat_gateway(create):
    """A gateway that starts is pending."""

    def begun(self, *args, **kwargs):
        gateway = create(self, *args, **kwargs)
        gateway.state = "pending"
        pace.begin(gateway.id, "nat gateway", lambda: setattr(gateway, "state", "available"))
        return gateway

    return begun


def delete_nat_gateway(self, nat_gateway_id):
    """EC2 says that there is no such gateway, and in time takes its network interface away and frees its address."""
    gateway = self.nat_gateways.get(nat_gateway_id)
    if gateway is None:
        raise EC2ClientError("NatGatewayNotFound", f"NatGateway {nat_gateway_id} was not found")
    if gateway.state in ("deleting", "deleted"):
        return gateway

    def gone():
        gateway.state = "deleted"
        self.enis.pop(gateway._eni.id, None)
        for address in self.addresses:
            if address.eni is gateway._eni:
                address.eni = address.association_id = None

    pace.end(nat_gateway_id)
    gateway.state = "deleting"
    pace.begin(nat_gateway_id, "nat gateway gone", gone)
    return gateway


def of_nat_gateway(backend, address):
    gateways = backend.nat_gateways.values()
    return address.eni is not None and any(gateway._eni is address.eni for gateway in gateways if gateway.state != "deleted")


def is_not_managed(backend, address=None, association_id=None):
    for found in backend.addresses:
        if (found.public_ip == address or (association_id and found.association_id == association_id)) and of_nat_gateway(backend, found):
            raise EC2ClientError("AuthFailure", "You do not have permission to access the specified resource.")


def release_address(self, address=None, allocation_id=None):
    """EC2 releases no address that is associated; moto dissociates it first."""
    found = (self.address_by_ip([address]) if address else self.address_by_allocation([allocation_id]))[0]
    if found.association_id or found.instance or found.eni:
        raise EC2ClientError("InvalidIPAddress.InUse", f"Address {found.public_ip} is in use.")
    found.allocation_id = None
    self.addresses.remove(found)
