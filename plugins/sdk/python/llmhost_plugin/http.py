"""HTTP requests of a provider, sent by the host. It sends what the pipeline file grants, and tries nothing twice.

The handle of a secret (`<<secret:api_key>>`, as it stands in the configuration or in a spec) may stand in the value of a
header, in `bearer`, in `basic` and in the body. The host puts the value in its place.
"""

from __future__ import annotations

import json as _json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode as _urlencode

import wit_world.imports.http as _host
from componentize_py_types import Err as _Err

from ._error import Error, ErrorClass

_LONGEST = 300
"""Characters of a service's message that an error has."""

_UNANSWERED = {
    "NOT_GRANTED": ErrorClass.DENIED,
    "SECRET": ErrorClass.DENIED,
    "UNREACHABLE": ErrorClass.UNREACHABLE,
    "TIMEOUT": ErrorClass.UNREACHABLE,
    "PROTOCOL": ErrorClass.UNREACHABLE,
}

_REFUSED = {
    401: ErrorClass.DENIED,
    403: ErrorClass.DENIED,
    404: ErrorClass.NOT_FOUND,
    409: ErrorClass.CONFLICT,
    429: ErrorClass.THROTTLED,
}


@dataclass(frozen=True)
class Response:
    """The answer to a request."""

    status: int
    headers: dict[str, str]
    """Names in small letters."""
    body: str
    url: str
    """Where it came from, after redirects."""


def json(
    method: str,
    url: str,
    body: Any = None,
    *,
    query: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    bearer: str | None = None,
    basic: tuple[str, str] | None = None,
    follow: bool = False,
) -> Any:
    """Sends a request with a JSON body, or with none, and gives what the JSON of the answer says; `None` where it is empty.

    A status other than 2xx raises an `Error` with the service's message: 401 and 403 are `DENIED`, 404 `NOT_FOUND`, 409
    `CONFLICT`, 429 `THROTTLED`, 5xx `SERVICE`, any other `INVALID`.
    """
    sent = {"accept": "application/json"}
    if body is not None:
        sent["content-type"] = "application/json"
    if bearer is not None:
        sent["authorization"] = f"Bearer {bearer}"
    sent |= {name.lower(): value for name, value in (headers or {}).items()}
    whole = f"{url}{'&' if '?' in url else '?'}{_urlencode(query)}" if query else url
    text = None if body is None else _json.dumps(body)
    response = send(method, whole, text, headers=sent, basic=basic, follow=follow)
    if not 200 <= response.status < 300:
        raise refusal(response, f"{method} {url}")
    if not response.body.strip():
        return None
    try:
        return _json.loads(response.body)
    except ValueError:
        raise Error(ErrorClass.SERVICE, f"the answer is not JSON: {_cut(response.body)} ({method} {url})") from None


def send(
    method: str,
    url: str,
    body: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    basic: tuple[str, str] | None = None,
    follow: bool = False,
) -> Response:
    """Sends a request and gives the answer, whatever its status. Raises an `Error` where there is none. `basic` is the user
    and the password of a basic authentication; `follow` is whether redirects are followed."""
    try:
        answer = _host.send(_host.Request(method, url, list((headers or {}).items()), basic, body, follow))
    except _Err as error:
        failed = error.value
        # The service may have done what it was asked for, so that it has to be looked for.
        is_open = failed.may_have_reached and method not in ("GET", "HEAD")
        error_class = _UNANSWERED.get(failed.class_.name, ErrorClass.SERVICE if is_open else ErrorClass.INVALID)
        raise Error(error_class, failed.message, advice=failed.advice) from None
    together: dict[str, str] = {}
    for name, value in answer.headers:
        together[name] = f"{together[name]}, {value}" if name in together else value
    return Response(answer.status, together, answer.body, answer.url)


def refusal(response: Response, request: str) -> Error:
    """What the status of an answer says as an error, with the service's message. `request` says what was asked for:
    `GET https://api.example.com/v1/notes`."""
    error_class = _REFUSED.get(response.status, ErrorClass.SERVICE if response.status >= 500 else ErrorClass.INVALID)
    said = _cut(_message(response.body)) or f"the service answered with status {response.status}"
    return Error(error_class, f"{said} ({request})", code=f"HTTP {response.status}")


def _message(body: str) -> str:
    """The service's message: most have it in one of these fields."""
    try:
        told = _json.loads(body)
    except ValueError:
        return body
    for _ in range(2):
        found = [told[name] for name in ("message", "error", "detail") if told.get(name)] if isinstance(told, dict) else []
        told = found[0] if found else told
    return told if isinstance(told, str) else body


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"
