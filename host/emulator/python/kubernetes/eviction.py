"""Evictions: a pod is deleted through the budgets that select it, as the API server's
``pods/eviction`` does it, with its answers."""

from . import errors, resources
from .controllers import _finished, _ready
from .selectors import selects

_SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def evict(router, body, context, namespace, name):
    """What the server answers to an Eviction."""
    if not isinstance(body, dict):
        raise errors.bad_request("the body is no Eviction")
    named = (body.get("metadata") or {}).get("name")
    if named and named != name:
        raise errors.bad_request(f"name in URL does not match name in Eviction object: {named}")
    options = body.get("deleteOptions") or {}
    with router.store.lock:
        router.cluster.sync()
        pod = router.ops.find(resources.PODS, namespace, name)
        if not _ignores_budgets(pod):
            _through_budgets(router, pod)
        router.ops.delete(resources.PODS, pod, options, context)
        router.cluster.sync()
    return _SUCCESS


def _ignores_budgets(pod):
    """Pods that serve nobody, or go already."""
    phase = (pod.get("status") or {}).get("phase")
    return _finished(pod) or phase == "Pending" or bool(pod["metadata"].get("deletionTimestamp"))


def _through_budgets(router, pod):
    labels = pod["metadata"].get("labels") or {}
    budgets = [budget for budget in router.store.items(("policy", "poddisruptionbudgets"), pod["metadata"]["namespace"])
               if selects((budget.get("spec") or {}).get("selector"), labels)]
    if not budgets:
        return
    if len(budgets) > 1:
        raise errors.internal("This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.")
    (budget,) = budgets
    name, status = budget["metadata"]["name"], budget.get("status") or {}
    healthy, wanted = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    if not _ready(pod):
        always = (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
        if always or (healthy >= wanted and wanted > 0):
            return
    if status.get("disruptionsAllowed", 0) < 1:
        raise _too_many(f"The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently")


def _too_many(why):
    details = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    message = "Cannot evict pod as it would violate the pod's disruption budget."
    return errors.ApiError(429, "TooManyRequests", message, details)
