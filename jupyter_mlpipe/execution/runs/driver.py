"""The process of a detached run: ``python -m jupyter_mlpipe.execution.runs.driver FOLDER``.

It belongs to nobody: the process that starts it ends once the work is taken on, and what was a child of it
gets a session of its own. It ends with its run, and leaves the log of its events.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import threading
import time
import traceback
import types
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.execution.runs.detached import CANCEL, RunFolder, finish
from jupyter_mlpipe.execution.runs.eventlog import EventWriter, lost_lines
from jupyter_mlpipe.execution.runs.fleet import MakeExecutor
from jupyter_mlpipe.execution.runs.handover import Work
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.runner import Runner
from jupyter_mlpipe.keys.payload import load_closure
from jupyter_mlpipe.store.history import History, RunEntry
from jupyter_mlpipe.store.locks import Held, hold
from jupyter_mlpipe.store.registered import receive
from jupyter_mlpipe.store.store import open_store

_HOLD_S = 10.0
_LOOK_S = 0.1
_CANCEL_S = 10.0
_NO_STATUS = 70
_NO_ANSWER = "The run was cancelled, and its cluster did not say within 10 s that its steps have ended."


def main(path: str) -> int:
    """Fork; returns, in the process that was started, once the other one has taken on the work."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        return 0 if os.read(reading, 1) else 1
    os.close(reading)
    os.setsid()
    status = _NO_STATUS
    try:
        status = _drive(RunFolder(Path(path)), writing)
    except MLPipeError as error:
        print(error, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    sys.stderr.flush()
    if status:
        os._exit(status)  # whatever does not answer must not keep this process
    return status


def _drive(folder: RunFolder, ready: int) -> int:
    held = _hold(folder)
    work, make_executor = _take(folder)
    os.mkfifo(folder.asked, 0o600)
    asked = os.open(folder.asked, os.O_RDWR)  # so that it never ends
    store = open_store(work.store)
    history = History(store.root / "history.db")
    writer = EventWriter(folder.events)
    details: Mapping[str, Any] = {"steps": {}, "parameters": {}, "targets": work.targets, "detached": True}
    begun = RunEntry(work.run, work.pipeline, "running", time.time(), None, details)
    history.add_run(begun)
    runner = Runner(store, make_executor, history, attaches=work.attaches)
    is_cancelled = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_cancelled.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_hear, args=(asked, is_cancelled), name="mlpipe-asked", daemon=True).start()
    os.write(ready, b"1")
    os.close(ready)
    try:
        run = _begin(runner, work, writer)
        if run is not None:
            # Without its folder nobody could find it again, or cancel it.
            while not writer.has_ended.wait(_LOOK_S):
                if is_cancelled.is_set() or not folder.events.exists():
                    run.cancel()
                    break
            if not writer.has_ended.wait(_CANCEL_S):
                # Its cluster does not answer: what runs there, if anything does, is left to it.
                statuses = {name: step.status for name, step in run.steps.items()}
                writer.write(lost_lines(statuses, MLPipeError(_NO_ANSWER), "cancelled"))
                history.add_run(replace(begun, status="cancelled", seconds=time.time() - begun.started_at))
                return _NO_STATUS
        runner.close()
    finally:
        history.close()
        writer.close()
        finish(folder)
        held.release()
    return 0


def _hold(folder: RunFolder) -> Held:
    deadline = time.monotonic() + _HOLD_S
    while (held := hold(folder.held, f"pid {os.getpid()} on {socket.gethostname()}")) is None:
        # Somebody is looking whether it is held.
        if time.monotonic() > deadline:
            raise MLPipeError(f"Run {folder.id} is held by another process.")
        time.sleep(0.01)
    return held


def _take(folder: RunFolder) -> tuple[Work, MakeExecutor]:
    """Become a process like the notebook's, and read what is to be done."""
    sent: dict[str, Any] = pickle.loads(folder.work.read_bytes())
    folder.work.unlink()
    sys.path[:] = sent["sys_path"]
    os.environ.clear()
    os.environ.update(sent["environment"])
    os.chdir(sent["folder"])
    main_module = sys.modules["__main__"] = types.ModuleType("__main__")
    receive(sent["codecs"], {}, vars(main_module))
    return load_closure(sent["work"], vars(main_module))["work"], pickle.loads(sent["make_executor"])


def _begin(runner: Runner, work: Work, writer: EventWriter) -> Run | None:
    """Start the run; None where it cannot be, which is in the log then."""
    try:
        run = runner.start(
            work.tasks,
            targets=work.targets,
            force=work.force,
            pipeline=work.pipeline,
            listener=writer.listen,
            restore=work.restore,
            run_id=work.run,
        )
    except MLPipeError as error:
        writer.write(lost_lines(dict.fromkeys(work.tasks, "waiting"), error))
        return None
    writer.bind(run)
    return run


def _hear(asked: int, is_cancelled: threading.Event) -> None:
    with open(asked, "rb", buffering=0) as pipe:
        while (said := pipe.read(4096)) is not None:
            if CANCEL in said:
                is_cancelled.set()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
