"""The verbs on stored objects: create, update, patch, apply, delete.

Everything here runs under the store's lock."""

import json
import random
import time
import uuid

from . import apply as ssa
from . import crds, defaults, errors, known, merge, podsecurity, quotas, resources, validate
from .apply import clone, same
from .errors import bad_request

_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"
_PROTECTED = ("default", "kube-system", "kube-public")
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
# Keeps a claim while a pod uses it; the controllers take it away.
PVC_PROTECTION = "kubernetes.io/pvc-protection"


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def random_suffix(length=5) -> str:
    return "".join(random.choices(_SUFFIX, k=length))


class Context:
    """What a request says beside its object."""

    __slots__ = ("manager", "dry_run", "force", "subresource")

    def __init__(self, manager="unknown", dry_run=False, force=False, subresource=""):
        self.manager, self.dry_run = manager, dry_run
        self.force, self.subresource = force, subresource


def _without_nulls(value):
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(v) for v in value]
    return value


def _place(resource, body):
    """An object and its kind as server-side apply names them."""
    meta = body.get("metadata") or {}
    namespace, name = (value if isinstance(value, str) else "" for value in (meta.get("namespace"), meta.get("name")))
    return (f"{namespace}/{name}; {resource.group}/{resource.version}, "
            f"Kind={resource.kind}")


def _bare(obj):
    """The object without its managedFields (shallow copies only)."""
    meta = {k: v for k, v in obj["metadata"].items() if k != "managedFields"}
    return dict(obj, metadata=meta)


def _timeless(obj):
    """For telling whether a write changed anything."""
    meta = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
    meta["managedFields"] = [{k: v for k, v in e.items() if k != "time"}
                             for e in meta.get("managedFields") or []]
    return dict(obj, metadata=meta)


class Operations:
    """The verbs, on one store. What controllers do is in ``controllers``."""

    def __init__(self, store):
        self.store = store
        self.custom = {}          # (group, version, plural) -> Resource
        self.system = set()       # uids of what users did not make

    # -- lookup -------------------------------------------------------------

    def resource(self, group, version, plural):
        found = resources.BUILTIN.get((group, version, plural))
        return found or self.custom.get((group, version, plural))

    def by_key(self, key):
        found = resources.BY_KEY.get(key)
        if found:
            return found
        return next((r for r in self.custom.values() if r.key == key), None)

    def find(self, resource, namespace, name):
        obj = self.store.get(resource.key, namespace or "", name)
        if obj is None:
            raise errors.not_found(resource, name)
        return obj

    def shown(self, resource, obj):
        """The object in the version it was asked for."""
        if obj.get("apiVersion") != resource.api_version:
            obj = dict(obj, apiVersion=resource.api_version)
        return obj

    # -- checks -------------------------------------------------------------

    def _check_body(self, resource, body, namespace, name, strict=False):
        if not isinstance(body, dict):
            raise bad_request("couldn't get version/kind; json parse error: json: cannot "
                              "unmarshal into Go value of type struct")
        version, kind = body.get("apiVersion"), body.get("kind")
        if (strict or not resource.builtin) and not kind:
            raise bad_request("Object 'Kind' is missing in the body of the request")
        if (strict or not resource.builtin) and not version:
            raise bad_request("Object 'apiVersion' is missing in the body of the request")
        if kind and kind != resource.kind:
            raise bad_request(
                f'{kind} in version "{(version or "").rsplit("/", 1)[-1]}" cannot be handled as a '
                f'{resource.kind}: no kind "{kind}" is served at this path')
        if version and version != resource.api_version:
            raise bad_request(f"the API version in the data ({version}) does not match the "
                              f"expected API version ({resource.api_version})")
        # Of custom resources only the metadata has a type that is known here.
        wrong = validate.types(body if resource.builtin else {"metadata": body.get("metadata")},
                               resource)
        if wrong:
            path, wanted, found = wrong[:3]
            shown = {dict: "object", list: "array", str: "string", bool: "bool"}.get(
                type(found), "number")
            raise bad_request(
                f'{resource.kind} in version "{resource.version}" cannot be handled as a '
                f"{resource.kind}: json: cannot unmarshal {shown} into Go struct field "
                f"{resource.kind}.{path} of type {wanted}")
        meta = body.get("metadata") or {}
        if resource.namespaced and meta.get("namespace") and meta["namespace"] != namespace:
            raise bad_request("the namespace of the provided object does not match the namespace "
                              "sent on the request")
        if name is not None and meta.get("name") and meta["name"] != name:
            raise bad_request(f"the name of the object ({meta['name']}) does not match the name "
                              f"on the URL ({name})")

    def _check_namespace(self, resource, namespace, name):
        if not resource.namespaced:
            return
        found = self.store.get(("", "namespaces"), "", namespace)
        if found is None:
            raise errors.not_found(resources.NAMESPACES, namespace)
        if found["metadata"].get("deletionTimestamp"):
            raise errors.forbidden(
                resource, name, f"unable to create new content in namespace {namespace} because "
                "it is being terminated",
                [{"reason": "NamespaceTerminating",
                  "message": f"namespace {namespace} is being terminated",
                  "field": "metadata.namespace"}])

    # -- writing ------------------------------------------------------------

    def create(self, resource, namespace, body, context, config=None):
        """POST, and an apply of something that is not there (`config` is set)."""
        obj = clone(body)
        meta = dict(obj.get("metadata") or {})
        obj["metadata"] = meta
        if meta.get("resourceVersion"):
            raise errors.unknown("resourceVersion should not be set on objects to be created")
        if config is not None and meta.get("uid"):
            raise errors.conflict(
                resource, meta.get("name", ""), "uid mismatch: the provided object specified uid "
                f"{meta['uid']}, and no existing object was found")
        if resource.namespaced:
            meta["namespace"] = namespace
        else:
            meta.pop("namespace", None)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"][:58] + random_suffix()
        for key in ("managedFields", "selfLink", "deletionTimestamp", "resourceVersion", "uid",
                    "deletionGracePeriodSeconds", "creationTimestamp", "generation"):
            meta.pop(key, None)
        obj = {"apiVersion": resource.api_version, "kind": resource.kind,
               "metadata": meta, **{k: v for k, v in obj.items()
                                    if k not in ("apiVersion", "kind", "metadata")}}
        self._check_namespace(resource, namespace, meta.get("name", ""))
        if resource.status:
            obj.pop("status", None)
        stamp = now()
        if config is not None:
            _, managers = ssa.apply({}, config, {}, resource.schema, context.manager,
                                    resource.api_version, context.subresource, resource.status,
                                    True, stamp)
        obj = self._admit(resource, obj)
        if config is None:
            managers = ssa.record_update({}, obj, {}, resource.schema, context.manager,
                                         resource.api_version, context.subresource,
                                         resource.status, stamp)
        meta = obj["metadata"]
        meta["uid"] = str(uuid.uuid4())
        meta["creationTimestamp"] = stamp
        if resource.generation:
            meta["generation"] = 1
        if resource.builtin:
            defaults.apply_defaults(resource, obj)
        if resource.key == resources.DAEMONSETS.key:
            defaults.template_generation(obj)
        self._start_status(resource, obj)
        validate.validate(resource, obj)
        if resource.key == resources.PODS.key:
            podsecurity.check(self.store, resource, obj)
            quotas.check(self.store, resource, obj)
        if self.store.get(resource.key, meta.get("namespace", ""), meta["name"]) is not None:
            raise errors.already_exists(resource, meta["name"])
        if resource.key == ("", "services"):
            self._allocate(obj, None, context.dry_run)
        if resource.key == ("", "persistentvolumeclaims"):
            meta["finalizers"] = [*(meta.get("finalizers") or []), PVC_PROTECTION]
        meta["managedFields"] = ssa.encode_managers(managers)
        if not context.dry_run:
            self.store.put(resource.key, obj)
            self._after_write(resource, obj)
        return obj

    def _admit(self, resource, obj):
        obj = _without_nulls(obj)
        if resource.builtin:
            obj = known.dropped(resource, obj)
            defaults.apply_defaults(resource, obj)
            return obj
        return crds.admit(resource, obj)

    def _start_status(self, resource, obj):
        initial = {
            "pods": {"phase": "Pending"}, "namespaces": {"phase": "Active"},
            "services": {"loadBalancer": {}}, "persistentvolumeclaims": {"phase": "Pending"},
            "persistentvolumes": {"phase": "Available"}, "ingresses": {"loadBalancer": {}},
        }.get(resource.plural)
        if resource.builtin and resource.status:
            obj.setdefault("status", dict(initial or {}))
            if resource.key == ("", "pods"):
                obj["status"].setdefault("qosClass", _quality(obj["spec"]))

    def _after_write(self, resource, obj):
        if resource.key == resources.CRDS.key:
            self.define(obj)

    def define(self, crd):
        """Serves (or serves again) what a definition defines."""
        self.undefine(crd)
        for resource in resources.from_definition(crd):
            self.custom[(resource.group, resource.version, resource.plural)] = resource

    def undefine(self, crd):
        key = (crd["spec"]["group"], crd["spec"]["names"]["plural"])
        for place in [p for p, r in self.custom.items() if r.key == key]:
            del self.custom[place]

    def _allocate(self, obj, old, dry_run):
        """Cluster addresses and node ports of services."""
        spec = obj["spec"]
        if spec["type"] == "ExternalName":
            for key in ("clusterIP", "clusterIPs"):
                spec.pop(key, None)
            return
        services = self.store.values(("", "services"))
        if not spec.get("clusterIP"):
            kept = (old or {}).get("spec", {}).get("clusterIP")
            taken = {s["spec"].get("clusterIP") for s in services}
            while not kept:
                address = f"10.100.{random.randrange(256)}.{random.randrange(1, 255)}"
                kept = address if address not in taken else None
            spec["clusterIP"] = kept
        if not spec.get("clusterIPs"):
            spec["clusterIPs"] = [spec["clusterIP"]]
        if spec["type"] not in ("NodePort", "LoadBalancer"):
            return
        if spec["type"] == "LoadBalancer" and spec.get("allocateLoadBalancerNodePorts") is False:
            return
        before = {(p.get("port"), p.get("protocol")): p.get("nodePort")
                  for p in (old or {}).get("spec", {}).get("ports") or []}
        taken = {p.get("nodePort") for s in services for p in s["spec"].get("ports") or []}
        for port in spec.get("ports") or []:
            if not port.get("nodePort"):
                port["nodePort"] = before.get((port["port"], port["protocol"])) or next(
                    n for n in iter(lambda: random.randrange(30000, 32768), None) if n not in taken)
                taken.add(port["nodePort"])

    def _write(self, resource, old, new, context, managers=None):
        """Stores `new` in place of `old`; `managers` is given by an apply."""
        new = self._admit(resource, self._carry_over(resource, old, new, context))
        if resource.key == resources.DAEMONSETS.key:
            defaults.template_generation(new, old)
        if resource.key == ("", "services"):
            self._allocate(new, old, context.dry_run)
        if resource.builtin and resource.key == ("batch", "jobs"):
            defaults.apply_defaults(resource, new)
        if managers is None:
            known = self._managers(old, new, context)
            managers = ssa.record_update(
                _bare(old), _bare(new), known, resource.schema, context.manager,
                resource.api_version, context.subresource, resource.status, now())
        if resource.generation and context.subresource != "status":
            ignored = ("metadata", "status") if resource.status or resource.builtin else ("metadata",)
            before = {k: v for k, v in old.items() if k not in ignored}
            after = {k: v for k, v in new.items() if k not in ignored}
            before["apiVersion"] = after["apiVersion"] = ""
            if not same(before, after):
                new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        new["metadata"]["managedFields"] = ssa.encode_managers(managers)
        validate.validate(resource, new, old)
        if same(_timeless(old), _timeless(new)):
            return old
        if context.dry_run:
            return new
        if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers") \
                and resource.key not in (("", "namespaces"), resources.CRDS.key):
            self.store.put(resource.key, new)
            self.remove(resource, new)
            return new
        self.store.put(resource.key, new)
        self._after_write(resource, new)
        return new

    def _managers(self, old, new, context):
        """The known owners: those in the request when it brings valid ones."""
        given = new["metadata"].get("managedFields")
        if context.subresource == "" and given is not None:
            if given == [{}]:
                return {}
            try:
                managers = ssa.decode_managers(given)
            except ValueError:
                managers = {}
            if managers:
                return managers
        return ssa.decode_managers(old["metadata"].get("managedFields"))

    def _carry_over(self, resource, old, new, context):
        """What a request cannot change stays as it is."""
        if context.subresource == "status":
            out = clone(old)
            if "status" in new:
                out["status"] = clone(new["status"])
            else:
                out.pop("status", None)
            return out
        out = clone(new)
        meta = out["metadata"] = dict(out.get("metadata") or {})
        for key in ("uid", "creationTimestamp", "deletionTimestamp", "generation", "name",
                    "namespace", "resourceVersion", "deletionGracePeriodSeconds", "generateName"):
            if key in old["metadata"]:
                meta[key] = old["metadata"][key]
            else:
                meta.pop(key, None)
        meta.pop("selfLink", None)
        out["apiVersion"], out["kind"] = resource.api_version, resource.kind
        if resource.status:
            if "status" in old:
                out["status"] = clone(old["status"])
            else:
                out.pop("status", None)
        return out

    def _check_version(self, resource, old, meta):
        """Optimistic locking."""
        name = old["metadata"]["name"]
        given = meta.get("resourceVersion")
        if given not in (None, "") and given != old["metadata"]["resourceVersion"]:
            raise errors.conflict(resource, name)

    def _check_uid(self, resource, old, meta, is_whole=False):
        """That the object is still the same one: a whole object's uid is a precondition, a patch's is a change."""
        name, uid = old["metadata"]["name"], meta.get("uid")
        if uid and uid != old["metadata"]["uid"]:
            if not is_whole:
                found = errors.FieldErrors()
                # Said by what checks every object, and again by what checks this kind.
                for _ in range(2):
                    found.immutable("metadata.uid", uid)
                found.raise_for(resource.group, resource.kind, name)
            raise errors.conflict(
                resource, name, f"Precondition failed: UID in precondition: {uid}, UID in object "
                f"meta: {old['metadata']['uid']}")

    def update(self, resource, namespace, name, body, context):
        """PUT; returns (object, whether it was created)."""
        self._check_body(resource, body, namespace, name)
        old = self.store.get(resource.key, namespace or "", name)
        meta = body.get("metadata") or {}
        if old is None:
            if resource.create_on_update and not context.subresource:
                body = dict(body, metadata=dict(meta, name=name))
                body["metadata"].pop("resourceVersion", None)
                return self.create(resource, namespace, body, context), True
            raise errors.not_found(resource, name)
        if not meta.get("resourceVersion") and not resource.unconditional:
            found = errors.FieldErrors()
            found._add("FieldValueInvalid", "metadata.resourceVersion",
                       "Invalid value: 0x0: must be specified for an update")
            found.raise_for(resource.group, resource.kind, name)
        self._check_version(resource, old, meta)
        self._check_uid(resource, old, meta, is_whole=True)
        return self._write(resource, old, body, context), False

    def patch(self, resource, namespace, name, media, body, context):
        """PATCH; returns (object, whether it was created)."""
        if media == APPLY_PATCH:
            return self.apply(resource, namespace, name, body, context)
        old = self.find(resource, namespace, name)
        base = self.shown(resource, old)
        if media == JSON_PATCH:
            new = merge.json_patch(base, body)
        elif media == MERGE_PATCH:
            if not isinstance(body, dict):
                raise bad_request("the patch must be an object")
            new = merge.merge_patch(base, body)
        else:
            new = merge.strategic_patch(base, body, resource.schema, resource.plural)
        self._check_body(resource, new, namespace, name)
        self._check_version(resource, old, new.get("metadata") or {})
        self._check_uid(resource, old, new.get("metadata") or {})
        return self._write(resource, old, new, context), False

    def apply(self, resource, namespace, name, body, context):
        self._check_body_for_apply(resource, body, namespace, name)
        meta = body.get("metadata") or {}
        if meta.get("managedFields") is not None:
            raise bad_request("metadata.managedFields must be nil")
        undeclared = [f".{path}: field not declared in schema" for path in known.unknown(resource, body)]
        if undeclared:
            raise self._untyped(resource, body, undeclared[0] if len(undeclared) == 1 else "errors:\n  " + "\n  ".join(undeclared))
        wrong = crds.mistyped(body, resource.openapi, root=True) if resource.openapi else None
        if wrong:
            raise self._untyped(resource, body, wrong)
        try:
            ssa.check(body, resource.schema)
        except (ValueError, TypeError) as error:
            raise self._untyped(resource, body, str(error)) from None
        # A definition has schemas of quantities, and no quantities.
        has_quantities = resource.builtin and resource.kind != "CustomResourceDefinition"
        wrong = validate.bad_quantity(body) if has_quantities else None
        if wrong:
            raise errors.unknown(f"failed to convert new object ({_place(resource, body)}) to proper version: unable to convert "
                                 f"unstructured object to {resource.group}/{resource.version}, Kind={resource.kind}: {wrong}")
        old = self.store.get(resource.key, namespace or "", name)
        config = dict(body, metadata=dict(meta, name=name))
        if resource.namespaced:
            config["metadata"]["namespace"] = namespace
        if old is None:
            if context.subresource:
                raise errors.not_found(resource, name)
            return self.create(resource, namespace, config, context, config=config), True
        self._check_version(resource, old, meta)
        config["metadata"].pop("resourceVersion", None)
        config["metadata"].pop("uid", None)
        managers = ssa.decode_managers(old["metadata"].get("managedFields"))
        live = self.shown(resource, _bare(old))
        if context.subresource == "status":
            config = {k: v for k, v in config.items() if k != "spec"}
        elif resource.status:
            config = {k: v for k, v in config.items() if k != "status"}
        merged, managers = ssa.apply(
            live, config, managers, resource.schema, context.manager, resource.api_version,
            context.subresource, resource.status, context.force, now())
        self._check_uid(resource, old, meta)
        return self._write(resource, old, merged, context, managers), False

    def _check_body_for_apply(self, resource, body, namespace, name):
        if not isinstance(body, dict):
            raise bad_request("error decoding YAML: the patch must be an object")
        if resource.builtin and isinstance(body.get("kind"), str):
            wrong = validate.types(body, resource)
            if wrong:
                path, wanted, found, key = (*wrong, "")[:4]
                shown = found if isinstance(found, str) else json.dumps(found)
                path = f"{path}.{key}" if key else path
                raise self._untyped(
                    resource, body, f".{path}: expected {wanted}, got &value.valueUnstructured{{Value:{shown}}}")
        version, kind = body.get("apiVersion"), body.get("kind")
        if version and kind and (version, kind) != (resource.api_version, resource.kind):
            group, _, of = version.rpartition("/")
            raise bad_request(f"invalid object type: {group}/{of}, Kind={kind}")
        self._check_body(resource, body, namespace, name, strict=True)

    def _untyped(self, resource, body, why):
        return errors.unknown(f"failed to create typed patch object ({_place(resource, body)}): {why}")

    # -- deleting -----------------------------------------------------------

    def delete(self, resource, obj, options, context):
        """DELETE of one object; returns what the server answers."""
        meta = obj["metadata"]
        name = meta["name"]
        wanted = options.get("preconditions") or {}
        if wanted.get("uid") and wanted["uid"] != meta["uid"]:
            raise errors.conflict(
                resource, name, f"Precondition failed: UID in precondition: {wanted['uid']}, UID "
                f"in object meta: {meta['uid']}")
        if wanted.get("resourceVersion") and wanted["resourceVersion"] != meta["resourceVersion"]:
            raise errors.conflict(
                resource, name, "Precondition failed: ResourceVersion in precondition: "
                f"{wanted['resourceVersion']}, ResourceVersion in object meta: "
                f"{meta['resourceVersion']}")
        if resource.key == ("", "namespaces") and name in _PROTECTED:
            raise errors.forbidden(resource, name, "this namespace may not be deleted")
        policy = options.get("propagationPolicy")
        if policy not in (None, "Background", "Foreground", "Orphan"):
            found = errors.FieldErrors()
            found.unsupported("propagationPolicy", policy, ["Foreground", "Background", "Orphan", "nil"])
            found.raise_for("meta.k8s.io", "DeleteOptions", "")
        if options.get("orphanDependents"):
            policy = "Orphan"
        slow = meta.get("finalizers") or resource.key in (("", "namespaces"), resources.CRDS.key)
        if context.dry_run:
            return self._answer(resource, obj, bool(slow))
        if policy == "Orphan":
            # It goes after what it owned was let go, and is there until then.
            answered = self._mark(resource, obj, "orphan")
            self._orphan(meta["uid"])
            self._let_go(resource, answered, "orphan")
            self.finish_deletions()
            return self._answer(resource, answered, True)
        if policy == "Foreground":
            # It goes after what it owns, and is there until then.
            obj = self._mark(resource, obj, "foregroundDeletion")
            self.collect(meta["uid"])
            self.finish_deletions()
            return self._answer(resource, obj, True)
        if not slow:
            self.remove(resource, obj)
            return self._answer(resource, obj, False)
        obj = self._mark(resource, obj)
        self.finish_deletions()
        return self._answer(resource, obj, True)

    def _mark(self, resource, obj, finalizer=None):
        """The object with a deletion time."""
        if obj["metadata"].get("deletionTimestamp"):
            return obj
        new = clone(obj)
        new["metadata"]["deletionTimestamp"] = now()
        new["metadata"]["deletionGracePeriodSeconds"] = 0
        if resource.generation:
            new["metadata"]["generation"] = new["metadata"].get("generation", 0) + 1
        if finalizer:
            kept = new["metadata"].get("finalizers") or []
            new["metadata"]["finalizers"] = kept + [f for f in (finalizer,) if f not in kept]
        if resource.key == ("", "namespaces"):
            new["status"] = {"phase": "Terminating"}
            new["metadata"].pop("deletionGracePeriodSeconds")
        return self.store.put(resource.key, new)

    def _answer(self, resource, obj, stays):
        if stays:
            return obj
        if resource.returns_deleted:
            if resource.key == ("", "pods"):
                meta = dict(obj["metadata"], deletionTimestamp=now(),
                            deletionGracePeriodSeconds=30)
                return dict(obj, metadata=meta)
            return obj
        details = {"name": obj["metadata"]["name"]}
        if resource.group:
            details["group"] = resource.group
        details["kind"] = resource.plural
        details["uid"] = obj["metadata"]["uid"]
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                "details": details}

    def remove(self, resource, obj):
        """Takes the object out of storage, and what it owned with it."""
        uid = obj["metadata"]["uid"]
        self.store.delete(resource.key, obj)
        self.system.discard(uid)
        if resource.key == resources.CRDS.key:
            self.undefine(obj)
        self.collect(uid)

    def _dependents(self, uid):
        for key, obj in list(self.store.everything()):
            owners = obj["metadata"].get("ownerReferences")
            if owners and any(o.get("uid") == uid for o in owners):
                yield key, obj

    def collect(self, uid):
        """Garbage collection after `uid` went: objects without another owner go."""
        alive = None
        for key, obj in list(self._dependents(uid)):
            if alive is None:
                alive = {o["metadata"]["uid"] for _, o in self.store.everything()} - {uid}
            resource = self.by_key(key)
            current = self.store.get(key, obj["metadata"].get("namespace", ""),
                                     obj["metadata"]["name"])
            if resource is None or current is None:
                continue
            others = [o for o in current["metadata"]["ownerReferences"] if o.get("uid") != uid]
            if any(o.get("uid") in alive for o in others):
                self._set_owners(resource, current, others)
            elif current["metadata"].get("finalizers"):
                self._mark(resource, current)
            else:
                self.remove(resource, current)

    def _orphan(self, uid):
        for key, obj in list(self._dependents(uid)):
            owners = [o for o in obj["metadata"]["ownerReferences"] if o.get("uid") != uid]
            self._set_owners(self.by_key(key), obj, owners)

    def _set_owners(self, resource, obj, owners):
        new = clone(obj)
        if owners:
            new["metadata"]["ownerReferences"] = owners
        else:
            new["metadata"].pop("ownerReferences")
        self.store.put(resource.key, new)

    def finish_deletions(self):
        """Carries on with the deletion of namespaces, definitions and owners."""
        for space in self.store.values(("", "namespaces")):
            if space["metadata"].get("deletionTimestamp"):
                self._empty_namespace(space)
        for crd in self.store.values(resources.CRDS.key):
            if crd["metadata"].get("deletionTimestamp"):
                self._empty_definition(crd)
        for key, obj in list(self.store.everything()):
            meta = obj["metadata"]
            if "foregroundDeletion" not in (meta.get("finalizers") or []):
                continue
            if not any(True for _ in self._dependents(meta["uid"])):
                self._let_go(self.by_key(key), obj, "foregroundDeletion")

    def _let_go(self, resource, obj, finalizer):
        """Takes a finalizer from an object that is being deleted, and the object away where it was the last."""
        rest = [f for f in obj["metadata"]["finalizers"] if f != finalizer]
        new = clone(obj)
        if rest:
            new["metadata"]["finalizers"] = rest
        else:
            new["metadata"].pop("finalizers")
        if rest or resource.key in (("", "namespaces"), resources.CRDS.key):
            self.store.put(resource.key, new)
        else:
            self.remove(resource, obj)

    def _empty_namespace(self, space):
        name = space["metadata"]["name"]
        left = False
        for key, obj in list(self.store.everything()):
            if obj["metadata"].get("namespace") != name:
                continue
            resource = self.by_key(key)
            current = self.store.get(key, name, obj["metadata"]["name"])
            if current is None or resource is None:
                continue
            if current["metadata"].get("finalizers"):
                self._mark(resource, current)
                left = True
            else:
                self.remove(resource, current)
        if not left and not space["metadata"].get("finalizers"):
            current = self.store.get(("", "namespaces"), "", name)
            if current is not None:
                self.remove(resources.NAMESPACES, current)

    def _empty_definition(self, crd):
        key = (crd["spec"]["group"], crd["spec"]["names"]["plural"])
        resource = self.by_key(key)
        left = False
        for obj in self.store.values(key):
            if obj["metadata"].get("finalizers"):
                if resource:
                    self._mark(resource, obj)
                left = True
            elif resource:
                self.remove(resource, obj)
        if not left and not crd["metadata"].get("finalizers"):
            current = self.store.get(resources.CRDS.key, "", crd["metadata"]["name"])
            if current is not None:
                self.remove(resources.CRDS, current)


def _quality(spec):
    """The QoS class of a pod."""
    everything = [c.get("resources") or {} for c in spec.get("containers") or []]
    if not any(r.get("limits") or r.get("requests") for r in everything):
        return "BestEffort"
    for item in everything:
        limits, requests = item.get("limits") or {}, item.get("requests") or {}
        if not all(k in limits and requests.get(k) == limits[k] for k in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"
