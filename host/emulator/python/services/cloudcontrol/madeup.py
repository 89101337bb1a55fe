"""What a service says of a resource once it is there: names, ids, ARNs and the like, made up by what they are called."""

import re
import uuid

from moto.utilities.utils import get_partition

from .. import world
from . import check, hooks

# What an id begins with, by the end of its name.
PREFIXES = {
    "VpcId": "vpc-", "SubnetId": "subnet-", "SecurityGroupId": "sg-", "SecurityGroupRuleId": "sgr-", "SecurityGroupIngressId": "sgr-", "InstanceId": "i-", "ImageId": "ami-",
    "VolumeId": "vol-", "SnapshotId": "snap-", "RouteTableId": "rtb-", "NetworkInterfaceId": "eni-", "InternetGatewayId": "igw-",
    "NatGatewayId": "nat-", "TransitGatewayId": "tgw-", "TransitGatewayAttachmentId": "tgw-attach-", "TransitGatewayRouteTableId": "tgw-rtb-", "VPCEndpointId": "vpce-",
    "VpcEndpointId": "vpce-", "AllocationId": "eipalloc-", "NetworkAclId": "acl-", "LaunchTemplateId": "lt-", "FileSystemId": "fs-", "MountTargetId": "fsmt-",
    "AccessPointId": "fsap-", "PrefixListId": "pl-", "DHCPOptionsId": "dopt-", "DhcpOptionsId": "dopt-", "IPAMPoolId": "ipam-pool-", "IpamPoolId": "ipam-pool-",
    "IPAMScopeId": "ipam-scope-", "IpamScopeId": "ipam-scope-", "IPAMId": "ipam-", "IpamId": "ipam-", "VPCPeeringConnectionId": "pcx-",
    "VpcPeeringConnectionId": "pcx-", "CustomerGatewayId": "cgw-", "VPNGatewayId": "vgw-", "VpnGatewayId": "vgw-", "VPNConnectionId": "vpn-",
    "EgressOnlyInternetGatewayId": "eigw-", "FlowLogId": "fl-", "CarrierGatewayId": "cagw-", "VPCId": "vpc-", "CapacityReservationId": "cr-",
    "GroupId": "sg-", "HostedZoneId": "Z",
}
# States in which a resource is ready, as services write them.
READY = ("ACTIVE", "AVAILABLE", "READY", "ENABLED", "COMPLETE", "COMPLETED", "SUCCESS", "SUCCEEDED", "CREATED", "RUNNING", "DEPLOYED", "ISSUED", "INSERVICE")


class Maker:
    """Makes what one new resource has. What it made once it says again, by the name of the attribute."""

    def __init__(self, of, properties, account, region):
        self.of, self.properties, self.account, self.region = of, properties, account, region
        self.partition = get_partition(region)
        self.hex = uuid.uuid4().hex
        self.made = {}

    def everything(self):
        """All attributes, those that ARNs are made of first."""
        for name in sorted(self.of.attributes, key=lambda name: name.lower().endswith("arn")):
            # What is stated under the same name is what it says.
            if name.split(".")[0] not in self.properties:
                self.attribute(name)
        return self.made

    def attribute(self, name):
        if name not in self.made:
            self.made[name] = self.value(name, self.of.attributes[name])
        return self.made[name]

    def name(self, shape=None):
        """A name for what was given none."""
        short = re.sub(r"[^a-z0-9]", "", self.of.short.lower())[:18] or "resource"
        return self.first(shape, [f"{short}-{self.hex[:12]}", f"{short}{self.hex[:12]}", self.hex[:12]])

    def value(self, name, shape):
        """The value of an attribute, or of a property that is a part of the identifier and was not stated."""
        kind = shape.kind
        if kind == "text":
            return self.first(shape, self.texts(name.rsplit(".", 1)[-1], shape))
        if kind in ("integer", "number"):
            number = 443 if name.lower().endswith("port") else 1
            least, most = shape.least, shape.most
            return shape.allowed[0] if shape.allowed else max(number, least or number) if most is None else min(most, max(number, least or number))
        if kind == "boolean":
            return False
        if kind == "list":
            return [] if not shape.least else [self.value(name.removesuffix("s"), shape.element)] * shape.least
        if kind == "one of":
            return self.value(name, shape.shapes[0])
        if kind == "object":
            wanted = self.of.definitions[shape.definition].properties
            return {key: self.value(key, one.shape) for key, one in wanted.items() if one.required}
        return {}

    def texts(self, name, shape):
        """Texts that an attribute of that name may have, the most probable first."""
        low, short, of_account = name.lower(), self.of.short, f"{self.region}:{self.account}"
        service = self.of.name.split("::")[1].lower()
        if shape.allowed:
            yield from (word for word in shape.allowed if word.upper().replace("_", "") in READY)
            yield from shape.allowed
        if low.endswith("arn"):
            if low in ("arn", f"{short.lower()}arn") and self.of.arn:
                yield self.arn()
            for what in (short.lower(), name[:-3].lower() or short.lower()):
                yield f"arn:{self.partition}:{service}:{of_account}:{what}/{self.hex[:12]}"
            yield f"arn:{self.partition}:{service}:{of_account}:{short.lower()}:{self.hex[:12]}"
        if low.endswith(("status", "state")):
            yield "ACTIVE"
        if low.endswith("id"):
            full = f"{short}Id" if name == "Id" else name
            prefix = next((PREFIXES[end] for end in sorted(PREFIXES, key=len, reverse=True) if full.endswith(end)), None)
            if prefix:
                yield f"Z{self.hex[:20].upper()}" if prefix == "Z" else prefix + self.hex[:17]
        if low.endswith(("accountid", "ownerid", "account", "owner")):
            yield self.account
        if low.endswith("queueurl"):
            yield hooks.queue_url(self.account, self.stated("QueueName") or self.name())
        if low.endswith(("url", "uri")):
            yield f"https://{self.hex[:12]}.{service}.{self.region}.{world.domain(self.region)}"
        if low.endswith(("endpoint", "domainname", "domain", "dnsname", "host", "hostname", "address", "fqdn")):
            yield f"{self.hex[:12]}.{service}.{self.region}.{world.domain(self.region)}"
        if low.endswith(("ip", "ipaddress", "address")):
            yield f"10.0.{int(self.hex[:2], 16)}.{int(self.hex[2:4], 16)}"
        if low.endswith(("at", "time", "date", "timestamp", "createdon")):
            yield "2030-01-01T00:00:00Z"
        if low.endswith("region"):
            yield self.region
        if low.endswith("availabilityzone"):
            yield f"{self.region}a"
        if low.endswith("port"):
            yield "443"
        if low.endswith(("version", "versionnumber", "revision")):
            yield "1"
        if low.endswith("name") or low == short.lower():
            yield self.stated(name) or self.stated("Name") or self.name()
        yield from self.by_pattern(shape)
        yield from (self.hex[:17], self.hex[:10], str(uuid.UUID(self.hex)), self.hex, self.hex.upper()[:20], self.name(), f"{short.lower()}-{self.hex}")
        # Not too long, and not too short.
        least, most = shape.least or 1, shape.most or 64
        yield (self.hex * (int(least) // 32 + 1))[:int(min(max(least, 12), most))]

    def by_pattern(self, shape):
        """Ids whose pattern begins with plain text: `^fs-[0-9a-f]{17}$`."""
        found = re.match(r"\^?\(?([A-Za-z0-9]+[-_])[\[(\\]", shape.pattern or "")
        if found:
            yield from (found[1] + self.hex[:length] for length in (17, 8, 10, 12, 16, 20, 24, 32))
            yield found[1] + str(uuid.UUID(self.hex))
            yield found[1] + self.hex.upper()[:20]

    def first(self, shape, texts):
        """The first text that keeps the rules, or the first."""
        if shape is None or shape.kind != "text":
            return next(iter(texts))
        fallback = None
        for text in texts:
            fallback = fallback or text
            attempt = check.Checker(self.of, lambda _: False)
            attempt.text("", shape, text)
            if not attempt.found:
                return text
        return fallback

    def stated(self, name):
        value = self.properties.get(name, self.made.get(name))
        return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else None

    def arn(self):
        """The ARN by the type's template: `arn:${Partition}:sqs:${Region}:${Account}:${QueueName}`."""
        known = {"Partition": self.partition, "Region": self.region, "Account": self.account}
        return re.sub(r"\$\{(\w+)\}", lambda found: known.get(found[1]) or self.part(found[1]), self.of.arn)

    def part(self, name):
        """What stands in an ARN for a part of the template."""
        short = self.of.short
        names = [name, name.removeprefix(short), short + name]
        if name.endswith("Name"):
            names += ["Name", f"{short}Name", f"Friendly{name}"]
        if name.endswith("Id"):
            names += ["Id", f"{short}Id"]
        folded = {key.lower(): key for key in (*self.of.properties, *self.of.attributes)}
        for each in names:
            key = folded.get(each.lower())
            if key and self.stated(key):
                return self.stated(key)
        for each in names:
            key = folded.get(each.lower())
            if key in self.of.attributes and self.of.attributes[key].kind == "text" and not key.lower().endswith("arn"):
                return str(self.attribute(key))
        if name.endswith("Name"):
            return next((self.stated(one) for one in self.of.identifier if one in self.properties and self.stated(one)), None) or self.name()
        return self.hex[:12]
