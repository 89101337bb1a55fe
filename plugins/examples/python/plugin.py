"""A bucket for logs, which go away by themselves."""

import json

import wit_world
from wit_world.imports import log, s3
from wit_world.imports.types import Description, Options, OutputDoc, ValueType

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["bucket"],
    "properties": {
        "bucket": {"type": "string", "description": "Name of the bucket."},
        "keep_days": {"type": "integer", "minimum": 1, "default": 30, "description": "Days until a log is deleted."},
    },
}


class WitWorld(wit_world.WitWorld):
    def describe(self):
        return Description(
            summary="A bucket for logs, which go away by themselves.",
            config_schema=json.dumps(SCHEMA),
            outputs=[
                OutputDoc("bucket", "Name of the bucket", ValueType.TEXT),
                OutputDoc("arn", "ARN of the bucket", ValueType.TEXT),
            ],
            needs=[],
        )

    def run(self, config):
        options = json.loads(config)
        name, days = options["bucket"], options.get("keep_days", 30)
        bucket = s3.Bucket.declare(
            "logs",
            s3.BucketSpec(
                bucket=name,
                block_public_access=True,
                encryption=s3.Encryption_S3Managed(),
                versioning=False,
                lifecycle=[s3.LifecycleRule("expire", "", days, None, None)],
                force_destroy=True,
                tags=[("made-with", "python")],
            ),
            Options(after=[]),
        )
        log.write(log.Level.INFO, f"logs go to {name} and stay {days} days")
        return json.dumps({"bucket": bucket.bucket_name(), "arn": bucket.arn()})
