"""Cloud Control, asked by an independent client; `every_type.py` takes every type through it."""

import json
import unittest

from services.cloudcontrol import check, patch

from served import REGION, Server, World, refusal, trust

ROLE = trust("lambda.amazonaws.com")


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    server.stop()


class Case(unittest.TestCase):
    def setUp(self):
        server.reset()
        self.addCleanup(server.reset)
        self.control = server.client("cloudcontrol")

    def event(self, answered):
        return self.control.get_resource_request_status(RequestToken=answered["ProgressEvent"]["RequestToken"])["ProgressEvent"]

    def done(self, answered):
        event = self.event(answered)
        self.assertEqual(event["OperationStatus"], "SUCCESS", event)
        return event["Identifier"]

    def create(self, name, **properties):
        return self.done(self.control.create_resource(TypeName=name, DesiredState=json.dumps(properties)))

    def read(self, name, identifier):
        return json.loads(self.control.get_resource(TypeName=name, Identifier=identifier)["ResourceDescription"]["Properties"])

    def update(self, name, identifier, *changes):
        return self.done(self.control.update_resource(TypeName=name, Identifier=identifier, PatchDocument=json.dumps(changes)))

    def delete(self, name, identifier):
        self.done(self.control.delete_resource(TypeName=name, Identifier=identifier))

    def gone(self, name, identifier):
        return refusal(self.control.get_resource, TypeName=name, Identifier=identifier)[0] == "ResourceNotFoundException"


class Refusals(Case):
    def test_cloud_control_holds_properties_to_the_schema(self):
        for name, properties, words in [
            ("AWS::None::Such", {}, "TypeNotFoundException"),
            ("AWS::Serverless::Function", {}, "TypeNotFoundException"),
            ("AWS::SQS::Queue", [], "#: expected type: JSONObject, found: JSONArray"),
            ("AWS::SQS::Queue", {"Colour": "red"}, "#: extraneous key [Colour] is not permitted"),
            ("AWS::SQS::Queue", {"DelaySeconds": "5"}, "#/DelaySeconds: expected type: Integer, found: String"),
            ("AWS::SQS::Queue", {"DelaySeconds": True}, "#/DelaySeconds: expected type: Integer, found: Boolean"),
            ("AWS::SQS::Queue", {"DelaySeconds": 901}, "901 is not less or equal to 900"),
            ("AWS::SQS::Queue", {"QueueName": None}, "#/QueueName: expected type: String, found: Null"),
            ("AWS::SQS::Queue", {"Arn": "arn:aws:sqs:us-east-1:123456789012:q"}, "#/Arn: a read-only property cannot be specified"),
            ("AWS::SQS::Queue", {"Tags": {"team": "search"}}, "#/Tags: expected type: JSONArray, found: JSONObject"),
            ("AWS::SQS::Queue", {"Tags": [{"Key": "team"}]}, "#/Tags/0: required key [Value] not found"),
            ("AWS::DynamoDB::Table", {"TableName": "jobs"}, "#: required key [KeySchema] not found"),
            ("AWS::S3::Bucket", {"VersioningConfiguration": {"Status": "On"}}, "#/VersioningConfiguration/Status: failed validation constraint for keyword [enum]"),
            ("AWS::Logs::LogGroup", {"LogGroupName": "a b"}, "#/LogGroupName: failed validation constraint for keyword [pattern]"),
            ("AWS::Logs::LogGroup", {"LogGroupName": "a" * 513}, "#/LogGroupName: expected maxLength: 512, actual: 513"),
            ("AWS::Logs::LogGroup", {"RetentionInDays": 2}, "#/RetentionInDays: failed validation constraint for keyword [enum]"),
        ]:
            with self.subTest(name=name, properties=properties):
                code, message = refusal(self.control.create_resource, TypeName=name, DesiredState=json.dumps(properties))
                self.assertIn(words, f"{code} {message}")
                self.assertIn(code, ("TypeNotFoundException", "ValidationException"))
        self.assertEqual(refusal(self.control.create_resource, TypeName="AWS::SQS::Queue", DesiredState="{")[0], "ValidationException")
        self.assertEqual(refusal(self.control.get_resource_request_status, RequestToken="no-such-token")[0], "RequestTokenNotFoundException")

    def test_cloud_control_holds_updates_to_the_schema(self):
        name = "AWS::Logs::LogGroup"
        group = self.create(name, LogGroupName="jobs", Tags=[{"Key": "a", "Value": "1"}])
        for change, code, words in [
            ({"op": "add", "path": "/LogGroupName", "value": "other"}, "NotUpdatableException", "createOnlyProperties [/properties/LogGroupName] cannot be updated"),
            ({"op": "remove", "path": "/LogGroupName"}, "NotUpdatableException", "/properties/LogGroupName"),
            ({"op": "add", "path": "/Arn", "value": "x"}, "ValidationException", "readOnlyProperties [/properties/Arn] cannot be updated"),
            ({"op": "replace", "path": "/RetentionInDays", "value": 7}, "ValidationException", "'RetentionInDays' is missing"),
            ({"op": "remove", "path": "/Tags/1"}, "ValidationException", "'1' is missing"),
            ({"op": "test", "path": "/Tags/0/Value", "value": "2"}, "ValidationException", "the test of '/Tags/0/Value' failed"),
            ({"op": "grow", "path": "/Tags"}, "ValidationException", "no operation 'grow'"),
            ({"op": "add", "path": "Tags", "value": []}, "ValidationException", "no JSON pointer"),
            ({"op": "add", "path": "/RetentionInDays", "value": 2}, "ValidationException", "keyword [enum]"),
            ({"op": "add", "path": "/Tags/0/Colour", "value": "red"}, "ValidationException", "extraneous key [Colour]"),
        ]:
            with self.subTest(change=change):
                said = refusal(self.control.update_resource, TypeName=name, Identifier=group, PatchDocument=json.dumps([change]))
                self.assertEqual(said[0], code)
                self.assertIn(words, said[1])
        # The same value is no change.
        self.update(name, group, {"op": "replace", "path": "/LogGroupName", "value": "jobs"})
        self.assertEqual(refusal(self.control.update_resource, TypeName=name, Identifier="none", PatchDocument="[]")[0], "ResourceNotFoundException")

    def test_cloud_control_fails_in_time(self):
        self.create("AWS::ECS::CapacityProvider", Name="spot")
        for answered, operation, code in [
            (self.control.create_resource(TypeName="AWS::ECS::CapacityProvider", DesiredState='{"Name": "spot"}'), "CREATE", "AlreadyExists"),
            (self.control.delete_resource(TypeName="AWS::ECS::CapacityProvider", Identifier="none"), "DELETE", "NotFound"),
            (self.control.create_resource(TypeName="AWS::EC2::Subnet", DesiredState='{"VpcId": "vpc-0a1b2c3d4e5f60718", "CidrBlock": "10.0.0.0/24"}'), "CREATE", "NotFound"),
        ]:
            event = self.event(answered)
            self.assertEqual((event["Operation"], event["OperationStatus"], event["ErrorCode"]), (operation, "FAILED", code), event)
            self.assertTrue(event["StatusMessage"])

    def test_cloud_control_knows_client_tokens(self):
        first, other = ('{"QueueName": "a"}', '{"QueueName": "b"}')
        wanted = {"TypeName": "AWS::SQS::Queue", "ClientToken": "0a1b"}
        one, two = (self.control.create_resource(DesiredState=first, **wanted)["ProgressEvent"]["RequestToken"] for _ in range(2))
        self.assertEqual(one, two)
        self.assertEqual(refusal(self.control.create_resource, DesiredState=other, **wanted)[0], "ClientTokenConflictException")

    def test_patterns_of_schemas_mean_what_they_mean_in_javascript(self):
        for pattern, yes, no in [
            (r"^[\w+=,.@-]+$", "a.b@c", "a b"), (r"^\d{12}$", "123456789012", "１２３４５６７８９０１２"), (r"^a$", "a", "a\n"), (r"^[\p{L}-]+\Z", "é-", "1"),
            (r"^(?!aws)", "x", "aws"), (r"^[[a-z]+$", "x", "1"), (r"^[\w-.~]+$", "a-b.c", "a/b"),
        ]:
            self.assertEqual([check.matches(pattern, text) for text in (yes, no)], [True, False], pattern)
        self.assertTrue(check.matches("(", "what cannot be compiled refuses nothing"))


class Patches(unittest.TestCase):
    def test_patch_documents(self):
        whole = {"a": [1, 2], "b": {"c/d": 1, "e~f": 2}}
        for changes, wanted in [
            ([{"op": "add", "path": "/a/1", "value": 9}], {**whole, "a": [1, 9, 2]}),
            ([{"op": "add", "path": "/a/-", "value": 9}], {**whole, "a": [1, 2, 9]}),
            ([{"op": "add", "path": "/a/2", "value": 9}], {**whole, "a": [1, 2, 9]}),
            ([{"op": "remove", "path": "/a/0"}], {**whole, "a": [2]}),
            ([{"op": "replace", "path": "/a/0", "value": [3]}], {**whole, "a": [[3], 2]}),
            ([{"op": "add", "path": "/b/c~1d", "value": 3}, {"op": "remove", "path": "/b/e~0f"}], {**whole, "b": {"c/d": 3}}),
            ([{"op": "move", "from": "/a/0", "path": "/b/g"}], {"a": [2], "b": {**whole["b"], "g": 1}}),
            ([{"op": "copy", "from": "/b", "path": "/h"}, {"op": "test", "path": "/h/e~0f", "value": 2}], {**whole, "h": whole["b"]}),
            ([{"op": "replace", "path": "", "value": {}}], {}),
        ]:
            self.assertEqual(patch.applied(whole, changes), wanted)
        self.assertEqual(whole, {"a": [1, 2], "b": {"c/d": 1, "e~f": 2}})
        for path in ("/a/3", "/a/01", "/a/-1", "/x/y", "/b/z/0", "a"):
            with self.assertRaises(patch.Invalid, msg=path):
                patch.applied(whole, [{"op": "add", "path": path, "value": 1}])
        with self.assertRaises(patch.Invalid):
            patch.applied(whole, [{"op": "move", "from": "/b", "path": "/b/x"}])


class Resources(Case):
    def test_cloud_control_makes_up_what_the_service_says(self):
        name = "AWS::Glue::Registry"
        made = self.create(name, Name="events", Tags=[{"Key": "team", "Value": "ml"}])
        first = self.read(name, made)
        self.assertEqual(first, {"Name": "events", "Tags": [{"Key": "team", "Value": "ml"}], "Arn": f"arn:aws:glue:{REGION}:123456789012:registry/events"})
        self.assertEqual((made, first), (first["Arn"], self.read(name, made)))
        self.update(name, made, {"op": "add", "path": "/Tags/-", "value": {"Key": "env", "Value": "dev"}}, {"op": "remove", "path": "/Tags/0"})
        self.assertEqual(self.read(name, made), {**first, "Tags": [{"Key": "env", "Value": "dev"}]})

    def test_identifiers_of_several_parts(self):
        name = "AWS::ApiGatewayV2::Stage"
        made = self.create(name, ApiId="a1b2c3", StageName="live")
        self.assertEqual(made, "a1b2c3|live")
        asked = json.dumps({"ApiId": "a1b2c3", "StageName": "live"})
        self.assertEqual(self.control.get_resource(TypeName=name, Identifier=asked)["ResourceDescription"]["Identifier"], made)

    def test_write_only_properties_are_not_told(self):
        name = "AWS::SecretsManager::Secret"
        made = self.create(name, Name="key", SecretString="hush", Description="a")
        self.assertNotIn("hush", json.dumps(self.read(name, made)))
        self.update(name, made, {"op": "add", "path": "/SecretString", "value": "other"}, {"op": "add", "path": "/Description", "value": "b"})
        self.assertEqual(self.read(name, made)["Description"], "b")

    def test_resources_are_listed_in_pages(self):
        made = {self.create("AWS::ECS::CapacityProvider", Name=f"p{number}") for number in range(5)}
        found, token = [], {}
        while token is not None:
            said = self.control.list_resources(TypeName="AWS::ECS::CapacityProvider", MaxResults=2, **token)
            self.assertLessEqual(len(said["ResourceDescriptions"]), 2)
            found += [one["Identifier"] for one in said["ResourceDescriptions"]]
            token = {"NextToken": said["NextToken"]} if "NextToken" in said else None
        self.assertEqual(set(found), made)
        self.assertEqual(len(found), 5)
        elsewhere = server.client("cloudcontrol", region="eu-west-1")
        self.assertEqual(elsewhere.list_resources(TypeName="AWS::ECS::CapacityProvider")["ResourceDescriptions"], [])

    def test_everything_of_cloud_control_is_in_the_inventory(self):
        before = server.inventory()
        made = self.create("AWS::ECS::CapacityProvider", Name="spot")
        self.assertEqual(server.inventory() - before, {f"cloudcontrol {REGION} AWS::ECS::CapacityProvider spot"})
        self.delete("AWS::ECS::CapacityProvider", made)
        self.assertEqual(server.inventory(), before)


class OfServices(Case):
    """What moto has."""

    def test_cloud_control_makes_what_other_services_see(self):
        client = {name: server.client(name) for name in ("s3", "dynamodb", "iam", "ecr", "kms", "logs", "sns", "sqs", "ec2", "ssm", "events", "route53", "lambda", "elbv2", "kinesis")}
        before = server.inventory()
        ecr, ec2, elbv2 = client["ecr"], client["ec2"], client["elbv2"]
        tag = [{"Key": "team", "Value": "search"}]
        every = [
            ("AWS::S3::Bucket", {"BucketName": "models-1"}, lambda made: client["s3"].head_bucket(Bucket=made)),
            ("AWS::DynamoDB::Table", {"TableName": "jobs", "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}], "BillingMode": "PAY_PER_REQUEST"}, lambda made: client["dynamodb"].describe_table(TableName=made)),
            ("AWS::IAM::Role", {"RoleName": "jobs", "AssumeRolePolicyDocument": json.loads(ROLE)}, lambda made: client["iam"].get_role(RoleName=made)),
            ("AWS::ECR::Repository", {"RepositoryName": "team/app", "Tags": tag}, lambda made: ecr.describe_repositories(repositoryNames=[made])),
            ("AWS::KMS::Key", {"KeyPolicy": {"Version": "2012-10-17", "Statement": []}}, lambda made: client["kms"].describe_key(KeyId=made)),
            ("AWS::Logs::LogGroup", {"RetentionInDays": 7}, lambda made: client["logs"].describe_log_groups(logGroupNamePrefix=made)["logGroups"][0]),
            ("AWS::SNS::Topic", {"TopicName": "jobs", "DisplayName": "Jobs"}, lambda made: client["sns"].get_topic_attributes(TopicArn=made)),
            ("AWS::SQS::Queue", {"DelaySeconds": 5}, lambda made: client["sqs"].get_queue_attributes(QueueUrl=made, AttributeNames=["All"])),
            ("AWS::EC2::VPC", {"CidrBlock": "10.1.0.0/16", "Tags": tag}, lambda made: ec2.describe_vpcs(VpcIds=[made])["Vpcs"][0]),
            ("AWS::EC2::EIP", {"Domain": "vpc"}, lambda made: ec2.describe_addresses(AllocationIds=[made.split("|")[1]])["Addresses"][0]),
            ("AWS::EC2::Volume", {"AvailabilityZone": f"{REGION}a", "Size": 8}, lambda made: ec2.describe_volumes(VolumeIds=[made])["Volumes"][0]),
            ("AWS::EC2::LaunchTemplate", {"LaunchTemplateData": {"InstanceType": "t3.micro"}}, lambda made: ec2.describe_launch_templates(LaunchTemplateIds=[made])),
            ("AWS::SSM::Parameter", {"Name": "/jobs/queue", "Type": "String", "Value": "a"}, lambda made: client["ssm"].get_parameter(Name=made)),
            ("AWS::Events::Rule", {"Name": "hourly", "ScheduleExpression": "rate(1 hour)"}, lambda made: client["events"].describe_rule(Name=made.rpartition("/")[2])),
            ("AWS::Route53::HostedZone", {"Name": "example.com"}, lambda made: client["route53"].get_hosted_zone(Id=made)),
            ("AWS::Kinesis::Stream", {"Name": "clicks", "ShardCount": 1}, lambda made: client["kinesis"].describe_stream(StreamName=made)),
            ("AWS::ElasticLoadBalancingV2::TargetGroup", {"Name": "web", "Port": 80, "Protocol": "HTTP", "VpcId": None}, lambda made: elbv2.describe_target_groups(TargetGroupArns=[made])["TargetGroups"][0]),
        ]
        made = []
        for name, properties, look in every:
            with self.subTest(name=name):
                if "VpcId" in properties:
                    properties["VpcId"] = next(one for kind, one in made if kind == "AWS::EC2::VPC")
                made.append((name, self.create(name, **properties)))
                look(made[-1][1])
                found = self.read(*made[-1])
                # A template's data is write-only.
                self.assertEqual({key: found[key] for key in properties if key != "LaunchTemplateData"}, {key: value for key, value in properties.items() if key != "LaunchTemplateData"})
        for name, identifier in reversed(made):
            with self.subTest(deleted=name):
                self.delete(name, identifier)
                self.assertTrue(self.gone(name, identifier))
        # A key waits for its deletion.
        self.assertEqual({one for one in server.inventory() - before if not one.startswith("kms ")}, set())

    def test_cloud_control_makes_a_network(self):
        ec2, before = server.client("ec2"), server.inventory()
        vpc = self.create("AWS::EC2::VPC", CidrBlock="10.1.0.0/16")
        made = [("AWS::EC2::VPC", vpc)]

        def make(name, **properties):
            made.append((f"AWS::EC2::{name}", self.create(f"AWS::EC2::{name}", **properties)))
            return made[-1][1]

        subnet = make("Subnet", VpcId=vpc, CidrBlock="10.1.1.0/24", AvailabilityZone=f"{REGION}a")
        gateway = make("InternetGateway")
        make("VPCGatewayAttachment", VpcId=vpc, InternetGatewayId=gateway)
        table = make("RouteTable", VpcId=vpc)
        make("Route", RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        group = make("SecurityGroup", GroupDescription="web", VpcId=vpc, SecurityGroupIngress=[{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}])
        make("NetworkInterface", SubnetId=subnet, GroupSet=[group])
        self.assertEqual(ec2.describe_internet_gateways(InternetGatewayIds=[gateway])["InternetGateways"][0]["Attachments"][0]["VpcId"], vpc)
        routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
        self.assertIn(gateway, [route.get("GatewayId") for route in routes])
        self.assertEqual(ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissions"][0]["FromPort"], 443)
        self.assertEqual(ec2.describe_network_interfaces()["NetworkInterfaces"][0]["SubnetId"], subnet)
        # What is in use is not deleted.
        event = self.event(self.control.delete_resource(TypeName="AWS::EC2::VPC", Identifier=vpc))
        self.assertEqual((event["OperationStatus"], event["ErrorCode"]), ("FAILED", "ResourceConflict"))
        for name, identifier in reversed(made):
            self.delete(name, identifier)
        self.assertEqual(server.inventory(), before)

    def test_cloud_control_makes_what_refers_to_each_other(self):
        world, before = World(server), server.inventory()
        made, statement = [], {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        policy = {"Version": "2012-10-17", "Statement": [statement]}

        def make(name, **properties):
            made.append((f"AWS::{name}", self.create(f"AWS::{name}", **properties)))
            return made[-1][1]

        allowed = make("IAM::ManagedPolicy", ManagedPolicyName="p", PolicyDocument=policy)
        role = make("IAM::Role", RoleName="jobs", AssumeRolePolicyDocument=json.loads(ROLE), ManagedPolicyArns=[allowed])
        arn = self.read("AWS::IAM::Role", role)["Arn"]
        make("IAM::InstanceProfile", InstanceProfileName="jobs", Roles=[role])
        make("Lambda::Function", FunctionName="f", Role=arn, Runtime="python3.12", Handler="index.handler", Code={"ZipFile": "def handler(event, context): pass"})
        make("StepFunctions::StateMachine", StateMachineName="m", RoleArn=arn, DefinitionString='{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}')
        make("ApiGateway::RestApi", Name="api")
        zone = make("Route53::HostedZone", Name="example.com.")
        make("Route53::RecordSet", HostedZoneId=zone, Name="a.example.com.", Type="A", TTL="60", ResourceRecords=["10.0.0.1"])
        make("RDS::DBSubnetGroup", DBSubnetGroupName="data", DBSubnetGroupDescription="d", SubnetIds=world.subnets)
        make("RDS::DBInstance", DBInstanceIdentifier="data", Engine="postgres", DBInstanceClass="db.t3.micro", AllocatedStorage="20", MasterUsername="u", MasterUserPassword="password1", DBSubnetGroupName="data")
        address = make("EC2::EIP", Domain="vpc")
        make("EC2::NatGateway", SubnetId=world.subnets[0], AllocationId=address.split("|")[1])
        make("EC2::Instance", ImageId="ami-12c6146b", InstanceType="t3.micro", SubnetId=world.subnets[0])
        balancer = make("ElasticLoadBalancingV2::LoadBalancer", Name="web", Subnets=world.subnets)
        group = make("ElasticLoadBalancingV2::TargetGroup", Name="web", Port=80, Protocol="HTTP", VpcId=world.vpc)
        make("ElasticLoadBalancingV2::Listener", LoadBalancerArn=balancer, Port=80, Protocol="HTTP", DefaultActions=[{"Type": "forward", "TargetGroupArn": group}])
        make("AutoScaling::LaunchConfiguration", LaunchConfigurationName="web", ImageId="ami-12c6146b", InstanceType="t3.micro")
        make("AutoScaling::AutoScalingGroup", AutoScalingGroupName="web", MinSize="0", MaxSize="1", LaunchConfigurationName="web", VPCZoneIdentifier=world.subnets[:1])
        make("EFS::FileSystem", Encrypted=True)
        make("Events::EventBus", Name="orders")
        make("Events::Rule", Name="new", EventBusName="orders", EventPattern={"source": ["orders"]})
        # All of them are their services'.
        self.assertEqual([one for one in server.inventory() if one.startswith("cloudcontrol")], [])
        self.assertEqual(server.client("lambda").get_function(FunctionName="f")["Configuration"]["Role"], arn)
        self.assertEqual(server.client("rds").describe_db_instances(DBInstanceIdentifier="data")["DBInstances"][0]["Engine"], "postgres")
        self.assertEqual(server.client("elbv2").describe_listeners(LoadBalancerArn=balancer)["Listeners"][0]["Port"], 80)
        self.assertEqual(server.client("events").describe_rule(Name="new", EventBusName="orders")["EventBusName"], "orders")
        for name, identifier in reversed(made):
            with self.subTest(deleted=name):
                self.delete(name, identifier)
                self.assertTrue(self.gone(name, identifier))
        self.assertEqual(server.inventory(), before)

    def test_what_a_service_deletes_is_gone_for_cloud_control(self):
        s3, sqs = server.client("s3"), server.client("sqs")
        bucket, queue = self.create("AWS::S3::Bucket"), self.create("AWS::SQS::Queue", QueueName="jobs")
        s3.delete_bucket(Bucket=bucket)
        sqs.delete_queue(QueueUrl=queue)
        for name, identifier in [("AWS::S3::Bucket", bucket), ("AWS::SQS::Queue", queue)]:
            self.assertTrue(self.gone(name, identifier), name)
            self.assertEqual(self.control.list_resources(TypeName=name)["ResourceDescriptions"], [])
        self.assertEqual(self.create("AWS::SQS::Queue", QueueName="jobs"), queue)

    def test_what_a_service_has_is_known_to_cloud_control(self):
        queue = server.client("sqs").create_queue(QueueName="jobs", Attributes={"DelaySeconds": "7"})["QueueUrl"]
        server.client("s3").create_bucket(Bucket="models-1")
        self.assertEqual(self.read("AWS::SQS::Queue", queue)["DelaySeconds"], 7)
        self.assertEqual(self.read("AWS::S3::Bucket", "models-1")["Arn"], "arn:aws:s3:::models-1")
        self.assertEqual([one["Identifier"] for one in self.control.list_resources(TypeName="AWS::S3::Bucket")["ResourceDescriptions"]], ["models-1"])
        for name, stated in [("AWS::SQS::Queue", {"QueueName": "jobs"}), ("AWS::S3::Bucket", {"BucketName": "models-1"})]:
            event = self.event(self.control.create_resource(TypeName=name, DesiredState=json.dumps(stated)))
            self.assertEqual(event["ErrorCode"], "AlreadyExists", name)

    def test_changes_reach_the_service(self):
        sqs, logs, sns = (server.client(name) for name in ("sqs", "logs", "sns"))
        queue = self.create("AWS::SQS::Queue", DelaySeconds=5)
        self.update("AWS::SQS::Queue", queue, {"op": "add", "path": "/DelaySeconds", "value": 9})
        self.assertEqual(sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["DelaySeconds"])["Attributes"]["DelaySeconds"], "9")
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"DelaySeconds": "3"})
        self.assertEqual(self.read("AWS::SQS::Queue", queue)["DelaySeconds"], 3)
        group = self.create("AWS::Logs::LogGroup", RetentionInDays=7)
        self.update("AWS::Logs::LogGroup", group, {"op": "replace", "path": "/RetentionInDays", "value": 14})
        self.assertEqual(logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"][0]["retentionInDays"], 14)
        events, arn = server.client("events"), "arn:aws:sqs:us-east-1:123456789012:"
        pattern = {"source": ["aws.ec2"]}
        rule = self.create("AWS::Events::Rule", Name="spot", EventPattern=pattern, Targets=[{"Id": "queue", "Arn": arn + "a"}])
        self.update("AWS::Events::Rule", rule, {"op": "replace", "path": "/Targets/0/Arn", "value": arn + "b"})
        self.assertEqual([one["Arn"] for one in events.list_targets_by_rule(Rule="spot")["Targets"]], [arn + "b"])
        self.assertEqual(json.loads(events.describe_rule(Name="spot")["EventPattern"]), pattern)
        # CloudFormation deletes a rule with its targets; EventBridge alone does not.
        self.delete("AWS::Events::Rule", rule)
        self.assertEqual(events.list_rules(NamePrefix="spot")["Rules"], [])
        topic = self.create("AWS::SNS::Topic", DisplayName="a")
        self.update("AWS::SNS::Topic", topic, {"op": "add", "path": "/DisplayName", "value": "b"})
        self.assertEqual(sns.get_topic_attributes(TopicArn=topic)["Attributes"]["DisplayName"], "b")


class Permissions(Case):
    def test_cloud_control_acts_as_its_caller(self):
        iam = World(server).iam
        for service, code in [("s3", None), ("dynamodb", "AccessDenied")]:
            iam.create_user(UserName=service)
            keys = iam.create_access_key(UserName=service)["AccessKey"]
            document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["cloudformation:*", f"{service}:*"], "Resource": "*"}]}
            iam.put_user_policy(UserName=service, PolicyName="p", PolicyDocument=json.dumps(document))
            mine = server.client("cloudcontrol", keys["AccessKeyId"], keys["SecretAccessKey"])
            event = self.event(mine.create_resource(TypeName="AWS::S3::Bucket", DesiredState="{}"))
            self.assertEqual(event.get("ErrorCode"), code)


if __name__ == "__main__":
    unittest.main()
