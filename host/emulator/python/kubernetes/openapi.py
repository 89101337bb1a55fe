"""As much of the OpenAPI v3 documents as kubectl reads before it applies: which groups there are, and that
the server itself checks fields (``fieldValidation``). There are no schemas in it."""


def index(served):
    """`/openapi/v3`"""
    places = sorted({_place(resource.group, resource.version) for resource in served})
    return {"paths": {place: {"serverRelativeURL": f"/openapi/v3/{place}"} for place in places}}


def document(served, place):
    """`/openapi/v3/apis/apps/v1`, or nothing."""
    paths = {}
    for resource in served:
        if _place(resource.group, resource.version) != place:
            continue
        middle = "/namespaces/{namespace}" if resource.namespaced else ""
        kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        query = [{"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": True}}
                 for name in ("dryRun", "fieldManager", "fieldValidation")]
        patch = {"operationId": f"patch{resource.kind}", "x-kubernetes-action": "patch", "x-kubernetes-group-version-kind": kind,
                 "parameters": query, "responses": {"200": {"description": "OK"}}}
        paths[f"/{place}{middle}/{resource.plural}/{{name}}"] = {"patch": patch}
    if not paths:
        return None
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "unversioned"}, "paths": paths, "components": {}}


def _place(group, version):
    return f"apis/{group}/{version}" if group else f"api/{version}"
