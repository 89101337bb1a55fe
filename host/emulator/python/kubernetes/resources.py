"""The table of served resources, and those that definitions add."""

from . import schema

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


class Resource:
    """One resource of one API version."""

    __slots__ = ("group", "version", "plural", "singular", "kind", "list_kind", "namespaced",
                 "short", "categories", "schema", "status", "scale", "generation",
                 "unconditional", "create_on_update", "name_rule", "returns_deleted",
                 "builtin", "openapi", "key", "qualified", "api_version")

    def __init__(self, group, version, plural, kind, namespaced=True, short=(), *,
                 singular=None, list_kind=None, categories=(), merge=None, status=False,
                 scale=False, generation=False, unconditional=True, create_on_update=False,
                 name_rule="subdomain", returns_deleted=False, builtin=True, openapi=None):
        self.group, self.version, self.plural, self.kind = group, version, plural, kind
        self.singular = singular or kind.lower()
        self.list_kind = list_kind or kind + "List"
        self.namespaced, self.short, self.categories = namespaced, list(short), list(categories)
        self.schema = merge or schema.SCHEMAS.get((group, plural), schema.DEFAULT)
        self.status, self.scale, self.generation = status, scale, generation
        self.unconditional, self.create_on_update = unconditional, create_on_update
        self.name_rule, self.returns_deleted = name_rule, returns_deleted
        self.builtin, self.openapi = builtin, openapi
        self.key = (group, plural)
        self.qualified = f"{plural}.{group}" if group else plural
        self.api_version = f"{group}/{version}" if group else version

    def discovery(self):
        """The entries of this resource in an APIResourceList."""
        item = {"name": self.plural, "singularName": self.singular,
                "namespaced": self.namespaced, "kind": self.kind, "verbs": list(VERBS)}
        if self.short:
            item["shortNames"] = self.short
        if self.categories:
            item["categories"] = self.categories
        yield item
        if self.key == ("", "pods"):
            yield {"name": "pods/eviction", "singularName": "", "namespaced": True,
                   "group": "policy", "version": "v1", "kind": "Eviction", "verbs": ["create"]}
        if self.scale:
            yield {"name": self.plural + "/scale", "singularName": "",
                   "namespaced": self.namespaced, "group": "autoscaling", "version": "v1",
                   "kind": "Scale", "verbs": ["get", "patch", "update"]}
        if self.status:
            yield {"name": self.plural + "/status", "singularName": "",
                   "namespaced": self.namespaced, "kind": self.kind,
                   "verbs": ["get", "patch", "update"]}


_RBAC = "rbac.authorization.k8s.io"
_ALL = ["all"]

_TABLE = [
    Resource("", "v1", "namespaces", "Namespace", False, ["ns"], status=True, name_rule="label"),
    Resource("", "v1", "pods", "Pod", True, ["po"], categories=_ALL, status=True,
             generation=True, returns_deleted=True),
    Resource("", "v1", "services", "Service", True, ["svc"], categories=_ALL, status=True,
             name_rule="dns1035", returns_deleted=True),
    Resource("", "v1", "serviceaccounts", "ServiceAccount", True, ["sa"], returns_deleted=True),
    Resource("", "v1", "configmaps", "ConfigMap", True, ["cm"]),
    Resource("", "v1", "secrets", "Secret", True),
    Resource("", "v1", "nodes", "Node", False, ["no"], status=True),
    Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", True, ["pvc"],
             status=True, returns_deleted=True),
    Resource("", "v1", "persistentvolumes", "PersistentVolume", False, ["pv"],
             status=True, returns_deleted=True),
    Resource("", "v1", "endpoints", "Endpoints", True, ["ep"], create_on_update=True),
    Resource("", "v1", "events", "Event", True, ["ev"], create_on_update=True),
    Resource("", "v1", "limitranges", "LimitRange", True, ["limits"], create_on_update=True),
    Resource("", "v1", "resourcequotas", "ResourceQuota", True, ["quota"], status=True,
             returns_deleted=True),
    Resource("apps", "v1", "deployments", "Deployment", True, ["deploy"], categories=_ALL,
             status=True, scale=True, generation=True),
    Resource("apps", "v1", "daemonsets", "DaemonSet", True, ["ds"], categories=_ALL,
             status=True, generation=True),
    Resource("apps", "v1", "statefulsets", "StatefulSet", True, ["sts"], categories=_ALL,
             status=True, scale=True, generation=True),
    Resource("apps", "v1", "replicasets", "ReplicaSet", True, ["rs"], categories=_ALL,
             status=True, scale=True, generation=True),
    Resource("batch", "v1", "jobs", "Job", True, categories=_ALL, status=True, generation=True),
    Resource("batch", "v1", "cronjobs", "CronJob", True, ["cj"], categories=_ALL, status=True,
             generation=True),
    Resource("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True,
             ["hpa"], categories=_ALL, status=True),
    Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", True, ["pdb"],
             status=True, generation=True, unconditional=False),
    Resource(_RBAC, "v1", "roles", "Role", True, create_on_update=True, name_rule="path"),
    Resource(_RBAC, "v1", "rolebindings", "RoleBinding", True, create_on_update=True,
             name_rule="path"),
    Resource(_RBAC, "v1", "clusterroles", "ClusterRole", False, create_on_update=True,
             name_rule="path"),
    Resource(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", False,
             create_on_update=True, name_rule="path"),
    Resource("networking.k8s.io", "v1", "ingresses", "Ingress", True, ["ing"], status=True,
             generation=True),
    Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", True, ["netpol"],
             singular="networkpolicy", generation=True),
    Resource("storage.k8s.io", "v1", "storageclasses", "StorageClass", False, ["sc"],
             returns_deleted=True),
    Resource("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", False, ["pc"],
             generation=True),
    Resource("apiextensions.k8s.io", "v1", "customresourcedefinitions",
             "CustomResourceDefinition", False, ["crd", "crds"], categories=["api-extensions"],
             status=True, generation=True, unconditional=False),
    Resource("coordination.k8s.io", "v1", "leases", "Lease", True, unconditional=False,
             create_on_update=True),
]

BUILTIN = {(r.group, r.version, r.plural): r for r in _TABLE}
BY_KEY = {r.key: r for r in _TABLE}


def _listed(group, plural):
    return BY_KEY[(group, plural)]


NAMESPACES = _listed("", "namespaces")
PODS = _listed("", "pods")
NODES = _listed("", "nodes")
DEPLOYMENTS = _listed("apps", "deployments")
REPLICASETS = _listed("apps", "replicasets")
DAEMONSETS = _listed("apps", "daemonsets")
STATEFULSETS = _listed("apps", "statefulsets")
JOBS = _listed("batch", "jobs")
SERVICEACCOUNTS = _listed("", "serviceaccounts")
CRDS = _listed("apiextensions.k8s.io", "customresourcedefinitions")


def from_definition(crd) -> list:
    """The resources that a CustomResourceDefinition serves."""
    spec, out = crd["spec"], []
    names = spec["names"]
    for version in spec.get("versions") or []:
        if not version.get("served"):
            continue
        openapi = (version.get("schema") or {}).get("openAPIV3Schema") or {}
        subresources = version.get("subresources") or {}
        out.append(Resource(
            spec["group"], version["name"], names["plural"], names["kind"],
            spec.get("scope") == "Namespaced", names.get("shortNames") or (),
            singular=names.get("singular"), list_kind=names.get("listKind"),
            categories=names.get("categories") or (), merge=schema.for_custom(openapi),
            status="status" in subresources, generation=True, unconditional=False,
            builtin=False, openapi=openapi))
    return out
