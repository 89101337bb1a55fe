"""EC2: interface endpoints. Their network interfaces, their private names, and the services that there are."""

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.vpcs import VPCBackend
from moto.ec2.responses.vpcs import VPCs

import pace

from .patch import before


def install():
    VPCBackend._filter_endpoint_services = staticmethod(by_values(VPCBackend._filter_endpoint_services))
    before(VPCBackend, "create_vpc_endpoint", can_be_made)
    VPCBackend.create_vpc_endpoint = pending(VPCBackend.create_vpc_endpoint)
    VPCBackend.modify_vpc_endpoint = with_interfaces(VPCBackend.modify_vpc_endpoint)
    VPCs.modify_vpc_endpoint = with_private_dns(VPCs.modify_vpc_endpoint)


def is_interface(kind):
    return (kind or "").lower() == "interface"


def by_values(filtered):
    """Moto looks for the values of a filter under a name that requests no longer have."""

    def chosen(names, filters, services):
        return filtered(names, [{**one, "Value": one.get("Values", [])} for one in filters], services)

    return chosen


def can_be_made(backend, vpc_id, service_name, endpoint_type=None, policy_document=None, route_table_ids=None, subnet_ids=None, *_, **more):
    if not is_interface(endpoint_type):
        return
    vpc = backend.get_vpc(vpc_id)
    known = backend._collect_default_endpoint_services(backend.account_id, backend.region_name)
    if not any(service["ServiceName"] == service_name for service in known):
        raise EC2ClientError("InvalidServiceName", f"The Vpc Endpoint Service '{service_name}' does not exist")
    one_in_a_zone(backend, subnet_ids or [])
    if more.get("private_dns_enabled"):
        resolves(backend, vpc, service_name)


def one_in_a_zone(backend, subnet_ids):
    zones = [backend.get_subnet(subnet).availability_zone for subnet in subnet_ids]
    if len(set(zones)) < len(zones):
        raise EC2ClientError("DuplicateSubnetsInSameZone", "Found another VPC endpoint subnet in the availability zone of one of these.")


def resolves(backend, vpc, service_name, but=None):
    on = (str(vpc.enable_dns_support).lower(), str(vpc.enable_dns_hostnames).lower())
    if on != ("true", "true"):
        message = f"Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {vpc.id}"
        raise EC2ClientError("InvalidParameter", message)
    for other in backend.vpc_end_points.values():
        same = other.vpc_id == vpc.id and other.service_name == service_name and other.state not in ("deleted", "deleting")
        if same and other is not but and is_interface(other.vpc_endpoint_type) and other.private_dns_enabled:
            message = f"private-dns-enabled cannot be set because there is already a conflicting DNS domain for {service_name} in the VPC {vpc.id}"
            raise EC2ClientError("InvalidParameter", message)


def pending(create):
    """An endpoint that starts is pending; without a group of its own it has the VPC's default one."""

    def begun(self, *args, **kwargs):
        made = create(self, *args, **kwargs)
        if is_interface(made.vpc_endpoint_type):
            if not made.security_group_ids:
                made.security_group_ids = [self.get_default_security_group(made.vpc_id).id]
            for found in made.network_interface_ids:
                managed(self, made, found)
            made.state = "pending"
            pace.begin(made.id, "endpoint", lambda: setattr(made, "state", "available"))
        return made

    return begun


def managed(backend, endpoint, interface_id):
    interface = backend.enis[interface_id]
    interface.requester_managed = True
    interface.status = "in-use"
    interface.description = f"VPC Endpoint Interface {endpoint.id}"


def with_interfaces(modify):
    """Moto leaves the network interfaces as they were."""

    def modified(self, vpc_id, policy_doc, add_subnets=None, remove_subnets=None, *args, **kwargs):
        endpoint = self.describe_vpc_endpoints(vpc_end_point_ids=[vpc_id])[0]
        if is_interface(endpoint.vpc_endpoint_type):
            left = [one for one in endpoint.subnet_ids if one not in (remove_subnets or [])]
            one_in_a_zone(self, [*left, *(add_subnets or [])])
        modify(self, vpc_id, policy_doc, add_subnets, remove_subnets, *args, **kwargs)
        if is_interface(endpoint.vpc_endpoint_type):
            for subnet in add_subnets or []:
                interface = self.create_network_interface(subnet, None)
                endpoint.network_interface_ids.append(interface.id)
                managed(self, endpoint, interface.id)
            for found in list(endpoint.network_interface_ids):
                if found in self.enis and self.enis[found].subnet.id in (remove_subnets or []):
                    endpoint.network_interface_ids.remove(found)
                    self.enis.pop(found)

    return modified


def with_private_dns(modify):
    """Moto ignores the parameter."""

    def modified(self):
        wanted = self._get_bool_param("PrivateDnsEnabled")
        if wanted is not None:
            backend = self.ec2_backend
            endpoint = backend.describe_vpc_endpoints(vpc_end_point_ids=[self._get_param("VpcEndpointId")])[0]
            if wanted:
                resolves(backend, backend.get_vpc(endpoint.vpc_id), endpoint.service_name, but=endpoint)
            endpoint.private_dns_enabled = wanted
        return modify(self)

    return modified
