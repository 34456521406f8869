"""Steps that run in the notebook's own process: each waits until the main thread takes it on.

To the runner such a step is an attempt like any other: it tells what a worker would tell. How its code
is run there is the notebook's to say.
"""

from __future__ import annotations

import _thread
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Literal

from jupyter_mlpipe.execution.process.messages import FailedMessage, Message, StepFailure
from jupyter_mlpipe.execution.process.spec import StepSpec
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.store.records import Record

_INTERRUPTED: StepFailure = {"kind": "killed", "ename": "KeyboardInterrupt", "evalue": "", "traceback": []}


class LocalFailure(Exception):  # noqa: N818 - carries the error of a step's code, and is never raised to users
    """The code of a step failed.

    Parameters
    ----------
    failure
        As a step's process reports it.
    """

    def __init__(self, failure: StepFailure) -> None:
        super().__init__(failure["evalue"])
        self.failure = failure


class LocalJob:
    """One attempt of a step, for the main thread.

    Parameters
    ----------
    run
        The id of its run.
    work
        Runs the code and returns the record, which is in the store then.
    tell
        Takes what a step's process would send.
    cancel
        Cancels the run.
    """

    def __init__(
        self,
        run: str,
        task: StepTask,
        spec: StepSpec,
        *,
        work: Work,
        tell: Callable[[Message], None],
        cancel: Callable[[], None],
    ) -> None:
        self.run = run
        self.task = task
        self.spec = spec
        self._work = work
        self.tell = tell
        self._cancel = cancel
        self._phase: Literal["waiting", "running", "ended"] = "waiting"
        self._killed = False
        self._lock = threading.Lock()

    def perform(self) -> None:
        """Run the step, on the main thread.

        Raises
        ------
        KeyboardInterrupt
            The user interrupted it; its run is cancelled.
        """
        with self._lock:
            if self._phase != "waiting":
                return
            self._phase = "running"
        self.tell({"type": "started", "pid": os.getpid(), "worker": ""})
        started = time.perf_counter()
        failure: StepFailure | None = None
        interrupt: KeyboardInterrupt | None = None
        record: Record | None = None
        try:
            try:
                record = self._work(self)
            finally:
                with self._lock:
                    self._phase = "ended"
        except LocalFailure as failed:
            failure = failed.failure
            cause = failed.__cause__
            interrupt = cause if isinstance(cause, KeyboardInterrupt) else None
        except KeyboardInterrupt as error:
            failure, interrupt = _INTERRUPTED, error
        except BaseException as error:
            failure = {
                "kind": "error",
                "ename": type(error).__name__,
                "evalue": str(error),
                "traceback": [],
            }
        seconds = time.perf_counter() - started
        if interrupt is not None and not self._killed:
            self._cancel()
        if record is not None:
            self.tell(
                {"type": "ended", "status": "succeeded", "record": record.to_json(), "seconds": seconds}
            )
        else:
            assert failure is not None
            self.tell(_failed(failure, seconds))
        if interrupt is not None and not self._killed:
            raise interrupt

    def kill(self) -> None:
        """End the step: its last message still comes."""
        with self._lock:
            self._killed = True
            if self._phase == "running":
                _interrupt_main_thread()
            elif self._phase == "waiting":
                self._phase = "ended"
                self.tell(_failed(_INTERRUPTED, 0.0))


Work = Callable[[LocalJob], Record]


def _interrupt_main_thread() -> None:
    if hasattr(signal, "pthread_kill"):
        # A real signal: it ends what waits in the system, a sleep or a read, too.
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)  # type: ignore[arg-type]
    else:
        _thread.interrupt_main()


def _failed(failure: StepFailure, seconds: float) -> FailedMessage:
    return {"type": "ended", "status": "failed", "error": failure, "seconds": seconds}
