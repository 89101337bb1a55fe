"""A service that keeps notes, to try the provider with: python3 service.py PORT [KEY]. It forgets them when it ends."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Lock
from urllib.parse import parse_qs, urlsplit

KEY = sys.argv[2] if len(sys.argv) > 2 else None
NOTES, NUMBERS, LOCK = {}, count(1), Lock()


class Service(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body=None):
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if KEY and self.headers.get("authorization") != f"Bearer {KEY}":
            return self.answer(401, {"error": "the key is wrong"})
        url = urlsplit(self.path)
        collection, _, note = url.path.lstrip("/").partition("/")
        if collection != "notes":
            return self.answer(404, {"error": "there are notes here, and nothing else"})
        with LOCK:
            status, answer = getattr(self, self.command.lower())(note, json.loads(body or "{}"), parse_qs(url.query))
        return self.answer(status, answer)

    do_GET = do_POST = do_PUT = do_DELETE = handle_one

    def get(self, note, _, query):
        if not note:
            token = query.get("token", [None])[0]
            return 200, [one for one in NOTES.values() if token in (None, one["token"])]
        return (200, NOTES[note]) if note in NOTES else (404, {"error": f"there is no note {note}"})

    def post(self, _, body, __):
        if any(one["title"] == body["title"] for one in NOTES.values()):
            return 409, {"error": f"there is a note called {body['title']}"}
        made = {"id": str(next(NUMBERS)), "text": "", "token": None, "revision": 1} | body
        NOTES[made["id"]] = made
        return 201, made

    def put(self, note, body, _):
        if note not in NOTES:
            return 404, {"error": f"there is no note {note}"}
        NOTES[note] |= body | {"revision": NOTES[note]["revision"] + 1}
        return 200, NOTES[note]

    def delete(self, note, _, __):
        return (200, NOTES.pop(note)) if note in NOTES else (404, {"error": f"there is no note {note}"})

    def log_message(self, *_):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Service).serve_forever()
