"""Failures: what a plugin reports as its own error, and what a call of the host raises."""

from __future__ import annotations

from componentize_py_types import Err

from .types import Failure, FailureCode


def failure(code: FailureCode, message: str) -> Exception:
    """A failure of the plugin's own, and no crash. Raise it."""
    return Err(Failure(code, message))


def invalid(message: str) -> Exception:
    """A failure for a wrong option. Raise it."""
    return failure(FailureCode.INVALID, message)


def failure_of(error: BaseException) -> Failure | None:
    """The failure of a call that raised; nothing where the error is something else."""
    value = error.value if isinstance(error, Err) else None
    return value if isinstance(value, Failure) else None
