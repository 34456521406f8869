"""What goes, in which order, and what never does."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from jupyter_mlpipe.errors import StoreError, UsageError
from jupyter_mlpipe.model.files import File
from jupyter_mlpipe.model.status import Ingredient
from jupyter_mlpipe.store.accepted import Accepted, all_accepted, put_accepted
from jupyter_mlpipe.store.cache import Cache
from jupyter_mlpipe.store.locks import hold
from jupyter_mlpipe.store.records import Artifact, Record
from jupyter_mlpipe.store.store import Store, open_store
from tests.store.test_objects import mounted

DAY_S = 86400.0


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(tmp_path / "store")


def key_of(name: str) -> str:
    return name.encode().hex().ljust(64, "0")


def put(
    store: Store, name: str, size: int, *, seconds: float = 1.0, days: float = 0.0, reads: str = ""
) -> Artifact:
    """Write the record of a step, last used days ago; what it makes depends on its name and size alone."""
    artifact = store.put_value((name.encode() * size)[:size])
    above = (Ingredient("input", "x", reads),) if reads else ()
    record = Record(key_of(name), {"x": artifact}, ingredients=above, step=name, seconds=seconds)
    store.put_record(record)
    age(store, name, days)
    return artifact


def age(store: Store, name: str, days: float) -> None:
    key = key_of(name)
    record = store.get_record(key)
    assert record is not None
    paths = [store.root / "records" / key[:2] / key]
    paths += [Path(store.objects.path(artifact.blob.object)) for artifact in record.outputs.values()]
    for path in paths:
        os.utime(path, (time.time() - days * DAY_S - 1,) * 2)


def left(store: Store) -> list[str]:
    return sorted(record.step for key in store.keys() if (record := store.get_record(key)))  # noqa: SIM118


def test_without_limits_only_what_nothing_can_use_goes(store: Store) -> None:
    put(store, "kept", 5000, days=1000)
    orphan = Path(store.objects.path(store.put_value(b"o" * 5000).blob.object))
    torn = store.root / "records" / "ff" / ("ff" * 32)
    aside = [store.root / "tmp" / "left", store.root / "quarantine" / "bad", store.root / "pruned" / "killed"]
    for path in (torn, *aside):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 100)
    for path in (orphan, torn, *aside):
        os.utime(path, (1e9, 1e9))
    would = Cache(store).prune(dry_run=True)
    assert (would.n_leftovers, would.leftover_bytes, dict(would.steps)) == (
        5,
        orphan.stat().st_size + 400,
        {},
    )
    assert orphan.exists()
    did = Cache(store).prune()
    assert (did.n_leftovers, did.leftover_bytes, did.freed_bytes) == (5, *[would.leftover_bytes] * 2)
    assert not any(path.exists() for path in (orphan, torn, *aside))
    assert left(store) == ["kept"]
    assert Cache(store).verify().is_whole
    assert Cache(store).ls().total_bytes == did.left_bytes


def test_what_is_old_goes_with_what_only_it_has(store: Store) -> None:
    first = put(store, "old", 5000, seconds=7, days=31)
    store.put_record(Record(key_of("other"), {"y": first}, step="other"))
    put(store, "young", 6000, days=29)
    done = Cache(store).prune(older_than_s=30 * DAY_S)
    assert left(store) == ["other", "young"]
    assert store.has(first)  # another record has it too
    assert done.seconds == 7
    assert done.steps["old"].size < 5000
    assert list(done.steps) == ["old"]


def test_what_costs_least_for_its_bytes_and_its_time_goes_first(store: Store) -> None:
    put(store, "dear", 10_000, seconds=1000)
    put(store, "cheap", 10_000, seconds=1)
    put(store, "large", 100_000, seconds=5)
    put(store, "unused", 10_000, seconds=1000, days=1000)
    order = []
    while names := left(store):
        size = Cache(store).ls().total_bytes
        assert Cache(store).prune(max_size_bytes=size - 1, dry_run=True).left_bytes < size
        Cache(store).prune(max_size_bytes=size - 1)
        order += [name for name in names if name not in left(store)]
    assert order == ["unused", "large", "cheap", "dear"]


def test_a_limit_is_kept_and_no_more_goes_than_needed(store: Store) -> None:
    for index in range(10):
        put(store, f"s{index}", 10_000, days=10 - index)
    half = Cache(store).ls().total_bytes // 2
    done = Cache(store).prune(max_size_bytes=half)
    assert left(store) == [f"s{index}" for index in range(5, 10)]
    assert done.left_bytes == Cache(store).ls().total_bytes == half
    assert Cache(store).prune(max_size_bytes=half).freed_bytes == 0


def test_a_pin_keeps_a_record_and_those_above_it(store: Store) -> None:
    above = put(store, "above", 5000, days=90)
    put(store, "middle", 5000, days=90, reads=above.digest)
    put(store, "below", 5000, days=90)
    cache = Cache(store)
    assert cache.pin("middle") == key_of("middle")
    assert cache.prune(max_size_bytes=0, dry_run=True).n_pinned == 2
    cache.prune(max_size_bytes=0, older_than_s=DAY_S)
    assert left(store) == ["above", "middle"]
    assert cache.ls().steps["middle"].n_pinned == 1
    assert cache.unpin(key_of("middle")[:12]) == (key_of("middle"),)
    cache.prune(max_size_bytes=0)
    assert left(store) == []


def test_a_pin_of_a_step_is_of_the_record_that_was_used_last(store: Store) -> None:
    for days, key in ((3, "a1" * 32), (1, "a2" * 32), (2, "b3" * 32)):
        store.put_record(Record(key, step="fit"))
        os.utime(store.root / "records" / key[:2] / key, (time.time() - days * DAY_S,) * 2)
    cache = Cache(store)
    assert cache.pin("fit") == "a2" * 32
    cache.pin("b3" * 4)
    assert set(cache.unpin("fit")) == {"a2" * 32, "b3" * 32}
    with pytest.raises(UsageError, match="Nothing of 'fit' is pinned"):
        cache.unpin("fit")
    with pytest.raises(UsageError, match=r"no record of a step 'fitt'.*Did you mean 'fit'"):
        cache.pin("fitt")
    store.put_record(Record("a1a1a1a1" + "0" * 56, step="other"))
    with pytest.raises(UsageError, match="2 keys begin with 'a1a1a1a1'"):
        cache.pin("a1a1a1a1")


def test_what_is_found_during_a_lease_stays_as_long_as_that(store: Store) -> None:
    artifact = put(store, "found", 5000, days=90)
    put(store, "known", 5000, days=90)
    put(store, "other", 5000, days=90)
    user = open_store(store.root)
    assert user.get_record(key_of("known"))  # read before: it is not read again
    with user.leases.taken():
        assert user.get_record(key_of("found"))
        assert user.get_record(key_of("known"))
        new = user.put_value(b"n" * 5000)  # its record is still to come
        done = Cache(store).prune(max_size_bytes=0, older_than_s=DAY_S)
        assert done.n_live == 2
        assert left(store) == ["found", "known"]
        assert user.has(artifact)
        assert user.has(new)
        (user.root / "tmp" / "being written").touch()
        assert Cache(store).prune().n_leftovers == 0
    age(store, "found", 0)
    Cache(store).prune(max_size_bytes=0)
    assert left(store) == []
    assert not user.has(new)


def test_an_old_orphan_that_is_written_again_is_not_one(store: Store) -> None:
    orphan = Path(store.objects.path(store.put_value(b"o" * 5000).blob.object))
    os.utime(orphan, (1e9, 1e9))
    with store.leases.taken():
        artifact = store.put_value(b"o" * 5000)
        Cache(open_store(store.root)).prune()
        assert store.has(artifact)


PRUNES_STEP_BY_STEP = """
import sys
from jupyter_mlpipe.store.cache import Cache
from jupyter_mlpipe.store.store import open_store
store, folder = open_store(sys.argv[1]), sys.argv[2]
removes = False
def wait(event, arguments):
    global removes
    removes = removes or event == "os.rename" and str(arguments[0]).startswith(folder)
    if removes and event in ("os.rename", "os.listdir", "os.link", "os.remove"):
        print(event, flush=True)
        sys.stdin.readline()
sys.addaudithook(wait)
done = Cache(store).prune(max_size_bytes=0)
removes = False
print(len(done.steps), done.freed_bytes)
"""


class Pruner:
    """A process that prunes, and waits before each of its acts from when it removes what is in a folder.

    Each file is moved aside (``os.rename``), looked at, which lists the leases where nobody has changed it
    (``os.listdir``), and removed (``os.remove``), or put back (``os.link``).
    """

    def __init__(self, store: Store, folder: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", PRUNES_STEP_BY_STEP, str(store.root), str(store.root / folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Pruner:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        self._process.communicate()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _next(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def go_on(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def wait_for(self, act: str) -> None:
        """Let it go on until it is about to do this."""
        while (found := self._next()) != act:
            assert found.startswith("os."), found
            self.go_on()

    def end(self) -> str:
        """Let it go on to its end; returns how many steps and bytes it has removed."""
        self.go_on()
        while (found := self._next()).startswith("os."):
            self.go_on()
        return found


def test_what_is_used_in_the_moment_of_its_removal_is_put_back(store: Store) -> None:
    artifact = put(store, "found", 5000, days=90)
    user = open_store(store.root)
    with user.leases.taken(), Pruner(store, "records") as pruner:
        pruner.wait_for("os.rename")
        assert user.get_record(key_of("found"))
        assert pruner.end() == "0 0"
    assert left(store) == ["found"]
    assert store.has(artifact)
    assert list((store.root / "pruned").iterdir()) == []


def test_what_is_used_stays_though_who_prunes_is_killed_before_he_puts_it_back(store: Store) -> None:
    artifact = put(store, "found", 5000, days=90)
    user = open_store(store.root)
    with user.leases.taken():
        with Pruner(store, "records") as pruner:
            pruner.wait_for("os.rename")
            assert user.get_record(key_of("found"))
            pruner.go_on()
            pruner.wait_for("os.link")
        assert left(store) == []
        assert Cache(store).prune(max_size_bytes=0).n_live == 1
        assert user.get_value(artifact) == (b"found" * 5000)[:5000]
    assert left(store) == ["found"]
    assert list((store.root / "pruned").iterdir()) == []


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_is_written_in_the_moment_of_its_removal_can_be_read_at_once(
    store: Store, is_killed: bool
) -> None:
    put(store, "old", 5000, days=90)
    user = open_store(store.root)
    with Pruner(store, "objects") as pruner:
        pruner.wait_for("os.rename")
        with user.leases.taken():
            artifact = user.put_value((b"old" * 5000)[:5000])
            user.put_record(Record(key_of("new"), {"x": artifact}, step="new"))
            pruner.go_on()
            pruner.wait_for("os.link")
            # It is nowhere but aside.
            if is_killed:
                pruner.kill()
            assert user.has(artifact)
            if not is_killed:
                assert pruner.end().startswith("1 ")
            assert open_store(store.root).get_value(artifact) == (b"old" * 5000)[:5000]
    Cache(store).prune()
    assert left(store) == ["new"]
    assert Cache(store).verify().is_whole
    assert Cache(store).ls().n_leftovers == 0


def test_bytes_that_are_aside_are_read_whole(store: Store) -> None:
    digest = store.put_bytes(b"o" * 5000)
    os.utime(store.objects.path(digest), (1e9, 1e9))
    with Pruner(store, "objects") as pruner:
        pruner.wait_for("os.rename")
        pruner.go_on()
        pruner.wait_for("os.listdir")
        assert store.get_bytes(digest) == b"o" * 5000
        pruner.end()
    assert store.get_bytes(digest) == b"o" * 5000


def test_records_of_another_scheme_count_with_what_they_hold(store: Store) -> None:
    artifact = put(store, "other", 5000, seconds=3, days=40)
    path = store.root / "records" / key_of("other")[:2] / key_of("other")
    content = path.read_bytes()
    assert content.startswith(b'{"mlpipe_record":')
    number = content[len(b'{"mlpipe_record":') :].partition(b",")[0]
    path.write_bytes(content.replace(b":" + number + b",", b":99,", 1))
    os.utime(path, (time.time() - 40 * DAY_S,) * 2)
    assert left(store) == []
    assert Cache(store).ls().steps["other"].seconds == 3
    Cache(store).prune()
    assert store.has(artifact)
    assert Cache(store).prune(older_than_s=30 * DAY_S).steps["other"].n_records == 1
    assert not store.has(artifact)


def test_a_record_that_cannot_be_read_is_not_taken_for_a_torn_one(store: Store) -> None:
    put(store, "kept", 10_000, days=3)
    path = store.root / "records" / "aa" / ("aa" * 32)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path.name)  # to itself
    os.utime(path, (time.time() - 3 * DAY_S,) * 2, follow_symlinks=False)
    with pytest.raises(StoreError, match=path.name):
        Cache(store).prune(max_size_bytes=1)
    assert path.is_symlink()
    assert left(store) == ["kept"]


def test_two_do_not_prune_at_once(store: Store) -> None:
    held = hold(str(store.root / "pruning"))
    with pytest.raises(StoreError, match="pruned by another process"):
        Cache(store).prune()
    assert held is not None
    held.release()
    Cache(store).prune()


def test_what_several_records_have_is_divided_among_them(store: Store) -> None:
    artifact = put(store, "one", 10_000)
    store.put_record(Record(key_of("two"), {"x": artifact}, step="two", seconds=4))
    found = Cache(store).ls()
    assert abs(found.steps["one"].size - found.steps["two"].size) < 200
    assert sum(step.size for step in found.steps.values()) == pytest.approx(found.total_bytes, abs=2)
    assert found.steps["two"].seconds == 4


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_what_is_not_whole_is_named_with_its_step(store: Store, damage: str) -> None:
    path = Path(store.objects.path(put(store, "whole", 5000).blob.object))
    put(store, "fine", 5000)
    assert Cache(store).verify().is_whole
    acts: dict[str, Callable[[], object]] = {
        "flip": lambda: path.write_bytes(b"\x00" + path.read_bytes()[1:]),
        "cut": lambda: os.truncate(path, 10),
        "remove": path.unlink,
    }
    acts[damage]()
    (store.root / "records" / "ff").mkdir()
    (store.root / "records" / "ff" / ("ff" * 32)).write_text("{}")
    found = Cache(store).verify()
    assert found.incomplete == {key_of("whole"): "whole"}
    assert found.torn == (f"records/ff/{'ff' * 32}",)
    assert not found.is_whole
    assert list(found.damaged.values()) == ([] if damage == "remove" else [("whole",)])


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_disk_is_made_free_and_one_that_is_read_only_says_so(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=1m"):
        store = open_store(tmp_path / "disk" / "store")
        put(store, "old", 100_000, days=40)
        put(store, "young", 100_000, days=1)
        filler = tmp_path / "disk" / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(bytes(512)):
                pass
        done = Cache(store).prune(older_than_s=30 * DAY_S)
        assert done.freed_bytes > 100_000
        assert left(store) == ["young"]
        assert put(store, "new", 50_000)
        subprocess.run(["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        assert Cache(store).prune(max_size_bytes=1, dry_run=True).steps.keys() == {"young", "new"}
        assert Cache(store).verify().is_whole
        for act in (lambda: Cache(store).prune(max_size_bytes=1), lambda: Cache(store).pin("new")):
            with pytest.raises(StoreError, match="the file system is read-only"):
                act()
        with store.leases.taken():
            assert store.get_record(key_of("young"))


def test_what_files_hold_belongs_to_the_record_of_their_step(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "report.txt"
    file.write_bytes(b"long" * 10_000)
    artifact = store.put_value(File(str(file)))
    store.put_record(Record(key_of("report"), {"x": artifact}, step="report", seconds=1.0))
    for blob in store.blobs(artifact):
        if blob.inline is None:
            os.utime(store.objects.path(blob.object), (time.time() - DAY_S,) * 2)
    Cache(store).prune()
    file.unlink()
    assert Path(open_store(store.root).get_value(artifact)).read_bytes() == b"long" * 10_000
    for path in (*(store.root / "objects").rglob("*"), *(store.root / "records").rglob("*")):
        os.utime(path, (time.time() - 9 * DAY_S,) * 2)
    Cache(store).prune(older_than_s=DAY_S)
    assert not [path for path in (store.root / "objects").rglob("*") if path.is_file()]


def test_an_accepted_edit_goes_with_its_record(store: Store) -> None:
    put(store, "old", 100_000, days=9)
    put(store, "new", 100_000)
    for name in ("old", "new"):
        put_accepted(store, Accepted(key_of(name)[::-1], key_of(name), name, "", (), "ada", 0.0))
    Cache(store).prune(older_than_s=DAY_S)
    assert [accepted.step for accepted in all_accepted(store)] == ["new"]
