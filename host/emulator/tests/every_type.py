"""Takes the smallest valid resource of every type through Cloud Control, without HTTP: created, read, updated where
anything can be, listed where it can be, deleted. Says how many pass, and why the others do not.

`python every_type.py SAMPLES`, where each line of the file is `{"type", "sample", "transform"}`, as the test in
`cloud_control.rs` makes them.
"""

import collections
import json
import sys
import time
from types import SimpleNamespace

import documents

documents.install()

import app
import pace
from services import cloudcontrol
from services.cloudcontrol import check, compare, hooks, models, records, table
from services.http import ACCOUNT, Refused

REGION = "us-east-1"
# The types that AWS has as parts of a CloudFormation transform are none of Cloud Control.
TRANSFORM = "a part of a CloudFormation transform, refused as Cloud Control does"
# Nor are those that lack handlers in the registry's schemas.
NO_HANDLERS = "AWS has no handlers that create, read and delete it, refused as Cloud Control does"
# What the table has when this is written, without these.
LEAST, LEAST_OF_MOTO = 1691, 45


class Wrong(Exception):
    """Something that a type does not do, and with what."""


def ask(target, **body):
    return cloudcontrol.handle(SimpleNamespace(target=target, body=body, region=REGION, account=ACCOUNT, access_key="testing"))


def done(answered):
    event = ask("GetResourceRequestStatus", RequestToken=answered["ProgressEvent"]["RequestToken"])["ProgressEvent"]
    if event["OperationStatus"] != "SUCCESS":
        raise Wrong(f"{event['Operation']} fails: {event['ErrorCode']}", event["StatusMessage"])
    return event["Identifier"]


def read(name, identifier):
    return json.loads(ask("GetResource", TypeName=name, Identifier=identifier)["ResourceDescription"]["Properties"])


def goes_through(name, sample):
    """Raises where a type does not do what it should; gives whether anything of it was updated, and whether moto has it."""
    of = table.find(name)
    identifier = done(ask("CreateResource", TypeName=name, DesiredState=json.dumps(sample)))
    found, told = read(name, identifier), compare.readable(of, sample)
    for key, value in told.items():
        if found.get(key) != value and name not in LIVE:
            raise Wrong("a property reads otherwise than it was stated", f"{key}: {value} {found.get(key)}")
    for part in of.identifier:
        value = found
        for step in part.replace("/", ".").split("."):
            value = (value or {}).get(step)
        if value is None:
            raise Wrong("a part of the identifier is missing", part)
    own = {each.split(".")[0] for each in of.attributes} - set(sample)
    stated = compare.stated(of, {key: value for key, value in found.items() if key not in own}, found)
    problems = check.problems(of, compare.restored(of, stated, sample), records.known.__contains__)
    if problems:
        raise Wrong("what is read does not fit the schema", problems)
    record = records.of_type(of, ACCOUNT, REGION)[identifier]
    change = changed(of, sample)
    if change:
        done(ask("UpdateResource", TypeName=name, Identifier=identifier, PatchDocument=json.dumps(change)))
        key, value = change[0]["path"][1:], change[0]["value"]
        if read(name, identifier).get(key) != compare.readable(of, {key: value}).get(key):
            raise Wrong("an update is not seen", f"{change} {read(name, identifier).get(key)}")
        if record.twin and not record.twin.is_there():
            raise Wrong("moto's resource is gone after an update", identifier)
    lists = of.handlers is None or "LIST" in of.handlers
    if lists and identifier not in [one["Identifier"] for one in ask("ListResources", TypeName=name, MaxResults=100)["ResourceDescriptions"]]:
        raise Wrong("it is not listed", identifier)
    done(ask("DeleteResource", TypeName=name, Identifier=identifier))
    try:
        read(name, identifier)
    except Refused as refusal:
        if refusal.code != "ResourceNotFoundException":
            raise
    else:
        raise Wrong("it is there after its deletion", identifier)
    return bool(change), record.twin is not None


def refused(name, code):
    try:
        ask("CreateResource", TypeName=name, DesiredState="{}")
    except Refused as refusal:
        if refusal.code == code:
            return
    raise Wrong(f"a type that Cloud Control does not have is not refused with {code}", name)


# What the service has counts, and not what was stated.
LIVE = hooks.LIVE


def changed(of, sample):
    """A patch that changes a property in place: tags, or else the first that has a value that is allowed."""
    if of.tags and of.properties[of.tags[0]].replaces == "no":
        key, form = of.tags
        value = {"team": "search"} if form == "map" else [{"Key": "team", "Value": "search", **({"PropagateAtLaunch": True} if form == "list that propagates" else {})}]
        patched = [{"op": "add", "path": f"/{key}", "value": value}]
        if not check.problems(of, {**sample, key: value}):
            return patched
    own = {name.split(".")[0] for name in of.attributes}
    for name, one in of.properties.items():
        if one.replaces != "no" or name in own or name in of.identifier or f"/{name}" in of.read_only:
            continue
        for value in ("changed", "changed-1", True, False, 3, 60, 1024, 5.5, *one.shape.allowed[-1:], sample.get(name)):
            if value is not None and not check.problems(of, {**sample, name: value}):
                return [{"op": "add", "path": f"/{name}", "value": value}]
    return None


class Network:
    """What samples refer to by made-up ids."""

    def __init__(self):
        vpc = done(ask("CreateResource", TypeName="AWS::EC2::VPC", DesiredState='{"CidrBlock": "10.0.0.0/16"}'))
        wanted = {"VpcId": vpc, "CidrBlock": "10.0.0.0/24", "AvailabilityZone": f"{REGION}a"}
        subnet = done(ask("CreateResource", TypeName="AWS::EC2::Subnet", DesiredState=json.dumps(wanted)))
        table = done(ask("CreateResource", TypeName="AWS::EC2::RouteTable", DesiredState=json.dumps({"VpcId": vpc})))
        files = done(ask("CreateResource", TypeName="AWS::EFS::FileSystem", DesiredState="{}"))
        group = done(ask("CreateResource", TypeName="AWS::EC2::SecurityGroup", DesiredState=json.dumps({"GroupDescription": "all", "VpcId": vpc})))
        self.ids = {"vpc": vpc, "subnet": subnet, "rtb": table, "fs": files, "sg": group}

    def named(self, line):
        """A sample with the ids of what there is."""
        for prefix, name in self.ids.items():
            line = line.replace(f'"{prefix}-0123456789abcdef0"', f'"{name}"')
        return line


def main():
    app.install()
    pace.mode = "now"
    began, reasons, slow = time.monotonic(), collections.defaultdict(list), []
    counts, moto = collections.Counter(), set()
    network = Network()
    for line in open(sys.argv[1]):
        one = json.loads(network.named(line))
        start = time.monotonic()
        try:
            if one["transform"]:
                refused(one["type"], "TypeNotFoundException")
                raise Wrong(TRANSFORM, "")
            if table.find(one["type"]).handlers == {}:
                refused(one["type"], "UnsupportedActionException")
                raise Wrong(NO_HANDLERS, "")
            updated, has_twin = goes_through(one["type"], one["sample"])
            counts.update(passed=1, updated=updated, moto=has_twin)
            moto.update([one["type"]] if has_twin else [])
        except Wrong as wrong:
            reasons[wrong.args[0]].append((one["type"], wrong.args[1]))
        except Refused as refusal:
            reasons[refusal.code].append((one["type"], refusal.message))
        slow.append((time.monotonic() - start, one["type"]))
    total = len(slow)
    print(f"{counts['passed']} of {total} types pass in {time.monotonic() - began:.1f} s: {counts['updated']} were updated, {counts['moto']} are moto's; {len(models.MODEL)} types have models")
    for reason, types in reasons.items():
        print(f"{len(types)}: {reason}")
        for name, what in types:
            print(f"    {name} {what}")
    unseen = sorted(set(models.MODEL) - moto)
    print("not made by moto, for their samples lack what it needs:", ", ".join(unseen))
    print("slowest:", ", ".join(f"{name} {seconds:.2f} s" for seconds, name in sorted(slow, reverse=True)[:5]))
    failed = sum(len(types) for reason, types in reasons.items() if reason not in (TRANSFORM, NO_HANDLERS))
    sys.exit(1 if failed or counts["passed"] < LEAST or counts["moto"] < LEAST_OF_MOTO else 0)


if __name__ == "__main__":
    main()
