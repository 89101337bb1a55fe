"""Whether a caller may do what Cloud Control does in its name.

Which actions that are, the handlers of a type know, and the table does not. So of most types it is asked whether the
policies allow any action of the type's service; of those in `ACTIONS`, whether they allow the one that is needed.
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
    if action:
        allowed = evaluate.verdict(caller.documents, action, None, {"aws:PrincipalArn": caller.arn, "aws:RequestedRegion": call.region}) == "Allow"
    else:
        action = f"{prefixes(of)[0]}:*"
        allowed = any(speaks_of(document, prefix) for document in caller.documents for prefix in prefixes(of))
    return None if allowed else f"User: {caller.session} is not authorized to perform: {action} because no identity-based policy allows the action"


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
