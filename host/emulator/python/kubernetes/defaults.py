"""Defaults and canonical forms that the API server gives to built-in objects.

All functions change the object they are given. Requests are filled in from limits
in pods only, as the API server does, not in pod templates."""

import base64

from . import quantities
from .errors import bad_request


def _fill(obj, **values):
    for key, value in values.items():
        if obj.get(key) is None:
            obj[key] = value


def _list(obj, key):
    value = obj.get(key) if isinstance(obj, dict) else None
    return [i for i in value if isinstance(i, dict)] if isinstance(value, list) else []


def _dict(obj, key):
    value = obj.get(key) if isinstance(obj, dict) else None
    return value if isinstance(value, dict) else {}


def _quantities(obj, key):
    for name, value in list(_dict(obj, key).items()):
        obj[key][name] = quantities.canonical(value)


def _resources(obj):
    _quantities(obj, "limits")
    _quantities(obj, "requests")


# -- pods -------------------------------------------------------------------

def _http_get(handler):
    action = handler.get("httpGet")
    if isinstance(action, dict):
        _fill(action, path="/", scheme="HTTP")
    action = handler.get("grpc")
    if isinstance(action, dict):
        _fill(action, service="")


def _probe(probe):
    _fill(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    _http_get(probe)


def pull_policy(image):
    rest = image.split("@", 1)[0].rsplit("/", 1)[-1]
    tag = rest.split(":", 1)[1] if ":" in rest else ("" if "@" in image else "latest")
    return "Always" if tag == "latest" else "IfNotPresent"


def _container(container, host_network):
    _fill(container, imagePullPolicy=pull_policy(str(container.get("image") or "")),
          terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File",
          resources={})
    _resources(container["resources"])
    for port in _list(container, "ports"):
        _fill(port, protocol="TCP")
        if host_network and "containerPort" in port:
            _fill(port, hostPort=port["containerPort"])
    for kind in ("livenessProbe", "readinessProbe", "startupProbe"):
        if isinstance(container.get(kind), dict):
            _probe(container[kind])
    for hook in _dict(container, "lifecycle").values():
        if isinstance(hook, dict):
            _http_get(hook)
    for variable in _list(container, "env"):
        source = _dict(variable, "valueFrom")
        if isinstance(source.get("fieldRef"), dict):
            _fill(source["fieldRef"], apiVersion="v1")
        if isinstance(source.get("resourceFieldRef"), dict):
            divisor = source["resourceFieldRef"].get("divisor", "0")
            source["resourceFieldRef"]["divisor"] = quantities.canonical(divisor)


_SOURCES = ("hostPath", "emptyDir", "gcePersistentDisk", "awsElasticBlockStore", "gitRepo",
            "secret", "nfs", "iscsi", "glusterfs", "persistentVolumeClaim", "rbd",
            "flexVolume", "cinder", "cephfs", "flocker", "downwardAPI", "fc", "azureFile",
            "configMap", "vsphereVolume", "quobyte", "azureDisk", "photonPersistentDisk",
            "projected", "portworxVolume", "scaleIO", "storageos", "csi", "ephemeral", "image")


def _volume(volume):
    if not any(volume.get(s) is not None for s in _SOURCES):
        volume["emptyDir"] = {}
    for kind in ("secret", "configMap", "downwardAPI", "projected"):
        if isinstance(volume.get(kind), dict):
            _fill(volume[kind], defaultMode=420)
    if isinstance(volume.get("hostPath"), dict):
        _fill(volume["hostPath"], type="")
    if "sizeLimit" in _dict(volume, "emptyDir"):
        volume["emptyDir"]["sizeLimit"] = quantities.canonical(volume["emptyDir"]["sizeLimit"])
    for source in _list(_dict(volume, "projected"), "sources"):
        if isinstance(source.get("serviceAccountToken"), dict):
            _fill(source["serviceAccountToken"], expirationSeconds=3600)
    template = _dict(_dict(volume, "ephemeral"), "volumeClaimTemplate")
    if template:
        _claim_spec(template.get("spec") or {})


def pod_spec(spec):
    _fill(spec, restartPolicy="Always", dnsPolicy="ClusterFirst",
          terminationGracePeriodSeconds=30, schedulerName="default-scheduler",
          securityContext={})
    if spec.get("serviceAccountName"):
        spec["serviceAccount"] = spec["serviceAccountName"]
    elif spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"]
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in _list(spec, kind):
            _container(container, spec.get("hostNetwork"))
    for volume in _list(spec, "volumes"):
        _volume(volume)
    _quantities(spec, "overhead")


def _template(spec, key="template"):
    template = spec.get(key)
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        if isinstance(template.get("spec"), dict):
            pod_spec(template["spec"])


NOT_READY = [{"key": f"node.kubernetes.io/{what}", "operator": "Exists",
              "effect": "NoExecute", "tolerationSeconds": 300}
             for what in ("not-ready", "unreachable")]


def pod(obj):
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        return
    pod_spec(spec)
    for kind in ("initContainers", "containers"):
        for container in _list(spec, kind):
            limits = _dict(container["resources"], "limits")
            if limits:
                requests = container["resources"].setdefault("requests", {})
                for name, value in limits.items():
                    requests.setdefault(name, value)
    _fill(spec, enableServiceLinks=True, serviceAccountName="default",
          preemptionPolicy="PreemptLowerPriority", priority=0)
    spec["serviceAccount"] = spec["serviceAccountName"]
    tolerations = list(spec.get("tolerations") or [])
    for wanted in NOT_READY:
        if not any(t.get("key") in (None, "", wanted["key"])
                   and t.get("effect") in (None, "", "NoExecute") for t in tolerations):
            tolerations.append(dict(wanted))
    spec["tolerations"] = tolerations


# -- workloads --------------------------------------------------------------

def deployment(obj):
    spec = _dict(obj, "spec")
    _fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600, strategy={})
    strategy = spec["strategy"]
    _fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(strategy, rollingUpdate={})
        _fill(strategy["rollingUpdate"], maxSurge="25%", maxUnavailable="25%")
    _template(spec)


def daemonset(obj):
    spec = _dict(obj, "spec")
    _fill(spec, revisionHistoryLimit=10, updateStrategy={})
    strategy = spec["updateStrategy"]
    _fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(strategy, rollingUpdate={})
        _fill(strategy["rollingUpdate"], maxSurge=0, maxUnavailable=1)
    _template(spec)


def statefulset(obj):
    spec = _dict(obj, "spec")
    _fill(spec, replicas=1, revisionHistoryLimit=10, podManagementPolicy="OrderedReady",
          updateStrategy={}, persistentVolumeClaimRetentionPolicy={})
    strategy = spec["updateStrategy"]
    _fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(strategy, rollingUpdate={})
        _fill(strategy["rollingUpdate"], partition=0)
    _fill(spec["persistentVolumeClaimRetentionPolicy"], whenDeleted="Retain", whenScaled="Retain")
    _template(spec)
    for claim in _list(spec, "volumeClaimTemplates"):
        _fill(claim, apiVersion="v1", kind="PersistentVolumeClaim", status={"phase": "Pending"})
        _claim_spec(claim.setdefault("spec", {}))


def replicaset(obj):
    spec = _dict(obj, "spec")
    _fill(spec, replicas=1)
    _template(spec)


def _job_spec(spec):
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    _fill(spec, parallelism=1, backoffLimit=6, completionMode="NonIndexed", suspend=False,
          manualSelector=False, podReplacementPolicy="TerminatingOrFailed")
    _template(spec)


def job(obj):
    spec = _dict(obj, "spec")
    _job_spec(spec)
    # Labels and selector that tie the pods to this job, as the API server generates them.
    uid, name = obj["metadata"].get("uid"), obj["metadata"].get("name")
    template = spec.get("template")
    if uid and not spec["manualSelector"] and isinstance(template, dict):
        labels = template["metadata"].setdefault("labels", {})
        for key, value in (("batch.kubernetes.io/controller-uid", uid),
                           ("batch.kubernetes.io/job-name", name),
                           ("controller-uid", uid), ("job-name", name)):
            labels.setdefault(key, value)
        _fill(spec, selector={"matchLabels": {"batch.kubernetes.io/controller-uid": uid}})
        if not obj["metadata"].get("labels"):
            obj["metadata"]["labels"] = dict(labels)


def template_generation(obj, old=None):
    """The annotation by which the API server counts the templates of a daemon set."""
    key = "deprecated.daemonset.template.generation"
    before = ((old or {}).get("metadata", {}).get("annotations") or {}).get(key, "1")
    changed = old is not None and old["spec"]["template"] != obj["spec"]["template"]
    annotations = obj["metadata"].setdefault("annotations", {})
    annotations[key] = str(int(before) + 1) if changed else before


def cronjob(obj):
    spec = _dict(obj, "spec")
    _fill(spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3,
          failedJobsHistoryLimit=1)
    template = spec.get("jobTemplate")
    if isinstance(template, dict):
        template.setdefault("metadata", {})
        inner = _dict(template, "spec")
        _template(inner)


# -- the rest ---------------------------------------------------------------

def service(obj):
    spec = obj.setdefault("spec", {})
    _fill(spec, type="ClusterIP", sessionAffinity="None")
    if spec["sessionAffinity"] == "ClientIP":
        _fill(spec, sessionAffinityConfig={"clientIP": {"timeoutSeconds": 10800}})
    for port in _list(spec, "ports"):
        _fill(port, protocol="TCP")
        if port.get("targetPort") in (None, 0, "") and "port" in port:
            port["targetPort"] = port["port"]
    if spec["type"] != "ExternalName":
        _fill(spec, internalTrafficPolicy="Cluster", ipFamilies=["IPv4"],
              ipFamilyPolicy="SingleStack")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _fill(spec, externalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        _fill(spec, allocateLoadBalancerNodePorts=True)


def _metric_target(metric):
    for kind in ("resource", "containerResource", "pods", "object", "external"):
        target = _dict(_dict(metric, kind), "target")
        for key in ("value", "averageValue"):
            if key in target:
                target[key] = quantities.canonical(target[key])


def autoscaler(obj):
    spec = _dict(obj, "spec")
    _fill(spec, minReplicas=1)
    if not spec.get("metrics"):
        spec["metrics"] = [{"type": "Resource", "resource": {
            "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]
    for metric in _list(spec, "metrics"):
        _metric_target(metric)
    behavior = _dict(spec, "behavior")
    if behavior:
        _fill(behavior, scaleUp={}, scaleDown={})
        _fill(behavior["scaleUp"], stabilizationWindowSeconds=0, selectPolicy="Max", policies=[
            {"type": "Pods", "value": 4, "periodSeconds": 15},
            {"type": "Percent", "value": 100, "periodSeconds": 15}])
        _fill(behavior["scaleDown"], selectPolicy="Max", policies=[
            {"type": "Percent", "value": 100, "periodSeconds": 15}])


def _claim_spec(spec):
    _fill(spec, volumeMode="Filesystem")
    _resources(_dict(spec, "resources"))


def claim(obj):
    _claim_spec(_dict(obj, "spec"))


def volume(obj):
    spec = _dict(obj, "spec")
    _fill(spec, persistentVolumeReclaimPolicy="Retain", volumeMode="Filesystem")
    _quantities(spec, "capacity")


def binding(obj):
    if isinstance(obj.get("roleRef"), dict):
        _fill(obj["roleRef"], apiGroup="rbac.authorization.k8s.io")
    for subject in _list(obj, "subjects"):
        if subject.get("kind") in ("User", "Group"):
            _fill(subject, apiGroup="rbac.authorization.k8s.io")
        elif subject.get("kind") == "ServiceAccount" and obj.get("kind") == "RoleBinding":
            _fill(subject, namespace=obj["metadata"].get("namespace"))


def cluster_role(obj):
    _fill(obj, rules=[])


def secret(obj):
    _fill(obj, type="Opaque")
    if isinstance(obj.get("stringData"), dict):
        data = obj.setdefault("data", {})
        for key, value in obj.pop("stringData").items():
            data[key] = base64.b64encode(str(value).encode()).decode()


def network_policy(obj):
    spec = obj.setdefault("spec", {})
    _fill(spec, podSelector={})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress"] + (["Egress"] if spec.get("egress") else [])
    for side in ("ingress", "egress"):
        for rule in _list(spec, side):
            for port in _list(rule, "ports"):
                _fill(port, protocol="TCP")


def storage_class(obj):
    _fill(obj, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def priority_class(obj):
    _fill(obj, preemptionPolicy="PreemptLowerPriority", value=0)


def definition(obj):
    spec = _dict(obj, "spec")
    names = _dict(spec, "names")
    if names.get("kind"):
        _fill(names, singular=names["kind"].lower(), listKind=names["kind"] + "List")
    _fill(spec, conversion={"strategy": "None"})


def limit_range(obj):
    for limit in _list(_dict(obj, "spec"), "limits"):
        for key in ("default", "defaultRequest", "max", "min", "maxLimitRequestRatio"):
            _quantities(limit, key)


def quota(obj):
    _quantities(_dict(obj, "spec"), "hard")


def endpoints(obj):
    for subset in _list(obj, "subsets"):
        for port in _list(subset, "ports"):
            _fill(port, protocol="TCP")


def namespace(obj):
    name = obj["metadata"].get("name")
    if name:
        labels = obj["metadata"].get("labels") or {}
        obj["metadata"]["labels"] = dict(labels, **{"kubernetes.io/metadata.name": name})
    spec = obj.setdefault("spec", {})
    if not obj["metadata"].get("deletionTimestamp"):
        _fill(spec, finalizers=["kubernetes"])


def node(obj):
    for key in ("capacity", "allocatable"):
        _quantities(_dict(obj, "status"), key)


_RBAC = "rbac.authorization.k8s.io"
_BY_KEY = {
    ("", "pods"): pod, ("", "services"): service, ("", "namespaces"): namespace,
    ("", "secrets"): secret, ("", "persistentvolumeclaims"): claim,
    ("", "persistentvolumes"): volume, ("", "limitranges"): limit_range,
    ("", "resourcequotas"): quota, ("", "endpoints"): endpoints, ("", "nodes"): node,
    ("apps", "deployments"): deployment, ("apps", "daemonsets"): daemonset,
    ("apps", "statefulsets"): statefulset, ("apps", "replicasets"): replicaset,
    ("batch", "jobs"): job, ("batch", "cronjobs"): cronjob,
    ("autoscaling", "horizontalpodautoscalers"): autoscaler,
    (_RBAC, "rolebindings"): binding, (_RBAC, "clusterrolebindings"): binding,
    (_RBAC, "clusterroles"): cluster_role, (_RBAC, "roles"): cluster_role,
    ("networking.k8s.io", "networkpolicies"): network_policy,
    ("storage.k8s.io", "storageclasses"): storage_class,
    ("scheduling.k8s.io", "priorityclasses"): priority_class,
    ("apiextensions.k8s.io", "customresourcedefinitions"): definition,
}


def apply_defaults(resource, obj):
    """Fills in one object of a built-in resource; 400 for malformed values."""
    function = _BY_KEY.get(resource.key)
    if function is None:
        return
    try:
        function(obj)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a '
            f"{resource.kind}: {error}") from None
