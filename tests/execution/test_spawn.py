"""``--spawn``: a new interpreter, which is told, watched and ended as a fork is."""

from __future__ import annotations

import threading

import pytest

from tests.execution.test_server import DAEMON, _eventually, _gone
from tests.support.steps import Ended, Steps


def test_it_is_a_new_interpreter_with_the_same_results_and_messages(steps: Steps) -> None:
    steps.server.ensure(["plistlib"])
    code = """
import sys
loaded = "plistlib" in sys.modules
print("out", file=sys.stderr)
import os
os.system("echo child")
x = a + 1
x"""
    spawned, forked = (
        steps.run(code, outputs=("x", "loaded"), inputs={"a": steps.artifact(41)}, spawn=spawn)
        for spawn in (True, False)
    )
    assert steps.value(spawned, "loaded") is False
    assert steps.value(spawned, "x") == 42
    assert spawned.outputs == forked.outputs == steps.store.get_shown(spawned.record)
    assert [m["type"] for m in spawned.messages if m["type"] != "output"] == ["started", "ended"]


def test_threads_follow_the_request(steps: Steps) -> None:
    code = """
import os
import numpy, threadpoolctl
pools = {pool["num_threads"] for pool in threadpoolctl.threadpool_info()}
n = os.environ["OMP_NUM_THREADS"]
"""
    ended = steps.run(code, outputs=("pools", "n"), spawn=True, cpus=2)
    assert steps.value(ended, "n") == "2"
    assert steps.value(ended, "pools") <= {2}


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        ("1 / 0", "error", "division by zero"),
        ("import os; print('last'); os._exit(3)", "exited", "status 3"),
        ("import ctypes; ctypes.string_at(0)", "crashed", "SIGSEGV"),
        ("x = b'1' * (600 << 20); import time; time.sleep(1000)", "memory", "400.0 MB asked for"),
    ],
)
def test_ends_are_told_apart(steps: Steps, code: str, kind: str, words: str) -> None:
    error = steps.run(code, spawn=True, memory_bytes=400_000_000).error
    assert error["kind"] == kind
    assert words in error["evalue"]


def test_kill_ends_it_with_its_daemons(steps: Steps) -> None:
    ended = Ended()
    spec = steps.spec(DAEMON + "while True: pass", spawn=True).to_bytes()
    thread = threading.Thread(target=steps.server.run, args=("spawned", spec, ended.messages.append))
    thread.start()
    _eventually(lambda: bool(ended.text))
    steps.server.kill("spawned")
    thread.join(20)
    assert ended.error["kind"] == "killed"
    _eventually(lambda: _gone(int(ended.text)))
