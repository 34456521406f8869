"""Small notebooks, and the command line as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook


@dataclass(frozen=True)
class Done:
    """What the command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on stdout."""
        return json.loads(self.out)

    @property
    def statuses(self) -> dict[str, str]:
        return {name: step["status"] for name, step in self.json["steps"].items()}


class CommandLine:
    """`jupyter mlpipe` in a folder of its own, with a store of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []

    def write(self, *cells: str, name: str = "notebook.ipynb", loads: bool = True) -> Path:
        """Write a notebook that loads the extension; a cell that begins with `# ` is text."""
        made = [
            new_markdown_cell(cell) if cell.startswith("# ") else new_code_cell(cell)
            for cell in (*(["%load_ext jupyter_mlpipe"] if loads else []), *cells)
        ]
        path = self.folder / name
        nbformat.write(new_notebook(cells=made), path)
        return path

    def start(self, *words: str, program: Sequence[str] = (), **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*(program or (sys.executable, "-m", "jupyter_mlpipe.app.main")), *words],
            cwd=self.folder,
            env={**_environment(), "MLPIPE_STORE": str(self.folder / "store"), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def finish(self, process: subprocess.Popen[str]) -> Done:
        out, err = process.communicate(timeout=120)
        return Done(process.returncode, out, err)

    def __call__(self, *words: str, program: Sequence[str] = (), **environment: str) -> Done:
        return self.finish(self.start(*words, program=program, **environment))

    def saved(self, name: str) -> Any:
        """Return a saved notebook, checked against the schema."""
        notebook = nbformat.read(self.folder / name, as_version=4)
        nbformat.validate(notebook)
        return notebook


def _environment() -> dict[str, str]:
    # A kernel that finds itself in a test of pytest leaves its file descriptors alone.
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[CommandLine]:
    line = CommandLine(tmp_path)
    yield line
    for process in line.started:
        if process.poll() is None:
            process.kill()
            process.communicate()


@pytest.fixture
def family() -> Callable[[int], list[psutil.Process]]:
    """Return what a process has started, at any depth."""
    return lambda pid: psutil.Process(pid).children(recursive=True)
