"""Processes that are killed while they write or prune, at moments that are drawn: what is there stays whole.

Each is forked, so that hundreds of kills take seconds, from a process that has never read an object: the
threads that digest large ones do not survive a fork.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import pytest

from jupyter_mlpipe.store.cache import Cache
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import open_store

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks"),
    pytest.mark.timeout(600),  # hundreds of processes, each flushing to a disk that others may use
]

fcntl = pytest.importorskip("fcntl")

_WAIT_S = 500.0
KILLED: list[int] = []
"""The processes that had not ended before."""
N_KILLS = 200
SIZES = (100, 3_000, 200_000, 1_500_000)
"""Kept in the record; small; written at once; digested by a thread beside the writing."""


def in_fresh_process(scenario: Callable[[Path], None], folder: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=scenario, args=(folder / "store",))
    process.start()
    process.join(_WAIT_S)
    if process.is_alive():
        process.kill()
        process.join()
    assert process.exitcode == 0


def fork(work: Callable[[], object]) -> int:
    """Start a process that does some work; it ends with status 0 where that raised nothing."""
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


@contextmanager
def forked(work: Callable[[], object]) -> Iterator[int]:
    """Kill it at the end, unless it has ended by then: it must not have failed."""
    pid = fork(work)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert status in (0, -signal.SIGKILL)
        if status:
            KILLED.append(pid)


def done(work: Callable[[], object]) -> None:
    """Do some work in a process of its own, to its end."""
    assert os.waitstatus_to_exitcode(os.waitpid(fork(work), 0)[1]) == 0


def key_of(seed: int) -> str:
    return f"{seed:064x}"


def write(root: Path, seeds: Iterator[int] | range) -> None:
    """Write records as a step does: what belongs to a seed is always the same."""
    store = open_store(root)
    with store.leases.taken():
        for seed in seeds:
            rng = random.Random(seed % 40)
            outputs = {name: store.put_value(rng.randbytes(rng.choice(SIZES))) for name in "ab"}
            store.put_record(Record(key_of(seed), outputs, step=f"s{seed % 5}", seconds=1.0))


def check(root: Path) -> None:
    """Read all that there is, as a process that knows nothing yet."""
    store = open_store(root)
    for key in store.keys():  # noqa: SIM118 - a store is no dict
        record = store.get_record(key)
        assert record is not None
        rng = random.Random(int(key, 16) % 40)
        for name in "ab":
            expected = rng.randbytes(rng.choice(SIZES))
            assert store.get_value(record.outputs[name]) == expected


def n_records(root: Path) -> int:
    return len(list(open_store(root).keys()))


def test_writers_killed_at_any_moment_leave_only_whole_records(tmp_path: Path) -> None:
    in_fresh_process(kill_writers, tmp_path)


def kill_writers(root: Path) -> None:
    rng = random.Random(1)
    for start in itertools.count(step=3):
        with forked(lambda start=start: write(root, range(start, start + 20))):  # type: ignore[misc]
            # The moment is what is tested.
            time.sleep(rng.uniform(0, 0.02))
        if start % 30 == 0:
            done(lambda: check(root))
        if len(KILLED) == N_KILLS:
            break
    done(lambda: check(root))
    n_before = n_records(root)
    assert n_before
    # What they left aside goes, and nothing else.
    cache = Cache(open_store(root))
    assert cache.ls().n_leftovers > 0  # some were killed within a write
    cache.prune()
    assert cache.ls().n_leftovers == 0
    assert n_records(root) == n_before
    done(lambda: check(root))


def test_pruners_killed_at_any_moment_leave_only_whole_records(tmp_path: Path) -> None:
    in_fresh_process(kill_pruners, tmp_path)


def kill_pruners(root: Path) -> None:
    rng = random.Random(2)
    n_left = []
    for _ in range(8):
        done(lambda: write(root, range(20)))
        for _ in range(8):
            with forked(lambda: Cache(open_store(root)).prune(max_size_bytes=0)):
                time.sleep(rng.uniform(0, 0.01))
            done(lambda: check(root))
            n_left.append(n_records(root))
    assert any(0 < n < 20 for n in n_left)
    Cache(open_store(root)).prune(max_size_bytes=0)
    assert Cache(open_store(root)).ls().total_bytes == 0


class Gate:
    """Lets users of a store in, or keeps them out: once it is closed, none of them is left inside."""

    def __init__(self, root: Path) -> None:
        self._entrance, self._inside = (root.with_name(name) for name in ("entrance", "inside"))

    @contextmanager
    def passed(self) -> Iterator[None]:
        with self._locked(self._inside, fcntl.LOCK_SH, after=self._entrance):
            yield

    @contextmanager
    def closed(self) -> Iterator[Callable[[], None]]:
        """Close it until the end, or until the function is called that this gives."""
        with ExitStack() as open_again:
            open_again.enter_context(self._locked(self._entrance, fcntl.LOCK_EX))
            open_again.enter_context(self._locked(self._inside, fcntl.LOCK_EX))
            yield open_again.close

    @contextmanager
    def _locked(self, path: Path, how: int, *, after: Path | None = None) -> Iterator[None]:
        with path.open("w") as file:
            with self._locked(after, how) if after is not None else nullcontext():
                fcntl.flock(file, how)
            yield


def read_again_and_again(root: Path, n_rounds: int) -> None:
    """What is found under a lease can be read until the lease ends, and what is missing is written again."""
    for _ in range(n_rounds):
        store = open_store(root)
        with Gate(root).passed(), store.leases.taken():
            found = {seed: store.get_record(key_of(seed)) for seed in range(8)}
            write(root, iter([seed for seed, record in found.items() if record is None]))
            for seed, record in found.items():
                record = record or store.get_record(key_of(seed))
                assert record is not None
                for artifact in record.outputs.values():
                    store.get_value(artifact)


def test_pruning_takes_nothing_from_those_who_read_and_write_meanwhile(tmp_path: Path) -> None:
    in_fresh_process(prune_meanwhile, tmp_path)


def prune_meanwhile(root: Path) -> None:
    users = {fork(lambda: read_again_and_again(root, 30)) for _ in range(2)}
    let_in: list[Callable[[], None]] = []

    def come_back(event: str, _arguments: object) -> None:
        if event == "os.rename" and let_in:
            let_in.pop()()

    # Users come back when pruning has seen that nobody is there, and is about to remove the first file.
    sys.addaudithook(come_back)
    n_removed = 0
    while users:
        with Gate(root).closed() as open_again:
            for path in (root / "records").rglob("*"):
                os.utime(path, (1e9, 1e9))  # the next lease does not cover it
            let_in.append(open_again)
            removed = Cache(open_store(root)).prune(max_size_bytes=0).steps.values()
            let_in.clear()
        n_removed += sum(step.n_records for step in removed)
        for pid in list(users):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                users.discard(pid)
                assert status == 0
    assert n_removed > 0
    done(lambda: check(root))
