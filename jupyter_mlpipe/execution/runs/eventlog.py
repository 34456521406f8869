"""The events of a detached run: a file that only grows, one JSON value a line.

Whoever comes later reads all of it, in order, and so comes to the same state as who was there.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pickle
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.execution.process.rescued import Rescued
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.runstep import RunStep
from jupyter_mlpipe.execution.runs.state import RunState
from jupyter_mlpipe.model.status import ENDED, Reason, RunStatus, StepStatus
from jupyter_mlpipe.store.records import Record

Line = dict[str, Any]

RESERVE = "reserve"
"""Beside the file, as long as the disk is not full: whoever makes the file makes it as well."""
RESERVE_BYTES = 256 * 1024
_MOST_BYTES_WAITING = 16 * 1024**2
_WAIT_S = 20.0


class EventWriter:
    """Appends to the file, from any thread.

    A disk that is full must not keep a run from going on, nor anybody from hearing how it ended: a reserve
    is given up then, and what still finds no room is written when there is some.
    """

    def __init__(self, path: Path) -> None:
        self._reserve = path.with_name(RESERVE)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND)
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._early: list[tuple[str, str, Any]] = []
        self._waiting = b""
        self.has_ended = threading.Event()

    def listen(self, kind: str, step: str, payload: Any) -> None:
        """Take an event of the run; see `jupyter_mlpipe.execution.runs.state.Listener`."""
        with self._lock:
            if self._run is None:
                self._early.append((kind, step, payload))
            else:
                self._note(self._run, kind, step, payload)

    def bind(self, run: Run) -> None:
        """Write what has been told, and from now on what is told: of this run."""
        with self._lock:
            self._run = run
            for event in self._early:
                self._note(run, *event)
            self._early.clear()

    def write(self, lines: Iterable[Line]) -> None:
        """Write events as they are."""
        with self._lock:
            for line in lines:
                self._write(line)

    def close(self) -> None:
        """Write what is left, as soon as there is room, for as long as can be waited; then forget it."""
        deadline = time.monotonic() + _WAIT_S
        while self._waiting and time.monotonic() < deadline:
            time.sleep(0.1)
            with self._lock:
                self._flush()
        self._give_up_reserve()
        os.close(self._fd)

    def _note(self, run: Run, kind: str, step: str, payload: Any) -> None:
        if kind == "status":
            self._write(status_line(run.steps[step], payload))
        elif kind == "end":
            self._write({"kind": "end", "at": time.time(), "status": payload, "seconds": run.seconds})
            self.has_ended.set()
        elif kind != "output" or len(self._waiting) < _MOST_BYTES_WAITING:
            self._write({"kind": kind, "at": time.time(), "step": step, "payload": payload})

    def _write(self, line: Line) -> None:
        self._waiting += json.dumps(line, default=str).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        while self._waiting:
            try:
                self._waiting = self._waiting[os.write(self._fd, self._waiting) :]
            except OSError:
                if not self._give_up_reserve():
                    return

    def _give_up_reserve(self) -> bool:
        try:
            self._reserve.unlink()
        except OSError:
            return False
        return True


class EventReader:
    """Reads the file as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def read(self) -> list[Line]:
        """Return the events that have been added since the last call."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            content = file.read()
        # The last line may be on its way.
        whole = content[: content.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


def status_line(step: RunStep, status: str) -> Line:
    """Return the event of a step's status, with all that has become known of the step."""
    known = {
        "why": step.why,
        "key": step.key,
        "work": step.work,
        "worker": step.worker,
        "seconds": step.seconds if status in ENDED else None,
        "reasons": [[r.kind, r.name, r.detail, r.texts] for r in step.reasons],
        "record": step.record.to_json() if step.record is not None else None,
        "error": pack(step.error) if step.error is not None else None,
        "rescued": step.rescued.to_json() if status == "failed" else None,
    }
    return {
        "kind": "status",
        "at": time.time(),
        "step": step.name,
        "status": status,
        **{name: value for name, value in known.items() if value},
    }


def lost_lines(
    steps: Mapping[str, StepStatus], error: MLPipeError, status: RunStatus = "failed"
) -> list[Line]:
    """Return the events of a run that nobody carries on: what ran has failed, the rest will not begin."""
    now = time.time()
    lines: list[Line] = [
        {
            "kind": "status",
            "at": now,
            "step": name,
            "status": "failed" if step == "running" and status == "failed" else "cancelled",
            "why": str(error),
            "error": pack(error),
        }
        for name, step in steps.items()
        if step not in ENDED
    ]
    return [*lines, {"kind": "end", "at": now, "status": status, "seconds": None}]


def apply(state: RunState, line: Mapping[str, Any]) -> None:
    """Bring a run to where an event has brought it; tells its listeners."""
    kind = line["kind"]
    ago = max(0.0, time.time() - line["at"])
    if kind == "status":
        _apply_status(state, line, ago)
    elif kind == "output":
        state.add_output(line["step"], line["payload"])
    elif kind == "progress":
        state.set_progress(line["step"], *line["payload"])
    elif kind == "end":
        state.end(line["status"])
        if line["seconds"] is not None:
            state.seconds = line["seconds"]
    elif kind == "begin":
        state.started = time.perf_counter() - ago
    else:
        state.tell(kind, line["step"], line["payload"])


def _apply_status(state: RunState, line: Mapping[str, Any], ago: float) -> None:
    step = state.steps[line["step"]]
    step.key, step.work = line.get("key"), line.get("work", "")
    step.worker, step.seconds = line.get("worker"), line.get("seconds")
    step.reasons = tuple(
        Reason(kind, name, detail, tuple(texts) if texts else None)
        for kind, name, detail, texts in line.get("reasons", ())
    )
    step.record = Record.from_json(line["record"]) if "record" in line else None
    step.error = unpack(line["error"]) if "error" in line else None
    state.set_status(line["step"], line["status"], line.get("why", ""), ago)
    if line.get("rescued"):
        with contextlib.suppress(KeyError):
            step.rescued = Rescued.from_json(line["rescued"])


def pack(value: object) -> str:
    """Return a value of this package as text."""
    return base64.b64encode(pickle.dumps(value, protocol=5)).decode()


def unpack(text: str) -> Any:
    """Read back what `pack` gave."""
    return pickle.loads(base64.b64decode(text))
