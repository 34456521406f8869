"""What is large is not in memory more often than it has to be, while it is stored and while it is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_SCRIPT = """
import sys
from pathlib import Path
import numpy as np, pandas as pd, pyarrow as pa
from jupyter_mlpipe.store.store import open_store

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024

def rise(act):
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    result = act()
    return result, status("VmHWM") - before

def make(n):
    array = np.random.default_rng(1).random(n)
    kind = sys.argv[1]
    if kind == "array":
        return array
    if kind == "table":
        return pd.DataFrame(array.reshape(-1, 10)).add_prefix("x")
    if kind == "Arrow table":
        return pa.table({"a": array})
    return [{"inside": array}]

store = open_store(sys.argv[2])
store.get_value(store.put_value(make(10_000)))
value = make(10_000_000)
artifact, stored = rise(lambda: store.put_value(value))
del value
found, read = rise(lambda: store.get_value(artifact))
print(stored / 80e6, read / 80e6)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says how much memory a process had")
@pytest.mark.parametrize("kind", ["array", "table", "Arrow table", "array inside"])
def test_what_is_large_is_in_memory_once_more_at_most(kind: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, kind, str(tmp_path / "store")],
        capture_output=True,
        text=True,
        check=True,
    )
    stored, read = map(float, done.stdout.split())
    # Beside the value itself; what is read is there once.
    assert stored < (0.3 if kind != "table" else 1.2)
    assert read < 1.2
