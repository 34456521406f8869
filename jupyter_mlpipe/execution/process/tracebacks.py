"""The traceback of a step's error, as a kernel shows it, without our own frames."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from types import FrameType, TracebackType

from jupyter_mlpipe.execution.process.messages import ErrorKind, StepFailure
from jupyter_mlpipe.execution.process.shell import LazyShell
from jupyter_mlpipe.execution.process.spec import USUAL_MODE
from jupyter_mlpipe.keys.late import IMPORT
from jupyter_mlpipe.keys.packages import is_installed

_OURS = os.path.dirname(os.path.abspath(__file__))
_ASYNCIO = os.path.join(os.path.dirname(os.__file__), "asyncio")


TRACEBACK_OF = "traceback of "
"""Stands in a record, with a name, for where an error that was caught and kept came from."""


def left_behind(outputs: Iterable[str], results: Mapping[str, object]) -> list[str]:
    """Return `TRACEBACK_OF` each output that is an error with a traceback: frames do not leave a process."""
    found = ((name, results.get(name)) for name in outputs)
    return [
        f"{TRACEBACK_OF}{name}"
        for name, value in found
        if isinstance(value, BaseException) and value.__traceback__ is not None
    ]


def describe_error(
    error: BaseException, kind: ErrorKind, shell: LazyShell | None, mode: str = USUAL_MODE
) -> StepFailure:
    """Return an error as the runner gets it, rendered by IPython, or by `traceback` where that fails.

    Parameters
    ----------
    mode
        How much is shown, in the words of ``%xmode``.
    """
    trace = _cut(error.__traceback__)
    try:
        lines = _render(error, trace, shell, mode)
    except Exception:  # of IPython, or of what the error's own class shows: Python can always say it
        lines = "".join(traceback.format_exception(type(error), error, trace)).splitlines()
    return {
        "kind": kind,
        "ename": type(error).__name__,
        "evalue": _text(error),
        "traceback": lines,
    }


def quoted_files(error: BaseException) -> list[str]:
    """Return the files of installed modules that the traceback of an error quotes."""
    files: dict[str, None] = {}
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        found = pending.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        pending += [found.__cause__, found.__context__]
        for frame, _line in traceback.walk_tb(found.__traceback__):
            files[frame.f_code.co_filename] = None
    return [path for path in files if path.endswith(".py") and is_installed(path)]


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return f"<{type(error).__name__} without a readable message>"


def _cut(trace: TracebackType | None) -> TracebackType | None:
    """Leave out frames of ours, with those of an import, or of asyncio, beside them."""
    kept: list[TracebackType] = []
    for is_hidden, parts in groupby(_walk(trace), lambda part: _is_hidden(part.tb_frame)):
        run = list(parts)
        if not is_hidden or not any(_is_ours(part.tb_frame) for part in run):
            kept += run
    shorter: TracebackType | None = None
    for part in reversed(kept):
        shorter = TracebackType(shorter, part.tb_frame, part.tb_lasti, part.tb_lineno)
    return shorter


def _walk(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _is_hidden(frame: FrameType) -> bool:
    file_name = frame.f_code.co_filename
    return file_name.startswith("<frozen importlib") or os.path.dirname(file_name) in (_OURS, _ASYNCIO)


def _is_ours(frame: FrameType) -> bool:
    file_name = frame.f_code.co_filename
    return file_name == IMPORT or os.path.dirname(file_name) == _OURS


def _render(
    error: BaseException, trace: TracebackType | None, shell: LazyShell | None, mode: str
) -> list[str]:
    if shell is None:
        raise RuntimeError("there is no shell yet")
    if isinstance(error, BaseExceptionGroup):
        # As IPython does: with the exceptions inside, which its own tracebacks leave out.
        return "".join(traceback.format_exception(type(error), error, trace)).splitlines()
    ipython = shell.get()
    ipython.InteractiveTB.set_mode(mode)
    if isinstance(error, SyntaxError) and trace is None:
        rendered = ipython.SyntaxTB.structured_traceback(type(error), error, [])
    else:
        rendered = ipython.InteractiveTB.structured_traceback(type(error), error, trace, tb_offset=0)
    lines: list[str] = [str(line) for line in rendered]
    return lines
