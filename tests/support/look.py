"""An independent client: prints everything that an AWS emulator holds, as JSON.

Usage: look.py ENDPOINT REGION [tag-vpc VPC_ID KEY VALUE]
"""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, region = sys.argv[1:3]


def client(service):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def tags(thing):
    return {tag["Key"]: tag["Value"] for tag in thing.get("Tags", [])}


def ask(call, **arguments):
    try:
        answer = call(**arguments)
        answer.pop("ResponseMetadata", None)
        return answer
    except ClientError:
        return None


def network(ec2):
    def attribute(vpc, name, key):
        return ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=name)[key]["Value"]

    return {
        "vpcs": [
            {
                "id": vpc["VpcId"],
                "cidr": vpc["CidrBlock"],
                "default": vpc.get("IsDefault", False),
                "dns_support": attribute(vpc, "enableDnsSupport", "EnableDnsSupport"),
                "dns_hostnames": attribute(vpc, "enableDnsHostnames", "EnableDnsHostnames"),
                "tags": tags(vpc),
            }
            for vpc in ec2.describe_vpcs()["Vpcs"]
        ],
        "subnets": [
            {
                "id": subnet["SubnetId"],
                "vpc": subnet["VpcId"],
                "cidr": subnet["CidrBlock"],
                "zone": subnet["AvailabilityZone"],
                "public": subnet["MapPublicIpOnLaunch"],
                "tags": tags(subnet),
            }
            for subnet in ec2.describe_subnets()["Subnets"]
        ],
        "internet_gateways": [
            {
                "id": gateway["InternetGatewayId"],
                "vpcs": [attachment["VpcId"] for attachment in gateway["Attachments"]],
                "tags": tags(gateway),
            }
            for gateway in ec2.describe_internet_gateways()["InternetGateways"]
        ],
        "nat_gateways": [
            {
                "id": gateway["NatGatewayId"],
                "subnet": gateway["SubnetId"],
                "allocations": [address["AllocationId"] for address in gateway["NatGatewayAddresses"]],
                "tags": tags(gateway),
            }
            for gateway in ec2.describe_nat_gateways()["NatGateways"]
            if gateway["State"] not in ("deleting", "deleted")
        ],
        "addresses": [
            {"id": address["AllocationId"], "tags": tags(address)}
            for address in ec2.describe_addresses()["Addresses"]
        ],
        "route_tables": [
            {
                "id": table["RouteTableId"],
                "vpc": table["VpcId"],
                "subnets": [a["SubnetId"] for a in table["Associations"] if a.get("SubnetId")],
                "routes": {
                    route.get("DestinationCidrBlock") or route.get("DestinationPrefixListId"): route.get("GatewayId")
                    or route.get("NatGatewayId")
                    for route in table["Routes"]
                },
                "tags": tags(table),
            }
            for table in ec2.describe_route_tables()["RouteTables"]
        ],
        "endpoints": [
            {
                "id": endpoint["VpcEndpointId"],
                "vpc": endpoint["VpcId"],
                "service": endpoint["ServiceName"],
                "type": endpoint["VpcEndpointType"],
                "route_tables": sorted(endpoint["RouteTableIds"]),
                "tags": tags(endpoint),
            }
            for endpoint in ec2.describe_vpc_endpoints()["VpcEndpoints"]
            if endpoint["State"] not in ("deleting", "deleted")
        ],
        "security_groups": [
            {
                "id": group["GroupId"],
                "vpc": group["VpcId"],
                "name": group["GroupName"],
                "ingress": sorted(
                    [rule.get("FromPort"), rule.get("ToPort"), rule["IpProtocol"], source["CidrIp"]]
                    for rule in group["IpPermissions"]
                    for source in rule["IpRanges"]
                ),
                "tags": tags(group),
            }
            for group in ec2.describe_security_groups()["SecurityGroups"]
        ],
    }


def storage(s3):
    found = []
    for bucket in s3.list_buckets()["Buckets"]:
        name = bucket["Name"]
        found.append(
            {
                "name": name,
                "public_access": ask(s3.get_public_access_block, Bucket=name),
                "encryption": ask(s3.get_bucket_encryption, Bucket=name),
                "versioning": ask(s3.get_bucket_versioning, Bucket=name),
                "lifecycle": ask(s3.get_bucket_lifecycle_configuration, Bucket=name),
                "tags": {tag["Key"]: tag["Value"] for tag in (ask(s3.get_bucket_tagging, Bucket=name) or {"TagSet": []})["TagSet"]},
                "objects": {
                    thing["Key"]: thing["Size"]
                    for thing in s3.list_objects_v2(Bucket=name).get("Contents", [])
                },
            }
        )
    return found


ec2 = client("ec2")
if len(sys.argv) > 3 and sys.argv[3] == "tag-vpc":
    vpc, key, value = sys.argv[4:7]
    ec2.create_tags(Resources=[vpc], Tags=[{"Key": key, "Value": value}])
print(json.dumps({"network": network(ec2), "storage": storage(client("s3"))}))
