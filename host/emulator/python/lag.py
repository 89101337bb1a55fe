"""AWS is eventually consistent: what was just made is not found at first, and a new role is not assumed yet.

Off unless a test switches it on, with a seed and the longest time in seconds. Then everything that a request
makes in EC2, IAM or S3 is out of sight for a time that is drawn from the seed, for requests that look at it or
refer to it. A request that makes another of its kind sees it, for names stay unique; so does one that takes
something away.

Not imitated: what was changed and is read back old, what was deleted and is still seen.
"""

import contextlib
import random
import time

from moto.ec2.models import ec2_backends
from moto.s3.models import s3_backends

from services import world

TAKES_AWAY = ("Delete", "Detach", "Disassociate", "Release", "Remove", "Revoke")
# What a request makes, by its action: that table it sees whole.
MAKES = {
    "CreateVpc": "vpcs", "CreateSubnet": "subnets", "CreateInternetGateway": "internet_gateways", "CreateRouteTable": "route_tables",
    "CreateNatGateway": "nat_gateways", "CreateVpcEndpoint": "vpc_end_points", "CreateLaunchTemplate": "launch_templates",
    "CreateEgressOnlyInternetGateway": "egress_only_internet_gateways", "CreateSecurityGroup": "groups", "CreateRole": "roles", "CreatePolicy": "managed_policies",
    "CreateInstanceProfile": "instance_profiles", "CreateOpenIDConnectProvider": "open_id_providers",
}
EC2 = ("vpcs", "internet_gateways", "egress_only_internet_gateways", "route_tables", "nat_gateways", "vpc_end_points", "launch_templates")
IAM = ("roles", "managed_policies", "instance_profiles", "open_id_providers")

# When each thing comes into sight, and when a role can be assumed, by table and key; nothing while this is off.
in_sight, assumable = {}, {}
known = set()
draws, longest = None, 0.0


def switch(seed, seconds):
    """Switches it on, or with no seconds off."""
    global draws, longest
    draws, longest = (random.Random(seed), seconds) if seconds else (None, 0.0)
    reset()


def reset():
    in_sight.clear()
    assumable.clear()
    known.clear()
    if draws:
        for account in list(ec2_backends):
            for region in list(ec2_backends[account]):
                known.update((name, key) for name, table in tables(account, region) for key in table)


def tables(account, region):
    """Every table that a thing may be missing from, with its name."""
    ec2 = ec2_backends[account][region] if region in ec2_backends[account] else None
    if ec2 is not None:
        yield from ((name, getattr(ec2, name)) for name in EC2)
        yield from (("subnets", zone) for zone in list(ec2.subnets.values()))
        yield from (("groups", groups) for groups in list(ec2.groups.values()))
    yield from ((name, getattr(world.iam(account), name)) for name in IAM)
    yield from (("buckets", backend.buckets) for backend in s3_backends[account].values())


@contextlib.contextmanager
def imitated(request):
    """Takes what is not in sight yet out of its tables while a request is answered; notes what it makes."""
    if not draws or request.region is None:
        yield
        return
    action, now = request.form.get("Action", ""), time.monotonic()
    whole = action.startswith(TAKES_AWAY) or request.method == "DELETE"
    makes = "buckets" if request.service == "s3" and request.method == "PUT" and request.path.strip("/").count("/") == 0 and not request.query else MAKES.get(action)
    taken = []
    for name, table in [] if whole else list(tables(request.account, request.region)):
        if name != makes:
            late = [key for key in table if in_sight.get((name, key), 0) > now]
            taken += [(table, key, table.pop(key)) for key in late]
    try:
        yield
    finally:
        for table, key, thing in taken:
            table[key] = thing
        learn(request)


def learn(request):
    """What is new comes into sight together, some of it at once; a role can be assumed later still."""
    after = max(0.0, draws.uniform(-longest / 2, longest))
    now = time.monotonic()
    for name, table in tables(request.account, request.region):
        for key in table:
            # AWS's own policies were there before everything.
            if (name, key) not in known and ":iam::aws:" not in key:
                known.add((name, key))
                in_sight[name, key] = now + after
                if name == "roles":
                    assumable[table[key].arn] = now + after + draws.uniform(0, longest)


def is_assumable(arn):
    return assumable.get(arn, 0) <= time.monotonic()
