"""Resources of the kinds that providers bring, for plugins.

Granted by kind: `allow = ["resource:dns.record"]`, or `resource:dns` for all kinds of the provider.
"""

from __future__ import annotations

import json as _json
from collections.abc import Mapping
from typing import Any

import wit_world.imports.resources as _host

from ._config import plain_of
from .types import Options


class Resource:
    """A declared resource."""

    def __init__(self, declared: Any) -> None:
        self._declared = declared

    def output(self, name: str) -> Any:
        """An output; `id` is one of every kind. While planning, one that is not known yet is an opaque text. Raises a
        failure: see `failure_of`."""
        return _json.loads(self._declared.output(name))

    def address(self) -> str:
        """Where it stands: `step/kind/name`."""
        return self._declared.address()


def declare(kind: str, name: str, spec: Any, options: Options | None = None) -> Resource:
    """Declares a resource. `kind` is the provider's name in the pipeline file and the name of one of its kinds,
    `dns.record`; `spec` is a dictionary or a dataclass by the kind's schema. A text that is not known yet may stand in place
    of any value. Raises a failure: see `failure_of`."""
    plain = plain_of(spec)
    if not isinstance(plain, Mapping):
        raise TypeError(f"the spec of {kind} {name} must be a dict or a dataclass, and is {spec!r}")
    return Resource(_host.Any.declare(kind, name, _json.dumps(plain), Options(after=[]) if options is None else options))
