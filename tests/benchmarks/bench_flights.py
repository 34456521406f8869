"""The flights notebook from the command line, twice, against an empty store.

Run: ``python tests/benchmarks/bench_flights.py [-p NAME=VALUE]...``. Each run is a new process, so that the
second one reuses what is on disk and nothing else. Arguments go to ``jupyter mlpipe run``.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import environment, print_table

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "flights.ipynb"


@dataclass(frozen=True)
class Measured:
    """One run: wall time of the whole process, the run's own time, and what became of the steps."""

    wall_s: float
    run_s: float
    statuses: Counter[str]
    steps: dict[str, Any]


def measure(store: Path, arguments: list[str]) -> Measured:
    command = [sys.executable, "-m", "jupyter", "mlpipe", "run", str(NOTEBOOK), "--json", *arguments]
    started = time.perf_counter()
    done = subprocess.run(command, env=environment(store), stdout=subprocess.PIPE, text=True)
    wall_s = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with exit status {done.returncode}:\n{done.stdout}")
    result = json.loads(done.stdout)
    steps = result["steps"]
    return Measured(wall_s, result["seconds"], Counter(step["status"] for step in steps.values()), steps)


def main(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first, second = (measure(Path(folder, "store"), arguments) for _ in range(2))

    assert not set(second.statuses) - {"reused"}, second.statuses
    print_table(
        ("", "first run, s", "second run, s", "ratio"),
        [
            (label, f"{before:.2f}", f"{after:.2f}", f"{before / after:.1f}")
            for label, before, after in (
                ("the run", first.run_s, second.run_s),
                ("the whole command", first.wall_s, second.wall_s),
            )
        ],
    )
    print_table(
        ("step", "first run", "s", "second run", "s"),
        [
            (
                name,
                step["status"],
                f"{step['seconds']:.2f}",
                second.steps[name]["status"],
                f"{second.steps[name]['seconds']:.2f}",
            )
            for name, step in first.steps.items()
        ],
    )


if __name__ == "__main__":
    main(sys.argv[1:])
