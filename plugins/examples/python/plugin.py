"""A bucket for logs, which go away by themselves."""

from dataclasses import dataclass

from llmhost_plugin import Output, log, option, s3, step


@dataclass
class Config:
    bucket: str = option("Name of the bucket.")
    keep_days: int = option("Days until a log is deleted.", default=30, minimum=1)


@step(
    summary="A bucket for logs, which go away by themselves.",
    outputs=[Output.text("bucket", "Name of the bucket"), Output.text("arn", "ARN of the bucket")],
)
def run(config: Config):
    spec = s3.BucketSpec(
        bucket=config.bucket,
        block_public_access=True,
        encryption=s3.Encryption_S3Managed(),
        lifecycle=[s3.LifecycleRule(id="expire", prefix="", expire_after_days=config.keep_days)],
        force_destroy=True,
        tags=[("made-with", "python")],
    )
    bucket = s3.Bucket.declare("logs", spec)
    log.write(log.Level.INFO, f"logs go to {config.bucket} and stay {config.keep_days} days")
    return {"bucket": bucket.bucket_name(), "arn": bucket.arn()}
