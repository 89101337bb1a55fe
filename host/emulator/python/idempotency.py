"""EC2's client tokens and dry runs, which moto mostly ignores.

A request that comes again with its token gives the first answer again; another request with that token
is refused. With `DryRun` a request that would be allowed does nothing, and is told so by an error.
"""

import refusals

# What a client signs with and sends anew at each attempt is no part of a request.
PASSING = {"AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp", "Version"}

answers = {}


def reset():
    answers.clear()


def ec2(request, start_response, ask):
    """Answers a request of EC2; `ask` does what it says."""
    parameters = request.form
    if parameters.get("DryRun", "").lower() == "true":
        return refusals.ec2(start_response, 412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
    token = parameters.get("ClientToken")
    if not token:
        return ask(start_response)
    key = (request.account, request.region, parameters.get("Action"), token)
    meant = {name: value for name, value in parameters.items() if name not in PASSING}
    if key in answers:
        said, status, headers, body = answers[key]
        if said != meant:
            message = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
            return refusals.ec2(start_response, 400, "IdempotentParameterMismatch", message)
        start_response(status, headers)
        return [body]
    kept = []
    body = b"".join(ask(lambda status, headers, exc_info=None: kept.extend((status, headers))))
    if kept[0].startswith("200"):
        answers[key] = (meant, *kept, body)
    start_response(*kept)
    return [body]
