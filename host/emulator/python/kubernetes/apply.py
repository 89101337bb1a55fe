"""Server-side apply: field sets, ``managedFields`` and the merge, after
sigs.k8s.io/structured-merge-diff.

A field set is a Python set of paths; a path is a tuple of FieldsV1 elements
(``f:spec``, ``k:{"name":"web"}``, ``v:"x"``), so the set operations of the
original are those of the language. Owning an element itself (``"."`` in FieldsV1)
is being a member."""

import json

from . import errors
from .schema import ANY

# Bookkeeping fields never have an owner.
_STRIPPED = {("f:apiVersion",), ("f:kind",), ("f:metadata",)} | {
    ("f:metadata", "f:" + name) for name in (
        "name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName",
        "generation", "managedFields", "resourceVersion")}
# Structs that exist in every object of their Go type, even in an empty one: a new
# object does not add them, only what is inside.
_ALWAYS = {"f:spec", "f:status", "f:metadata", "f:template", "f:strategy",
           "f:updateStrategy", "f:jobTemplate", "f:scaleTargetRef"}


def clone(value):
    """A deep copy of JSON data."""
    if isinstance(value, dict):
        return {k: clone(v) for k, v in value.items()}
    if isinstance(value, list):
        return [clone(v) for v in value]
    return value


# -- FieldsV1 ---------------------------------------------------------------

def encode(paths) -> dict:
    root = {}
    for path in sorted(paths):
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node["."] = {}
    return _tidy(root)


def _tidy(node):
    # "." is written only where the element also has children.
    if len(node) == 1 and "." in node:
        return {}
    return {k: (v if k == "." else _tidy(v)) for k, v in sorted(node.items())}


def decode(fields) -> set:
    out = set()

    def walk(node, path):
        for key, value in node.items():
            if key == ".":
                out.add(path)
            elif not value:
                out.add(path + (key,))
            else:
                walk(value, path + (key,))
    walk(fields or {}, ())
    return out


def path_text(path) -> str:
    """A path as conflict messages print it: ``.spec.containers[name="a"].image``."""
    out = []
    for element in path:
        if element.startswith("f:"):
            out.append("." + element[2:])
        elif element.startswith("k:"):
            keys = json.loads(element[2:])
            out.append("[" + ",".join(
                f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in sorted(keys.items())) + "]")
        else:
            out.append("[=" + element[2:] + "]")
    return "".join(out)


# -- typed values -----------------------------------------------------------

def _element(schema, item):
    """The path element of an item of an associative list."""
    if schema.kind == "listset":
        return "v:" + json.dumps(item, separators=(",", ":"), ensure_ascii=False)
    keys = {}
    for key in schema.keys:
        if isinstance(item, dict) and item.get(key) is not None:
            keys[key] = item[key]
        elif key in schema.defaults:
            keys[key] = schema.defaults[key]
    return "k:" + json.dumps(keys, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def _associative(schema, value):
    return isinstance(value, list) and schema.kind in ("listmap", "listset")


def field_set(value, schema) -> set:
    """All fields that a configuration names."""
    out = set()
    _collect(value, schema, (), out)
    out.discard(())
    return out


def _collect(value, schema, path, out):
    if schema.kind == "atomic":
        out.add(path)
    elif isinstance(value, dict):
        for key, child in value.items():
            sub, named = schema.field(key)
            where = path + ("f:" + key,)
            _collect(child, sub, where, out)
            if child is None or child == {} or not named:
                out.add(where)
    elif _associative(schema, value):
        for item in value:
            where = path + (_element(schema, item),)
            _collect(item, schema.element, where, out)
            out.add(where)
    else:
        out.add(path)


def check(value, schema, path=()):
    """Raises ValueError for lists whose items have no key or the same key, and for
    fields that the schema of a custom resource does not have."""
    if schema.kind == "atomic":
        return
    if isinstance(value, dict):
        for key, child in value.items():
            if schema.closed and key not in schema.fields:
                raise ValueError(f"{path_text(path)}.{key}: field not declared in schema")
            if isinstance(child, (dict, list)):
                sub, _ = schema.field(key)
                check(child, sub, path + ("f:" + key,))
    elif _associative(schema, value):
        seen = set()
        for item in value:
            element = _element(schema, item)
            if schema.kind == "listmap":
                if element == "k:{}" or not isinstance(item, dict):
                    raise ValueError(
                        f"{path_text(path)}: element 0: associative list with keys has an "
                        f'element that omits key field "{schema.keys[0]}" '
                        "(and doesn't have default value)")
            if element in seen:
                raise ValueError(
                    f"{path_text(path)}: duplicate entries for key {path_text((element,))}")
            seen.add(element)
            check(item, schema.element, path + (element,))


class Comparison:
    __slots__ = ("added", "removed", "modified")

    def __init__(self):
        self.added, self.removed, self.modified = set(), set(), set()


def compare(old, new, schema) -> Comparison:
    """Which fields `new` adds, changes and removes."""
    out = Comparison()
    _compare(old, new, schema, (), out, True)
    for part in (out.added, out.removed, out.modified):
        part.discard(())
    return out


def _all(value, schema, path, out, always=False):
    """Every field below a value that exists on one side only."""
    if not always or path[-1] not in _ALWAYS or not isinstance(value, dict) or not value:
        out.add(path)
        always = False
    if schema.kind == "atomic":
        return
    if isinstance(value, dict):
        for key, child in value.items():
            _all(child, schema.field(key)[0], path + ("f:" + key,), out, always)
    elif _associative(schema, value):
        for item in value:
            _all(item, schema.element, path + (_element(schema, item),), out)


def _compare(old, new, schema, path, out, always):
    if old is new:
        return
    if schema.kind != "atomic":
        if isinstance(old, dict) and isinstance(new, dict):
            for key, child in new.items():
                sub, _ = schema.field(key)
                where = path + ("f:" + key,)
                if key in old:
                    _compare(old[key], child, sub, where, out, always)
                else:
                    _all(child, sub, where, out.added, always)
            for key, child in old.items():
                if key not in new:
                    _all(child, schema.field(key)[0], path + ("f:" + key,), out.removed)
            return
        if _associative(schema, old) and _associative(schema, new):
            before = {_element(schema, i): i for i in old}
            after = {_element(schema, i): i for i in new}
            for element, item in after.items():
                where = path + (element,)
                if element in before:
                    _compare(before[element], item, schema.element, where, out, False)
                else:
                    _all(item, schema.element, where, out.added)
            for element, item in before.items():
                if element not in after:
                    _all(item, schema.element, path + (element,), out.removed)
            return
    if not same(old, new):
        out.modified.add(path)


def same(left, right) -> bool:
    """JSON equality (true is not 1)."""
    if isinstance(left, dict) and isinstance(right, dict):
        return len(left) == len(right) and all(
            k in right and same(v, right[k]) for k, v in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def merge(live, config, schema):
    """`config` laid over `live`; shares structure with both."""
    if schema.kind == "atomic":
        return config
    if isinstance(live, dict) and isinstance(config, dict):
        out = dict(live)
        for key, value in config.items():
            out[key] = merge(live[key], value, schema.field(key)[0]) if key in live else value
        return out
    if _associative(schema, live) and _associative(schema, config):
        return _merge_list(live, config, schema)
    return config


def _merge_list(live, config, schema):
    """Keeps the applied order, and live-only items near where they were."""
    left = [_element(schema, i) for i in live]
    right = [_element(schema, i) for i in config]
    in_left, in_right = dict(zip(left, live)), dict(zip(right, config))
    shared = [e for e in right if e in in_left]
    wanted = shared.pop(0) if shared else None
    merged, out = set(), []

    def take(element):
        merged.add(element)
        if element in in_left:
            out.append(merge(in_left[element], in_right[element], schema.element))
        else:
            out.append(in_right[element])

    i = j = 0
    while i < len(left) or j < len(right):
        if i < len(left) and j < len(right):
            if left[i] == right[j]:
                take(left[i])
                i, j = i + 1, j + 1
                wanted = shared.pop(0) if shared else None
                continue
            if left[i] in in_right and wanted is not None and wanted != left[i]:
                i += 1
                continue
        if i < len(left):
            if left[i] not in in_right:
                out.append(live[i])
                i += 1
                continue
            if left[i] in merged:
                i += 1
        if j < len(right):
            take(right[j])
            if wanted == right[j]:
                wanted = shared.pop(0) if shared else None
            j += 1
    return out


def _named(paths, schema) -> set:
    """`paths` with the named fields that contain them (EnsureNamedFieldsAreMembers)."""
    out = set(paths)
    for path in paths:
        node = schema
        for depth, element in enumerate(path[:-1], 1):
            if element.startswith("f:"):
                node, named = node.field(element[2:])
                if named:
                    out.add(path[:depth])
            else:
                node = node.element or ANY
    return out


def _tree(paths):
    root = {}
    for path in paths:
        node = root
        for element in path:
            node = node.setdefault(element, {})
        node["."] = True
    return root


_GONE = object()


def remove(value, schema, paths):
    """`value` without the given fields; containers left empty go too."""
    if not paths:
        return value
    out = _remove(value, schema, _tree(paths))
    return {} if out is _GONE else out


def _remove(value, schema, tree):
    if schema.kind == "atomic" or not isinstance(value, (dict, list)) or not value:
        return value
    if isinstance(value, dict):
        out = {}
        for key, child in value.items():
            sub = tree.get("f:" + key)
            if sub is not None:
                if "." in sub:
                    continue
                child = _remove(child, schema.field(key)[0], sub)
                if child is _GONE:
                    continue
            out[key] = child
        return out or _GONE
    if not _associative(schema, value):
        return value
    items = []
    for item in value:
        sub = tree.get(_element(schema, item))
        if sub is not None:
            if "." in sub:
                continue
            item = _remove(item, schema.element, sub)
            if item is _GONE:
                continue
        items.append(item)
    return items or _GONE


# -- managers ---------------------------------------------------------------

class Entry:
    """One element of ``metadata.managedFields``."""

    __slots__ = ("manager", "operation", "version", "subresource", "time", "fields")

    def __init__(self, manager, operation, version, subresource, time, fields):
        self.manager, self.operation, self.version = manager, operation, version
        self.subresource, self.time, self.fields = subresource, time, fields

    @property
    def identity(self):
        # An applier keeps its entry when it moves to another API version.
        version = "" if self.operation == "Apply" else self.version
        return (self.operation, self.manager, version, self.subresource)

    def text(self):
        out = json.dumps(self.manager, ensure_ascii=False)
        if self.subresource:
            out += f' with subresource "{self.subresource}"'
        if self.operation == "Update":
            out += f" using {self.version}"
        return out


def decode_managers(entries) -> dict:
    """identity -> Entry; ValueError for entries that make no sense."""
    out = {}
    for raw in entries or []:
        if not isinstance(raw, dict) or raw.get("operation") not in ("Apply", "Update"):
            raise ValueError("operation: must be Apply or Update")
        entry = Entry(raw.get("manager", ""), raw["operation"], raw.get("apiVersion", ""),
                      raw.get("subresource", ""), raw.get("time"), decode(raw.get("fieldsV1")))
        out[entry.identity] = entry
    return out


def encode_managers(managers) -> list:
    out = []
    ordered = sorted(managers.values(), key=lambda e: (
        e.operation != "Apply", e.time or "", e.manager, e.version, e.subresource))
    for entry in ordered:
        if not entry.fields:
            continue
        item = {"manager": entry.manager, "operation": entry.operation,
                "apiVersion": entry.version}
        if entry.time:
            item["time"] = entry.time
        item["fieldsType"] = "FieldsV1"
        item["fieldsV1"] = encode(entry.fields)
        if entry.subresource:
            item["subresource"] = entry.subresource
        out.append(item)
    return out


def _stripped(fields, subresource, has_status):
    """Drops what this endpoint does not let its callers own."""
    fields = fields - _STRIPPED
    if subresource == "status":
        return {p for p in fields if p[0] != "f:spec"}
    if has_status:
        return {p for p in fields if p[0] != "f:status"}
    return fields


def record_update(live, new, managers, schema, manager, version, subresource, has_status, now):
    """Ownership after a write that is no apply: the writer takes what it changed."""
    compared = compare(live, new, schema)
    identity = ("Update", manager, version, subresource)
    changed = compared.added | compared.modified
    for entry in managers.values():
        if entry.identity != identity:
            entry.fields = entry.fields - changed - compared.removed
    mine = managers.get(identity)
    before = mine.fields if mine else set()
    after = _stripped((before - compared.removed) | changed, subresource, has_status)
    touched = _stripped(changed, subresource, has_status)
    if after != before or touched:
        managers[identity] = Entry(manager, "Update", version, subresource, now, after)
    return {k: e for k, e in managers.items() if e.fields}


def apply(live, config, managers, schema, manager, version, subresource, has_status, force, now):
    """Merges an applied configuration; returns (object, managers).

    Raises the Conflict status when fields of other managers would change."""
    identity = ("Apply", manager, "", subresource)
    merged = merge(live, config, schema)
    applied = field_set(config, schema)
    if subresource == "status":
        applied = {p for p in applied if p[0] != "f:spec"}
    elif has_status:
        applied = {p for p in applied if p[0] != "f:status"}
    last = managers.get(identity)
    last_fields = last.fields if last else set()
    others = [e for k, e in managers.items() if k != identity]

    if last_fields - applied:
        merged = _prune(merged, schema, last_fields,
                        set().union(applied, *(e.fields for e in others)))

    compared = compare(live, merged, schema)
    changed = compared.added | compared.modified
    allowed = _client_side(live, schema) if manager == "kubectl" else set()
    conflicts = [(e, p) for e in sorted(others, key=lambda e: (e.manager, e.operation, e.version))
                 for p in sorted((e.fields & changed) - allowed)]
    if conflicts and not force:
        raise _conflict(conflicts)
    for entry in others:
        entry.fields = entry.fields - changed - compared.removed
    fields = _stripped(applied, subresource, has_status)
    out = {e.identity: e for e in others if e.fields}
    if fields or last:
        unchanged = last is not None and fields == last_fields and not (
            changed or compared.removed) and last.version == version
        out[identity] = Entry(manager, "Apply", version, subresource,
                              last.time if unchanged else now, fields)
    return merged, out


def _client_side(live, schema) -> set:
    """Fields still as kubectl's client-side apply left them, by the annotation it
    keeps: kubectl may go over to server-side apply without conflicts about them."""
    notes = (live.get("metadata") or {}).get("annotations") or {}
    try:
        before = json.loads(notes["kubectl.kubernetes.io/last-applied-configuration"])
    except (KeyError, TypeError, ValueError):
        return set()
    if not isinstance(before, dict):
        return set()
    compared = compare(before, live, schema)
    return field_set(before, schema) - compared.modified - compared.removed - compared.added


def _prune(merged, schema, last, owned):
    """Takes out what was applied before, is not any more, and nobody else owns."""
    last = _named(last, schema)
    everything = _named(field_set(merged, schema), schema)
    pruned = remove(merged, schema, last)
    kept = _named(field_set(pruned, schema), schema)
    pruned = remove(merged, schema, everything - (kept | _named(owned, schema)))
    kept = _named(field_set(pruned, schema), schema)
    return remove(merged, schema, (everything - kept) & last)


def _conflict(conflicts):
    causes = [{"reason": "FieldManagerConflict", "message": f"conflict with {e.text()}",
               "field": path_text(p)} for e, p in conflicts]
    if len(conflicts) == 1:
        entry, path = conflicts[0]
        message = (f"Apply failed with 1 conflict: conflict with {entry.text()}: "
                   f"{path_text(path)}")
    else:
        lines, last = [], None
        for entry, path in conflicts:
            if entry is not last:
                lines.append(f"conflicts with {entry.text()}:")
                last = entry
            lines.append(f"- {path_text(path)}")
        message = f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)
    return errors.apply_conflict(message, causes)
