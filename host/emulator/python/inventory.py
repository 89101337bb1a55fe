"""Everything that is in the emulator, as a list of names: to see what was left behind."""

from moto.dynamodb.models import dynamodb_backends
from moto.ec2.models import ec2_backends
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.logs.models import logs_backends
from moto.s3.models import s3_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.ssm.models import ssm_backends

import clusters
import placement
from services import eks
from services.cloudcontrol import records
from services.http import ACCOUNT


def everything(place):
    """What there is. `place` is a region, or account:region."""
    account, _, region = place.rpartition(":")
    # A region has its default network from the first question on, and so has the one that global services
    # are in.
    for asked in (region, "us-east-1"):
        ec2_backends[account or ACCOUNT][asked]
    return sorted({*ec2(), *iam(), *s3(), *others(), *cloud_control(), *kubernetes()})


def regions(backends):
    """The regions of a service that were ever used."""
    for account in list(backends.values()):
        for region, backend in list(account.items()):
            yield region, backend


def ec2():
    gone = ("deleted", "terminated")
    for region, backend in regions(ec2_backends):
        for what in ("vpcs", "internet_gateways", "egress_only_internet_gateways", "route_tables", "nat_gateways", "vpc_end_points", "launch_templates", "enis", "volumes"):
            for name, found in getattr(backend, what, {}).items():
                if getattr(found, "state", "") not in gone:
                    yield f"ec2 {region} {what} {name}"
        for vpc in backend.vpcs.values():
            for name, block in vpc._cidr_block_association_set.items():
                if block["cidr_block"] != vpc.cidr_block and block["cidr_block_state"]["state"] != "disassociated":
                    yield f"ec2 {region} vpc ranges {name}"
        for zone in backend.subnets.values():
            for name in zone:
                yield f"ec2 {region} subnets {name}"
        for groups in backend.groups.values():
            for name, group in groups.items():
                yield f"ec2 {region} security_groups {name}"
                for rule in [*group.ingress_rules, *group.egress_rules]:
                    yield f"ec2 {region} security_group_rules {name} {rule.id}"
        for what in ("placement_groups", "reservations"):
            for name, found in placement.of(backend, what).items():
                if found["State"] != "cancelled":
                    yield f"ec2 {region} {what} {name}"
        for address in backend.addresses:
            yield f"ec2 {region} addresses {address.allocation_id}"
        for reservation in backend.reservations.values():
            for instance in reservation.instances:
                if instance._state.name not in gone:
                    yield f"ec2 {region} instances {instance.id}"


def iam():
    for _, backend in regions(iam_backends):
        for role in backend.roles.values():
            yield f"iam role {role.name}"
        for arn, policy in backend.managed_policies.items():
            if ":iam::aws:" not in arn:
                yield f"iam policy {arn}"
        for profile in backend.instance_profiles.values():
            yield f"iam instance profile {profile.name}"
        for arn in backend.open_id_providers:
            yield f"iam oidc provider {arn}"


def s3():
    for _, backend in regions(s3_backends):
        for name, bucket in backend.buckets.items():
            yield f"s3 {name}"
            for key in bucket.keys:
                yield f"s3 {name}/{key}"


def others():
    for (account, region, name), cluster in eks.clusters.items():
        yield f"eks {region} {name}"
        for what in ("node_groups", "addons", "entries", "associations", "profiles"):
            for key in cluster[what]:
                yield f"eks {region} {name} {what} {key}"
    for service, backends, what in (
        ("sqs", sqs_backends, "queues"),
        ("sns", sns_backends, "topics"),
        ("logs", logs_backends, "groups"),
        ("dynamodb", dynamodb_backends, "tables"),
        ("kms", kms_backends, "keys"),
    ):
        for region, backend in regions(backends):
            for name in getattr(backend, what, {}):
                yield f"{service} {region} {name}"
    for region, backend in regions(ssm_backends):
        # Moto adds an empty entry for each name that it is asked for.
        for name, versions in list(backend._parameters.items()):
            if versions and not name.startswith("/aws/"):
                yield f"ssm {region} {name}"


def cloud_control():
    """What no other service has."""
    for (_, where, name), kept in list(records.kept.items()):
        for identifier, record in kept.items():
            if record.twin is None:
                yield f"cloudcontrol {where} {name} {identifier}"


def kubernetes():
    for uid, api in list(clusters.apis.items()):
        for found in api.user_objects():
            metadata = found["metadata"]
            yield f"kubernetes {uid} {found['kind']} {metadata.get('namespace', '-')}/{metadata['name']}"


