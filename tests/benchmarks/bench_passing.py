"""What handing a large table from step to step costs, against Arrow alone.

Run: ``python tests/benchmarks/bench_passing.py [rows]``. It writes about 100 bytes a row, several times.
The reference writes the table once with pyarrow and reads it once to pandas; both are made durable.
Ours digests on writing. On reading it verifies, unless this process has done so before.
Who goes first changes places each round, and a read is the median of three: memory that the machine
has not used before costs ten times as much to touch, and falls to whoever comes by.
"""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc

from jupyter_mlpipe.store.store import open_store

ROUNDS = 7


def make_table(n_rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    columns: dict[str, object] = {f"f{i}": rng.random(n_rows) for i in range(6)}
    columns |= {f"i{i}": rng.integers(0, 1000, n_rows) for i in range(3)}
    columns["at"] = pd.date_range("2020-01-01", periods=n_rows, freq="s")
    words = np.array(["alpha", "beta", "gamma", "a longer word"])
    columns["word"] = pd.array(words[rng.integers(0, 4, n_rows)], dtype="str")
    return pd.DataFrame(columns)


def timed_read(read: Callable[[], object]) -> float:
    return statistics.median(timed(read) for _ in range(3))


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    del result
    return seconds


def main() -> None:
    n_rows = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000
    table = make_table(n_rows)
    rows: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for round_ in range(ROUNDS + 1):
            measures: list[Callable[[], list[tuple[str, float]]]] = [
                lambda: reference(table, Path(folder)),
                lambda: ours(table, Path(folder)),
            ]
            both_measured = [measure() for measure in (measures if round_ % 2 else measures[::-1])]
            for name, seconds in itertools.chain(*both_measured):
                if round_:  # the first warms up
                    rows.setdefault(name, []).append(seconds)
    median = {name: statistics.median(seconds) for name, seconds in rows.items()}
    print(f"{n_rows:,} rows, {table.memory_usage(deep=False).sum() / 1e6:.0f} MB; median of {ROUNDS}\n")
    print("| seconds | write, durable | read | both | ratio |")
    print("| --- | --- | --- | --- | --- |")
    both = median["arrow write"] + median["arrow read"]
    for label, write, read in [
        ("pyarrow alone", "arrow write", "arrow read"),
        ("store, verified when written", "our write", "our read"),
        ("store, read by another process", "our write", "our first read"),
    ]:
        total = median[write] + median[read]
        print(f"| {label} | {median[write]:.3f} | {median[read]:.3f} | {total:.3f} | {total / both:.2f} |")


def reference(table: pd.DataFrame, folder: Path) -> list[tuple[str, float]]:
    path = folder / "reference.arrow"

    def write() -> None:
        found = pa.Table.from_pandas(table)
        with open(path, "wb") as file, pa.ipc.new_file(file, found.schema) as writer:
            writer.write_table(found)
        fd = os.open(path, os.O_RDONLY)
        os.fsync(fd)
        os.close(fd)

    def read() -> pd.DataFrame:
        with pa.memory_map(str(path)) as file:
            return pa.ipc.open_file(file).read_all().to_pandas()

    seconds = [("arrow write", timed(write)), ("arrow read", timed_read(read))]
    path.unlink()
    return seconds


def ours(table: pd.DataFrame, folder: Path) -> list[tuple[str, float]]:
    store = open_store(folder / "store")
    start = time.perf_counter()
    artifact = store.put_value(table)
    seconds = [("our write", time.perf_counter() - start)]
    seconds.append(("our read", timed_read(lambda: store.get_value(artifact))))
    # A store just opened knows of no verified object, as in another process.
    first_read = timed_read(lambda: open_store(store.root).get_value(artifact))
    seconds.append(("our first read", first_read))
    os.unlink(store.objects.path(artifact.blob.object))
    return seconds


if __name__ == "__main__":
    main()
