"""What EKS asks other services: whether a role, a subnet, an instance type is there."""

import json

from moto.ec2.models import ec2_backends
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends
from moto.utilities.utils import PARTITION_NAMES, get_partition

# Whether a role that is there can be assumed yet: set by the server.
is_assumable = lambda arn: True  # noqa: E731



DOMAINS = {"aws-cn": "amazonaws.com.cn", "aws-eusc": "amazonaws.eu", "aws-iso": "c2s.ic.gov", "aws-iso-b": "sc2s.sgov.gov"}
EC2_PRINCIPALS = {"aws-cn": "ec2.amazonaws.com.cn", "aws-iso": "ec2.c2s.ic.gov", "aws-iso-b": "ec2.sc2s.sgov.gov"}


def iam(account, partition="aws"):
    return iam_backends[account][partition]


def partition_of(arn):
    parts = arn.split(":")
    return parts[1] if arn.startswith("arn:") and parts[1] in PARTITION_NAMES else "aws"


def ec2_principal(region):
    """The service that a node's role has to trust."""
    return EC2_PRINCIPALS.get(get_partition(region), "ec2.amazonaws.com")


def domain(region):
    """The domain of a region's services."""
    return DOMAINS.get(get_partition(region), "amazonaws.com")


def ec2(account, region):
    return ec2_backends[account][region]


def role(account, arn):
    """The role of an ARN, or nothing."""
    return next((role for role in iam(account, partition_of(arn)).roles.values() if role.arn == arn), None)


def trusts(role, service):
    """Whether a role's trust policy names a service, and the service knows of it by now."""
    if not is_assumable(role.arn):
        return False
    document = role.assume_role_policy_document
    document = json.loads(document) if isinstance(document, str) else document
    statements = document.get("Statement", [])
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal", {})
        names = principal.get("Service", []) if isinstance(principal, dict) else []
        if service in ([names] if isinstance(names, str) else names):
            return True
    return False


def users(account):
    """Every user of an account, of whatever partition: a test's account is in all of them."""
    return [user for backend in iam_backends[account].values() for user in backend.users.values()]


def principal(account, access_key):
    """The ARN that an access key acts as."""
    for user in users(account):
        if any(key.access_key_id == access_key for key in user.access_keys):
            return user.arn
    found = session(account, access_key)
    return found.role_arn if found else f"arn:aws:iam::{account}:root"


def session(account, access_key):
    """The session of an assumed role that has this key, or nothing."""
    for backend in sts_backends[account].values():
        for found in backend.assumed_roles:
            if found.access_key_id == access_key:
                return found
    return None


def principal_exists(account, arn):
    own, partition = iam(account, partition_of(arn)), partition_of(arn)
    if not arn.startswith(f"arn:{partition}:iam::{account}:"):
        return arn.startswith(f"arn:{partition}:iam::")
    known = [role.arn for role in own.roles.values()] + [user.arn for user in own.users.values()]
    return arn in known or arn.endswith(":root")


def subnet(account, region, subnet_id):
    for zone in ec2(account, region).subnets.values():
        if subnet_id in zone:
            return zone[subnet_id]
    return None


# What nodes ask before they join, where nothing else is in reach.
ENDPOINTS = ("ec2", "ecr.api", "ecr.dkr", "sts")


def reaches_out(account, region, subnet_id, has_private_access):
    """Whether a machine in a subnet reaches the registry and the API server of its cluster."""
    backend, place = ec2(account, region), subnet(account, region, subnet_id)
    if place is None:
        return False
    own = next((table for table in backend.route_tables.values() if subnet_id in table._associations.values()), None)
    main = next((table for table in backend.route_tables.values() if table.vpc_id == place.vpc_id and table.main_association_id), None)
    for route in (own or main).routes:
        if route.destination_cidr_block == "0.0.0.0/0" and not route.local:
            # A machine without a public address gets nowhere by an internet gateway.
            if route.nat_gateway or not (route.gateway and route.gateway.id.startswith("igw-")) or place.map_public_ip_on_launch:
                return True
    there = [one.service_name for one in backend.vpc_end_points.values() if one.vpc_id == place.vpc_id and one.state == "available"]
    return has_private_access and all(any(name.endswith(f".{service}") for name in there) for service in ENDPOINTS)


def placement(account, region):
    """The placement groups and capacity reservations of a region, by name and by id."""
    backend = ec2(account, region)
    return {what: vars(backend).get(f"llmhost_{what}", {}) for what in ("placement_groups", "reservations")}


def instance_type(name):
    return INSTANCE_TYPES.get(name)


def launch_template(account, region, template):
    """The template that a node group names, or nothing."""
    templates = ec2(account, region).launch_templates
    if template.get("id"):
        return templates.get(template["id"])
    return next((found for found in templates.values() if found.name == template.get("name")), None)
