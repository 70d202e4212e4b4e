"""Tracebacks as they would be without the doctor: the frames through which a recorder passed are left out."""

from __future__ import annotations

import os
from types import TracebackType

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_HANDLER = os.path.join(
    "torch", "overrides.py"
)  # a function of torch that is recorded goes through it, and is called a second time by the recorder


def stripped(trace: TracebackType | None) -> TracebackType | None:
    """The same traceback without these frames. The given one stays as it is."""
    kept: list[TracebackType] = []
    ours = False  # whether the last frame was one of the recorder's
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file.startswith(_HERE):
            if not ours and kept and kept[-1].tb_frame.f_code.co_filename.endswith(_HANDLER):
                del kept[-2:]  # the handler, and the function that called it
            ours = True
        else:
            ours = False
            kept.append(trace)
        trace = trace.tb_next
    found: TracebackType | None = None
    for one in reversed(kept):
        found = TracebackType(found, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return found


def strip(error: BaseException) -> None:
    """Takes the frames out of the traceback of an error, and of those that it came from."""
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        one.__traceback__ = stripped(one.__traceback__)
        waiting += [one.__cause__, one.__context__]
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
