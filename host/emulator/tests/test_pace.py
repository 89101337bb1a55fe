"""How long things take, and when they can be seen."""

import time
import unittest

from served import Server, World, refusal, trust


def setUpModule():
    global server
    server = Server()


def tearDownModule():
    server.stop()


class Case(unittest.TestCase):
    def setUp(self):
        server.set(pace="now", lag=0)
        server.reset()
        self.addCleanup(server.set, pace="now", lag=0)
        self.world = World(server)
        self.ec2, self.iam, self.eks = self.world.ec2, self.world.iam, self.world.eks

    def seen(self, call, *path, until=None, **arguments):
        """What looks show, one after another, until it is the last that is waited for or refused."""
        shown, began = [], time.monotonic()
        while time.monotonic() - began < 20:
            refused = []
            found = None
            error = refusal(lambda: refused.append(call(**arguments)))
            if error is None:
                found = refused[0]
                for key in path:
                    found = found[key]
            shown.append(error[0] if error else found)
            if shown[-1] == until:
                return shown
        self.fail(f"{until} was waited for, and {shown[-3:]} was seen")


class Pace(Case):
    def test_fast_passes_every_state_between(self):
        server.set(pace="fast")
        cluster = lambda until: self.seen(self.eks.describe_cluster, "cluster", "status", until=until, name="llm")  # noqa: E731
        group = lambda until: self.seen(self.eks.describe_nodegroup, "nodegroup", "status", until=until, clusterName="llm", nodegroupName="gpu")  # noqa: E731
        addon = lambda until: self.seen(self.eks.describe_addon, "addon", "status", until=until, clusterName="llm", addonName="vpc-cni")  # noqa: E731
        gone = "ResourceNotFoundException"
        self.assertEqual(self.world.cluster()["status"], "CREATING")
        self.assertEqual(refusal(self.world.group)[0], "InvalidRequestException")
        self.assertEqual(cluster("ACTIVE"), ["CREATING", "ACTIVE"])
        self.world.group()
        self.eks.create_addon(clusterName="llm", addonName="vpc-cni")
        self.assertEqual((group("ACTIVE"), addon("ACTIVE")), (["CREATING", "ACTIVE"],) * 2)
        update = self.eks.update_nodegroup_config(clusterName="llm", nodegroupName="gpu", scalingConfig={"desiredSize": 2})["update"]
        self.assertEqual(refusal(self.eks.delete_nodegroup, clusterName="llm", nodegroupName="gpu")[0], "ResourceInUseException")
        wanted = {"name": "llm", "nodegroupName": "gpu", "updateId": update["id"]}
        self.assertEqual(self.seen(self.eks.describe_update, "update", "status", until="Successful", **wanted), ["InProgress", "Successful"])
        self.eks.update_cluster_config(name="llm", deletionProtection=True)
        self.assertEqual(refusal(self.eks.update_cluster_config, name="llm", deletionProtection=False)[0], "ResourceInUseException")
        self.assertEqual(cluster("ACTIVE"), ["UPDATING", "ACTIVE"])
        self.eks.update_cluster_config(name="llm", deletionProtection=False)
        cluster("ACTIVE")
        self.eks.delete_addon(clusterName="llm", addonName="vpc-cni")
        self.eks.delete_nodegroup(clusterName="llm", nodegroupName="gpu")
        self.assertEqual(refusal(self.eks.delete_cluster, name="llm")[0], "ResourceInUseException")
        self.assertEqual((group(gone), addon(gone)), (["DELETING", gone],) * 2)
        self.eks.delete_cluster(name="llm")
        self.assertEqual(refusal(self.world.cluster)[0], "ResourceInUseException")
        self.assertEqual(cluster(gone), ["DELETING", gone])

    def test_networks_and_gateways_are_pending(self):
        server.set(pace="fast")
        made = self.ec2.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]
        self.assertEqual(made["State"], "pending")
        self.assertEqual(self.seen(self.ec2.describe_vpcs, "Vpcs", 0, "State", until="available", VpcIds=[made["VpcId"]]), ["pending", "available"])
        address = self.ec2.allocate_address()["AllocationId"]
        nat = self.ec2.create_nat_gateway(SubnetId=self.world.subnets[0], AllocationId=address)["NatGateway"]["NatGatewayId"]
        state = lambda until: self.seen(self.ec2.describe_nat_gateways, "NatGateways", 0, "State", until=until, NatGatewayIds=[nat])  # noqa: E731
        self.assertEqual(state("available"), ["pending", "available"])
        self.ec2.delete_nat_gateway(NatGatewayId=nat)
        self.assertEqual(refusal(self.ec2.release_address, AllocationId=address)[0], "InvalidIPAddress.InUse")
        self.assertEqual(state("deleted"), ["deleting", "deleted"])
        self.ec2.release_address(AllocationId=address)

    def test_what_nobody_looks_at_ends_all_the_same(self):
        server.set(pace="fast")
        self.world.cluster()
        self.seen(lambda: self.eks.create_addon(clusterName="llm", addonName="vpc-cni"), "addon", "addonName", until="vpc-cni")

    def test_real_takes_minutes(self):
        server.set(pace="real")
        self.world.cluster()
        for _ in range(5):
            self.assertEqual(self.eks.describe_cluster(name="llm")["cluster"]["status"], "CREATING")


class Lag(Case):
    def test_what_was_just_made_is_not_found_at_first(self):
        server.set(lag=0.5, seed=7)
        late = 0
        for at in range(12):
            role = f"r{at}"
            self.iam.create_role(RoleName=role, AssumeRolePolicyDocument=trust("eks.amazonaws.com"))
            self.assertEqual(refusal(self.iam.create_role, RoleName=role, AssumeRolePolicyDocument=trust("eks.amazonaws.com"))[0], "EntityAlreadyExists")
            group = self.ec2.create_security_group(GroupName=role, Description="d", VpcId=self.world.vpc)["GroupId"]
            late += "NoSuchEntity" in self.seen(self.iam.get_role, "Role", "RoleName", until=role, RoleName=role)
            found = lambda: self.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]  # noqa: E731
            late += "InvalidGroup.NotFound" in self.seen(found, "GroupId", until=group)
        self.assertGreater(late, 4)
        self.assertLess(late, 24, "some are there at once")

    def test_a_new_role_is_not_assumed_at_first(self):
        server.set(lag=0.5, seed=1)
        told = set()
        for at in range(4):
            role = self.world.make_role(f"r{at}", "eks.amazonaws.com")
            wanted = {"name": f"c{at}", "roleArn": role, "resourcesVpcConfig": {"subnetIds": self.world.subnets}}
            told.update(self.seen(lambda: self.eks.create_cluster(**wanted), "cluster", "name", until=f"c{at}"))
        self.assertIn("InvalidParameterException", told)

    def test_what_was_there_before_stays_in_sight_and_deletions_find_everything(self):
        server.set(lag=60, seed=3)
        self.assertEqual(len(self.ec2.describe_vpcs(VpcIds=[self.world.vpc])["Vpcs"]), 1)
        for at in range(6):
            made = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
            self.ec2.delete_internet_gateway(InternetGatewayId=made)
            server.client("s3").create_bucket(Bucket=f"models-{at}")
            server.client("s3").delete_bucket(Bucket=f"models-{at}")


if __name__ == "__main__":
    unittest.main()
