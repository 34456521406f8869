"""What libraries find that ask, without IPython, what kind of shell they run in."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_ASK_FOR_THE_KIND = frozenset({"pandas"})


class _Frontend:
    """Stands for a kernel's shell where only its class and the presence of its kernel are looked at."""

    kernel = None


# By these names libraries tell a kernel from a terminal.
_Frontend.__name__ = _Frontend.__qualname__ = "ZMQInteractiveShell"
_Frontend.__module__ = "ipykernel.zmqshell"
_FRONTEND = _Frontend()


def frontend_for_caller() -> Any:
    """Return what the caller of our caller is to take for the shell; None where it wants the shell itself."""
    asking = str(sys._getframe(2).f_globals.get("__name__", ""))
    return _FRONTEND if asking.partition(".")[0] in _ASK_FOR_THE_KIND else None


@contextmanager
def as_in_a_kernel() -> Iterator[None]:
    """Let libraries that are imported ahead of steps find what they find in a kernel."""
    builtins.get_ipython = _get_ipython  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del builtins.get_ipython  # type: ignore[attr-defined]


def _get_ipython() -> Any:
    found = frontend_for_caller()
    if found is None:
        raise NameError("name 'get_ipython' is not defined")
    return found
