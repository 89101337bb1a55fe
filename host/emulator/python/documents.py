"""Reads the documents that moto and botocore carry with orjson.

They are some 20 MB of JSON: the models of the services, the instance types, AWS's managed policies. With
the parser of the standard library they take 40 % of the time of a whole rehearsal.
"""

from datetime import datetime

import botocore.loaders
import moto.utilities.utils
import orjson


def install():
    """Before anything else of moto is imported: it reads documents on import."""
    botocore.loaders.json = moto.utilities.utils.json = Parser
    from moto.iam import models

    models.IAMBackend._init_aws_policies = aws_policies


class Parser:
    """What these modules use of `json`. Plain dictionaries keep the order, too."""

    @staticmethod
    def loads(text, **_):
        return orjson.loads(text)


def aws_policies(backend):
    from moto.iam.models import AWSManagedPolicy, aws_managed_policies_data, load_iam_aws_managed_policies

    if not load_iam_aws_managed_policies():
        return []
    return [
        AWSManagedPolicy(
            name,
            account_id=backend.account_id,
            region=backend.region_name,
            default_version_id=policy.get("DefaultVersionId"),
            path=policy.get("Path"),
            document=orjson.dumps(policy.get("Document")).decode(),
            create_date=datetime.fromisoformat(policy["CreateDate"]),
            update_date=datetime.fromisoformat(policy["UpdateDate"]),
        )
        for name, policy in orjson.loads(aws_managed_policies_data).items()
    ]
