"""Where moto's models of CloudFormation's types do less than its services can, or say it otherwise."""

import json
import os

# What its service does when it changes a resource, and when it deletes one, with its own refusals.
UPDATES = {
    "AWS::Events::Rule": lambda twin, properties: rule(twin, properties),
    "AWS::SQS::Queue": lambda twin, properties: queue(twin, properties),
    "AWS::SNS::Topic": lambda twin, properties: topic(twin, properties),
    "AWS::Logs::LogGroup": lambda twin, properties: twin.backend().put_retention_policy(twin.resource.name, properties.get("RetentionInDays")),
}
DELETIONS = {
    "AWS::DynamoDB::Table": lambda twin, _: twin.backend().delete_table(twin.resource.name),
    "AWS::EC2::EIP": lambda twin, _: twin.backend().release_address(allocation_id=twin.resource.allocation_id),
    "AWS::EC2::Instance": lambda twin, _: terminate(twin),
    "AWS::EC2::InternetGateway": lambda twin, _: twin.backend().delete_internet_gateway(twin.resource.id),
    "AWS::EC2::LaunchTemplate": lambda twin, _: twin.backend().delete_launch_template(None, twin.resource.id),
    "AWS::EC2::NatGateway": lambda twin, _: twin.backend().delete_nat_gateway(twin.resource.id),
    "AWS::EC2::NetworkInterface": lambda twin, _: twin.backend().delete_network_interface(twin.resource.id),
    "AWS::EC2::Route": lambda twin, properties: twin.backend().delete_route(properties["RouteTableId"], properties["DestinationCidrBlock"]),
    "AWS::EC2::RouteTable": lambda twin, _: twin.backend().delete_route_table(twin.resource.id),
    "AWS::EC2::SecurityGroup": lambda twin, _: twin.backend().delete_security_group(group_id=twin.resource.id),
    "AWS::EC2::VPCEndpoint": lambda twin, _: twin.backend().delete_vpc_endpoints([twin.resource.id]),
    "AWS::EC2::VPCGatewayAttachment": lambda twin, properties: detach(twin, properties),
    "AWS::EC2::Volume": lambda twin, _: twin.backend().delete_volume(twin.resource.id),
    "AWS::ElasticLoadBalancingV2::Listener": lambda twin, _: twin.backend().delete_listener(twin.resource.arn),
    "AWS::ElasticLoadBalancingV2::LoadBalancer": lambda twin, _: twin.backend().delete_load_balancer(twin.resource.arn),
    "AWS::ElasticLoadBalancingV2::TargetGroup": lambda twin, _: twin.backend().delete_target_group(twin.resource.arn),
    "AWS::Events::Rule": lambda twin, _: delete_rule(twin),
    "AWS::IAM::ManagedPolicy": lambda twin, _: twin.backend().delete_policy(twin.resource.arn),
    "AWS::KMS::Key": lambda twin, properties: twin.backend().schedule_key_deletion(twin.resource.id, properties.get("PendingWindowInDays", 30)),
    "AWS::Logs::LogGroup": lambda twin, _: twin.backend().delete_log_group(twin.resource.name),
    "AWS::Route53::HostedZone": lambda twin, _: twin.backend().delete_hosted_zone(twin.resource.id),
}


def queue(twin, properties):
    known = ("DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds", "VisibilityTimeout")
    twin.backend().set_queue_attributes(twin.resource.name, {key: properties[key] for key in known if key in properties})


def topic(twin, properties):
    twin.backend().set_topic_attribute(twin.resource.arn, "display_name", properties.get("DisplayName", ""))


def rule(twin, properties):
    """Puts a rule anew, with the targets that are stated now."""
    twin.resource.targets.clear()
    twin.resource = twin.model.create_from_cloudformation_json(twin.resource.name, twin.template(properties), twin.account, twin.region)
    twin.find()


def delete_rule(twin):
    """CloudFormation takes the targets from a rule first; EventBridge deletes none that has some."""
    twin.resource.targets.clear()
    twin.backend().delete_rule(twin.resource.name, twin.resource.event_bus_name)


def terminate(twin):
    twin.backend().terminate_instances([twin.resource.id])
    # EC2 deletes the interfaces that it made with an instance; moto keeps them.
    for interface in twin.resource.nics.values():
        twin.backend().enis.pop(interface.id, None)


def detach(twin, properties):
    if "InternetGatewayId" in properties:
        twin.backend().detach_internet_gateway(properties["InternetGatewayId"], properties["VpcId"])
    else:
        twin.backend().detach_vpn_gateway(properties["VpnGatewayId"], properties["VpcId"])


def queue_url(account, name):
    """As SQS says it here: whoever sends to a queue sends to this server."""
    return f"http://127.0.0.1:{os.environ.get('MOTO_PORT', '')}/{account}/{name}"


def text(_, value):
    """A policy as the service's own API takes it."""
    return value if isinstance(value, str) else json.dumps(value)


# Properties that models want in another form.
STATED = {
    "AWS::KMS::Key": {"KeyPolicy": text},
    "AWS::RDS::DBInstance": {"DBSubnetGroupName": lambda twin, name: twin.backend().subnet_groups.get(name)},
}
# Attributes that models do not know, or say otherwise than the service.
ATTRIBUTES = {("AWS::SQS::Queue", "QueueUrl"): lambda twin: queue_url(twin.account, twin.resource.name)}
# What the service has of a resource now, whoever changed it.
LIVE = {
    "AWS::SQS::Queue": lambda queue: {
        "DelaySeconds": int(queue.delay_seconds), "VisibilityTimeout": int(queue.visibility_timeout), "MessageRetentionPeriod": int(queue.message_retention_period),
    },
    "AWS::SNS::Topic": lambda topic: {"DisplayName": topic.display_name or ""},
    "AWS::Logs::LogGroup": lambda group: {"RetentionInDays": int(group.retention_in_days)} if group.retention_in_days else {},
}
