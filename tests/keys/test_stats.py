"""Digests of files by what the file system says of them: never an old digest for new content."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from blake3 import blake3

from jupyter_mlpipe.keys import stats
from jupyter_mlpipe.keys.stats import StatMemo

LARGE = b"0123456789abcdef" * 8192
OTHER = LARGE[::-1]


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if ten seconds had gone since any file was written."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10_000_000_000)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of files that were read to their end."""
    done: list[str] = []
    read: Callable[[str], str] = stats._read
    monkeypatch.setattr(stats, "_read", lambda path: (done.append(path), read(path))[1])
    return done


def digest_of(content: bytes) -> str:
    return blake3(content).hexdigest()


@pytest.mark.usefixtures("settled")
def test_an_unchanged_file_is_read_once_and_by_the_next_process_not_at_all(
    tmp_path: Path, reads: list[str]
) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(LARGE)
    for _ in range(2):
        memo = StatMemo()
        memo.keep_in(str(tmp_path))
        assert [memo.digest(str(path)) for _ in range(2)] == [digest_of(LARGE)] * 2
    assert reads == [str(path)]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("way", ["written", "replaced", "moved there with its times", "touched"])
def test_a_changed_file_is_read_again(tmp_path: Path, way: str) -> None:
    path, memo = tmp_path / "large.bin", StatMemo()
    path.write_bytes(LARGE)
    memo.digest(str(path))
    found = path.stat()
    if way == "touched":
        os.utime(path)
        assert memo.digest(str(path)) == digest_of(LARGE)
        return
    if way == "written":
        path.write_bytes(OTHER)
    else:
        (tmp_path / "new").write_bytes(OTHER)
        if way == "moved there with its times":
            os.utime(tmp_path / "new", ns=(found.st_atime_ns, found.st_mtime_ns))
        (tmp_path / "new").replace(path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert memo.digest(str(path)) == digest_of(OTHER)


def test_what_was_written_a_moment_ago_is_read_again_as_its_times_may_stay(
    tmp_path: Path, reads: list[str]
) -> None:
    path, memo = tmp_path / "large.bin", StatMemo()
    memo.keep_in(str(tmp_path))
    path.write_bytes(LARGE)
    assert [memo.digest(str(path)) for _ in range(2)] == [digest_of(LARGE)] * 2
    assert reads == [str(path)] * 2
    assert not (tmp_path / stats.NAME).exists()


@pytest.mark.usefixtures("settled")
def test_a_torn_or_forged_memo_counts_for_nothing(tmp_path: Path, reads: list[str]) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(LARGE)
    kept = tmp_path / stats.NAME
    memo = StatMemo()
    memo.keep_in(str(tmp_path))
    memo.digest(str(path))
    line = kept.read_bytes()
    for torn in (line[:-9], line[20:], line.replace(digest_of(LARGE).encode(), digest_of(OTHER).encode())):
        kept.write_bytes(b"\xff\0\n" + torn + b"\n\n")
        memo = StatMemo()
        memo.keep_in(str(tmp_path))
        assert memo.digest(str(path)) == digest_of(LARGE)
    assert len(reads) == 4


@pytest.mark.usefixtures("settled")
def test_a_memo_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(LARGE)
    memo = StatMemo()
    memo.keep_in(str(tmp_path / "nowhere"))
    assert memo.digest(str(tmp_path / "large.bin")) == digest_of(LARGE)


@pytest.mark.usefixtures("settled")
def test_a_memo_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "_MAX_LINES", 20)
    path = tmp_path / "large.bin"
    memo = StatMemo()
    memo.keep_in(str(tmp_path))
    for n in range(30):
        path.write_bytes(LARGE + b"%d" % n)
        memo.digest(str(path))
    memo = StatMemo()
    memo.keep_in(str(tmp_path))
    memo.digest(str(path))
    assert len((tmp_path / stats.NAME).read_bytes().splitlines()) == 10


def test_several_processes_keep_one_memo(tmp_path: Path) -> None:
    code = """
import sys, time
from jupyter_mlpipe.keys.stats import StatMemo
now = time.time_ns
time.time_ns = lambda: now() + 10_000_000_000
memo = StatMemo()
memo.keep_in(sys.argv[1])
for n in range(200):
    path = f"{sys.argv[1]}/{sys.argv[2]}-{n}"
    open(path, "wb").write(b"x" * (1 << 16))
    memo.digest(path)
"""
    started = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "abc"]
    assert [process.wait() for process in started] == [0, 0, 0]
    lines = (tmp_path / stats.NAME).read_bytes().splitlines()
    assert len(lines) == 600
    assert all(map(stats._parse, lines))


def test_a_file_that_is_cut_short_while_it_is_read_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(LARGE)
    read = stats._read
    cuts = iter([b"x", b"xy"])

    def read_and_cut(name: str) -> str:
        content = read(name)
        if (cut := next(cuts, None)) is not None:
            path.write_bytes(cut)
        return content

    monkeypatch.setattr(stats, "_read", read_and_cut)
    assert StatMemo().digest(str(path)) == digest_of(b"xy")
