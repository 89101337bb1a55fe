"""Tracebacks of exceptions that are no errors of the author's own: a crash."""

from __future__ import annotations

from types import TracebackType


def own(traceback: TracebackType | None) -> TracebackType | None:
    """Without the frames of this package: the last one that is left made the mistake."""
    if traceback is None:
        return None
    rest = own(traceback.tb_next)
    if traceback.tb_frame.f_globals.get("__package__") == __package__:
        return rest
    return TracebackType(rest, traceback.tb_frame, traceback.tb_lasti, traceback.tb_lineno)
