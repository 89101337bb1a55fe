"""EC2: security groups and their rules."""

import ipaddress
import itertools

from moto.ec2.exceptions import EC2ClientError, InvalidSecurityGroupNotFoundError
from moto.ec2.models.security_groups import SecurityGroup, SecurityGroupBackend, SecurityGroupRule

from services import quotas

from .networks import balancers, interfaces
from .patch import before, dependency


def install():
    before(SecurityGroupBackend, "create_security_group", network_exists)
    before(SecurityGroupBackend, "delete_security_group", group_is_free)
    SecurityGroupBackend._verify_group_will_respect_rule_count_limit = rules_fit
    SecurityGroupBackend.modify_security_group_rules = modify_rules
    SecurityGroupRule.__eq__ = same_rule
    SecurityGroupRule.__hash__ = object.__hash__
    SecurityGroupRule.description = property(description)
    SecurityGroupRule.__init__ = normalized(SecurityGroupRule.__init__)
    SecurityGroup.add_ingress_rule = lambda self, rule: added(self, self.ingress_rules, rule)
    SecurityGroup.add_egress_rule = lambda self, rule: added(self, self.egress_rules, rule)


def network_exists(backend, name, description, vpc_id=None, *_, **__):
    if vpc_id:
        # Refuses one that is not there.
        backend.get_vpc(vpc_id)


def group_is_free(backend, name=None, group_id=None):
    group = backend.get_security_group_by_name_or_id(group_id or name)
    if group is None:
        return
    if group.is_default:
        raise EC2ClientError("CannotDelete", f'the specified group: "{group.id}" name: "{group.name}" cannot be deleted by a user')
    others = (other for groups in backend.groups.values() for other in groups.values() if other is not group)
    rules = itertools.chain.from_iterable([*other.ingress_rules, *other.egress_rules] for other in others)
    running = (one for reservation in backend.reservations.values() for one in reservation.instances if one._state.name != "terminated")
    used = itertools.chain(
        (rule for rule in rules if rule.source_group.get("GroupId") == group.id),
        (interface for interface in interfaces(backend) if group in interface.group_set),
        (instance for instance in running if group in instance.security_groups),
        (endpoint for endpoint in backend.vpc_end_points.values() if group.id in endpoint.security_group_ids and endpoint.state != "deleted"),
        (groups for _, groups, _ in balancers(backend) if group.id in groups),
    )
    if next(used, None) is not None:
        raise dependency(f"resource {group.id} has a dependent object")


def peer(rule):
    """Whom a rule lets in or out: what it says of them beside is no part of it."""
    return rule.ip_range.get("CidrIp"), rule.ip_range.get("CidrIpv6"), rule.source_group.get("GroupId"), rule.prefix_list_id


def same_rule(self, other):
    ports = (self.from_port, self.to_port) == (other.from_port, other.to_port) or self.ip_protocol == "-1"
    return self.ip_protocol == other.ip_protocol and ports and peer(self) == peer(other)


def added(group, rules, rule):
    if rule in rules:
        way = "ALLOW"
        who = next(one for one in peer(rule) if one)
        ports = f"from port: {rule.from_port}, to port: {rule.to_port}, " if rule.ip_protocol != "-1" else ""
        protocol = "ALL" if rule.ip_protocol == "-1" else rule.ip_protocol.upper()
        message = f'the specified rule "peer: {who}, {protocol}, {ports}{way}" already exists'
        raise EC2ClientError("InvalidPermission.Duplicate", message)
    rules.append(rule)


def description(rule):
    """What a rule says of its peer, whichever kind of peer it is."""
    return rule.ip_range.get("Description") or rule.source_group.get("Description") or getattr(rule, "list_description", None)


def normalized(init):
    """EC2 keeps the network of a range: 10.0.0.5/24 becomes 10.0.0.0/24."""

    def made(self, ec2_backend, ip_protocol, group_id, from_port, to_port, ip_range, source_group=None, prefix_list_id=None, *args, **kwargs):
        self.list_description = (prefix_list_id or {}).get("Description")
        if prefix_list_id and prefix_list_id["PrefixListId"] not in ec2_backend.managed_prefix_lists:
            raise EC2ClientError("InvalidPrefixListID.NotFound", f"The prefix list ID '{prefix_list_id['PrefixListId']}' does not exist")
        for key in ("CidrIp", "CidrIpv6"):
            if (ip_range or {}).get(key):
                ip_range = {**ip_range, key: str(ipaddress.ip_network(ip_range[key], strict=False))}
        init(self, ec2_backend, ip_protocol, group_id, from_port, to_port, ip_range, source_group, prefix_list_id, *args, **kwargs)

    return made


def rules_fit(self, group, current_rule_nb, ip_ranges, source_groups=None, egress=False):
    """The quota counts rules for IPv4 and for IPv6 apart; one for a group or a list counts for both."""
    rules = group.egress_rules if egress else group.ingress_rules
    most = quotas.limit(self.account_id, self.region_name, "vpc", "L-0EA8095F")
    for key, other in (("CidrIp", "CidrIpv6"), ("CidrIpv6", "CidrIp")):
        there = sum(1 for rule in rules if other not in rule.ip_range)
        new = sum(1 for one in ip_ranges or [] if other not in one) + len(source_groups or [])
        if new and there + new > most:
            raise EC2ClientError("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")


def modify_rules(self, group_id, rules):
    """Moto changes ranges of IPv4 only, and forgets what is said of a group."""
    group = self.get_security_group_by_name_or_id(group_id)
    if group is None:
        raise InvalidSecurityGroupNotFoundError(group_id)
    for rule_id, wanted in rules.items():
        rule = group.get_rule(rule_id)
        if rule is None:
            raise EC2ClientError("InvalidSecurityGroupRuleId.NotFound", f"The security group rule ID '{rule_id}' does not exist")
        keys = {"CidrIpv4": "CidrIp", "CidrIpv6": "CidrIpv6", "ReferencedGroupId": "GroupId", "PrefixListId": "PrefixListId"}
        given = [(keys[key], wanted[key]) for key in keys if wanted.get(key)]
        if len(given) != 1 or not wanted.get("IpProtocol"):
            raise EC2ClientError("MissingParameter", "The request must contain exactly one of: cidrIp, cidrIpv6, prefixListId, or referencedGroupId")
        key, value = given[0]
        range_or_group = {key: value, **({"Description": wanted["Description"]} if wanted.get("Description") else {})}
        is_group, is_list = key == "GroupId", key == "PrefixListId"
        ports = (wanted.get("FromPort"), wanted.get("ToPort"))
        of_kind = [None if is_group or is_list else range_or_group, range_or_group if is_group else None, range_or_group if is_list else None]
        new = SecurityGroupRule(self, wanted["IpProtocol"], group.id, *ports, *of_kind)
        rule.prefix_list_id, rule.list_description = new.prefix_list_id, new.list_description
        rule.ip_protocol, rule.from_port, rule.to_port = new.ip_protocol, new.from_port, new.to_port
        rule.ip_range, rule.source_group = new.ip_range, {**rule.source_group, **new.source_group} if is_group else {}
        if is_group and not wanted.get("Description"):
            rule.source_group.pop("Description", None)
