"""What moto answers otherwise than AWS, mended in place. Each mend says what AWS does."""

from moto import backends
from moto.core.responses import EmptyResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.models.vpcs import VPCBackend
from moto.iam.responses import IamResponse


# Moto lists its own folder for every request: a third of the time that it takes.
MODULES = tuple(backends.list_of_moto_modules())


def install():
    backends.list_of_moto_modules = lambda: MODULES
    IamResponse.add_client_id_to_open_id_connect_provider = add_client_id
    IamResponse.remove_client_id_from_open_id_connect_provider = remove_client_id
    NatGatewayBackend.delete_nat_gateway = delete_nat_gateway
    VPCBackend.delete_vpc_endpoints = delete_vpc_endpoints


def add_client_id(self):
    """IAM adds an audience; moto lacks the call."""
    provider = self.backend.get_open_id_connect_provider(self._get_param("OpenIDConnectProviderArn"))
    client = self._get_param("ClientID")
    if client not in provider.client_id_list:
        provider.client_id_list.append(client)
    return EmptyResult()


def remove_client_id(self):
    """IAM takes an audience away, and does not mind where there is none; moto lacks the call."""
    provider = self.backend.get_open_id_connect_provider(self._get_param("OpenIDConnectProviderArn"))
    client = self._get_param("ClientID")
    if client in provider.client_id_list:
        provider.client_id_list.remove(client)
    return EmptyResult()


def delete_nat_gateway(self, nat_gateway_id):
    """EC2 says that there is no such gateway, and takes its network interface away; moto does neither."""
    gateway = self.nat_gateways.get(nat_gateway_id)
    if gateway is None:
        raise EC2ClientError("NatGatewayNotFound", f"NatGateway {nat_gateway_id} was not found")
    if gateway.state != "deleted" and gateway._eni is not None:
        self.enis.pop(gateway._eni.id, None)
    gateway.state = "deleted"
    return gateway


_delete_vpc_endpoints = VPCBackend.delete_vpc_endpoints


def delete_vpc_endpoints(self, vpce_ids=None):
    """EC2 lists an endpoint that is gone as unsuccessful; moto looks for its routes and fails."""
    there = [found for found in vpce_ids or [] if getattr(self.vpc_end_points.get(found), "state", "deleted") != "deleted"]
    return _delete_vpc_endpoints(self, there)
