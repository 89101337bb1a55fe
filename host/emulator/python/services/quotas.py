"""Service Quotas: the quotas that node groups, networks and roles run into. The services ask here, too.

Not imitated: histories, requests that wait for a person. An increase that is asked for is granted
at once, so that a test can set a quota.
"""

from .http import Refused

DEFAULTS = {
    "ec2": {
        "L-1216C47A": ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 256.0),
        "L-DB2E81BA": ("Running On-Demand G and VT instances", 64.0),
        "L-417A185B": ("Running On-Demand P instances", 192.0),
        "L-34B43A08": ("All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 256.0),
        "L-3819A6DF": ("All G and VT Spot Instance Requests", 64.0),
        "L-7212CCBC": ("All P4, P3 and P2 Spot Instance Requests", 64.0),
        "L-C4BD4855": ("All P5 Spot Instance Requests", 0.0),
        "L-1945791B": ("Running On-Demand Inf instances", 64.0),
        "L-2C3B7624": ("Running On-Demand Trn instances", 64.0),
        "L-0263D0A3": ("EC2-VPC Elastic IPs", 5.0),
    },
    "vpc": {
        "L-F678F1CE": ("VPCs per Region", 5.0),
        "L-FE5A380F": ("NAT gateways per Availability Zone", 5.0),
        "L-A4707A72": ("Internet gateways per Region", 5.0),
        "L-407747CB": ("Subnets per VPC", 200.0),
        "L-589F43AA": ("Route tables per VPC", 200.0),
        "L-93826ACB": ("Routes per route table", 500.0),
        "L-E79EC296": ("VPC security groups per Region", 2500.0),
        "L-0EA8095F": ("Inbound or outbound rules per security group", 60.0),
        "L-1B52E74A": ("Gateway VPC endpoints per Region", 20.0),
        "L-29B6F2EB": ("Interface VPC endpoints per VPC", 50.0),
    },
    "eks": {"L-1194D53C": ("Clusters", 100.0), "L-6D54EA21": ("Managed node groups per cluster", 30.0)},
    "iam": {
        "L-FE177D64": ("Roles per account", 1000.0),
        "L-E95E4862": ("Customer managed policies per account", 1500.0),
        "L-0DA4ABF3": ("Managed policies per role", 10.0),
        "L-6E65F664": ("Instance profiles per account", 1000.0),
        "L-858F3967": ("OpenId connect providers per account", 100.0),
    },
}
granted = {}


def reset():
    granted.clear()


def handle(call):
    name = {
        "GetServiceQuota": lambda: {"Quota": quota(call, own=True)},
        "GetAWSDefaultServiceQuota": lambda: {"Quota": quota(call, own=False)},
        "ListServiceQuotas": lambda: {"Quotas": listed(call, own=True)},
        "ListAWSDefaultServiceQuotas": lambda: {"Quotas": listed(call, own=False)},
        "RequestServiceQuotaIncrease": lambda: increase(call),
    }.get(call.target)
    if name is None:
        raise Refused("UnknownOperationException", f"{call.target} is not imitated", 404)
    return name()


def described(call, service, code, own):
    name, value = DEFAULTS[service][code]
    if own:
        value = granted.get((call.account, call.region, service, code), value)
    return {
        "ServiceCode": service,
        "QuotaCode": code,
        "QuotaName": name,
        "Value": value,
        "Adjustable": True,
        "GlobalQuota": False,
        "Unit": "None",
        "QuotaArn": f"arn:aws:servicequotas:{call.region}:{call.account}:{service}/{code}",
    }


def limit(account, region, service, code):
    """What a service holds an account to."""
    return granted.get((account, region, service, code), DEFAULTS[service][code][1])


def quota(call, own):
    service, code = call.body.get("ServiceCode"), call.body.get("QuotaCode")
    if code not in DEFAULTS.get(service, {}):
        raise Refused("NoSuchResourceException", "The request failed because the specified quota does not exist.")
    return described(call, service, code, own)


def listed(call, own):
    service = call.body.get("ServiceCode")
    if service not in DEFAULTS:
        raise Refused("NoSuchResourceException", "The request failed because the specified service does not exist.")
    return [described(call, service, code, own) for code in DEFAULTS[service]]


def increase(call):
    found = quota(call, own=True)
    value = float(call.body.get("DesiredValue", 0))
    granted[(call.account, call.region, found["ServiceCode"], found["QuotaCode"])] = value
    return {"RequestedQuota": {"Id": "1", "Status": "APPROVED", "DesiredValue": value, "QuotaCode": found["QuotaCode"]}}
