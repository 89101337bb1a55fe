"""Write a provider in Python: kinds of resources of your own.

A kind makes single calls and remembers nothing, as each call has an instance of its own. The host plans, compares, journals,
replaces and deletes. Nothing of a plugin's is here: a provider declares no resources.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from wit_world.imports.wait import pause as _pause

from . import http, log
from ._config import option
from ._error import Error, ErrorClass
from ._kind import Config, Created, Kind, Observed, Output
from ._kinds import describe, exported

__all__ = [
    "Created",
    "Error",
    "ErrorClass",
    "Kind",
    "Observed",
    "Output",
    "http",
    "kind",
    "log",
    "option",
    "output",
    "pause",
    "provider",
]

K = TypeVar("K", bound=Kind[Any, Any])


def output(name: str, description: str, *, identity: bool = False, sensitive: bool = False) -> Output:
    """An output of a kind. The value of an `identity` tells the resource from all others and stays as it is for as long as
    the resource lives; one that is `sensitive` is kept out of everything that is shown."""
    return Output(name, description, identity, sensitive)


def kind(
    name: str,
    *,
    summary: str,
    immutable: Sequence[str] = (),
    unique: Sequence[str] = (),
    outputs: Sequence[Output] = (),
) -> Callable[[type[K]], type[K]]:
    """Says what a kind is:

        @kind("note", summary="A note.", immutable=["title"], unique=["title"])
        class Notes(Kind[Config, Note]):
            …

    The specs are of the second type, a dataclass. Fields that are `immutable` cannot be changed in place: another value makes
    another resource. Those that are `unique` together name the resource, so that only one can have them at a time.
    """

    def described(of: type[K]) -> type[K]:
        describe(of, name, summary, immutable, unique, outputs)
        return of

    return described


def provider(*, summary: str, config: type[Config], kinds: Sequence[type[Kind[Config, Any]]]) -> None:
    """Makes the module that calls it the provider: `provider(summary="Notes.", config=Config, kinds=[Notes])` at its end.
    `config`, a dataclass, is `with` in `[providers.NAME]`."""
    module = sys._getframe(1).f_globals
    if "Kinds" in module:
        raise TypeError("the module of the provider has a Kinds already; call yours by another name")
    module["Kinds"] = exported(summary, config, kinds)


def pause(seconds: float) -> None:
    """Waits for a service. Where the run is stopped meanwhile, the call ends here, and the next run goes on: a resource whose
    `create` was under way is looked for by `find`. Waiting does not count against the limit of a call's time."""
    left = round(seconds * 1000)
    while left > 0:
        part = min(left, 60_000)
        _pause(part)
        left -= part
