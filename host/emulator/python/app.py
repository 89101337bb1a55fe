"""Who answers what: the services beside moto, the Kubernetes APIs, moto itself.

Some of moto's own answers are mended on their way out; each mend says what AWS does.
"""

import io
import json
import re
import threading
import traceback
from urllib.parse import parse_qs

import checksums
import clusters
import idempotency
import inventory
import lag
import mends
import pace
import permissions
import placement
import refusals
import rules
import services
from request import Request
from services import eks, world
from services.http import answer, serve

PREFIX = clusters.PREFIX


def install():
    mends.install()
    placement.install()
    rules.install()
    eks.api_server = clusters.start
    eks.on_deleted = clusters.forget
    world.is_assumable = lag.is_assumable


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
        if path.startswith(clusters.ASKED):
            uid, _, what = path[len(clusters.ASKED):].partition("/")
            review = json.loads(body(environ)) if what == "token-review" else None
            return answer(start_response, 200, clusters.asked(uid, what, review))
        if path.startswith("/llmhost-emulator/"):
            return administer(path.rpartition("/")[2], environ.get("QUERY_STRING", ""), start_response)
        # Read before it is this one's turn: a caller may be slow, or gone in the middle of it.
        text = body(environ)
        environ["wsgi.input"] = io.BytesIO(text)
        request = Request(environ, text)
        with _turn:
            return self.answered(request, start_response)

    def answered(self, request, start_response):
        try:
            return self.attempted(request, start_response)
        except Exception as error:
            # Otherwise all that a client sees is a status.
            return refusals.failed(request, start_response, fault(error))

    def attempted(self, request, start_response):
        try:
            permissions.check(request)
        except permissions.Denied as denied:
            return refusals.denied(request, start_response, str(denied))
        if request.path == "/moto-api/reset":
            return self.reset(request, start_response)
        name = checksums.wrong(request)
        if name:
            message = f"The {name} you specified did not match the calculated checksum."
            return refusals.s3(start_response, 400, "BadDigest", message)
        pace.settle()
        with lag.imitated(request):
            answered = self.dispatched(request, start_response)
        return answered

    def reset(self, request, start_response):
        # Moto makes what every account has, and what is left must not hinder it.
        for one in (services, idempotency, pace):
            one.reset()
        answered = list(self.moto(request.headers, start_response))
        lag.reset()
        return answered

    def dispatched(self, request, start_response):
        environ, handler = request.headers, services.SERVICES.get(request.service)
        if handler is not None:
            return serve(handler, environ, start_response, request.region)
        if request.service == "s3" and request.method == "GET" and next(iter(request.query), "") == "versioning":
            return mended(self.moto, environ, start_response, versioning)
        if request.service != "ec2":
            return self.moto(environ, start_response)
        said = b"".join(idempotency.ec2(request, start_response, lambda start: self.moto(environ, start)))
        if request.form.get("Action", "").startswith("Describe"):
            pace.looked(said)
        return [said]


def fault(error):
    """A fault of the emulator, with the line where it is."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"the emulator has a fault: {type(error).__name__}: {error} ({where.filename}:{where.lineno})"


def administer(what, query, start_response):
    """What the emulator is told and asked from outside of AWS."""
    if what == "alive":
        return answer(start_response, 200, "yes")
    wanted = {key: values[0] for key, values in parse_qs(query).items()}
    with _turn:
        if what == "inventory":
            return answer(start_response, 200, inventory.everything(query or "us-east-1"))
        if what == "set":
            pace.mode = wanted.get("pace", pace.mode)
            if "lag" in wanted:
                lag.switch(int(wanted.get("seed", 0)), float(wanted["lag"]))
    return answer(start_response, 200 if what == "set" else 404, "yes")


def body(environ):
    """All of a request's body."""
    if environ.get("CONTENT_LENGTH"):
        return environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    # Chunks: the server knows where they end.
    return environ["wsgi.input"].read() if environ.get("wsgi.input_terminated") else b""


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
