"""Which fields the built-in kinds have, by their OpenAPI types (``fields``): the others are dropped,
warned of, or refused, as ``fieldValidation`` says. Nothing of this holds for custom resources."""

from functools import lru_cache

from . import fields


@lru_cache(maxsize=None)
def _struct(name):
    """The fields of a type; nothing where it may have any."""
    text = fields.TYPES.get(name, "*")
    return None if text == "*" else dict(part.split("=", 1) for part in text.split())


def unknown(resource, obj):
    """Paths of fields that the kind does not have: ``spec.template.spec.containers[0].imagee``."""
    kind = fields.KINDS.get(resource.key)
    return list(_walk(obj, "@" + kind, "")) if kind and isinstance(obj, dict) else []


def _walk(value, code, path):
    if code[0] == "@" and isinstance(value, dict):
        known = _struct(code[1:])
        for key, child in value.items() if known is not None else ():
            where = f"{path}.{key}" if path else key
            # Directives of strategic merge patches are no fields.
            if key not in known and not key.startswith("$"):
                yield where
            elif key in known:
                yield from _walk(child, known[key], where)
    elif code[0] == "[" and isinstance(value, list):
        for number, child in enumerate(value):
            yield from _walk(child, code[1:], f"{path}[{number}]")
    elif code[0] == "{" and isinstance(value, dict):
        for key, child in value.items():
            yield from _walk(child, code[1:], f"{path}.{key}")


def dropped(resource, obj):
    """The object without fields that its kind does not have."""
    kind = fields.KINDS.get(resource.key)
    return _without(obj, "@" + kind) if kind and isinstance(obj, dict) else obj


def _without(value, code):
    if code[0] == "@" and isinstance(value, dict):
        known = _struct(code[1:])
        if known is None:
            return value
        return {key: _without(child, known[key]) for key, child in value.items() if key in known}
    if code[0] == "[" and isinstance(value, list):
        return [_without(child, code[1:]) for child in value]
    if code[0] == "{" and isinstance(value, dict):
        return {key: _without(child, code[1:]) for key, child in value.items()}
    return value
