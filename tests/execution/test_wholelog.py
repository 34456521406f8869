"""Every line of a step that prints very much: kept, found again, and pruned."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jupyter_mlpipe.execution.process.shown import HEAD_CHARS, TAIL_CHARS
from jupyter_mlpipe.execution.runs.logs import whole_log, with_heads
from jupyter_mlpipe.store.logs import KEPT_S, log_path
from jupyter_mlpipe.store.prune import prune
from tests.support.steps import Ended, Steps

N_LINES = 100_000
LINE = "x" * 90
MUCH = f"for i in range({N_LINES}):\n    print(i, {LINE!r})\n"
WHOLE = "".join(f"{i} {LINE}\n" for i in range(N_LINES)).encode()
KEY = "ab" * 32


@pytest.fixture
def path(steps: Steps) -> Iterator[Path]:
    path = Path(log_path(steps.store.root, KEY))
    yield path
    path.unlink(missing_ok=True)


def read(steps: Steps, ended: Ended) -> bytes:
    record = ended.record if ended.ended["status"] == "succeeded" else None
    return b"".join(whole_log(steps.store, record, KEY, ended.text))


def test_every_line_of_very_much_is_kept_with_the_record(steps: Steps, path: Path) -> None:
    assert len(WHOLE) > HEAD_CHARS + TAIL_CHARS
    ended = steps.run(MUCH, key=KEY)
    assert "left out" in steps.store.get_shown(ended.record)[0]["text"]
    assert read(steps, ended) == WHOLE
    record = steps.store.get_record(KEY)
    assert record is not None
    assert record.log == ended.record.log
    assert not path.exists()
    # It goes with its record.
    assert record.log is not None
    steps.store.remove_record(KEY)
    time.sleep(0.01)
    prune(steps.store)
    assert not steps.store.objects.has(record.log)


def test_little_text_has_no_file(steps: Steps, path: Path) -> None:
    ended = steps.run("print('few')", key=KEY)
    assert ended.record.log is None
    assert not path.exists()
    assert read(steps, ended) == b"few\n"


@pytest.mark.parametrize("code", [MUCH, "print('few')\n"], ids=["much", "little"])
def test_the_log_of_a_step_that_fails_stays(steps: Steps, path: Path, code: str) -> None:
    ended = steps.run(f"{code}1 / 0", key=KEY)
    assert ended.error["ename"] == "ZeroDivisionError"
    assert read(steps, ended) == (WHOLE if code == MUCH else b"few\n")
    # A further attempt has its own.
    steps.run("1 / 0", key=KEY)
    assert path.read_bytes() == b""


def test_every_line_is_there_when_a_step_is_killed(steps: Steps, path: Path) -> None:
    last = "import os, sys\nos.write(1, b'last words\\n')\nos.kill(os.getpid(), 9)"
    ended = steps.run(MUCH + last, key=KEY)
    assert ended.error["kind"] == "signal"
    assert read(steps, ended) == WHOLE + b"last words\n"


def test_a_log_can_be_read_while_it_grows(steps: Steps, path: Path) -> None:
    go = steps.folder / "go"
    code = f"{MUCH}import os, time\nwhile not os.path.exists({str(go)!r}):\n    time.sleep(0.01)"
    ended = Ended()
    running = threading.Thread(target=lambda: ended.messages.extend(steps.run(code, key=KEY).messages))
    running.start()
    deadline = time.monotonic() + 60
    while not path.exists() or path.stat().st_size < len(WHOLE):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert path.read_bytes() == WHOLE
    go.touch()
    running.join()
    assert read(steps, ended) == WHOLE


def test_logs_of_failed_steps_are_pruned_when_they_are_old(steps: Steps, path: Path) -> None:
    steps.run("print('few')\n1 / 0", key=KEY)
    prune(steps.store)
    assert path.exists()
    old = time.time() - KEPT_S - 60
    os.utime(path, (old, old))
    prune(steps.store)
    assert not path.exists()


def test_logs_of_several_steps_have_heads() -> None:
    pieces = with_heads([("a", iter([b"1\n", b"2"])), ("b", iter([])), ("c", iter([b"3\n"]))])
    assert b"".join(pieces) == b"==> a <==\n1\n2\n\n==> b <==\n\n==> c <==\n3\n"
