"""Looking after a shared store, and how little is asked of its place; on a disk, where files can be old."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from blake3 import blake3
from fsspec.implementations.local import LocalFileSystem

from jupyter_mlpipe.errors import StoreError, StoreFullError, UsageError
from jupyter_mlpipe.model.status import Ingredient
from jupyter_mlpipe.store.cache import Cache
from jupyter_mlpipe.store.logs import log_path
from jupyter_mlpipe.store.records import Artifact, Record
from jupyter_mlpipe.store.signing import Keyring
from jupyter_mlpipe.store.store import Store, open_store

DAY_S = 86400.0
Become = Callable[..., None]


class Counted(LocalFileSystem):  # type: ignore[misc]
    """Files on a disk that counts what it is asked."""

    protocol = "counted"
    asked: list[str] = []  # noqa: RUF012

    def __init__(self, **options: Any) -> None:
        super().__init__(auto_mkdir=True, **options)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        stripped: str = LocalFileSystem._strip_protocol(path.removeprefix("counted://"))
        return stripped

    def find(self, path: str, **options: Any) -> Any:
        self.asked.append("list")
        return super().find(path, **options)

    def cat(self, path: Any, **options: Any) -> Any:
        self.asked.append("read")
        found = super().cat(path, **options)
        return found if isinstance(found, dict) else {path[0]: found}

    def pipe(self, path: Any, value: Any = None, **options: Any) -> None:
        self.asked.append("write")
        super().pipe(path, value, **options)

    def put_file(self, path: str, to: str, **options: Any) -> None:
        self.asked.append("send")
        super().put_file(path, to, **options)

    def get_file(self, path: str, to: str, **options: Any) -> None:
        self.asked.append("fetch")
        super().get_file(path, to, **options)


@pytest.fixture
def shared(tmp_path: Path, become: Become) -> Iterator[Path]:
    fsspec.register_implementation("counted", Counted, clobber=True)
    Counted.asked.clear()
    yield tmp_path / "shared"
    Counted.asked.clear()


@pytest.fixture
def open_with(shared: Path, become: Become) -> Callable[..., Store]:
    """Open the store anew, with a copy by that name."""

    def open_with(cache: str = "first", *, name: str = "ada") -> Store:
        become(name, cache=cache)
        return open_store(f"counted://{shared}")

    return open_with


def key_of(name: str) -> str:
    return name.encode().hex().ljust(64, "0")


def put(store: Store, name: str, *, size: int = 5000, seconds: float = 1.0, reads: str = "") -> Artifact:
    artifact = store.put_value((name.encode() * size)[:size])
    above = (Ingredient("input", "x", reads),) if reads else ()
    shown = store.put_shown([{"text": name * 3000}])
    record = Record(key_of(name), {"x": artifact}, ingredients=above, step=name, seconds=seconds, shown=shown)
    store.put_record(record)
    return artifact


def age(shared: Path, days: float, *names: str) -> None:
    """Make records look unused for days, and all objects."""
    for path in [*shared.glob("records/*/*"), *shared.glob("objects/*/*")]:
        if path.parts[-3] == "objects" or path.name in map(key_of, names):
            os.utime(path, (time.time() - days * DAY_S,) * 2)


def steps(shared: Path) -> list[str]:
    return sorted(bytes.fromhex(path.name).rstrip(b"\0").decode() for path in shared.glob("records/*/*"))


def test_records_that_are_found_one_by_one_come_in_few_requests(open_with: Callable[..., Store]) -> None:
    store = open_with()
    names = [f"s{n:02}" for n in range(60)]
    for name in names:
        put(store, name)
    Counted.asked.clear()
    store = open_with("second")
    store.refresh()
    for name in names:
        record = store.get_record(key_of(name))
        assert record is not None
        assert record.shown is not None
        assert store.objects.is_whole(record.shown)
        assert store.has(record.outputs["x"])
    assert Counted.asked == ["list", "read", "read"]
    # With the copy, what there is has to be listed only.
    Counted.asked.clear()
    store = open_with("second")
    store.refresh()
    assert all(store.get_record(key_of(name)) for name in names)
    assert Counted.asked == ["list"]


def test_making_a_result_takes_a_request_for_each_file(open_with: Callable[..., Store]) -> None:
    store = open_with()
    put(store, "fit")
    assert Counted.asked == ["send", "send", "write"]


def test_what_was_not_used_for_long_goes_and_what_a_pin_needs_stays(
    open_with: Callable[..., Store], shared: Path
) -> None:
    store = open_with()
    above = put(store, "above")
    for name in ("below", "old", "young"):
        put(store, name, reads=above.digest if name == "below" else "")
    cache = Cache(open_with())
    cache.pin("below")
    age(shared, 40, "above", "below", "old")
    would = cache.prune(older_than_s=30 * DAY_S, dry_run=True)
    assert (list(would.steps), would.n_pinned) == (["old"], 2)
    assert steps(shared) == ["above", "below", "old", "young"]
    done = cache.prune(older_than_s=30 * DAY_S)
    assert (list(done.steps), done.freed_bytes) == (["old"], would.freed_bytes)
    assert steps(shared) == ["above", "below", "young"]
    assert cache.verify().is_whole
    assert list(open_with("second").keys())
    # Whoever has a copy of it sees that it is gone.
    assert open_with().get_record(key_of("old")) is None
    assert cache.unpin("below") == (key_of("below"),)
    assert list(cache.prune(older_than_s=30 * DAY_S).steps) == ["above", "below"]
    assert cache.ls().steps.keys() == {"young"}
    with pytest.raises(UsageError, match="no record of a step 'old'"):
        cache.pin("old")


def test_what_is_younger_than_a_day_stays_whatever_is_asked(
    open_with: Callable[..., Store], shared: Path
) -> None:
    store = open_with()
    put(store, "fit")
    store.put_value(b"no record has this " * 300)
    assert Cache(store).prune(max_size_bytes=0, older_than_s=0).n_live == 1
    age(shared, 2)
    assert Cache(store).prune().n_leftovers == 1  # the object that no record has
    assert Cache(store).prune(max_size_bytes=0).n_live == 1
    age(shared, 2, "fit")
    assert Cache(store).prune(max_size_bytes=0).left_bytes == 0
    assert not [path for path in shared.rglob("*") if path.is_file()]


def test_what_a_run_reuses_counts_as_used(open_with: Callable[..., Store], shared: Path) -> None:
    store = open_with()
    put(store, "reused")
    put(store, "looked at")
    age(shared, 40, "reused", "looked at")
    for cache in ("first", "second"):
        store = open_with(cache)
        store.get_record(key_of("looked at"))
        with store.in_use():
            store.refresh()
            assert store.get_record(key_of("reused")) is not None
        assert Cache(store).ls().steps["reused"].used_at > time.time() - DAY_S
        age(shared, 40, "reused")
    with store.in_use():
        store.refresh(anew=True)
        assert store.get_record(key_of("reused")) is not None
    assert list(Cache(open_with()).prune(older_than_s=30 * DAY_S).steps) == ["looked at"]


def test_damage_is_found_and_told(open_with: Callable[..., Store], shared: Path, become: Become) -> None:
    store = open_with()
    for name in ("damaged", "gone", "whole", "torn"):
        put(store, name)
    other = open_with("other", name="bob")
    put(other, "whole")
    store = open_with()
    damaged, gone = (
        shared / "objects" / digest[:2] / digest
        for digest in (_record(store, name).outputs["x"].blob.object for name in ("damaged", "gone"))
    )
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    gone.unlink()
    (torn,) = shared.glob(f"records/*/{key_of('torn')}")
    torn.write_bytes(torn.read_bytes()[:-9])
    found = Cache(open_with("fresh")).verify()
    assert not found.is_whole
    assert found.damaged == {damaged.name: ("damaged",)}
    assert found.incomplete == {key_of("damaged"): "damaged", key_of("gone"): "gone"}
    assert found.torn == (str(torn.relative_to(shared)),)
    assert found.untrusted == {key_of("whole"): "whole"}
    assert list(shared.glob(f"quarantine/{damaged.name}*"))
    assert Cache(open_with("other", name="bob")).verify().untrusted.keys() >= {key_of("gone")}


def _record(store: Store, name: str) -> Record:
    record = store.get_record(key_of(name))
    assert record is not None
    return record


def test_copies_that_nobody_needed_for_long_go_and_come_back(
    open_with: Callable[..., Store], shared: Path
) -> None:
    store = open_with()
    put(store, "fit")
    copied = [*store.root.glob("objects/*/*"), *store.root.glob("records/*/*")]
    assert len(copied) == 3
    for path in copied:
        os.utime(path, (time.time() - 40 * DAY_S,) * 2)
    os.utime(store.root / "swept", (time.time() - 2 * DAY_S,) * 2)
    store = open_with()
    assert not [path for path in copied if path.exists()]
    assert store.get_value(_record(store, "fit").outputs["x"])[:3] == b"fit"


def test_a_store_that_cannot_be_written_any_more_is_an_error_for_who_prunes(
    open_with: Callable[..., Store], shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_with()
    put(store, "fit")
    age(shared, 40, "fit")

    def refuse(self: Counted, path: str) -> None:
        raise PermissionError(path)

    monkeypatch.setattr(Counted, "rm_file", refuse)
    with pytest.raises(StoreError, match="cannot be written: access is denied"):
        Cache(store).prune(older_than_s=0)
    assert steps(shared) == ["fit"]
    assert store.signer(key_of("fit")) == Keyring().own.signer(key_of("fit"))


def test_names_that_lead_out_of_the_store_are_followed_by_nobody(
    open_with: Callable[..., Store], shared: Path, tmp_path: Path
) -> None:
    """Whoever can write to the bucket chooses names there, and must not choose what is written here."""
    store = open_with()
    put(store, "fit")
    mine = tmp_path / "mine"
    mine.write_bytes(b"mine")
    outside = os.path.relpath(mine, store.root)
    listed = counted_names(shared)
    (record,) = (name for name in listed if name.startswith("records/"))
    signed = (shared / record).read_bytes()
    evil = shared / "records" / "eve"
    evil.mkdir()
    body = json.loads(signed.partition(b"\n")[2])["record"]
    body["key"] = "66" * 32
    for name, artifact in body["outputs"].items():
        body["outputs"][name] = {
            **artifact,
            "blob": {**artifact["blob"], "object": outside},
            "codec": "files",
        }
    content = json.dumps(body).encode()
    head = b'{"mlpipe_record":4,"checksum":"%s","record":' % blake3(content).hexdigest().encode()
    (evil / ("66" * 32)).write_bytes(head + content + b"}\n")

    def find(fs: Counted, path: str, **options: Any) -> Any:
        found = LocalFileSystem.find(fs, path, **options)
        some = next(info for name, info in found.items() if "/records/" in name)
        by = record.split("/")[1]
        return {
            **found,
            f"{shared}/records/{by}/{outside}": some,
            f"{shared}/objects/..": some,
        }

    def cat(fs: Counted, paths: list[str], **options: Any) -> Any:
        return {path: signed if ".." in path else Path(path).read_bytes() for path in paths}

    fresh = open_with("fresh")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Counted, "find", find)
        patched.setattr(Counted, "cat", cat)
        assert _record(fresh, "fit").step == "fit"
        cache = Cache(fresh)
        cache.ls()
        cache.verify()
        cache.prune(dry_run=True)
    assert mine.read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ada", "first", "fresh", "mine", "shared"]


def test_a_copy_that_has_no_room_is_told_from_a_place_that_does_not_answer(
    open_with: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = put(open_with(), "fit")

    def fill(self: Counted, path: str, to: str, **options: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", to)

    monkeypatch.setattr(Counted, "get_file", fill)
    with pytest.raises(StoreFullError, match=r"The store at .*fresh.* cannot take .* more: no space is left"):
        open_with("fresh").get_value(artifact)


def test_a_place_in_memory_will_do(become: Become) -> None:
    store = open_store("memory://team/results")
    artifact = put(store, "fit")
    become("ada", cache="other")
    store = open_store("memory://team/results/")
    assert store.has(_record(store, "fit").outputs["x"])
    assert store.get_value(artifact)[:3] == b"fit"


def counted_names(shared: Path) -> list[str]:
    return sorted(str(path.relative_to(shared)) for path in shared.rglob("*") if path.is_file())


def old_log(store: Store, days: float) -> Path:
    path = Path(log_path(store.root, key_of("failed")))
    path.parent.mkdir(exist_ok=True)
    path.write_text("its last words")
    os.utime(path, (time.time() - days * DAY_S,) * 2)
    return path


def test_old_logs_of_failed_steps_are_pruned_from_the_copy(open_with: Callable[..., Store]) -> None:
    store = open_with()
    put(store, "fine")
    path = old_log(store, 8)
    seen = Cache(store).prune(dry_run=True)
    assert (seen.n_leftovers, seen.leftover_bytes) == (1, 14)
    assert path.exists()
    assert Cache(store).prune().n_leftovers == 1
    assert not path.exists()
    assert store.get_record(key_of("fine"))


def test_logs_of_steps_that_failed_lately_stay_in_the_copy(open_with: Callable[..., Store]) -> None:
    store = open_with()
    path = old_log(store, 6)
    assert Cache(store).prune().n_leftovers == 0
    assert path.exists()


def test_old_logs_go_by_themselves_with_what_was_copied_long_ago(open_with: Callable[..., Store]) -> None:
    store = open_with()
    path = old_log(store, 8)
    open_with()
    assert path.exists()  # it has been looked for a moment ago
    os.utime(store.root / "swept", (time.time() - 2 * DAY_S,) * 2)
    open_with()
    assert not path.exists()
