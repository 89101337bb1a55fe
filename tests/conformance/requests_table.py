"""The requests that both API servers are asked, in order: later ones build on earlier ones.

Each has a name, a method, a path, and where it needs them a body, a content type, who asks (`as`), what
of the answer is compared (`pick`; all of it otherwise), keys that are not (`ignore`), and a condition
that is waited for (`until`).
"""

from request_parts import (
    APPLY,
    CRDS,
    DEPLOYMENTS,
    JSON_PATCH,
    MERGE,
    NS,
    REQUESTS,
    STRATEGIC,
    WIDGETS,
    apply,
    ask,
    config_map,
    container,
    definition,
    has_condition,
    is_gone,
    keyless,
    outcome,
    spec_of,
    widget,
    workload,
)

# Known differences, by the request's name, and what they mean. Everything else has to be alike.
GAPS = {}

# Who asks

ask("without a token", "GET", "/api/v1/namespaces", **{"as": "no token"}, pick=outcome)
ask("a token that nobody signed", "GET", "/api/v1/namespaces", **{"as": "nobody"}, pick=outcome)
ask("a token of another cluster", "GET", "/api/v1/namespaces", **{"as": "other cluster"}, pick=outcome)
ask("an expired token", "GET", "/api/v1/namespaces", **{"as": "expired"}, pick=outcome)
ask("the version without a token", "GET", "/version", **{"as": "no token"}, pick=lambda body: body["minor"])
ask("a path that does not exist", "GET", "/apis/example.org/v1/things", pick=outcome)
ask("a kind that does not exist", "GET", "/api/v1/namespaces/default/things", pick=outcome)
ask("discovery of apps", "GET", "/apis/apps/v1", pick=lambda body: sorted(
    (it["name"], it["kind"], it["namespaced"]) for it in body["resources"] if not it["name"].startswith("controllerrevisions")))
ask("discovery of a group that does not exist", "GET", "/apis/example.org/v1", pick=outcome)

# Namespaces and simple objects

apply("a namespace by apply", NS, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "conformance", "labels": {"team": "ml"}}})
apply("the same namespace again", NS, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "conformance", "labels": {"team": "ml"}}})
ask("a namespace that exists", "POST", "/api/v1/namespaces", {"metadata": {"name": "conformance"}}, pick=outcome)
ask("a namespace with a bad name", "POST", "/api/v1/namespaces", {"metadata": {"name": "Bad_Name"}}, pick=outcome)
ask("its default service account", "GET", f"{NS}/serviceaccounts/default", until=lambda status, _: status == 200,
    pick=lambda body: body["kind"])
ask("an object in a namespace that does not exist", "POST", "/api/v1/namespaces/nowhere/configmaps", config_map(), pick=outcome)
apply("an apply into a namespace that does not exist", "/api/v1/namespaces/nowhere/configmaps/settings", config_map(), pick=outcome)
ask("an object that does not exist", "GET", f"{NS}/configmaps/none", pick=outcome)
ask("a deletion of what does not exist", "DELETE", f"{NS}/configmaps/none", pick=outcome)
apply("a config map by apply", f"{NS}/configmaps/settings", config_map())
apply("the same again", f"{NS}/configmaps/settings", config_map())
apply("a dry run of a change", f"{NS}/configmaps/settings", config_map(data={"a": "2"}), query="&dryRun=All")
ask("what a dry run left", "GET", f"{NS}/configmaps/settings")
apply("a dry run of something new", f"{NS}/configmaps/fresh", config_map("fresh"), query="&dryRun=All")
ask("nothing new after a dry run", "GET", f"{NS}/configmaps/fresh", pick=outcome)
apply("a conflict", f"{NS}/configmaps/settings", config_map(data={"a": "3"}), manager="other", pick=outcome)
apply("a conflict, forced", f"{NS}/configmaps/settings", config_map(data={"a": "3"}), manager="other", query="&force=true")
apply("who lost a field applies again", f"{NS}/configmaps/settings", config_map(data={"a": "1"}), pick=outcome)
apply("a field given up", f"{NS}/configmaps/settings", config_map(data={"b": "1"}))
ask("what both own", "GET", f"{NS}/configmaps/settings")
ask("a merge patch", "PATCH", f"{NS}/configmaps/settings?fieldManager=editor", {"data": {"c": "1", "b": None}}, type=MERGE)
ask("a JSON patch", "PATCH", f"{NS}/configmaps/settings?fieldManager=editor", [{"op": "add", "path": "/data/d", "value": "1"}], type=JSON_PATCH)
ask("a JSON patch of what is not there", "PATCH", f"{NS}/configmaps/settings", [{"op": "remove", "path": "/data/none"}],
    type=JSON_PATCH, pick=outcome)
ask("a failed test of a JSON patch", "PATCH", f"{NS}/configmaps/settings", [{"op": "test", "path": "/data/d", "value": "2"}],
    type=JSON_PATCH, pick=outcome)
ask("a patch of a type that does not exist", "PATCH", f"{NS}/configmaps/settings", {"data": {}}, type="application/json", pick=outcome)
ask("an apply without a manager", "PATCH", f"{NS}/configmaps/settings", config_map(), type=APPLY, pick=outcome)
apply("an apply of another name", f"{NS}/configmaps/settings", config_map("another", {"z": "1"}), pick=outcome)
apply("an apply of another kind", f"{NS}/configmaps/settings", {**config_map(), "kind": "Secret"}, pick=outcome)
apply("an apply of another namespace", f"{NS}/configmaps/settings", config_map(data={"z": "1"}, namespace="default"), pick=outcome)
apply("an apply of another version", f"{NS}/configmaps/settings", {**config_map(), "apiVersion": "v2"}, pick=outcome)
apply("an apply with managedFields", f"{NS}/configmaps/settings", config_map(managedFields=[{"manager": "x"}]), pick=outcome)
ask("an apply in YAML, where y is true", "PATCH", f"{NS}/configmaps/y?fieldManager=one",
    "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: y\n", type=APPLY, pick=outcome)
apply("an apply of another uid", f"{NS}/configmaps/settings", config_map(uid="0"), pick=outcome)
ask("a merge patch of another uid", "PATCH", f"{NS}/configmaps/settings", {"metadata": {"uid": "0"}}, type=MERGE, pick=outcome)
ask("an update of another uid", "PUT", f"{NS}/configmaps/settings", config_map(uid="0"), pick=lambda body: {"reason": body["reason"], "code": body["code"]})
ask("an update of an old version", "PUT", f"{NS}/configmaps/settings", config_map(resourceVersion="1"), pick=outcome)
ask("a creation of what exists", "POST", f"{NS}/configmaps", config_map(), pick=outcome)
ask("a creation with a resourceVersion", "POST", f"{NS}/configmaps", config_map("versioned", resourceVersion="5"), pick=outcome)
ask("a body that is not JSON", "POST", f"{NS}/configmaps", "{", pick=lambda body: {"reason": body["reason"], "code": body["code"]})
ask("a value of a wrong type", "POST", f"{NS}/configmaps", config_map("typed", {"a": 1}), pick=outcome)
apply("an applied value of a wrong type", f"{NS}/configmaps/typed", config_map("typed", {"a": 1}), pick=outcome)
ask("a list", "GET", f"{NS}/configmaps?fieldSelector=metadata.name=settings", ignore=["managedFields"])
ask("a list by label, of nothing", "GET", f"{NS}/configmaps?labelSelector=app=none")
ask("a bad selector", "GET", f"{NS}/configmaps?labelSelector=a%20b", pick=lambda body: {"reason": body["reason"], "code": body["code"]})
ask("a watch from a version that is long gone", "GET", f"{NS}/configmaps?watch=true&resourceVersion=1&timeoutSeconds=1",
    pick=lambda body: {"type": body.get("type"), "code": body.get("object", {}).get("code")} if isinstance(body, dict) else "events")
ask("a deletion with another uid", "DELETE", f"{NS}/configmaps/settings", {"preconditions": {"uid": "0"}}, pick=lambda body: {"reason": body["reason"], "code": body["code"]})
ask("a deletion", "DELETE", f"{NS}/configmaps/settings", pick=lambda body: {key: body.get(key) for key in ("kind", "status", "code")})
ask("it is deleted", "GET", f"{NS}/configmaps/settings", pick=outcome)
apply("an immutable config map", f"{NS}/configmaps/fixed", {**config_map("fixed"), "immutable": True}, ignore=["managedFields"])
apply("a change of an immutable config map", f"{NS}/configmaps/fixed", {**config_map("fixed", {"a": "2"}), "immutable": True}, pick=outcome)

# Secrets

secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"token": "abc"}}
apply("a secret by stringData", f"{NS}/secrets/key", secret)
apply("the same secret again", f"{NS}/secrets/key", secret)
apply("a dry run of a secret", f"{NS}/secrets/key", {**secret, "stringData": {"token": "new"}}, query="&dryRun=All")
apply("a secret of another type", f"{NS}/secrets/key", {**secret, "type": "kubernetes.io/tls"}, pick=outcome)
apply("a TLS secret without its keys", f"{NS}/secrets/tls", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tls"},
                                                             "type": "kubernetes.io/tls"}, pick=outcome)

# Finalizers

apply("an object with a finalizer", f"{NS}/configmaps/held", config_map("held", finalizers=["example.com/hold"]), ignore=["managedFields"])
ask("its deletion", "DELETE", f"{NS}/configmaps/held", ignore=["managedFields", "deletionGracePeriodSeconds"])
ask("it is still there", "GET", f"{NS}/configmaps/held", ignore=["managedFields", "deletionGracePeriodSeconds"])
apply("an apply to what is being deleted", f"{NS}/configmaps/held", config_map("held", {"a": "9"}, finalizers=["example.com/hold"]),
      ignore=["managedFields", "deletionGracePeriodSeconds"])
ask("a finalizer that is removed", "PATCH", f"{NS}/configmaps/held", {"metadata": {"finalizers": None}}, type=MERGE,
    ignore=["managedFields", "deletionGracePeriodSeconds"])
ask("it is deleted with its finalizer", "GET", f"{NS}/configmaps/held", pick=outcome)

# Service accounts, services, and what is filled in

apply("a service account", f"{NS}/serviceaccounts/server", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
    "name": "server", "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/r"}}})
service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}
apply("a service", f"{NS}/services/web", service)
apply("the same service again", f"{NS}/services/web", service)
apply("a service with a named port", f"{NS}/services/web", {**service, "spec": {"selector": {"app": "web"}, "ports": [
    {"port": 80, "name": "http", "targetPort": "http"}]}})
apply("a load balancer", f"{NS}/services/outside", {**service, "metadata": {"name": "outside"}, "spec": {
    **service["spec"], "type": "LoadBalancer"}}, ignore=["healthCheckNodePort"])
apply("a service without ports", f"{NS}/services/none", {**service, "metadata": {"name": "none"}, "spec": {"selector": {"a": "b"}}}, pick=outcome)
apply("a service with a bad port", f"{NS}/services/bad", {**service, "metadata": {"name": "bad"}, "spec": {"ports": [{"port": 0}]}}, pick=outcome)
apply("two ports without names", f"{NS}/services/two", {**service, "metadata": {"name": "two"}, "spec": {"ports": [
    {"port": 80}, {"port": 81}]}}, pick=outcome)

# Workloads

probe = {"httpGet": {"path": "/livez", "port": 8000}}
web = workload(replicas=2, pod={"serviceAccountName": "server"}, containers=[container(
    ports=[{"containerPort": 8000, "name": "http"}], livenessProbe=probe, resources={"requests": {"cpu": "0.1", "memory": "64Mi"}},
    env=[{"name": "A", "value": "1"}], volumeMounts=[{"name": "cache", "mountPath": "/cache"}])])
web["spec"]["template"]["spec"]["volumes"] = [{"name": "cache", "emptyDir": {}}]
apply("a deployment", f"{DEPLOYMENTS}/web", web, ignore=["status"])
ask("the deployment is available", "GET", f"{DEPLOYMENTS}/web",
    until=lambda _, body: body.get("status", {}).get("availableReplicas") == 2 and has_condition("Available")(_, body),
    pick=lambda body: {key: body["status"].get(key) for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")})
ask("its conditions", "GET", f"{DEPLOYMENTS}/web", pick=lambda body: sorted(
    (it["type"], it["status"], it["reason"]) for it in body["status"]["conditions"]),
    until=lambda _, body: any(it.get("reason") == "NewReplicaSetAvailable" for it in body.get("status", {}).get("conditions", [])))
ask("its pods", "GET", f"{NS}/pods?labelSelector=app=web", pick=lambda body: [
    {"phase": pod["status"]["phase"], "owner": pod["metadata"]["ownerReferences"][0]["kind"],
     "ready": [it["ready"] for it in pod["status"]["containerStatuses"]]} for pod in body["items"]])
ask("a pod's spec", "GET", f"{NS}/pods?labelSelector=app=web", pick=lambda body: body["items"][0]["spec"], ignore=["nodeName", "volumes", "volumeMounts"])
apply("the same deployment again", f"{DEPLOYMENTS}/web", web, ignore=["status", "managedFields"])
apply("a dry run of the same", f"{DEPLOYMENTS}/web", web, query="&dryRun=All&force=true", ignore=["status", "managedFields"])
web2 = {**web, "spec": {**web["spec"], "replicas": 1}}
apply("fewer replicas", f"{DEPLOYMENTS}/web", web2, ignore=["status", "managedFields"])
ask("fewer replicas are there", "GET", f"{DEPLOYMENTS}/web", until=lambda _, body: body.get("status", {}).get("replicas") == 1,
    pick=lambda body: {key: body["status"].get(key) for key in ("replicas", "updatedReplicas", "availableReplicas")})
apply("another selector", f"{DEPLOYMENTS}/web", {**web, "spec": {**web["spec"], "selector": {"matchLabels": {"app": "other"}}}}, pick=outcome)
apply("a selector that does not fit", f"{DEPLOYMENTS}/bad", {**web, "metadata": {"name": "bad"}, "spec": {
    **web["spec"], "selector": {"matchLabels": {"app": "other"}}}}, pick=outcome)
apply("a deployment without a template", f"{DEPLOYMENTS}/bad", {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "bad"}, "spec": {
    "selector": {"matchLabels": {"a": "b"}}}}, pick=outcome)
for name, more in {
    "a container without an image": {"containers": [{"name": "server"}]},
    "two containers of one name": {"containers": [container(), container()]},
    "a bad quantity": {"containers": [container(resources={"requests": {"cpu": "much"}})]},
    "a request over the limit": {"containers": [container(resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})]},
    "a GPU requested and not limited": {"containers": [container(resources={"requests": {"nvidia.com/gpu": 1}})]},
    "half a GPU": {"containers": [container(resources={"limits": {"nvidia.com/gpu": "500m"}})]},
    "a mount of no volume": {"containers": [container(volumeMounts=[{"name": "none", "mountPath": "/x"}])]},
    "a volume of two kinds": {"pod": {"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]}},
    "a bad restart policy": {"pod": {"restartPolicy": "Sometimes"}},
    "a deployment that does not restart": {"pod": {"restartPolicy": "Never"}},
    "a probe of two kinds": {"containers": [container(livenessProbe={**probe, "exec": {"command": ["x"]}})]},
    "a bad port": {"containers": [container(ports=[{"containerPort": 70000}])]},
    "a bad environment": {"containers": [container(env=[{"name": "", "value": "1"}])]},
    "an environment of two kinds": {"containers": [container(env=[{"name": "A", "value": "1", "valueFrom": {
        "fieldRef": {"fieldPath": "metadata.name"}}}])]},
    "a bad toleration": {"pod": {"tolerations": [{"key": "a", "operator": "Maybe"}]}},
    "replicas below zero": {"replicas": -1},
    "a percentage that is none": {"strategy": {"rollingUpdate": {"maxSurge": "many"}}},
    "a strategy that cannot move": {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 0}}},
    "a deadline before it is ready": {"progressDeadlineSeconds": 5, "minReadySeconds": 10},
}.items():
    apply(name, f"{DEPLOYMENTS}/bad", workload(name="bad", **more), pick=outcome)
apply("an unknown field, by apply", f"{DEPLOYMENTS}/bad", workload(name="bad", replica=2), pick=outcome)
ask("an unknown field, dropped", "POST", f"{DEPLOYMENTS}?fieldValidation=Ignore&dryRun=All", workload(name="loose", replica=2), pick=spec_of)
ask("an unknown field, warned of", "POST", f"{DEPLOYMENTS}?fieldValidation=Warn&dryRun=All", workload(name="loose", replica=2), pick=spec_of)
ask("an unknown field, refused", "POST", f"{DEPLOYMENTS}?fieldValidation=Strict&dryRun=All", workload(name="loose", replica=2), pick=outcome)
ask("a bad fieldValidation", "POST", f"{DEPLOYMENTS}?fieldValidation=Never", workload(name="loose"), pick=outcome)

for kind, plural in (("StatefulSet", "statefulsets"), ("DaemonSet", "daemonsets")):
    more = {"serviceName": "web"} if kind == "StatefulSet" else {}
    path = f"/apis/apps/v1/namespaces/conformance/{plural}"
    # Its pods come to the node that has no taint.
    pod = {"tolerations": [{"operator": "Exists"}]}
    apply(f"a {kind}", f"{path}/set", workload(kind, "set", pod=pod, **more), ignore=["status"])
    ready = "readyReplicas" if kind == "StatefulSet" else "numberReady"
    ask(f"the {kind} is ready", "GET", f"{path}/set", until=lambda _, body, ready=ready: body.get("status", {}).get(ready) == 1,
        pick=lambda body, ready=ready: {key: body["status"].get(key) for key in (ready, "replicas", "updatedReplicas", "desiredNumberScheduled", "numberAvailable")})
    apply(f"another selector of the {kind}", f"{path}/set", {**workload(kind, "set", **more), "spec": {
        **workload(kind, "set", **more)["spec"], "selector": {"matchLabels": {"app": "x"}}}}, pick=outcome)
    ask(f"the {kind} is deleted", "DELETE", f"{path}/set", {"propagationPolicy": "Foreground"}, pick=lambda body: body["kind"], ignore=["status"])
    ask(f"the {kind} no longer exists", "GET", f"{path}/set", until=is_gone, pick=outcome)

job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"}, "spec": {"template": {"spec": {
    "restartPolicy": "Never", "containers": [container()]}}}}
JOBS = "/apis/batch/v1/namespaces/conformance/jobs"
apply("a job", f"{JOBS}/job", job, ignore=["status", "batch.kubernetes.io/controller-uid", "controller-uid"])
ask("the job is complete", "GET", f"{JOBS}/job", until=has_condition("Complete"),
    pick=lambda body: {"conditions": sorted((it["type"], it["status"]) for it in body["status"]["conditions"]), "succeeded": body["status"].get("succeeded")})
apply("another template of the job", f"{JOBS}/job", {**job, "spec": {"template": {"spec": {
    "restartPolicy": "Never", "containers": [container(image="registry/server:2")]}}}},
    pick=lambda body: {"reason": body["reason"], "fields": [it["field"] for it in body["details"]["causes"]]})
apply("a job that fails", f"{JOBS}/fails", {**job, "metadata": {"name": "fails"}, "spec": {"backoffLimit": 0, "template": {"spec": {
    "restartPolicy": "Never", "containers": [container(image="registry/exits-with-1:1")]}}}},
    ignore=["status", "batch.kubernetes.io/controller-uid", "controller-uid", "managedFields"])
ask("the job has failed", "GET", f"{JOBS}/fails", until=has_condition("Failed"), pick=lambda body: sorted(
    (it["type"], it["status"], it["reason"], it["message"]) for it in body["status"]["conditions"]))
apply("a job that restarts always", f"{JOBS}/bad", {**job, "metadata": {"name": "bad"}, "spec": {"template": {"spec": {
    "containers": [container()]}}}}, pick=outcome)

# Rollouts that fail

def pods_say(body):
    pod = body["items"][0]
    unscheduled = [(it["reason"], it["message"]) for it in pod["status"].get("conditions", []) if it["type"] == "PodScheduled" and it["status"] == "False"]
    waiting = [it["state"]["waiting"]["reason"] for it in pod["status"].get("containerStatuses", []) if "waiting" in it["state"]]
    return {"phase": pod["status"]["phase"], "unscheduled": unscheduled, "waiting": waiting}


def some_pod_says(_, body):
    items = body.get("items") or []
    return bool(items) and any(it["status"] == "False" for it in items[0]["status"].get("conditions", []))


def warnings(reason):
    return lambda body: sorted({(it["reason"], it["type"]) for it in body["items"] if it["reason"] == reason})


for name, reason, more in [
    ("image", "Failed", {"containers": [container(image="registry/does-not-exist:1")]}),
    ("crash", "BackOff", {"containers": [container(image="registry/exits-with-1:1")]}),
    ("gpu", "FailedScheduling", {"containers": [container(resources={"limits": {"nvidia.com/gpu": 8}})], "pod": {
        "tolerations": [{"operator": "Exists"}]}}),
    ("selector", "FailedScheduling", {"pod": {"nodeSelector": {"a": "b"}, "tolerations": [{"operator": "Exists"}]}}),
]:
    apply(f"a rollout that fails: {name}", f"{DEPLOYMENTS}/{name}", workload(name=name, **more), ignore=["status", "managedFields"])
    ask(f"what its pod says: {name}", "GET", f"{NS}/pods?labelSelector=app={name}", until=some_pod_says, pick=pods_say)
    ask(f"what the events say: {name}", "GET", f"{NS}/events?fieldSelector=type=Warning,reason={reason}",
        until=lambda _, body: bool(body.get("items")), pick=warnings(reason))
    ask(f"it is deleted: {name}", "DELETE", f"{DEPLOYMENTS}/{name}", {"propagationPolicy": "Foreground"}, pick=lambda body: body["kind"])
    ask(f"it no longer exists: {name}", "GET", f"{DEPLOYMENTS}/{name}", until=is_gone, pick=outcome)

quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}}
SMALL = "/api/v1/namespaces/small"
apply("a namespace with a quota", SMALL, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "small"}}, ignore=["managedFields"])
ask("its service account", "GET", f"{SMALL}/serviceaccounts/default", until=lambda status, _: status == 200, pick=lambda body: body["kind"])
apply("the quota", f"{SMALL}/resourcequotas/few", quota, ignore=["managedFields", "status"])
ask("the quota counts", "GET", f"{SMALL}/resourcequotas/few", until=lambda _, body: "used" in body.get("status", {}), pick=lambda body: body["status"])
SMALL_DEPLOYMENTS = "/apis/apps/v1/namespaces/small/deployments"
apply("more pods than the quota allows", f"{SMALL_DEPLOYMENTS}/many", workload(name="many", replicas=2, pod={
    "tolerations": [{"operator": "Exists"}]}), ignore=["status", "managedFields"])
ask("the deployment tells of the quota", "GET", f"{SMALL_DEPLOYMENTS}/many", until=has_condition("ReplicaFailure"), pick=lambda body: [
    (it["reason"], it["message"].partition("forbidden: ")[2]) for it in body["status"]["conditions"] if it["type"] == "ReplicaFailure"])
ask("an event tells of the quota", "GET", f"{SMALL}/events?fieldSelector=reason=FailedCreate", until=lambda _, body: bool(body.get("items")),
    pick=warnings("FailedCreate"))
ask("a pod over the quota", "POST", f"{SMALL}/pods", {"metadata": {"name": "one"}, "spec": {"containers": [container()]}}, pick=outcome)
apply("a namespace for restricted pods", "/api/v1/namespaces/strict", {"apiVersion": "v1", "kind": "Namespace", "metadata": {
    "name": "strict", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}, ignore=["managedFields"])
ask("its account", "GET", "/api/v1/namespaces/strict/serviceaccounts/default", until=lambda status, _: status == 200, pick=lambda body: body["kind"])
ask("a pod that is not restricted", "POST", "/api/v1/namespaces/strict/pods", {"metadata": {"name": "one"}, "spec": {
    "containers": [container()]}}, pick=outcome)

# Autoscalers, budgets, policies of the network

apply("an autoscaler", "/apis/autoscaling/v2/namespaces/conformance/horizontalpodautoscalers/web", {
    "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 3,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}}]}},
    ignore=["status", "managedFields"])
apply("an autoscaler with no room", "/apis/autoscaling/v2/namespaces/conformance/horizontalpodautoscalers/bad", {
    "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "bad"}, "spec": {
        "scaleTargetRef": {"kind": "Deployment", "name": "web"}, "minReplicas": 4, "maxReplicas": 3}}, pick=outcome)
apply("a budget", "/apis/policy/v1/namespaces/conformance/poddisruptionbudgets/web", {
    "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"}, "spec": {
        "maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}}, ignore=["status", "managedFields"])
ask("the budget allows", "GET", "/apis/policy/v1/namespaces/conformance/poddisruptionbudgets/web",
    until=lambda _, body: body.get("status", {}).get("expectedPods") == 1,
    pick=lambda body: {key: body["status"].get(key) for key in ("currentHealthy", "desiredHealthy", "expectedPods", "disruptionsAllowed")})
apply("a budget of two kinds", "/apis/policy/v1/namespaces/conformance/poddisruptionbudgets/bad", {
    "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "bad"}, "spec": {
        "maxUnavailable": 1, "minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}}, pick=outcome)
apply("a network policy", "/apis/networking.k8s.io/v1/namespaces/conformance/networkpolicies/web", {
    "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "web"}, "spec": {
        "podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}}, ignore=["managedFields"])
apply("an ingress", "/apis/networking.k8s.io/v1/namespaces/conformance/ingresses/web", {
    "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "web"}, "spec": {"defaultBackend": {
        "service": {"name": "web", "port": {"number": 80}}}}}, ignore=["managedFields"])
apply("a claim", f"{NS}/persistentvolumeclaims/data", {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": {
    "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}, ignore=["managedFields"])
apply("a claim without a size", f"{NS}/persistentvolumeclaims/bad", {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "bad"},
                                                                     "spec": {"accessModes": ["ReadWriteOnce"]}}, pick=outcome)
apply("a smaller claim", f"{NS}/persistentvolumeclaims/data", {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": {
    "accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}},
    pick=lambda body: {"reason": body["reason"], "fields": [it["field"] for it in body["details"]["causes"]]})

# Custom resources

apply("a definition", f"{CRDS}/widgets.example.com", definition(), ignore=["status", "managedFields"])
ask("the definition is established", "GET", f"{CRDS}/widgets.example.com", until=has_condition("Established"), pick=lambda body: {
    "conditions": sorted((it["type"], it["status"], it["reason"]) for it in body["status"]["conditions"]),
    "names": body["status"]["acceptedNames"], "stored": body["status"]["storedVersions"]})
ask("its kind is found", "GET", "/apis/example.com/v1", until=lambda status, body: status == 200 and bool(body.get("resources")),
    pick=lambda body: sorted((it["name"], it["kind"], sorted(it["verbs"])) for it in body["resources"]))
apply("a custom object", f"{WIDGETS}/one", widget(), until=lambda status, _: status in (200, 201), ignore=["status"])
apply("the same custom object again", f"{WIDGETS}/one", widget())
apply("a custom object that is too large", f"{WIDGETS}/two", widget("two", size=11), pick=outcome)
apply("a custom object of a wrong type", f"{WIDGETS}/two", widget("two", size="x"), pick=outcome)
apply("a custom object of no known colour", f"{WIDGETS}/two", widget("two", colour="green"), pick=outcome)
apply("a custom object with an unknown field", f"{WIDGETS}/two", widget("two", weight=1), pick=outcome)
ask("an unknown field of a custom object, dropped", "POST", WIDGETS, widget("loose", weight=1), pick=spec_of)
ask("a custom object without what is required", "POST", WIDGETS, {**widget("bare"), "spec": {}}, pick=outcome)
apply("a list by its keys", f"{WIDGETS}/one", widget(rules=[{"name": "a", "value": "1"}, {"name": "b"}]))
apply("another manager's entry", f"{WIDGETS}/one", widget(rules=[{"name": "c"}]), manager="other", query="&force=true")
apply("a custom object of another uid", f"{WIDGETS}/one", {**widget(), "metadata": {"name": "one", "uid": "0"}}, pick=outcome)
ask("a strategic patch of a custom object", "PATCH", f"{WIDGETS}/one", {"spec": {"size": 4}}, type=STRATEGIC, pick=outcome)
ask("a status", "PATCH", f"{WIDGETS}/one/status?fieldManager=controller", {"status": {"ready": True}, "spec": {"size": 9}}, type=MERGE, ignore=["managedFields"])
apply("a definition that changes its scope", f"{CRDS}/widgets.example.com", definition(scope="Cluster"), pick=outcome)
apply("a definition whose list has no keys", f"{CRDS}/gadgets.example.com", keyless(), pick=outcome)
apply("a definition of another name", f"{CRDS}/gadgets.example.com", {**definition(), "metadata": {"name": "gadgets.example.com"}}, pick=outcome)
ask("a definition is deleted", "DELETE", f"{CRDS}/widgets.example.com", pick=lambda body: body["kind"])
ask("the definition is deleted", "GET", f"{CRDS}/widgets.example.com", until=is_gone, pick=outcome)
ask("its kind is deleted", "GET", f"{WIDGETS}/one", until=is_gone, pick=outcome)

# Who may do what

for user in ("viewer", "editor", "grouped"):
    ask(f"a {user} reads", "GET", f"{NS}/configmaps/fixed", **{"as": user}, pick=lambda body: body.get("message") or body["kind"])
    ask(f"a {user} reads secrets", "GET", f"{NS}/secrets/key", **{"as": user}, pick=lambda body: body.get("message") or body["kind"])
    ask(f"a {user} writes", "POST", f"{NS}/configmaps?dryRun=All", config_map("written"), **{"as": user}, pick=lambda body: body.get("message") or body["kind"])
    ask(f"a {user} makes a namespace", "POST", "/api/v1/namespaces?dryRun=All", {"metadata": {"name": "n"}}, **{"as": user},
        pick=lambda body: body.get("message") or body["kind"])
    ask(f"a {user} deletes a deployment", "DELETE", f"{DEPLOYMENTS}/web?dryRun=All", **{"as": user}, pick=lambda body: body.get("message") or body["kind"])
apply("a role", "/apis/rbac.authorization.k8s.io/v1/namespaces/conformance/roles/reader", {
    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"}, "rules": [
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["fixed"]}]})
apply("a binding of a group", "/apis/rbac.authorization.k8s.io/v1/namespaces/conformance/rolebindings/reader", {
    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "reader"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
    "subjects": [{"kind": "Group", "name": "readers", "apiGroup": "rbac.authorization.k8s.io"}]})
ask("a bound group reads", "GET", f"{NS}/configmaps/fixed", **{"as": "grouped"}, until=lambda status, _: status == 200,
    pick=lambda body: body.get("message") or body["kind"])
ask("a bound group lists", "GET", f"{NS}/configmaps", **{"as": "grouped"}, pick=lambda body: body.get("message") or body["kind"])
apply("a binding of another role", "/apis/rbac.authorization.k8s.io/v1/namespaces/conformance/rolebindings/reader", {
    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "reader"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "other"}, "subjects": []}, pick=outcome)

# Deletions

ask("a foreground deletion", "DELETE", f"{DEPLOYMENTS}/web", {"propagationPolicy": "Foreground"}, pick=lambda body: body["kind"])
ask("the deployment is deleted", "GET", f"{DEPLOYMENTS}/web", until=is_gone, pick=outcome)
ask("its pods are deleted", "GET", f"{NS}/pods?labelSelector=app=web", until=lambda _, body: body.get("items") == [], pick=lambda body: body["items"])
apply("a deployment to be orphaned", f"{DEPLOYMENTS}/lone", workload(name="lone", replicas=0), ignore=["status"])
ask("it has a replica set", "GET", "/apis/apps/v1/namespaces/conformance/replicasets?labelSelector=app=lone",
    until=lambda _, body: body.get("items"), pick=lambda body: len(body["items"]))
ask("a deletion that orphans", "DELETE", f"{DEPLOYMENTS}/lone", {"propagationPolicy": "Orphan"},
    pick=lambda body: (body["kind"], body["metadata"]["finalizers"], "deletionTimestamp" in body["metadata"]))
ask("the deployment is deleted, and orphans are left", "GET", f"{DEPLOYMENTS}/lone", until=is_gone, pick=outcome)
ask("its replica set is nobody's", "GET", "/apis/apps/v1/namespaces/conformance/replicasets?labelSelector=app=lone",
    pick=lambda body: [it["metadata"].get("ownerReferences") for it in body["items"]])
ask("a bad propagation policy", "DELETE", f"{NS}/configmaps/fixed", {"propagationPolicy": "Sideways"}, pick=outcome)
apply("what holds a namespace up", f"{NS}/configmaps/held", config_map("held", finalizers=["example.com/hold"]), ignore=["managedFields"])
ask("a namespace is deleted", "DELETE", NS, pick=lambda body: {"kind": body["kind"], "phase": body["status"]["phase"]})
ask("the namespace is terminating", "GET", NS, pick=lambda body: body["status"]["phase"])
ask("a creation in it", "POST", f"{NS}/configmaps", config_map("late"), pick=outcome)
apply("an apply in it", f"{NS}/configmaps/late", config_map("late"), pick=outcome)
ask("what holds it up is let go", "PATCH", f"{NS}/configmaps/held", {"metadata": {"finalizers": None}}, type=MERGE, pick=lambda body: body["kind"],
    until=lambda status, _: True)
ask("the namespace is deleted", "GET", NS, until=is_gone, pick=outcome)
ask("a protected namespace", "DELETE", "/api/v1/namespaces/kube-system", pick=outcome)
