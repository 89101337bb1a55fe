"""What the emulators do otherwise than the real ones. A test that fails here is good news: the gap
is closed, and comes off the list in docs/emulator.md."""

import json
import re
import unittest
from pathlib import Path

from served import Server, World, refusal

PAGE = Path(__file__).parents[3] / "docs" / "emulator.md"


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    server.stop()


class Gaps(unittest.TestCase):
    def setUp(self):
        server.reset()
        self.world = World(server)
        self.ec2 = self.world.ec2

    def test_gap_nodes_are_no_machines(self):
        """A node group starts no instances and no auto scaling group."""
        self.world.cluster()
        self.world.group()
        self.assertEqual(self.ec2.describe_instances()["Reservations"], [])
        self.assertEqual(server.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"], [])

    def test_gap_images(self):
        """There are no parameters with the ids of EKS's images."""
        name = "/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/x86_64/standard/recommended/image_id"
        self.assertEqual(refusal(server.client("ssm").get_parameter, Name=name)[0], "ParameterNotFound")

    def test_gap_regions_without_zones(self):
        """Some regions have no availability zones."""
        for region in ["eusc-de-east-1", "us-iso-east-1", "us-isob-east-1"]:
            zones = server.client("ec2", region=region).describe_availability_zones()
            self.assertEqual(zones["AvailabilityZones"], [], region)

    def test_gap_cloud_control_types(self):
        """Of most types, Cloud Control alone knows what it made."""
        topic = server.client("sns").create_topic(Name="jobs")["TopicArn"]
        wanted = json.dumps({"TopicArn": topic, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:123456789012:jobs"})
        server.client("cloudcontrol").create_resource(TypeName="AWS::SNS::Subscription", DesiredState=wanted)
        self.assertEqual(server.client("sns").list_subscriptions()["Subscriptions"], [])

    def test_gap_cloud_control_changes(self):
        """Of some types that the service has, it does not see what Cloud Control changes."""
        control, ec2 = server.client("cloudcontrol"), server.client("ec2")
        made = control.create_resource(TypeName="AWS::EC2::VPC", DesiredState='{"CidrBlock": "10.7.0.0/16"}')["ProgressEvent"]
        vpc = control.get_resource_request_status(RequestToken=made["RequestToken"])["ProgressEvent"]["Identifier"]
        patch = '[{"op": "add", "path": "/EnableDnsHostnames", "value": true}]'
        control.update_resource(TypeName="AWS::EC2::VPC", Identifier=vpc, PatchDocument=patch)
        self.assertFalse(ec2.describe_vpc_attribute(VpcId=vpc, Attribute="enableDnsHostnames")["EnableDnsHostnames"]["Value"])


class Kubernetes(unittest.TestCase):
    def test_gap_simplified(self):
        """What the API server's own description lists stands on the page."""
        import kubernetes

        listed = [" ".join(item.split()) for item in kubernetes.__doc__.split("\n* ")[1:]]
        page = " ".join(PAGE.read_text().split())
        for item in listed:
            self.assertIn(item, page)


class Page(unittest.TestCase):
    """The page and these tests name the same gaps, and the page the mends that have tests."""

    def test_page_lists_what_is_tested(self):
        page = PAGE.read_text()
        here = {name for kind in (Gaps, Kubernetes) for name in dir(kind) if name.startswith("test_gap_")}
        self.assertEqual(here, set(re.findall(r"`(test_gap_\w+)`", page)))
        tests = Path(__file__).parent
        known = set(re.findall(r"def (test_\w+)", "".join(path.read_text() for path in tests.glob("test_*.py"))))
        named = set(re.findall(r"`(test_\w+)`", page))
        self.assertLessEqual(named, known)
        self.assertGreater(len(named - here), 12, "the mends are named, too")


if __name__ == "__main__":
    unittest.main()
