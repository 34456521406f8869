"""Which files a step is seen to read, and their digests."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from blake3 import blake3

from jupyter_mlpipe.execution.watch import MISSING, file_digest
from tests.support.steps import Steps


def test_digest_follows_content(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(b"a,b\n")
    first = file_digest(str(path))
    assert first == blake3(b"a,b\n").hexdigest()
    path.write_bytes(b"a,c\n")
    assert file_digest(str(path)) == blake3(b"a,c\n").hexdigest()
    path.write_bytes(b"")
    assert file_digest(str(path)) == blake3(b"").hexdigest()
    path.unlink()
    assert file_digest(str(path)) == MISSING


def test_digest_of_a_settled_file_is_taken_once(tmp_path: Path) -> None:
    path = tmp_path / "old.bin"
    path.write_bytes(b"x")
    os.utime(path, (1, 1))
    assert file_digest(str(path)) == file_digest(str(path)) == blake3(b"x").hexdigest()


def test_files_read_are_recorded_and_those_written_are_not(steps: Steps) -> None:
    rows = steps.folder / "rows.csv"
    rows.write_text("a\n1\n")
    code = """
import pandas as pd
frame = pd.read_csv("rows.csv")
open("made.txt", "w").write("x")
text = open("made.txt").read()
"""
    ended = steps.run(code)
    assert dict(ended.record.files) == {str(rows): blake3(b"a\n1\n").hexdigest()}


def test_a_file_looked_for_in_vain_is_recorded_as_missing(steps: Steps) -> None:
    code = "try:\n    open('settings.toml')\nexcept OSError:\n    pass"
    assert dict(steps.run(code).record.files) == {str(steps.folder / "settings.toml"): MISSING}


def test_databases_are_seen(steps: Steps) -> None:
    path = steps.folder / "rows.db"
    with sqlite3.connect(path) as database:
        database.execute("create table t (a)")
    database.close()
    code = (
        "import sqlite3\nd = sqlite3.connect('rows.db')\nd.execute('select * from t').fetchall()\nd.close()"
    )
    assert list(steps.run(code).record.files) == [str(path)]


def test_libraries_and_system_files_are_not_recorded(steps: Steps) -> None:
    code = """
import json.tool, numpy, matplotlib.pyplot as plt, zoneinfo, tempfile
plt.plot([1])
open("/etc/hostname").close() if __import__("os").path.exists("/etc/hostname") else None
open("/proc/self/stat").close()
with tempfile.NamedTemporaryFile("w+") as file:
    file.write("x"); file.flush()
    open(file.name).read()
"""
    assert dict(steps.run(code).record.files) == {}
