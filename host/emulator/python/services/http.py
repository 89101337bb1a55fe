"""Requests and answers of the JSON protocols."""

import json
import uuid
from urllib.parse import parse_qs, unquote

ACCOUNT = "123456789012"


class Refused(Exception):
    """An error of a service: its code, HTTP status and message."""

    def __init__(self, code, message, status=400, **more):
        super().__init__(message)
        self.code, self.message, self.status, self.more = code, message, status, more


class Call:
    """One signed request, whose body ends where its input does."""

    def __init__(self, environ, region):
        self.method = environ["REQUEST_METHOD"]
        raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ["PATH_INFO"]
        path, _, query = raw.partition("?")
        # An ARN in a path holds encoded slashes: cut first, decode after.
        self.parts = [unquote(part) for part in path.strip("/").split("/") if part]
        self.query = parse_qs(query)
        self.target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        self.region = region
        # As it was asked: whoever comes through a proxy goes on through it.
        self.host = environ.get("HTTP_HOST", "")
        self.account = environ.get("HTTP_X_MOTO_ACCOUNT_ID", ACCOUNT)
        self.access_key = environ.get("HTTP_AUTHORIZATION", "").partition("Credential=")[2].partition("/")[0]
        body = environ["wsgi.input"].read()
        try:
            self.body = json.loads(body) if body else {}
        except ValueError:
            raise Refused("SerializationException", "the body is not JSON") from None

    def one(self, name, default=None):
        """A query parameter that stands once."""
        return self.query.get(name, [default])[0]


def answer(start_response, status, body, headers=()):
    """Sends JSON."""
    text = json.dumps(body).encode()
    all_headers = [("Content-Type", "application/json"), ("Content-Length", str(len(text)))]
    all_headers += [("x-amzn-RequestId", str(uuid.uuid4())), *headers]
    start_response(f"{status} {'OK' if status < 300 else 'Error'}", all_headers)
    return [text]


def serve(handler, environ, start_response, region):
    """Calls a service and turns what it says, or refuses, into an answer."""
    try:
        return answer(start_response, 200, handler(Call(environ, region)))
    except Refused as refused:
        body = {"__type": refused.code, "message": refused.message, **refused.more}
        return answer(start_response, refused.status, body, [("x-amzn-ErrorType", refused.code)])
