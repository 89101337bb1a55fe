"""Placement groups and capacity reservations of EC2, which moto lacks. No machine is placed: what names one that is
not there is refused, as by EC2."""

import uuid

from moto.core.responses import ActionResult, EmptyResult
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import EC2_PREFIX_TO_RESOURCE, EC2_RESOURCE_TO_PREFIX

STRATEGIES = ("cluster", "partition", "spread")


def install():
    for prefix, kind in (("pg", "placement-group"), ("cr", "capacity-reservation")):
        EC2_PREFIX_TO_RESOURCE[prefix], EC2_RESOURCE_TO_PREFIX[kind] = kind, prefix
    for work in (
        create_placement_group, describe_placement_groups, delete_placement_group,
        create_capacity_reservation, describe_capacity_reservations, cancel_capacity_reservation,
    ):
        setattr(LaunchTemplates, work.__name__, work)


def of(backend, what):
    """The table of placement groups or capacity reservations of a backend; it goes with the backend."""
    return backend.__dict__.setdefault(f"llmhost_{what}", {})


def tagged(backend, found, identity):
    tags = [{"Key": key, "Value": value} for key, value in backend.tags.get(found[identity], {}).items()]
    return {**found, "Tags": tags}


def matches(found, filters):
    """Whether filters by tags let it through; others are left aside."""
    tags = {tag["Key"]: tag["Value"] for tag in found["Tags"]}
    return all(tags.get(name[4:]) in values for name, values in filters.items() if name.startswith("tag:"))


def create_placement_group(self):
    name, strategy = self._get_param("GroupName"), self._get_param("Strategy", "cluster")
    tags = self._parse_tag_specification("placement-group").get("placement-group", {})
    partitions = self._get_param("PartitionCount")
    self.error_on_dryrun()
    backend = self.ec2_backend
    groups = of(backend, "placement_groups")
    if name in groups:
        raise EC2ClientError("InvalidPlacementGroup.Duplicate", f"The placement group '{name}' already exists.")
    if strategy not in STRATEGIES:
        raise EC2ClientError("InvalidParameterValue", f"Value ({strategy}) for parameter strategy is invalid.")
    if partitions is not None and (strategy != "partition" or not 1 <= int(partitions) <= 7):
        raise EC2ClientError("InvalidParameterValue", "The partition count is not valid for the strategy.")
    group = {"GroupName": name, "GroupId": f"pg-{uuid.uuid4().hex[:17]}", "Strategy": strategy, "State": "available"}
    group["GroupArn"] = f"arn:aws:ec2:{self.region}:{self.current_account}:placement-group/{name}"
    if strategy == "partition":
        group["PartitionCount"] = int(partitions or 2)
    groups[name] = group
    backend.create_tags([group["GroupId"]], tags)
    return ActionResult({"PlacementGroup": tagged(backend, group, "GroupId")})


def describe_placement_groups(self):
    backend = self.ec2_backend
    groups, names = of(backend, "placement_groups"), self._get_param("GroupNames", [])
    ids = self._get_param("GroupIds", [])
    unknown = [name for name in names if name not in groups]
    unknown += [one for one in ids if all(group["GroupId"] != one for group in groups.values())]
    if unknown:
        raise EC2ClientError("InvalidPlacementGroup.Unknown", f"The Placement Group '{unknown[0]}' is unknown.")
    found = [tagged(backend, group, "GroupId") for name, group in groups.items() if (not names or name in names) and (not ids or group["GroupId"] in ids)]
    filters = self._filters_from_querystring()
    return ActionResult({"PlacementGroups": [group for group in found if matches(group, filters)]})


def delete_placement_group(self):
    name = self._get_param("GroupName")
    self.error_on_dryrun()
    group = of(self.ec2_backend, "placement_groups").pop(name, None)
    if group is None:
        raise EC2ClientError("InvalidPlacementGroup.Unknown", f"The Placement Group '{name}' is unknown.")
    self.ec2_backend.tags.pop(group["GroupId"], None)
    return EmptyResult()


def create_capacity_reservation(self):
    tags = self._parse_tag_specification("capacity-reservation").get("capacity-reservation", {})
    self.error_on_dryrun()
    count, backend = int(self._get_param("InstanceCount", 1)), self.ec2_backend
    reservation = {
        "CapacityReservationId": f"cr-{uuid.uuid4().hex[:17]}",
        "InstanceType": self._get_param("InstanceType"),
        "InstancePlatform": self._get_param("InstancePlatform"),
        "AvailabilityZone": self._get_param("AvailabilityZone"),
        "InstanceMatchCriteria": self._get_param("InstanceMatchCriteria", "open"),
        "PlacementGroupArn": self._get_param("PlacementGroupArn"),
        "ReservationType": "default",
        "TotalInstanceCount": count,
        "AvailableInstanceCount": count,
        "State": "active",
    }
    of(backend, "reservations")[reservation["CapacityReservationId"]] = reservation
    backend.create_tags([reservation["CapacityReservationId"]], tags)
    return ActionResult({"CapacityReservation": tagged(backend, reservation, "CapacityReservationId")})


def describe_capacity_reservations(self):
    backend = self.ec2_backend
    there, ids = of(backend, "reservations"), self._get_param("CapacityReservationIds", [])
    unknown = [one for one in ids if one not in there]
    if unknown:
        raise EC2ClientError("InvalidCapacityReservationId.NotFound", f"The capacity reservation ID '{unknown[0]}' does not exist")
    found = [tagged(backend, one, "CapacityReservationId") for key, one in there.items() if not ids or key in ids]
    filters = self._filters_from_querystring()
    return ActionResult({"CapacityReservations": [one for one in found if matches(one, filters)]})


def cancel_capacity_reservation(self):
    one = self._get_param("CapacityReservationId")
    if one not in of(self.ec2_backend, "reservations"):
        raise EC2ClientError("InvalidCapacityReservationId.NotFound", f"The capacity reservation ID '{one}' does not exist")
    of(self.ec2_backend, "reservations")[one]["State"] = "cancelled"
    return ActionResult({"Return": True})
