"""How a step's process came to its end, where it could not say so itself: each kind by its name."""

from __future__ import annotations

import signal
import time

from jupyter_mlpipe.execution.process.messages import ErrorKind, FailedMessage
from jupyter_mlpipe.model.resources import describe_bytes

_FAULTS = frozenset({"SIGSEGV", "SIGBUS", "SIGABRT", "SIGFPE", "SIGILL"})
# Windows has no signals: it ends what crashes with the number of the exception as its exit code.
# https://learn.microsoft.com/openspecs/windows_protocols/ms-erref/596a1078-e883-4972-9bbc-49e60bebca55
_EXCEPTIONS = {
    0xC0000005: "access violation",
    0xC000001D: "illegal instruction",
    0xC0000094: "integer division by zero",
    0xC00000FD: "stack overflow",
    0xC0000374: "heap corruption",
    0xC0000409: "fail fast",
}


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
    code: int | None,
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
    code
        As `subprocess.Popen.returncode` gives it, negative for a signal; None where nobody knows it.
    peak
        Bytes of memory that the process had used at most; 0 where nobody knows that.
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
    if code is None:
        return "died", "Its process ended with the fork server, before it was done."
    if (exception := _EXCEPTIONS.get(code & 0xFFFFFFFF)) is not None:
        return "crashed", f"Its process was ended by an exception: {exception}."
    if code >= 0:
        return "exited", f"Its process exited with status {code} before it was done."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name in _FAULTS:
        return "crashed", f"Its process was killed by {name}."
    if name != "SIGKILL":
        return "signal", f"Its process was killed by {name}."
    had_used = f": it had used {describe_bytes(peak)}" if peak else ""
    if ran_out:
        return "memory", (
            f"Its process was killed by the system, which had run out of memory{had_used}. "
            "Ask for more with --memory, or work on less at a time."
        )
    return "signal", (
        f"Its process was killed by {name}, from outside or because memory ran out{had_used}. "
        "If that was it, ask for more with --memory, or work on less at a time."
    )
