"""Resources that moto has: made, changed and deleted through its models of CloudFormation's types.

What is made so is seen by the type's own service, and what that service deletes is gone here too. Types that are
not in `MODULES`, and whatever a model fails at for a reason of its own, are kept by Cloud Control alone.
"""

import copy
import importlib
import re
from collections.abc import MutableMapping

from moto.core.base_backend import BaseBackend
from moto.core.exceptions import ServiceException
from moto.utilities.utils import get_partition
from werkzeug.exceptions import HTTPException

from . import hooks

# The modules of moto whose models are seen to work, with their types. A module is imported when one of its
# types is first made: all of them would take a second.
MODULES = {
    "apigateway.models": ("ApiGateway::RestApi",),
    "autoscaling.models": ("AutoScaling::AutoScalingGroup", "AutoScaling::LaunchConfiguration"),
    "cloudwatch.models": ("CloudWatch::Dashboard",),
    "dynamodb.models.table": ("DynamoDB::Table",),
    "ec2.models.elastic_block_store": ("EC2::Volume",),
    "ec2.models.elastic_ip_addresses": ("EC2::EIP",),
    "ec2.models.elastic_network_interfaces": ("EC2::NetworkInterface",),
    "ec2.models.instances": ("EC2::Instance",),
    "ec2.models.internet_gateways": ("EC2::InternetGateway",),
    "ec2.models.launch_templates": ("EC2::LaunchTemplate",),
    "ec2.models.nat_gateways": ("EC2::NatGateway",),
    "ec2.models.route_tables": ("EC2::Route", "EC2::RouteTable"),
    "ec2.models.security_groups": ("EC2::SecurityGroup",),
    "ec2.models.subnets": ("EC2::Subnet",),
    "ec2.models.vpcs": ("EC2::VPC", "EC2::VPCEndpoint"),
    "ec2.models.vpn_gateway": ("EC2::VPCGatewayAttachment", "EC2::VPNGateway"),
    "ecr.models": ("ECR::Repository",),
    "ecs.models": ("ECS::Cluster", "ECS::TaskDefinition"),
    "efs.models": ("EFS::AccessPoint", "EFS::FileSystem", "EFS::MountTarget"),
    "elb.models": ("ElasticLoadBalancing::LoadBalancer",),
    "elbv2.models": ("ElasticLoadBalancingV2::Listener", "ElasticLoadBalancingV2::LoadBalancer", "ElasticLoadBalancingV2::TargetGroup"),
    "events.models": ("Events::EventBus", "Events::Rule"),
    "iam.models": ("IAM::InstanceProfile", "IAM::ManagedPolicy", "IAM::Role", "IAM::User"),
    "iot.models": ("IoT::BillingGroup", "IoT::JobTemplate", "IoT::RoleAlias", "IoT::Thing", "IoT::ThingType"),
    "kinesis.models": ("Kinesis::Stream",),
    "kms.models": ("KMS::Key",),
    "awslambda.models": ("Lambda::Function",),
    "logs.models": ("Logs::LogGroup", "Logs::ResourcePolicy"),
    "rds.models": ("RDS::DBInstance", "RDS::DBParameterGroup", "RDS::DBSubnetGroup"),
    "redshift.models": ("Redshift::Cluster", "Redshift::ClusterParameterGroup"),
    "route53.models": ("Route53::HealthCheck", "Route53::HostedZone", "Route53::RecordSet"),
    "s3.models": ("S3::Bucket",),
    "sagemaker.models": ("SageMaker::NotebookInstanceLifecycleConfig",),
    "sns.models": ("SNS::Topic",),
    "sqs.models": ("SQS::Queue",),
    "ssm.models": ("SSM::Document", "SSM::Parameter"),
    "stepfunctions.models": ("StepFunctions::StateMachine",),
}
MODEL = {f"AWS::{name}": module for module, names in MODULES.items() for name in names}
# Their models make another resource instead of changing the one that there is.
UNCHANGED = {"AWS::EC2::SecurityGroup", "AWS::ECS::TaskDefinition"}
# How moto marks what is gone and still listed.
GONE = ("deleted", "deleting", "terminated", "shutting-down", "pendingdeletion")
# Longer tables hold what AWS has, such as images and instance types.
LONGEST = 1000
# Rules of an event bus are in an object in a table.
DEPTH = 4
# What the codes of services have in them, and what Cloud Control then says.
CODES = (
    (("AlreadyExist", "Duplicate", "InUse.Name", "AlreadyOwned", "ResourceInUse", "BucketAlready"), "AlreadyExists"),
    (("LimitExceeded", "QuotaExceeded"), "ServiceLimitExceeded"),
    (("NotFound", "NoSuch", "NonExistent", "DoesNotExist"), "NotFound"),
    (("Dependency", "Conflict", "InUse", "NotEmpty"), "ResourceConflict"),
    (("AccessDenied", "Unauthorized"), "AccessDenied"),
)


class Refusal(Exception):
    """The type's service refuses, with a code of Cloud Control."""

    def __init__(self, error):
        code = getattr(error, "error_type", None) or str(getattr(error, "code", ""))
        self.code = next((known for parts, known in CODES if any(part in code for part in parts)), "GeneralServiceException")
        self.message = f"{getattr(error, 'message', error)} (Service code: {code})"
        super().__init__(self.message)


class Twin:
    """A resource of moto."""

    def __init__(self, of, account, region):
        self.of, self.account, self.region = of, account, region
        self.model = model(of)
        self.resource = self.name = self.table = self.key = None

    @classmethod
    def create(cls, record, account, region):
        """Makes a record's resource; nothing where moto cannot. Raises `Refusal` where the service refuses."""
        twin = cls(record.of, account, region)
        if twin.model is None:
            return None
        twin.name = twin.name_for(record)
        before = len(twin.model.instances_tracked)
        try:
            twin.resource = twin.model.create_from_cloudformation_json(
                twin.name, twin.template(record.properties), account, region, LogicalId="Resource", StackId="", ResourceType=twin.of.name
            )
        except Exception as error:
            # A model that stops half-way leaves what it began with.
            for begun in twin.model.instances_tracked[before:]:
                twin.resource = begun
                twin.find()
                twin.take_out()
            if isinstance(error, (ServiceException, HTTPException)):
                raise Refusal(error) from error
            return None
        twin.find()
        return twin

    @classmethod
    def of_service(cls, of, account, region):
        """Every resource of a type that its service has, however it was made."""
        if model(of) is None:
            return
        found = cls(of, account, region)
        for table in found.tables():
            for key, value in entries(table):
                if isinstance(value, found.model):
                    twin = cls(of, account, region)
                    twin.resource, twin.table, twin.key = value, table, key
                    if twin.is_there():
                        yield twin

    def name_for(self, record):
        """The name that it is made under: what is stated, or what was made up for one."""
        named = self.model.cloudformation_name_type()
        stated = record.properties.get(named) or record.attributes.get(named)
        return stated if isinstance(stated, str) else record.made_up_name

    def template(self, properties):
        properties, named = copy.deepcopy(properties), self.model.cloudformation_name_type()
        if named in self.of.properties and self.name:
            properties.setdefault(named, self.name)
        for name, change in hooks.STATED.get(self.of.name, {}).items():
            if name in properties:
                properties[name] = change(self, properties[name])
        return {"Type": self.of.name, "Properties": properties}

    def changes(self, properties):
        """What can change: where models are told a name, they make another resource."""
        whole, known = self.template(properties), self.of.properties
        return {**whole, "Properties": {name: value for name, value in whole["Properties"].items() if known[name].replaces != "yes"}}

    @property
    def id(self):
        """What `Ref` gives."""
        return str(getattr(self.resource, "physical_resource_id", None) or self.name)

    def attribute(self, name):
        """What the service says of it under that name, or nothing."""
        hook = hooks.ATTRIBUTES.get((self.of.name, name))
        if hook:
            return hook(self)
        ways = [lambda: self.resource.get_cfn_attribute(name), *(lambda key=key: getattr(self.resource, key) for key in fields(self.of, name))]
        value = next((value for value in map(attempted, ways) if isinstance(value, (str, int)) and value != ""), None)
        shape = self.of.attributes.get(name)
        return str(value) if shape is not None and shape.kind == "text" and isinstance(value, int) else value

    def backend(self):
        service = importlib.import_module("moto.backends").get_backend(self.model.__module__.split(".")[1])
        backends = service[self.account]
        # Global services have one for each partition.
        return backends[self.region if self.region in backends.regions else get_partition(self.region)]

    def tables(self):
        """The tables of the service, the inner ones after those that hold them."""
        level, seen = [vars(self.backend())], set()
        for _ in range(DEPTH):
            inner = []
            for table in level:
                for _, value in entries(table):
                    if self.holds(value):
                        value = vars(value)
                    if isinstance(value, (MutableMapping, list)) and 0 < len(value) < LONGEST and id(value) not in seen:
                        seen.add(id(value))
                        inner.append(value)
            yield from inner
            level = inner

    def holds(self, value):
        """Whether a value is an object of the service that may have others in it."""
        own = self.model.__module__.rpartition(".models")[0]
        return type(value).__module__.startswith(own) and not isinstance(value, (self.model, BaseBackend, MutableMapping, list)) and hasattr(value, "__dict__")

    def find(self):
        """Looks where moto keeps the resource, to see later whether it is still there."""
        for table in self.tables():
            for key, value in entries(table):
                if value is self.resource:
                    self.table, self.key = table, key
                    return

    def is_there(self):
        state = getattr(self.resource, "state", None) or getattr(self.resource, "key_state", None) or ""
        if isinstance(state, str) and state.lower() in GONE:
            return False
        if isinstance(self.table, MutableMapping):
            return self.key in self.table
        return self.table is None or any(one is self.resource for one in self.table)

    def take_out(self):
        if isinstance(self.table, MutableMapping):
            self.table.pop(self.key, None)
        elif self.table is not None:
            self.table[:] = [one for one in self.table if one is not self.resource]

    def update(self, properties):
        """Changes it where its service can. The id stays."""
        change = self.model.update_from_cloudformation_json
        hook = hooks.UPDATES.get(self.of.name)
        try:
            if hook:
                hook(self, properties)
            elif self.of.name not in UNCHANGED and not hasattr(change, "__isabstractmethod__"):
                changed = change(
                    original_resource=self.resource, new_resource_name=self.name or self.id, cloudformation_json=self.changes(properties),
                    account_id=self.account, region_name=self.region,
                )
                self.resource = changed or self.resource
                self.find()
        except (ServiceException, HTTPException) as error:
            raise Refusal(error) from error
        except Exception:
            # A fault of the model: the service keeps what it had.
            pass

    def delete(self, properties):
        """Deletes it. Where its model cannot, it is taken out of moto's table."""
        remove, hook = self.model.delete_from_cloudformation_json, hooks.DELETIONS.get(self.of.name)
        try:
            if hook:
                hook(self, properties)
            elif callable(getattr(self.resource, "delete", None)) and hasattr(remove, "__isabstractmethod__"):
                self.resource.delete(self.account, self.region)
            elif not hasattr(remove, "__isabstractmethod__"):
                remove(self.id, self.template(properties), self.account, self.region)
        except (ServiceException, HTTPException) as error:
            refusal = Refusal(error)
            if refusal.code != "NotFound":
                raise refusal from error
        except Exception:
            # A fault of the model.
            pass
        if self.is_there():
            self.take_out()


def attempted(way):
    """What a model says, or nothing: each has its own way to say that it does not know."""
    try:
        return way()
    except Exception:
        return None


def entries(table):
    return list(table.items() if isinstance(table, MutableMapping) else enumerate(table))


def fields(of, name):
    """Under which names moto may keep an attribute: `allocation_id`; of a type's own, `id` or `file_system_id`."""
    own = [end for end in ("id", "arn", "name") if name.lower() in (end, f"{of.short.lower()}{end}")]
    return list(dict.fromkeys([snake(name), *own, *(f"{snake(of.short)}_{end}" for end in own)]))


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def model(of):
    """Moto's model of a type, or nothing."""
    module = MODEL.get(of.name)
    if module is None:
        return None
    found = vars(importlib.import_module(f"moto.{module}")).values()
    return next(one for one in found if hasattr(one, "cloudformation_type") and one.cloudformation_type() == of.name)
