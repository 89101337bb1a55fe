"""A dataclass as a configuration or as the spec of a kind: its JSON Schema, and its value from JSON and back.

The standard library alone: packages with native code, such as pydantic's core, do not run in WebAssembly. The host checks
values against the schema before it runs the component, so bounds and patterns need no second check here.
"""

from __future__ import annotations

import copy
import dataclasses
import types
import typing
from typing import Any

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


class Mismatch(Exception):
    """A value that is none of its type. Says which option it is."""


def option(description: str, *, default: Any = dataclasses.MISSING, write_only: bool = False, **schema: Any) -> Any:
    """A field of a configuration or a spec: what it is, the default where it may be absent, and more that JSON Schema says
    of it, such as `minimum=1` or `pattern="^[a-z]+$"`. A field of a spec that is `write_only` may hold the handle of a
    secret."""
    metadata = {"description": description, **({"writeOnly": True} if write_only else {}), **schema}
    if isinstance(default, (list, dict)) or dataclasses.is_dataclass(default):
        return dataclasses.field(default_factory=lambda: copy.deepcopy(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def schema_of(kind: Any, place: str = "the configuration") -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a type."""
    if kind is Any:
        return {}
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if dataclasses.is_dataclass(kind):
        return _object_schema(kind)
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        return {"type": "array", "items": schema_of(parts[0], place)}
    if origin is dict and parts[0] is str:
        return {"type": "object", "additionalProperties": schema_of(parts[1], place)}
    if origin is typing.Literal:
        return {"enum": list(parts)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [schema_of(part, place) for part in parts]}
    raise TypeError(
        f"{place}: {kind} is no type of an option; take str, int, float, bool, list[…], dict[str, …], Literal[…], a "
        "dataclass, any of them with `| None`, or Any"
    )


def _object_schema(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    properties, required = {}, []
    for field in dataclasses.fields(kind):
        hint, default = hints[field.name], _default(field)
        if default is None:
            # Absent is the only way to say nothing: TOML has no null.
            hint = _without_none(hint)
        schema = {**schema_of(hint, f"{kind.__name__}.{field.name}"), **field.metadata}
        if default is dataclasses.MISSING:
            required.append(field.name)
        elif default is not None:
            schema["default"] = plain_of(default)
        properties[field.name] = schema
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


def _default(field: Any) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _without_none(hint: Any) -> Any:
    parts = [part for part in typing.get_args(hint) if part is not type(None)]
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.Union[tuple(parts)] if is_union else hint


def plain_of(value: Any) -> Any:
    """A value as JSON has it. A field that is `None` by default is absent where it is `None`, as in the schema."""
    if dataclasses.is_dataclass(value):
        fields = [(field, getattr(value, field.name)) for field in dataclasses.fields(value)]
        return {field.name: plain_of(one) for field, one in fields if one is not None or _default(field) is not None}
    if isinstance(value, dict):
        return {name: plain_of(one) for name, one in value.items()}
    return [plain_of(one) for one in value] if isinstance(value, (list, tuple)) else value


def value_of(kind: Any, value: Any, place: str = "", *, closed: bool = True) -> Any:
    """A value of a type, from JSON. Raises a `Mismatch`. Where it is not `closed`, fields that the type lacks are left
    out."""
    if kind is Any:
        return value
    if isinstance(value, str) and "<<" in value:
        return _opaque(kind, value, place)
    if kind in _PLAIN:
        return _plain_value(kind, value, place)
    if dataclasses.is_dataclass(kind):
        return _object(kind, value, place, closed)
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is list and isinstance(value, list):
        return [value_of(parts[0], item, f"{place}[{at}]", closed=closed) for at, item in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {name: value_of(parts[1], item, _below(place, name), closed=closed) for name, item in value.items()}
    if origin is typing.Literal and value in parts:
        return value
    if origin in (typing.Union, types.UnionType):
        return _first_that_fits(parts, value, place, closed)
    raise Mismatch(f"{place or 'the configuration'} must be {_words(kind)}, and is {value!r}")


def _opaque(kind: Any, value: str, place: str) -> str:
    """What is not known yet, and a secret, may become anything that a text can be."""
    kinds = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    if any(one in (str, Any) or typing.get_origin(one) is typing.Literal for one in kinds):
        return value
    raise Mismatch(f"{place or 'the configuration'} is known when the plan is applied; only a text can wait for that")


def _plain_value(kind: Any, value: Any, place: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        # As it is: a spec that comes back as 1.0 would differ from one that says 1.
        return value
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise Mismatch(f"{place or 'the configuration'} must be {_words(kind)}, and is {value!r}")


def _object(kind: Any, value: Any, place: str, closed: bool) -> Any:
    if not isinstance(value, dict):
        raise Mismatch(f"{place or 'the configuration'} must be a table, and is {value!r}")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in value:
        if closed and name not in fields:
            raise Mismatch(f"{_below(place, name)}: there is no such option; there are {', '.join(fields)}")
    for name, field in fields.items():
        if name not in value and _default(field) is dataclasses.MISSING:
            raise Mismatch(f"{_below(place, name)} is missing")
    given = {name: item for name, item in value.items() if name in fields}
    return kind(**{name: value_of(hints[name], item, _below(place, name), closed=closed) for name, item in given.items()})


def _first_that_fits(kinds: tuple[Any, ...], value: Any, place: str, closed: bool) -> Any:
    problems = []
    for kind in kinds:
        try:
            return value_of(kind, value, place, closed=closed)
        except Mismatch as error:
            problems.append(error)
    # What a table lacks says more than that it is no text.
    raise problems[-1 if isinstance(value, dict) and kinds[-1] is not type(None) else 0]


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _words(kind: Any) -> str:
    words = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", type(None): "nothing"}
    if typing.get_origin(kind) is typing.Literal:
        return "one of " + ", ".join(map(repr, typing.get_args(kind)))
    return words.get(kind) or {list: "a list", dict: "a table"}.get(typing.get_origin(kind), str(kind))
