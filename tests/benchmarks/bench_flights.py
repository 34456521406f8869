"""The flights notebook from the command line, twice, against an empty store.

Run: ``python tests/benchmarks/bench_flights.py [-p NAME=VALUE]...``. Each run is a new process, so that the
second one reuses what is on disk and nothing else. Arguments go to ``jupyter mlpipe run``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    done = subprocess.run(
        command, env={**os.environ, "MLPIPE_STORE": str(store)}, stdout=subprocess.PIPE, text=True
    )
    wall_s = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with exit status {done.returncode}:\n{done.stdout}")
    result = json.loads(done.stdout)
    steps = result["steps"]
    return Measured(wall_s, result["seconds"], Counter(step["status"] for step in steps.values()), steps)


def main(arguments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first, second = (measure(Path(folder, "store"), arguments) for _ in range(2))

    print(f"{'step':<12} {'first':>20} {'second':>20}")
    for name, step in first.steps.items():
        again = second.steps[name]
        print(
            f"{name:<12} {step['status']:>11} {step['seconds']:6.2f} s"
            f" {again['status']:>11} {again['seconds']:6.2f} s"
        )
    print()
    print(f"{'':<12} {'first':>9} {'second':>9} {'ratio':>7}")
    for label, before, after in (
        ("run", first.run_s, second.run_s),
        ("process", first.wall_s, second.wall_s),
    ):
        print(f"{label:<12} {before:7.2f} s {after:7.2f} s {before / after:6.1f}x")
    for status in ("succeeded", "reused"):
        print(f"{status:<12} {first.statuses[status]:>9} {second.statuses[status]:>9}")


if __name__ == "__main__":
    main(sys.argv[1:])
