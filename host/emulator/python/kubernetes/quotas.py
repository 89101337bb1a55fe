"""Resource quotas, as far as they count pods and what pods ask for."""

from decimal import Decimal

from . import errors, quantities, resources

KEY = ("", "resourcequotas")
_SHORT = {"cpu": "requests.cpu", "memory": "requests.memory"}


def counted(name):
    """Whether a quota's entry is one of pods."""
    return name in ("pods", "count/pods", "cpu", "memory") or name.startswith(("requests.", "limits.")) and name != "requests.storage"


def usage(pods, name):
    """How much of a quota's entry pods use."""
    if name in ("pods", "count/pods"):
        return Decimal(len(pods))
    kind, _, resource = _SHORT.get(name, name).partition(".")
    return sum((_asked(pod, kind, resource) or Decimal(0) for pod in pods), Decimal(0))


def _asked(pod, kind, resource):
    """What a pod's containers ask for together; nothing where one does not say."""
    total = Decimal(0)
    for container in pod["spec"]["containers"]:
        body = container.get("resources") or {}
        value = (body.get(kind) or {}).get(resource)
        if value is None and kind == "requests":
            value = (body.get("limits") or {}).get(resource)
        if value is None:
            return None
        total += quantities.parse(value)
    return total


def living(store, namespace):
    """The pods that count."""
    done = ("Succeeded", "Failed")
    return [pod for pod in store.items(resources.PODS.key, namespace) if (pod.get("status") or {}).get("phase") not in done]


def shown(name, value):
    """A quantity in the form that quotas show."""
    if "memory" in name and value and value % 1024 == 0:
        for suffix, power in (("Gi", 3), ("Mi", 2), ("Ki", 1)):
            if value % 1024 ** power == 0:
                return f"{int(value / 1024 ** power)}{suffix}"
    return quantities.canonical(str(value.normalize()) if value % 1 else str(int(value)))


def check(store, resource, pod):
    """Raises Forbidden where a pod does not fit into a quota of its namespace."""
    namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
    for quota in store.items(KEY, namespace):
        hard = {key: value for key, value in ((quota.get("spec") or {}).get("hard") or {}).items() if counted(key)}
        label = quota["metadata"]["name"]
        must = [key for key in sorted(hard) if "/" not in key and key != "pods" and "nvidia" not in key]
        silent = [key for key in must if _asked(pod, *_SHORT.get(key, key).split(".", 1)) is None]
        if silent:
            names = [container["name"] for container in pod["spec"]["containers"]]
            listed = "; ".join(f"{key} for: {','.join(names)}" for key in silent)
            raise errors.forbidden(resource, name, f"failed quota: {label}: must specify {listed}")
        pods = living(store, namespace)
        over = [key for key in sorted(hard) if usage([pod], key) and usage(pods, key) + usage([pod], key) > quantities.parse(hard[key])]
        if over:
            requested = ",".join(f"{key}={shown(key, usage([pod], key))}" for key in over)
            used = ",".join(f"{key}={shown(key, usage(pods, key))}" for key in over)
            limited = ",".join(f"{key}={quantities.canonical(hard[key])}" for key in over)
            raise errors.forbidden(resource, name, f"exceeded quota: {label}, requested: {requested}, used: {used}, limited: {limited}")
