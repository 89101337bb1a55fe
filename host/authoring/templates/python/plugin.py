"""A bucket for logs, which are deleted after some days."""

from dataclasses import dataclass

from llmhost_plugin import Output, log, option, s3, step


@dataclass
class Config:
    """What stands in the step's `with` table."""

    bucket: str = option("Name of the bucket.")
    keep_days: int = option("Days until a log is deleted.", default=30, minimum=1)


@step(
    summary="A bucket for logs, which are deleted after some days.",
    outputs=[Output.text("name", "Name of the bucket"), Output.text("arn", "ARN of the bucket")],
)
def run(config: Config):
    # Says what should exist, and returns at once; reading an output waits until it does.
    bucket = s3.Bucket.declare(
        "logs",
        s3.BucketSpec(
            bucket=config.bucket,
            block_public_access=True,
            encryption=s3.Encryption_S3Managed(),
            lifecycle=[s3.LifecycleRule(id="expire", prefix="", expire_after_days=config.keep_days)],
        ),
    )
    log.write(log.Level.INFO, f"logs stay {config.keep_days} days")
    return {"name": bucket.bucket_name(), "arn": bucket.arn()}
