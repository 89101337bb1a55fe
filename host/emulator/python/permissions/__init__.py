"""Holds callers to what their policies allow.

A caller is known by the access key of an IAM user, or of a role that was assumed, in the emulator. Whoever
signs with another key, as llmhost itself does with `testing`, is the account's root and may do everything.

Not imitated: service control policies, resource policies of buckets and keys, session policies.
"""


from services import world

from . import actions, evaluate, identities


class Denied(Exception):
    """What a caller may not do, in AWS's words."""

    def __init__(self, caller, action, resource, explicit):
        because = "with an explicit deny in an identity-based policy" if explicit else f"because no identity-based policy allows the {action} action"
        super().__init__(f"User: {caller} is not authorized to perform: {action} on resource: {resource or '*'} {because}")
        self.action = action


def check(request):
    """Raises `Denied` where the caller of a request lacks something that it needs."""
    caller = identities.caller(request.account, request.access_key)
    if caller is None:
        return
    for action, resource, context in actions.needed(request):
        context = {"aws:PrincipalArn": caller.arn, "aws:RequestedRegion": request.region, **context}
        verdict = evaluate.verdict(caller.documents, action, resource, context)
        if verdict != "Allow":
            raise Denied(caller.session, action, resource, verdict == "Deny")
