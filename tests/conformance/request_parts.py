"""What the requests of the table are made of."""

import json

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"

NS = "/api/v1/namespaces/conformance"
DEPLOYMENTS = "/apis/apps/v1/namespaces/conformance/deployments"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/conformance/widgets"

REQUESTS = []


def ask(name, method, path, body=None, **more):
    REQUESTS.append({"name": name, "method": method, "path": path, "body": body, **more})


def apply(name, path, body, manager="llmhost", query="", **more):
    ask(name, "PATCH", f"{path}?fieldManager={manager}{query}", body, type=APPLY, **more)


def outcome(body):
    """What of a refusal llmhost and people read."""
    details = body.get("details") or {}
    return {"reason": body.get("reason"), "message": body.get("message"), "code": body.get("code"),
            "details": details}


def spec_of(body):
    return {"spec": body["spec"], "labels": body["metadata"].get("labels"), "annotations": body["metadata"].get("annotations"),
            "generation": body["metadata"].get("generation")}


def config_map(name="settings", data=None, **metadata):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data or {"a": "1"}}


def container(**more):
    return {"name": "server", "image": "registry/server:1", **more}


def workload(kind="Deployment", name="web", containers=None, pod=None, **spec):
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers or [container()], **(pod or {})}}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": labels}, "template": template, **spec}}


def definition(**more):
    schema = {"type": "object", "properties": {"spec": {"type": "object", "required": ["size"], "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10},
        "colour": {"type": "string", "default": "red", "enum": ["red", "blue"]},
        "rules": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                  "items": {"type": "object", "required": ["name"], "properties": {
                      "name": {"type": "string"}, "value": {"type": "string"}}}}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
    version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": schema}}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
                     "versions": [version], **more}}


def keyless():
    """A definition of gadgets, whose rules need not have the name that is their key."""
    new = json.loads(json.dumps(definition()).replace("widgets", "gadgets").replace("Widget", "Gadget"))
    del new["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["rules"]["items"]["required"]
    return new


def widget(name="one", **spec):
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": 3, **spec}}


def has_condition(kind):
    return lambda _, body: any(it["type"] == kind and it["status"] == "True" for it in body.get("status", {}).get("conditions", []))


def is_gone(status, _):
    return status == 404
