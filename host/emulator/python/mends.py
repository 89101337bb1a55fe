"""What moto answers otherwise than AWS, mended in place. Each mend says what AWS does."""

import base64
import hashlib

from moto import backends
from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.models.availability_zones_and_regions import RegionsAndZonesBackend
from moto.ec2.models.instance_types import INSTANCE_TYPE_OFFERINGS, InstanceTypeOfferingBackend
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.models.nat_gateways import NatGatewayBackend
from moto.ec2.responses.egress_only_internet_gateways import EgressOnlyInternetGateway
from moto.ec2.models.vpcs import VPCBackend
from moto.iam.models import ManagedPolicy
from moto.iam.responses import IamResponse
from moto.s3.models import S3Backend
from moto.s3.responses import S3Response


# Moto lists its own folder for every request: a third of the time that it takes.
MODULES = tuple(backends.list_of_moto_modules())


def install():
    backends.list_of_moto_modules = lambda: MODULES
    IamResponse.add_client_id_to_open_id_connect_provider = add_client_id
    IamResponse.remove_client_id_from_open_id_connect_provider = remove_client_id
    ManagedPolicy.attach_to = attach_to
    # Moto keeps the tags of the beginning.
    LaunchTemplate.tags = property(LaunchTemplate.get_tags, lambda self, tags: None)
    VPCBackend.delete_vpc_endpoints = delete_vpc_endpoints
    VPCBackend.modify_vpc_endpoint = modify_vpc_endpoint
    NatGatewayBackend.describe_nat_gateways = describe_nat_gateways
    EgressOnlyInternetGateway.describe_egress_only_internet_gateways = describe_egress_only_internet_gateways
    S3Response.list_parts = list_parts
    InstanceTypeOfferingBackend.describe_instance_type_offerings = describe_offerings
    S3Backend.delete_bucket = delete_bucket


DESCRIBE_OFFERINGS = InstanceTypeOfferingBackend.describe_instance_type_offerings


def describe_offerings(self, *args, **more):
    """EC2 offers instance types in every region; moto has lists of some regions only. The others offer what
    us-east-1 does, in each of their zones."""
    region = self.region_name
    if region not in INSTANCE_TYPE_OFFERINGS["region"]:
        types = [offer["InstanceType"] for offer in INSTANCE_TYPE_OFFERINGS["region"]["us-east-1"]]
        zones = RegionsAndZonesBackend.zones.get(region, [])
        places = {
            "region": [region] if zones else [],
            "availability-zone": [zone.name for zone in zones],
            "availability-zone-id": [zone.zone_id for zone in zones],
        }
        for kind, locations in places.items():
            INSTANCE_TYPE_OFFERINGS[kind][region] = [
                {"InstanceType": each, "Location": location, "LocationType": kind}
                for location in locations
                for each in types
            ]
    return DESCRIBE_OFFERINGS(self, *args, **more)


DELETE_BUCKET = S3Backend.delete_bucket


def delete_bucket(self, bucket_name):
    """The tags of a bucket go with it; moto gives them to the next bucket of the name."""
    arn = self.get_bucket(bucket_name).arn
    deleted = DELETE_BUCKET(self, bucket_name)
    if deleted:
        self.tagger.delete_all_tags_for_resource(arn)
    return deleted


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


DESCRIBE_NAT_GATEWAYS = NatGatewayBackend.describe_nat_gateways


def describe_nat_gateways(self, filters, nat_gateway_ids):
    """Filters by tags hold; moto leaves them aside, and answers with gateways of others."""
    found = DESCRIBE_NAT_GATEWAYS(self, filters, nat_gateway_ids)
    for name, values in (filters or {}).items():
        if name.startswith("tag:"):
            key = name.removeprefix("tag:")
            found = [gateway for gateway in found if {tag["key"]: tag["value"] for tag in gateway.get_tags()}.get(key) in values]
    return found


def describe_egress_only_internet_gateways(self):
    """Filters by tags hold; moto has none."""
    found = self.ec2_backend.describe_egress_only_internet_gateways(self._get_param("EgressOnlyInternetGatewayIds", []))
    for name, values in (self._filters_from_querystring() or {}).items():
        if name.startswith("tag:"):
            key = name.removeprefix("tag:")
            found = [gateway for gateway in found if {tag["key"]: tag["value"] for tag in gateway.get_tags()}.get(key) in values]
    return ActionResult({"EgressOnlyInternetGateways": found})


ATTACH_TO = ManagedPolicy.attach_to


def attach_to(self, holder):
    """A policy that is attached already is not attached a second time; moto counts it twice, and then never lets
    the policy go."""
    if self.arn not in holder.managed_policies:
        ATTACH_TO(self, holder)


_delete_vpc_endpoints = VPCBackend.delete_vpc_endpoints


def delete_vpc_endpoints(self, vpce_ids=None):
    """EC2 lists an endpoint that is gone as unsuccessful; moto looks for its routes and fails."""
    there = [found for found in vpce_ids or [] if getattr(self.vpc_end_points.get(found), "state", "deleted") != "deleted"]
    return _delete_vpc_endpoints(self, there)


_modify_vpc_endpoint = VPCBackend.modify_vpc_endpoint


def modify_vpc_endpoint(self, vpc_id, *changes, **more):
    """EC2 keeps a route to the endpoint in each of its tables; moto forgets that when tables come and go."""
    endpoint = self.describe_vpc_endpoints(vpc_end_point_ids=[vpc_id])[0]
    before = set(endpoint.route_table_ids or [])
    _modify_vpc_endpoint(self, vpc_id, *changes, **more)
    after = set(endpoint.route_table_ids or [])
    prefix = endpoint.destination_prefix_list_id
    for table in sorted(after - before):
        self.create_route(table, None, gateway_id=endpoint.id, destination_prefix_list_id=prefix)
    for table in sorted(before - after):
        if table in self.route_tables:
            self.delete_route(table, prefix)


_list_parts = S3Response.list_parts


def list_parts(self):
    """S3 lists the SHA-256 of each part of an upload that was begun with it, in a ListPartsResult; moto does neither."""
    upload = self.backend.get_bucket(self.bucket_name).multiparts.get(self._get_param("uploadId"))
    serialized = self.serialized

    def with_sums(answer):
        if upload is not None and upload.metadata.get("x-amz-checksum-algorithm") == "SHA256":
            for part in answer.result["Parts"]:
                value = upload.parts[part["PartNumber"]].value
                part["ChecksumSHA256"] = base64.b64encode(hashlib.sha256(value).digest()).decode()
        return serialized(answer)

    self.serialized = with_sums
    try:
        status, headers, body = _list_parts(self)
    finally:
        del self.serialized
    text = body.decode() if isinstance(body, bytes) else body
    return status, headers, text.replace("ListPartsResponse", "ListPartsResult")
