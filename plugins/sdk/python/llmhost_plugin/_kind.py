"""What a kind of resource is, and what its calls give."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Config = TypeVar("Config")
Spec = TypeVar("Spec")


@dataclass(frozen=True)
class Output:
    """What a kind tells of a resource beside its id: see `output`."""

    name: str
    description: str
    identity: bool
    sensitive: bool


@dataclass(frozen=True)
class Created:
    """A resource that was made: the service's id, which never changes, and every output."""

    id: str
    outputs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.id, str):
            raise TypeError(f"the id must be a str, and is {self.id!r}")


@dataclass(frozen=True)
class Observed(Generic[Spec]):
    """A resource as the service has it: its spec, so that the host can compare it with what was declared, and every output.

    Fields that the service does not tell are those of the spec that was given, and so are secrets:
    `dataclasses.replace(known, text=there["text"])`.
    """

    spec: Spec
    outputs: Mapping[str, Any] = field(default_factory=dict)


class Kind(ABC, Generic[Config, Spec]):
    """A kind of resource. An `Error` that a call raises is told to the user; any other exception is a crash."""

    @abstractmethod
    def create(self, config: Config, spec: Spec, token: str) -> Created:
        """Makes a resource. `token` is unique to it, and the same when the call is made again: give it to the service as an
        idempotency key or a tag."""

    @abstractmethod
    def find(self, config: Config, spec: Spec, token: str) -> Created | None:
        """Looks for what a `create` with this spec and token made, whose result was lost. Nothing where it made nothing.
        What somebody else made may not be given."""

    @abstractmethod
    def read(self, config: Config, id: str, known: Spec) -> Observed[Spec] | None:
        """What the service says now. Nothing, or an `Error` with `NOT_FOUND`, where the resource is gone. `known` is the
        last spec that is known."""

    @abstractmethod
    def update(self, config: Config, id: str, old: Spec, new: Spec) -> Mapping[str, Any]:
        """Changes a resource in place, and gives its outputs. It may be called again."""

    @abstractmethod
    def delete(self, config: Config, id: str, spec: Spec) -> None:
        """Deletes a resource, and returns when it is gone. An `Error` with `NOT_FOUND` says that it was gone already."""
