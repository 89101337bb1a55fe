"""Write an llmhost plugin or a provider in Python.

A plugin declares resources and reads their outputs; the host makes them real. It runs twice, once to plan and once to
apply, and must declare the same both times. What the host offers is in modules of this package: `from llmhost_plugin import s3`.
A provider brings kinds of resources: see `llmhost_plugin.provider`.
"""

from importlib.util import find_spec as _find_spec

from ._config import option

# A provider's world has none of what these call.
if _find_spec("wit_world.imports.values"):
    from ._failure import Failure, FailureCode, failure, failure_of, invalid
    from ._names import Names, name_of, pointer, written
    from ._step import Output, step
    from .types import Options
    from .values import is_known

__all__ = [
    "Failure",
    "FailureCode",
    "Names",
    "Options",
    "Output",
    "failure",
    "failure_of",
    "invalid",
    "is_known",
    "name_of",
    "option",
    "pointer",
    "step",
    "written",
]
