"""Load, filter and aggregate a large table: what keeping it costs when all is new, here and elsewhere.

Run: ``python tests/benchmarks/bench_cold.py [rows]``. It writes 200 bytes a row for each tool and round.
Plain is the same cells without our line. Each tool gets a fresh process, with what it imports loaded and,
for ours, the cluster up; "reused" is another fresh process that asks for the last result.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from support import environment, kernel, print_table

ROUNDS = 5
SETUP = """\
import numpy as np, pandas as pd
def _make(n):
    rng = np.random.default_rng(0)
    columns = {f"f{i}": rng.random(n) for i in range(10)}
    words = np.array(["alpha", "beta", "gamma", "a longer word"])
    columns["word"] = pd.array(words[rng.integers(0, 4, n)], dtype="str")
    return pd.DataFrame(columns)
"""
STEPS = {
    "table": "_make(N)",
    "some": "table[table['f0'] > 0.1]",
    "means": "some.groupby('word').mean()",
}
JOBLIB = """\
import joblib
memory = joblib.Memory(CACHE, verbose=0)
@memory.cache
def first(N): return _make(N)
@memory.cache
def second(table): return table[table['f0'] > 0.1]
@memory.cache
def third(some): return some.groupby('word').mean()
def run(): return third(second(first(N)))
"""
HAMILTON = """\
def table() -> pd.DataFrame: return _make(N)
def some(table: pd.DataFrame) -> pd.DataFrame: return table[table['f0'] > 0.1]
def means(some: pd.DataFrame) -> pd.DataFrame: return some.groupby('word').mean()
"""
RUN_JOBLIB = "found = flow.run()"
RUN_HAMILTON = """\
built = driver.Builder().with_modules(flow).with_cache(path=flow.CACHE).build()
found = built.execute(['means'])['means']
"""
TIMED = """\
import time, logging, flow
from hamilton import driver
logging.disable(logging.WARNING)
before = time.perf_counter()
{run}
print(time.perf_counter() - before)
assert len(found) == 4
"""


def peer(code: str, run: str, n_rows: int, folder: Path) -> float:
    setup = f"N, CACHE = {n_rows}, {str(folder / 'cache')!r}\n{SETUP}"
    (folder / "flow.py").write_text(setup + code, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", TIMED.format(run=run)],
        env=environment(folder),
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def ours(n_rows: int, folder: Path, *, plain: bool = False, again: bool = False) -> float:
    with kernel(folder, folder / "store") as opened:
        opened.run(f"{SETUP}\nN = {n_rows}")
        if not plain:
            opened.run("%load_ext jupyter_mlpipe")
            if not again:
                # The cluster, and pandas in the processes that wait for steps.
                opened.run("%%component warm\nready = pd.DataFrame({'a': [1]})")
        seconds = 0.0
        for name, code in STEPS.items():
            line = "" if plain else f"%%component {name}\n"
            seconds += opened.run(f"{line}{name} = {code}")
        spent, printed = opened.run_and_read("print(len(means))")
        assert printed.strip() == "4", printed
    return seconds + spent


def main() -> None:
    n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    found: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            places = {part: folder / part for part in ("plain", "ours", "joblib", "hamilton")}
            for place in places.values():
                place.mkdir()
            measured = {"plain": ours(n_rows, places["plain"], plain=True)}
            measured["jupyter-mlpipe"] = ours(n_rows, places["ours"])
            measured["jupyter-mlpipe, reused"] = ours(n_rows, places["ours"], again=True)
            for tool, code, run in (("joblib", JOBLIB, RUN_JOBLIB), ("hamilton", HAMILTON, RUN_HAMILTON)):
                measured[tool] = peer(code, run, n_rows, places[tool])
                measured[f"{tool}, reused"] = peer(code, run, n_rows, places[tool])
        for tool, seconds in measured.items():
            found.setdefault(tool, []).append(seconds)
        print(json.dumps(measured), file=sys.stderr)
    median = {tool: statistics.median(seconds) for tool, seconds in found.items()}
    print(f"{n_rows:,} rows, three steps; median of {ROUNDS}\n")
    print_table(
        ["", "all new", "times plain", "reused, new process"],
        [
            [
                tool,
                f"{median[tool]:.2f} s",
                f"{median[tool] / median['plain']:.2f}",
                f"{median[f'{tool}, reused']:.3f} s" if tool != "plain" else "",
            ]
            for tool in ("plain", "jupyter-mlpipe", "joblib", "hamilton")
        ],
    )


if __name__ == "__main__":
    main()
