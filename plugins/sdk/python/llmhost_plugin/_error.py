"""Errors of a provider's calls."""

from __future__ import annotations

from enum import Enum


class ErrorClass(Enum):
    """What sort of error it is."""

    NOT_FOUND = "not-found"
    """It does not exist. Raised by `read` and `delete`, it says that the resource is gone."""
    CONFLICT = "conflict"
    """A name is taken, or something else uses it."""
    DENIED = "denied"
    """Not allowed."""
    QUOTA = "quota"
    """A limit of the account."""
    THROTTLED = "throttled"
    """Too many calls. Nothing was done; the host tries again."""
    INVALID = "invalid"
    """The spec is wrong in the eyes of the service."""
    SERVICE = "service"
    """The service failed. It may have done what it was asked for; the host tries again."""
    UNREACHABLE = "unreachable"
    """No answer. As `SERVICE`."""


class Error(Exception):
    """Why a call of a provider did not succeed. Any other exception is a crash of the provider."""

    def __init__(
        self, error_class: ErrorClass, message: str, *, code: str | None = None, advice: str | None = None
    ) -> None:
        """`message` is one sentence, `code` the service's own code, `advice` what to do where the provider knows better
        than the class does."""
        super().__init__(message)
        self.error_class = error_class
        self.message = message
        self.code = code
        self.advice = advice
