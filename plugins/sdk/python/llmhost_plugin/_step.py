"""What a component exports, made of what its author says."""

from __future__ import annotations

import json
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._config import Mismatch, schema_of, value_of
from ._failure import invalid
from ._trace import own
from .types import Description, OutputDoc, ValueType


@dataclass(frozen=True)
class Output:
    """An output of a step: its name, its type and what it is.

    A sensitive value is kept out of everything that is shown: the terminal, `--json`, graphs, logs. Other steps get it.
    """

    name: str
    description: str
    value_type: ValueType | None = None
    sensitive: bool = False

    @classmethod
    def text(cls, name: str, description: str, *, sensitive: bool = False) -> Output:
        """A string."""
        return cls(name, description, ValueType.TEXT, sensitive)

    @classmethod
    def number(cls, name: str, description: str, *, sensitive: bool = False) -> Output:
        """A number."""
        return cls(name, description, ValueType.NUMBER, sensitive)

    @classmethod
    def boolean(cls, name: str, description: str, *, sensitive: bool = False) -> Output:
        """True or False."""
        return cls(name, description, ValueType.BOOLEAN, sensitive)

    @classmethod
    def array(cls, name: str, description: str, *, sensitive: bool = False) -> Output:
        """A list."""
        return cls(name, description, ValueType.ARRAY, sensitive)

    @classmethod
    def object(cls, name: str, description: str, *, sensitive: bool = False) -> Output:
        """A dictionary."""
        return cls(name, description, ValueType.OBJECT, sensitive)

    @classmethod
    def any(cls, name: str, description: str, *, sensitive: bool = False) -> Output:
        """A value of any type."""
        return cls(name, description, None, sensitive)


Run = Callable[[Any], Mapping[str, Any]]


def step(*, summary: str, outputs: Sequence[Output] = (), needs: Sequence[str] = ()) -> Callable[[Run], Run]:
    """Makes a function the plugin of its module:

        @step(summary="A bucket for logs.", outputs=[Output.text("arn", "ARN of the bucket")])
        def run(config: Config):
            …

    The function declares the step's resources and returns its outputs. The type of its parameter, a dataclass, is the
    step's `with` table. `needs` has the grants that calls of `cloud_control` and `request` need, such as
    `cloud-control:AWS::SNS::Topic`; for the other interfaces the host sees what is needed.
    """

    def make(run: Run) -> Run:
        hints = typing.get_type_hints(run)
        hints.pop("return", None)
        if len(hints) != 1:
            raise TypeError(f"{run.__name__} takes one parameter with a type, as in `def run(config: Config)`")
        (config,) = hints.values()
        description = Description(
            summary=summary,
            config_schema=json.dumps(schema_of(config)),
            outputs=[OutputDoc(output.name, output.description, output.value_type, output.sensitive) for output in outputs],
            needs=list(needs),
        )

        class WitWorld:
            """What componentize-py looks for in the plugin's module."""

            def describe(self) -> Description:
                return description

            def run(self, text: str) -> str:
                try:
                    given = value_of(config, json.loads(text))
                except Mismatch as error:
                    raise invalid(str(error)) from None
                try:
                    return json.dumps(run(given))
                except Exception as error:
                    raise error.with_traceback(own(error.__traceback__))

        setattr(sys.modules[run.__module__], "WitWorld", WitWorld)
        return run

    return make
