"""Routing of requests, discovery, and the form of answers."""

import json
import re
import time

import yaml
from werkzeug.wrappers import Response

from . import authorize, errors, eviction, known, merge, openapi, protobuf, resources
from .errors import ApiError, bad_request
from .operations import (APPLY_PATCH, JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Context)
from .selectors import parse_fields, parse_labels

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}
_WATCH_SECONDS = 30
_WATCH_LIMIT = 600
_PRINTABLE = re.compile(r"^[^\x00-\x1f\x7f]*$")


class _PlainLoader(_Loader):
    """YAML 1.1 as the API server reads it: timestamps stay strings, and y and n are booleans."""


_PlainLoader.yaml_implicit_resolvers = {
    key: [(tag, expr) for tag, expr in found if tag != "tag:yaml.org,2002:timestamp"]
    for key, found in _Loader.yaml_implicit_resolvers.items()}
_PlainLoader.bool_values = {**_Loader.bool_values, "y": True, "n": False}
_PlainLoader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^[yYnN]$"), list("yYnN"))


def _plain(value):
    """YAML data as JSON has it: all keys are strings."""
    if isinstance(value, dict):
        return {k if isinstance(k, str) else json.dumps(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value


def reply(body, code=200):
    return Response(json.dumps(body, separators=(",", ":"), ensure_ascii=False),
                    status=code, content_type="application/json")


def _warned(response, warnings):
    """The response with a warning for each text."""
    for text in warnings:
        response.headers.add("Warning", '299 - "' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
    return response


def _truth(value):
    return value is not None and value.lower() in ("true", "1", "")


class Router:
    def __init__(self, cluster):
        self.cluster = cluster
        self.ops = cluster.operations
        self.store = cluster.store

    # -- dispatch -----------------------------------------------------------

    def handle(self, request, path):
        try:
            return self._handle(request, path)
        except errors.NoPage:
            return Response("404 page not found\n", status=404, content_type="text/plain; charset=utf-8")
        except ApiError as error:
            return reply(error.status(), error.code)
        except Exception as error:  # an unexpected failure is still a Status
            failure = errors.internal(f"{type(error).__name__}: {error}")
            return reply(failure.status(), failure.code)

    def _handle(self, request, path):
        user = self._authenticate(request)
        parts = [p for p in path.split("/") if p]
        method = request.method
        if method == "HEAD":
            method = "GET"
        if len(parts) < 3 or parts[0] not in ("api", "apis"):
            with self.store.lock:
                authorize.check_path(self.store, user, method.lower(), path)
        if not parts:
            return reply({"paths": ["/api", "/api/v1", "/apis", "/healthz", "/version"]})
        if parts[0] in ("healthz", "livez", "readyz"):
            return Response("ok", content_type="text/plain; charset=utf-8")
        if parts == ["version"]:
            return reply(self.cluster.version_info)
        if parts[0] == "api":
            if len(parts) == 1:
                return reply({"kind": "APIVersions", "versions": ["v1"],
                              "serverAddressByClientCIDRs": []})
            return self._group_version(request, method, "", parts[1], parts[2:], user)
        if parts[0] == "apis":
            if len(parts) == 1:
                return reply({"kind": "APIGroupList", "apiVersion": "v1", "groups": self._groups()})
            if len(parts) == 2:
                return self._group(parts[1])
            return self._group_version(request, method, parts[1], parts[2], parts[3:], user)
        if parts[:2] == ["openapi", "v3"]:
            with self.store.lock:
                served = self._served()
            found = openapi.document(served, "/".join(parts[2:])) if parts[2:] else openapi.index(served)
            if found is not None:
                return reply(found)
        raise errors.no_such_page()

    def _authenticate(self, request):
        """Who asks."""
        check = self.cluster.authenticate
        if check is None:
            return authorize.User("admin", ["system:masters"])
        header = request.headers.get("Authorization", "")
        token = header[7:].strip() if header[:7].lower() == "bearer " else None
        if not token:
            return authorize.ANONYMOUS
        user = check(token)
        if user is None:
            raise errors.unauthorized()
        return user

    def _authorize(self, request, user, method, group, rest):
        """Before anything is said of what there is: whether the user may ask."""
        namespace = None
        if rest[0] == "namespaces" and len(rest) >= 3 and not (
                group == "" and len(rest) == 3 and rest[2] in ("status", "finalize")):
            namespace, rest = rest[1], rest[2:]
        plural, name, sub = rest[0], *(rest[1:] + [None, ""])[:2]
        if plural == "namespaces" and group == "" and name:
            namespace = name
        if method == "GET":
            verb = "get" if name else "watch" if "watch" in request.args and _truth(request.args["watch"]) else "list"
        elif method == "DELETE":
            verb = "delete" if name else "deletecollection"
        else:
            verb = _VERBS.get(method, method.lower())
        with self.store.lock:
            authorize.check(self.store, user, verb, group, plural, sub or "", namespace, name)

    # -- discovery ----------------------------------------------------------

    def _served(self):
        return list(resources.BUILTIN.values()) + list(self.ops.custom.values())

    def _groups(self):
        with self.store.lock:
            found = {}
            for resource in self._served():
                if resource.group:
                    versions = found.setdefault(resource.group, [])
                    if resource.version not in versions:
                        versions.append(resource.version)
        out = []
        for group, versions in found.items():
            listed = [{"groupVersion": f"{group}/{v}", "version": v} for v in versions]
            out.append({"name": group, "versions": listed, "preferredVersion": listed[0]})
        return out

    def _group(self, name):
        for group in self._groups():
            if group["name"] == name:
                return reply({"kind": "APIGroup", "apiVersion": "v1", **group})
        raise errors.no_such_page()

    def _resource_list(self, group, version):
        with self.store.lock:
            served = [r for r in self._served() if (r.group, r.version) == (group, version)]
        if not served:
            raise errors.no_such_page()
        listed = [i for r in sorted(served, key=lambda r: r.plural) for i in r.discovery()]
        out = {"kind": "APIResourceList"}
        if group:
            out["apiVersion"] = "v1"
        out["groupVersion"] = f"{group}/{version}" if group else version
        out["resources"] = listed
        return reply(out)

    # -- resources ----------------------------------------------------------

    def _group_version(self, request, method, group, version, rest, user):
        if not rest:
            with self.store.lock:
                authorize.check_path(self.store, user, method.lower(), request.path)
            if method != "GET":
                raise errors.method_not_allowed()
            return self._resource_list(group, version)
        self._authorize(request, user, method, group, rest)
        namespace = None
        if rest[0] == "namespaces" and len(rest) >= 3 and not (
                group == "" and len(rest) == 3 and rest[2] in ("status", "finalize")):
            namespace, rest = rest[1], rest[2:]
        plural, name = rest[0], rest[1] if len(rest) > 1 else None
        sub = rest[2] if len(rest) > 2 else ""
        with self.store.lock:
            resource = self.ops.resource(group, version, plural)
            is_served = any((it.group, it.version) == (group, version) for it in self._served())
        if resource is None and not is_served:
            raise errors.no_such_page()
        if resource is None or len(rest) > 3 or (namespace is not None and not resource.namespaced):
            raise errors.no_such_path()
        if sub == "eviction" and resource is resources.PODS and namespace is not None:
            if method != "POST":
                raise errors.method_not_allowed()
            body, context = self._body(request), self._context(request)
            return reply(eviction.evict(self, body, context, namespace, name), 201)
        is_log = sub == "log" and resource.key == resources.PODS.key and method == "GET"
        if sub and not (is_log or sub == "status" and resource.status or sub == "scale" and resource.scale):
            raise errors.no_such_path()
        if name is None:
            return self._collection(request, method, resource, namespace)
        if resource.namespaced and namespace is None:
            raise errors.no_such_path()
        return self._item(request, method, resource, namespace, name, sub)

    def _context(self, request, media=None, sub=""):
        args = request.args
        dry = args.getlist("dryRun")
        found = errors.FieldErrors()
        kind = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}.get(
            request.method, "DeleteOptions")
        for value in dry:
            if value != "All":
                found.unsupported("dryRun", [value], ["All"])
        validation = args.get("fieldValidation")
        if request.method in _VERBS and validation not in (None, "", "Ignore", "Strict", "Warn"):
            found.unsupported("fieldValidation", validation, ["", "Ignore", "Strict", "Warn"])
        force = args.get("force")
        manager = args.get("fieldManager")
        if media == APPLY_PATCH:
            if not manager:
                found.required("fieldManager", "is required for apply patch")
        elif force is not None and media is not None:
            found.forbidden("force", "may not be specified for non-apply patch")
        if manager:
            if len(manager) > 128:
                found.invalid("fieldManager", manager, "may not be more than 128 bytes")
            if not _PRINTABLE.match(manager):
                found.invalid("fieldManager", manager, "should only contain printable characters")
        found.raise_for("meta.k8s.io", kind, "")
        if not manager:
            manager = (request.headers.get("User-Agent") or "unknown").split("/", 1)[0][:128]
        return Context(manager, bool(dry), _truth(force) if force is not None else False, sub)

    def _parse(self, request, media):
        data = request.get_data()
        try:
            if media.endswith("yaml") and not data.lstrip()[:1] == b"{":
                return _plain(yaml.load(data, Loader=_PlainLoader))
            return json.loads(data)
        except (ValueError, yaml.YAMLError) as error:
            if media == APPLY_PATCH:
                try:
                    return _plain(yaml.load(data, Loader=_PlainLoader))
                except (ValueError, yaml.YAMLError) as other:
                    raise bad_request(f"error decoding YAML: {other}") from None
            raise bad_request("couldn't get version/kind; json parse error: "
                              f"{error}") from None

    def _body(self, request):
        media = (request.headers.get("Content-Type") or "application/json").split(";")[0].strip()
        if media == "application/vnd.kubernetes.protobuf":
            try:
                found = protobuf.decode(request.get_data())
            except (ValueError, IndexError, AttributeError) as error:
                raise bad_request(f"error decoding protobuf: {error}") from None
            if found is not None:
                return found
        if media not in ("application/json", "application/yaml", "text/yaml",
                         "application/x-yaml", "*/*", ""):
            raise errors.unsupported_media_type(["application/json", "application/yaml"])
        return self._parse(request, media)

    @staticmethod
    def _loose(request, resource, body):
        """Warnings of fields that the kind does not have; refused where the request is strict."""
        found = [f'unknown field "{path}"' for path in known.unknown(resource, body)]
        if found and request.args.get("fieldValidation") == "Strict":
            raise bad_request(f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: '
                              f'strict decoding error: {", ".join(found)}')
        return [] if request.args.get("fieldValidation") == "Ignore" else found

    def _options(self, request):
        """DeleteOptions from the body and the query."""
        out = {}
        if request.get_data().strip():
            body = self._body(request)
            if isinstance(body, dict):
                out.update(body)
        for key in ("propagationPolicy", "gracePeriodSeconds"):
            if key in request.args:
                out[key] = request.args[key]
        if "orphanDependents" in request.args:
            out["orphanDependents"] = _truth(request.args["orphanDependents"])
        return out

    def _selection(self, request):
        labels = parse_labels(request.args.get("labelSelector"))
        fields = parse_fields(request.args.get("fieldSelector"))
        if not request.args.get("labelSelector") and not request.args.get("fieldSelector"):
            return None
        return lambda obj: labels(obj["metadata"].get("labels") or {}) and fields(obj)

    @staticmethod
    def _partial(request):
        return "as=PartialObjectMetadata" in (request.headers.get("Accept") or "")

    def _collection(self, request, method, resource, namespace):
        if method == "GET":
            chosen = self._selection(request)
            if _truth(request.args.get("watch")) and "watch" in request.args:
                return self._watch(request, resource, namespace, chosen)
            with self.store.lock:
                self.cluster.sync()
                items = self.store.items(resource.key, namespace)
                version = str(self.store.version)
            if chosen is not None:
                items = [i for i in items if chosen(i)]
            if self._partial(request):
                return reply({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
                              "metadata": {"resourceVersion": version},
                              "items": [_metadata_only(i) for i in items]})
            if resource.builtin:
                # Items of the built-in lists carry no kind of their own.
                items = [{k: v for k, v in i.items() if k not in ("apiVersion", "kind")}
                         for i in items]
            else:
                items = [self.ops.shown(resource, i) for i in items]
            return reply({"kind": resource.list_kind, "apiVersion": resource.api_version,
                          "metadata": {"resourceVersion": version}, "items": items})
        if resource.namespaced and namespace is None:
            raise errors.method_not_allowed()
        if method == "POST":
            context = self._context(request)
            body = self._body(request)
            with self.store.lock:
                self.cluster.sync()
                self.ops._check_body(resource, body, namespace, None)
                warnings = self._loose(request, resource, body)
                made = self.ops.create(resource, namespace, body, context)
                self.cluster.sync()
            return _warned(reply(self.ops.shown(resource, made), 201), warnings)
        if method == "DELETE":
            context, options = self._context(request), self._options(request)
            chosen = self._selection(request)
            with self.store.lock:
                self.cluster.sync()
                gone = [i for i in self.store.items(resource.key, namespace)
                        if chosen is None or chosen(i)]
                for obj in gone:
                    current = self.store.get(resource.key, obj["metadata"].get("namespace", ""),
                                             obj["metadata"]["name"])
                    if current is not None:
                        self.ops.delete(resource, current, dict(options, preconditions={}), context)
                version = str(self.store.version)
                self.cluster.sync()
            return reply({"kind": resource.list_kind, "apiVersion": resource.api_version,
                          "metadata": {"resourceVersion": version}, "items": gone})
        raise errors.method_not_allowed()

    def _item(self, request, method, resource, namespace, name, sub):
        if method == "GET":
            with self.store.lock:
                self.cluster.sync()
                obj = self.ops.find(resource, namespace, name)
            if sub == "scale":
                return reply(_scale(obj))
            if sub == "log":
                return Response(_log(obj), content_type="text/plain; charset=utf-8")
            if self._partial(request):
                return reply(_metadata_only(obj))
            return reply(self.ops.shown(resource, obj))
        if method == "PUT":
            context = self._context(request, sub=sub)
            body = self._body(request)
            with self.store.lock:
                self.cluster.sync()
                if sub == "scale":
                    return reply(self._set_scale(resource, namespace, name, body, context))
                warnings = self._loose(request, resource, body)
                obj, made = self.ops.update(resource, namespace, name, body, context)
                self.cluster.sync()
            return _warned(reply(self.ops.shown(resource, obj), 201 if made else 200), warnings)
        if method == "PATCH":
            media = (request.headers.get("Content-Type") or "").split(";")[0].strip()
            types = [JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH]
            if media not in types:
                raise errors.unsupported_patch_type()
            if media == STRATEGIC_PATCH and not resource.builtin:
                types.remove(STRATEGIC_PATCH)
                raise errors.unsupported_media_type(types)
            context = self._context(request, media, sub)
            body = self._parse(request, media)
            with self.store.lock:
                self.cluster.sync()
                if sub == "scale":
                    return reply(self._patch_scale(resource, namespace, name, media, body, context))
                warnings = self._loose(request, resource, body) if media in (MERGE_PATCH, STRATEGIC_PATCH) else []
                obj, made = self.ops.patch(resource, namespace, name, media, body, context)
                self.cluster.sync()
            return _warned(reply(self.ops.shown(resource, obj), 201 if made else 200), warnings)
        if method == "DELETE" and not sub:
            context, options = self._context(request), self._options(request)
            with self.store.lock:
                self.cluster.sync()
                obj = self.ops.find(resource, namespace, name)
                answer = self.ops.delete(resource, obj, options, context)
                self.cluster.sync()
            return reply(answer)
        raise errors.method_not_allowed()

    # -- scale --------------------------------------------------------------

    def _set_scale(self, resource, namespace, name, body, context):
        if not isinstance(body, dict) or body.get("kind") not in (None, "Scale"):
            raise bad_request("the body is no Scale")
        obj = self.ops.find(resource, namespace, name)
        version = (body.get("metadata") or {}).get("resourceVersion")
        self.ops._check_version(resource, obj, {"resourceVersion": version})
        replicas = (body.get("spec") or {}).get("replicas", 0)
        if isinstance(replicas, bool) or not isinstance(replicas, int) or replicas < 0:
            found = errors.FieldErrors()
            found.invalid("spec.replicas", replicas, "must be greater than or equal to 0")
            found.raise_for("autoscaling", "Scale", name)
        new = self.ops._write(resource, obj, dict(obj, spec=dict(obj["spec"], replicas=replicas)),
                              context)
        self.cluster.sync()
        return _scale(new)

    def _patch_scale(self, resource, namespace, name, media, body, context):
        base = _scale(self.ops.find(resource, namespace, name))
        if media == JSON_PATCH:
            body = merge.json_patch(base, body)
        elif media in (MERGE_PATCH, STRATEGIC_PATCH):
            body = merge.merge_patch(base, body)
        else:
            raise errors.unsupported_media_type([JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH])
        return self._set_scale(resource, namespace, name, body, context)

    # -- watch --------------------------------------------------------------

    def _watch(self, request, resource, namespace, chosen):
        args = request.args
        try:
            seconds = int(args.get("timeoutSeconds") or _WATCH_SECONDS)
            since = args.get("resourceVersion") or ""
            start = int(since) if since else 0
        except ValueError:
            raise bad_request(f"Invalid value: \"{args.get('resourceVersion')}\": strconv.ParseUint"
                              ": parsing: invalid syntax") from None
        bookmarks = _truth(args.get("allowWatchBookmarks")) and "allowWatchBookmarks" in args
        initial = _truth(args.get("sendInitialEvents")) and "sendInitialEvents" in args
        partial = self._partial(request)
        with self.store.lock:
            self.cluster.sync()
            first = []
            if initial or start == 0:
                first = [("ADDED", o) for o in self.store.items(resource.key, namespace)
                         if chosen is None or chosen(o)]
                start = self.store.version
            elif self.store.since(start) is None:
                raise errors.expired(f"too old resource version: {start}")

        def line(kind, obj):
            shown = _metadata_only(obj) if partial else self.ops.shown(resource, obj)
            return json.dumps({"type": kind, "object": shown}, separators=(",", ":"),
                              ensure_ascii=False) + "\n"

        def bookmark(version, ends_initial=False):
            meta = {"resourceVersion": str(version)}
            if ends_initial:
                meta["annotations"] = {"k8s.io/initial-events-end": "true"}
            return json.dumps({"type": "BOOKMARK", "object": {
                "kind": resource.kind, "apiVersion": resource.api_version,
                "metadata": meta}}) + "\n"

        def stream():
            at, until = start, time.monotonic() + min(seconds, _WATCH_LIMIT)
            for kind, obj in first:
                yield line(kind, obj)
            if initial and bookmarks:
                yield bookmark(at, True)
            quiet = time.monotonic()
            while True:
                out = []
                with self.store.lock:
                    left = until - time.monotonic()
                    if left <= 0:
                        return
                    self.cluster.sync()
                    if self.store.version == at:
                        # Woken at times, as the nodes change without a write.
                        self.store.changed.wait(min(left, 1.0))
                        self.cluster.sync()
                    events = self.store.since(at)
                    missed, at = at, self.store.version
                    for event in events or []:
                        found = self._seen(event, resource.key, namespace, chosen)
                        if found:
                            out.append(line(*found))
                # The lock must not be held over a yield: a slow client would stop the cluster.
                if events is None:
                    gone = errors.expired(f"too old resource version: {missed}").status()
                    yield json.dumps({"type": "ERROR", "object": gone}) + "\n"
                    return
                if out:
                    quiet = time.monotonic()
                    yield "".join(out)
                elif bookmarks and time.monotonic() - quiet > 10:
                    # Also the way to notice that the client went away.
                    quiet = time.monotonic()
                    yield bookmark(at)

        return Response(stream(), content_type="application/json")

    @staticmethod
    def _seen(event, key, namespace, chosen):
        """What an event is to a watcher with this selection."""
        if event.key != key:
            return None
        if namespace is not None and event.obj["metadata"].get("namespace") != namespace:
            return None
        if chosen is None:
            return event.type, event.obj
        now = event.type != "DELETED" and chosen(event.obj)
        before = event.old is not None and chosen(event.old)
        if now:
            return ("MODIFIED" if before else "ADDED"), event.obj
        return ("DELETED", event.obj) if before else None


def _metadata_only(obj):
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
            "metadata": obj["metadata"]}


def _log(pod):
    """What a pod's containers wrote: those that crash say so, the others nothing."""
    crashed = any("exits-with-1" in container["image"] for container in pod["spec"]["containers"])
    return "error: the name of the image says that this container ends with status 1\n" if crashed else ""


def _scale(obj):
    meta = {k: obj["metadata"][k] for k in ("name", "namespace", "uid", "resourceVersion",
                                           "creationTimestamp") if k in obj["metadata"]}
    labels = ((obj["spec"].get("selector") or {}).get("matchLabels")) or {}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": meta,
            "spec": {"replicas": obj["spec"].get("replicas", 0)},
            "status": {"replicas": (obj.get("status") or {}).get("replicas", 0),
                       "selector": ",".join(f"{k}={v}" for k, v in sorted(labels.items()))}}
