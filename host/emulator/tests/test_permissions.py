"""A caller may do what its policies allow, in every service, and is told what it lacks."""

import json
import unittest

from served import Server, World, refusal, trust

ACCOUNT = "123456789012"


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    server.stop()


def allow(*actions, resource="*", effect="Allow", **more):
    return {"Effect": effect, "Action": list(actions), "Resource": resource, **more}


class Permissions(unittest.TestCase):
    def setUp(self):
        server.reset()
        self.addCleanup(server.reset)
        self.world = World(server)

    def caller(self, *statements):
        """Clients of a user who may do this and nothing else."""
        iam = self.world.iam
        iam.create_user(UserName="someone")
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        if statements:
            iam.put_user_policy(UserName="someone", PolicyName="p", PolicyDocument=json.dumps(document))
        key = iam.create_access_key(UserName="someone")["AccessKey"]
        return lambda service: server.client(service, key["AccessKeyId"], key["SecretAccessKey"])

    def denied(self, action, call, **arguments):
        found = refusal(call, **arguments)
        self.assertIsNotNone(found, f"{action} is not held back")
        self.assertIn(found[0], ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation"))
        self.assertIn(f"is not authorized to perform: {action} on", found[1])
        return found[1]

    def test_nothing_is_allowed_without_a_policy(self):
        mine = self.caller()
        self.assertEqual(mine("sts").get_caller_identity()["Arn"], f"arn:aws:iam::{ACCOUNT}:user/someone")
        for action, service, call, arguments in [
            ("ec2:DescribeVpcs", "ec2", "describe_vpcs", {}),
            ("ec2:CreateVpc", "ec2", "create_vpc", {"CidrBlock": "10.1.0.0/16", "DryRun": True}),
            ("iam:CreateRole", "iam", "create_role", {"RoleName": "r", "AssumeRolePolicyDocument": trust("ec2.amazonaws.com")}),
            ("s3:CreateBucket", "s3", "create_bucket", {"Bucket": "models"}),
            ("s3:ListAllMyBuckets", "s3", "list_buckets", {}),
            ("eks:ListClusters", "eks", "list_clusters", {}),
            ("eks:DescribeCluster", "eks", "describe_cluster", {"name": "llm"}),
            ("servicequotas:GetServiceQuota", "service-quotas", "get_service_quota", {"ServiceCode": "ec2", "QuotaCode": "L-DB2E81BA"}),
            ("cloudformation:CreateResource", "cloudcontrol", "create_resource", {"TypeName": "AWS::SQS::Queue", "DesiredState": "{}"}),
            ("sqs:CreateQueue", "sqs", "create_queue", {"QueueName": "q"}),
            ("elasticloadbalancing:DescribeLoadBalancers", "elbv2", "describe_load_balancers", {}),
        ]:
            self.denied(action, getattr(mine(service), call), **arguments)

    def test_resources_and_denials_count(self):
        mine = self.caller(
            allow("s3:*", resource=["arn:aws:s3:::models", "arn:aws:s3:::models/*"]),
            allow("s3:DeleteObject", resource="arn:aws:s3:::models/kept/*", effect="Deny"),
            allow("iam:*Role", resource=f"arn:aws:iam::{ACCOUNT}:role/team/*"),
        )
        s3, iam = mine("s3"), mine("iam")
        s3.create_bucket(Bucket="models")
        self.denied("s3:CreateBucket", s3.create_bucket, Bucket="others")
        s3.put_object(Bucket="models", Key="kept/one", Body=b"x")
        self.assertIn("explicit deny", self.denied("s3:DeleteObject", s3.delete_object, Bucket="models", Key="kept/one"))
        document = trust("ec2.amazonaws.com")
        iam.create_role(RoleName="a", Path="/team/", AssumeRolePolicyDocument=document)
        self.denied("iam:CreateRole", iam.create_role, RoleName="b", AssumeRolePolicyDocument=document)
        iam.delete_role(RoleName="a")

    def test_what_a_call_needs_beside_itself(self):
        place = {"resourcesVpcConfig": {"subnetIds": self.world.subnets}, "roleArn": self.world.role}
        for action, statements in [
            ("iam:PassRole", [allow("eks:*", "iam:CreateServiceLinkedRole")]),
            ("iam:CreateServiceLinkedRole", [allow("eks:*", "iam:PassRole")]),
            ("eks:TagResource", [allow("eks:CreateCluster", "iam:*")]),
        ]:
            mine = self.caller(*statements)
            self.denied(action, mine("eks").create_cluster, name="llm", tags={"a": "b"}, **place)
            self.forget()
        mine = self.caller(allow("ec2:CreateVpc"))
        tagged = [{"ResourceType": "vpc", "Tags": [{"Key": "a", "Value": "b"}]}]
        self.denied("ec2:CreateTags", mine("ec2").create_vpc, CidrBlock="10.1.0.0/16", TagSpecifications=tagged)
        self.forget()
        mine = self.caller(allow("cloudformation:*"))
        control = mine("cloudcontrol")
        asked = control.create_resource(TypeName="AWS::SQS::Queue", DesiredState='{"QueueName": "q"}')["ProgressEvent"]
        event = control.get_resource_request_status(RequestToken=asked["RequestToken"])["ProgressEvent"]
        self.assertEqual((event["OperationStatus"], event["ErrorCode"]), ("FAILED", "AccessDenied"))
        self.assertIn("sqs:", event["StatusMessage"])

    def forget(self):
        iam = self.world.iam
        for key in iam.list_access_keys(UserName="someone")["AccessKeyMetadata"]:
            iam.delete_access_key(UserName="someone", AccessKeyId=key["AccessKeyId"])
        iam.delete_user_policy(UserName="someone", PolicyName="p")
        iam.delete_user(UserName="someone")

    def test_conditions_on_tags(self):
        mine = self.caller(
            allow("ec2:CreateVpc", "ec2:CreateTags", Condition={"StringEquals": {"aws:RequestTag/team": "ml"}}),
            allow("ec2:DeleteVpc", Condition={"StringLike": {"aws:ResourceTag/team": "m*"}}),
        )("ec2")
        tagged = lambda team: [{"ResourceType": "vpc", "Tags": [{"Key": "team", "Value": team}]}]  # noqa: E731
        made = mine.create_vpc(CidrBlock="10.1.0.0/16", TagSpecifications=tagged("ml"))["Vpc"]["VpcId"]
        self.denied("ec2:CreateVpc", mine.create_vpc, CidrBlock="10.2.0.0/16", TagSpecifications=tagged("web"))
        other = self.world.ec2.create_vpc(CidrBlock="10.3.0.0/16")["Vpc"]["VpcId"]
        self.denied("ec2:DeleteVpc", mine.delete_vpc, VpcId=other)
        mine.delete_vpc(VpcId=made)

    def test_an_assumed_role_is_held_to_its_policies(self):
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}]}
        arn = self.world.iam.create_role(RoleName="deployer", AssumeRolePolicyDocument=json.dumps(document))["Role"]["Arn"]
        keys = server.client("sts").assume_role(RoleArn=arn, RoleSessionName="ci")["Credentials"]
        eks = server.client("eks", keys["AccessKeyId"], keys["SecretAccessKey"])
        self.assertIn("assumed-role/deployer/ci", self.denied("eks:ListClusters", eks.list_clusters))
        everything = {"Version": "2012-10-17", "Statement": [allow("eks:*", "iam:*")]}
        self.world.iam.put_role_policy(RoleName="deployer", PolicyName="p", PolicyDocument=json.dumps(everything))
        self.assertEqual(eks.list_clusters()["clusters"], [])
        eks.create_cluster(name="llm", roleArn=self.world.role, resourcesVpcConfig={"subnetIds": self.world.subnets}, accessConfig={"authenticationMode": "API"})
        self.assertEqual(self.world.eks.list_access_entries(clusterName="llm")["accessEntries"], [arn])


if __name__ == "__main__":
    unittest.main()
