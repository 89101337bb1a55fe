"""Validation of objects: names, labels, required and immutable fields.

Covers the mistakes that configurations make in practice, not the whole of the
API server's validation."""

import re

from . import quantities
from .apply import same
from .errors import FieldErrors, bad_request
from .selectors import selects

_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_DNS1035 = re.compile(r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_QUALIFIED = re.compile(r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$")
_DATA_KEY = re.compile(r"^[-._a-zA-Z0-9]+$")

_LABEL_TEXT = ("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or "
               "'-', and must start and end with an alphanumeric character (e.g. 'my-name',  or "
               "'123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')")
_SUBDOMAIN_TEXT = ("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                   "characters, '-' or '.', and must start and end with an alphanumeric character "
                   "(e.g. 'example.com', regex used for validation is "
                   "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')")
_DNS1035_TEXT = ("a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
                 "start with an alphabetic character, and end with an alphanumeric character (e.g. "
                 "'my-name',  or 'abc-123', regex used for validation is "
                 "'[a-z]([-a-z0-9]*[a-z0-9])?')")
_VALUE_TEXT = ("a valid label must be an empty string or consist of alphanumeric characters, '-', "
               "'_' or '.', and must start and end with an alphanumeric character (e.g. "
               "'MyValue',  or 'my_value',  or '12345', regex used for validation is "
               "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')")
_NAME_TEXT = ("name part must consist of alphanumeric characters, '-', '_' or '.', and must start "
              "and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or "
              "'123-abc', regex used for validation is "
              "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')")


def _check_name(errors, field, name, rule):
    if rule == "path":
        if name in (".", ".."):
            errors.invalid(field, name, f"may not be '{name}'")
        for char in "/%":
            if char in name:
                errors.invalid(field, name, f"may not contain '{char}'")
        return
    pattern, text, limit = {
        "label": (_LABEL, _LABEL_TEXT, 63),
        "dns1035": (_DNS1035, _DNS1035_TEXT, 63),
        "subdomain": (_SUBDOMAIN, _SUBDOMAIN_TEXT, 253),
    }[rule]
    if len(name) > limit:
        errors.invalid(field, name, f"must be no more than {limit} characters")
    if not pattern.match(name):
        errors.invalid(field, name, text)


def _labels(errors, field, labels):
    for key, value in (labels or {}).items():
        _qualified(errors, field, key)
        if len(value) > 63:
            errors.invalid(field, value, "must be no more than 63 bytes")
        if not _VALUE.match(value):
            errors.invalid(field, value, _VALUE_TEXT)


def _qualified(errors, field, key):
    prefix, slash, name = key.rpartition("/")
    if slash and not _SUBDOMAIN.match(prefix):
        errors.invalid(field, key, "prefix part " + _SUBDOMAIN_TEXT)
    if not name:
        errors.invalid(field, key, "name part must be non-empty")
    elif len(name) > 63:
        errors.invalid(field, key, "name part must be no more than 63 bytes")
    if not _QUALIFIED.match(name):
        errors.invalid(field, key, _NAME_TEXT)


# The JSON types of fields by their names, for decoding errors. A name that means
# different things in different places is written with its parent.
_OBJECTS = set("""metadata spec template selector strategy updateStrategy rollingUpdate affinity
    nodeAffinity podAffinity podAntiAffinity requiredDuringSchedulingIgnoredDuringExecution/nodeAffinity
    securityContext emptyDir configMap secret hostPath projected downwardAPI persistentVolumeClaim
    livenessProbe readinessProbe startupProbe httpGet exec tcpSocket grpc lifecycle valueFrom
    configMapKeyRef secretKeyRef fieldRef resourceFieldRef resource/metrics target scaleTargetRef
    behavior scaleUp scaleDown roleRef jobTemplate names conversion openAPIV3Schema schema
    resources/containers resources/initContainers resources/spec podSelector namespaceSelector
    defaultBackend http backend service/backend ephemeral volumeClaimTemplate
    persistentVolumeClaimRetentionPolicy ordinals subresources labelSelector""".split())
_LISTS = set("""containers initContainers ephemeralContainers volumes env envFrom volumeMounts
    ports tolerations topologySpreadConstraints hostAliases imagePullSecrets ownerReferences
    nodeSelectorTerms matchExpressions matchFields metrics policies subjects rules versions
    volumeClaimTemplates secrets ingress/spec egress/spec paths taints subsets sources
    limits/spec""".split())
_STRING_LISTS = set("""finalizers command args accessModes verbs apiGroups resourceNames
    resources/rules shortNames categories policyTypes values externalIPs ipFamilies
    clusterIPs""".split())
_STRINGS = set("""name/metadata name/containers name/initContainers name/env name/volumes
    name/volumeMounts name/roleRef name/subjects name/scaleTargetRef name/ports name/versions
    name/resource namespace image value/env imagePullPolicy restartPolicy dnsPolicy
    serviceAccountName serviceAccount mountPath clusterIP type/spec type/strategy
    type/updateStrategy kind plural singular listKind group scope schedule provisioner pathType
    key/tolerations operator effect value/tolerations generateName storageClassName protocol
    type/target type/metrics type apiVersion podManagementPolicy key/matchExpressions uid
    resourceVersion nodeName""".split())
_NUMBERS = set("""replicas minReplicas maxReplicas revisionHistoryLimit progressDeadlineSeconds
    backoffLimit parallelism completions containerPort hostPort port/ports nodePort
    minReadySeconds terminationGracePeriodSeconds tolerationSeconds averageUtilization
    initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold defaultMode
    partition start/ordinals""".split())
_BOOLEANS = set("""hostNetwork readOnly optional immutable suspend served storage paused
    automountServiceAccountToken manualSelector""".split())
_STRING_MAPS = set("""labels annotations matchLabels nodeSelector data stringData binaryData
    parameters selector/service""".split())
_QUANTITY_MAPS = set("""limits requests hard capacity overhead""".split())
_NAMES = ((_OBJECTS, "object"), (_LISTS, "array"), (_STRING_LISTS, "strings"),
          (_STRINGS, "string"), (_NUMBERS, "int32"), (_BOOLEANS, "bool"),
          (_STRING_MAPS, "map"), (_QUANTITY_MAPS, "quantities"))
_TYPE_OF = {name: wanted for names, wanted in _NAMES for name in names}


def types(obj, resource):
    """The first value of a wrong type as (path, wanted type, value), or None.

    These are errors of decoding, before any validation. Null is always accepted."""
    if resource.key == ("", "services") and isinstance(obj.get("spec"), dict):
        selector = obj["spec"].get("selector")
        wrong = _strings("spec.selector", selector)
        if wrong:
            return wrong
    # Nobody but controllers writes the status.
    return _walk_types({k: v for k, v in obj.items() if k != "status"}, "", "")


def _strings(path, value):
    if value is None:
        return None
    if not isinstance(value, dict):
        return path, "map[string]string", value
    for key, item in value.items():
        if item is not None and not isinstance(item, str):
            return path, "string", item, key
    return None


def _walk_types(obj, path, parent):
    for key, value in obj.items():
        if value is None:
            continue
        where = f"{path}.{key}" if path else key
        wanted = _TYPE_OF.get(f"{key}/{parent}") or _TYPE_OF.get(key)
        wrong = None
        if wanted == "object":
            if not isinstance(value, dict):
                return where, "object", value
            if key != "openAPIV3Schema":
                wrong = _walk_types(value, where, key)
        elif wanted == "array":
            if not isinstance(value, list):
                return where, "array", value
            for item in value:
                if not isinstance(item, dict):
                    return where, "object", item
                wrong = wrong or _walk_types(item, where, key)
        elif wanted == "strings":
            if not isinstance(value, list):
                return where, "array", value
            wrong = next(((where, "string", v) for v in value if not isinstance(v, str)), None)
        elif wanted == "string":
            if not isinstance(value, str):
                return where, "string", value
        elif wanted == "int32":
            if isinstance(value, bool) or not isinstance(value, int):
                return where, "int32", value
        elif wanted == "bool":
            if not isinstance(value, bool):
                return where, "bool", value
        elif wanted == "map":
            wrong = _strings(where, value)
        elif wanted == "quantities":
            if not isinstance(value, dict):
                return where, "object", value
        elif isinstance(value, dict):
            wrong = _walk_types(value, where, key)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, dict):
                    wrong = wrong or _walk_types(item, where, key)
        if wrong:
            return wrong
    return None


def bad_quantity(value):
    """What is wrong with the first quantity that is none, in the requests and limits below a value."""
    if isinstance(value, list):
        return next(filter(None, map(bad_quantity, value)), None)
    if not isinstance(value, dict):
        return None
    for key, child in value.items():
        amounts = child.values() if key in _QUANTITY_MAPS and isinstance(child, dict) else ()
        for amount in amounts:
            try:
                quantities.parse(amount)
            except ValueError as error:
                return str(error)
        found = None if amounts else bad_quantity(child)
        if found:
            return found
    return None


def metadata(errors, obj, resource):
    meta = obj["metadata"]
    if not meta.get("name"):
        errors.required("metadata.name", "name or generateName is required")
    else:
        _check_name(errors, "metadata.name", meta["name"], resource.name_rule)
    _labels(errors, "metadata.labels", meta.get("labels"))
    for key in meta.get("annotations") or {}:
        _qualified(errors, "metadata.annotations", key.lower())
    for number, owner in enumerate(meta.get("ownerReferences") or []):
        for key in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(key):
                errors.invalid(f"metadata.ownerReferences[{number}].{key}", owner.get(key) or "",
                               "must not be empty" if key != "apiVersion" else "version must not be empty")


# -- pods -------------------------------------------------------------------

def _resources(errors, field, resources):
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name, value in requests.items():
        if quantities.parse(value) < 0:
            errors.invalid(f"{field}.requests[{name}]", value, "must be greater than or equal to 0")
        extended = "/" in name and not name.startswith("kubernetes.io/")
        if name in limits:
            most = quantities.parse(limits[name])
            if extended and quantities.parse(value) != most:
                errors.invalid(f"{field}.requests", value,
                               f"must be equal to {name} limit of {limits[name]}")
            elif quantities.parse(value) > most:
                errors.invalid(f"{field}.requests", value,
                               f"must be less than or equal to {name} limit of {limits[name]}")
        elif extended:
            errors.required(f"{field}.limits", "Limit must be set for non overcommitable resources")
    for name, value in limits.items():
        if "/" in name and quantities.parse(value) % 1:
            errors.invalid(f"{field}.limits[{name}]", value, "must be an integer")


def _port(errors, field, value):
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        errors.invalid(field, value, "must be between 1 and 65535, inclusive")


def _containers(errors, field, containers, volumes, seen):
    for number, container in enumerate(containers):
        at = f"{field}[{number}]"
        name = container.get("name")
        if not name:
            errors.required(f"{at}.name")
        else:
            _check_name(errors, f"{at}.name", name, "label")
            if name in seen:
                errors.duplicate(f"{at}.name", name)
            seen.add(name)
        if not container.get("image"):
            errors.required(f"{at}.image")
        policy = container.get("imagePullPolicy")
        if policy not in ("Always", "IfNotPresent", "Never"):
            errors.unsupported(f"{at}.imagePullPolicy", policy, ["Always", "IfNotPresent", "Never"])
        for index, port in enumerate(container.get("ports") or []):
            if port.get("containerPort") is None:
                errors.required(f"{at}.ports[{index}].containerPort")
            else:
                _port(errors, f"{at}.ports[{index}].containerPort", port["containerPort"])
            if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
                errors.unsupported(f"{at}.ports[{index}].protocol", port.get("protocol"),
                                   ["SCTP", "TCP", "UDP"])
        for index, variable in enumerate(container.get("env") or []):
            if not variable.get("name"):
                errors.required(f"{at}.env[{index}].name")
            if variable.get("value") and variable.get("valueFrom"):
                errors.invalid(f"{at}.env[{index}].valueFrom", "",
                               "may not be specified when `value` is not empty")
        mounted = set()
        for index, mount in enumerate(container.get("volumeMounts") or []):
            if not mount.get("name"):
                errors.required(f"{at}.volumeMounts[{index}].name")
            elif mount["name"] not in volumes:
                errors.missing(f"{at}.volumeMounts[{index}].name", mount["name"])
            path = mount.get("mountPath")
            if not path:
                errors.required(f"{at}.volumeMounts[{index}].mountPath")
            elif path in mounted:
                errors.invalid(f"{at}.volumeMounts[{index}].mountPath", path, "must be unique")
            mounted.add(path)
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            body = container.get(probe)
            handlers = [k for k in ("exec", "httpGet", "tcpSocket", "grpc") if isinstance(body, dict) and body.get(k)]
            if isinstance(body, dict) and not handlers:
                errors.required(f"{at}.{probe}", "must specify a handler type")
            for handler in handlers[1:]:
                errors.forbidden(f"{at}.{probe}.{handler}", "may not specify more than 1 handler type")
        _resources(errors, f"{at}.resources", container.get("resources") or {})


def pod_spec(errors, field, spec):
    if not isinstance(spec, dict) or not spec.get("containers"):
        errors.required(f"{field}.containers")
        return
    volumes = set()
    for number, volume in enumerate(spec.get("volumes") or []):
        if not volume.get("name"):
            errors.required(f"{field}.volumes[{number}].name")
        elif volume["name"] in volumes:
            errors.duplicate(f"{field}.volumes[{number}].name", volume["name"])
        else:
            _check_name(errors, f"{field}.volumes[{number}].name", volume["name"], "label")
        for kind in sorted(key for key in volume if key != "name" and volume[key] is not None)[1:]:
            errors.forbidden(f"{field}.volumes[{number}].{kind}", "may not specify more than 1 volume type")
        volumes.add(volume.get("name"))
    seen = set()
    _containers(errors, f"{field}.containers", spec["containers"], volumes, seen)
    _containers(errors, f"{field}.initContainers", spec.get("initContainers") or [], volumes, seen)
    if spec.get("restartPolicy") not in ("Always", "OnFailure", "Never"):
        errors.unsupported(f"{field}.restartPolicy", spec.get("restartPolicy"),
                           ["Always", "OnFailure", "Never"])
    for number, item in enumerate(spec.get("tolerations") or []):
        operator = item.get("operator") or "Equal"
        if operator not in ("Equal", "Exists"):
            errors.unsupported(f"{field}.tolerations[{number}].operator", operator,
                               ["Equal", "Exists"])
        if operator == "Exists" and item.get("value"):
            errors.invalid(f"{field}.tolerations[{number}].operator", item,
                           "value must be empty when `operator` is 'Exists'")
        if not item.get("key") and operator != "Exists":
            errors.invalid(f"{field}.tolerations[{number}].operator", operator,
                           "operator must be Exists when `key` is empty, which means \"match all "
                           "values and all keys\"")
        if item.get("effect") not in (None, "", "NoSchedule", "PreferNoSchedule", "NoExecute"):
            errors.unsupported(f"{field}.tolerations[{number}].effect", item["effect"],
                               ["NoSchedule", "PreferNoSchedule", "NoExecute"])
    _labels(errors, f"{field}.nodeSelector", spec.get("nodeSelector"))


def _template(errors, obj, restart=("Always",)):
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        errors.required("spec")
        return
    template = spec.get("template") or {}
    meta = template.get("metadata") or {}
    _labels(errors, "spec.template.labels", meta.get("labels"))
    pod_spec(errors, "spec.template.spec", template.get("spec"))
    policy = (template.get("spec") or {}).get("restartPolicy")
    if policy == "Always" and policy not in restart:
        errors.required("spec.template.spec.restartPolicy", "valid values: " + ", ".join(f'"{value}"' for value in restart))
    elif policy is not None and policy not in restart:
        errors.unsupported("spec.template.spec.restartPolicy", policy, list(restart))


def _non_negative(errors, spec, *keys):
    for key in keys:
        value = spec.get(key)
        if isinstance(value, int) and value < 0:
            errors.invalid(f"spec.{key}", value, "must be greater than or equal to 0")


def _workload(errors, obj):
    spec = obj.get("spec") or {}
    selector = spec.get("selector")
    if selector is None:
        errors.required("spec.selector")
    else:
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            errors.invalid("spec.selector", selector,
                           f"empty selector is invalid for {obj['kind'].lower()}")
        labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
        if not selects(selector, labels):
            errors.invalid("spec.template.metadata.labels", labels or None,
                           "`selector` does not match template `labels`")
    _template(errors, obj)
    _non_negative(errors, spec, "replicas", "revisionHistoryLimit", "minReadySeconds")


_PERCENT = re.compile(r"^[0-9]+%$")


def _count_or_share(errors, field, value):
    """A number or a percentage."""
    if value is None or isinstance(value, int) and not isinstance(value, bool):
        if isinstance(value, int) and value < 0:
            errors.invalid(field, value, "must be greater than or equal to 0")
    elif not isinstance(value, str) or not _PERCENT.match(value):
        errors.invalid(field, value, "a valid percent string must be a numeric string followed by "
                       "an ending '%' (e.g. '1%',  or '93%', regex used for validation is "
                       "'[0-9]+%')")


def _deployment(errors, obj):
    _workload(errors, obj)
    spec = obj.get("spec") or {}
    strategy = spec.get("strategy") or {}
    if strategy.get("type") not in ("RollingUpdate", "Recreate"):
        errors.unsupported("spec.strategy.type", strategy.get("type"), ["Recreate", "RollingUpdate"])
    elif strategy["type"] == "Recreate" and strategy.get("rollingUpdate"):
        errors.forbidden("spec.strategy.rollingUpdate",
                         "may not be specified when strategy `type` is 'Recreate'")
    elif strategy["type"] == "RollingUpdate":
        rolling = strategy.get("rollingUpdate") or {}
        for key in ("maxSurge", "maxUnavailable"):
            _count_or_share(errors, f"spec.strategy.rollingUpdate.{key}", rolling.get(key))
        if rolling.get("maxSurge") in (0, "0%") and rolling.get("maxUnavailable") in (0, "0%"):
            errors.invalid("spec.strategy.rollingUpdate.maxUnavailable", rolling["maxUnavailable"],
                           "may not be 0 when `maxSurge` is 0")
    deadline = spec.get("progressDeadlineSeconds")
    if isinstance(deadline, int) and deadline <= (spec.get("minReadySeconds") or 0):
        errors.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _pod(errors, obj):
    pod_spec(errors, "spec", obj.get("spec"))


def _job(errors, obj):
    _template(errors, obj, ("OnFailure", "Never"))
    _non_negative(errors, obj.get("spec") or {}, "parallelism", "completions", "backoffLimit")


def _cronjob(errors, obj):
    spec = obj.get("spec") or {}
    if not spec.get("schedule"):
        errors.required("spec.schedule")
    elif not spec["schedule"].startswith("@") and len(spec["schedule"].split()) != 5:
        errors.invalid("spec.schedule", spec["schedule"],
                       f"expected exactly 5 fields, found {len(spec['schedule'].split())}: "
                       f"[{spec['schedule']}]")
    inner = ((spec.get("jobTemplate") or {}).get("spec") or {}).get("template") or {}
    pod_spec(errors, "spec.jobTemplate.spec.template.spec", inner.get("spec"))
    policy = (inner.get("spec") or {}).get("restartPolicy")
    if policy == "Always":
        errors.unsupported("spec.jobTemplate.spec.template.spec.restartPolicy", policy,
                           ["OnFailure", "Never"])


def _service(errors, obj):
    spec = obj.get("spec") or {}
    kind = spec.get("type")
    if kind not in ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"):
        errors.unsupported("spec.type", kind,
                           ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"])
    ports = spec.get("ports") or []
    if not ports and kind != "ExternalName" and spec.get("clusterIP") != "None":
        errors.required("spec.ports")
    if kind == "ExternalName" and not spec.get("externalName"):
        errors.required("spec.externalName")
    names, taken = set(), set()
    for number, port in enumerate(ports):
        at = f"spec.ports[{number}]"
        if len(ports) > 1 and not port.get("name"):
            errors.required(f"{at}.name")
        if port.get("name"):
            if port["name"] in names:
                errors.duplicate(f"{at}.name", port["name"])
            names.add(port["name"])
        _port(errors, f"{at}.port", port.get("port", 0))
        if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
            errors.unsupported(f"{at}.protocol", port.get("protocol"), ["SCTP", "TCP", "UDP"])
        target = port.get("targetPort")
        if isinstance(target, int):
            _port(errors, f"{at}.targetPort", target)
        pair = (port.get("port"), port.get("protocol"))
        if pair in taken:
            errors.duplicate(at, {"port": pair[0], "protocol": pair[1]})
        taken.add(pair)
    _labels(errors, "spec.selector", spec.get("selector"))


def _autoscaler(errors, obj):
    spec = obj.get("spec") or {}
    target = spec.get("scaleTargetRef") or {}
    low, high = spec.get("minReplicas", 1), spec.get("maxReplicas", 0)
    if low < 1:
        errors.invalid("spec.minReplicas", low, "must be greater than or equal to 1")
    if high < 1:
        errors.invalid("spec.maxReplicas", high, "must be greater than 0")
    elif high < low:
        errors.invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`")
    for key in ("kind", "name"):
        if not target.get(key):
            errors.required(f"spec.scaleTargetRef.{key}")
    if target.get("kind") in ("Deployment", "ReplicaSet", "StatefulSet") and "/" not in (target.get("apiVersion") or ""):
        errors.invalid("spec.scaleTargetRef.apiVersion", target.get("apiVersion") or "", "apiVersion must specify API group")


def _budget(errors, obj):
    spec = obj.get("spec") or {}
    for key in ("minAvailable", "maxUnavailable"):
        _count_or_share(errors, f"spec.{key}", spec.get(key))
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        # Printed as Go has it.
        errors.invalid("spec", {"MinAvailable": spec["minAvailable"], "Selector": spec.get("selector"),
                                "MaxUnavailable": spec["maxUnavailable"],
                                "UnhealthyPodEvictionPolicy": spec.get("unhealthyPodEvictionPolicy")},
                       "minAvailable and maxUnavailable cannot be both set")


def _binding(errors, obj):
    reference = obj.get("roleRef") or {}
    kinds = ["Role", "ClusterRole"] if obj.get("kind") == "RoleBinding" else ["ClusterRole"]
    if reference.get("kind") not in kinds:
        errors.unsupported("roleRef.kind", reference.get("kind") or "", kinds)
    if not reference.get("name"):
        errors.required("roleRef.name")
    for number, subject in enumerate(obj.get("subjects") or []):
        if not subject.get("name"):
            errors.required(f"subjects[{number}].name")
        if subject.get("kind") == "ServiceAccount" and not subject.get("namespace"):
            errors.required(f"subjects[{number}].namespace")
        elif subject.get("kind") not in ("ServiceAccount", "User", "Group"):
            errors.unsupported(f"subjects[{number}].kind", subject.get("kind") or "",
                               ["ServiceAccount", "User", "Group"])


def _rules(errors, obj):
    for number, rule in enumerate(obj.get("rules") or []):
        if not rule.get("verbs"):
            errors.required(f"rules[{number}].verbs", "verbs must contain at least one value")


def _data(errors, obj):
    for field in ("data", "binaryData"):
        for key in obj.get(field) or {}:
            if not _DATA_KEY.match(key):
                errors.invalid(f"{field}[{key}]", key,
                               "a valid config key must consist of alphanumeric characters, '-', "
                               "'_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex "
                               "used for validation is '[-._a-zA-Z0-9]+')")


# What a secret of a type must hold.
_SECRETS = {"kubernetes.io/tls": ("tls.crt", "tls.key"), "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
            "kubernetes.io/ssh-auth": ("ssh-privatekey",)}


def _secret(errors, obj):
    _data(errors, obj)
    for key in _SECRETS.get(obj.get("type"), ()):
        if key not in (obj.get("data") or {}):
            errors.required(f"data[{key}]")


def _claim(errors, obj):
    spec = obj.get("spec") or {}
    if not spec.get("accessModes"):
        errors.required("spec.accessModes", "at least 1 access mode is required")
    if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
        errors.required("spec.resources[storage]")


def _ingress(errors, obj):
    for number, rule in enumerate((obj.get("spec") or {}).get("rules") or []):
        for index, path in enumerate((rule.get("http") or {}).get("paths") or []):
            if not path.get("pathType"):
                errors.required(f"spec.rules[{number}].http.paths[{index}].pathType",
                                "pathType must be specified")


def _storage_class(errors, obj):
    if not obj.get("provisioner"):
        errors.required("provisioner")


def _definition(errors, obj):
    spec = obj.get("spec") or {}
    names = spec.get("names") or {}
    for key in ("group", "scope"):
        if not spec.get(key):
            errors.required(f"spec.{key}")
    for key in ("plural", "kind"):
        if not names.get(key):
            errors.required(f"spec.names.{key}")
    wanted = f"{names.get('plural')}.{spec.get('group')}"
    if obj["metadata"].get("name") != wanted:
        errors.invalid("metadata.name", obj["metadata"].get("name"),
                       'must be spec.names.plural+"."+spec.group')
    if spec.get("scope") not in (None, "Namespaced", "Cluster"):
        errors.unsupported("spec.scope", spec["scope"], ["Cluster", "Namespaced"])
    versions = spec.get("versions") or []
    if sum(bool(v.get("storage")) for v in versions) != 1:
        errors.invalid("spec.versions", [v.get("name") for v in versions],
                       "must have exactly one version marked as storage version")
    for number, version in enumerate(versions):
        if not version.get("name"):
            errors.required(f"spec.versions[{number}].name")
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            errors.required(f"spec.versions[{number}].schema.openAPIV3Schema",
                            "schemas are required")
        # A schema that is the same for all versions is named as what it once was.
        place = "spec.validation" if len(versions) == 1 else f"spec.versions[{number}].schema"
        _list_keys(errors, (version.get("schema") or {}).get("openAPIV3Schema"), f"{place}.openAPIV3Schema")


def _list_keys(errors, schema, path):
    """The keys of a list's entries have to be there in each."""
    if not isinstance(schema, dict):
        return
    items = schema.get("items")
    if schema.get("x-kubernetes-list-type") == "map" and isinstance(items, dict):
        known = items.get("properties") or {}
        for key in schema.get("x-kubernetes-list-map-keys") or ():
            if key in known and key not in (items.get("required") or ()) and "default" not in known[key]:
                errors.required(
                    f"{path}.items.properties[{key}].default",
                    "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property")
    for key, child in (schema.get("properties") or {}).items():
        _list_keys(errors, child, f"{path}.properties[{key}]")
    _list_keys(errors, items, f"{path}.items")
    _list_keys(errors, schema.get("additionalProperties"), f"{path}.additionalProperties")


_RBAC = "rbac.authorization.k8s.io"
_BY_KEY = {
    ("", "pods"): _pod, ("", "services"): _service, ("", "configmaps"): _data,
    ("", "secrets"): _secret, ("", "persistentvolumeclaims"): _claim,
    ("apps", "deployments"): _deployment, ("apps", "daemonsets"): _workload,
    ("apps", "statefulsets"): _workload, ("apps", "replicasets"): _workload,
    ("batch", "jobs"): _job, ("batch", "cronjobs"): _cronjob,
    ("autoscaling", "horizontalpodautoscalers"): _autoscaler,
    ("policy", "poddisruptionbudgets"): _budget,
    (_RBAC, "rolebindings"): _binding, (_RBAC, "clusterrolebindings"): _binding,
    (_RBAC, "roles"): _rules, (_RBAC, "clusterroles"): _rules,
    ("networking.k8s.io", "ingresses"): _ingress,
    ("storage.k8s.io", "storageclasses"): _storage_class,
    ("apiextensions.k8s.io", "customresourcedefinitions"): _definition,
}


# -- updates ----------------------------------------------------------------

def _frozen(errors, old, new, *path):
    before, after = old, new
    for key in path:
        before = before.get(key) if isinstance(before, dict) else None
        after = after.get(key) if isinstance(after, dict) else None
    if not same(before, after):
        errors.immutable(".".join(path), after)


def _pod_frozen(spec):
    out = {k: v for k, v in spec.items()
           if k not in ("tolerations", "activeDeadlineSeconds", "nodeName",
                        "terminationGracePeriodSeconds")}
    for kind in ("containers", "initContainers"):
        if kind in out:
            out[kind] = [{k: v for k, v in c.items() if k not in ("image", "imagePullPolicy")}
                         for c in out[kind]]
    return out


def _update(errors, resource, old, new):
    key = resource.key
    if key in (("apps", "deployments"), ("apps", "daemonsets"), ("apps", "replicasets")):
        _frozen(errors, old, new, "spec", "selector")
    elif key == ("apps", "statefulsets"):
        allowed = ("replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
                   "persistentVolumeClaimRetentionPolicy", "minReadySeconds")
        before = {k: v for k, v in old["spec"].items() if k not in allowed}
        after = {k: v for k, v in new["spec"].items() if k not in allowed}
        if not same(before, after):
            errors.forbidden("spec", "updates to statefulset spec for fields other than 'replicas', "
                             "'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
                             "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
                             "forbidden")
    elif key == ("batch", "jobs"):
        _frozen(errors, old, new, "spec", "selector")
        _frozen(errors, old, new, "spec", "template")
        _frozen(errors, old, new, "spec", "completions")
        _frozen(errors, old, new, "spec", "completionMode")
    elif key == ("", "pods"):
        if not same(_pod_frozen(old["spec"]), _pod_frozen(new["spec"])):
            errors.forbidden("spec", "pod updates may not change fields other than "
                             "`spec.containers[*].image`,`spec.initContainers[*].image`,"
                             "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
                             "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it "
                             "to be set to 1 if it was previously negative)")
    elif key == ("", "persistentvolumeclaims"):
        def shape(spec):
            return {k: v for k, v in spec.items() if k not in ("resources", "volumeName")}
        if not same(shape(old.get("spec") or {}), shape(new.get("spec") or {})):
            errors.forbidden("spec", "spec is immutable after creation except resources.requests "
                             "and volumeAttributesClassName for bound claims")
    elif key == ("", "services"):
        before, after = old["spec"], new["spec"]
        if before.get("type") != "ExternalName" and after.get("type") != "ExternalName" \
                and before.get("clusterIP") and before["clusterIP"] != after.get("clusterIP"):
            errors.immutable("spec.clusterIP", after.get("clusterIP", ""))
    elif key in ((_RBAC, "rolebindings"), (_RBAC, "clusterrolebindings")):
        if not same(old.get("roleRef"), new.get("roleRef")):
            # Printed as Go has it.
            shown = {key[0].upper() + key[1:]: value for key, value in (new.get("roleRef") or {}).items()}
            shown = {"APIGroup" if key == "ApiGroup" else key: value for key, value in shown.items()}
            errors.invalid("roleRef", shown, "cannot change roleRef")
    elif key in (("", "configmaps"), ("", "secrets")):
        if old.get("immutable"):
            for field in ("data", "binaryData"):
                if not same(old.get(field), new.get(field)):
                    errors.forbidden(field, "field is immutable when `immutable` is set")
        if key[1] == "secrets":
            _frozen(errors, old, new, "type")
    elif key == ("storage.k8s.io", "storageclasses"):
        for field in ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"):
            if not same(old.get(field), new.get(field)):
                errors.forbidden(field, f"updates to {field} are forbidden.")
    elif key == ("scheduling.k8s.io", "priorityclasses"):
        if old.get("value") != new.get("value"):
            errors.forbidden("value", "may not be changed in an update.")
    elif key == ("apiextensions.k8s.io", "customresourcedefinitions"):
        for path in (("spec", "group"), ("spec", "scope"), ("spec", "names", "plural"),
                     ("spec", "names", "kind")):
            _frozen(errors, old, new, *path)


def validate(resource, obj, old=None):
    """Raises the Invalid status when the object is not acceptable."""
    errors = FieldErrors()
    try:
        metadata(errors, obj, resource)
        if old is not None:
            _update_metadata(errors, old, obj)
        if resource.builtin:
            check = _BY_KEY.get(resource.key)
            # Some kinds look at what changed before they look at what is there.
            changes_first = resource.key in (("apps", "daemonsets"), ("", "secrets"))
            if old is not None and changes_first:
                _update(errors, resource, old, obj)
            if check is not None:
                check(errors, obj)
            if old is not None and not changes_first:
                _update(errors, resource, old, obj)
    except (TypeError, AttributeError, ValueError, KeyError) as error:
        # A value of a type that decoding would have refused.
        raise bad_request(
            f'{resource.kind} in version "{resource.version}" cannot be handled as a '
            f"{resource.kind}: {error}") from None
    errors.raise_for(resource.group, resource.kind, obj["metadata"].get("name") or "")


def _update_metadata(errors, old, new):
    if old["metadata"].get("deletionTimestamp"):
        before = old["metadata"].get("finalizers") or []
        for name in new["metadata"].get("finalizers") or []:
            if name not in before:
                errors.forbidden("metadata.finalizers",
                                 "no new finalizers can be added if the object is being deleted, "
                                 f"found new finalizers []string{{\"{name}\"}}")
