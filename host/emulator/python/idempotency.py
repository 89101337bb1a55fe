"""EC2's client tokens and dry runs, which moto mostly ignores.

A request that comes again with its token gives the first answer again; another request with that token
is refused. With `DryRun` a request that would be allowed does nothing, and is told so by an error.
"""

from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

# What a client signs with and sends anew at each attempt is no part of a request.
PASSING = {"AWSAccessKeyId", "Signature", "SignatureMethod", "SignatureVersion", "Timestamp", "Version"}

answers = {}


def reset():
    answers.clear()


def form(environ, body):
    """The parameters of a request in EC2's protocol; nothing where it is none."""
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(body.decode("latin1"), keep_blank_values=True))
    return {}


def ec2(parameters, place, start_response, ask):
    """Answers a request of EC2; `place` is its account and region, `ask` does what it says."""
    if parameters.get("DryRun", "").lower() == "true":
        return refused(start_response, 412, "DryRunOperation", "Request would have succeeded, but DryRun flag is set.")
    token = parameters.get("ClientToken")
    if not token:
        return ask(start_response)
    key = (*place, parameters.get("Action"), token)
    meant = {name: value for name, value in parameters.items() if name not in PASSING}
    if key in answers:
        said, status, headers, body = answers[key]
        if said != meant:
            message = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
            return refused(start_response, 400, "IdempotentParameterMismatch", message)
        start_response(status, headers)
        return [body]
    kept = []
    body = b"".join(ask(lambda status, headers, exc_info=None: kept.extend((status, headers))))
    if kept[0].startswith("200"):
        answers[key] = (meant, *kept, body)
    start_response(*kept)
    return [body]


def refused(start_response, status, code, message):
    """An error as EC2 says it."""
    errors = f"<Errors><Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error></Errors>"
    body = f'<?xml version="1.0" encoding="UTF-8"?><Response>{errors}<RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>'.encode()
    start_response(f"{status} Error", [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))])
    return [body]
