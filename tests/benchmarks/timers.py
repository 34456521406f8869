"""Times parts of the package from outside: wraps functions, each counted without those inside of it.

Loaded into the kernel and, through `time_steps`, into the fork server, so that each step's process
writes what it spent to a file when it leaves.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

spent: dict[str, float] = defaultdict(float)
"""Seconds by part."""

_begun = threading.local()


def install(parts: Mapping[str, list[str]]) -> None:
    """Time the functions of each part: ``module:Class.method`` or ``module:function``, below our package."""
    for part, places in parts.items():
        for place in places:
            module, _, path = place.partition(":")
            owner: Any = importlib.import_module(f"jupyter_mlpipe.{module}")
            *above, name = path.split(".")
            for each in above:
                owner = getattr(owner, each)
            setattr(owner, name, _timed(part, getattr(owner, name)))


def _timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        inner = _begun.__dict__.setdefault("inner", [])
        inner.append(0.0)
        started = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            seconds = time.perf_counter() - started
            spent[part] += seconds - inner.pop()
            if inner:
                inner[-1] += seconds

    return wrapper


def time_steps(parts: Mapping[str, list[str]], file: str) -> None:
    """In the kernel, before a cluster starts: have steps time themselves, and write that to `file`."""
    from jupyter_mlpipe.execution.process import forked

    here = __file__.rpartition("/")[0]
    call = f"sys.path.append({here!r}); import timers; timers.install_in_step({parts!r}, {file!r})"
    main = "import gc; gc.disable(); from jupyter_mlpipe.execution.process.server import main; main()"
    assert main in forked._BOOT
    forked._BOOT = forked._BOOT.replace(main, f"{call}; {main}")


def install_in_step(parts: Mapping[str, list[str]], file: str) -> None:
    """In the fork server: what a child does before it is given a step does not count."""
    from jupyter_mlpipe.execution.process import step, waiting

    install(parts)
    run, leave = step.StepProcess.run, waiting._leave

    def run_from_zero(*args: Any) -> Any:
        spent.clear()
        return run(*args)

    def write_and_leave(*args: Any) -> None:
        with open(file, "a", encoding="utf-8") as lines:
            lines.write(json.dumps({"imported": len(sys.modules), "spent": spent}) + "\n")
        leave(*args)

    step.StepProcess.run, waiting._leave = run_from_zero, write_and_leave  # type: ignore[method-assign]
