"""Serves one cluster with two nodes for trials: ``python -m kubernetes PORT``."""

import sys

from werkzeug.serving import WSGIRequestHandler, run_simple
from werkzeug.wrappers import Request

from . import Cluster

GIB = 1024 ** 3
NODES = [
    {"name": "ip-10-0-1-10.ec2.internal", "labels": {}, "taints": [],
     "instance_type": "m6i.large", "gpu": 0, "cpu": 2000, "memory": 8 * GIB,
     "architecture": "amd64", "gpu_plugin_builtin": False},
    {"name": "ip-10-0-1-20.ec2.internal", "labels": {},
     "taints": [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}],
     "instance_type": "g4dn.xlarge", "gpu": 1, "cpu": 4000, "memory": 16 * GIB,
     "architecture": "amd64", "gpu_plugin_builtin": False},
]


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_args, **_more):
        pass


def main():
    cluster = Cluster(nodes=lambda: NODES)

    def application(environ, start_response):
        request = Request(environ)
        return cluster.handle(request, request.path)(environ, start_response)

    run_simple("127.0.0.1", int(sys.argv[1]), application, threaded=True,
               request_handler=_Quiet)


if __name__ == "__main__":
    main()
