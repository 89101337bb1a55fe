"""EKS, Service Quotas, Cloud Control and the mends of moto, asked by an independent client."""

import base64
import http.server
import io
import json
import ssl
import threading
import time
import unittest
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import app

from served import REGION, Server, World, refusal, trust, trusting


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    server.stop()


class Case(unittest.TestCase):
    def setUp(self):
        server.reset()
        self.addCleanup(server.reset)


class Faults(unittest.TestCase):
    def test_fault_of_the_emulator_says_where_it_is(self):
        def moto(environ, start_response):
            raise KeyError("a-key")

        for service, host, body in [("s3", "s3", b""), ("ec2", "ec2", b"Action=DescribeVpcs"), ("iam", "iam", b"Action=ListRoles"), ("sqs", "sqs", b"{}")]:
            said = {}
            environ = {
                "REQUEST_METHOD": "POST", "PATH_INFO": "/", "QUERY_STRING": "", "HTTP_HOST": f"{host}.us-east-1.amazonaws.com",
                "CONTENT_LENGTH": str(len(body)), "CONTENT_TYPE": "application/x-www-form-urlencoded", "wsgi.input": io.BytesIO(body),
                "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0",
            }
            answered = app.Application(moto)(environ, lambda status, headers, exc_info=None: said.update(status=status))
            text = b"".join(answered).decode()
            self.assertTrue(said["status"].startswith("500"), (service, said, text))
            self.assertRegex(text, r"the emulator has a fault: KeyError: .*a-key.* \(.*test_services\.py:\d+\)")


class Capacity(Case):
    def setUp(self):
        super().setUp()
        self.world = World(server)

    def test_roles_of_add_ons(self):
        world, eks = self.world, self.world.eks
        world.cluster()
        pods = world.make_role("pods", "pods.eks.amazonaws.com")
        create = lambda account, role: {"clusterName": "llm", "addonName": "aws-ebs-csi-driver", "podIdentityAssociations": [{"serviceAccount": account, "roleArn": role}]}  # noqa: E731
        self.assertIn("not supported for pod identity", refusal(eks.create_addon, **create("other", pods))[1])
        self.assertIn("Trust policy", refusal(eks.create_addon, **create("ebs-csi-controller-sa", world.nodes))[1])
        made = eks.create_addon(**create("ebs-csi-controller-sa", pods))["addon"]
        [arn] = made["podIdentityAssociations"]
        found = eks.describe_pod_identity_association(clusterName="llm", associationId=arn.rpartition("/")[2])["association"]
        self.assertEqual((found["namespace"], found["roleArn"], found["ownerArn"]), ("kube-system", pods, made["addonArn"]))
        eks.update_addon(clusterName="llm", addonName="aws-ebs-csi-driver")
        self.assertEqual(len(eks.list_pod_identity_associations(clusterName="llm")["associations"]), 1)
        eks.update_addon(clusterName="llm", addonName="aws-ebs-csi-driver", podIdentityAssociations=[])
        self.assertEqual(eks.list_pod_identity_associations(clusterName="llm")["associations"], [])
        known = eks.describe_addon_configuration(addonName="aws-ebs-csi-driver", addonVersion=made["addonVersion"])
        self.assertEqual([one["serviceAccount"] for one in known["podIdentityConfiguration"]], ["ebs-csi-controller-sa"])

    def profile(self, name="f", **more):
        role = self.world.iam.get_role(RoleName="fargate")["Role"]["Arn"]
        wanted = {"clusterName": "llm", "fargateProfileName": name, "podExecutionRoleArn": role, "subnets": self.world.subnets, "selectors": [{"namespace": "dev"}]}
        return {**wanted, **more}

    def test_fargate_refusals(self):
        world = self.world
        world.cluster()
        world.make_role("fargate", "eks-fargate-pods.amazonaws.com")
        for more, words in [
            ({"podExecutionRoleArn": world.nodes}, "Misconfigured PodExecutionRole"),
            ({"subnets": ["subnet-none"]}, "does not exist"),
            ({"selectors": []}, "1 to 5 selectors"),
        ]:
            self.assertIn(words, refusal(world.eks.create_fargate_profile, **self.profile(**more))[1])
        world.way_out()
        self.assertIn("is not a private subnet", refusal(world.eks.create_fargate_profile, **self.profile())[1])

    def test_fargate_profiles_come_and_go_one_at_a_time(self):
        world, eks = self.world, self.world.eks
        world.cluster()
        role = world.make_role("fargate", "eks-fargate-pods.amazonaws.com")
        server.set(pace="fast")
        self.addCleanup(server.set, pace="now")
        eks.describe_cluster(name="llm")
        eks.create_fargate_profile(**self.profile("a", tags={"llmhost-test:slow": "0.3"}))
        code, message = refusal(eks.create_fargate_profile, **self.profile("b"))
        self.assertEqual(code, "ResourceInUseException")
        self.assertIn("currently has Fargate profile a in status CREATING", message)
        time.sleep(0.4)
        eks.create_fargate_profile(**self.profile("b"))
        self.assertIn(role, eks.list_access_entries(clusterName="llm")["accessEntries"])
        self.assertEqual(eks.list_fargate_profiles(clusterName="llm")["fargateProfileNames"], ["a", "b"])
        server.set(pace="now")
        time.sleep(1.1)
        self.assertEqual(refusal(eks.delete_cluster, name="llm")[0], "ResourceInUseException")
        for name in "ab":
            eks.delete_fargate_profile(clusterName="llm", fargateProfileName=name)
        self.assertNotIn(role, eks.list_access_entries(clusterName="llm")["accessEntries"])
        eks.delete_cluster(name="llm")

    def test_pods_that_a_profile_selects_run_on_fargate(self):
        world = self.world
        world.cluster()
        world.make_role("fargate", "eks-fargate-pods.amazonaws.com")
        world.eks.create_fargate_profile(**self.profile(selectors=[{"namespace": "default", "labels": {"on": "fargate"}}]))
        for name, labels in (("in", {"on": "fargate"}), ("out", {})):
            body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
            cluster = world.eks.describe_cluster(name="llm")["cluster"]
            headers = {"Authorization": f"Bearer {world.token()}", "Content-Type": "application/json"}
            asked = urllib.request.Request(f"{cluster['endpoint']}/api/v1/namespaces/default/pods", json.dumps(body).encode(), headers)
            urllib.request.urlopen(asked, context=trusting(cluster)).read()
        pods = {pod["metadata"]["name"]: pod for pod in world.kubernetes("/api/v1/namespaces/default/pods")["items"]}
        self.assertTrue(pods["in"]["spec"]["nodeName"].startswith("fargate-"))
        self.assertEqual((pods["in"]["status"]["phase"], pods["out"]["status"]["phase"]), ("Running", "Pending"))

    def test_shared_gpus(self):
        from kubernetes.controllers import Controllers

        gpu, cut = "nvidia.com/gpu", {"nvidia.com/mig.config": "all-1g.5gb"}
        sliced = {"sharing": {"timeSlicing": {"resources": [{"name": gpu, "replicas": 4}]}}}
        mig = lambda strategy: {"flags": {"migStrategy": strategy}}  # noqa: E731
        for labels, settings, offered in [
            ({}, {}, {gpu: 2}),
            ({}, sliced, {gpu: 8}),
            (cut, {}, {gpu: 2}),
            (cut, mig("single"), {gpu: 14}),
            (cut, mig("mixed"), {"nvidia.com/mig-1g.5gb": 14}),
            (cut, {**mig("single"), **sliced}, {gpu: 56}),
        ]:
            self.assertEqual(Controllers._shared(2, labels, settings), offered)

    def test_auto_mode(self):
        world = self.world
        role = world.make_role("auto", "ec2.amazonaws.com")
        on = {"computeConfig": {"enabled": True, "nodePools": ["general-purpose"], "nodeRoleArn": role}}
        rest = {"storageConfig": {"blockStorage": {"enabled": True}}, "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": True}}}
        self.assertIn("either fully enabled or fully disabled", refusal(world.cluster, **on)[1])
        self.assertIn("Invalid node pool", refusal(world.cluster, **rest, computeConfig={**on["computeConfig"], "nodePools": ["x"]})[1])
        world.cluster(**on, **rest)
        found = world.eks.describe_cluster(name="llm")["cluster"]
        self.assertEqual(found["computeConfig"], {**on["computeConfig"]})
        self.assertIn(role, world.eks.list_access_entries(clusterName="llm")["accessEntries"])
        self.assertEqual(len(world.kubernetes("/api/v1/nodes")["items"]), 1)
        off = {"computeConfig": {"enabled": False}, "storageConfig": {"blockStorage": {"enabled": False}}, "kubernetesNetworkConfig": {"elasticLoadBalancing": {"enabled": False}}}
        world.eks.update_cluster_config(name="llm", **off)
        self.assertFalse(world.eks.describe_cluster(name="llm")["cluster"]["computeConfig"]["enabled"])

    def test_ipv6_needs_ipv6_subnets(self):
        world, ec2 = self.world, self.world.ec2
        wanted = {"kubernetesNetworkConfig": {"ipFamily": "ipv6"}}
        self.assertIn("IPv6 CIDR block", refusal(world.cluster, **wanted)[1])
        ec2.associate_vpc_cidr_block(VpcId=world.vpc, AmazonProvidedIpv6CidrBlock=True)
        own = ec2.describe_vpcs(VpcIds=[world.vpc])["Vpcs"][0]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
        for at, subnet in enumerate(world.subnets):
            ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock=own.replace("00::/56", f"{at:02x}::/64"))
        self.assertIn("cannot be specified", refusal(world.cluster, kubernetesNetworkConfig={"ipFamily": "ipv6", "serviceIpv4Cidr": "10.1.0.0/16"})[1])
        found = world.cluster(**wanted)["kubernetesNetworkConfig"]
        self.assertEqual((found["ipFamily"], found["serviceIpv6Cidr"][:2]), ("ipv6", "fd"))

    def test_placement_groups(self):
        ec2 = self.world.ec2
        tags = [{"ResourceType": "placement-group", "Tags": [{"Key": "a", "Value": "1"}]}]
        made = ec2.create_placement_group(GroupName="near", Strategy="cluster", TagSpecifications=tags)["PlacementGroup"]
        self.assertEqual(refusal(ec2.create_placement_group, GroupName="near", Strategy="cluster")[0], "InvalidPlacementGroup.Duplicate")
        ec2.create_tags(Resources=[made["GroupId"]], Tags=[{"Key": "b", "Value": "2"}])
        [found] = ec2.describe_placement_groups(GroupNames=["near"])["PlacementGroups"]
        self.assertEqual((found["Strategy"], found["State"], len(found["Tags"])), ("cluster", "available", 2))
        self.assertIn("ec2 us-east-1 placement_groups near", server.inventory())
        ec2.delete_placement_group(GroupName="near")
        self.assertEqual(refusal(ec2.describe_placement_groups, GroupNames=["near"])[0], "InvalidPlacementGroup.Unknown")

    def test_capacity_reservations(self):
        ec2 = self.world.ec2
        made = ec2.create_capacity_reservation(InstanceType="p5.48xlarge", InstancePlatform="Linux/UNIX", AvailabilityZone="us-east-1a", InstanceCount=2)
        one = made["CapacityReservation"]["CapacityReservationId"]
        [found] = ec2.describe_capacity_reservations(CapacityReservationIds=[one])["CapacityReservations"]
        self.assertEqual((found["InstanceType"], found["TotalInstanceCount"], found["State"]), ("p5.48xlarge", 2, "active"))
        self.assertEqual(refusal(ec2.describe_capacity_reservations, CapacityReservationIds=["cr-0"])[0], "InvalidCapacityReservationId.NotFound")
        ec2.cancel_capacity_reservation(CapacityReservationId=one)

    def test_what_a_launch_template_cannot_say(self):
        world = self.world
        world.cluster()
        reserved = world.ec2.create_capacity_reservation(InstanceType="p5.48xlarge", InstancePlatform="Linux/UNIX", AvailabilityZone="us-east-1a", InstanceCount=2)
        target = {"CapacityReservationTarget": {"CapacityReservationId": reserved["CapacityReservation"]["CapacityReservationId"]}}
        card = {"DeviceIndex": 1, "NetworkCardIndex": 1, "InterfaceType": "efa"}
        block = {"InstanceMarketOptions": {"MarketType": "capacity-block"}, "CapacityReservationSpecification": target}
        for at, (data, more, words) in enumerate([
            ({"UserData": base64.b64encode(b"#!/bin/bash").decode()}, {}, "MIME multipart"),
            ({"NetworkInterfaces": [card]}, {}, "EFA interfaces are not supported"),
            ({"Placement": {"GroupName": "none"}}, {}, "is unknown"),
            ({"CapacityReservationSpecification": target}, {}, "is for p5.48xlarge"),
            ({"InstanceType": "g4dn.xlarge"}, {}, "both the node group and its launch template"),
            (block, {}, "CAPACITY_BLOCK"),
            ({}, {"capacityType": "CAPACITY_BLOCK"}, "CAPACITY_BLOCK"),
            ({}, {"releaseVersion": "1.31.1-20260101"}, "is not valid for kubernetes version"),
        ]):
            made = world.ec2.create_launch_template(LaunchTemplateName=f"t-{at}", LaunchTemplateData={"EbsOptimized": True, **data})
            template = {"id": made["LaunchTemplate"]["LaunchTemplateId"], "version": "1"}
            self.assertIn(words, refusal(world.group, name=f"g-{at}", launchTemplate=template, **more)[1], data)


class Clusters(Case):
    def setUp(self):
        super().setUp()
        self.world = World(server)

    def test_cluster_is_active_with_its_parts(self):
        found = self.world.cluster(logging={"clusterLogging": [{"types": ["audit"], "enabled": True}]})
        found = self.world.eks.describe_cluster(name="llm")["cluster"]
        self.assertEqual(found["status"], "ACTIVE")
        self.assertTrue(found["resourcesVpcConfig"]["clusterSecurityGroupId"].startswith("sg-"))
        self.assertIn("/id/", found["identity"]["oidc"]["issuer"])
        entries = self.world.eks.list_access_entries(clusterName="llm")["accessEntries"]
        self.assertEqual(len(entries), 1, "who made it may enter")

    def test_cluster_refusals(self):
        world = self.world
        place = {"subnetIds": world.subnets}
        for more, words in [
            ({"roleArn": "arn:aws:iam::123456789012:role/none"}, "does not exist"),
            ({"roleArn": world.nodes}, "could not be assumed"),
            ({"resourcesVpcConfig": {"subnetIds": ["subnet-none", world.subnets[0]]}}, "does not exist"),
            ({"resourcesVpcConfig": {"subnetIds": world.subnets[:1]}}, "at least two different AZs"),
            ({"version": "1.12"}, "unsupported Kubernetes version"),
            ({"resourcesVpcConfig": {**place, "endpointPublicAccess": False}}, "cannot be false"),
        ]:
            code, message = refusal(world.cluster, **more)
            self.assertIn(words, message)
            self.assertEqual(code, "InvalidParameterException")
        world.cluster()
        self.assertEqual(refusal(world.cluster)[0], "ResourceInUseException")

    def test_kube_proxy_has_the_version_of_its_cluster(self):
        self.world.cluster(version="1.33")
        eks = self.world.eks
        for version in ["1.33", "1.34"]:
            offered = eks.describe_addon_versions(addonName="kube-proxy", kubernetesVersion=version)["addons"][0]["addonVersions"]
            default = [one["addonVersion"] for one in offered if one["compatibilities"][0]["defaultVersion"]]
            self.assertEqual(default, [f"v{version}.3-eksbuild.2"])
        made = eks.create_addon(clusterName="llm", addonName="kube-proxy")["addon"]
        self.assertEqual(made["addonVersion"], "v1.33.3-eksbuild.2")
        code, _ = refusal(eks.update_addon, clusterName="llm", addonName="kube-proxy", addonVersion="v1.34.3-eksbuild.2")
        self.assertEqual(code, "InvalidParameterException")

    def test_node_group_refusals(self):
        world = self.world
        world.cluster()
        for more, words in [
            ({"nodeRole": "arn:aws:iam::123456789012:role/none"}, "were not found in the trust"),
            ({"subnets": ["subnet-none"]}, "does not exist"),
            ({"instanceTypes": ["g4dn.xlagre"]}, "do not exist"),
            ({"amiType": "AL2023_ARM_64_STANDARD"}, "not a valid instance type"),
            ({"amiType": "AL2_x86_64"}, "only supported for kubernetes versions"),
            ({"scalingConfig": {"minSize": 2, "maxSize": 1, "desiredSize": 2}}, "can't be greater"),
            ({"scalingConfig": {"minSize": 1, "maxSize": 2, "desiredSize": 3}}, "can't be greater"),
        ]:
            wanted = {"clusterName": "llm", "nodegroupName": "gpu", "subnets": world.subnets, "nodeRole": world.nodes}
            wanted.update({"instanceTypes": ["g4dn.xlarge"], "amiType": "AL2023_x86_64_NVIDIA", **more})
            found = refusal(world.eks.create_nodegroup, **wanted)
            self.assertIsNotNone(found, more)
            self.assertIn(words, found[1])

    def test_cluster_with_node_groups_cannot_be_deleted(self):
        self.world.cluster()
        self.world.group()
        self.assertEqual(refusal(self.world.eks.delete_cluster, name="llm")[0], "ResourceInUseException")
        self.world.eks.delete_nodegroup(clusterName="llm", nodegroupName="gpu")
        self.world.eks.delete_cluster(name="llm")
        self.assertEqual(refusal(self.world.eks.describe_cluster, name="llm")[0], "ResourceNotFoundException")

    def test_fail_tag(self):
        self.world.cluster()
        self.world.group(tags={"llmhost-test:fail": "NodeCreationFailure no luck"})
        found = self.world.eks.describe_nodegroup(clusterName="llm", nodegroupName="gpu")["nodegroup"]
        issue = found["health"]["issues"][0]
        self.assertEqual((found["status"], issue["code"], issue["message"]), ("CREATE_FAILED", "NodeCreationFailure", "no luck"))

    def test_nodes_without_a_network_add_on_are_not_ready(self):
        self.world.cluster(bootstrapSelfManagedAddons=False)
        read = lambda name: self.world.eks.describe_nodegroup(clusterName="llm", nodegroupName=name)["nodegroup"]  # noqa: E731
        self.world.group("early")
        self.assertEqual((read("early")["status"], read("early")["health"]["issues"][0]["code"]), ("CREATE_FAILED", "NodeCreationFailure"))
        self.world.eks.create_addon(clusterName="llm", addonName="vpc-cni")
        self.world.group("late")
        self.assertEqual(read("late")["status"], "ACTIVE")

    def test_nodes_without_a_way_out_do_not_join(self):
        world = self.world
        world.cluster()
        world.way_out()
        read = lambda name: world.eks.describe_nodegroup(clusterName="llm", nodegroupName=name)["nodegroup"]  # noqa: E731
        private = world.ec2.create_subnet(VpcId=world.vpc, CidrBlock="10.0.7.0/24", AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
        table = world.ec2.create_route_table(VpcId=world.vpc)["RouteTable"]["RouteTableId"]
        world.ec2.associate_route_table(RouteTableId=table, SubnetId=private)
        world.group("early", subnets=[private])
        self.assertEqual((read("early")["status"], read("early")["health"]["issues"][0]["code"]), ("CREATE_FAILED", "NodeCreationFailure"))
        address = world.ec2.allocate_address()["AllocationId"]
        nat = world.ec2.create_nat_gateway(SubnetId=world.subnets[0], AllocationId=address)["NatGateway"]["NatGatewayId"]
        world.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
        world.group("late", subnets=[private])
        self.assertEqual(read("late")["status"], "ACTIVE")
        public = world.ec2.create_subnet(VpcId=world.vpc, CidrBlock="10.0.8.0/24", AvailabilityZone="us-east-1a")["Subnet"]["SubnetId"]
        world.group("without-addresses", subnets=[public])
        self.assertEqual(read("without-addresses")["status"], "CREATE_FAILED")

    def test_slow_tag(self):
        made = self.world.cluster(tags={"llmhost-test:slow": "600"})
        self.assertEqual(made["status"], "CREATING")
        self.assertEqual(refusal(self.world.group)[0], "InvalidRequestException")

    def test_nodes_count_against_the_quota_of_their_family(self):
        self.world.cluster()
        read = lambda name: self.world.eks.describe_nodegroup(clusterName="llm", nodegroupName=name)["nodegroup"]  # noqa: E731
        size = lambda count: {"scalingConfig": {"minSize": 0, "desiredSize": count, "maxSize": count}}  # noqa: E731
        self.world.group("full", **size(16))
        self.world.group("over", **size(1))
        self.assertEqual((read("full")["status"], read("over")["status"]), ("ACTIVE", "CREATE_FAILED"))
        self.assertIn("VcpuLimitExceeded", read("over")["health"]["issues"][0]["message"])
        self.world.group("spot", capacityType="SPOT", **size(1))
        self.assertEqual(read("spot")["status"], "ACTIVE")

    def test_every_node_has_a_name_of_its_own(self):
        quotas = server.client("service-quotas")
        quotas.request_service_quota_increase(ServiceCode="ec2", QuotaCode="L-DB2E81BA", DesiredValue=128)
        self.world.cluster()
        for number in range(30):
            self.world.group(f"group-{number}", scalingConfig={"minSize": 1, "maxSize": 1, "desiredSize": 1})
        nodes = self.world.kubernetes("/api/v1/nodes")["items"]
        self.assertEqual(len({node["metadata"]["name"] for node in nodes}), 30)

    def test_api_server_has_its_own_certificate(self):
        one, two = self.world.cluster(), self.world.cluster("other")
        self.assertNotEqual(one["certificateAuthority"], two["certificateAuthority"])
        self.assertTrue(one["endpoint"].startswith("https://127.0.0.1:"))
        self.assertEqual(self.world.kubernetes("/api/v1/nodes")["kind"], "NodeList")
        for trusted in (ssl.create_default_context(), trusting(two)):
            with self.assertRaisesRegex(urllib.error.URLError, "CERTIFICATE_VERIFY_FAILED"):
                urllib.request.urlopen(one["endpoint"] + "/version", context=trusted)
        self.assertEqual(urllib.request.urlopen(one["endpoint"] + "/version", context=trusting(one)).status, 200)
        self.world.eks.delete_cluster(name="llm")
        with self.assertRaisesRegex(urllib.error.URLError, "refused"):
            urllib.request.urlopen(one["endpoint"] + "/version", context=trusting(one))

    def test_access_entries_decide_who_may_do_what(self):
        cluster = self.world.cluster()
        self.world.iam.create_user(UserName="viewer")
        key = self.world.iam.create_access_key(UserName="viewer")["AccessKey"]
        arn = "arn:aws:iam::123456789012:user/viewer"
        token = self.world.token(key=(key["AccessKeyId"], key["SecretAccessKey"]))

        def ask(path, body=None):
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            asked = urllib.request.Request(cluster["endpoint"] + path, body and json.dumps(body).encode(), headers)
            try:
                return urllib.request.urlopen(asked, context=trusting(cluster)).status
            except urllib.error.HTTPError as error:
                return error.code

        self.assertEqual(ask("/api/v1/namespaces"), 401, "there is no access entry")
        self.world.eks.create_access_entry(clusterName="llm", principalArn=arn, kubernetesGroups=["readers"])
        self.assertEqual(ask("/api/v1/namespaces"), 403, "an entry alone allows nothing")
        policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy"
        scope = {"type": "namespace", "namespaces": ["default"]}
        self.world.eks.associate_access_policy(clusterName="llm", principalArn=arn, policyArn=policy, accessScope=scope)
        self.assertEqual(ask("/api/v1/namespaces/default/pods"), 200)
        self.assertEqual(ask("/api/v1/namespaces/kube-system/pods"), 403, "it is for one namespace")
        self.assertEqual(ask("/api/v1/namespaces/default/secrets"), 403, "who views sees no secrets")
        self.assertEqual(ask("/api/v1/namespaces/default/configmaps", {"metadata": {"name": "a"}}), 403)

    def test_api_server_is_asked_through_the_proxy_that_eks_was_asked_through(self):
        seen = []

        class Proxy(http.server.BaseHTTPRequestHandler):
            def forward(self):
                seen.append(f"{self.command} {self.path}")
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                asked = urllib.request.Request(server.url + self.path, body or None, dict(self.headers), method=self.command)
                with urllib.request.urlopen(asked) as answer:
                    text = answer.read()
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = forward
            log_message = lambda *_: None  # noqa: E731

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            eks = server.client("eks", url=f"http://127.0.0.1:{proxy.server_port}")
            wanted = {"name": "llm", "roleArn": self.world.role, "resourcesVpcConfig": {"subnetIds": self.world.subnets}}
            eks.create_cluster(**wanted, accessConfig={"authenticationMode": "API"})
            self.assertEqual(self.world.kubernetes("/api/v1/nodes")["items"], [])
            proxy.shutdown()
        self.assertRegex(seen[-1], "^GET /llmhost-kubernetes/[0-9A-F]+/api/v1/nodes$")

    def test_client_token(self):
        one, two = (self.world.cluster(clientRequestToken="once") for _ in range(2))
        self.assertEqual(one["arn"], two["arn"])

    def test_versions_go_up_by_one(self):
        self.world.cluster(version="1.32")
        self.assertIsNotNone(refusal(self.world.eks.update_cluster_version, name="llm", version="1.34"))
        self.assertIsNotNone(refusal(self.world.eks.update_cluster_version, name="llm", version="1.31"))
        self.world.eks.update_cluster_version(name="llm", version="1.33")
        self.assertEqual(self.world.eks.describe_cluster(name="llm")["cluster"]["version"], "1.33")

    def test_pod_identity_role_must_trust_pods(self):
        self.world.cluster()
        wanted = {"clusterName": "llm", "namespace": "models", "serviceAccount": "server"}
        call = self.world.eks.create_pod_identity_association
        self.assertIn("Trust policy of the role provided", refusal(call, roleArn=self.world.nodes, **wanted)[1])
        self.world.iam.create_role(RoleName="pods", AssumeRolePolicyDocument=trust("pods.eks.amazonaws.com"))
        call(roleArn="arn:aws:iam::123456789012:role/pods", **wanted)
        self.assertEqual(refusal(call, roleArn="arn:aws:iam::123456789012:role/pods", **wanted)[0], "ResourceInUseException")


class Others(Case):
    def test_quotas_can_be_raised(self):
        quotas = server.client("service-quotas")
        get = lambda: quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-DB2E81BA")["Quota"]["Value"]  # noqa: E731
        self.assertEqual(get(), 64)
        quotas.request_service_quota_increase(ServiceCode="ec2", QuotaCode="L-DB2E81BA", DesiredValue=128)
        self.assertEqual(get(), 128)
        self.assertEqual(refusal(quotas.get_service_quota, ServiceCode="ec2", QuotaCode="L-NONE")[0], "NoSuchResourceException")

    def test_cloud_control_makes_what_the_service_has(self):
        control, sqs = server.client("cloudcontrol"), server.client("sqs")
        wanted = json.dumps({"QueueName": "jobs", "DelaySeconds": 5})
        token = control.create_resource(TypeName="AWS::SQS::Queue", DesiredState=wanted)["ProgressEvent"]["RequestToken"]
        done = control.get_resource_request_status(RequestToken=token)["ProgressEvent"]
        self.assertEqual(done["OperationStatus"], "SUCCESS")
        self.assertEqual(sqs.get_queue_attributes(QueueUrl=done["Identifier"], AttributeNames=["DelaySeconds"])["Attributes"], {"DelaySeconds": "5"})
        self.assertIsNotNone(refusal(control.create_resource, TypeName="AWS::None::Such", DesiredState="{}"))

    def test_checksums_are_compared(self):
        s3 = server.client("s3")
        s3.create_bucket(Bucket="models")
        for wrong in ({"ChecksumCRC32": "AAAAAA=="}, {"ChecksumSHA256": "A" * 43 + "="}, {"ContentMD5": "A" * 22 + "=="}):
            self.assertEqual(refusal(s3.put_object, Bucket="models", Key="k", Body=b"x", **wrong)[0], "BadDigest")
        for algorithm in ("CRC32", "SHA1", "SHA256"):
            s3.put_object(Bucket="models", Key="k", Body=b"x" * 70000, ChecksumAlgorithm=algorithm)

    def test_launch_template_shows_its_tags_of_now(self):
        ec2 = server.client("ec2")
        data = {"InstanceType": "t3.micro"}
        made = ec2.create_launch_template(
            LaunchTemplateName="nodes",
            LaunchTemplateData=data,
            TagSpecifications=[{"ResourceType": "launch-template", "Tags": [{"Key": "env", "Value": "dev"}]}],
        )["LaunchTemplate"]["LaunchTemplateId"]
        ec2.create_tags(Resources=[made], Tags=[{"Key": "env", "Value": "prod"}])
        found = ec2.describe_launch_templates(LaunchTemplateIds=[made])["LaunchTemplates"][0]
        self.assertEqual(found["Tags"], [{"Key": "env", "Value": "prod"}])

    def test_instance_types_in_every_region(self):
        for region in ["us-east-1", "cn-north-1", "cn-northwest-1", "us-gov-west-1", "eu-west-3"]:
            ec2 = server.client("ec2", region=region)
            zones = {zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]}
            for kind, wanted in [("region", {region}), ("availability-zone", zones)]:
                offers = ec2.describe_instance_type_offerings(
                    LocationType=kind, Filters=[{"Name": "instance-type", "Values": ["t3.medium", "no.such"]}]
                )["InstanceTypeOfferings"]
                self.assertTrue(offers, region)
                self.assertEqual({offer["InstanceType"] for offer in offers}, {"t3.medium"})
                self.assertLessEqual({offer["Location"] for offer in offers}, wanted)

    def test_bucket_versioning_can_be_read(self):
        s3 = server.client("s3")
        s3.create_bucket(Bucket="models")
        self.assertNotIn("Status", s3.get_bucket_versioning(Bucket="models"))
        s3.put_bucket_versioning(Bucket="models", VersioningConfiguration={"Status": "Enabled"})
        self.assertEqual(s3.get_bucket_versioning(Bucket="models")["Status"], "Enabled")

    def test_tags_of_a_bucket_go_with_it(self):
        s3 = server.client("s3")
        for _ in range(2):
            s3.create_bucket(Bucket="tagged")
            self.assertEqual(refusal(s3.get_bucket_tagging, Bucket="tagged")[0], "NoSuchTagSet")
            s3.put_bucket_tagging(Bucket="tagged", Tagging={"TagSet": [{"Key": "team", "Value": "ml"}]})
            s3.delete_bucket(Bucket="tagged")

    def test_parts_are_listed_with_their_sums(self):
        s3 = server.client("s3")
        s3.create_bucket(Bucket="models")
        where = {"Bucket": "models", "Key": "large"}
        upload = s3.create_multipart_upload(**where, ChecksumAlgorithm="SHA256")["UploadId"]
        sent = s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=b"a", ChecksumAlgorithm="SHA256")
        listed = s3.list_parts(**where, UploadId=upload)["Parts"]
        self.assertEqual([(part["PartNumber"], part["ChecksumSHA256"]) for part in listed], [(1, sent["ChecksumSHA256"])])
        url = s3.generate_presigned_url("list_parts", Params={**where, "UploadId": upload})
        self.assertIn(b"<ListPartsResult", urllib.request.urlopen(url).read())

    def test_endpoint_routes_follow_its_tables(self):
        ec2 = server.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
        one, other = (ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2))
        wanted = {"VpcEndpointType": "Gateway", "VpcId": vpc, "ServiceName": f"com.amazonaws.{REGION}.s3"}
        endpoint = ec2.create_vpc_endpoint(**wanted, RouteTableIds=[one])["VpcEndpoint"]["VpcEndpointId"]
        ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=[other], RemoveRouteTableIds=[one])
        tables = ec2.describe_route_tables(RouteTableIds=[one, other])["RouteTables"]
        with_route = [table["RouteTableId"] for table in tables if any(route.get("GatewayId") == endpoint for route in table["Routes"])]
        self.assertEqual(with_route, [other])
        self.assertEqual(ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])["Unsuccessful"], [])

    def test_conditional_writes_are_one_step(self):
        s3 = server.client("s3")
        s3.create_bucket(Bucket="states")

        def won(at, condition):
            return refusal(s3.put_object, Bucket="states", Key="lease", Body=f"{at}", **condition) is None

        with ThreadPoolExecutor(8) as pool:
            for _ in range(10):
                s3.delete_object(Bucket="states", Key="lease")
                for condition in [lambda: {"IfNoneMatch": "*"}, lambda: {"IfMatch": s3.head_object(Bucket="states", Key="lease")["ETag"]}]:
                    now = condition()
                    self.assertEqual([won for won in pool.map(lambda at: won(f"{now} {at}", now), range(8))].count(True), 1)

    def test_one_request_at_a_time(self):
        inside, most = [], []

        def moto(environ, start_response):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.02)
            inside.pop()
            start_response("200 OK", [])
            return [environ["wsgi.input"].read()]

        def body(at):
            text = f"request {at}".encode()
            environ = {"PATH_INFO": "/", "REQUEST_METHOD": "POST", "CONTENT_LENGTH": str(len(text)), "wsgi.input": io.BytesIO(text)}
            return b"".join(app.Application(moto)(environ, lambda *_: None))

        with ThreadPoolExecutor(4) as pool:
            self.assertEqual(list(pool.map(body, range(8))), [f"request {at}".encode() for at in range(8)])
        self.assertEqual(most, [1] * 8)

    def test_nat_gateway_that_is_gone(self):
        world = World(server)
        address = world.ec2.allocate_address()["AllocationId"]
        made = world.ec2.create_nat_gateway(SubnetId=world.subnets[0], AllocationId=address)["NatGateway"]["NatGatewayId"]
        world.ec2.delete_nat_gateway(NatGatewayId=made)
        self.assertFalse([name for name in server.inventory() if "enis" in name], "its interface goes with it")
        self.assertEqual(refusal(world.ec2.delete_nat_gateway, NatGatewayId="nat-0123456789abcdef0")[0], "NatGatewayNotFound")

    def test_endpoint_deleted_twice(self):
        world = World(server)
        table = world.ec2.create_route_table(VpcId=world.vpc)["RouteTable"]["RouteTableId"]
        wanted = {"VpcId": world.vpc, "ServiceName": "com.amazonaws.us-east-1.s3", "RouteTableIds": [table], "VpcEndpointType": "Gateway"}
        made = world.ec2.create_vpc_endpoint(**wanted)["VpcEndpoint"]["VpcEndpointId"]
        for _ in range(2):
            world.ec2.delete_vpc_endpoints(VpcEndpointIds=[made])

    def test_oidc_audiences(self):
        iam = server.client("iam")
        arn = iam.create_open_id_connect_provider(Url="https://example.com/id/1", ClientIDList=["one"])["OpenIDConnectProviderArn"]
        iam.add_client_id_to_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="two")
        iam.remove_client_id_from_open_id_connect_provider(OpenIDConnectProviderArn=arn, ClientID="one")
        self.assertEqual(iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ClientIDList"], ["two"])


if __name__ == "__main__":
    unittest.main()
