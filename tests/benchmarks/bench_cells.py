"""Run All over 100 cells with one line on top: what each costs more than the plain cell.

Run: ``python tests/benchmarks/bench_cells.py [cells]``. The cells form a chain; each runs in a real kernel,
timed by a client from sending to idle. First time: every step in a process of its own. Again in the same
kernel, and in a new one: reused. The cells at the end show whether the cost grows with the notebook.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

from support import TimedKernel, kernel, ms, percentile, print_table

SETUP = "import pandas as pd\nimport numpy as np\nrate = 0.5\ndef clean(n):\n    return n + 1\n"
WARM_CELLS = 5

PARTS = {
    "hooks before and after the cell": [
        "notebook.extension:Extension.before_cell",
        "notebook.extension:Extension.after_cell",
    ],
    "text to component": ["notebook.making:expand_magics", "notebook.making:compile_cell"],
    "registering": ["notebook.components:Components.register"],
    "closures of the steps above": ["notebook.steps.registry:Registry.tasks"],
    "plan; reused steps": ["notebook.running.runs:Runs.launch"],
    "receipt": ["notebook.show.cellview:CellView.begin"],
    "step: Dask, process, body, store": ["notebook.show.cellview:CellView.wait"],
    "outputs as variables": ["notebook.session:Session.collect"],
}
"""What is timed in the kernel; see `timers.install`."""


def make_cells(n_cells: int) -> list[tuple[str, str]]:
    """Return (name, body) of each cell."""
    cells = [("s0", "x0 = clean(0)")]
    cells += [(f"s{i}", f"x{i} = clean(x{i - 1}) + rate * 2") for i in range(1, n_cells)]
    return cells


def run_all(kernel_: TimedKernel, cells: list[tuple[str, str]], *, plain: bool) -> list[float]:
    kernel_.run(SETUP)
    return [kernel_.run(body if plain else f"%%component {name}\n{body}") for name, body in cells]


def time_parts(folder: Path, cells: list[tuple[str, str]]) -> dict[str, dict[str, float]]:
    """Return for a first and a second Run All the mean seconds a cell spent in each part."""
    found = {}
    read = "print(__import__('json').dumps(__import__('timers').spent))"
    for label in ("first time", "again, new kernel"):
        with kernel(folder, folder / "parts") as opened:
            # Before the extension is loaded, which keeps references to some of these.
            opened.run(f"import sys; sys.path.append({str(Path(__file__).parent)!r}); import timers")
            opened.run(f"timers.install({PARTS!r}); del timers, sys")
            opened.run("%load_ext jupyter_mlpipe")
            run_all(opened, cells[:WARM_CELLS], plain=False)
            opened.run("__import__('timers').spent.clear()")
            for name, body in cells[WARM_CELLS:]:
                opened.run(f"%%component {name}\n{body}")
            spent = json.loads(opened.run_and_read(read)[1])
        found[label] = {part: spent.get(part, 0.0) / (len(cells) - WARM_CELLS) for part in PARTS}
    return found


def main() -> None:
    n_cells = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    cells = make_cells(n_cells)
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with kernel(folder, folder / "store") as opened:
            seconds["plain"] = run_all(opened, cells, plain=True)
        for label, again in (("first time", "again, same kernel"), ("again, new kernel", "")):
            with kernel(folder, folder / "store") as opened:
                opened.run("%load_ext jupyter_mlpipe")
                seconds[label] = run_all(opened, cells, plain=False)
                if again:
                    seconds[again] = run_all(opened, cells, plain=False)
                loaded = opened.run_and_read(f"print(x{n_cells - 1})")[1]
                assert float(loaded) == n_cells * 2 - 1, loaded
        parts = time_parts(folder, cells)
    plain = statistics.median(seconds["plain"])
    rows = []
    for label, found in seconds.items():
        # The first cells also start the cluster and warm its workers.
        warm = [each - plain for each in found[WARM_CELLS:]]
        rows.append(
            (
                label,
                f"{sum(found):.2f}",
                ms(statistics.median(warm)) if label != "plain" else "",
                ms(percentile(warm, 95)) if label != "plain" else "",
                ms(statistics.median(found[WARM_CELLS : WARM_CELLS + 10])),
                ms(statistics.median(found[-10:])),
            )
        )
    print(f"{n_cells} cells; milliseconds a cell; above plain: after the first {WARM_CELLS} cells\n")
    print_table(
        ("Run All", "all, s", "above plain, median", "95th percentile", "6th to 15th cell", "last ten"), rows
    )
    print("By part, in the kernel: milliseconds a cell, mean\n")
    rows = [(part, *(ms(found[part]) for found in parts.values())) for part in PARTS]
    print_table(("part", *parts), rows)


if __name__ == "__main__":
    main()
