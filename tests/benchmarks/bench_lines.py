"""Live output: a million printed lines, and how long the first line, any line and a cancel take.

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


LINES = {
    "print": "print(time.time(), flush=True)",
    "a child process": "subprocess.run([sys.executable, '-S', '-c', 'import time; print(time.time())'])",
    "C code": "ctypes.CDLL(None).write(1, (line := b'%f\\n' % time.time()), len(line))",
    "print, before C code that holds the interpreter's lock": (
        "print(time.time()); ctypes.PyDLL(None).usleep(700_000)"
    ),
}
DEAF = {
    "a loop that ignores signals": (
        "import signal\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: pass"
    ),
    "C code that holds the interpreter's lock": "import ctypes; ctypes.PyDLL(None).sleep(1000)",
}


def time_any_line(folder: Path, statement: str) -> tuple[float, float]:
    """Return how long after it was written a line came, in seconds: the median, and the most."""
    cell = f"import ctypes, subprocess, sys, time\nfor _ in range(10):\n    {statement}\n    time.sleep(0.1)"
    with kernel(folder, folder / "store") as timed:
        timed.run("%load_ext jupyter_mlpipe")
        timed.run("%%component warm\nx = 1")
        came = timed.run_and_note(f"%%component lines\n{cell}")
    late = sorted(at - float(line) for at, text in came for line in text.split() if line[0].isdigit())
    return late[len(late) // 2], late[-1]


def time_cancel(folder: Path, code: str) -> float:
    """Return the seconds from asking a run to end to its end."""
    with kernel(folder, folder / "store") as timed:
        timed.run("%load_ext jupyter_mlpipe")
        timed.run("%pipeline mode register")
        timed.run(f"%%component deaf\nprint('begun', flush=True)\n{code}")
        timed.run(
            "import time\nrun = %pipeline run\nwhile 'begun' not in run.steps['deaf'].log: time.sleep(0.01)"
        )
        cancel = "t = time.perf_counter(); run.cancel(); run.wait(); print(time.perf_counter() - t)"
        return float(timed.run_and_read(cancel)[1])


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
    rows = []
    for title, statement in LINES.items():
        with tempfile.TemporaryDirectory() as folder:
            rows.append([title, *map(ms, time_any_line(Path(folder), statement))])
    print_table(["from writing a line to its arrival, ms", "median", "most"], rows)
    rows = []
    for title, code in DEAF.items():
        with tempfile.TemporaryDirectory() as folder:
            rows.append([title, ms(time_cancel(Path(folder), code))])
    print_table(["from cancelling a step to its end", "ms"], rows)


if __name__ == "__main__":
    main()
