"""What a provider exports, made of its kinds: JSON becomes values, and errors become what the host takes for errors."""

from __future__ import annotations

import dataclasses
import functools
import json
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import wit_world.exports.kinds as _host
from componentize_py_types import Err

from ._config import Mismatch, plain_of, schema_of, value_of
from ._error import Error
from ._kind import Created, Kind, Observed, Output
from ._trace import own


def describe(
    of: type[Any], name: str, summary: str, immutable: Sequence[str], unique: Sequence[str], outputs: Sequence[Output]
) -> None:
    """Keeps with a class what its kind is."""
    spec = _spec_of(of)
    fields = [field.name for field in dataclasses.fields(spec)]
    for one in [*immutable, *unique]:
        if one not in fields:
            raise TypeError(f"{of.__name__}: {spec.__name__} has no field {one}; there are {', '.join(fields)}")
    told = [_host.Output(one.name, one.description, one.identity, one.sensitive) for one in outputs]
    schema = json.dumps(schema_of(spec))
    of._llmhost_kind = _host.Kind(name, summary, schema, list(immutable), list(unique), told)


def _spec_of(of: type[Any]) -> Any:
    """The second type of `Kind[Config, Note]`."""
    for base in of.__mro__:
        for one in vars(base).get("__orig_bases__", ()):
            if typing.get_origin(one) is Kind and dataclasses.is_dataclass(spec := typing.get_args(one)[1]):
                return spec
    raise TypeError(f"{of.__name__} must be a Kind of two dataclasses, as in `class Notes(Kind[Config, Note])`")


def exported(summary: str, config: type[Any], kinds: Sequence[type[Any]]) -> type[Any]:
    """The class that componentize-py looks for in the provider's module."""
    for of in kinds:
        if "_llmhost_kind" not in vars(of):
            raise TypeError(f"put @kind(…) before the class {of.__name__}")
    described = [of._llmhost_kind for of in kinds]
    description = _host.Description(summary, json.dumps(schema_of(config)), described)
    calls = {one.name: _Calls(of, config) for one, of in zip(described, kinds)}

    class Kinds:
        """Every kind; a call names its own."""

        def describe(self) -> Any:
            return description

        def create(self, config: str, kind: str, spec: str, token: str) -> Any:
            return calls[kind].create(config, spec, token)

        def find(self, config: str, kind: str, spec: str, token: str) -> Any:
            return calls[kind].find(config, spec, token)

        def read(self, config: str, kind: str, id: str, spec: str) -> Any:
            return calls[kind].read(config, id, spec)

        def update(self, config: str, kind: str, id: str, old: str, new: str) -> str:
            return calls[kind].update(config, id, old, new)

        def delete(self, config: str, kind: str, id: str, spec: str) -> None:
            calls[kind].delete(config, id, spec)

    return Kinds


def _call(function: Callable[..., Any]) -> Callable[..., Any]:
    """A call of the host: what it raises is an error, or a crash whose traceback ends with the author's own line."""

    @functools.wraps(function)
    def called(*args: Any) -> Any:
        try:
            return function(*args)
        except Mismatch as error:
            raise Err(_host.Error(_host.ErrorClass.INVALID, None, str(error), None)) from None
        except Error as error:
            told = _host.ErrorClass[error.error_class.name]
            raise Err(_host.Error(told, error.code, error.message, error.advice)) from None
        except Exception as error:
            raise error.with_traceback(own(error.__traceback__))

    return called


class _Calls:
    """The calls of a kind."""

    def __init__(self, of: type[Any], config: type[Any]) -> None:
        self._kind = of()
        self._config_type = config
        self._spec_type = _spec_of(of)

    @_call
    def create(self, config: str, spec: str, token: str) -> Any:
        return self._created("create", "Created", self._kind.create(self._config(config), self._spec(spec), token))

    @_call
    def find(self, config: str, spec: str, token: str) -> Any:
        made = self._kind.find(self._config(config), self._spec(spec), token)
        return None if made is None else self._created("find", "Created or None", made)

    @_call
    def read(self, config: str, id: str, known: str) -> Any:
        seen = self._kind.read(self._config(config), id, self._spec(known))
        if seen is None:
            return None
        self._expect("read", "Observed or None", seen, Observed)
        self._expect("read", f"Observed with a {self._spec_type.__name__}", seen.spec, self._spec_type)
        return _host.Observed(id, json.dumps(plain_of(seen.spec)), self._outputs("read", seen.outputs))

    @_call
    def update(self, config: str, id: str, old: str, new: str) -> str:
        return self._outputs("update", self._kind.update(self._config(config), id, self._spec(old), self._spec(new)))

    @_call
    def delete(self, config: str, id: str, spec: str) -> None:
        self._kind.delete(self._config(config), id, self._spec(spec))

    def _config(self, text: str) -> Any:
        return value_of(self._config_type, json.loads(text))

    def _spec(self, text: str) -> Any:
        # Open: a state may have fields that an older release of the provider had.
        return value_of(self._spec_type, json.loads(text), closed=False)

    def _created(self, call: str, what: str, made: Any) -> Any:
        self._expect(call, what, made, Created)
        return _host.Created(made.id, self._outputs(call, made.outputs))

    def _outputs(self, call: str, outputs: Any) -> str:
        self._expect(call, "outputs in a dict", outputs, Mapping)
        return json.dumps(plain_of(dict(outputs)))

    def _expect(self, call: str, what: str, value: Any, kind: type[Any]) -> None:
        if not isinstance(value, kind):
            raise TypeError(f"{type(self._kind).__name__}.{call} must return {what}, and returned {value!r}")
