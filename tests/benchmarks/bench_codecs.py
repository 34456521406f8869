"""What storing and reading large values costs beside NumPy and pyarrow alone, in time and in memory.

Run: ``python tests/benchmarks/bench_codecs.py [MEGABYTES]``: of the array. The table has 0.6 times as many,
the tensor, where torch is installed, as many as the array.
All are made durable. Ours digests while it writes, and verifies when it first reads. Each measurement has a
process of its own, for its peak of memory; who goes first changes places each round.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from support import print_table

ROUNDS = 5
KINDS = ("array", "table", *(("tensor",) if importlib.util.find_spec("torch") else ()))


def make_array(megabytes: float) -> Any:
    return np.random.default_rng(0).random((int(megabytes * 1e6) // 800, 100))


def make(kind: str, megabytes: float) -> Any:
    if kind == "table":
        from bench_passing import make_table

        return make_table(int(megabytes * 0.6e6) // 95)
    array = make_array(megabytes)
    if kind == "array":
        return array
    import torch

    return torch.from_numpy(array)


def write_plainly(kind: str, value: Any, path: Path) -> None:
    if kind == "table":
        import pyarrow as pa

        table = pa.Table.from_pandas(value)
        with open(path, "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    else:
        np.save(path, value if kind == "array" else value.numpy())
    fd = os.open(path, os.O_RDONLY)
    os.fsync(fd)
    os.close(fd)


def read_plainly(kind: str, path: Path) -> Any:
    if kind == "table":
        import pyarrow as pa

        with pa.memory_map(str(path)) as file:
            return pa.ipc.open_file(file).read_all().to_pandas()
    return np.load(path)


def measure(kind: str, who: str, what: str, megabytes: float, folder: Path) -> None:
    """Print the seconds of one act, how much memory it took beside the value, and the value's size."""
    from jupyter_mlpipe.store.records import Artifact
    from jupyter_mlpipe.store.store import open_store

    path, note = folder / "plain.npy", folder / "artifact.json"
    act: Callable[[], Any]
    if what == "write":
        value = make(kind, megabytes)
        store = open_store(folder / "store")
        store.put_value(value[:10])  # what is imported at first use is no part of it
        write_plainly(kind, value[:10], folder / "small.npy")
        act = (lambda: store.put_value(value)) if who == "ours" else lambda: write_plainly(kind, value, path)
    else:
        store = open_store(folder / "store")
        store.get_value(store.put_value(make(kind, 0.1)))
        if who == "ours":
            artifact = msgspec.json.decode(note.read_bytes(), type=Artifact)
            act = lambda: store.get_value(artifact)  # noqa: E731
        else:
            act = lambda: read_plainly(kind, path)  # noqa: E731
    reset_peak()
    before = resident()
    started = time.perf_counter()
    result = act()
    seconds = time.perf_counter() - started
    if who == "ours" and what == "write":
        note.write_bytes(msgspec.json.encode(result))
    print(json.dumps([seconds, peak() - before]))


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


def resident() -> int:
    return _status("VmRSS") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def peak() -> int:
    return _status("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0


def main(megabytes: float) -> None:
    rows = []
    for kind in KINDS:
        found: dict[tuple[str, str], list[tuple[float, int]]] = {}
        for round_ in range(ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                for what in ("write", "read"):
                    for who in ("plain", "ours") if round_ % 2 else ("ours", "plain"):
                        command = [sys.executable, __file__, kind, who, what, str(megabytes), folder]
                        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                        found.setdefault((what, who), []).append(json.loads(done.stdout))
        size = megabytes * (0.6 if kind == "table" else 1) * 1e6
        for what in ("write", "read"):
            plain, ours = (
                [statistics.median(column) for column in zip(*found[what, who], strict=True)]
                for who in ("plain", "ours")
            )
            rows.append(
                [f"{kind}, {size / 1e6:,.0f} MB, {what}", f"{plain[0]:.2f}", f"{ours[0]:.2f}",
                 f"{ours[0] / plain[0]:.2f}", f"{plain[1] / size:.2f}", f"{ours[1] / size:.2f}"]
            )  # fmt: skip
    print_table(["", "plain, s", "ours, s", "ratio", "plain, memory", "ours, memory"], rows)
    print("Memory: the peak beside what was there before, in sizes of the value; what is read is once there.")


if __name__ == "__main__":
    if len(sys.argv) > 3:
        measure(*sys.argv[1:4], float(sys.argv[4]), Path(sys.argv[5]))  # type: ignore[call-arg]
    else:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 1000)
