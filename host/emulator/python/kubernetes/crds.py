"""Custom resources: pruning, defaulting and validation by the definition's schema,
and the state of the definitions themselves."""

import re

from .apply import clone, same
from .errors import FieldErrors


def prune(value, schema, root=False):
    """Drops fields the schema does not know, as structural schemas ask for."""
    if not schema or schema.get("x-kubernetes-preserve-unknown-fields") and not schema.get("properties"):
        return value
    if isinstance(value, dict):
        properties = schema.get("properties") or {}
        extra = schema.get("additionalProperties")
        keep = schema.get("x-kubernetes-preserve-unknown-fields")
        meta = root or schema.get("x-kubernetes-embedded-resource")
        out = {}
        for key, child in value.items():
            if meta and key in ("apiVersion", "kind", "metadata"):
                out[key] = child
            elif key in properties:
                out[key] = prune(child, properties[key])
            elif isinstance(extra, dict):
                out[key] = prune(child, extra)
            elif extra or keep:
                out[key] = child
        return out
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [prune(v, schema["items"]) for v in value]
    return value


def fill(value, schema):
    """Applies the schema's defaults, in place."""
    if isinstance(value, dict):
        for key, sub in (schema.get("properties") or {}).items():
            if key not in value and "default" in sub:
                value[key] = clone(sub["default"])
            if isinstance(value.get(key), (dict, list)):
                fill(value[key], sub)
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            for key, child in value.items():
                if key not in (schema.get("properties") or {}):
                    fill(child, extra)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for child in value:
            fill(child, schema["items"])


_TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool)
    or isinstance(v, float) and v.is_integer(),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
}


def _type_name(value):
    if value is None:
        return "null"
    return next((n for n in ("object", "array", "string", "boolean", "integer", "number")
                 if _TYPES[n](value)), "null")


_SCALARS = {"string": "string", "boolean": "boolean", "integer": "numeric (int or float)", "number": "numeric (int or float)",
            "object": "map", "array": "list"}


def mistyped(value, schema, path="", root=False):
    """The first value that server-side apply cannot read by the schema, as it says so; nothing where all are good."""
    kind = schema.get("type")
    if value is None or schema.get("x-kubernetes-int-or-string"):
        return None
    good = _TYPES["number" if kind == "integer" else kind](value) if kind in _TYPES else True
    if not good:
        shown = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
        if kind in ("integer", "number"):
            shown = {str: "string", bool: "bool", list: "[]interface {}", dict: "map[string]interface {}"}[type(value)]
            return f"{path}: expected {_SCALARS[kind]}, got {shown}"
        return f"{path}: expected {_SCALARS[kind]}, got &value.valueUnstructured{{Value:{shown}}}"
    children = []
    if isinstance(value, dict):
        extra = schema.get("additionalProperties")
        for key, child in value.items():
            sub = (schema.get("properties") or {}).get(key) or (extra if isinstance(extra, dict) else None)
            if sub and not (root and key in ("apiVersion", "kind", "metadata")):
                children.append((child, sub, f"{path}.{key}"))
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        children = [(child, schema["items"], f"{path}[{number}]") for number, child in enumerate(value)]
    return next(filter(None, (mistyped(*child) for child in children)), None)


def _check(errors, value, schema, path, root=False):
    where = path or "<nil>"
    if value is None and schema.get("nullable"):
        return
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, (int, str)) or isinstance(value, bool):
            errors.type_invalid(where, _type_name(value),
                                f'{path} in body must be of type integer,string: "{_type_name(value)}"')
        return
    kind = schema.get("type")
    if kind in _TYPES and not _TYPES[kind](value):
        errors.type_invalid(where, _type_name(value),
                            f'{path} in body must be of type {kind}: "{_type_name(value)}"')
        return
    if "enum" in schema and not any(same(value, e) for e in schema["enum"]):
        errors.unsupported(where, value, schema["enum"])
    if isinstance(value, dict):
        for key in schema.get("required") or []:
            if key not in value:
                errors.required(f"{path}.{key}" if path else key)
        properties = schema.get("properties") or {}
        extra = schema.get("additionalProperties")
        for key, child in value.items():
            if root and key in ("apiVersion", "kind", "metadata"):
                continue
            sub = properties.get(key) or (extra if isinstance(extra, dict) else None)
            if sub:
                _check(errors, child, sub, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for name, bad, text in (("minItems", lambda n: len(value) < n, "at least"),
                                ("maxItems", lambda n: len(value) > n, "at most")):
            if name in schema and bad(schema[name]):
                errors.invalid(where, len(value), f"{path} in body should have {text} "
                               f"{schema[name]} items")
        if isinstance(schema.get("items"), dict):
            for number, child in enumerate(value):
                _check(errors, child, schema["items"], f"{path}[{number}]")
    elif isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            errors.invalid(where, value, f"{path} in body should be at least "
                           f"{schema['minLength']} chars long")
        if "maxLength" in schema and len(value) > schema["maxLength"]:
            errors.invalid(where, value, f"may not be more than {schema['maxLength']} bytes")
        if "pattern" in schema:
            try:
                if not re.search(schema["pattern"], value):
                    errors.invalid(where, value, f"{path} in body should match '{schema['pattern']}'")
            except re.error:
                pass  # a pattern of Go's syntax that Python cannot read
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        if "minimum" in schema and value < schema["minimum"]:
            errors.invalid(where, value, f"{path} in body should be greater than or equal to "
                           f"{schema['minimum']}")
        if "maximum" in schema and value > schema["maximum"]:
            errors.invalid(where, value, f"{path} in body should be less than or equal to "
                           f"{schema['maximum']}")


def admit(resource, obj):
    """The object as it is stored; raises Invalid when the schema rejects it."""
    if not resource.openapi:
        return obj
    obj = prune(obj, resource.openapi, root=True)
    fill(obj, resource.openapi)
    errors = FieldErrors()
    _check(errors, obj, resource.openapi, "", root=True)
    errors.raise_for(resource.group, resource.kind, obj["metadata"].get("name") or "")
    return obj


def status(crd, now) -> dict:
    """The status of an accepted definition."""
    spec = crd["spec"]
    return {
        "acceptedNames": clone(spec["names"]),
        "conditions": [
            {"type": "NamesAccepted", "status": "True", "lastTransitionTime": now,
             "reason": "NoConflicts", "message": "no conflicts found"},
            {"type": "Established", "status": "True", "lastTransitionTime": now,
             "reason": "InitialNamesAccepted",
             "message": "the initial names have been accepted"},
        ],
        "storedVersions": [v["name"] for v in spec["versions"] if v.get("storage")],
    }
