"""Runs the Python tests of the emulated API server, on it or on a real one.

Usage: python_tests.py [CONTROL-PLANE-URL]; the environment is the emulator's, with PYTHONPATH at its package.
Says one line for each test, as `cargo test` does: `test NAME ... ok`, `FAILED`, or `ignored, REASON`. Ends
with 1 where a test failed.

The emulator settles each write before it answers the next request; a real one does so in a while. So a
request that only reads waits until the cluster has been at rest.
"""

import http.server
import json
import ssl
import sys
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
sys.path[:0] = [str(REPOSITORY / "host/emulator/tests"), str(REPOSITORY / "host/emulator/python")]

import test_evictions  # noqa: E402
import test_kubernetes  # noqa: E402
from kubernetes.authorize import User  # noqa: E402
from werkzeug.wrappers import Response  # noqa: E402

CLASSES = (test_kubernetes.Apply, test_kubernetes.Verbs, test_kubernetes.Workloads, test_evictions.Evictions)
# What the controllers write, and the tests look at.
WATCHED = (
    "/api/v1/pods", "/api/v1/nodes", "/api/v1/namespaces", "/api/v1/resourcequotas", "/api/v1/configmaps",
    "/api/v1/serviceaccounts", "/apis/apps/v1/deployments", "/apis/apps/v1/replicasets", "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets", "/apis/batch/v1/jobs", "/apis/policy/v1/poddisruptionbudgets",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "/apis/autoscaling/v2/horizontalpodautoscalers",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
)
# For so long nothing has to change, at most for so long it is waited.
REST, PATIENCE = 1.2, 30
ADMIN = "admin"


class Authority(http.server.BaseHTTPRequestHandler):
    """Tells the control plane of a cluster's nodes, and who a token belongs to."""

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(self.server.cluster.nodes())

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        user = self.server.cluster.user(review["spec"].get("token"))
        status = {"authenticated": user is not None}
        if user:
            status["user"] = {"username": user.name, "groups": list(user.groups)}
        self.answer({"apiVersion": review["apiVersion"], "kind": "TokenReview", "status": status})

    def log_message(self, *_):
        pass


class RealCluster:
    """A cluster with a real API server, used like `kubernetes.Cluster`."""

    control_plane, open = None, []

    def __init__(self, version="1.34", nodes=lambda: [], authenticate=None):
        self.nodes, self.authenticate, self.is_settled = nodes, authenticate, False
        self.authority = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Authority)
        self.authority.cluster = self
        threading.Thread(target=self.authority.serve_forever, daemon=True).start()
        self.uid = uuid.uuid4().hex
        asked = {"uid": self.uid, "authority": f"http://127.0.0.1:{self.authority.server_port}"}
        made = json.load(urllib.request.urlopen(f"{self.control_plane}/clusters", json.dumps(asked).encode()))
        self.endpoint, self.trusted = made["endpoint"], ssl.create_default_context(cadata=made["certificate"])
        self.open.append(self)
        self.settle()
        self.system = {thing["metadata"]["uid"] for thing in self.objects()}

    def user(self, token):
        if token == ADMIN:
            return User("admin", ["system:masters"])
        return self.authenticate(token) if self.authenticate else None

    def ask(self, method, path, data=None, headers=()):
        asked = urllib.request.Request(self.endpoint + path, data, dict(headers), method=method)
        try:
            return urllib.request.urlopen(asked, context=self.trusted, timeout=60)
        except urllib.error.HTTPError as error:
            return error

    def handle(self, request, path):
        is_read = request.method == "GET" and "watch" not in request.args
        # Evictions are answered by what the controllers have counted.
        if is_read or path.endswith("/eviction"):
            self.settle()
        if not is_read:
            self.is_settled = False
        headers = {name: value for name, value in request.headers if name not in ("Host", "Content-Length")}
        if not self.authenticate:
            headers["Authorization"] = f"Bearer {ADMIN}"
        query = f"?{request.query_string.decode()}" if request.query_string else ""
        with self.ask(request.method, urllib.parse.quote(path) + query, request.get_data() or None, headers) as answer:
            kept = [(name, value) for name, value in answer.headers.items() if name not in ("Transfer-Encoding", "Content-Length")]
            return Response(answer.read(), answer.status, kept)

    def everything(self):
        paths = list(WATCHED)
        for path in paths:
            with self.ask("GET", path, headers={"Authorization": f"Bearer {ADMIN}"}) as answer:
                # A kind whose definition goes is not found.
                found = json.load(answer) if answer.status == 200 else {}
            kind = found.get("kind", "").removesuffix("List")
            for thing in found.get("items", ()):
                if kind == "CustomResourceDefinition":
                    spec = thing["spec"]
                    paths.append(f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}")
                yield {"kind": kind, **thing}

    def state(self):
        """What changes as long as the cluster is not at rest."""
        things = list(self.everything())
        held = {thing["metadata"].get("namespace") for thing in things if thing["metadata"].get("finalizers")}
        going = [thing for thing in things if "deletionTimestamp" in thing["metadata"] and not thing["metadata"].get("finalizers")]
        if any(thing["kind"] != "Namespace" or thing["metadata"]["name"] not in held for thing in going):
            return time.monotonic()
        nodes = json.dumps(self.nodes(), sort_keys=True)
        return nodes, sorted((thing["metadata"]["uid"], thing["metadata"]["resourceVersion"]) for thing in things)

    def settle(self):
        """Waits until nothing has changed for a while."""
        if self.is_settled and self.is_settled == json.dumps(self.nodes(), sort_keys=True):
            return
        until, seen, since = time.monotonic() + PATIENCE, None, time.monotonic()
        while time.monotonic() < until and (seen is None or time.monotonic() < since + REST):
            time.sleep(0.1)
            now = self.state()
            if now != seen:
                seen, since = now, time.monotonic()
        self.is_settled = json.dumps(self.nodes(), sort_keys=True)

    def objects(self):
        self.settle()
        return list(self.everything())

    def user_objects(self):
        """What requests made: neither the system nor the controllers."""
        def is_made(thing):
            metadata = thing["metadata"]
            made_anyway = metadata["name"] == "kube-root-ca.crt" or (thing["kind"], metadata["name"]) == ("ServiceAccount", "default")
            return metadata["uid"] not in self.system and not metadata.get("ownerReferences") and not made_anyway

        return [thing for thing in self.objects() if is_made(thing)]

    @classmethod
    def close_all(cls):
        for cluster in cls.open:
            urllib.request.urlopen(urllib.request.Request(f"{cls.control_plane}/clusters/{cluster.uid}", method="DELETE")).read()
            cluster.authority.shutdown()
            cluster.authority.server_close()
        cls.open.clear()


class Said(unittest.TestResult):
    """Says each test's result as `cargo test` does."""


    def say(self, test, result):
        print(f"test {name_of(test)} ... {result}", flush=True)

    def addSuccess(self, test):
        self.say(test, "ok")

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.say(test, "FAILED")
        print(self.failures[-1][1], flush=True)

    def addError(self, test, error):
        super().addError(test, error)
        self.say(test, "FAILED")
        print(self.errors[-1][1], flush=True)

    def stopTest(self, test):
        super().stopTest(test)
        RealCluster.close_all()


def name_of(test):
    return test.id().partition(".")[2]


def main(control_plane=None):
    skipped = {}
    if control_plane:
        RealCluster.control_plane = control_plane
        test_kubernetes.Cluster = RealCluster
        suites = json.loads((Path(__file__).parent / "suites.json").read_text())
        skipped = next(suite["skipped"] for suite in suites if suite["name"] == "python")
    wanted = unittest.TestSuite()
    for one in CLASSES:
        for test in unittest.defaultTestLoader.loadTestsFromTestCase(one):
            name = name_of(test)
            if name in skipped:
                print(f"test {name} ... ignored, {skipped[name]}", flush=True)
            else:
                wanted.addTest(test)
    result = Said()
    wanted.run(result)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
