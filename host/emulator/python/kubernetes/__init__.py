"""An in-memory Kubernetes API server with the controllers that matter.

``Cluster`` answers the requests of kubectl and client libraries for one cluster:
objects of the common built-in kinds and of custom resources, with server-side
apply after structured-merge-diff, patches, watches, and synchronous controllers
that schedule pods on given nodes.

Known deviations from a real API server:

* Built-in objects are checked by hand-written rules, less than all that a real one
  checks; of pod security levels the usual checks are made.
* A write settles at once: pods run, rollouts finish and deletions complete before
  the next request is served. The progress deadline of deployments never passes,
  and there is no grace period. Paused deployments roll out all the same.
* Autoscalers report a desired size but do not change their target; cron jobs start
  nothing; quotas hold pods back and nothing
  else; limit ranges are only stored; load balancers get no address; endpoints are
  not made; events tell of pods that cannot be made, placed or started only.
* Anyone who may write roles and bindings may give away more than they have.
* No schemas in the OpenAPI documents and no Table output; protobuf bodies are read for namespaces,
  config maps, secrets and service accounts only; lists are never split into pages;
  API groups are limited to the table in ``resources``; there is no scale by apply.
* Pods get no service account token volume; volumes never delay a pod; priorities
  do not evict; pod affinity and topology spread constraints are not looked at.
* Versions of a custom resource differ only in their ``apiVersion`` (no webhooks), and
  expressions in schemas (CEL) are not evaluated.
"""

from .controllers import Controllers
from .http import Router
from .operations import Operations
from .store import Store

__all__ = ["Cluster"]


class Cluster:
    """One API server.

    nodes: a callable that lists the worker nodes as dicts (name, labels, taints,
    instance_type, gpu, cpu in millicores, memory in bytes, architecture,
    gpu_plugin_builtin). authenticate: maps a bearer token to an ``authorize.User``,
    or to None when it is nobody's; without it everybody may do everything."""

    def __init__(self, version="1.34", nodes=lambda: [], authenticate=None):
        self.version = version
        self.authenticate = authenticate
        major, _, minor = version.partition(".")
        git = f"v{version}.0" if version.count(".") == 1 else f"v{version}"
        self.version_info = {
            "major": major, "minor": minor.split(".")[0], "gitVersion": git + "-eks-0000000",
            "gitCommit": "0" * 40, "gitTreeState": "clean", "buildDate": "2025-01-01T00:00:00Z",
            "goVersion": "go1.24.0", "compiler": "gc", "platform": "linux/amd64"}
        self.store = Store()
        self.operations = Operations(self.store)
        self.controllers = Controllers(self.operations, nodes)
        self.controllers.kubelet_version = git
        self.router = Router(self)
        with self.store.lock:
            self.controllers.bootstrap()

    def sync(self):
        """Lets the controllers catch up; the caller holds the store's lock."""
        self.controllers.sync()

    def handle(self, request, path):
        """Answers one request; `path` is what follows the cluster's prefix."""
        return self.router.handle(request, path)

    def objects(self):
        """All stored objects."""
        with self.store.lock:
            self.sync()
            return [obj for _, obj in self.store.everything()]

    def user_objects(self):
        """The objects that requests made, without those of the system."""
        with self.store.lock:
            self.sync()
            return [obj for _, obj in self.store.everything()
                    if obj["metadata"]["uid"] not in self.operations.system]
