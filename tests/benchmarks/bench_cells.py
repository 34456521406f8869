"""Run All over 100 cells with one line on top: what each costs more than the plain cell.

Run: ``python tests/benchmarks/bench_cells.py [cells]``. The cells form a chain; each runs in a real kernel,
timed by a client from sending to idle. First time: every step in a process of its own. Again in the same
kernel, and in a new one: reused. The cells at the end show whether the cost grows with the notebook.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from support import TimedKernel, kernel, ms, percentile, print_table

SETUP = "import pandas as pd\nimport numpy as np\nrate = 0.5\ndef clean(n):\n    return n + 1\n"
WARM_CELLS = 5


def make_cells(n_cells: int) -> list[tuple[str, str]]:
    """Return (name, body) of each cell."""
    cells = [("s0", "x0 = clean(0)")]
    cells += [(f"s{i}", f"x{i} = clean(x{i - 1}) + rate * 2") for i in range(1, n_cells)]
    return cells


def run_all(kernel_: TimedKernel, cells: list[tuple[str, str]], *, plain: bool) -> list[float]:
    kernel_.run(SETUP)
    return [kernel_.run(body if plain else f"%%component {name}\n{body}") for name, body in cells]


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


if __name__ == "__main__":
    main()
