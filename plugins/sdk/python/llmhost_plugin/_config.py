"""A dataclass as the configuration of a step: its JSON Schema, and its value from JSON.

The standard library alone: packages with native code, such as pydantic's core, do not run in WebAssembly. The host checks the
`with` table against the schema before it runs the plugin, so bounds and patterns need no second check here.
"""

from __future__ import annotations

import copy
import dataclasses
import types
import typing
from typing import Any

from ._failure import invalid

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def option(description: str, *, default: Any = dataclasses.MISSING, **schema: Any) -> Any:
    """A field of the configuration: what it is, the default where it may be absent, and more that JSON Schema says of
    it, such as `minimum=1` or `pattern="^[a-z]+$"`."""
    metadata = {"description": description, **schema}
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
            schema["default"] = _plain(default)
        properties[field.name] = schema
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


def _default(field: Any) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value


def _without_none(hint: Any) -> Any:
    parts = [part for part in typing.get_args(hint) if part is not type(None)]
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.Union[tuple(parts)] if is_union else hint


def value_of(kind: Any, value: Any, place: str = "") -> Any:
    """A value of a type, from JSON. Raises a failure that names the option."""
    if kind is Any:
        return value
    if isinstance(value, str) and "<<" in value:
        return _opaque(kind, value, place)
    if kind in _PLAIN:
        return _plain_value(kind, value, place)
    if dataclasses.is_dataclass(kind):
        return _object(kind, value, place)
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is list and isinstance(value, list):
        return [value_of(parts[0], item, f"{place}[{at}]") for at, item in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {name: value_of(parts[1], item, _below(place, name)) for name, item in value.items()}
    if origin is typing.Literal and value in parts:
        return value
    if origin in (typing.Union, types.UnionType):
        return _first_that_fits(parts, value, place)
    raise invalid(f"{place or 'the configuration'} must be {_words(kind)}, and is {value!r}")


def _opaque(kind: Any, value: str, place: str) -> str:
    """What is not known yet, and a secret, may become anything that a text can be."""
    kinds = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    if any(one in (str, Any) or typing.get_origin(one) is typing.Literal for one in kinds):
        return value
    raise invalid(f"{place or 'the configuration'} is known when the plan is applied; only a text can wait for that")


def _plain_value(kind: Any, value: Any, place: str) -> Any:
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    raise invalid(f"{place or 'the configuration'} must be {_words(kind)}, and is {value!r}")


def _object(kind: Any, value: Any, place: str) -> Any:
    if not isinstance(value, dict):
        raise invalid(f"{place or 'the configuration'} must be a table, and is {value!r}")
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in value:
        if name not in fields:
            raise invalid(f"{_below(place, name)}: there is no such option; there are {', '.join(fields)}")
    for name, field in fields.items():
        if name not in value and _default(field) is dataclasses.MISSING:
            raise invalid(f"{_below(place, name)} is missing")
    return kind(**{name: value_of(hints[name], item, _below(place, name)) for name, item in value.items()})


def _first_that_fits(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    problems = []
    for kind in kinds:
        try:
            return value_of(kind, value, place)
        except Exception as error:
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
