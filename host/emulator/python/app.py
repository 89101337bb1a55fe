"""Who answers what: the services beside moto, the Kubernetes APIs, moto itself.

Some of moto's own answers are mended on their way out; each mend says what AWS does.
"""

import io
import re
import threading

import clusters
import idempotency
import inventory
import mends
import rules
import services
from services import eks
from services.http import ACCOUNT, answer, serve

PREFIX = "/llmhost-kubernetes/"


def install():
    mends.install()
    rules.install()
    eks.endpoint = lambda host, uid: f"http://{host}{PREFIX}{uid}"
    eks.on_deleted = clusters.forget


# Moto looks through its tables while others change them, and fails; it lets other writes in between a
# condition and its write. So it does one thing at a time, which with one interpreter takes no longer.
_turn = threading.Lock()


class Application:
    """A WSGI application in front of moto's."""

    def __init__(self, moto):
        self.moto = moto

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if path.startswith(PREFIX):
            uid, _, rest = path[len(PREFIX):].partition("/")
            return clusters.handle(environ, start_response, uid, "/" + rest)
        if path == "/moto-api/reset":
            services.reset()
            idempotency.reset()
        if path == "/llmhost-emulator/alive":
            return answer(start_response, 200, "yes")
        if path == "/llmhost-emulator/inventory":
            with _turn:
                return answer(start_response, 200, inventory.everything(environ.get("QUERY_STRING") or "us-east-1"))
        region, service = scope(environ)
        # Read before it is this one's turn: a caller may be slow, or gone in the middle of it.
        text = body(environ)
        environ["wsgi.input"] = io.BytesIO(text)
        form = idempotency.form(environ, text)
        if service in services.CALLERS:
            return self.answered(environ, start_response, region, service, form)
        with _turn:
            return self.answered(environ, start_response, region, service, form)

    def answered(self, environ, start_response, region, service, form):
        handler = services.SERVICES.get(service)
        if handler is not None:
            return serve(handler, environ, start_response, region)
        if service == "s3" and environ.get("QUERY_STRING", "").split("=")[0].split("&")[0] == "versioning" and environ["REQUEST_METHOD"] == "GET":
            return mended(self.moto, environ, start_response, versioning)
        if service == "ec2":
            place = (environ.get("HTTP_X_MOTO_ACCOUNT_ID", ACCOUNT), region)
            ask = lambda start: self.moto(environ, start)  # noqa: E731
            return idempotency.ec2(form, place, start_response, ask)
        return self.moto(environ, start_response)


def body(environ):
    """All of a request's body."""
    if environ.get("CONTENT_LENGTH"):
        return environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    # Chunks: the server knows where they end.
    return environ["wsgi.input"].read() if environ.get("wsgi.input_terminated") else b""


def scope(environ):
    """Region and service that a request was signed for."""
    found = re.search(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/aws4_request", environ.get("HTTP_AUTHORIZATION", ""))
    return found.groups() if found else (None, None)


def mended(application, environ, start_response, mend):
    """Passes a request on, and mends the body of what comes back."""
    kept = {}

    def keep(status, headers, exc_info=None):
        kept["status"], kept["headers"] = status, headers

    body = mend(b"".join(application(environ, keep)))
    headers = [(name, value) for name, value in kept["headers"] if name.lower() != "content-length"]
    start_response(kept["status"], [*headers, ("Content-Length", str(len(body)))])
    return [body]


def versioning(body):
    """GetBucketVersioning: S3's root element is VersioningConfiguration, moto's another."""
    found = re.search(rb"<Status>(\w+)</Status>", body)
    if b"<Error>" in body:
        return body
    status = b"<Status>" + found.group(1) + b"</Status>" if found else b""
    start = b'<?xml version="1.0" encoding="UTF-8"?><VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    return start + status + b"</VersioningConfiguration>"
