"""Kernels that share a store: one computes what both want, and pruning leaves alone what a run needs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

from jupyter_mlpipe.store.cache import Cache
from jupyter_mlpipe.store.store import open_store
from tests.notebook.test_robustness import go_on, pid_of, status, waits
from tests.support.kernel import Kernel

Start = Callable[..., Kernel]
SLOW = "%%component slow" + waits("slow") + "x = 20"
BUSY = "computed by another process (pid {} on {})"


def test_a_kernel_waits_for_another_that_computes_the_same(start_kernel: Start) -> None:
    first, second = start_kernel(), start_kernel()
    running = first.start(SLOW)
    pid_of(first, "slow")
    waiting = second.start(SLOW)
    why = "waits: " + BUSY.format(first.pid, os.uname().nodename)
    second.settle(second.result_of(waiting), lambda result: result.outputs and why in result.receipt)
    go_on(first, "slow")
    assert status(first.wait(running)) == "succeeded"
    assert status(second.wait(waiting)) == "reused"
    assert second.run("x").result == "20"


def test_the_wait_ends_when_the_other_kernel_is_killed(start_kernel: Start) -> None:
    first, second = start_kernel(), start_kernel()
    first.start(SLOW)
    pid_of(first, "slow")
    waiting = second.start(SLOW)
    second.settle(second.result_of(waiting), lambda result: result.outputs and "waits: " in result.receipt)
    (second.folder / "slow.pid").unlink()
    os.kill(first.pid, signal.SIGKILL)
    pid_of(second, "slow")  # it runs there now
    go_on(second, "slow")
    assert status(second.wait(waiting)) == "succeeded"


def test_pruning_by_another_process_leaves_a_run_what_it_needs(start_kernel: Start, tmp_path: Path) -> None:
    store = tmp_path / "the store"
    kernel = start_kernel(MLPIPE_STORE=str(store))
    kernel.run("%%component above\nlarge = bytes(100_000)").check()
    kernel.run("%%component unused\nother = bytes(200_000)").check()
    for path in store.rglob("*"):
        os.utime(path, (1e9, 1e9))  # used last years ago
    kernel.run("%%component slow --background" + waits("slow") + "x = len(large)").check()
    pid_of(kernel, "slow")
    cache = Cache(open_store(store))
    gone = cache.prune(max_size_bytes=1)
    assert ([*gone.steps], gone.n_live) == (["unused"], 1)
    go_on(kernel, "slow")
    assert kernel.run("x, len(large)").check().result == "(100000, 100000)"
    assert status(kernel.run("%%component above\nlarge = bytes(100_000)")) == "reused"
    # What was removed is made again by the cell that reads it.
    assert kernel.run("len(other)").check().result == "200000"


def test_the_store_is_looked_after_from_the_notebook(kernel: Kernel) -> None:
    kernel.run("%%component fit\nmodel = bytes(50_000)").check()
    kernel.run("%%component score\nauc = len(model)").check()
    kernel.run("import jupyter_mlpipe as mlpipe, pathlib, os\ncache = mlpipe.current().cache").check()
    kernel.run("for p in pathlib.Path('.mlpipe').rglob('*'): os.utime(p, (1e9, 1e9))").check()
    shown = kernel.run("%pipeline cache ls").check()
    assert shown.facts["kind"] == "cache"
    assert shown.facts["answer"]["steps"]["fit"]["n_records"] == 1
    assert "to compute again" in shown.outputs[0]["data"]["text/plain"]
    assert kernel.run("sorted(cache.ls().steps)").result == "['fit', 'score']"
    pinned = kernel.run("%pipeline cache pin score").check()
    assert pinned.outputs[0]["data"]["text/plain"].startswith("pinned: ")
    printed = kernel.run("%pipeline cache prune --max-size 1B --dry-run --json").check().printed
    assert (json.loads(printed)["steps"], json.loads(printed)["n_pinned"]) == ({}, 2)  # its input as well
    kernel.run("%pipeline cache unpin score").check()
    assert kernel.run("cache.prune(max_size_bytes=1).seconds > 0").result == "True"
    assert kernel.run("cache.verify().n_records").result == "0"
    assert kernel.run("len(model), auc").check().result == "(50000, 50000)"
    refused = kernel.run("%pipeline cache prune --max-size much")
    assert "expected a size such as 4GB" in refused.printed_error
    assert "ls|verify|prune|pin|unpin" in kernel.run("%pipeline cache").printed_error
