"""Fields of records that may be left out, filled in as the host does for older plugins."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from typing import Any


def fill(module: types.ModuleType) -> None:
    """Lets records of the module be made without their lists, booleans and optional fields, and resources be declared
    without options."""
    for kind in list(vars(module).values()):
        if isinstance(kind, type) and kind.__module__ == module.__name__ and not hasattr(kind, "_llmhost_filled"):
            if dataclasses.is_dataclass(kind):
                _fill_record(kind)
            elif hasattr(kind, "declare"):
                _fill_declare(kind)


def _fill_record(kind: Any) -> None:
    make = kind.__init__
    names = [field.name for field in dataclasses.fields(kind)]

    @functools.wraps(make)
    def filled(self: Any, *args: Any, **fields: Any) -> None:
        absent = [name for name in names[len(args) :] if name not in fields]
        if absent:
            hints = typing.get_type_hints(kind)
            fields |= {name: _absent(hints[name]) for name in absent if _may_be_absent(hints[name])}
        make(self, *args, **fields)

    kind.__init__ = filled
    kind._llmhost_filled = True


def _may_be_absent(hint: Any) -> bool:
    return hint is bool or typing.get_origin(hint) is list or type(None) in typing.get_args(hint)


def _absent(hint: Any) -> Any:
    return False if hint is bool else [] if typing.get_origin(hint) is list else None


def _fill_declare(kind: Any) -> None:
    declare = kind.declare

    def declared(name: str, spec: Any, options: Any = None) -> Any:
        from .types import Options

        _check(type(spec), spec, "spec")
        return declare(name, spec, Options(after=[]) if options is None else options)

    kind.declare = staticmethod(functools.wraps(declare)(declared))
    kind._llmhost_filled = True


def _check(hint: Any, value: Any, place: str) -> None:
    """Raises a TypeError that says where a value is of another type: the bindings would end the plugin without one."""
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is list:
        _expect(isinstance(value, list), place, "a list", value)
        for at, item in enumerate(value):
            _check(parts[0], item, f"{place}[{at}]")
    elif origin is tuple:
        _expect(isinstance(value, tuple) and len(value) == len(parts), place, f"a tuple of {len(parts)}", value)
        for at, part in enumerate(parts):
            _check(part, value[at], f"{place}[{at}]")
    elif origin is typing.Union:
        fitting = [part for part in parts if isinstance(value, part)]
        _expect(bool(fitting), place, " or ".join(_name(part) for part in parts), value)
        _check(fitting[0], value, place)
    else:
        is_number = hint is float and isinstance(value, int)
        is_kind = isinstance(value, hint) and not (hint is int and isinstance(value, bool))
        _expect(is_kind or is_number, place, _name(hint), value)
        if dataclasses.is_dataclass(hint):
            for name, part in typing.get_type_hints(hint).items():
                _check(part, getattr(value, name), f"{place}.{name}")


def _expect(fits: bool, place: str, expected: str, value: Any) -> None:
    if not fits:
        raise TypeError(f"{place} must be {expected}, and is {value!r}")


def _name(hint: Any) -> str:
    return "None" if hint is type(None) else getattr(hint, "__name__", str(hint))
