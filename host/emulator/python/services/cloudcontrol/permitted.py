"""Whether a caller may do what Cloud Control does in its name.

The table has the actions of a type's handlers, and a call needs some of them: which, its properties decide. So of most
types it is asked whether the policies allow one action that the handler changes something with; of those in `ACTIONS`,
whether they allow the one that is needed. Of types whose handlers are not known, any action of the type's service is enough.
"""

import re

from permissions import evaluate, identities

ACTIONS = {
    "AWS::SQS::Queue": {"CREATE": "sqs:CreateQueue", "READ": "sqs:GetQueueAttributes", "UPDATE": "sqs:SetQueueAttributes", "DELETE": "sqs:DeleteQueue", "LIST": "sqs:ListQueues"},
    "AWS::SNS::Topic": {"CREATE": "sns:CreateTopic", "READ": "sns:GetTopicAttributes", "UPDATE": "sns:SetTopicAttributes", "DELETE": "sns:DeleteTopic", "LIST": "sns:ListTopics"},
    "AWS::Logs::LogGroup": {"CREATE": "logs:CreateLogGroup", "READ": "logs:DescribeLogGroups", "UPDATE": "logs:PutRetentionPolicy", "DELETE": "logs:DeleteLogGroup", "LIST": "logs:DescribeLogGroups"},
}


def denial(call, of, verb):
    """Why the caller may not; nothing where it may."""
    caller = identities.caller(call.account, call.access_key)
    if caller is None:
        return None
    action = ACTIONS.get(of.name, {}).get(verb)
    allows = lambda one: evaluate.verdict(caller.documents, one, None, {"aws:PrincipalArn": caller.arn, "aws:RequestedRegion": call.region}) == "Allow"  # noqa: E731
    needed = [action] if action else telling((of.handlers or {}).get(verb, []))
    if needed:
        allowed, action = any(map(allows, needed)), needed[0]
    else:
        action = f"{prefixes(of)[0]}:*"
        allowed = any(speaks_of(document, prefix) for document in caller.documents for prefix in prefixes(of))
    return None if allowed else f"User: {caller.session} is not authorized to perform: {action} because no identity-based policy allows the action"


def telling(actions):
    """Of a handler's actions those that change something; all of them where none does."""
    looks = re.compile(r"[^:]*:(Describe|Get|List|\*)")
    return [one for one in actions if not looks.match(one) and one != "iam:PassRole"] or actions


def prefixes(of):
    """How the actions of a type's service may begin: as its ARNs, or as the name of the type."""
    named = of.name.split("::")[1].lower()
    found = re.match(r"arn:[^:]+:([a-z0-9-]+):", of.arn or "")
    return list(dict.fromkeys([found[1] if found else named, named]))


def speaks_of(document, prefix):
    """Whether a policy allows any action of a service."""
    for statement in evaluate.listed(document.get("Statement", [])):
        if statement["Effect"] == "Allow":
            if "NotAction" in statement:
                return True
            if any(evaluate.matches(action.partition(":")[0], prefix, fold=True) for action in evaluate.listed(statement["Action"])):
                return True
    return False
