"""Live output: a million printed lines, and the time to the first line of the first step.

Run: ``python tests/benchmarks/bench_lines.py``. Each in a kernel of its own, timed by a client. Memory is
what the kernel's process, and all with those below it, took at most beyond what they took before.
"""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import psutil
from support import kernel, ms, print_table

PRINTS = "for i in range(1_000_000):\n    print('line', i)"
BY_TURNS = """import sys
for i in range(500_000):
    print('line', i)
    print('line', i, file=sys.stderr)"""
N_REPEATS = 3


def time_lines(folder: Path, cell: str) -> list[str]:
    """Return seconds for the cell, for the same cell again, characters printed, and memory in MB."""
    with kernel(folder, folder / "store") as timed:
        timed.run("%load_ext jupyter_mlpipe")
        timed.run("%%component warm\nx = 1")
        pid = int(timed.run_and_read("import os; print(os.getpid())")[1])
        with Memory(pid) as memory:
            seconds, printed = timed.run_and_read(cell)
        own, all_ = memory.growth
        again = f"{timed.run(cell):.2f}" if cell.startswith("%%") else ""
        return [f"{seconds:.1f}", again, f"{len(printed):,}", f"{own:.0f}", f"{all_:.0f}"]


def time_first_line(folder: Path) -> tuple[float, float]:
    """Return the seconds from running a cell to its first line: with the start of a cluster, and without."""
    with kernel(folder, folder / "store") as timed:
        timed.run("%load_ext jupyter_mlpipe")
        cells = [f"%%component s{i}\nprint('begun {i}')" for i in range(6)]
        first = timed.run_and_watch(cells[0])[0]
        return first, sorted(timed.run_and_watch(cell)[0] for cell in cells[1:])[2]


class Memory:
    """The largest growth of a process, and of it with all below it, in MB."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow)

    def __enter__(self) -> Memory:
        self._before = self._most = self._look()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopped.set()
        self._thread.join()

    @property
    def growth(self) -> tuple[float, float]:
        (own, all_), (own_before, all_before) = self._most, self._before
        return (own - own_before) / 1e6, (all_ - all_before) / 1e6

    def _follow(self) -> None:
        while not self._stopped.wait(0.1):
            own, all_ = self._look()
            self._most = max(self._most[0], own), max(self._most[1], all_)

    def _look(self) -> tuple[float, float]:
        own = self._process.memory_full_info().pss
        below = 0
        for process in self._process.children(recursive=True):
            try:
                below += process.memory_full_info().pss
            except psutil.Error:
                continue
        return own, own + below


def main() -> None:
    rows = []
    for title, cell in (
        ("a plain cell", PRINTS),
        ("a step", f"%%component lines\n{PRINTS}"),
        ("a step, two streams by turns", f"%%component both\n{BY_TURNS}"),
    ):
        with tempfile.TemporaryDirectory() as folder:
            rows.append([title, *time_lines(Path(folder), cell)])
    print_table(["a million lines", "s", "again, s", "characters", "kernel, MB", "all, MB"], rows)
    rows = []
    for i in range(N_REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            rows.append([str(i + 1), *map(ms, time_first_line(Path(folder)))])
    print_table(["to the first line, ms", "with the start of a cluster", "when it is up (median of 5)"], rows)


if __name__ == "__main__":
    main()
