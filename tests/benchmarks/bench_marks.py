"""What it costs to know which steps are stale: a plan between cells, and what a warm cell waits for it.

Run: ``python tests/benchmarks/bench_marks.py``. A plan of a pipeline whose every third step reads from the
one before, and the others from a step halfway up; warm cells with a listener and without one, by turns.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from support import kernel, ms, print_table

ROUNDS = 20
SESSION = "from jupyter_mlpipe.notebook.extension import current_session as _session\n"
PLAN = (
    SESSION + "import statistics, time\ntimes = []\n"
    f"for _ in range({ROUNDS}):\n"
    "    began = time.perf_counter()\n"
    "    _session().look()\n"
    "    times.append(time.perf_counter() - began)\n"
    "print(statistics.median(times))"
)


def main() -> None:
    """Measure pipelines of 12 and of 300 steps."""
    rows = []
    for n_steps in (12, 300):
        with tempfile.TemporaryDirectory() as name, kernel(Path(name), Path(name) / "store") as opened:
            opened.run("%load_ext jupyter_mlpipe")
            opened.run("def helper(x): return x + 1")
            for i in range(n_steps):
                above = f"helper(x{(i - 1) // 2 if i % 3 else i - 1})" if i else "helper(0)"
                opened.run(f"%%component s{i}\nx{i} = {above}")
            plan = float(opened.run_and_read(PLAN)[1])
            warm: dict[str, list[float]] = {"without": [], "with": []}
            for _ in range(ROUNDS):
                for how, times in warm.items():
                    listens = f"{SESSION}_end = _session().marks.subscribe(lambda snapshot: None)"
                    opened.run(listens if how == "with" else SESSION)
                    times.append(opened.run("%%component s0\nx0 = helper(0)"))
                    opened.run("_end()" if how == "with" else "pass")
            medians = [ms(statistics.median(times)) for times in warm.values()]
            rows.append([n_steps, ms(plan), *medians])
    print_table(["steps", "a plan, ms", "a warm cell, ms", "with a listener, ms"], rows)


if __name__ == "__main__":
    main()
