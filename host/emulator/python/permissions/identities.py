"""Who calls, and which policies the caller has."""

import json
from dataclasses import dataclass

from services import world


@dataclass
class Caller:
    # Of the user or role; of the session, as errors name it; and the documents of all policies.
    arn: str
    session: str
    documents: list


def caller(account, access_key):
    """Whom an access key belongs to; nothing for the account's root."""
    for user in world.iam(account).users.values():
        if any(key.access_key_id == access_key for key in user.access_keys):
            return Caller(user.arn, user.arn, of_user(account, user))
    session = world.session(account, access_key)
    role = session and world.role(account, session.role_arn)
    if role is None:
        return None
    arn = f"arn:aws:sts::{account}:assumed-role/{role.name}/{session.session_name}"
    return Caller(role.arn, arn, documents(role))


def of_user(account, user):
    groups = [group for group in world.iam(account).groups.values() if user in group.users]
    return [document for holder in (user, *groups) for document in documents(holder)]


def documents(holder):
    """The policies of a user, a group or a role: those in it, and the default versions of those attached."""
    texts = list(holder.policies.values())
    for policy in holder.managed_policies.values():
        texts += [version.document for version in policy.versions if version.version_id == policy.default_version_id]
    return [json.loads(text) if isinstance(text, str) else text for text in texts]
