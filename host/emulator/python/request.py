"""A request as it came: who asks which service for what."""

import json
import re
from urllib.parse import parse_qs, parse_qsl, unquote

from services.http import ACCOUNT


class Request:
    """One request. What is said of it in detail is read when it is asked for."""

    def __init__(self, environ, text):
        self.headers, self.text = environ, text
        self.method, self.path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.account = environ.get("HTTP_X_MOTO_ACCOUNT_ID", ACCOUNT)
        signed = environ.get("HTTP_AUTHORIZATION", "")
        found = re.search(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request", signed)
        # The scope that it was signed for; nothing where it was not.
        self.access_key, self.region, self.service = found.groups() if found else ("", None, None)

    @property
    def form(self):
        """The parameters of the query protocol, of EC2, IAM, STS and others."""
        if not hasattr(self, "_form"):
            is_form = self.headers.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded")
            self._form = dict(parse_qsl(self.text.decode("utf-8", "replace"), keep_blank_values=True)) if is_form else {}
        return self._form

    @property
    def query(self):
        return parse_qs(self.headers.get("QUERY_STRING", ""), keep_blank_values=True)

    @property
    def target(self):
        """The operation of a JSON protocol."""
        return self.headers.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]

    @property
    def json(self):
        try:
            return json.loads(self.text) if self.text else {}
        except ValueError:
            return {}

    @property
    def parts(self):
        """The path, cut before it is decoded: an ARN in it holds encoded slashes."""
        raw = self.headers.get("RAW_URI") or self.headers.get("REQUEST_URI") or self.path
        return [unquote(part) for part in raw.partition("?")[0].strip("/").split("/") if part]
