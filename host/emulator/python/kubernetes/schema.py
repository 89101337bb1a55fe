"""How fields merge: the part of the OpenAPI schema that server-side apply and
strategic merge patches look at (list types, map types, merge keys).

Only fields that deviate from the rule are listed: an object is granular, a list
is atomic. Custom resources get theirs from the schema in their definition."""


class Node:
    """One type.

    kind: ``struct`` (named fields), ``map`` (arbitrary keys), ``listmap``
    (associative list), ``listset`` (set of scalars) or ``atomic``.
    """

    __slots__ = ("kind", "fields", "element", "keys", "defaults", "patch_key", "closed")

    def __init__(self, kind, fields=None, element=None, keys=(), defaults=None,
                 patch_key=None, closed=False):
        self.kind = kind
        self.fields = fields or {}
        self.element = element
        self.keys = keys
        self.defaults = defaults or {}
        self.patch_key = patch_key or (keys[0] if keys else None)
        self.closed = closed

    def field(self, name):
        """The type of a field and whether it is a named field of a struct."""
        if self.kind == "struct":
            found = self.fields.get(name)
            if found is not None:
                return found, True
            return (self.element, False) if self.element is not None else (ANY, True)
        if self.kind == "map":
            return self.element, False
        return ANY, True


ANY = Node("struct")
ATOMIC = Node("atomic")
SET = Node("listset", element=ATOMIC)
# Without a schema every level is a map of unknown keys; lists are atomic.
DEDUCED = Node("map")
DEDUCED.element = DEDUCED


def struct(**fields):
    return Node("struct", {k.rstrip("_"): v for k, v in fields.items()})


def listmap(*keys, of=ANY, defaults=None):
    return Node("listmap", element=of, keys=keys, defaults=defaults)


CONDITIONS = listmap("type")
META = struct(finalizers=SET, ownerReferences=listmap("uid", of=ATOMIC), managedFields=ATOMIC)
_TCP = {"protocol": "TCP"}

_ENV = listmap("name", of=struct(valueFrom=struct(
    configMapKeyRef=ATOMIC, secretKeyRef=ATOMIC, fieldRef=ATOMIC, resourceFieldRef=ATOMIC)))
_CONTAINER = struct(
    ports=listmap("containerPort", "protocol", defaults=_TCP),
    env=_ENV,
    volumeMounts=listmap("mountPath"),
    volumeDevices=listmap("devicePath"),
    resources=struct(claims=listmap("name")),
)
_VOLUME = struct(
    configMap=ANY, secret=ANY,
    csi=struct(nodePublishSecretRef=ATOMIC),
    ephemeral=struct(volumeClaimTemplate=struct(spec=struct(
        selector=ATOMIC, dataSource=ATOMIC))),
)
_POD_SPEC = struct(
    containers=listmap("name", of=_CONTAINER),
    initContainers=listmap("name", of=_CONTAINER),
    ephemeralContainers=listmap("name", of=_CONTAINER),
    volumes=listmap("name", of=_VOLUME),
    imagePullSecrets=listmap("name"),
    hostAliases=listmap("ip"),
    topologySpreadConstraints=listmap(
        "topologyKey", "whenUnsatisfiable", of=struct(labelSelector=ATOMIC)),
    nodeSelector=ATOMIC,
    schedulingGates=listmap("name"),
    resourceClaims=listmap("name"),
    affinity=struct(nodeAffinity=struct(requiredDuringSchedulingIgnoredDuringExecution=ATOMIC)),
)
_POD_STATUS = struct(conditions=CONDITIONS, podIPs=listmap("ip"))
_TEMPLATE = struct(metadata=META, spec=_POD_SPEC)
_STATUS = struct(conditions=CONDITIONS)
_JOB_SPEC = struct(selector=ATOMIC, template=_TEMPLATE)
_PVC_SPEC = struct(selector=ATOMIC, dataSource=ATOMIC)


def _object(**fields):
    fields.setdefault("status", _STATUS)
    return struct(metadata=META, **fields)


_WORKLOAD = _object(spec=struct(selector=ATOMIC, template=_TEMPLATE))

SCHEMAS = {
    ("", "pods"): _object(spec=_POD_SPEC, status=_POD_STATUS),
    ("", "services"): _object(spec=struct(
        ports=listmap("port", "protocol", defaults=_TCP), selector=ATOMIC)),
    ("", "serviceaccounts"): _object(secrets=listmap("name")),
    ("", "nodes"): _object(status=struct(conditions=CONDITIONS, addresses=listmap("type"))),
    ("", "persistentvolumeclaims"): _object(spec=_PVC_SPEC),
    ("", "persistentvolumes"): _object(spec=struct(nodeAffinity=struct(required=ATOMIC))),
    ("apps", "deployments"): _WORKLOAD,
    ("apps", "daemonsets"): _WORKLOAD,
    ("apps", "statefulsets"): _WORKLOAD,
    ("apps", "replicasets"): _WORKLOAD,
    ("batch", "jobs"): _object(spec=_JOB_SPEC),
    ("batch", "cronjobs"): _object(spec=struct(jobTemplate=struct(
        metadata=META, spec=_JOB_SPEC))),
    ("policy", "poddisruptionbudgets"): _object(spec=struct(selector=ATOMIC)),
    ("rbac.authorization.k8s.io", "rolebindings"): _object(roleRef=ATOMIC),
    ("rbac.authorization.k8s.io", "clusterrolebindings"): _object(roleRef=ATOMIC),
    ("networking.k8s.io", "networkpolicies"): _object(spec=struct(podSelector=ATOMIC)),
    ("networking.k8s.io", "ingresses"): _object(spec=struct(
        defaultBackend=struct(resource=ATOMIC))),
}
DEFAULT = _object()

# Strategic merge patches know lists that apply treats as atomic (or the reverse).
PATCH_KEYS = {
    ("serviceaccounts", "imagePullSecrets"): "name",
    ("nodes", "taints"): "key",
}


def _from_openapi(schema):
    """The merge type of one (structural) OpenAPI v3 schema."""
    kind = schema.get("type")
    preserve = schema.get("x-kubernetes-preserve-unknown-fields")
    if kind == "object" or "properties" in schema or "additionalProperties" in schema:
        if schema.get("x-kubernetes-map-type") == "atomic":
            return ATOMIC
        properties = schema.get("properties")
        if properties:
            return Node("struct", {k: _from_openapi(v) for k, v in properties.items()},
                        element=DEDUCED if preserve else None, closed=not preserve)
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            return Node("map", element=_from_openapi(extra))
        return DEDUCED
    if kind == "array":
        list_type = schema.get("x-kubernetes-list-type", "atomic")
        items = schema.get("items") or {}
        if list_type == "set":
            return SET
        if list_type == "map":
            keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())
            defaults = {k: v["default"] for k, v in (items.get("properties") or {}).items()
                        if k in keys and "default" in v}
            return Node("listmap", element=_from_openapi(items), keys=keys, defaults=defaults)
        return ATOMIC
    if preserve:
        return DEDUCED
    return ATOMIC if kind else DEDUCED


def for_custom(openapi) -> Node:
    """The merge type of a custom resource whose version has this schema."""
    root = _from_openapi(openapi) if openapi else Node("map", element=DEDUCED)
    if root.kind != "struct":
        root = Node("struct", element=DEDUCED)
    root.fields = dict(root.fields, metadata=META, apiVersion=ATOMIC, kind=ATOMIC)
    return root
