"""A server for a test module, started as llmhost starts it, and clients of it."""

import base64
import datetime
import json
import os
import ssl
import subprocess
import sys
import unittest.mock
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ServiceId
from botocore.signers import RequestSigner

PROGRAM = Path(__file__).parent.parent / "python" / "serve.py"
REGION = "us-east-1"
SECRET = "testing"


class Server:
    def __init__(self, pace="now"):
        # Without AWS's own policies, which every reset would load anew.
        environment = {**os.environ, "LLMHOST_EMULATOR_SECRET": SECRET}
        environment.pop("PYTHONPATH", None)
        self.process = subprocess.Popen(
            [sys.executable, PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True
        )
        self.url = f"http://127.0.0.1:{self.process.stdout.readline().strip()}"
        self.set(pace=pace)

    def set(self, **wanted):
        """Tells the emulator how to behave, as llmhost does."""
        urllib.request.urlopen(f"{self.url}/llmhost-emulator/set?{urlencode(wanted)}").read()

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)

    def reset(self):
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")).read()

    def inventory(self):
        return set(json.load(urllib.request.urlopen(f"{self.url}/llmhost-emulator/inventory?{REGION}")))

    def client(self, service, key="testing", secret=SECRET, url=None, region=REGION):
        return boto3.client(
            service,
            endpoint_url=url or self.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )


def refusal(call, **arguments):
    """Code and message with which a call is refused; nothing where it is not."""
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    return None


def trusting(cluster):
    """A TLS context that trusts what EKS says of a cluster, and nobody else."""
    return ssl.create_default_context(cadata=base64.b64decode(cluster["certificateAuthority"]["data"]).decode())


def trust(*services):
    statement = {"Effect": "Allow", "Principal": {"Service": list(services)}, "Action": ["sts:AssumeRole", "sts:TagSession"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class World:
    """A network, roles and a cluster, for tests that need one."""

    def __init__(self, server):
        self.ec2, self.iam, self.eks = (server.client(name) for name in ("ec2", "iam", "eks"))
        self.vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        self.subnets = [
            self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=f"10.0.{at}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"]["SubnetId"]
            for at, zone in enumerate("ab")
        ]
        self.role = self.make_role("cluster", "eks.amazonaws.com")
        self.nodes = self.make_role("nodes", "ec2.amazonaws.com")

    def make_role(self, name, service):
        return self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust(service))["Role"]["Arn"]

    def cluster(self, name="llm", **more):
        wanted = {"name": name, "roleArn": self.role, "resourcesVpcConfig": {"subnetIds": self.subnets}, **more}
        wanted.setdefault("accessConfig", {"authenticationMode": "API"})
        return self.eks.create_cluster(**wanted)["cluster"]

    def way_out(self):
        """Public subnets: nodes in them reach what they need."""
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc)
        main = self.ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [self.vpc]}])["RouteTables"][0]["RouteTableId"]
        self.ec2.create_route(RouteTableId=main, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        for subnet in self.subnets:
            self.ec2.modify_subnet_attribute(SubnetId=subnet, MapPublicIpOnLaunch={"Value": True})
        self.way_out = lambda: None

    def group(self, name="gpu", **more):
        self.way_out()
        wanted = {"clusterName": "llm", "nodegroupName": name, "subnets": self.subnets, "nodeRole": self.nodes}
        wanted.update(instanceTypes=["g4dn.xlarge"], amiType="AL2023_x86_64_NVIDIA", **more)
        return self.eks.create_nodegroup(**wanted)["nodegroup"]

    def token(self, cluster="llm", key=("testing", SECRET), age=0):
        """A token as `aws eks get-token` makes it, some seconds ago."""
        session = boto3.Session(aws_access_key_id=key[0], aws_secret_access_key=key[1])
        signer = RequestSigner(ServiceId("STS"), REGION, "sts", "v4", session.get_credentials(), session.events)
        url = f"https://sts.{REGION}.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"
        request = {"method": "GET", "url": url, "body": {}, "headers": {"x-k8s-aws-id": cluster}, "context": {}}
        then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=age)
        with unittest.mock.patch("botocore.auth.get_current_datetime", return_value=then.replace(tzinfo=None)):
            signed = signer.generate_presigned_url(request, region_name=REGION, expires_in=60, operation_name="")
        return "k8s-aws-v1." + base64.urlsafe_b64encode(signed.encode()).decode().rstrip("=")

    def kubernetes(self, path):
        """What the cluster's API server answers."""
        cluster = self.eks.describe_cluster(name="llm")["cluster"]
        asked = urllib.request.Request(cluster["endpoint"] + path, headers={"Authorization": f"Bearer {self.token()}"})
        return json.load(urllib.request.urlopen(asked, context=trusting(cluster)))
