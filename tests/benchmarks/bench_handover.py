"""A large table from one real step to the next, end to end, against Arrow alone in the same run.

Run: ``python tests/benchmarks/bench_handover.py [rows]``. From the last line of the cell that makes
the table to the first line of the cell that reads it: encoded, digested, made durable, recorded; the next
step planned, its process forked, the table verified and decoded there.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from pathlib import Path

from bench_passing import make_table, reference
from support import kernel, print_table

ROUNDS = 5
LARGE_BYTES = 1 << 20
SETUP = """
%load_ext jupyter_mlpipe
%pipeline mode register
import sys, time
sys.path.insert(0, {folder!r})
from bench_passing import make_table
"""
# Another table each time, as a step gives that has not run before: what is there need not be kept.
PRODUCE = """%%component produce -> table, made_at
table = make_table({n_rows})
table.iloc[0, 0] = time.time()
made_at = time.time()
"""
READ = "%%component read -> got_at, shape\ngot_at = time.time()\nshape = table.shape"
RUN = """
import json, jupyter_mlpipe
done = jupyter_mlpipe.current().run(force=["produce", "read"]).wait()
assert done.status == "succeeded", done
print(json.dumps([done["made_at"], done["got_at"]]))
"""


def main() -> None:
    n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000
    table = make_table(n_rows)
    ours, arrow = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with kernel(folder, folder / "store") as opened:
            opened.run(SETUP.format(folder=str(Path(__file__).parent)))
            opened.run(PRODUCE.format(n_rows=n_rows))
            opened.run(READ)
            for round_ in range(ROUNDS + 1):
                made_at, got_at = json.loads(opened.run_and_read(RUN)[1])
                for stored in (folder / "store" / "objects").rglob("*"):
                    if stored.is_file() and stored.stat().st_size > LARGE_BYTES:
                        stored.unlink()
                seconds = dict(reference(table, folder))
                if round_:  # the first starts the cluster and warms up
                    ours.append(got_at - made_at)
                    arrow.append(seconds["arrow write"] + seconds["arrow read"])
    n_bytes = table.memory_usage(deep=False).sum()
    print(f"{n_rows:,} rows, {n_bytes / 1e6:.0f} MB; seconds, median (minimum) of {ROUNDS} rounds\n")
    ratios = [a / b for a, b in zip(ours, arrow, strict=True)]
    rows = [
        ("pyarrow: written durably, read", _both(arrow), ""),
        ("jupyter_mlpipe: from step to step", _both(ours), f"{statistics.median(ratios):.2f}"),
    ]
    print_table(("", "s", "ratio"), rows)


def _both(found: list[float]) -> str:
    return f"{statistics.median(found):.2f} ({min(found):.2f})"


if __name__ == "__main__":
    main()
