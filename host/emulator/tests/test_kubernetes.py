"""Tests of the emulated Kubernetes API server.

Run with PYTHONPATH at the folder of the package. The acceptance tests with
kubectl run when it is on the PATH or named by KUBECTL."""

import copy
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from kubernetes import Cluster, quantities
from kubernetes.apply import decode, encode
from kubernetes.authorize import User
from kubernetes.operations import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH

GIB = 1024 ** 3
PLAIN = {"name": "plain", "labels": {"pool": "cpu"}, "taints": [], "instance_type": "m6i.large",
         "gpu": 0, "cpu": 2000, "memory": 8 * GIB, "architecture": "amd64",
         "gpu_plugin_builtin": False}
GPU = {"name": "gpu", "labels": {"pool": "gpu"},
       "taints": [{"key": "nvidia.com/gpu", "value": "true", "effect": "NoSchedule"}],
       "instance_type": "g4dn.xlarge", "gpu": 1, "cpu": 4000, "memory": 16 * GIB,
       "architecture": "amd64", "gpu_plugin_builtin": False}
TOLERATION = {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def deployment(name="web", image="nginx:1.25", **spec):
    labels = {"app": name}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": image}]}}, **spec}}


def gpu_deployment(name="model"):
    out = deployment(name)
    pod = out["spec"]["template"]["spec"]
    pod["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": 1}}
    pod["tolerations"] = [TOLERATION]
    return out


def plugin():
    labels = {"name": "nvdp"}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "nvdp"},
            "spec": {"selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels}, "spec": {
                    "tolerations": [TOLERATION], "nodeSelector": {"pool": "gpu"},
                    "containers": [{"name": "p",
                                    "image": "nvcr.io/nvidia/k8s-device-plugin:v0.17.0"}]}}}}


def definition(schema=None, scope="Namespaced"):
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "widgets.example.com"},
            "spec": {"group": "example.com", "scope": scope,
                     "names": {"plural": "widgets", "kind": "Widget"},
                     "versions": [{"name": "v1", "served": True, "storage": True,
                                   "subresources": {"status": {}},
                                   "schema": {"openAPIV3Schema": schema or {
                                       "type": "object",
                                       "x-kubernetes-preserve-unknown-fields": True}}}]}}


class Case(unittest.TestCase):
    def setUp(self):
        self.nodes = [PLAIN, GPU]
        self.cluster = Cluster(nodes=lambda: self.nodes)

    def call(self, method, path, body=None, media="application/json", agent="tester/1.0",
             expect=None, headers=None, **query):
        data = body if isinstance(body, (str, bytes)) or body is None else json.dumps(body)
        builder = EnvironBuilder(method=method, path=path, query_string=query, data=data,
                                 content_type=media,
                                 headers={"User-Agent": agent, **(headers or {})})
        response = self.cluster.handle(Request(builder.get_environ()), path)
        text = response.get_data(as_text=True)
        try:
            out = json.loads(text)
        except ValueError:
            out = text
        if expect is not None:
            self.assertEqual(response.status_code, expect, text)
            return out
        return response.status_code, out

    def get(self, path, expect=200, **query):
        return self.call("GET", path, expect=expect, **query)

    def apply(self, path, body, manager="applier", expect=200, **query):
        return self.call("PATCH", path, body, APPLY_PATCH, expect=expect, fieldManager=manager,
                         **query)

    def patch(self, path, body, media=MERGE_PATCH, expect=200, **more):
        return self.call("PATCH", path, body, media, expect=expect, **more)

    def owned(self, obj, manager, operation="Apply", subresource=None):
        for entry in obj["metadata"]["managedFields"]:
            if (entry["manager"], entry["operation"], entry.get("subresource")) == (
                    manager, operation, subresource):
                return decode(entry["fieldsV1"])
        return set()


class Apply(Case):
    web = DEPLOYMENTS + "/web"

    def test_create_and_noop(self):
        made = self.apply(self.web, deployment(), expect=201)
        self.assertEqual(made["metadata"]["generation"], 1)
        self.assertEqual(made["spec"]["replicas"], 1)
        self.assertIn(("f:spec", "f:selector"), self.owned(made, "applier"))
        self.assertIn(("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"main"}'),
                      self.owned(made, "applier"))
        self.assertNotIn(("f:spec", "f:replicas"), self.owned(made, "applier"))
        before = self.get(self.web)
        after = self.apply(self.web, deployment())
        self.assertEqual(before, after)
        self.assertEqual(before, self.get(self.web))

    def test_update_and_generation(self):
        self.apply(self.web, deployment(), expect=201)
        new = self.apply(self.web, deployment(image="nginx:1.26"))
        self.assertEqual(new["metadata"]["generation"], 2)
        body = deployment(image="nginx:1.26")
        body["metadata"]["labels"] = {"a": "b"}
        labelled = self.apply(self.web, body)
        self.assertEqual(labelled["metadata"]["generation"], 2)
        self.assertGreater(int(labelled["metadata"]["resourceVersion"]),
                           int(new["metadata"]["resourceVersion"]))

    def test_removed_fields(self):
        body = deployment(replicas=3, minReadySeconds=5)
        body["metadata"]["labels"] = {"a": "1", "b": "2"}
        body["metadata"]["annotations"] = {"note": "x"}
        body["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "busybox:1"})
        made = self.apply(self.web, body, expect=201)
        slim = deployment()
        slim["metadata"]["labels"] = {"a": "1"}
        new = self.apply(self.web, slim)
        self.assertEqual(new["metadata"]["labels"], {"a": "1"})
        self.assertNotIn("note", new["metadata"].get("annotations", {}))
        self.assertEqual(new["metadata"]["uid"], made["metadata"]["uid"])
        self.assertEqual(new["spec"]["replicas"], 1)  # back to the default
        self.assertNotIn("minReadySeconds", new["spec"])
        names = [c["name"] for c in new["spec"]["template"]["spec"]["containers"]]
        self.assertEqual(names, ["main"])
        bare = self.apply(self.web, deployment())
        self.assertNotIn("labels", bare["metadata"])

    def test_conflict_and_force(self):
        self.apply(self.web, deployment(replicas=1), expect=201)
        self.patch(self.web, {"spec": {"replicas": 4}}, agent="kubectl-edit/1.34")
        status = self.apply(self.web, deployment(replicas=1), expect=409)
        self.assertEqual(status["message"], 'Apply failed with 1 conflict: conflict with '
                         '"kubectl-edit" using apps/v1: .spec.replicas')
        self.assertEqual(status["reason"], "Conflict")
        self.assertEqual(status["details"]["causes"], [{
            "reason": "FieldManagerConflict", "message": 'conflict with "kubectl-edit" using apps/v1',
            "field": ".spec.replicas"}])
        self.assertEqual(self.get(self.web)["spec"]["replicas"], 4)
        new = self.apply(self.web, deployment(replicas=1), force="true")
        self.assertEqual(new["spec"]["replicas"], 1)
        self.assertEqual(self.owned(new, "kubectl-edit", "Update"), set())

    def test_several_conflicts(self):
        self.apply(self.web, deployment(replicas=1), expect=201)
        self.patch(self.web, {"spec": {"replicas": 4, "template": {"spec": {"containers": [
            {"name": "main", "image": "other:2"}]}}}}, STRATEGIC_PATCH, agent="kubectl-edit/1.34")
        status = self.apply(self.web, deployment(replicas=1), expect=409)
        self.assertEqual(
            status["message"], 'Apply failed with 2 conflicts: conflicts with "kubectl-edit" using '
            'apps/v1:\n- .spec.replicas\n- .spec.template.spec.containers[name="main"].image')
        self.assertEqual(len(status["details"]["causes"]), 2)

    def test_conflict_with_other_applier(self):
        self.apply(self.web, deployment(replicas=1), expect=201)
        status = self.apply(self.web, deployment(replicas=2), manager="other", expect=409)
        self.assertEqual(status["message"],
                         'Apply failed with 1 conflict: conflict with "applier": .spec.replicas')

    def test_shared_ownership(self):
        self.apply(self.web, deployment(replicas=2), expect=201)
        both = self.apply(self.web, deployment(replicas=2), manager="other")
        self.assertIn(("f:spec", "f:replicas"), self.owned(both, "other"))
        self.assertIn(("f:spec", "f:replicas"), self.owned(both, "applier"))
        left = self.apply(self.web, deployment())
        self.assertEqual(left["spec"]["replicas"], 2)
        self.assertNotIn(("f:spec", "f:replicas"), self.owned(left, "applier"))
        gone = self.apply(self.web, deployment(), manager="other")
        self.assertEqual(gone["spec"]["replicas"], 1)

    def test_associative_lists(self):
        body = deployment()
        main = body["spec"]["template"]["spec"]["containers"][0]
        main["env"] = [{"name": "A", "value": "1"}]
        main["ports"] = [{"containerPort": 80}]
        made = self.apply(self.web, body, expect=201)
        at = ("f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"main"}')
        self.assertIn(at + ("f:ports", 'k:{"containerPort":80,"protocol":"TCP"}'),
                      self.owned(made, "applier"))
        self.patch(self.web, {"spec": {"template": {"spec": {"containers": [
            {"name": "main", "env": [{"name": "B", "value": "2"}]},
            {"name": "mesh", "image": "mesh:1"}]}}}}, STRATEGIC_PATCH, agent="injector/1")
        new = self.apply(self.web, body)
        containers = new["spec"]["template"]["spec"]["containers"]
        self.assertEqual([c["name"] for c in containers], ["main", "mesh"])
        self.assertEqual({e["name"] for e in containers[0]["env"]}, {"A", "B"})
        main["env"] = [{"name": "C", "value": "3"}]
        new = self.apply(self.web, body)
        containers = new["spec"]["template"]["spec"]["containers"]
        self.assertEqual({e["name"] for e in containers[0]["env"]}, {"B", "C"})

    def test_duplicate_keys(self):
        body = deployment()
        body["spec"]["template"]["spec"]["containers"] *= 2
        status = self.apply(self.web, body, expect=500)
        self.assertIn('duplicate entries for key [name="main"]', status["message"])

    def test_atomic_lists_and_maps(self):
        body = deployment()
        body["spec"]["template"]["spec"]["nodeSelector"] = {"a": "1"}
        body["spec"]["template"]["spec"]["containers"][0]["args"] = ["x", "y"]
        made = self.apply(self.web, body, expect=201)
        pod = ("f:spec", "f:template", "f:spec")
        self.assertIn(pod + ("f:nodeSelector",), self.owned(made, "applier"))
        self.assertIn(pod + ("f:containers", 'k:{"name":"main"}', "f:args"),
                      self.owned(made, "applier"))
        body["spec"]["template"]["spec"]["nodeSelector"] = {"b": "2"}
        body["spec"]["template"]["spec"]["containers"][0]["args"] = ["z"]
        new = self.apply(self.web, body)
        self.assertEqual(new["spec"]["template"]["spec"]["nodeSelector"], {"b": "2"})
        self.assertEqual(new["spec"]["template"]["spec"]["containers"][0]["args"], ["z"])

    def test_finalizer_set(self):
        path = "/api/v1/namespaces/default/configmaps/c"
        body = {"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "c", "finalizers": ["a.io/x"]}, "data": {"k": "v"}}
        made = self.apply(path, body, expect=201)
        self.assertIn(("f:metadata", "f:finalizers", 'v:"a.io/x"'), self.owned(made, "applier"))
        body["metadata"]["finalizers"] = ["b.io/y"]
        both = self.apply(path, body, manager="other")
        self.assertEqual(set(both["metadata"]["finalizers"]), {"a.io/x", "b.io/y"})

    def test_update_entry_of_a_post(self):
        made = self.call("POST", DEPLOYMENTS, deployment(), expect=201, agent="kubectl-create/1.3")
        fields = next(e for e in made["metadata"]["managedFields"])["fieldsV1"]
        self.assertNotIn(".", fields["f:spec"]["f:strategy"])
        self.assertIn(".", fields["f:spec"]["f:strategy"]["f:rollingUpdate"])
        self.assertIn(".", fields["f:spec"]["f:template"]["f:metadata"]["f:labels"])
        self.assertEqual(encode(decode(fields)), fields)

    def test_rejections(self):
        status = self.call("PATCH", self.web, deployment(), APPLY_PATCH, expect=422)
        self.assertIn("fieldManager: Required value: is required for apply patch", status["message"])
        body = deployment()
        body["metadata"]["managedFields"] = []
        status = self.apply(self.web, body, expect=400)
        self.assertEqual(status["message"], "metadata.managedFields must be nil")
        self.apply(self.web, deployment(), expect=201)
        for key, status in (("resourceVersion", 409), ("uid", 422)):
            body = deployment()
            body["metadata"][key] = "1"
            self.apply(self.web, body, expect=status)
        body = dict(deployment(), kind="DaemonSet")
        self.apply(self.web, body, expect=400)

    def test_controllers_never_conflict(self):
        self.apply(self.web, deployment(replicas=2), expect=201)
        live = self.get(self.web)
        self.assertEqual(live["status"]["readyReplicas"], 2)
        self.assertEqual(live["metadata"]["generation"], 1)
        self.assertTrue(self.owned(live, "kube-controller-manager", "Update", "status"))
        body = deployment(replicas=3)
        body["metadata"]["annotations"] = {"mine": "1"}
        self.apply(self.web, body)

    def test_yaml_body(self):
        text = ("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: when\n"
                "data:\n  when: 2024-01-01\n  on: \"true\"\n")
        made = self.apply("/api/v1/namespaces/default/configmaps/when", text, expect=201)
        self.assertEqual(made["data"], {"when": "2024-01-01", "true": "true"})
        refused = self.apply("/api/v1/namespaces/default/configmaps/y", text.replace("name: when", "name: y"), expect=500)
        self.assertIn(".metadata.name: expected string, got &value.valueUnstructured{Value:true}", refused["message"])

    def test_quantity_of_another_spelling(self):
        body = deployment()
        main = body["spec"]["template"]["spec"]["containers"][0]
        main["resources"] = {"limits": {"cpu": "1000m", "memory": "1024Mi"}}
        self.apply(self.web, body, expect=201)
        before = self.get(self.web)
        self.assertEqual(before["spec"]["template"]["spec"]["containers"][0]["resources"],
                         {"limits": {"cpu": "1", "memory": "1Gi"}})
        self.apply(self.web, body)
        self.assertEqual(before, self.get(self.web))

    def test_schemas_of_quantities_are_none(self):
        limits = {"type": "object", "description": "What there may be at most.", "additionalProperties": {"type": "string"}}
        schema = {"type": "object", "properties": {"limits": limits}}
        self.apply(CRDS + "/widgets.example.com", definition(schema), expect=201)

    def test_status_apply(self):
        self.call("POST", CRDS, definition(), expect=201)
        path = "/apis/example.com/v1/namespaces/default/widgets/w"
        body = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"},
                "spec": {"a": 1}}
        self.apply(path, body, expect=201)
        new = self.apply(path + "/status", {**body, "status": {"ok": True}}, manager="ctl")
        self.assertEqual(new["status"], {"ok": True})
        self.assertEqual(new["metadata"]["generation"], 1)
        self.assertEqual(self.owned(new, "ctl", subresource="status"), {("f:status",), ("f:status", "f:ok")})


class Verbs(Case):
    def test_status_errors(self):
        status = self.get(DEPLOYMENTS + "/x", 404)
        self.assertEqual(status, {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": 'deployments.apps "x" not found', "reason": "NotFound",
            "details": {"name": "x", "group": "apps", "kind": "deployments"}, "code": 404})
        self.call("POST", DEPLOYMENTS, deployment(), expect=201)
        status = self.call("POST", DEPLOYMENTS, deployment(), expect=409)
        self.assertEqual((status["reason"], status["message"]),
                         ("AlreadyExists", 'deployments.apps "web" already exists'))
        status = self.call("POST", "/apis/apps/v1/namespaces/nope/deployments", deployment(),
                           expect=404)
        self.assertEqual(status["message"], 'namespaces "nope" not found')
        status = self.call("POST", DEPLOYMENTS, {**deployment("Up_per")}, expect=422)
        self.assertEqual(status["details"]["causes"][0]["field"], "metadata.name")
        status = self.call("POST", DEPLOYMENTS, {"apiVersion": "v1", "kind": "Service"}, expect=400)
        self.assertEqual(status["reason"], "BadRequest")
        status = self.call("PATCH", DEPLOYMENTS + "/web", {}, "text/plain", expect=415)
        self.assertEqual(status["reason"], "UnsupportedMediaType")
        self.assertEqual(self.call("PUT", DEPLOYMENTS, {}, expect=405)["reason"], "MethodNotAllowed")
        self.get("/apis/none/v1/things", 404)

    def test_there_is_no_old_openapi_document(self):
        self.get("/openapi/v2", 404)

    def test_put_conflict(self):
        self.call("POST", DEPLOYMENTS, deployment(), expect=201)
        obj = self.get(DEPLOYMENTS + "/web")
        self.patch(DEPLOYMENTS + "/web", {"metadata": {"labels": {"x": "y"}}})
        status = self.call("PUT", DEPLOYMENTS + "/web", obj, expect=409)
        self.assertEqual(status["message"], (
            'Operation cannot be fulfilled on deployments.apps "web": the object has been modified; '
            'please apply your changes to the latest version and try again'))
        obj = self.get(DEPLOYMENTS + "/web")
        same = self.call("PUT", DEPLOYMENTS + "/web", obj, expect=200)
        self.assertEqual(same["metadata"]["resourceVersion"], obj["metadata"]["resourceVersion"])

    def test_validation(self):
        body = deployment()
        body["spec"]["template"]["metadata"]["labels"] = {"no": "match"}
        status = self.call("POST", DEPLOYMENTS, body, expect=422)
        self.assertIn("`selector` does not match template `labels`", status["message"])
        body = deployment()
        del body["spec"]["template"]["spec"]["containers"][0]["image"]
        status = self.call("POST", DEPLOYMENTS, body, expect=422)
        self.assertEqual(status["message"], 'Deployment.apps "web" is invalid: '
                         'spec.template.spec.containers[0].image: Required value')
        self.call("POST", DEPLOYMENTS, deployment(), expect=201)
        status = self.patch(DEPLOYMENTS + "/web", {"spec": {"selector": {"matchLabels": {"q": "r"}},
                            "template": {"metadata": {"labels": {"q": "r"}}}}}, expect=422)
        self.assertIn("field is immutable", status["message"])
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
                   "spec": {"ports": [{"port": 0}]}}
        self.call("POST", "/api/v1/namespaces/default/services", service, expect=422)
        hpa = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
               "metadata": {"name": "h"}, "spec": {"minReplicas": 3, "maxReplicas": 2,
               "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}
        path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
        self.call("POST", path, hpa, expect=422)
        hpa["spec"]["maxReplicas"] = 5
        self.call("POST", path, hpa, expect=201)
        body = deployment("typed")
        body["spec"]["replicas"] = "two"
        self.assertIn("cannot unmarshal string", self.call(
            "POST", DEPLOYMENTS, body, expect=400)["message"])

    def test_an_autoscaler_knows_how_many_there_are(self):
        self.call("POST", DEPLOYMENTS, deployment(), expect=201)
        path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
        self.call("POST", path, {"metadata": {"name": "h"}, "spec": {"maxReplicas": 2, "scaleTargetRef": {
            "apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}}, expect=201)
        self.assertEqual(self.get(path + "/h")["status"]["currentReplicas"], 1)

    def test_defaults(self):
        service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
                   "spec": {"ports": [{"port": 80}], "selector": {"a": "b"}}}
        spec = self.call("POST", "/api/v1/namespaces/default/services", service, expect=201)["spec"]
        self.assertTrue(spec["clusterIP"].startswith("10.100."))
        self.assertEqual(spec["ports"], [{"port": 80, "protocol": "TCP", "targetPort": 80}])
        body = deployment(image="nginx")
        body["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = {
            "httpGet": {"port": 80}}
        spec = self.call("POST", DEPLOYMENTS, body, expect=201)["spec"]
        container = spec["template"]["spec"]["containers"][0]
        self.assertEqual(container["imagePullPolicy"], "Always")
        self.assertEqual(container["readinessProbe"], {
            "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1,
            "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3})
        self.assertEqual(spec["strategy"]["rollingUpdate"]["maxSurge"], "25%")

    def test_quantities(self):
        for given, wanted in (("1000m", "1"), ("0.5", "500m"), ("1024Mi", "1Gi"), ("1.5Gi", "1536Mi"),
                              (2, "2"), ("1000", "1k"), ("100Mi", "100Mi"), ("0", "0"),
                              ("1e3", "1e3"), ("512", "512"), ("0.1Gi", "107374183")):
            self.assertEqual(quantities.canonical(given), wanted, given)

    def test_patches(self):
        self.call("POST", DEPLOYMENTS, deployment(), expect=201)
        path = DEPLOYMENTS + "/web"
        new = self.patch(path, [{"op": "replace", "path": "/spec/replicas", "value": 2}], JSON_PATCH)
        self.assertEqual(new["spec"]["replicas"], 2)
        new = self.patch(path, {"spec": {"template": {"spec": {"containers": [
            {"name": "b", "image": "b:1"}]}}}}, STRATEGIC_PATCH)
        self.assertEqual(len(new["spec"]["template"]["spec"]["containers"]), 2)
        new = self.patch(path, {"spec": {"template": {"spec": {"containers": [
            {"name": "b", "$patch": "delete"}]}}}}, STRATEGIC_PATCH)
        self.assertEqual(len(new["spec"]["template"]["spec"]["containers"]), 1)
        before = self.get(path)["metadata"]["resourceVersion"]
        new = self.patch(path, {"spec": {"replicas": 2}})
        self.assertEqual(new["metadata"]["resourceVersion"], before)

    def test_lists(self):
        for name, tier in (("a", "x"), ("b", "y"), ("c", "x")):
            body = deployment(name)
            body["metadata"]["labels"] = {"tier": tier}
            self.call("POST", DEPLOYMENTS, body, expect=201)

        def names(**query):
            return [i["metadata"]["name"] for i in self.get(DEPLOYMENTS, **query)["items"]]
        self.assertEqual(names(labelSelector="tier=x"), ["a", "c"])
        self.assertEqual(names(labelSelector="tier in (y, z)"), ["b"])
        self.assertEqual(names(labelSelector="tier notin (x)"), ["b"])
        self.assertEqual(names(labelSelector="!tier"), [])
        self.assertEqual(names(fieldSelector="metadata.name=b"), ["b"])
        listed = self.get("/apis/apps/v1/deployments")
        self.assertEqual((listed["kind"], len(listed["items"])), ("DeploymentList", 3))
        self.call("DELETE", DEPLOYMENTS, expect=200, labelSelector="tier=x")
        self.assertEqual(names(), ["b"])

    def test_dry_run(self):
        self.call("POST", DEPLOYMENTS, deployment(), expect=201, dryRun="All")
        self.get(DEPLOYMENTS + "/web", 404)
        self.call("POST", DEPLOYMENTS, deployment(), expect=201)
        before = self.get(DEPLOYMENTS + "/web")
        new = self.apply(DEPLOYMENTS + "/web", deployment(replicas=7), force="true", dryRun="All")
        self.assertEqual(new["spec"]["replicas"], 7)
        self.patch(DEPLOYMENTS + "/web", {"spec": {"replicas": 8}}, dryRun="All")
        self.call("DELETE", DEPLOYMENTS + "/web", expect=200, dryRun="All")
        self.assertEqual(self.get(DEPLOYMENTS + "/web"), before)

    def test_finalizers(self):
        path = "/api/v1/namespaces/default/configmaps"
        made = self.call("POST", path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "generateName": "c-", "finalizers": ["x.io/hold"]}}, expect=201)
        item = f"{path}/{made['metadata']['name']}"
        gone = self.call("DELETE", item, expect=200)
        self.assertIn("deletionTimestamp", gone["metadata"])
        self.get(item)
        self.patch(item, {"metadata": {"finalizers": None}})
        self.get(item, 404)

    def test_preconditions_and_orphans(self):
        self.call("POST", DEPLOYMENTS, deployment(), expect=201)
        self.call("DELETE", DEPLOYMENTS + "/web", {"preconditions": {"uid": "no"}}, expect=409)
        answer = self.call("DELETE", DEPLOYMENTS + "/web", {"propagationPolicy": "Orphan"},
                           expect=200)
        self.assertEqual((answer["kind"], answer["metadata"]["finalizers"]), ("Deployment", ["orphan"]))
        self.get(DEPLOYMENTS + "/web", 404)
        self.assertEqual(len(self.get("/apis/apps/v1/namespaces/default/replicasets")["items"]), 1)
        self.call("POST", DEPLOYMENTS, deployment("two"), expect=201)
        self.call("DELETE", DEPLOYMENTS + "/two", {"propagationPolicy": "Foreground"}, expect=200)
        self.get(DEPLOYMENTS + "/two", 404)
        self.assertEqual(len(self.get("/api/v1/pods")["items"]), 1)

    def test_namespace_deletion(self):
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}
        made = self.call("POST", "/api/v1/namespaces", body, expect=201)
        self.assertEqual(made["metadata"]["labels"], {"kubernetes.io/metadata.name": "team"})
        self.get("/api/v1/namespaces/team/serviceaccounts/default")
        self.call("POST", "/apis/apps/v1/namespaces/team/deployments", deployment(), expect=201)
        hold = {"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "h", "finalizers": ["x.io/hold"]}}
        self.call("POST", "/api/v1/namespaces/team/configmaps", hold, expect=201)
        self.call("DELETE", "/api/v1/namespaces/team", expect=200)
        self.assertEqual(self.get("/api/v1/namespaces/team")["status"]["phase"], "Terminating")
        status = self.call("POST", "/api/v1/namespaces/team/configmaps", {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n"}}, expect=403)
        self.assertEqual(status["details"]["causes"][0]["reason"], "NamespaceTerminating")
        self.patch("/api/v1/namespaces/team/configmaps/h", {"metadata": {"finalizers": None}})
        self.get("/api/v1/namespaces/team", 404)
        self.assertEqual(self.cluster.user_objects(), [])
        self.call("DELETE", "/api/v1/namespaces/default", expect=403)

    def test_crds(self):
        schema = {"type": "object", "properties": {
            "spec": {"type": "object", "required": ["size"], "properties": {
                "size": {"type": "integer", "minimum": 1},
                "mode": {"type": "string", "default": "auto"},
                "rules": {"type": "array", "x-kubernetes-list-type": "map",
                          "x-kubernetes-list-map-keys": ["name"],
                          "items": {"type": "object", "required": ["name"], "properties": {
                              "name": {"type": "string"}, "v": {"type": "integer"}}}}}},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
        self.call("POST", CRDS, definition(schema), expect=201)
        crd = self.get(CRDS + "/widgets.example.com")
        self.assertEqual({c["type"]: c["status"] for c in crd["status"]["conditions"]},
                         {"Established": "True", "NamesAccepted": "True"})
        listed = self.get("/apis/example.com/v1")["resources"]
        self.assertEqual([r["name"] for r in listed], ["widgets", "widgets/status"])
        path = "/apis/example.com/v1/namespaces/default/widgets"
        body = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"},
                "spec": {"size": 1, "rules": [{"name": "a", "v": 1}], "junk": 1}}
        made = self.call("POST", path, body, expect=201)
        self.assertEqual(made["spec"], {"size": 1, "rules": [{"name": "a", "v": 1}], "mode": "auto"})
        body["spec"].pop("junk")
        body["spec"]["rules"] = [{"name": "b", "v": 2}]
        new = self.apply(path + "/w", body)
        self.assertEqual([r["name"] for r in new["spec"]["rules"]], ["a", "b"])
        self.assertEqual(new["metadata"]["generation"], 2)
        bad = copy.deepcopy(body)
        bad["spec"]["junk"] = 1
        self.assertIn(".spec.junk: field not declared in schema",
                      self.apply(path + "/w", bad, expect=500)["message"])
        bad["spec"] = {"size": 0}
        bad["metadata"]["name"] = "v"
        self.call("POST", path, bad, expect=422)
        self.patch(path + "/w", {}, STRATEGIC_PATCH, expect=415)
        new = self.patch(path + "/w/status", {"status": {"n": 1}, "spec": {"size": 9}})
        self.assertEqual((new["spec"]["size"], new["status"]), (1, {"n": 1}))
        self.assertEqual(len(self.cluster.user_objects()), 2)
        self.call("DELETE", CRDS + "/widgets.example.com", expect=200)
        self.get(path + "/w", 404)
        self.get("/apis/example.com/v1", 404)
        self.assertEqual(self.cluster.user_objects(), [])

    def test_authentication(self):
        self.cluster = Cluster(authenticate=lambda token: User("u", ["system:masters"]) if token == "good" else None)
        status = self.call("GET", "/api/v1/namespaces", headers={"Authorization": "Bearer bad"}, expect=401)
        self.assertEqual((status["reason"], status["message"]), ("Unauthorized", "Unauthorized"))
        self.assertIn('User "system:anonymous" cannot list', self.get("/api/v1/namespaces", 403)["message"])
        self.call("GET", "/api/v1/namespaces", headers={"Authorization": "Bearer good"}, expect=200)
        self.assertEqual(self.get("/healthz"), "ok")

    def test_roles_and_bindings(self):
        users = {"admin": User("admin", ["system:masters"]), "reader": User("reader", ["readers"])}
        self.cluster = Cluster(authenticate=users.get)
        admin, reader = ({"Authorization": f"Bearer {name}"} for name in users)
        path = "/api/v1/namespaces/default/configmaps"
        self.call("POST", path, {"metadata": {"name": "a"}}, headers=admin, expect=201)
        status = self.call("GET", path + "/a", headers=reader, expect=403)
        self.assertEqual(status["message"], 'configmaps "a" is forbidden: User "reader" cannot get resource "configmaps" in API '
                         'group "" in the namespace "default"')
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        self.call("POST", f"{rbac}/namespaces/default/roles", {"metadata": {"name": "r"}, "rules": [
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["a"]}]}, headers=admin, expect=201)
        self.call("POST", f"{rbac}/namespaces/default/rolebindings", {
            "metadata": {"name": "r"}, "subjects": [{"kind": "Group", "name": "readers", "apiGroup": "rbac.authorization.k8s.io"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}}, headers=admin, expect=201)
        self.call("GET", path + "/a", headers=reader, expect=200)
        for method, where in (("GET", path), ("DELETE", path + "/a"), ("GET", "/api/v1/namespaces/kube-system/configmaps/a")):
            self.call(method, where, headers=reader, expect=403)
        self.call("POST", f"{rbac}/clusterroles", {"metadata": {"name": "more", "labels": {
            "rbac.authorization.k8s.io/aggregate-to-view": "true"}}, "rules": [
                {"apiGroups": ["example.com"], "resources": ["widgets"], "verbs": ["list"]}]}, headers=admin, expect=201)
        self.call("POST", f"{rbac}/clusterrolebindings", {
            "metadata": {"name": "r"}, "subjects": [{"kind": "User", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}}, headers=admin, expect=201)
        self.call("GET", path, headers=reader, expect=200)
        self.call("GET", "/apis/example.com/v1/widgets", headers=reader, expect=404)
        self.call("GET", "/api/v1/namespaces/default/secrets", headers=reader, expect=403)

    def test_unknown_fields_are_dropped_warned_of_or_refused(self):
        body = deployment(replica=2)
        body["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
        refused = self.call("POST", DEPLOYMENTS, body, expect=400, fieldValidation="Strict")["message"]
        self.assertIn('strict decoding error: unknown field "spec.template.spec.containers[0].imagee", unknown field "spec.replica"', refused)
        for value in ("Warn", "Ignore"):
            builder = EnvironBuilder(method="POST", path=DEPLOYMENTS, query_string={"fieldValidation": value, "dryRun": "All"},
                                     data=json.dumps(body), content_type="application/json")
            response = self.cluster.handle(Request(builder.get_environ()), DEPLOYMENTS)
            self.assertEqual(response.status_code, 201)
            self.assertNotIn("replica", json.loads(response.get_data())["spec"])
            self.assertEqual(len(response.headers.getlist("Warning")), 2 if value == "Warn" else 0)
        self.assertIn(".spec.replica: field not declared in schema", self.apply(DEPLOYMENTS + "/web", deployment(replica=2), expect=500)["message"])

    def test_quotas_and_pod_security_hold_pods_back(self):
        self.call("POST", "/api/v1/namespaces/default/resourcequotas", {
            "metadata": {"name": "few"}, "spec": {"hard": {"pods": "1", "requests.nvidia.com/gpu": "0"}}}, expect=201)
        self.apply(DEPLOYMENTS + "/web", deployment(replicas=2), expect=201)
        status = self.get(DEPLOYMENTS + "/web")["status"]
        failure = next(c for c in status["conditions"] if c["type"] == "ReplicaFailure")
        self.assertEqual(failure["reason"], "FailedCreate")
        self.assertIn("exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1", failure["message"])
        events = self.get("/api/v1/namespaces/default/events", fieldSelector="reason=FailedCreate,type=Warning")["items"]
        self.assertEqual(events[0]["involvedObject"]["kind"], "ReplicaSet")
        used = self.get("/api/v1/namespaces/default/resourcequotas/few")["status"]["used"]
        self.assertEqual(used, {"pods": "1", "requests.nvidia.com/gpu": "0"})
        self.call("POST", "/api/v1/namespaces", {"metadata": {"name": "strict", "labels": {
            "pod-security.kubernetes.io/enforce": "restricted"}}}, expect=201)
        pod = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "x"}]}}
        self.assertIn('violates PodSecurity "restricted:latest"', self.call("POST", "/api/v1/namespaces/strict/pods", pod, expect=403)["message"])
        pod["spec"]["securityContext"] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        pod["spec"]["containers"][0]["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        self.call("POST", "/api/v1/namespaces/strict/pods", pod, expect=201)

    def test_pods_come_when_the_quota_goes(self):
        quotas = "/api/v1/namespaces/default/resourcequotas"
        self.call("POST", quotas, {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}}, expect=201)
        self.apply(DEPLOYMENTS + "/web", deployment(replicas=2), expect=201)
        self.assertEqual(self.get(DEPLOYMENTS + "/web")["status"]["readyReplicas"], 1)
        self.call("DELETE", quotas + "/few", expect=200)
        self.assertEqual(self.get(DEPLOYMENTS + "/web")["status"]["readyReplicas"], 2)

    def test_rollouts_fail_by_the_name_of_their_image(self):
        for image, phase, state, reason in (
            ("does-not-exist:1", "Pending", "ImagePullBackOff", "Failed"),
            ("exits-with-1:1", "Running", "CrashLoopBackOff", "BackOff"),
            ("never-ready:1", "Running", None, "Unhealthy"),
        ):
            name = image.partition(":")[0]
            self.apply(DEPLOYMENTS + "/" + name, deployment(name, image), expect=201)
            pod = self.get("/api/v1/namespaces/default/pods", labelSelector=f"app={name}")["items"][0]
            is_now = pod["status"]["containerStatuses"][0]
            self.assertEqual((pod["status"]["phase"], is_now["state"].get("waiting", {}).get("reason"), is_now["ready"]), (phase, state, False))
            events = self.get("/api/v1/namespaces/default/events", fieldSelector=f"involvedObject.uid={pod['metadata']['uid']},type=Warning")["items"]
            self.assertEqual([event["reason"] for event in events], [reason])

    def test_a_container_that_crashed_has_a_log(self):
        self.apply(DEPLOYMENTS + "/web", deployment("web", "exits-with-1:1"), expect=201)
        crashed = self.get("/api/v1/namespaces/default/pods", labelSelector="app=web")["items"][0]["metadata"]["name"]
        self.assertIn("ends with status 1", self.get(f"/api/v1/namespaces/default/pods/{crashed}/log"))

    def test_watch(self):
        start = self.get(DEPLOYMENTS)["metadata"]["resourceVersion"]
        threading.Timer(0.2, lambda: self.call("POST", DEPLOYMENTS, deployment())).start()
        builder = EnvironBuilder(path=DEPLOYMENTS, query_string={
            "watch": "true", "resourceVersion": start, "timeoutSeconds": "1"})
        response = self.cluster.handle(Request(builder.get_environ()), DEPLOYMENTS)
        events = [json.loads(line) for line in response.get_data(as_text=True).splitlines()]
        self.assertEqual(events[0]["type"], "ADDED")
        self.assertEqual(events[0]["object"]["kind"], "Deployment")
        self.assertEqual(events[-1]["object"]["status"]["readyReplicas"], 1)

    def test_discovery(self):
        self.assertEqual(self.get("/version")["minor"], "34")
        self.assertIn("apps", [g["name"] for g in self.get("/apis")["groups"]])
        pods = next(r for r in self.get("/api/v1")["resources"] if r["name"] == "pods")
        self.assertEqual((pods["kind"], pods["namespaced"], pods["shortNames"]),
                         ("Pod", True, ["po"]))
        self.assertEqual(self.get("/apis/apps")["preferredVersion"]["version"], "v1")

    def test_unexpected_failure_is_a_status(self):
        self.cluster.operations.find = None
        self.assertEqual(self.get(DEPLOYMENTS + "/x", 500)["kind"], "Status")


class Workloads(Case):
    def pods(self):
        return [p for p in self.cluster.objects() if p["kind"] == "Pod"]

    def test_gpu_rollout(self):
        path = DEPLOYMENTS + "/model"
        self.apply(path, gpu_deployment(), expect=201)
        live = self.get(path)
        conditions = {c["type"]: (c["status"], c["reason"]) for c in live["status"]["conditions"]}
        self.assertEqual(conditions["Progressing"], ("True", "ReplicaSetUpdated"))
        self.assertEqual(conditions["Available"][0], "False")
        pod = self.pods()[0]
        self.assertEqual(pod["status"]["phase"], "Pending")
        reason = pod["status"]["conditions"][0]
        self.assertEqual((reason["reason"], reason["type"]), ("Unschedulable", "PodScheduled"))
        self.assertTrue(reason["message"].startswith(
            "0/2 nodes are available: 2 Insufficient nvidia.com/gpu."), reason["message"])
        self.apply("/apis/apps/v1/namespaces/kube-system/daemonsets/nvdp", plugin(), expect=201)
        node = self.get("/api/v1/nodes/gpu")
        self.assertEqual(node["status"]["allocatable"]["nvidia.com/gpu"], "1")
        live = self.get(path)
        self.assertEqual(live["status"]["readyReplicas"], 1)
        conditions = {c["type"]: c["reason"] for c in live["status"]["conditions"]}
        self.assertEqual(conditions["Progressing"], "NewReplicaSetAvailable")
        daemon = self.get("/apis/apps/v1/namespaces/kube-system/daemonsets/nvdp")
        self.assertEqual(daemon["status"]["numberReady"], 1)
        # A second one finds the GPU taken.
        self.apply(DEPLOYMENTS + "/second", gpu_deployment("second"), expect=201)
        self.assertNotIn("readyReplicas", self.get(DEPLOYMENTS + "/second")["status"])
        self.call("DELETE", path, expect=200)
        self.assertEqual(self.get(DEPLOYMENTS + "/second")["status"]["readyReplicas"], 1)

    def test_rollout_waits_for_the_gpu(self):
        self.nodes = [PLAIN, dict(GPU, gpu_plugin_builtin=True)]
        path = DEPLOYMENTS + "/model"
        self.apply(path, gpu_deployment(), expect=201)
        body = gpu_deployment()
        body["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
        self.apply(path, body)
        self.assertEqual(self.get(path)["status"]["unavailableReplicas"], 1)
        body["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
        self.apply(path, body)
        status = self.get(path)["status"]
        self.assertEqual((status["replicas"], status["readyReplicas"]), (1, 1))

    def test_untolerated_taint(self):
        self.nodes = [dict(GPU, gpu_plugin_builtin=True), PLAIN]
        body = gpu_deployment()
        del body["spec"]["template"]["spec"]["tolerations"]
        self.apply(DEPLOYMENTS + "/model", body, expect=201)
        message = self.pods()[0]["status"]["conditions"][0]["message"]
        self.assertTrue(message.startswith(
            "0/2 nodes are available: 1 Insufficient nvidia.com/gpu, 1 node(s) had untolerated "
            "taint(s)."), message)

    def test_nodes_come_and_go(self):
        self.nodes = []
        self.apply(DEPLOYMENTS + "/web", deployment(), expect=201)
        self.assertEqual(self.pods()[0]["status"]["conditions"][0]["message"],
                         "no nodes available to schedule pods")
        self.nodes = [PLAIN]
        self.assertEqual(self.get(DEPLOYMENTS + "/web")["status"]["readyReplicas"], 1)
        self.nodes = [dict(PLAIN, labels={"zone": "a"}, taints=GPU["taints"])]
        node = self.get("/api/v1/nodes/plain")
        self.assertEqual(node["metadata"]["labels"]["zone"], "a")
        self.assertNotIn("pool", node["metadata"]["labels"])
        self.assertEqual(node["spec"]["taints"], GPU["taints"])
        self.nodes = []
        self.assertNotIn("readyReplicas", self.get(DEPLOYMENTS + "/web")["status"])

    def test_rollout(self):
        path = DEPLOYMENTS + "/web"
        self.apply(path, deployment(replicas=3), expect=201)
        self.apply(path, deployment(replicas=3, image="nginx:2"))
        self.assertEqual({p["spec"]["containers"][0]["image"] for p in self.pods()}, {"nginx:2"})
        live = self.get(path)
        self.assertEqual(live["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2")
        self.apply(path, deployment(replicas=3, image="does-not-exist:1"))
        status = self.get(path)["status"]
        self.assertGreaterEqual(status["readyReplicas"], 3)
        self.assertEqual(status["updatedReplicas"], 1)
        waiting = [p for p in self.pods() if p["status"]["phase"] == "Pending"]
        self.assertEqual(waiting[0]["status"]["containerStatuses"][0]["state"]["waiting"]["reason"],
                         "ImagePullBackOff")
        self.apply(path, deployment(replicas=0, image="nginx:2"))
        self.assertEqual(self.pods(), [])

    def test_affinity_and_resources(self):
        body = deployment(replicas=3)
        pod = body["spec"]["template"]["spec"]
        pod["nodeSelector"] = {"pool": "cpu"}
        pod["containers"][0]["resources"] = {"requests": {"cpu": "900m"}}
        self.apply(DEPLOYMENTS + "/web", body, expect=201)
        self.assertEqual(self.get(DEPLOYMENTS + "/web")["status"]["readyReplicas"], 2)

    def test_jobs_sets_and_budgets(self):
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {
            "template": {"spec": {"restartPolicy": "Never", "containers": [
                {"name": "a", "image": "busybox:1"}]}}}}
        path = "/apis/batch/v1/namespaces/default/jobs/j"
        self.apply(path, job, expect=201)
        live = self.get(path)
        self.assertEqual(live["status"]["succeeded"], 1)
        self.assertIn("Complete", [c["type"] for c in live["status"]["conditions"]])
        self.apply(path, job)
        changed = copy.deepcopy(job)
        changed["spec"]["template"]["spec"]["containers"][0]["image"] = "busybox:2"
        self.assertIn("field is immutable", self.apply(path, changed, expect=422)["message"])
        stateful = dict(deployment("db", replicas=2), kind="StatefulSet")
        stateful["spec"]["serviceName"] = "db"
        self.apply("/apis/apps/v1/namespaces/default/statefulsets/db", stateful, expect=201)
        self.assertEqual(sorted(p["metadata"]["name"] for p in self.pods()
                                if p["metadata"]["name"].startswith("db")), ["db-0", "db-1"])
        budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
                  "metadata": {"name": "b"}, "spec": {"minAvailable": 1, "selector": {
                      "matchLabels": {"app": "db"}}}}
        path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets/b"
        self.apply(path, budget, expect=201)
        status = self.get(path)["status"]
        self.assertEqual((status["currentHealthy"], status["disruptionsAllowed"]), (2, 1))
        self.assertEqual(sorted(o["kind"] for o in self.cluster.user_objects()),
                         ["Job", "PodDisruptionBudget", "StatefulSet"])

    def test_speed(self):
        path = DEPLOYMENTS + "/web"
        self.apply(path, deployment(), expect=201)
        start = time.perf_counter()
        for number in range(50):
            self.get(path)
        self.assertLess((time.perf_counter() - start) / 50, 0.005)


KUBECTL = os.environ.get("KUBECTL") or shutil.which("kubectl")


@unittest.skipUnless(KUBECTL, "kubectl is not installed")
class Kubectl(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        import socket
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        cls.folder = tempfile.mkdtemp()
        cls.server = subprocess.Popen([sys.executable, "-m", "kubernetes", str(port)],
                                      stderr=subprocess.DEVNULL)
        cls.config = os.path.join(cls.folder, "config")
        with open(cls.config, "w", encoding="utf-8") as out:
            json.dump({"apiVersion": "v1", "kind": "Config", "current-context": "c",
                       "clusters": [{"name": "c", "cluster": {
                           "server": f"http://127.0.0.1:{port}"}}],
                       "users": [{"name": "u", "user": {}}],
                       "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}, out)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 0.2).close()
                break
            except OSError:
                time.sleep(0.1)

    @classmethod
    def tearDownClass(cls):
        cls.server.terminate()
        cls.server.wait()
        shutil.rmtree(cls.folder)

    def kubectl(self, *args, body=None, code=0):
        done = subprocess.run(
            [KUBECTL, "--kubeconfig", self.config, "--cache-dir", self.folder, *args],
            input=json.dumps(body) if body else None, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_session(self):
        apply = ("apply", "--server-side", "--validate=false", "-f", "-")
        self.assertIn("serverside-applied", self.kubectl(*apply, body=deployment(replicas=1)))
        self.assertIn("successfully rolled out", self.kubectl(
            "rollout", "status", "deployment/web", "--timeout=20s"))
        self.kubectl("scale", "deployment/web", "--replicas=2")
        out = self.kubectl(*apply, body=deployment(replicas=1), code=1)
        self.assertIn("Apply failed with 1 conflict", out)
        self.kubectl(*apply, "--force-conflicts", body=deployment(replicas=1))
        out = self.kubectl("get", "pods", "-o", "name")
        self.assertEqual(len(out.split()), 1)
        self.assertIn("web", self.kubectl("get", "deployments"))
        self.kubectl("create", "namespace", "team")
        self.kubectl("-n", "team", "create", "configmap", "c", "--from-literal=a=b")
        self.kubectl("-n", "team", "create", "secret", "generic", "s", "--from-literal=a=b")
        self.assertEqual(self.kubectl("-n", "team", "get", "secret", "s", "-o",
                                      "jsonpath={.data.a}"), "Yg==")
        self.kubectl("-n", "team", "create", "serviceaccount", "robot")
        self.kubectl("delete", "namespace", "team", "--timeout=20s")
        self.kubectl("annotate", "deployment/web", "note=1")
        self.kubectl("set", "image", "deployment/web", "main=nginx:2")
        self.assertIn("successfully rolled out", self.kubectl(
            "rollout", "status", "deployment/web", "--timeout=20s"))
        self.kubectl("delete", "deployment", "web", "--timeout=20s")
        self.assertIn('deployments.apps "web" not found',
                      self.kubectl("get", "deployment", "web", code=1))
        client = ("apply", "--validate=false", "-f", "-")
        self.assertIn("created", self.kubectl(*client, body=deployment("old")))
        self.assertIn("unchanged", self.kubectl(*client, body=deployment("old")))
        self.assertIn("configured", self.kubectl(*client, body=deployment("old", replicas=2)))
        self.kubectl(*apply, body=deployment("old", replicas=3))
        self.kubectl("describe", "deployment", "old")

    def test_definitions(self):
        apply = ("apply", "--server-side", "--validate=false", "-f", "-")
        self.kubectl(*apply, body=definition())
        self.kubectl("wait", "--for=condition=Established", "crd/widgets.example.com",
                     "--timeout=20s")
        self.kubectl(*apply, body={"apiVersion": "example.com/v1", "kind": "Widget",
                                   "metadata": {"name": "w"}, "spec": {"a": 1}})
        self.assertIn("w", self.kubectl("get", "widgets"))
        self.kubectl("delete", "crd", "widgets.example.com", "--timeout=20s")


if __name__ == "__main__":
    unittest.main()
