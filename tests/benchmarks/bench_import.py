"""What importing the package costs in a new process, and loading the extension in a new kernel.

Run: ``python tests/benchmarks/bench_import.py``. Each import beside IPython alone in the same round; a client
times the cell ``%load_ext jupyter_mlpipe`` of a real kernel, less an empty cell.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from support import environment, kernel, print_table

ROUNDS = 9


def time_import(code: str, folder: Path) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder, env=environment(folder / "store"))
    return time.perf_counter() - started


def time_loading(folder: Path) -> float:
    with kernel(folder, folder / "store") as opened:
        empty = statistics.median(opened.run("pass") for _ in range(5))
        return opened.run("%load_ext jupyter_mlpipe") - empty


def main() -> None:
    ipython, ours, loading = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for round_ in range(ROUNDS + 1):
            found = (
                time_import("import IPython", folder),
                time_import("import IPython, jupyter_mlpipe", folder),
                time_loading(folder),
            )
            if round_:  # the first compiles and warms the page cache
                for kept, seconds in zip((ipython, ours, loading), found, strict=True):
                    kept.append(seconds)
    above = [b - a for a, b in zip(ipython, ours, strict=True)]
    print(f"Seconds, median and minimum of {ROUNDS} rounds\n")
    rows = [
        (label, f"{statistics.median(found):.3f}", f"{min(found):.3f}")
        for label, found in (
            ("import IPython, whole process", ipython),
            ("import IPython, jupyter_mlpipe, whole process", ours),
            ("%load_ext jupyter_mlpipe in a kernel", loading),
        )
    ]
    rows.insert(2, ("what jupyter_mlpipe adds", f"{max(0, statistics.median(above)):.3f}", ""))
    print_table(("", "median", "minimum"), rows)


if __name__ == "__main__":
    main()
