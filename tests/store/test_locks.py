"""What a process holds is seen by others, and ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_mlpipe.store.locks import LEASE_MARGIN_S, Claims, Leases, hold, oldest_live, remove_unheld

KEY = "ab" * 32
CLAIMS = """
import sys
from jupyter_mlpipe.store.store import open_store
store = open_store(sys.argv[1])
store.leases.take()
assert store.claims.claim(sys.argv[2])
print("ready", flush=True)
sys.stdin.read()
"""


def start_claimant(root: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", CLAIMS, str(root), KEY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_claim_is_for_one_process_and_ends_when_that_is_killed(tmp_path: Path) -> None:
    leases = Leases(tmp_path, named=True)
    claims = Claims(tmp_path, leases)
    leases.take()
    assert claims.claimant(KEY) is None
    with start_claimant(tmp_path) as other:
        assert not claims.claim(KEY)
        assert claims.claimant(KEY) == f"pid {other.pid} on {os.uname().nodename}"
        leases.give_back()
        assert oldest_live(str(tmp_path / "live")) < float("inf")
        other.send_signal(signal.SIGKILL)
    assert claims.claimant(KEY) is None
    assert oldest_live(str(tmp_path / "live")) == float("inf")
    with leases.taken():
        assert claims.claim(KEY)
        assert not claims.claim(KEY)
        claims.release(KEY)
        assert claims.claimant(KEY) is None
    remove_unheld(str(tmp_path / "live"))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_without_a_lease_nothing_is_claimed(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no lease"):
        Claims(tmp_path, Leases(tmp_path)).claim(KEY)


def test_what_is_left_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    with start_claimant(tmp_path) as other:
        remove_unheld(str(tmp_path / "claims"))
        assert [path.name for path in (tmp_path / "claims").iterdir()] == [KEY]
        other.send_signal(signal.SIGKILL)
    for name in ("claims", "live"):
        remove_unheld(str(tmp_path / name))
        assert list((tmp_path / name).iterdir()) == []


def test_a_child_that_outlives_its_parent_does_not_hold_what_that_held(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        leases = Leases(tmp_path)
        leases.take()
        is_ours = Claims(tmp_path, leases).claim(KEY)
        if not os.fork():
            os.close(writing)
            os.read(reading, 1)  # until the test ends
        os._exit(0 if is_ours else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert (tmp_path / "claims" / KEY).exists()
    assert Claims(tmp_path, Leases(tmp_path)).claimant(KEY) is None
    os.close(writing)
    os.close(reading)


def test_a_lease_is_counted_and_begins_before_it_was_taken(tmp_path: Path) -> None:
    leases, others = Leases(tmp_path), Leases(tmp_path)
    folder = tmp_path / "live"
    with leases.taken():
        with leases.taken(), others.taken():
            assert len(list(folder.iterdir())) == 2
        (file,) = folder.iterdir()
        assert leases.since == pytest.approx(file.stat().st_ctime - LEASE_MARGIN_S, abs=5)
        assert leases.since - 2 < oldest_live(str(folder)) < leases.since
    assert leases.since == 0
    assert list(folder.iterdir()) == []


def test_files_that_are_held_are_not_removed(tmp_path: Path) -> None:
    held = hold(str(tmp_path / "held"))
    (tmp_path / "left").touch()
    remove_unheld(str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["held"]
    assert held is not None
    held.release()


def test_a_folder_that_cannot_be_written_gives_no_lease_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "live").write_text("a file")
    with Leases(tmp_path).taken() as nothing:
        assert nothing is None
