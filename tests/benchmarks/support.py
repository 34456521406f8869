"""What the benchmarks share: tables, and a kernel whose cells are timed."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print("| " + " | ".join(head) + " |")
    print("| --- |" + " ---: |" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")
    print(flush=True)


def ms(seconds: float) -> str:
    """Return milliseconds with three digits that count."""
    value = seconds * 1000
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def environment(store: Path) -> dict[str, str]:
    """Return the environment of a new process with its own store; compiled modules are kept."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "MLPIPE_STORE": str(store)}


class TimedKernel:
    """A real kernel; `run` gives the seconds from sending a cell to the kernel being idle again."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, code: str) -> float:
        return self.run_and_read(code)[0]

    def run_and_read(self, code: str) -> tuple[float, str]:
        """Return also what the cell printed."""
        _, seconds, printed = self.run_and_watch(code)
        return seconds, printed

    def run_and_note(self, code: str) -> list[tuple[float, str]]:
        """Return what the cell printed, each piece with when it came, in seconds since 1970."""
        came: list[tuple[float, str]] = []
        self.run_and_watch(code, lambda text: came.append((time.time(), text)))
        return came

    def run_and_watch(
        self, code: str, note: Callable[[str], None] = lambda text: None
    ) -> tuple[float, float, str]:
        """Return the seconds to the first printed text and to the end, and what the cell printed."""
        printed: list[str] = []
        first = 0.0
        started = time.perf_counter()
        message_id = self._client.execute(code)
        while True:
            message: dict[str, Any] = self._client.get_iopub_msg(timeout=300)
            if message["parent_header"].get("msg_id") != message_id:
                continue
            content = message["content"]
            if message["msg_type"] == "error":
                raise SystemExit("\n".join(content["traceback"]))
            if message["msg_type"] == "stream":
                first = first or time.perf_counter() - started
                note(content["text"])
                printed.append(content["text"])
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                seconds = time.perf_counter() - started
                break
        self._client.get_shell_msg(timeout=60)
        return first, seconds, "".join(printed)


@contextmanager
def kernel(folder: Path, store: Path) -> Iterator[TimedKernel]:
    """Start a kernel in `folder`, end it afterwards."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(cwd=str(folder), env=environment(store))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield TimedKernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
