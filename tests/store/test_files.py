"""Files in the store, and written again from there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_mlpipe.errors import RestoreError
from jupyter_mlpipe.store.files import FileKeeper, Limits, Written, write_file
from jupyter_mlpipe.store.records import Record, from_bytes, to_bytes
from jupyter_mlpipe.store.store import Store, open_store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "notebook"
    made.mkdir()
    return made


def test_limits_count_over_all_files_of_a_step(store: Store, folder: Path) -> None:
    keeper = FileKeeper(store.objects, Limits(file_bytes=100, step_bytes=150))
    for name, size in {"a": 100, "b": 60, "c": 50, "d": 101}.items():
        (folder / name).write_bytes(b"x" * size)
    kept = {name: keeper.keep(str(folder / name)) is not None for name in "abcd"}
    assert kept == {"a": True, "b": False, "c": True, "d": False}


def test_a_record_keeps_what_was_written(store: Store) -> None:
    small, large = store.objects.put(b"x"), store.objects.put(b"y" * 5000)
    entries = (
        Written("a.txt", "file", small.object, 0o644, small, careful=True),
        Written("b.txt", "file", large.object, 0o755, large, sets_mode=True),
        Written("c", "removed", "ab"),
        Written("d", "folder", mode=0o700),
        Written("e", "link", "a.txt"),
    )
    record = Record("ab" * 32, written=entries)
    assert from_bytes(to_bytes(record)) == record


FULL = """
import resource, sys
from pathlib import Path
from jupyter_mlpipe.store.files import write_file
from jupyter_mlpipe.store.store import open_store
store = open_store(sys.argv[1])
blob = store.objects.put(b"x" * 100_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    write_file(store.objects, blob, sys.argv[2], 0o644)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk_leaves_the_old_file(store: Store, folder: Path) -> None:
    path = folder / "a.txt"
    path.write_text("old")
    command = [sys.executable, "-c", FULL, str(store.root), str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert told.startswith("RestoreError")
    assert "no space is left for 100" in told
    assert "Free space on that disk" in told
    assert path.read_text() == "old"
    assert os.listdir(folder) == ["a.txt"]


def test_a_file_where_a_folder_is_needed_is_told(store: Store, folder: Path) -> None:
    (folder / "out").write_text("x")
    with pytest.raises(RestoreError, match=r"out/a\.txt' cannot be made as the step left it"):
        write_file(store.objects, store.objects.put(b"x"), str(folder / "out" / "a.txt"), 0o644)
