"""A topic for alerts, a bucket that keeps them, and a security group for who reads them."""

import json
from dataclasses import dataclass

from llmhost_plugin import Output, cloud_control, ec2, log, option, s3, step


@dataclass
class Config:
    name: str = option("Name of the topic.", pattern="^[a-z0-9-]{3,40}$")
    vpc_id: str = option("The network of the security group.")
    source: str = option("Who may read, an IPv4 range.", default="10.0.0.0/8")
    port: int = option("The port.", default=443, minimum=1, maximum=65535)
    versioning: bool = option("Whether changed alerts are kept.", default=False)


@step(
    summary="A topic for alerts, a bucket that keeps them, and a security group for who reads them.",
    outputs=[
        Output.text("topic_arn", "ARN of the topic", sensitive=True),
        Output.text("bucket_arn", "ARN of the bucket"),
        Output.text("security_group_id", "ID of the security group"),
        Output.number("port", "The port"),
    ],
    needs=["cloud-control:AWS::SNS::Topic"],
)
def run(config: Config):
    topic = cloud_control.Entity.declare(
        "alerts",
        cloud_control.EntitySpec(
            type_name="AWS::SNS::Topic",
            properties=json.dumps({"TopicName": config.name}),
            create_only=["TopicName"],
            wait_minutes=5,
            unchecked=False,
        ),
    )
    bucket = s3.Bucket.declare(
        "archive",
        s3.BucketSpec(
            bucket=f"{config.name}-archive",
            block_public_access=True,
            encryption=s3.Encryption_S3Managed(),
            versioning=config.versioning,
            tags=[("holds", "alerts")],
        ),
    )
    group = ec2.SecurityGroup.declare(
        "readers",
        ec2.SecurityGroupSpec(vpc_id=config.vpc_id, group_name=config.name, description="Reads alerts"),
    )
    ec2.SecurityGroupRule.declare(
        "readers",
        ec2.SecurityGroupRuleSpec(
            security_group_id=group.id(),
            direction=ec2.Direction.INGRESS,
            ip_protocol="tcp",
            from_port=config.port,
            to_port=config.port,
            peer=ec2.Peer_Cidr(config.source),
            description="Readers",
        ),
    )
    log.write(log.Level.INFO, f"alerts of {config.name} are kept")
    return {
        "topic_arn": topic.identifier(),
        "bucket_arn": bucket.arn(),
        "security_group_id": group.id(),
        "port": config.port,
    }
