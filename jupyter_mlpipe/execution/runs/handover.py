"""Handing a run over to a process of its own."""

from __future__ import annotations

import json
import os
import pickle
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jupyter_mlpipe.errors import MLPipeError, UsageError
from jupyter_mlpipe.execution.runs.detached import RunFolder, runs_of
from jupyter_mlpipe.execution.runs.eventlog import RESERVE, RESERVE_BYTES, pack
from jupyter_mlpipe.execution.runs.fleet import MakeExecutor
from jupyter_mlpipe.execution.runs.following import follow_run
from jupyter_mlpipe.execution.runs.plan import check_steps, plan_steps
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.runner import Runner
from jupyter_mlpipe.execution.runs.state import Listener, RunState
from jupyter_mlpipe.execution.runs.task import StepTask, check_places
from jupyter_mlpipe.keys.closure import Closure
from jupyter_mlpipe.keys.given import NOTHING
from jupyter_mlpipe.keys.payload import dump_closure
from jupyter_mlpipe.keys.process import ENVIRONMENT, is_own_variable
from jupyter_mlpipe.model.graph import ancestors
from jupyter_mlpipe.store.disk import explain, make_folder
from jupyter_mlpipe.store.registered import codecs_to_send

_N_KEPT = 50  # logs of runs that have ended, beside those of runs that go on


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the process of a run is to do: arguments of `Runner.start`, store and cluster."""

    run: str
    pipeline: str
    tasks: Mapping[str, StepTask]
    targets: tuple[str, ...]
    force: frozenset[str]
    restore: bool
    store: str
    attaches: bool = False


def detach(
    runner: Runner,
    tasks: Mapping[str, StepTask],
    *,
    targets: Iterable[str] | None = None,
    force: Collection[str] = frozenset(),
    pipeline: str,
    listener: Listener | None = None,
    restore: bool = True,
) -> Run:
    """Start a run as `Runner.start` does, in a process of its own, which outlives this one.

    Where every step can be reused, no process is started: the run has ended when this returns.

    Raises
    ------
    UsageError
        A step runs in the notebook's process, or this platform cannot do it.
    StoreError
        The store cannot be written.
    """
    wanted = tuple(targets) if targets is not None else tuple(tasks)
    check_steps(wanted, tasks)
    check_steps(force, tasks)
    order = ancestors({name: task.step.upstream for name, task in tasks.items()}, wanted)
    chosen = {name: tasks[name] for name in order}
    check_can_detach(chosen)
    check_places(*chosen.values())
    forced = frozenset(force) & chosen.keys()
    plan = plan_steps(
        chosen,
        runner.store,
        runner.history,
        pipeline=pipeline,
        force=forced,
        stop_at_first_run=True,
        environments=runner.environments,
    )
    if plan.wholly_reused:
        return runner.start(
            tasks, targets=wanted, force=force, pipeline=pipeline, listener=listener, restore=restore
        )
    work = Work(
        run=secrets.token_hex(8),
        pipeline=pipeline,
        tasks=chosen,
        targets=wanted,
        force=forced,
        restore=restore,
        store=runner.store.address,
        attaches=runner.environments is not None,
    )
    _forget_old(runner.store.root)
    folder = RunFolder(runner.store.root / "runs" / work.run)
    try:
        _write(folder, work, runner.make_executor)
        _start(folder)
    except BaseException as error:
        shutil.rmtree(folder.path, ignore_errors=True)
        if isinstance(error, OSError):
            raise explain(error, runner.store.root) from error
        raise

    def redo(step: str) -> Run:
        return runner.start(tasks, targets=[step], pipeline=pipeline, restore=False)

    state = RunState(work.run, pipeline, chosen, wanted, listener)
    return follow_run(folder, state, runner.store, redo)


def check_can_detach(tasks: Mapping[str, StepTask]) -> None:
    """Refuse what cannot run in a process of its own.

    Raises
    ------
    UsageError
    """
    if not (hasattr(os, "fork") and hasattr(os, "mkfifo")):
        raise UsageError("--detach needs a Unix system: a run cannot outlive its notebook here.")
    here = [name for name, task in tasks.items() if task.options.here]
    if here:
        raise UsageError(
            f"Step '{here[0]}' runs in the kernel (--here), and a detached run goes on without it. "
            "Run without --detach, or name the steps that need it not: %pipeline run STEP --detach."
        )


def _write(folder: RunFolder, work: Work, make_executor: MakeExecutor) -> None:
    namespace = vars(sys.modules["__main__"])
    settled = {name: _settled(task, work.tasks, namespace) for name, task in work.tasks.items()}
    sent = {
        "folder": os.getcwd(),
        "sys_path": list(sys.path),
        "environment": dict(os.environ),
        "codecs": codecs_to_send(),
        # Refuses what ends with this process.
        "make_executor": pickle.dumps(make_executor, protocol=5),
        "work": dump_closure({"work": replace(work, tasks=settled)}, namespace),
    }
    make_folder(str(folder.path.parent))
    make_folder(str(folder.path))
    slim = {name: _slim(task) for name, task in work.tasks.items()}
    begin = {
        "kind": "begin",
        "at": time.time(),
        "pipeline": work.pipeline,
        "targets": work.targets,
        "tasks": pack(slim),
    }
    _write_private(folder.work, pickle.dumps(sent, protocol=5))
    _write_private(folder.path / RESERVE, bytes(RESERVE_BYTES))
    _write_private(folder.events, json.dumps(begin).encode() + b"\n")


def _write_private(path: Path, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


@dataclass(frozen=True, slots=True)
class _Order:
    """Which steps were open above a cell when it was run; see `StepTask.earlier`."""

    steps: tuple[str, ...]

    def __call__(self, steps: Iterable[str]) -> tuple[str, ...]:
        asked = set(steps)
        return tuple(name for name in self.steps if name in asked)


def _settled(task: StepTask, names: Iterable[str], namespace: dict[str, Any]) -> StepTask:
    """Return a task that needs nothing of this process any more."""
    snapshot = task.snapshot
    if snapshot is not None:
        snapshot = snapshot.after((), namespace)
        snapshot.read()
        for provider in (*task.closure.affected.providers, ENVIRONMENT.name):
            snapshot.changes(provider)
    return replace(task, snapshot=snapshot, earlier=_Order(task.earlier(names)))


def _slim(task: StepTask) -> StepTask:
    """Return what people see of a task, without its code's closure and its values."""
    return replace(
        task, closure=Closure(), parameters={}, given=NOTHING, snapshot=None, earlier=_Order(()), made=None,
        altered=(), titles={}, siblings={},
    )  # fmt: skip


def _start(folder: RunFolder) -> None:
    """Start the process, and wait until it has taken the work on."""
    # What the notebook set since is sent along: which variables those are counts for keys.
    own = {name: value for name, value in os.environ.items() if is_own_variable(name)}
    environment = {**ENVIRONMENT.usual(os), **own}
    with open(os.open(folder.printed, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as printed:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyter_mlpipe.execution.runs.driver", str(folder.path)],
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=printed,
            env=environment,
            start_new_session=True,
        )
    try:
        status = process.wait()
    except BaseException:
        process.kill()
        folder.cancel()
        raise
    if status:
        said = folder.printed.read_text(errors="replace").strip().splitlines()
        raise MLPipeError(
            "The process of the run could not be started"
            + (":\n" + "\n".join(said[-15:]) if said else f": it ended with status {status}.")
        )


def _forget_old(root: Path) -> None:
    """Remove the logs of the runs that ended longest ago."""
    for folder in runs_of(root)[_N_KEPT:]:
        if not folder.is_live():
            shutil.rmtree(folder.path, ignore_errors=True)
