"""How a step's process came to its end, where it could not say so itself: each kind by its name."""

from __future__ import annotations

import os
import signal
import time

from jupyter_mlpipe.execution.process.messages import ErrorKind, FailedMessage
from jupyter_mlpipe.model.resources import describe_bytes

_FAULTS = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL})


def died(kind: ErrorKind, why: str, started: float) -> FailedMessage:
    """Return the last message of a step whose process sent none; `started` as `time.perf_counter` had it."""
    ename = "StepMemoryError" if kind == "memory" else "StepDiedError"
    return {
        "type": "ended",
        "status": "failed",
        "error": {"kind": kind, "ename": ename, "evalue": why, "traceback": [f"{ename}: {why}"]},
        "seconds": time.perf_counter() - started,
    }


def describe_end(
    status: int | None,
    peak: int,
    *,
    killed: bool = False,
    used: int = 0,
    limit: int = 0,
    ran_out: bool = False,
) -> tuple[ErrorKind, str]:
    """Return which kind of end it was, and say so.

    Parameters
    ----------
    status
        As `os.wait4` gives it; None where nobody knows it.
    peak
        Bytes of memory that the process had used at most.
    killed
        We killed it, because somebody asked for that.
    used, limit
        We killed it, because it used so many bytes of memory, of those that it had asked for.
    ran_out
        The system has killed some process, meanwhile, because its memory ran out.
    """
    if used:
        return "memory", (
            f"Its process was killed: it used {describe_bytes(used)} of memory, with {describe_bytes(limit)} "
            "asked for with --memory. Ask for more, or work on less at a time."
        )
    if killed:
        return "killed", "Its process was killed on request."
    if status is None:
        return "died", "Its process ended with the fork server, before it was done."
    if not os.WIFSIGNALED(status):
        code = os.waitstatus_to_exitcode(status)
        return "exited", f"Its process exited with status {code} before it was done."
    number = os.WTERMSIG(status)
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if number in _FAULTS:
        return "crashed", f"Its process was killed by {name}."
    if number != signal.SIGKILL:
        return "signal", f"Its process was killed by {name}."
    if ran_out:
        return "memory", (
            "Its process was killed by the system, which had run out of memory: "
            f"it had used {describe_bytes(peak)}. Ask for more with --memory, or work on less at a time."
        )
    return "signal", (
        f"Its process was killed by {name}, from outside or because memory ran out: it had used "
        f"{describe_bytes(peak)}. If that was it, ask for more with --memory, or work on less at a time."
    )
