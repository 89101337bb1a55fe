"""Errors that are said before a service sees the request, each in its service's protocol."""

from xml.sax.saxutils import escape

from services.http import answer


def denied(request, start_response, message):
    """The caller lacks a permission."""
    codes = {"ec2": "UnauthorizedOperation", "query": "AccessDenied", "s3": "AccessDenied", "json": "AccessDeniedException"}
    if request.service == "ec2":
        message = f"You are not authorized to perform this operation. {message}"
    return refused(request, start_response, 403, codes, "Sender", message, of_json=403 if request.service == "eks" else 400)


def failed(request, start_response, message):
    """The service has a fault."""
    codes = {"ec2": "InternalError", "query": "ServiceFailure", "s3": "InternalError", "json": "InternalFailure"}
    return refused(request, start_response, 500, codes, "Receiver", message, of_json=500)


def refused(request, start_response, status, codes, blame, message, of_json):
    """An error as the request's service says it; `codes` has its name in each protocol, and `of_json` the status in JSON."""
    if request.service == "ec2":
        return ec2(start_response, status, codes["ec2"], message)
    if request.service == "s3":
        return xml(start_response, status, "") if request.method == "HEAD" else s3(start_response, status, codes["s3"], message)
    if request.form:
        error = f"<Type>{blame}</Type><Code>{codes['query']}</Code><Message>{escape(message)}</Message>"
        return xml(start_response, status, f"<ErrorResponse><Error>{error}</Error></ErrorResponse>")
    body = {"__type": codes["json"], "message": message}
    return answer(start_response, of_json, body, [("x-amzn-ErrorType", codes["json"])])


def s3(start_response, status, code, message):
    """An error as S3 says it."""
    return xml(start_response, status, f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>")


def ec2(start_response, status, code, message):
    """An error as EC2 says it."""
    errors = f"<Errors><Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error></Errors>"
    return xml(start_response, status, f"<Response>{errors}<RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>")


def xml(start_response, status, text):
    body = f'<?xml version="1.0" encoding="UTF-8"?>{text}'.encode() if text else b""
    start_response(f"{status} Error", [("Content-Type", "text/xml"), ("Content-Length", str(len(body)))])
    return [body]
