"""Runs a notebook in a fresh kernel, cell by cell, and keeps all that it gave."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.kernel import MIME, Kernel, Result
from tests.wild.notebook import Cell

PROBE = Path(__file__).with_name("probe.py")
_MARK = "namespace of a wild notebook: "


@dataclass
class CellRun:
    """What one cell gave in one run."""

    number: int
    stdout: str = ""
    stderr: str = ""
    displays: list[dict[str, Any]] = field(default_factory=list)  # mime bundles, in order
    order: list[str] = field(default_factory=list)
    error: tuple[str, str] | None = None
    traceback: str = ""
    words: list[str] = field(default_factory=list)  # what we said below it, but for what became of it
    status: str = ""  # of the step
    seconds: float = 0.0


@dataclass
class NotebookRun:
    """What a notebook gave in one run.

    Parameters
    ----------
    names
        By name: type, digest and short text of its value at the end.
    shared
        Groups of names that are bound to one object.
    broken
        Why the run ended early, if it did.
    """

    cells: list[CellRun]
    names: dict[str, dict[str, Any]]
    shared: list[list[str]]
    seconds: float
    broken: str = ""


@dataclass(frozen=True)
class Place:
    """Where a notebook is run: each run gets a fresh copy of its folder, always at the same path."""

    source: Path
    scratch: Path
    folder: str = "."  # of the notebook in `source`
    environment: tuple[tuple[str, str], ...] = ()  # `{root}` stands for the copy

    def prepare(self) -> Path:
        work = self.scratch / "work"
        shutil.rmtree(work, ignore_errors=True)
        if self.scratch.is_relative_to(self.source):
            raise ValueError(
                f"{self.source} holds all temporary files: put the notebook into a folder of its own"
            )
        shutil.copytree(self.source, work, symlinks=True)
        return work / self.folder


def run_notebook(
    cells: Sequence[Cell],
    place: Place,
    *,
    with_line: Collection[int] | None = None,
    store: Path | None = None,
    timeout: float = 120,
    last: float = 600,
    names: Collection[str] = (),
) -> NotebookRun:
    """Run all cells, going on after errors.

    Parameters
    ----------
    with_line
        Numbers of the cells that get our line; None: a plain run, without our extension.
    store
        Where a run with our extension keeps results.
    timeout, last
        Seconds that a cell may take, and the whole notebook.
    names
        What is read in the end, beside all that is bound.
    """
    folder = place.prepare()
    kernel = Kernel(folder, _environment(place, store))
    runs: list[CellRun] = []
    broken = ""
    started = time.monotonic()
    try:
        if with_line is not None:
            kernel.run("%load_ext jupyter_mlpipe").check()
        for cell in cells:
            source = cell.with_line if with_line is not None and cell.number in with_line else cell.source
            before = time.monotonic()
            remaining = last - (before - started)
            try:
                result = kernel.run(
                    source, cell_id=f"cell-{cell.number}", timeout=min(timeout, max(1, remaining))
                )
            except (TimeoutError, ConnectionError) as error:
                broken = f"{cell.name}: {type(error).__name__}: {str(error)[:200]}"
                break
            runs.append(_cell_run(cell.number, result, time.monotonic() - before))
        seconds = time.monotonic() - started
        names, shared = ({}, []) if broken else _probe(kernel, names)
    finally:
        kernel.close()
    return NotebookRun(runs, names, shared, seconds, broken)


def _environment(place: Place, store: Path | None) -> dict[str, str]:
    """Return settings of the kernel's process that make runs comparable.

    One thread, since sums come out a bit differently with another number of threads; a fixed seed of hashes,
    since sets are otherwise printed in another order by each process.
    """
    own = place.scratch / "ipython"
    own.mkdir(exist_ok=True)
    found = {"PYTHONHASHSEED": "0", "IPYTHONDIR": str(own), "COLUMNS": "80"}
    found |= {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
    found |= {name: value.format(root=place.scratch / "work") for name, value in place.environment}
    if store is not None:
        found["MLPIPE_STORE"] = str(store)
    found["PYTHONPATH"] = os.pathsep.join(
        filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")))
    )
    return found


def _cell_run(number: int, result: Result, seconds: float) -> CellRun:
    run = CellRun(number, seconds=seconds)
    for output in _as_shown(result.outputs):
        kind = output["type"]
        if kind == "stream":
            if output["name"] == "stdout":
                run.stdout += output["text"]
                if run.order[-1:] != ["text"]:
                    run.order.append("text")
            else:
                run.stderr += output["text"]
        elif kind == "error":
            run.traceback = "\n".join(output["traceback"])
        elif MIME in output["data"]:
            facts = output["data"][MIME]
            text = str(output["data"].get("text/plain", ""))
            # The first line of a receipt says what became of the step; a note is all note.
            is_receipt = facts.get("kind") == "receipt"
            run.words += text.splitlines()[1:] if is_receipt else [text]
            run.status = str(facts.get("status", run.status))
        else:
            run.displays.append({"kind": kind, **output["data"]})
            run.order.append(kind)
    if result.status == "error":
        error = result.error or {}
        run.error = (str(error.get("ename")), str(error.get("evalue")))
    return run


def _as_shown(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what a front end shows in the end: what was cleared is gone. Our own outputs stay."""
    shown: list[dict[str, Any]] = []
    waiting = False
    for output in outputs:
        ours = MIME in output.get("data", {})
        if output["type"] == "clear_output" or (waiting and not ours):
            shown = [kept for kept in shown if MIME in kept.get("data", {})]
            waiting = output["type"] == "clear_output" and bool(output.get("wait"))
        if output["type"] != "clear_output":
            shown.append(output)
    return shown


def _probe(kernel: Kernel, names: Collection[str]) -> tuple[dict[str, dict[str, Any]], list[list[str]]]:
    """Describe the namespace, in a cell that reads `names`."""
    path = str(PROBE)
    result = kernel.run(
        f"_wild = {{'__name__': 'wild_probe'}}\n"
        f"__builtins__.exec(compile(__import__('io').open({path!r}).read(), {path!r}, 'exec'), _wild)\n"
        f"__builtins__.print({_MARK!r} + _wild['describe_all'](__builtins__.globals()))\n"
        f"# {' '.join(names)}",
        timeout=300,
    )
    printed = result.printed
    if result.status != "ok" or _MARK not in printed:
        return {"the namespace": {"type": "", "digest": "", "text": result.traceback[-600:]}}, []
    found = json.loads(printed.split(_MARK, 1)[1])
    return found["names"], found["shared"]
