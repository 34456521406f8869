"""Records survive as JSON, and a file that is not whole is no record."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from blake3 import blake3

from jupyter_mlpipe.model.status import Ingredient
from jupyter_mlpipe.store.blobs import Blob
from jupyter_mlpipe.store.records import Artifact, Record, from_bytes, to_bytes
from jupyter_mlpipe.store.store import Store, open_store

KEY = "cd" * 32
RECORD = Record(
    key=KEY,
    outputs={
        "df": Artifact("a" * 64, "arrow", 1, "pandas.DataFrame", "3 × 2", Blob("b" * 64, 5000)),
        "x": Artifact("c" * 64, "json", 1, "int", "1", Blob("d" * 64, 1, b"1")),
        "p": Artifact("e" * 64, "pickle", 1, "P", "P", Blob("f" * 64, 3, b"\x80\x05."), {"P": "0" * 64}),
    },
    left_out={"lock": "a lock"},
    ingredients=(Ingredient("code", "", "1" * 64), Ingredient("package", "pandas", "2" * 64, "3.1.1 → ü")),
    shown=Blob("9" * 64, 2, b"[]"),
    seconds=1.25,
    peak_memory_bytes=10**9,
    metrics={"auc": 0.5, "nan": "nan"},
    files={"data.csv": "3" * 64},
    step="load",
    created_at=1.7e9,
    host="h",
    user="u",
    python="3.11",
)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def test_records_come_back(store: Store) -> None:
    store.put_record(RECORD)
    assert open_store(store.root).get_record(KEY) == RECORD
    assert list(store.keys()) == [KEY]
    store.remove_record(KEY)
    store.remove_record(KEY)
    assert store.get_record(KEY) is None


def test_a_record_may_name_files_whose_names_are_no_text(store: Store) -> None:
    record = Record(KEY, files={os.fsdecode(b"\xff.csv"): "3" * 64}, texts="ü")
    store.put_record(record)
    assert open_store(store.root).get_record(KEY) == record


@pytest.mark.parametrize("wrong", [{"key": 1}, {"outputs": []}, {"shown": {"object": "../x", "size": 1}}])
def test_a_record_with_values_of_other_types_counts_as_unknown(wrong: dict[str, object]) -> None:
    body = json.dumps({**RECORD.to_json(), **wrong}).encode()
    content = to_bytes(RECORD)
    head, _, _ = content.partition(b'"checksum":"')
    assert (
        from_bytes(b'%s"checksum":"%s","record":%s}\n' % (head, blake3(body).hexdigest().encode(), body))
        is None
    )


def test_a_record_damaged_or_gone_after_it_was_read_counts_as_unknown(store: Store) -> None:
    store.put_record(RECORD)
    assert store.get_record(KEY) is store.get_record(KEY)
    (path,) = store.root.glob(f"**/{KEY}")
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    assert store.get_record(KEY) is None
    path.write_bytes(content)
    assert store.get_record(KEY) == RECORD
    path.unlink()
    assert store.get_record(KEY) is None


def test_a_later_record_replaces_the_earlier(store: Store) -> None:
    store.put_record(Record(KEY))
    store.put_record(RECORD)
    assert store.get_record(KEY) == RECORD


def test_no_damage_to_a_record_goes_unseen() -> None:
    content = to_bytes(RECORD)
    assert from_bytes(content) == RECORD
    for at in range(len(content)):
        assert from_bytes(content[:at]) is None
        damaged = bytearray(content)
        damaged[at] ^= 1
        assert from_bytes(bytes(damaged)) is None


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 500, to_bytes(Record("ee" * 32))])
def test_a_file_that_is_not_the_record_counts_as_unknown(store: Store, content: bytes) -> None:
    store.put_record(RECORD)
    path = store.root / "records" / KEY[:2] / KEY
    path.write_bytes(content)
    assert store.get_record(KEY) is None
    path.unlink()
    path.mkdir()
    assert store.get_record(KEY) is None


def test_another_schema_counts_as_unknown() -> None:
    assert from_bytes(to_bytes(RECORD).replace(b'{"mlpipe_record":', b'{"mlpipe_record":9')) is None


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "x" * 64])
def test_only_digests_are_keys(store: Store, key: str) -> None:
    assert store.get_record(key) is None
    with pytest.raises(ValueError, match="not a digest"):
        store.put_record(Record(key))


def test_record_that_settles_later_is_there_at_once_and_leaves_no_file_open(store: Store) -> None:
    n_open = len(os.listdir("/proc/self/fd"))
    store.put_record(RECORD, settles_later=True)
    assert store.get_record(KEY) == RECORD
    store.settle()
    store.settle()
    assert len(os.listdir("/proc/self/fd")) == n_open
    assert store.get_record(KEY) == RECORD
