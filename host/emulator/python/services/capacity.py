"""The quotas of vCPUs that machines count against, all groups of an account in a region together."""

import re

from . import quotas, world

# By the family of an instance type: on-demand and spot. What is not listed is a standard family.
FAMILIES = {
    "g": ("L-DB2E81BA", "L-3819A6DF"), "vt": ("L-DB2E81BA", "L-3819A6DF"), "p": ("L-417A185B", "L-7212CCBC"),
    "inf": ("L-1945791B", None), "trn": ("L-2C3B7624", None),
}
STANDARD = ("L-1216C47A", "L-34B43A08")


def quota_of(kind, is_spot):
    """The code of the quota that an instance type counts against."""
    family = re.match(r"[a-z]+", kind)[0]
    if is_spot and family == "p" and kind.startswith("p5"):
        return "L-C4BD4855"
    return FAMILIES.get(family, STANDARD)[is_spot]


def exceeded(account, region, groups, group):
    """Why EC2 would not start the machines of a group beside those of the others, or nothing."""
    code = quota_of(group["instanceTypes"][0], group["capacityType"] == "SPOT")
    if code is None:
        return None
    vcpus = 0
    for one in groups:
        if one is group or (one["status"] in ("ACTIVE", "UPDATING", "DEGRADED") and quota_of(one["instanceTypes"][0], one["capacityType"] == "SPOT") == code):
            vcpus += world.instance_type(one["instanceTypes"][0])["VCpuInfo"]["DefaultVCpus"] * one["scalingConfig"]["desiredSize"]
    most = int(quotas.limit(account, region, "ec2", code))
    if vcpus <= most:
        return None
    bucket = "for the instance bucket that the specified instance type belongs to"
    return f"Could not launch Instances. VcpuLimitExceeded - You have requested more vCPU capacity than your current vCPU limit of {most} allows {bucket}."
