"""Dask clusters as people start them: ``dask scheduler`` and ``dask worker``, processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PATIENCE_S = 60
_SETTINGS = {
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "15s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s",
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "4s",
    "DASK_DISTRIBUTED__WORKER__HEARTBEAT_INTERVAL": "200ms",
}


def wait_for(condition: Callable[[], Any], what: str = "") -> Any:
    """Return what a condition gives as soon as that is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


class DaskCluster:
    """A scheduler and workers, all ended by `close`.

    Parameters
    ----------
    inside
        Command that runs another on the scheduler's host.
    """

    def __init__(
        self, folder: Path, *options: str, host: str = "127.0.0.1", inside: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.processes: list[subprocess.Popen[bytes]] = []
        self._host = host
        self._options = options
        self._inside = inside
        self.scheduler = self.start_scheduler()

    def start_scheduler(self, port: int = 0) -> subprocess.Popen[bytes]:
        self.file.unlink(missing_ok=True)
        where = ["--host", self._host, "--port", str(port), "--scheduler-file", str(self.file)]
        started = self._run("scheduler", *where, "--no-dashboard", *self._options, inside=self._inside)
        wait_for(lambda: self.address, "the scheduler has not started")
        return started

    @property
    def address(self) -> str:
        """The scheduler's address; empty as long as its file is not written."""
        try:
            return str(json.loads(self.file.read_text())["address"])
        except (FileNotFoundError, json.JSONDecodeError):
            return ""

    def worker(
        self,
        name: str,
        *options: str,
        python: str = sys.executable,
        inside: Sequence[str] = (),
        **environment: str,
    ) -> subprocess.Popen[bytes]:
        common = ["--scheduler-file", str(self.file), "--name", name, "--no-dashboard"]
        common += ["--local-directory", str(self.folder / f"of-{name}"), "--death-timeout", "60"]
        return self._run("worker", *common, *options, python=python, inside=inside, **environment)

    def _run(
        self, *words: str, python: str = sys.executable, inside: Sequence[str] = (), **environment: str
    ) -> subprocess.Popen[bytes]:
        with open(self.folder / f"{words[0]}-{len(self.processes)}.log", "wb") as log:
            process = subprocess.Popen(
                [*inside, python, "-m", "dask", *words],
                cwd=self.folder,
                env={**os.environ, **_SETTINGS, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("*.log")))

    def close(self) -> None:
        for process in reversed(self.processes):
            end(process)


def end(process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
    """End a process with all that it has started in its group."""
    if process.poll() is None:
        os.killpg(process.pid, number)
    process.wait(PATIENCE_S)
