"""The log of a detached run: whoever reads it, and when, comes to the same state."""

from __future__ import annotations

import json
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jupyter_mlpipe.errors import MLPipeError, StepError
from jupyter_mlpipe.execution.runs.eventlog import (
    RESERVE,
    RESERVE_BYTES,
    EventReader,
    EventWriter,
    apply,
    lost_lines,
    pack,
    status_line,
    unpack,
)
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.state import RunState
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.keys.closure import Closure
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.pipeline import Step
from jupyter_mlpipe.model.status import Reason
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    (tmp_path / RESERVE).write_bytes(bytes(RESERVE_BYTES))
    (tmp_path / "events").touch()
    return tmp_path / "events"


def new_state() -> RunState:
    tasks = {
        n: StepTask(Step(Component(n, "", "", outputs=(n,))), Closure()) for n in ("load", "fit", "last")
    }
    return RunState("r1", "book", tasks, ("last",))


def run_of(state: RunState, store: Store) -> Run:
    def redo(step: str) -> Run:
        raise AssertionError(step)

    return Run(state, store, cancel=lambda: None, redo=redo)


def seen(state: RunState) -> list[object]:
    return [
        (
            (
                name,
                s.status,
                s.why,
                s.key,
                s.reasons,
                s.record,
                str(s.error),
                s.outputs and s.outputs.to_list(),
                s.worker,
            ),
            list(s.reached),
        )
        for name, s in state.steps.items()
    ]


def play(state: RunState) -> None:
    """Let a run go as the runner does."""
    load, fit = state.steps["load"], state.steps["fit"]
    load.key, load.reasons = "k1", (Reason("code", "", "changed", ("a", "b")), Reason("new"))
    state.set_status("load", "queued")
    load.worker = "local"
    state.set_status("load", "running")
    state.add_output("load", {"output_type": "stream", "name": "stdout", "text": "é\n"})
    load.record = Record(key="k1", shown=None, host="h", user="u", seconds=1.5)
    state.set_status("load", "succeeded")
    state.set_status("fit", "running")
    state.add_output("fit", {"output_type": "stream", "name": "stdout", "text": "lost\n"})
    state.set_status("fit", "running")  # a further attempt
    fit.error = StepError("no", step="fit", ename="ValueError", traceback=("a", "b"))
    state.set_status("fit", "failed", "it raised")
    state.set_status("last", "skipped", "'fit' failed")
    state.end("failed")


def test_a_reader_comes_to_the_same_state_at_any_time(store: Store, log: Path) -> None:
    state = new_state()
    writer = EventWriter(log)
    state.subscribe(writer.listen)
    state.set_status("load", "waiting")  # before the writer knows the run
    writer.bind(run_of(state, store))
    follower, reader = new_state(), EventReader(log)
    for line in reader.read():
        apply(follower, line)
    play(state)
    for line in reader.read():
        apply(follower, line)
    writer.close()
    late = new_state()
    for line in EventReader(log).read():
        apply(late, line)
    assert seen(follower) == seen(late) == seen(state)
    assert (late.status, late.seconds) == ("failed", state.seconds)
    assert [r.texts for r in late.steps["load"].reasons] == [("a", "b"), None]
    assert isinstance(late.steps["fit"].error, StepError)
    assert late.steps["fit"].error.traceback == ("a", "b")
    assert not log.with_name(RESERVE).exists()


def test_who_follows_later_knows_when_a_step_began() -> None:
    state = new_state()
    apply(state, {"kind": "status", "at": time.time() - 1000, "step": "load", "status": "running"})
    assert time.time() - state.steps["load"].reached["running"] >= 1000


def test_a_line_on_its_way_is_read_when_it_is_whole(log: Path) -> None:
    reader = EventReader(log)
    line = json.dumps({"kind": "end", "at": 1.0, "status": "failed", "seconds": None}).encode()
    log.write_bytes(line[:10])
    assert reader.read() == []
    log.write_bytes(line + b"\n" + line[:3])
    assert [each["kind"] for each in reader.read()] == ["end"]
    assert reader.read() == []


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """No file of this process grows beyond this: as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_what_finds_no_room_is_written_when_there_is_some(store: Store, log: Path) -> None:
    state = new_state()
    writer = EventWriter(log)
    state.subscribe(writer.listen)
    writer.bind(run_of(state, store))
    with file_limit(500):
        play(state)
        assert log.stat().st_size == 500
        assert not log.with_name(RESERVE).exists()
    writer.close()
    late = new_state()
    for line in EventReader(log).read():
        apply(late, line)
    assert seen(late) == seen(state)


def test_a_run_that_nobody_carries_on_has_failed(store: Store) -> None:
    state = new_state()
    state.set_status("load", "succeeded")
    state.set_status("fit", "running")
    for line in lost_lines({n: s.status for n, s in state.steps.items()}, MLPipeError("gone")):
        apply(state, json.loads(json.dumps(line)))
    assert [s.status for s in state.steps.values()] == ["succeeded", "failed", "cancelled"]
    assert [str(s.error) for s in state.steps.values()] == ["None", "gone", "gone"]
    assert state.status == "failed"
    assert "record" not in status_line(run_of(state, store).steps["fit"], "failed")


def test_values_survive_as_text() -> None:
    assert unpack(pack(Reason("code", "x"))) == Reason("code", "x")
