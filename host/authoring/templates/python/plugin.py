"""A bucket for logs, which are deleted after some days."""

import json
from dataclasses import dataclass

import wit_world
from wit_world.imports import log, s3
from wit_world.imports.types import Description, Options, OutputDoc, ValueType

# JSON Schema of the step's `with` table. llmhost checks it and fills the defaults in.
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["bucket"],
    "properties": {
        "bucket": {"type": "string", "description": "Name of the bucket."},
        "keep_days": {"type": "integer", "minimum": 1, "default": 30, "description": "Days until a log is deleted."},
    },
}


@dataclass
class Config:
    """What stands in the step's `with` table; the schema above says the same."""

    bucket: str
    keep_days: int = 30


class WitWorld(wit_world.WitWorld):
    def describe(self) -> Description:
        return Description(
            summary="A bucket for logs, which are deleted after some days.",
            config_schema=json.dumps(SCHEMA),
            outputs=[
                OutputDoc("name", "Name of the bucket", ValueType.TEXT),
                OutputDoc("arn", "ARN of the bucket", ValueType.TEXT),
            ],
            needs=[],
        )

    def run(self, config: str) -> str:
        options = Config(**json.loads(config))
        # Says what should exist, and returns at once; reading an output waits until it does.
        bucket = s3.Bucket.declare(
            "logs",
            s3.BucketSpec(
                bucket=options.bucket,
                block_public_access=True,
                encryption=s3.Encryption_S3Managed(),
                versioning=False,
                lifecycle=[s3.LifecycleRule("expire", "", options.keep_days, None, None)],
                force_destroy=False,
                tags=[],
            ),
            Options(after=[]),
        )
        log.write(log.Level.INFO, f"logs stay {options.keep_days} days")
        return json.dumps({"name": bucket.bucket_name(), "arn": bucket.arn()})
