"""Serves moto, the services beside it and the Kubernetes APIs of its clusters on a free port of this
machine, and ends when standard input does.

The port is the first and only line on standard output. A line `keep` on standard input makes the
server outlive whoever started it.
"""

import gc

# Imports leave half a million objects that stay, and the collector goes through all of them again and again:
# a fifth of the time of the start.
gc.disable()

import logging
import os
import signal
import sys
import threading

import documents

documents.install()

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

import app

for name in (signal.SIGINT, signal.SIGTERM):
    signal.signal(name, lambda *_: os._exit(0))
signal.signal(signal.SIGHUP, signal.SIG_IGN)
logging.getLogger("werkzeug").setLevel(logging.ERROR)

MotoRequestHandler.protocol_version = "HTTP/1.1"
server = make_server(
    "127.0.0.1",
    0,
    app.Application(DomainDispatcherApplication(create_backend_app)),
    threaded=True,
    request_handler=MotoRequestHandler,
)
os.environ["MOTO_PORT"] = str(server.server_port)
app.install()


def watch():
    for line in sys.stdin:
        if line.strip() == "keep":
            return
    os._exit(0)


threading.Thread(target=watch, daemon=True).start()
gc.freeze()
gc.enable()
gc.set_threshold(50_000, 20, 100)
print(server.server_port, flush=True)
with open(os.devnull, "w") as nowhere:
    os.dup2(nowhere.fileno(), 1)
server.serve_forever()
