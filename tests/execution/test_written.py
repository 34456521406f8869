"""Whether files can be as a reused step left them, and making them so."""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from jupyter_mlpipe.errors import ArtifactMissingError
from jupyter_mlpipe.execution.process.files import MISSING, file_digest
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.execution.runs.written import file_order, file_reasons, note_ahead, restore
from jupyter_mlpipe.keys.closure import Closure
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.pipeline import FromStep, Step
from jupyter_mlpipe.store.files import Written
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import Store, open_store

KEY = "ab" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "notebook"
    made.mkdir()
    return made


def task(folder: Path, name: str = "fit", reads: str = "", **options: Any) -> StepTask:
    bindings = {"x": FromStep(reads, "x")} if reads else {}
    return StepTask(Step(Component(name, "", ""), bindings), Closure(), folder=str(folder), **options)


def wrote(store: Store, path: str, content: bytes, **options: Any) -> Written:
    blob = store.objects.put(content)
    return Written(path, "file", blob.object, 0o644, blob, **options)


def reasons(record: Record, folder: Path, store: Store, ahead: Any = MappingProxyType({})) -> list[str]:
    return [str(reason) for reason in file_reasons(record, task(folder), store, ahead)]


def test_what_is_missing_or_changed_is_made_again(store: Store, folder: Path) -> None:
    record = Record(KEY, written=(wrote(store, "out/a.txt", b"x"), wrote(store, "b.txt", b"y" * 5000)))
    (folder / "b.txt").write_text("changed")
    assert reasons(record, folder, store) == []
    restore([(record, str(folder))], store)
    assert (folder / "out" / "a.txt").read_bytes() == b"x"
    assert (folder / "b.txt").read_bytes() == b"y" * 5000
    assert sorted(os.listdir(folder)) == ["b.txt", "out"]


def test_what_is_as_it_was_left_is_not_touched(store: Store, folder: Path) -> None:
    record = Record(KEY, written=(wrote(store, "a.txt", b"x"),))
    path = folder / "a.txt"
    path.write_bytes(b"x")
    before = path.stat()
    restore([(record, str(folder))], store)
    assert path.stat() == before


def test_a_file_that_is_there_keeps_its_bits_and_its_link(store: Store, folder: Path) -> None:
    record = Record(KEY, written=(wrote(store, "a.txt", b"x"),))
    (folder / "real.txt").write_text("old")
    (folder / "real.txt").chmod(0o640)
    (folder / "a.txt").symlink_to("real.txt")
    restore([(record, str(folder))], store)
    assert (folder / "real.txt").read_bytes() == b"x"
    assert (folder / "real.txt").stat().st_mode & 0o777 == 0o640
    assert (folder / "a.txt").is_symlink()


def test_what_only_a_digest_is_kept_of_makes_the_step_run(store: Store, folder: Path) -> None:
    path = folder / "big.bin"
    path.write_bytes(b"x")
    record = Record(KEY, written=(Written("big.bin", "file", file_digest(str(path)), 0o644),))
    assert reasons(record, folder, store) == []
    path.write_bytes(b"y")
    assert reasons(record, folder, store) == ["file big.bin which it wrote, was changed, and is not kept"]
    path.unlink()
    assert reasons(record, folder, store) == [
        "file big.bin which it wrote, is no longer there, and is not kept"
    ]


def test_what_the_code_asks_for_is_not_replaced(store: Store, folder: Path) -> None:
    record = Record(KEY, written=(wrote(store, "a.txt", b"x", careful=True),))
    assert reasons(record, folder, store) == []
    (folder / "a.txt").write_bytes(b"mine")
    assert reasons(record, folder, store) == ["file a.txt which it wrote, was changed"]


def test_content_that_is_gone_makes_the_step_run(store: Store, folder: Path) -> None:
    record = Record(KEY, written=(wrote(store, "a.txt", b"x" * 5000),))
    os.unlink(store.objects.path(record.written[0].digest))
    assert reasons(record, folder, store) == ["missing a.txt is no longer in the store"]
    with pytest.raises(ArtifactMissingError):
        restore([(record, str(folder))], store)


def test_only_what_was_removed_then_is_removed(store: Store, folder: Path) -> None:
    path = folder / "a.txt"
    path.write_bytes(b"x")
    record = Record(KEY, written=(Written("a.txt", "removed", file_digest(str(path))),))
    assert reasons(record, folder, store) == []
    path.write_bytes(b"mine")
    assert reasons(record, folder, store) == ["file a.txt which it removed, is another one"]
    restore([(record, str(folder))], store)
    assert path.read_bytes() == b"mine"
    path.write_bytes(b"x")
    restore([(record, str(folder))], store)
    assert not path.exists()
    assert reasons(record, folder, store) == []


def test_the_later_step_s_file_is_the_one_that_stays(store: Store, folder: Path) -> None:
    one, two = (Record(KEY, written=(wrote(store, "a.txt", text),)) for text in (b"1", b"2"))
    restore([(one, str(folder)), (two, str(folder))], store)
    assert (folder / "a.txt").read_bytes() == b"2"


def test_a_plan_reckons_with_what_comes_first(store: Store, folder: Path) -> None:
    first = Record(KEY, written=(wrote(store, "a.txt", b"1"), Written("b.txt", "removed")))
    ahead: dict[str, str] = {}
    note_ahead(first, str(folder), ahead)
    assert reasons(Record(KEY, files={"a.txt": first.written[0].digest}), folder, store, ahead) == []
    assert reasons(Record(KEY, files={"b.txt": MISSING}), folder, store, ahead) == []
    assert reasons(Record(KEY, files={"a.txt": MISSING}), folder, store, ahead) == [
        "file a.txt is there already"
    ]


def test_a_step_looked_up_for_those_below_leaves_its_files_alone(store: Store, folder: Path) -> None:
    record = Record(KEY, files={"log.txt": MISSING}, written=(wrote(store, "log.txt", b"1"),))
    (folder / "log.txt").write_bytes(b"mine")
    done = task(folder, made=(KEY, record))
    assert list(file_reasons(record, done, store, {})) == []


def test_the_order_of_files_is_that_of_the_steps(store: Store, folder: Path) -> None:
    tasks = {name: task(folder, name) for name in ("read", "write", "later", "other")}
    tasks["named"] = task(folder, "named", reads="write")
    records = {
        "read": Record(KEY, files={"a.txt": "1"}),
        "write": Record(KEY, written=(wrote(store, "a.txt", b"1"),)),
        "later": Record(KEY, files={"a.txt": "2"}),
        "named": Record(KEY, files={"a.txt": "2"}),
        "other": Record(KEY, files={"b.txt": "2"}),
    }
    assert file_order(tasks, records.get) == {
        "read": [],
        "write": ["read"],
        "later": ["write"],
        "other": [],
        "named": [],
    }
