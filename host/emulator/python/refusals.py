"""Errors that are said before a service sees the request, each in its service's protocol."""

from xml.sax.saxutils import escape

from services.http import answer


def denied(request, start_response, message):
    """The caller lacks a permission."""
    if request.service == "ec2":
        return ec2(start_response, 403, "UnauthorizedOperation", f"You are not authorized to perform this operation. {message}")
    if request.service == "s3":
        return xml(start_response, 403, "") if request.method == "HEAD" else s3(start_response, 403, "AccessDenied", message)
    if request.form:
        body = f"<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>{escape(message)}</Message></Error></ErrorResponse>"
        return xml(start_response, 403, body)
    status = 403 if request.service == "eks" else 400
    return answer(start_response, status, {"__type": "AccessDeniedException", "message": message}, [("x-amzn-ErrorType", "AccessDeniedException")])


def failed(request, start_response, message):
    """The service has a fault."""
    if request.service == "ec2":
        return ec2(start_response, 500, "InternalError", message)
    if request.service == "s3":
        return xml(start_response, 500, "") if request.method == "HEAD" else s3(start_response, 500, "InternalError", message)
    if request.form:
        body = f"<ErrorResponse><Error><Type>Receiver</Type><Code>ServiceFailure</Code><Message>{escape(message)}</Message></Error></ErrorResponse>"
        return xml(start_response, 500, body)
    return answer(start_response, 500, {"__type": "InternalFailure", "message": message}, [("x-amzn-ErrorType", "InternalFailure")])


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
