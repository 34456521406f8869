"""``jupyter mlpipe doctor``: checks this installation, in the kernel that Jupyter would start.

Exit status 0 when all that is needed works, 1 otherwise.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from jupyter_mlpipe import __version__
from jupyter_mlpipe.app.document import read_any_notebook
from jupyter_mlpipe.app.frontend import check_frontend
from jupyter_mlpipe.app.interrupts import Interrupts
from jupyter_mlpipe.app.notebook import CellError, NotebookKernel
from jupyter_mlpipe.app.report import print_json
from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.model.checkup import Finding
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.store.checkup import check_store
from jupyter_mlpipe.store.place import find_store

_LOOK = {"ok": ("✓", "green"), "note": ("○", "yellow"), "wrong": ("✗", "bold red")}
_STEP = "mlpipe_trial"
_TRIAL = {"cell_type": "code", "source": f"%%component {_STEP}\nmlpipe_answer = 6 * 7", "outputs": []}


def check_installation(asked: argparse.Namespace, console: Console) -> int:
    """Check all points and print what is found; returns the exit status."""
    notebook = read_any_notebook(asked.notebook) if asked.notebook is not None else {"metadata": {}}
    path = asked.notebook or Path("doctor.ipynb")
    with console.status("[dim]checking") as status, Interrupts() as interrupts:
        checkup = _Checkup(notebook, path.absolute(), interrupts)
        findings = []
        for finding in checkup.run():
            findings.append(finding.without_passwords())
            status.update(f"[dim]checking: {finding.point} done")
    is_well = all(finding.state != "wrong" for finding in findings)
    if asked.json:
        checks = [finding.to_json() for finding in findings]
        print_json({"status": "succeeded" if is_well else "failed", "checks": checks})
    else:
        _print(findings)
    return 0 if is_well else 1


class _Checkup:
    """The check of what a notebook would meet.

    Parameters
    ----------
    path
        Of the notebook, which need not be there: its folder is where the kernel runs.
    """

    def __init__(self, notebook: dict[str, Any], path: Path, interrupts: Interrupts) -> None:
        self._notebook = {**notebook, "cells": [dict(_TRIAL)]}
        self._path = path
        self._interrupts = interrupts
        self._snapshot: dict[str, Any] = {"steps": {}}

    def run(self) -> Iterator[Finding]:
        yield Finding("Python", "ok", f"{platform.python_version()}, {sys.executable}")
        yield Finding("jupyter-mlpipe", "ok", f"{__version__}, {Path(__file__).parents[1]}")
        yield check_frontend()
        started = time.monotonic()
        try:
            kernel = NotebookKernel(
                self._notebook, self._path, {"mode": "run"}, self._interrupts, self._take
            ).__enter__()
        except MLPipeError as error:
            yield Finding("kernel", "wrong", str(error), "jupyter kernelspec list shows what is installed.")
            yield from check_store(find_store(self._path.parent))
            return
        try:
            yield from self._check_kernel(kernel, time.monotonic() - started)
        finally:
            kernel.__exit__(None)

    def _take(self, snapshot: dict[str, Any], _: str) -> None:
        self._snapshot = snapshot

    def _check_kernel(self, kernel: NotebookKernel, seconds: float) -> Iterator[Finding]:
        finding = _same_package(kernel, self._notebook, seconds)
        yield finding
        facts: dict[str, Any] = {"store": find_store(self._path.parent), "findings": []}
        if finding.state != "wrong":
            try:
                kernel.load()
                facts = kernel.ask("check")
            except (CellError, MLPipeError) as error:
                finding = Finding(
                    "extension", "wrong", str(error), "%load_ext jupyter_mlpipe in a notebook says more."
                )
                yield finding
        yield from check_store(facts["store"])
        yield from (Finding(**each) for each in facts["findings"])
        if finding.state != "wrong":
            yield self._try_step(kernel)

    def _try_step(self, kernel: NotebookKernel) -> Finding:
        """Run a step and reuse it, with a cluster and a store of its own."""
        took = {}
        (cell,) = kernel.code_cells()
        with tempfile.TemporaryDirectory(prefix="mlpipe-") as folder:
            try:
                kernel.ask("begin_trial", [folder])
                for expected in ("succeeded", "reused"):
                    started = time.monotonic()
                    kernel.run(cell)
                    answer = kernel.evaluate("mlpipe_answer")
                    took[expected] = describe_seconds(time.monotonic() - started)
                    status = self._snapshot["steps"].get(_STEP, {}).get("status", "not run")
                    if (status, answer) != (expected, 42):
                        found = f"a step was to be {expected}, but was {status}, and gave {answer}"
                        return Finding(
                            "step", "wrong", found, "Please report this, with the output of --json."
                        )
            except (CellError, MLPipeError) as error:
                return Finding("step", "wrong", str(error))
        found = f"ran in {took['succeeded']}, with the start of a cluster; reused in {took['reused']}"
        return Finding("step", "ok", found)


def _same_package(kernel: NotebookKernel, notebook: dict[str, Any], seconds: float) -> Finding:
    """Tell whether a kernel has this package, in this version."""
    name = notebook["metadata"].get("kernelspec", {}).get("name", "python3")
    try:
        python = kernel.evaluate("__import__('sys').executable")
    except (MLPipeError, KeyError, ValueError, SyntaxError) as error:  # as kernels of other languages answer
        found = f"'{name}' is no kernel of Python's: {error}"
        return Finding("kernel", "wrong", found, "Name a notebook whose kernel is one.")
    try:
        there = kernel.evaluate("__import__('jupyter_mlpipe').__version__")
    except MLPipeError as error:
        found = f"'{name}' runs {python}, which has no jupyter-mlpipe that can be imported: {error}"
        return Finding("kernel", "wrong", found, f"{python} -m pip install jupyter-mlpipe=={__version__}")
    if there != __version__:
        found = f"'{name}' runs {python}, which has jupyter-mlpipe {there}; here it is {__version__}"
        return Finding("kernel", "wrong", found, f"{python} -m pip install jupyter-mlpipe=={__version__}")
    which = "this Python" if os.path.normcase(python) == os.path.normcase(sys.executable) else python
    found = f"'{name}' runs {which}, with the same version; started in {describe_seconds(seconds)}"
    return Finding("kernel", "ok", found)


def _print(findings: list[Finding]) -> None:
    out = Console(highlight=False)
    if not out.is_terminal:
        out = Console(width=10_000, highlight=False)
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for finding in findings:
        sign, style = _LOOK[finding.state]
        text = Text(finding.found, style if finding.state == "wrong" else "")
        if finding.remedy:
            text.append(f"\n→ {finding.remedy}", "bold" if finding.state == "wrong" else "dim")
        table.add_row(Text(sign, style), Text(finding.point, "bold"), text)
    out.print(table)
    n_wrong = sum(finding.state == "wrong" for finding in findings)
    n_notes = sum(finding.state == "note" for finding in findings)
    notes = f"; {n_notes} to know of (○)" if n_notes else ""
    if n_wrong:
        out.print(Text(f"{n_wrong} of {len(findings)} checks failed{notes}", "bold red"))
    else:
        out.print(Text(f"all that is needed works{notes}", "bold green"))
