"""Keeps from the notebook's handlers what this package logs, and what libraries log on its behalf.

The user may have every library tell all it does, and must not hear what was done for us. Whose a record is
the stack says: the nearest code on it that is the user's or this package's. Threads of Dask have neither:
those of our own cluster are known.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import weakref
from collections.abc import Iterator
from types import FrameType

from jupyter_mlpipe.execution.process import local_modules
from jupyter_mlpipe.execution.process.questions import is_ours, is_users

_OF_DASK = ("IO loop", "Dask-", "TCP-Executor", "Profile")

_handle = logging.Logger.handle
_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()
_before: list[set[threading.Thread]] = []  # while a cluster starts: the threads that there were


def keep_quiet() -> None:
    """Begin, in this process; may be called again."""
    if logging.Logger.handle is _handle:
        setattr(logging.Logger, "handle", _handle_users)  # noqa: B010 - a method, to mypy


def stop_keeping_quiet() -> None:
    """End, unless somebody else has come between."""
    if logging.Logger.handle is _handle_users:
        setattr(logging.Logger, "handle", _handle)  # noqa: B010


@contextlib.contextmanager
def own_threads() -> Iterator[None]:
    """Count threads of Dask as ours that start meanwhile: what goes wrong there is told in other ways."""
    keep_quiet()
    before = set(threading.enumerate())
    _before.append(before)
    try:
        yield
        started = set(threading.enumerate()) - before
        _threads.update(thread for thread in started if thread.name.startswith(_OF_DASK))
    finally:
        _before.remove(before)


def _handle_users(self: logging.Logger, record: logging.LogRecord) -> None:
    if record.levelno < logging.CRITICAL and _is_of_own_thread():
        return
    if record.levelno < logging.WARNING and _is_of_own_code():
        return
    _handle(self, record)


def _is_of_own_thread() -> bool:
    if not (_threads or _before):
        return False
    thread = threading.current_thread()
    if thread in _threads:
        return True
    return thread.name.startswith(_OF_DASK) and any(thread not in before for before in _before)


def _is_of_own_code() -> bool:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        file_name, above = frame.f_code.co_filename, frame.f_back
        is_import = frame.f_code.co_name == "<module>" and above is not None and _imports(above)
        if is_users(file_name) and not is_import:
            return False  # who has a module of the user's imported is further up
        if is_ours(file_name) and not _imports(frame):
            return True
        frame = above
    return False


def _imports(frame: FrameType) -> bool:
    file_name = frame.f_code.co_filename
    return file_name.startswith("<frozen importlib") or file_name == local_modules.__file__
