"""A kernel that a test has forked can be told from one that was started by nothing that tests are about."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.kernel import Kernel
from tests.support.warm import Warm

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")

# What differs between two kernels in any case is left out: numbers of processes, files and descriptors.
_LOOK = r"""
import gc, hashlib, locale, logging, os, re, resource, signal, sys, threading, time, warnings
def told(value):
    return re.sub(r"0x[0-9a-f]+|\w+\.json|(?<=pipe:)\[\d+\]", "...", repr(value))
def of_threads():
    return sorted(re.sub(r"\d+", "n", f"{t.name} {t.daemon}") for t in threading.enumerate())
def variables(pairs):
    return sorted(pair for pair in pairs if pair[0] not in ("JPY_PARENT_PID", "PYTEST_CURRENT_TEST"))
def started_with():
    return [entry.partition("=")[::2] for entry in open("/proc/self/environ").read().split("\0") if entry]
look = {
    "modules": sorted(sys.modules),
    "arguments": told((sys.argv, sys.orig_argv)),
    "path": sys.path,
    "flags": (sys.flags, sys._xoptions, sys.warnoptions, sys.dont_write_bytecode, sys.executable),
    "folder": os.getcwd(),
    "variables": variables(os.environ.items()),
    "variables at the start": variables(started_with()),
    "test": "PYTEST_CURRENT_TEST" in os.environ,
    "parent": os.environ["JPY_PARENT_PID"] == str(os.getppid()),
    "session": os.getsid(0) == os.getpgid(0) == os.getpid(),
    "descriptors": sorted(told(os.readlink(f"/proc/self/fd/{n}")) for n in range(3)),
    "input": sys.__stdin__.read(),
    "streams": [(s.encoding, s.errors, s.line_buffering) for s in (sys.__stdout__, sys.__stderr__)],
    "threads": of_threads(),
    "signals": [told(signal.getsignal(n)) for n in sorted(signal.valid_signals())],
    "warnings": told(warnings.filters),
    "logs": [(n, told(logging.getLogger(n).handlers)) for n in sorted(logging.root.manager.loggerDict)],
    "collector": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()),
    "limits": [resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n.startswith("RLIMIT_")],
    "locale": (locale.setlocale(locale.LC_ALL), time.tzname),
    "depth": (sys.getrecursionlimit(), sys.getswitchinterval()),
    "names": sorted(globals()),
}
"""
# What our modules have noted when they were imported. Sets of functions come in the order of addresses, and
# what a fork has more is told of in any case: the file below its frames, a test's name that is no test's.
_LOOK_AT_OURS = r"""
def settled(value):
    if isinstance(value, (set, frozenset)):
        return sorted(map(settled, value))
    if type(value) is tuple:
        return [settled(part) for part in value]
    if type(value) is dict:
        return [(told(k), settled(v)) for k, v in value.items() if not is_of_fork(k)]
    return re.sub(r"handle [0-9a-f]+", "handle", told(value))
def is_of_fork(key):
    return isinstance(key, str) and key.endswith(("/warm_process.py", "PYTEST_CURRENT_TEST"))
look["ours"] = [
    (name, kept, settled(value))
    for name, module in sorted(sys.modules.items()) if name.partition(".")[0] == "jupyter_mlpipe"
    for kept, value in sorted(vars(module).items()) if kept != "__builtins__"
]
"""


@pytest.fixture
def own() -> Iterator[Warm]:
    kept = Warm()
    yield kept
    kept.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Kernel]]:
    started: list[Kernel] = []

    def start(warm: Warm | None, *, with_ours: bool = False, **environment: str) -> Kernel:
        started.append(Kernel(tmp_path, environment, warm, with_ours=with_ours))
        return started[-1]

    yield start
    for kernel in started:
        kernel.close()


def _is_forked(kernel: Kernel) -> bool:
    return any("warm_process" in word for word in psutil.Process(kernel.pid).cmdline())


def test_a_forked_kernel_is_as_one_that_was_started(own: Warm, start: Callable[..., Kernel]) -> None:
    found: list[dict[str, str]] = []
    for warm in (None, own):
        kernel = start(warm)
        assert _is_forked(kernel) == (warm is not None)
        kernel.run(_LOOK).check()
        found.append(kernel.value("{name: repr(value) for name, value in look.items()}"))
    started, forked = found
    assert started["test"] == started["parent"] == "True"
    for name in started:
        assert forked[name] == started[name], name


def test_a_forked_kernel_with_our_modules_is_as_one_that_has_loaded_them(
    start: Callable[..., Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")  # of both: sets of texts are then alike
    found: list[dict[str, Any]] = []
    with closing(Warm()) as own:
        for warm in (None, own):
            kernel = start(warm, with_ours=True)
            assert _is_forked(kernel) == (warm is not None)
            kernel.run("%load_ext jupyter_mlpipe").check()
            kernel.run(_LOOK + _LOOK_AT_OURS).check()
            found.append(kernel.value("{n: repr(v) for n, v in look.items() if n != 'ours'}"))
            found[-1] |= kernel.value("{f'{module}: {name}': v for module, name, v in look['ours']}")
    started, forked = found
    assert len(started) > 1000
    assert {name for name in started if forked.get(name) != started[name]} == set()
    assert started.keys() == forked.keys()


def test_only_kernels_that_load_ours_have_its_modules(own: Warm, start: Callable[..., Kernel]) -> None:
    ours = "[name for name in __import__('sys').modules if name.startswith('jupyter_mlpipe')]"
    assert start(own, with_ours=True).value(ours)
    assert start(own).value(ours) == []


@pytest.mark.parametrize("with_ours", [False, True])
def test_what_is_forked_has_one_thread(own: Warm, start: Callable[..., Kernel], with_ours: bool) -> None:
    parent = psutil.Process(start(own, with_ours=with_ours).pid).parent()
    assert parent is not None
    assert "warm_process" in " ".join(parent.cmdline())
    assert parent.num_threads() == 1


def test_two_forked_kernels_differ_as_kernels_do(own: Warm, start: Callable[..., Kernel]) -> None:
    drawn = [start(own).value("(hash('a'), __import__('random').random())") for _ in range(4)]
    assert drawn[0][0] != drawn[1][0]
    assert len({random for _, random in drawn}) == 4


def test_an_environment_of_its_own_starts_a_kernel(
    own: Warm, start: Callable[..., Kernel], monkeypatch: pytest.MonkeyPatch
) -> None:
    given = start(own, PYTHONHASHSEED="1")
    assert not _is_forked(given)
    monkeypatch.setenv("OF_A_TEST", "1")
    assert not _is_forked(start(own))
    monkeypatch.delenv("OF_A_TEST")
    assert _is_forked(start(own))


def test_a_forked_kernel_can_be_interrupted_started_again_and_killed(
    own: Warm, start: Callable[..., Kernel]
) -> None:
    kernel = start(own)
    cell = kernel.start("print('begun', flush=True)\nimport time\ntime.sleep(1000)")
    kernel.settle(kernel.result_of(cell), lambda result: result.outputs)
    kernel.interrupt()
    ended = kernel.wait(cell)
    assert ended.error is not None
    assert ended.error["ename"] == "KeyboardInterrupt"
    before = kernel.pid
    kernel.manager.restart_kernel(now=True)
    kernel.client.wait_for_ready(timeout=30)
    assert kernel.pid != before
    assert not psutil.pid_exists(before)
    assert kernel.value("1 + 1") == 2
    os.kill(kernel.pid, signal.SIGKILL)
    _wait_until(lambda: not kernel.manager.is_alive())


def test_a_forked_kernel_that_is_asked_to_end_ends(own: Warm, start: Callable[..., Kernel]) -> None:
    kernel = start(own)
    kernel.run(f"import atexit, pathlib\natexit.register(pathlib.Path({'ended'!r}).touch)").check()
    pid = kernel.pid
    kernel.manager.shutdown_kernel()
    assert not psutil.pid_exists(pid)
    assert (kernel.folder / "ended").exists()


def test_forked_kernels_end_with_what_they_were_forked_from(start: Callable[..., Kernel]) -> None:
    warm = Warm()
    kernel = start(warm)
    warm.close()
    _wait_until(lambda: not kernel.manager.is_alive())


def _wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)
