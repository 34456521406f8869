"""Integrity, crashes and full disks."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import stat
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jupyter_mlpipe.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    StoreError,
    StoreFullError,
)
from jupyter_mlpipe.store.mapping import MAPPED_BYTES, is_local, map_file
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.sharing import find_groups
from jupyter_mlpipe.store.store import Store, open_store

VALUE = np.arange(50_000.0)
KEY = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def files(store: Store, folder: str) -> list[Path]:
    return [path for path in (store.root / folder).rglob("*") if path.is_file()]


def test_a_flipped_byte_is_found_moved_aside_and_healed_by_writing_again(store: Store) -> None:
    artifact = store.put_value(VALUE)
    (path,) = files(store, "objects")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtifactCorruptError, match="run the step that makes it again"):
        open_store(store.root).get_value(artifact)
    assert not store.has(artifact)
    assert len(files(store, "quarantine")) == 1
    with pytest.raises(ArtifactMissingError):
        store.get_value(artifact)
    assert store.put_value(VALUE) == artifact
    assert np.array_equal(open_store(store.root).get_value(artifact), VALUE)


def test_a_byte_changed_after_it_was_verified_is_found(store: Store) -> None:
    artifact = store.put_value(VALUE)
    store.get_value(artifact)
    (path,) = files(store, "objects")
    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff\xff")
    os.utime(path, ns=(1, 1))
    with pytest.raises(ArtifactCorruptError):
        store.get_value(artifact)


def test_what_another_process_verified_is_not_digested_again_until_it_changes(store: Store) -> None:
    artifact = store.put_value(VALUE)
    (path,) = files(store, "objects")
    written = path.stat()
    reader = open_store(store.root)
    reader.objects.trust(store.objects.verified())
    assert np.array_equal(reader.get_value(artifact), VALUE)
    assert reader.objects.verified() == store.objects.verified()

    with path.open("r+b") as file:
        file.seek(1000)
        file.write(b"\xff\xff")
    os.utime(path, ns=(written.st_atime_ns, written.st_mtime_ns))
    again = open_store(store.root)
    again.objects.trust(store.objects.verified())
    with pytest.raises(ArtifactCorruptError):
        again.get_value(artifact)


def test_a_truncated_object_counts_as_missing(store: Store) -> None:
    artifact = store.put_value(VALUE)
    (path,) = files(store, "objects")
    os.truncate(path, 1000)
    assert not store.has(artifact)
    with pytest.raises(ArtifactCorruptError, match="1,000 bytes"):
        store.get_value(artifact)


def test_a_truncated_object_is_replaced_by_writing_again(store: Store) -> None:
    artifact = store.put_value(VALUE)
    os.truncate(files(store, "objects")[0], 1000)
    store.put_value(VALUE)
    assert np.array_equal(store.get_value(artifact), VALUE)


def test_a_deleted_object_is_missing(store: Store) -> None:
    artifact = store.put_value(VALUE)
    files(store, "objects")[0].unlink()
    assert not store.has(artifact)
    with pytest.raises(ArtifactMissingError):
        store.get_value(artifact)


def test_quarantined_artifacts_count_as_missing(store: Store) -> None:
    artifact = store.put_value(VALUE)
    store.quarantine(artifact)
    assert not store.has(artifact)
    assert not store.has(artifact)


def test_bytes_come_back(store: Store) -> None:
    for content in (b"", b"x", b"y" * 100_000):
        assert store.get_bytes(store.put_bytes(content)) == content
    with pytest.raises(ArtifactMissingError):
        store.get_bytes("0" * 64)


def test_what_was_shown_comes_back(store: Store) -> None:
    assert store.put_shown([]) is None
    for text in ("small", "large" * 10_000):
        outputs = [{"output_type": "stream", "name": "stdout", "text": text}]
        shown = store.put_shown(outputs)
        assert shown is not None
        assert (shown.inline is None) == (text != "small")
        assert store.get_shown(Record(KEY, shown=shown)) == outputs


def test_files_are_private(store: Store) -> None:
    store.put_value(VALUE)
    store.put_record(Record(KEY))
    for path in (store.root, *store.root.rglob("*")):
        if path.name == ".gitignore":
            continue
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_of_the_room_reserved_only_what_was_written_stays(store: Store) -> None:
    content = random.Random(0).randbytes(MAPPED_BYTES)
    with store.objects.writer(3 * MAPPED_BYTES) as out:
        out.write(content)
        blob = out.finish()
    assert blob.size == os.stat(store.objects.path(blob.object)).st_size == MAPPED_BYTES
    assert store.objects.read(blob) == content


def test_no_temporary_stays(store: Store) -> None:
    store.put_value(VALUE)
    store.put_value(VALUE)
    store.put_record(Record(KEY))
    assert files(store, "tmp") == []


def test_opening_sweeps_temporaries_of_days_ago(store: Store) -> None:
    store.put_value(VALUE)
    old, fresh = store.root / "tmp" / "old", store.root / "tmp" / "fresh"
    old.touch()
    fresh.touch()
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    open_store(store.root)
    assert files(store, "tmp") == [fresh]


def test_a_store_removed_under_way_is_made_anew(store: Store) -> None:
    store.put_value(VALUE)
    for path in sorted(store.root.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    artifact = store.put_value(VALUE)
    assert np.array_equal(store.get_value(artifact), VALUE)


WRITER = """
import sys, numpy as np
from jupyter_mlpipe.store.store import open_store
from jupyter_mlpipe.store.mapping import MAPPED_BYTES, is_local, map_file
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.sharing import find_groups
store = open_store(sys.argv[1])
print("ready", flush=True)
for i in range(int(sys.argv[2])):
    artifacts = {n: store.put_value(np.arange(400_000.0) + i + k) for k, n in enumerate("ab")}
    store.put_record(Record(f"{i:064x}", outputs=artifacts))
"""


def start_writer(store: Store, n_records: int) -> subprocess.Popen[str]:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(store.root), str(n_records)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "ready\n"
    return writer


def test_killed_writers_leave_no_record_that_points_nowhere(store: Store) -> None:
    rng = random.Random(0)
    for _ in range(24):
        with start_writer(store, 10_000) as writer:
            # The moment is what is tested: anywhere in the writing of some objects and records.
            time.sleep(rng.uniform(0, 0.08))
            writer.send_signal(signal.SIGKILL)
    keys = list(store.keys())
    assert keys
    again = open_store(store.root)
    for key in keys:
        record = again.get_record(key)
        assert record is not None
        for artifact in record.outputs.values():
            assert again.get_value(artifact).shape == (400_000,)


def test_two_processes_may_write_the_same(store: Store) -> None:
    writers = [start_writer(store, 8) for _ in range(2)]
    for writer in writers:
        with writer:
            assert writer.wait() == 0
    records = [store.get_record(key) for key in store.keys()]  # noqa: SIM118 - a store is no dict
    assert len(records) == 8
    assert all(store.has(artifact) for record in records if record for artifact in record.outputs.values())
    assert files(store, "tmp") == []


LIMITED = """
import resource, signal, sys, numpy as np
from jupyter_mlpipe.errors import StoreFullError
from jupyter_mlpipe.store.store import open_store
store = open_store(sys.argv[1])
kept = store.put_value(np.arange(1000.0))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    store.put_value(np.arange(4_000_000.0))
except StoreFullError as error:
    print(error)
assert store.get_value(kept).sum() == 499500
"""


def test_a_file_size_limit_is_a_full_store(store: Store) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(store.root)], capture_output=True, text=True, check=True
    )
    assert "cannot take 32.0 MB more" in done.stdout
    assert "MLPIPE_STORE" in done.stdout
    assert files(store, "tmp") == []


@contextlib.contextmanager
def mounted(path: Path, options: str) -> Iterator[None]:
    path.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "mlpipe-test", str(path)]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting needs privileges")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_disk_says_what_was_needed_and_keeps_what_is_there(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=1m"):
        store = open_store(tmp_path / "disk" / "store")
        kept = store.put_value(VALUE)
        with pytest.raises(StoreFullError, match=r"disk/store cannot take 4\.0 MB more: no space .* free\)"):
            store.put_value(np.arange(500_000.0))
        assert files(store, "tmp") == []
        filler = tmp_path / "disk" / "filler"
        with contextlib.suppress(OSError), filler.open("wb") as file:
            file.write(bytes(1 << 20))
        with pytest.raises(StoreFullError, match="MLPIPE_STORE"):
            store.put_record(Record(KEY))
        assert np.array_equal(store.get_value(kept), VALUE)
        assert store.get_record(KEY) is None
        filler.unlink()
        store.put_record(Record(KEY))
        assert store.get_record(KEY) == Record(KEY)


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_store_that_cannot_be_written_may_be_read(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=4m"):
        store = open_store(tmp_path / "disk" / "store")
        artifact, damaged = store.put_value(VALUE), store.put_value(VALUE + 1)
        store.put_record(Record(KEY, outputs={"a": artifact}))
        os.truncate(store.objects.path(damaged.blob.object), 10)
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        store = open_store(store.root)
        record = store.get_record(KEY)
        assert record is not None
        assert np.array_equal(store.get_value(record.outputs["a"]), VALUE)
        with pytest.raises(StoreError, match="read-only"):
            store.put_value(np.arange(500.0))
        with pytest.raises(StoreError, match="read-only"):
            store.put_record(Record(KEY))
        # It cannot be moved aside; it counts as missing all the same.
        with pytest.raises(ArtifactCorruptError):
            store.get_value(damaged)
        with pytest.raises(ArtifactMissingError):
            store.get_value(damaged)


def test_a_store_path_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "store"):
        with pytest.raises(StoreError, match="a file stands where a folder is needed"):
            open_store(path)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere values are copied out of the map")
def test_large_values_are_read_without_a_copy_and_written_to_in_private(tmp_path: Path) -> None:
    array = np.arange(1_000_000.0).reshape(1000, 1000)
    store = open_store(tmp_path / "store")
    values = [array, np.asfortranarray(array), [array, {"twice": array, "other": array + 1}]]
    for value in values:
        artifact = store.put_value(value)
        path = Path(store.objects.path(artifact.blob.object))
        content = path.read_bytes()
        first, second = store.get_value(artifact), store.get_value(artifact)
        found = first[0] if isinstance(value, list) else first
        if is_local(store.root):
            assert not found.flags.owndata
        assert found.flags.f_contiguous == (value is values[1])
        found[:] = -1
        path.unlink()
        assert np.array_equal(second[0] if isinstance(value, list) else second, array)
        assert path.exists() is False
        assert store.put_value(value) == artifact
        assert path.read_bytes() == content
        if isinstance(value, list):
            assert first[1]["twice"] is found
            assert np.array_equal(first[1]["other"], array + 1)
            # One file, but no memory in common.
            assert find_groups({"a": found, "b": first[1]["other"]}, {}) == []


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere values are copied out of the map")
def test_large_tables_are_read_without_a_copy_and_written_to_in_private(tmp_path: Path) -> None:
    n_rows = 600_003
    numbers = np.arange(float(n_rows))
    table = pd.DataFrame({"a": numbers, "b": -numbers, "flag": numbers > 7, "half": numbers.astype("f4")})
    table["at"] = pd.date_range("2020", periods=n_rows, freq="s")
    table["c"], table["other"] = numbers, numbers.astype("f4")
    table["word"] = pd.array(["one", "two", "three"] * (n_rows // 3), dtype="str")
    store = open_store(tmp_path / "store")
    for value in (table, table["a"], table["at"], table.loc[:, ["a", "half"] * 6]):
        artifact = store.put_value(value)
        path = Path(store.objects.path(artifact.blob.object))
        content = path.read_bytes()
        first, second = store.get_value(artifact), store.get_value(artifact)
        same(first, value)
        if is_local(store.root) and value.shape[-1] != 12:
            column = first if value.ndim == 1 else first["a"]
            address = column.to_numpy().__array_interface__["data"][0]
            assert any(start <= address < stop for start, stop in mapped_at(path))
        if value.ndim == 1:
            first.iloc[:] = first.iloc[7]
        else:
            first.iloc[0, :] = first.iloc[7, :].to_list()
            first.iloc[:, 0] = 0.0
        same(second, value)
        same(open_store(store.root).get_value(artifact), value)
        assert path.read_bytes() == content
        assert store.put_value(second) == artifact


def same(found: Any, value: Any) -> None:
    (pd.testing.assert_series_equal if value.ndim == 1 else pd.testing.assert_frame_equal)(found, value)


def mapped_at(path: Path) -> list[tuple[int, int]]:
    """Return where the file lies in this process's memory."""
    lines = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    ranges = [line[0].split("-") for line in lines if line[-1] == str(path)]
    return [(int(start, 16), int(stop, 16)) for start, stop in ranges]


def test_a_file_that_may_lie_elsewhere_is_mapped_to_be_copied(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    with (tmp_path / "file").open("rb") as file:
        view = memoryview(map_file(file.fileno(), Path("/nowhere")))
        assert view.readonly
        assert bytes(view) == b"content"


def test_a_type_may_have_no_module(store: Store) -> None:
    kind = type("Made", (), {"__module__": None})
    value = kind()
    assert find_groups({"a": [value], "b": [value]}, {}) == [("a", "b")]
    assert find_groups({"a": [value], "b": [1]}, {}) == []
    assert store.put_value([value]).digest


def test_a_fork_of_a_process_that_has_verified_much_verifies_too(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    artifact = store.put_value(bytes(8_000_000))
    assert len(open_store(tmp_path).get_value(artifact)) == 8_000_000
    fork = multiprocessing.get_context("fork")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = fork.Process(target=lambda: open_store(tmp_path).get_value(artifact))
        child.start()
    child.join(60)
    try:
        assert child.exitcode == 0
    finally:
        child.kill()
