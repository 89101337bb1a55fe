"""Makes an IAM user that may do what a policy file says, and nothing else; prints its access key.

Usage: caller.py ENDPOINT REGION USER POLICY-FILE; a user that is there gets the new policy in place of the old.
The document is split over as many managed policies as IAM's limit on their size asks for.
"""

import json
import sys

import boto3

LONGEST = 6144
PATH = "/callers/"


def documents(document):
    part = []
    for statement in document["Statement"]:
        if part and len(json.dumps({**document, "Statement": [*part, statement]})) > LONGEST:
            yield part
            part = []
        part.append(statement)
    yield part


def make(iam, user, path):
    with open(path) as file:
        document = json.load(file)
    if user not in [there["UserName"] for there in iam.list_users()["Users"]]:
        iam.create_user(UserName=user)
    for policy in iam.list_attached_user_policies(UserName=user)["AttachedPolicies"]:
        iam.detach_user_policy(UserName=user, PolicyArn=policy["PolicyArn"])
        iam.delete_policy(PolicyArn=policy["PolicyArn"])
    for at, part in enumerate(documents(document)):
        text = json.dumps({**document, "Statement": part})
        # With a path of its own: it is no policy of a pipeline.
        arn = iam.create_policy(PolicyName=f"{user}-{at}", Path=PATH, PolicyDocument=text)["Policy"]["Arn"]
        iam.attach_user_policy(UserName=user, PolicyArn=arn)
    for key in iam.list_access_keys(UserName=user)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return [key["AccessKeyId"], key["SecretAccessKey"]]


if __name__ == "__main__":
    endpoint, region, user, path = sys.argv[1:5]
    print(json.dumps(make(boto3.client("iam", endpoint_url=endpoint, region_name=region), user, path)))
