"""Starting an interpreter like this one, in which steps run, or from which their processes are forked."""

from __future__ import annotations

import os
import sys

from jupyter_mlpipe.execution.process.figures import INLINE_BACKEND
from jupyter_mlpipe.keys.process import THREAD_VARIABLES

_PATH = "import sys; sys.path.extend(path for path in {path!r} if path not in sys.path); "


def command_of(code: str, *arguments: object) -> list[str]:
    """Return the command that runs code with the modules of this process within reach."""
    # -P: a module in the current folder must not stand before the one that is meant.
    return [sys.executable, "-P", "-c", _PATH.format(path=sys.path) + code, *map(str, arguments)]


def environment_of() -> dict[str, str]:
    """Return the environment of a process that waits for steps."""
    environment = dict(os.environ)
    environment["PYTHONUNBUFFERED"] = "1"
    # It computes nothing itself; each step sets what it was given.
    environment.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    # Matplotlib reads it when it is imported, which may be ahead of the step.
    environment.setdefault("MPLBACKEND", INLINE_BACKEND)
    # The order of sets must not change what a step gives from one process to the next.
    environment.setdefault("PYTHONHASHSEED", "0")
    return environment
