"""The controllers, the scheduler and the kubelets, in one synchronous pass.

A pass runs after every write and whenever the nodes changed. It brings the
cluster to the state that a real one settles in: pods that fit on a node run at
once, the others stay pending."""

import fnmatch
import hashlib
import json
import logging
import math

from . import apply as ssa
from . import crds, quantities, quotas, resources
from .apply import clone, same
from .errors import ApiError
from .operations import PVC_PROTECTION, Context, now, random_suffix
from .roles import ROLES
from .selectors import expression, selects

_LOG = logging.getLogger(__name__)
GPU = "nvidia.com/gpu"
# How many parts of a size a GPU is cut into.
MIG_PARTS = {"1": 7, "2": 3, "3": 2, "4": 1, "7": 1}
_MANAGER = "kube-controller-manager"
_POD_LIMIT = 110
_DAEMON_TOLERATIONS = [
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect}
    for key, effect in (("not-ready", "NoExecute"), ("unreachable", "NoExecute"),
                        ("disk-pressure", "NoSchedule"), ("memory-pressure", "NoSchedule"),
                        ("pid-pressure", "NoSchedule"), ("unschedulable", "NoSchedule"))]


def _share(value, total, up):
    """An absolute number or a percentage of `total`."""
    if isinstance(value, str) and value.endswith("%"):
        exact = int(value[:-1]) * total / 100
        return math.ceil(exact) if up else math.floor(exact)
    return int(value or 0)


def _ready(pod):
    return any(c["type"] == "Ready" and c["status"] == "True"
               for c in pod.get("status", {}).get("conditions") or [])


def _finished(pod):
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def template_hash(template):
    text = json.dumps(template, sort_keys=True).encode()
    number = int.from_bytes(hashlib.sha256(text).digest()[:6], "big")
    digits = "bcdf2456789ghjklmnpqrstvwxz"
    out = ""
    for _ in range(10):
        number, digit = divmod(number, len(digits))
        out += digits[digit]
    return out


# -- scheduling -------------------------------------------------------------

def tolerates(tolerations, taint):
    for item in tolerations or []:
        if item.get("effect") and item["effect"] != taint.get("effect"):
            continue
        if item.get("key") and item["key"] != taint.get("key"):
            continue
        if (item.get("operator") or "Equal") == "Exists":
            return True
        if item.get("key") and (item.get("value") or "") == (taint.get("value") or ""):
            return True
    return False


def repelling_taint(spec, taints):
    for taint in taints or []:
        if taint.get("effect") in ("NoSchedule", "NoExecute") \
                and not tolerates(spec.get("tolerations"), taint):
            return taint
    return None


def attracted(spec, labels, name):
    """nodeSelector and required node affinity."""
    for key, value in (spec.get("nodeSelector") or {}).items():
        if labels.get(key) != value:
            return False
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    for term in required.get("nodeSelectorTerms") or []:
        wanted = term.get("matchExpressions") or []
        fields = term.get("matchFields") or []
        if (wanted or fields) and all(expression(e, labels) for e in wanted) \
                and all(expression(e, {"metadata.name": name}) for e in fields):
            return True
    return False


def requests(spec):
    """What a pod asks for: cpu in millicores, the rest in base units."""
    total = {}
    for container in spec.get("containers") or []:
        for name, value in _asked(container).items():
            total[name] = total.get(name, 0) + value
    for container in spec.get("initContainers") or []:
        sidecar = container.get("restartPolicy") == "Always"
        for name, value in _asked(container).items():
            total[name] = total.get(name, 0) + value if sidecar else max(total.get(name, 0), value)
    return total


def _asked(container):
    body = container.get("resources") or {}
    merged = dict(body.get("limits") or {}, **(body.get("requests") or {}))
    return {k: quantities.parse(v) * (1000 if k == "cpu" else 1) for k, v in merged.items()}


class _Room:
    """A node with what is still free on it."""

    def __init__(self, node):
        self.obj = node
        self.name = node["metadata"]["name"]
        self.labels = node["metadata"].get("labels") or {}
        self.taints = (node.get("spec") or {}).get("taints") or []
        self.closed = bool((node.get("spec") or {}).get("unschedulable"))
        self.free = {k: quantities.parse(v) * (1000 if k == "cpu" else 1)
                     for k, v in node["status"]["allocatable"].items()}
        self.all = dict(self.free)

    def take(self, wanted):
        for name, value in wanted.items():
            if name in self.free or "/" in name:
                self.free[name] = self.free.get(name, 0) - value
        self.free["pods"] = self.free.get("pods", _POD_LIMIT) - 1

    def lacking(self, wanted):
        out = [f"Insufficient {name}" for name, value in wanted.items()
               if value > 0 and (name in ("cpu", "memory", "ephemeral-storage") or "/" in name)
               and value > self.free.get(name, 0)]
        if self.free.get("pods", _POD_LIMIT) < 1:
            out.append("Too many pods")
        return out

    def refuses(self, spec, wanted):
        """(reasons, whether evicting others could help)."""
        if self.closed:
            return ["node(s) were unschedulable"], False
        taint = repelling_taint(spec, self.taints)
        if taint is not None:
            return ["node(s) had untolerated taint(s)"], False
        if not attracted(spec, self.labels, self.name):
            return ["node(s) didn't match Pod's node affinity/selector"], False
        # What the whole node could not hold, no eviction makes room for.
        fits = all(value <= self.all.get(name, 0) for name, value in wanted.items()
                   if name in ("cpu", "memory", "ephemeral-storage") or "/" in name)
        return self.lacking(wanted), fits


def _unschedulable(rooms, refusals):
    if not rooms:
        return "no nodes available to schedule pods"
    counts, helpless = {}, 0
    for reasons, evictable in refusals:
        helpless += not evictable
        for reason in reasons:
            counts[reason] = counts.get(reason, 0) + 1
    listed = ", ".join(sorted(f"{n} {reason}" for reason, n in counts.items()))
    hints = [(len(rooms) - helpless, "No preemption victims found for incoming pod"),
             (helpless, "Preemption is not helpful for scheduling")]
    hint = ", ".join(f"{n} {text}" for n, text in hints if n)
    return (f"0/{len(rooms)} nodes are available: {listed}. no new claims to deallocate, preemption: "
            f"0/{len(rooms)} nodes are available: {hint}.")


class Controllers:
    def __init__(self, operations, nodes):
        self.ops = operations
        self.store = operations.store
        self.nodes = nodes
        self.seen_nodes = None
        self.seen_version = -1
        self.rooms = []
        self.by_owner = {}
        self.described = {}       # node name -> (labels, taints) as last described
        self.refused = {}         # uid of a workload -> why its last pod was not made

    # -- entry points -------------------------------------------------------

    def bootstrap(self):
        """What a new cluster contains."""
        for name in ("default", "kube-system", "kube-public", "kube-node-lease"):
            self._make(resources.NAMESPACES, {"metadata": {"name": name}}, "kube-apiserver")
        self._make(self.ops.resource("", "v1", "services"), {
            "metadata": {"name": "kubernetes", "namespace": "default",
                         "labels": {"component": "apiserver", "provider": "kubernetes"}},
            "spec": {"clusterIP": "10.100.0.1", "type": "ClusterIP",
                     "ports": [{"name": "https", "port": 443, "protocol": "TCP",
                                "targetPort": 443}]}}, "kube-apiserver")
        classes = self.ops.resource("scheduling.k8s.io", "v1", "priorityclasses")
        for name, value in (("system-cluster-critical", 2000000000),
                            ("system-node-critical", 2000001000)):
            self._make(classes, {"metadata": {"name": name}, "value": value}, "kube-apiserver")
        roles = self.ops.resource("rbac.authorization.k8s.io", "v1", "clusterroles")
        for name, rules in ROLES.items():
            self._make(roles, {"metadata": {"name": name, "labels": {
                "kubernetes.io/bootstrapping": "rbac-defaults"}}, "rules": clone(rules)}, "kube-apiserver")
        self.sync()

    def sync(self):
        """Runs a pass when there is something to do."""
        described = self.nodes() or []
        changed = self.seen_nodes is None or described != self.seen_nodes
        if not changed and self.store.version == self.seen_version:
            return
        if changed:
            self.seen_nodes = clone(described)
        # What a pass writes can call for another one (a definition's last object gone).
        for _ in range(4):
            before = self.store.version
            self._pass()
            if self.store.version == before:
                break
        self.seen_version = self.store.version

    def _pass(self):
        self.ops.finish_deletions()
        self._namespaces()
        self._each(self._definition, self.store.values(resources.CRDS.key))
        self._nodes()
        values = self.store.values
        daemons = sorted(values(resources.DAEMONSETS.key), key=_age)
        self.rooms = [_Room(n) for n in self.store.items(resources.NODES.key)]
        self.by_owner = {}
        by_name = {room.name: room for room in self.rooms}
        for pod in values(resources.PODS.key):
            owner = _controller(pod)
            if owner:
                self.by_owner.setdefault(owner, []).append(pod)
            room = by_name.get(pod["spec"].get("nodeName"))
            if room is not None and not _finished(pod):
                room.take(requests(pod["spec"]))
        self._lost_pods(by_name)
        self._each(self._daemonset, daemons)
        self._each(self._run, (p for p in sorted(values(resources.PODS.key), key=_age)
                               if not _controller(p)))
        self._each(self._deployment, sorted(values(resources.DEPLOYMENTS.key), key=_age))
        self._each(self._replicaset, (r for r in sorted(values(resources.REPLICASETS.key), key=_age)
                                      if not _controller(r)))
        self._each(self._statefulset, sorted(values(resources.STATEFULSETS.key), key=_age))
        self._each(self._job, sorted(values(resources.JOBS.key), key=_age))
        self._each(self._claim, values(("", "persistentvolumeclaims")))
        self._each(self._autoscaler, values(("autoscaling", "horizontalpodautoscalers")))
        self._each(self._budget, values(("policy", "poddisruptionbudgets")))
        self._each(self._quota, values(quotas.KEY))

    @staticmethod
    def _each(function, objects):
        """One object that a controller cannot handle does not stop the others."""
        for obj in list(objects):
            try:
                function(obj)
            except Exception as error:
                meta = obj["metadata"]
                _LOG.warning("%s %s/%s: %s: %s", obj["kind"], meta.get("namespace", ""),
                             meta["name"], type(error).__name__, error)

    # -- writing ------------------------------------------------------------

    def _make(self, resource, obj, manager=_MANAGER):
        """Creates an object that belongs to the system."""
        namespace = obj["metadata"].get("namespace")
        made = self.ops.create(resource, namespace, obj, Context(manager))
        self.ops.system.add(made["metadata"]["uid"])
        return made

    def _event(self, obj, reason, message, component):
        """Tells of an object, once for each reason and text."""
        meta = obj["metadata"]
        events = self.ops.resource("", "v1", "events")
        digest = hashlib.sha256(f"{meta['uid']} {reason} {message}".encode()).hexdigest()[:16]
        name = f"{meta['name'][:230]}.{digest}"
        if self.store.get(events.key, meta["namespace"], name) is not None:
            return
        stamp = now()
        try:
            self._make(events, {
                "metadata": {"name": name, "namespace": meta["namespace"]},
                "involvedObject": {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": meta["name"],
                                   "namespace": meta["namespace"], "uid": meta["uid"]},
                "type": "Warning", "reason": reason, "message": message, "count": 1, "firstTimestamp": stamp,
                "lastTimestamp": stamp, "source": {"component": component}, "reportingComponent": component}, component)
        except ApiError:
            # The namespace is going away.
            pass

    def _set_status(self, resource, obj, status, manager=_MANAGER, annotations=None):
        """Writes a status (and annotations) the way a controller does."""
        meta = obj["metadata"]
        old_notes = meta.get("annotations") or {}
        notes = dict(old_notes, **(annotations or {}))
        if same(obj.get("status"), status) and notes == old_notes:
            return obj
        new = dict(obj, status=status, metadata=dict(meta))
        owned = {"status": status}
        if annotations:
            new["metadata"]["annotations"] = notes
            owned["metadata"] = {"annotations": annotations}
        fields = ssa.field_set(owned, resource.schema)
        managers = ssa.decode_managers(meta.get("managedFields"))
        identity = ("Update", manager, resource.api_version, "status")
        managers[identity] = ssa.Entry(manager, "Update", resource.api_version, "status", now(),
                                       fields)
        new["metadata"]["managedFields"] = ssa.encode_managers(managers)
        return self.store.put(resource.key, new)

    def _conditions(self, obj, wanted):
        """Conditions as (type, status, reason, message); times change with the status."""
        before = {c["type"]: c for c in (obj.get("status") or {}).get("conditions") or []}
        out = []
        for kind, status, reason, message in wanted:
            old = before.get(kind)
            if old and (old["status"], old.get("reason"), old.get("message")) == (
                    status, reason, message):
                out.append(old)
                continue
            stamp = now()
            item = {"type": kind, "status": status, "lastUpdateTime": stamp,
                    "lastTransitionTime": old["lastTransitionTime"]
                    if old and old["status"] == status else stamp}
            if reason:
                item["reason"] = reason
            if message:
                item["message"] = message
            out.append(item)
        return out

    # -- namespaces, definitions, nodes -------------------------------------

    def _namespaces(self):
        for space in self.store.values(resources.NAMESPACES.key):
            name = space["metadata"]["name"]
            if space["metadata"].get("deletionTimestamp"):
                continue
            if self.store.get(resources.SERVICEACCOUNTS.key, name, "default") is None:
                self._make(resources.SERVICEACCOUNTS,
                           {"metadata": {"name": "default", "namespace": name}})

    def _definition(self, crd):
        if crd["metadata"].get("deletionTimestamp"):
            return
        old = crd.get("status") or {}
        wanted = crds.status(crd, now())
        for condition in wanted["conditions"]:
            for before in old.get("conditions") or []:
                if (before["type"], before["status"]) == (condition["type"], condition["status"]):
                    condition["lastTransitionTime"] = before["lastTransitionTime"]
        stored = list(old.get("storedVersions") or [])
        wanted["storedVersions"] = stored + [
            v for v in wanted["storedVersions"] if v not in stored]
        self._set_status(resources.CRDS, crd, wanted, "kube-apiserver")

    def _gpus(self, node):
        """What a node offers of its GPUs, by resource: what its device plugin says, once one runs there."""
        if not node.get("gpu"):
            return {}
        if node.get("gpu_plugin_builtin"):
            return {GPU: node["gpu"]}
        labels = self._labels(node)
        for daemon in self.store.values(resources.DAEMONSETS.key):
            spec = (daemon["spec"].get("template") or {}).get("spec") or {}
            images = [str(c.get("image")) for c in spec.get("containers") or []]
            if not any("k8s-device-plugin" in i and "does-not-exist" not in i for i in images):
                continue
            if self._daemon_reaches(spec, labels, node.get("taints"), node["name"]):
                return self._shared(node["gpu"], labels, self._settings(daemon, spec))
        return {}

    def _settings(self, daemon, spec):
        """What a ConfigMap tells a device plugin."""
        for volume in spec.get("volumes") or []:
            name = (volume.get("configMap") or {}).get("name")
            found = name and self.store.get(("", "configmaps"), daemon["metadata"]["namespace"], name)
            if found:
                return json.loads((found.get("data") or {}).get("config.yaml") or "{}")
        return {}

    @staticmethod
    def _shared(count, labels, settings):
        """GPUs by Multi-Instance GPU, cut as the node's label says, and by time-slicing."""
        strategy = (settings.get("flags") or {}).get("migStrategy", "none")
        profile = labels.get("nvidia.com/mig.config", "").removeprefix("all-")
        name = GPU
        if strategy != "none" and profile:
            count *= MIG_PARTS.get(profile.split("g.")[0], 1)
            name = f"nvidia.com/mig-{profile}" if strategy == "mixed" else GPU
        sliced = ((settings.get("sharing") or {}).get("timeSlicing") or {}).get("resources") or []
        times = next((one["replicas"] for one in sliced if one["name"] == name), 1)
        return {name: count * times}

    def _daemon_reaches(self, spec, labels, taints, name):
        spec = dict(spec, tolerations=(spec.get("tolerations") or []) + _DAEMON_TOLERATIONS)
        return attracted(spec, labels, name) and repelling_taint(spec, taints) is None

    @staticmethod
    def _labels(node):
        arch = node.get("architecture") or "amd64"
        labels = {"kubernetes.io/hostname": node["name"], "kubernetes.io/arch": arch,
                  "kubernetes.io/os": "linux", "beta.kubernetes.io/arch": arch,
                  "beta.kubernetes.io/os": "linux"}
        if node.get("instance_type"):
            labels["node.kubernetes.io/instance-type"] = node["instance_type"]
            labels["beta.kubernetes.io/instance-type"] = node["instance_type"]
        labels.update(node.get("labels") or {})
        return labels

    def _nodes(self):
        described = {n["name"]: n for n in self.seen_nodes or []}
        for obj in self.store.values(resources.NODES.key):
            name = obj["metadata"]["name"]
            if name not in described and obj["metadata"]["uid"] in self.ops.system:
                self.ops.remove(resources.NODES, obj)
        for name, node in described.items():
            obj = self.store.get(resources.NODES.key, "", name)
            labels, taints = self._labels(node), clone(node.get("taints") or [])
            if obj is None:
                spec = {"providerID": f"aws:///{name}"}
                if taints:
                    spec["taints"] = taints
                obj = self._make(resources.NODES, {"metadata": {"name": name, "labels": labels},
                                                   "spec": spec}, "kubelet")
            elif name in self.described and self.described[name] != (labels, taints):
                obj = self._refresh_node(obj, labels, taints)
            self.described[name] = (labels, taints)
            cpu, memory = int(node.get("cpu") or 0), int(node.get("memory") or 0)
            gpus = self._gpus(node)
            amounts = {"cpu": quantities.canonical(f"{cpu}m"),
                       "memory": quantities.bytes_text(memory),
                       "ephemeral-storage": "80Gi", "pods": str(_POD_LIMIT)}
            amounts.update({name: str(count) for name, count in gpus.items()})
            old = {c["type"]: c for c in (obj.get("status") or {}).get("conditions") or []}
            conditions = []
            for kind, status, reason, message in (
                    ("MemoryPressure", "False", "KubeletHasSufficientMemory",
                     "kubelet has sufficient memory available"),
                    ("DiskPressure", "False", "KubeletHasNoDiskPressure",
                     "kubelet has no disk pressure"),
                    ("PIDPressure", "False", "KubeletHasSufficientPID",
                     "kubelet has sufficient PID available"),
                    ("Ready", "True", "KubeletReady", "kubelet is posting ready status")):
                conditions.append(old.get(kind) or {
                    "type": kind, "status": status, "lastHeartbeatTime": now(),
                    "lastTransitionTime": now(), "reason": reason, "message": message})
            status = {
                "capacity": amounts, "allocatable": dict(amounts), "conditions": conditions,
                "addresses": [{"type": "Hostname", "address": name}],
                "nodeInfo": {"architecture": node.get("architecture") or "amd64",
                             "operatingSystem": "linux", "kubeletVersion": self.kubelet_version,
                             "containerRuntimeVersion": "containerd://2.0.0"}}
            self._set_status(resources.NODES, obj, status, "kubelet")

    kubelet_version = "v1.34.0"

    def _refresh_node(self, obj, labels, taints):
        """Takes over changed labels and taints, leaving what users added."""
        old_labels, old_taints = self.described[obj["metadata"]["name"]]
        new = clone(obj)
        meta, spec = new["metadata"], new["spec"]
        meta["labels"] = dict({k: v for k, v in (meta.get("labels") or {}).items()
                               if k not in old_labels}, **labels)
        kept = [t for t in spec.get("taints") or [] if t not in old_taints]
        spec["taints"] = clone(taints) + kept
        if not spec["taints"]:
            del spec["taints"]
        return self.store.put(resources.NODES.key, new)

    def _lost_pods(self, by_name):
        for pods in self.by_owner.values():
            for pod in list(pods):
                node = pod["spec"].get("nodeName")
                if node and node not in by_name:
                    self._drop(pod)

    # -- pods ---------------------------------------------------------------

    def _pods_of(self, owner):
        return self.by_owner.setdefault(owner["metadata"]["uid"], [])

    def _drop(self, pod):
        current = self.store.get(resources.PODS.key, pod["metadata"]["namespace"],
                                 pod["metadata"]["name"])
        owner = _controller(pod)
        if owner and pod in self.by_owner.get(owner, []):
            self.by_owner[owner].remove(pod)
        if current is None:
            return
        for room in self.rooms:
            if room.name == current["spec"].get("nodeName") and not _finished(current):
                room.take({k: -v for k, v in requests(current["spec"]).items()})
                room.free["pods"] += 2
        if current["metadata"].get("finalizers"):
            self.ops._mark(resources.PODS, current)
        else:
            self.ops.remove(resources.PODS, current)

    def _pod(self, owner, kind, name, extra_labels=None, node=None, template=None):
        """A new pod of a workload, placed and running when it fits."""
        template = template or owner["spec"]["template"]
        meta = clone(template.get("metadata") or {})
        meta.pop("creationTimestamp", None)
        meta.pop("name", None)
        meta["name"], meta["namespace"] = name, owner["metadata"]["namespace"]
        if extra_labels:
            meta["labels"] = dict(meta.get("labels") or {}, **extra_labels)
        version = resources_of(kind).api_version
        meta["ownerReferences"] = [_reference(version, kind, owner)]
        spec = clone(template["spec"])
        if node:
            spec["tolerations"] = (spec.get("tolerations") or []) + clone(_DAEMON_TOLERATIONS)
        uid = owner["metadata"]["uid"]
        try:
            made = self._make(resources.PODS, {"metadata": meta, "spec": spec})
        except ApiError as error:
            self.refused[uid] = error.message
            component = {"ReplicaSet": "replicaset", "DaemonSet": "daemonset", "StatefulSet": "statefulset", "Job": "job"}[kind]
            self._event(owner, "FailedCreate", f"Error creating: {error.message}", f"{component}-controller")
            return None
        self.refused.pop(uid, None)
        made = self._run(made, only=node, finishes=kind == "Job")
        self._pods_of(owner).append(made)
        return made

    def _run(self, pod, only=None, finishes=False):
        """Schedules a pod that is not placed yet and gives it its status."""
        meta, spec = pod["metadata"], pod["spec"]
        if meta.get("deletionTimestamp") or _finished(pod):
            return pod
        if not spec.get("nodeName"):
            selected = self._on_fargate(pod)
            if selected:
                # The webhook of Fargate gives the pod its scheduler, which leaves it no other place.
                only, spec = selected, dict(spec, tolerations=(spec.get("tolerations") or []) + [{"operator": "Exists"}])
            rooms = [r for r in self.rooms if only is None or r.name == only]
            wanted = requests(spec)
            refusals, chosen = [], None
            for room in sorted(rooms, key=lambda r: -r.free.get("cpu", 0)):
                reasons, evictable = room.refuses(spec, wanted)
                if not reasons:
                    chosen = room
                    break
                refusals.append((reasons, evictable))
            if chosen is None:
                message = _unschedulable(rooms, refusals)
                self._event(pod, "FailedScheduling", message, "default-scheduler")
                status = {"phase": "Pending", "qosClass": pod.get("status", {}).get("qosClass"),
                          "conditions": self._pod_conditions(pod, [
                              ("PodScheduled", "False", "Unschedulable", message)])}
                return self._set_status(resources.PODS, pod, status, "kube-scheduler")
            chosen.take(wanted)
            pod = dict(pod, spec=dict(pod["spec"], nodeName=chosen.name))
        return self._set_status(resources.PODS, pod, self._pod_status(pod, finishes), "kubelet")

    def _on_fargate(self, pod):
        """The place of the first Fargate profile that selects a pod. Pods of DaemonSets run on nodes alone."""
        if _controller(pod) and (pod["metadata"].get("ownerReferences") or [{}])[0].get("kind") == "DaemonSet":
            return None
        namespace, labels = pod["metadata"].get("namespace"), pod["metadata"].get("labels") or {}
        for node in self.seen_nodes or []:
            for wanted, of in node.get("selectors") or []:
                if fnmatch.fnmatchcase(namespace, wanted) and all(labels.get(key) == value for key, value in of.items()):
                    return node["name"]
        return None

    def _pod_conditions(self, pod, wanted):
        before = {c["type"]: c for c in (pod.get("status") or {}).get("conditions") or []}
        out = []
        for kind, status, reason, message in wanted:
            old = before.get(kind)
            item = {"type": kind, "status": status, "lastProbeTime": None,
                    "lastTransitionTime": old["lastTransitionTime"]
                    if old and old["status"] == status else now()}
            if reason:
                item["reason"] = reason
            if message:
                item["message"] = message
            out.append(item)
        return out

    def _pod_status(self, pod, finishes):
        spec, old = pod["spec"], pod.get("status") or {}
        owner = (pod["metadata"].get("ownerReferences") or [{}])[0]
        finishes = finishes or owner.get("kind") == "Job"
        started = old.get("startTime") or now()
        before = {c["name"]: c for c in old.get("containerStatuses") or []}
        statuses = [self._container(pod, c, before.get(c["name"]) or {}, finishes, started) for c in spec["containers"]]
        bad = [c["name"] for c in statuses if "waiting" in c["state"] or "running" in c["state"] and not c["ready"]]
        crashed = any(c["state"].get("terminated", {}).get("exitCode") for c in statuses)
        unpulled = any(c["state"].get("waiting", {}).get("reason") == "ImagePullBackOff" for c in statuses)
        done = finishes and not bad
        phase = "Pending" if unpulled else "Failed" if crashed else "Succeeded" if done else "Running"
        up = "True" if not bad and not done else "False"
        why = "PodFailed" if crashed else "PodCompleted" if done else "ContainersNotReady" if bad else None
        text = f"containers with unready status: [{' '.join(bad)}]" if bad else None
        conditions = self._pod_conditions(pod, [
            ("PodReadyToStartContainers", "True", None, None), ("Initialized", "True", None, None),
            ("Ready", up, why, text), ("ContainersReady", up, why, text),
            ("PodScheduled", "True", None, None)])
        number = int(pod["metadata"]["uid"][:4], 16)
        address = old.get("podIP") or f"10.0.{number >> 8}.{number & 255 or 1}"
        status = {"phase": phase, "conditions": conditions, "startTime": started,
                  "podIP": address, "podIPs": [{"ip": address}],
                  "containerStatuses": statuses}
        if old.get("qosClass"):
            status["qosClass"] = old["qosClass"]
        return status

    def _container(self, pod, container, known, finishes, started):
        """What becomes of a container by the name of its image, and the event that tells of it."""
        image = container["image"]
        item = {"name": container["name"], "image": image, "restartCount": 0, "ready": False, "started": False, "imageID": image}
        ended = {"exitCode": 0, "reason": "Completed", "startedAt": started, "finishedAt": started}
        if "does-not-exist" in image:
            why = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": {image}: not found'
            self._event(pod, "Failed", f'Failed to pull image "{image}": {why}', "kubelet")
            return dict(item, imageID="", state={"waiting": {
                "reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}": ErrImagePull: {why}'}})
        if "exits-with-1" in image:
            ended.update(exitCode=1, reason="Error")
            if finishes:
                return dict(item, state={"terminated": ended})
            self._event(pod, "BackOff", f"Back-off restarting failed container {container['name']} in pod {pod['metadata']['name']}", "kubelet")
            return dict(item, restartCount=5, lastState={"terminated": ended}, state={"waiting": {
                "reason": "CrashLoopBackOff", "message": f"back-off 5m0s restarting failed container={container['name']}"}})
        if finishes:
            return dict(item, state={"terminated": ended})
        running = {"running": (known.get("state") or {}).get("running") or {"startedAt": now()}}
        if "never-ready" in image:
            self._event(pod, "Unhealthy", "Readiness probe failed: connection refused", "kubelet")
            return dict(item, started=True, state=running)
        return dict(item, ready=True, started=True, state=running)

    # -- deployments and replica sets ---------------------------------------

    def _replica_set_for(self, obj, template, known):
        """The replica set of the current template; `known` are those there are."""
        digest = template_hash(template)
        for item in known:
            if item["metadata"]["labels"].get("pod-template-hash") == digest:
                return item
        meta = obj["metadata"]
        labels = dict((template.get("metadata") or {}).get("labels") or {},
                      **{"pod-template-hash": digest})
        body = clone(template)
        body.setdefault("metadata", {})["labels"] = labels
        selector = clone(obj["spec"]["selector"])
        selector.setdefault("matchLabels", {})["pod-template-hash"] = digest
        made = self._make(resources.REPLICASETS, {
            "metadata": {"name": f"{meta['name']}-{digest}", "namespace": meta["namespace"],
                         "labels": labels,
                         "ownerReferences": [_reference("apps/v1", "Deployment", obj)]},
            "spec": {"replicas": 0, "selector": selector, "template": body}})
        return made

    def _deployment(self, obj):
        meta, spec = obj["metadata"], obj["spec"]
        if meta.get("deletionTimestamp"):
            return
        known = [r for r in self.store.values(resources.REPLICASETS.key)
                 if _controller(r) == meta["uid"]]
        current = self._replica_set_for(obj, spec["template"], known)
        revisions = [int(((r["metadata"].get("annotations")) or {}).get(
            "deployment.kubernetes.io/revision", 0)) for r in known]
        notes = current["metadata"].get("annotations") or {}
        revision = int(notes.get("deployment.kubernetes.io/revision", 0))
        if revision == 0 or revision < max(revisions, default=0):
            revision = max(revisions, default=0) + 1
        others = [r for r in known if r["metadata"]["uid"] != current["metadata"]["uid"]]
        self._roll(obj, current, others)
        desired = spec["replicas"]
        total = available = 0
        for item in [current] + others:
            pods = self._pods_of(item)
            status = {"replicas": len(pods)}
            if pods:
                status["fullyLabeledReplicas"] = len(pods)
            up = sum(map(_ready, pods))
            if up:
                status["readyReplicas"] = status["availableReplicas"] = up
            total, available = total + len(pods), available + up
            if item is current and len(pods) < desired:
                status["conditions"] = self._refusal(item, item)
            item = self._scale(item, len(pods) if item is not current else desired)
            status["observedGeneration"] = item["metadata"]["generation"]
            extra = {"deployment.kubernetes.io/desired-replicas": str(desired)}
            if item["metadata"]["uid"] == current["metadata"]["uid"]:
                extra["deployment.kubernetes.io/revision"] = str(revision)
            self._set_status(resources.REPLICASETS, item, status, annotations=extra)
        self._trim(others, spec.get("revisionHistoryLimit"))
        updated = len(self._pods_of(current))
        fresh = sum(map(_ready, self._pods_of(current)))
        strategy = (spec.get("strategy") or {}).get("rollingUpdate") or {}
        missing_allowed = _share(strategy.get("maxUnavailable", 0), desired, False)
        name = current["metadata"]["name"]
        enough = available >= desired - missing_allowed
        done = updated == desired and total == desired and fresh == desired
        status = {"observedGeneration": meta["generation"]}
        for key, value in (("replicas", total), ("updatedReplicas", updated),
                           ("readyReplicas", available), ("availableReplicas", available),
                           ("unavailableReplicas", max(0, max(desired, total) - available))):
            if value:
                status[key] = value
        status["conditions"] = self._conditions(obj, [
            ("Available", "True", "MinimumReplicasAvailable",
             "Deployment has minimum availability.") if enough else
            ("Available", "False", "MinimumReplicasUnavailable",
             "Deployment does not have minimum availability."),
            ("Progressing", "True", "NewReplicaSetAvailable",
             f'ReplicaSet "{name}" has successfully progressed.') if done else
            ("Progressing", "True", "ReplicaSetUpdated",
             f'ReplicaSet "{name}" is progressing.')])
        if updated < desired:
            status["conditions"] += self._refusal(current, obj)
        self._set_status(resources.DEPLOYMENTS, obj, status, annotations={
            "deployment.kubernetes.io/revision": str(revision)})

    def _refusal(self, owner, obj):
        """The condition of a workload whose pods are refused, as the conditions of `obj` have it."""
        message = self.refused.get(owner["metadata"]["uid"])
        return self._conditions(obj, [("ReplicaFailure", "True", "FailedCreate", message)]) if message else []

    def _scale(self, item, replicas):
        """Sets the size of a replica set the deployment controller manages."""
        item = self.store.get(resources.REPLICASETS.key, item["metadata"]["namespace"],
                              item["metadata"]["name"])
        if item["spec"]["replicas"] == replicas:
            return item
        meta = dict(item["metadata"], generation=item["metadata"]["generation"] + 1)
        return self.store.put(resources.REPLICASETS.key, dict(
            item, spec=dict(item["spec"], replicas=replicas), metadata=meta))

    def _trim(self, others, limit):
        empty = [r for r in others if not self._pods_of(r)]
        empty.sort(key=_age)
        for item in empty[:max(0, len(empty) - (10 if limit is None else limit))]:
            current = self.store.get(resources.REPLICASETS.key, item["metadata"]["namespace"],
                                     item["metadata"]["name"])
            if current is not None:
                self.ops.remove(resources.REPLICASETS, current)

    def _start(self, item):
        name = f"{item['metadata']['name']}-{random_suffix()}"
        return self._pod(item, "ReplicaSet", name)

    def _retry(self, pods):
        for number, pod in enumerate(pods):
            pods[number] = self._run(pod)

    def _roll(self, obj, current, others):
        """Moves the pods from the old replica sets to the current one."""
        spec = obj["spec"]
        desired = spec["replicas"]
        strategy = spec.get("strategy") or {}
        new = self._pods_of(current)
        if strategy.get("type") == "Recreate":
            for item in others:
                for pod in list(self._pods_of(item)):
                    self._drop(pod)
            surge, missing = 0, desired
        else:
            rolling = strategy.get("rollingUpdate") or {}
            surge = _share(rolling.get("maxSurge", "25%"), desired, True)
            missing = _share(rolling.get("maxUnavailable", "25%"), desired, False)
            if surge == 0 and missing == 0:
                missing = 1
        self._retry(new)
        for _ in range(2 * desired + 20):
            moved = False
            while len(new) > desired:
                self._drop(sorted(new, key=lambda p: (_ready(p), _age(p)))[0])
                moved = True
            old = [p for item in others for p in self._pods_of(item)]
            room = desired + surge - len(new) - len(old)
            for _ in range(min(room, desired - len(new))):
                if self._start(current) is None:
                    break
                moved = True
            # Pods of old sets that are not available go first, the others as far as allowed.
            unready = len(new) - sum(map(_ready, new))
            spare = len(new) + len(old) - (desired - missing) - unready
            for pod in sorted(old, key=lambda p: (_ready(p), _age(p))):
                if spare <= 0:
                    break
                self._drop(pod)
                spare -= 1
                moved = True
            if not moved:
                break
            self._retry(new)

    def _replicaset(self, obj):
        if obj["metadata"].get("deletionTimestamp"):
            return
        desired, pods = obj["spec"]["replicas"], self._pods_of(obj)
        self._retry(pods)
        while len(pods) > desired:
            self._drop(pods[-1])
        while len(pods) < desired:
            if self._start(obj) is None:
                break
        status = {"replicas": len(pods), "observedGeneration": obj["metadata"]["generation"]}
        if len(pods) < desired:
            status["conditions"] = self._refusal(obj, obj)
        up = sum(map(_ready, pods))
        if pods:
            status["fullyLabeledReplicas"] = len(pods)
        if up:
            status["readyReplicas"] = status["availableReplicas"] = up
        self._set_status(resources.REPLICASETS, obj, status)

    # -- daemon sets, stateful sets, jobs -----------------------------------

    def _daemonset(self, obj):
        meta, spec = obj["metadata"], obj["spec"]
        if meta.get("deletionTimestamp"):
            return
        template, digest = spec["template"], template_hash(spec["template"])
        wanted = [r.name for r in self.rooms if self._daemon_reaches(
            template["spec"], r.labels, r.taints, r.name)]
        pods, placed = self._pods_of(obj), {}
        for pod in list(pods):
            node = _target(pod) or pod["spec"].get("nodeName")
            stale = pod["metadata"]["labels"].get("controller-revision-hash") != digest \
                and spec["updateStrategy"]["type"] != "OnDelete"
            if node not in wanted or node in placed or stale:
                self._drop(pod)
            else:
                placed[node] = pod
        for number, pod in enumerate(pods):
            pods[number] = self._run(pod, only=_target(pod))
        for node in wanted:
            if node not in placed:
                pinned = clone(template)
                pinned["spec"]["affinity"] = _pinned(pinned["spec"].get("affinity"), node)
                self._pod(obj, "DaemonSet", f"{meta['name']}-{random_suffix()}",
                          {"controller-revision-hash": digest, "pod-template-generation": str(
                              meta["generation"])}, node=node, template=pinned)
        up = sum(map(_ready, pods))
        current = sum(p["metadata"]["labels"].get("controller-revision-hash") == digest for p in pods)
        status = {"currentNumberScheduled": len(pods), "numberMisscheduled": 0,
                  "desiredNumberScheduled": len(wanted), "numberReady": up,
                  "observedGeneration": meta["generation"]}
        for key, value in (("updatedNumberScheduled", current), ("numberAvailable", up),
                           ("numberUnavailable", len(wanted) - up)):
            if value:
                status[key] = value
        self._set_status(resources.DAEMONSETS, obj, status)

    def _statefulset(self, obj):
        meta, spec = obj["metadata"], obj["spec"]
        if meta.get("deletionTimestamp"):
            return
        digest = template_hash(spec["template"])
        revision = f"{meta['name']}-{digest}"
        first = ((spec.get("ordinals") or {}).get("start")) or 0
        names = [f"{meta['name']}-{first + n}" for n in range(spec["replicas"])]
        pods = self._pods_of(obj)
        for pod in sorted(pods, key=_age, reverse=True):
            stale = pod["metadata"]["labels"].get("controller-revision-hash") != revision \
                and spec["updateStrategy"]["type"] != "OnDelete"
            if pod["metadata"]["name"] not in names or stale:
                self._drop(pod)
        self._retry(pods)
        for name in names:
            pod = next((p for p in pods if p["metadata"]["name"] == name), None)
            if pod is None:
                if self.store.get(resources.PODS.key, meta["namespace"], name) is not None:
                    break
                pod = self._stateful_pod(obj, name, revision)
            if pod is None:
                break
            if not _ready(pod) and spec["podManagementPolicy"] == "OrderedReady":
                break
        up = sum(map(_ready, pods))
        status = {"observedGeneration": meta["generation"], "replicas": len(pods),
                  "collisionCount": 0, "currentRevision": revision, "updateRevision": revision,
                  "availableReplicas": up}
        for key, value in (("readyReplicas", up), ("currentReplicas", len(pods)),
                           ("updatedReplicas", len(pods))):
            if value:
                status[key] = value
        self._set_status(resources.STATEFULSETS, obj, status)

    def _stateful_pod(self, obj, name, revision):
        meta, spec = obj["metadata"], obj["spec"]
        template = clone(spec["template"])
        claims = self.ops.resource("", "v1", "persistentvolumeclaims")
        for claim in spec.get("volumeClaimTemplates") or []:
            kind = claim["metadata"]["name"]
            claim_name = f"{kind}-{name}"
            if self.store.get(claims.key, meta["namespace"], claim_name) is None:
                self._make(claims, {"metadata": {
                    "name": claim_name, "namespace": meta["namespace"],
                    "labels": dict((spec["selector"].get("matchLabels")) or {})},
                    "spec": clone(claim["spec"])})
            volumes = [v for v in template["spec"].get("volumes") or [] if v["name"] != kind]
            template["spec"]["volumes"] = volumes + [
                {"name": kind, "persistentVolumeClaim": {"claimName": claim_name}}]
        template["spec"]["hostname"] = name
        return self._pod(obj, "StatefulSet", name, {
            "controller-revision-hash": revision, "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": name.rsplit("-", 1)[-1]}, template=template)

    def _job(self, obj):
        meta, spec = obj["metadata"], obj["spec"]
        if meta.get("deletionTimestamp") or spec.get("suspend"):
            return
        old = obj.get("status") or {}
        if any(c["type"] in ("Complete", "Failed") for c in old.get("conditions") or []):
            return
        pods = self._pods_of(obj)
        wanted = spec.get("completions")
        wanted = spec.get("parallelism", 1) if wanted is None else wanted
        self._retry(pods)
        failed = [p for p in pods if p["status"].get("phase") == "Failed"]
        while len(pods) < wanted and not failed:
            made = self._pod(obj, "Job", f"{meta['name']}-{random_suffix()}")
            if made is None:
                break
        failed = [p for p in pods if p["status"].get("phase") == "Failed"]
        done = sum(p["status"].get("phase") == "Succeeded" for p in pods)
        status = {"startTime": old.get("startTime") or now(), "ready": 0,
                  "terminating": 0, "uncountedTerminatedPods": {}}
        if len(pods) - done - len(failed):
            status["active"] = len(pods) - done - len(failed)
        if done:
            status["succeeded"] = done
        if failed:
            # As often as the limit allows, at once.
            status["failed"] = spec.get("backoffLimit", 6) + 1
            stamp = now()
            status["conditions"] = [
                {"type": kind, "status": "True", "lastProbeTime": stamp, "lastTransitionTime": stamp,
                 "reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}
                for kind in ("FailureTarget", "Failed")]
        if done >= wanted:
            stamp = now()
            status["completionTime"] = stamp
            status["conditions"] = [
                {"type": kind, "status": "True", "lastProbeTime": stamp,
                 "lastTransitionTime": stamp, "reason": "CompletionsReached",
                 "message": "Reached expected number of succeeded pods"}
                for kind in ("SuccessCriteriaMet", "Complete")]
        self._set_status(resources.JOBS, obj, status)

    # -- the rest -----------------------------------------------------------

    def _claim(self, claim):
        resource, meta = self.ops.resource("", "v1", "persistentvolumeclaims"), claim["metadata"]
        if meta.get("deletionTimestamp"):
            used = any((volume.get("persistentVolumeClaim") or {}).get("claimName") == meta["name"]
                       for pod in self.store.items(resources.PODS.key, meta["namespace"]) if not _finished(pod)
                       for volume in pod["spec"].get("volumes") or [])
            if not used and PVC_PROTECTION in (meta.get("finalizers") or []):
                rest = [name for name in meta["finalizers"] if name != PVC_PROTECTION]
                if rest:
                    self.store.put(resource.key, dict(claim, metadata=dict(meta, finalizers=rest)))
                else:
                    self.ops.remove(resource, claim)
            return
        classes = {c["metadata"]["name"]: c
                   for c in self.store.values(("storage.k8s.io", "storageclasses"))}
        standard = any((c["metadata"].get("annotations") or {}).get(
            "storageclass.kubernetes.io/is-default-class") == "true" for c in classes.values())
        spec = claim["spec"]
        name = spec.get("storageClassName")
        if name in classes or name is None and standard or spec.get("volumeName"):
            self._set_status(self.ops.resource("", "v1", "persistentvolumeclaims"), claim, {
                "phase": "Bound", "accessModes": list(spec["accessModes"]),
                "capacity": dict(spec["resources"]["requests"])})

    def _autoscaler(self, obj):
        resource = self.ops.resource("autoscaling", "v2", "horizontalpodautoscalers")
        spec = obj["spec"]
        target = spec["scaleTargetRef"]
        group = (target.get("apiVersion") or "apps/v1").rpartition("/")[0]
        found = next((o for key in ((group, "deployments"), (group, "statefulsets"),
                                    (group, "replicasets"))
                      for o in [self.store.get(key, obj["metadata"]["namespace"], target["name"])]
                      if o is not None and o["kind"] == target["kind"]), None)
        if found is None:
            status = {"currentReplicas": 0, "desiredReplicas": 0, "currentMetrics": None,
                      "conditions": self._hpa_conditions(obj, "False", "FailedGetScale",
                                                         "the HPA controller was unable to get the "
                                                         "target's current scale")}
        else:
            size = (found.get("status") or {}).get("replicas", 0)
            aim = min(max(size, spec.get("minReplicas", 1)), spec["maxReplicas"]) if size else 0
            status = {"currentReplicas": size, "desiredReplicas": aim, "currentMetrics": None,
                      "conditions": self._hpa_conditions(
                          obj, "True", "SucceededGetScale",
                          "the HPA controller was able to get the target's current scale")}
        self._set_status(resource, obj, status)

    def _quota(self, obj):
        hard = (obj.get("spec") or {}).get("hard") or {}
        pods = quotas.living(self.store, obj["metadata"]["namespace"])
        used = {key: quotas.shown(key, quotas.usage(pods, key)) if quotas.counted(key) else "0" for key in hard}
        self._set_status(self.ops.resource("", "v1", "resourcequotas"), obj, {"hard": dict(hard), "used": used})

    def _hpa_conditions(self, obj, state, reason, message):
        out = self._conditions(obj, [("AbleToScale", state, reason, message)])
        return [{k: v for k, v in c.items() if k != "lastUpdateTime"} for c in out]

    def _budget(self, obj):
        resource = self.ops.resource("policy", "v1", "poddisruptionbudgets")
        spec, meta = obj.get("spec") or {}, obj["metadata"]
        pods = [p for p in self.store.items(resources.PODS.key, meta["namespace"])
                if selects(spec.get("selector"), p["metadata"].get("labels") or {})
                and not _finished(p)]
        expected, healthy = len(pods), sum(map(_ready, pods))
        if spec.get("maxUnavailable") is not None:
            desired = max(0, expected - _share(spec["maxUnavailable"], expected, True))
        else:
            least = spec.get("minAvailable", 1 if expected else 0)
            desired = _share(least, expected, True)
        allowed = max(0, healthy - desired) if expected else 0
        state = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
        conditions = [dict(c, observedGeneration=meta["generation"], message="")
                      for c in self._conditions(obj, [("DisruptionAllowed", *state, "")])]
        for condition in conditions:
            condition.pop("lastUpdateTime", None)
        self._set_status(resource, obj, {
            "observedGeneration": meta["generation"], "currentHealthy": healthy,
            "desiredHealthy": desired, "expectedPods": expected, "disruptionsAllowed": allowed,
            "conditions": conditions})


def _age(obj):
    # Resource versions follow the order of creation only roughly, names settle the rest.
    return obj["metadata"].get("creationTimestamp", ""), obj["metadata"]["name"]


def _controller(obj):
    for owner in obj["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            return owner["uid"]
    return None


def _reference(version, kind, owner):
    return {"apiVersion": version, "kind": kind, "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True}


def resources_of(kind):
    return {"ReplicaSet": resources.REPLICASETS, "DaemonSet": resources.DAEMONSETS,
            "StatefulSet": resources.STATEFULSETS, "Job": resources.JOBS}[kind]


def _pinned(affinity, node):
    """The node affinity by which a daemon pod goes to its node."""
    out = clone(affinity) if affinity else {}
    out.setdefault("nodeAffinity", {})["requiredDuringSchedulingIgnoredDuringExecution"] = {
        "nodeSelectorTerms": [{"matchFields": [
            {"key": "metadata.name", "operator": "In", "values": [node]}]}]}
    return out


def _target(pod):
    """The node a daemon pod is meant for."""
    try:
        required = pod["spec"]["affinity"]["nodeAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"]
        return required["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
    except (KeyError, IndexError, TypeError):
        return None
