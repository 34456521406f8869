"""Pools: how they are written, in the magic and in the configuration, and what `%pipeline cluster` shows."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from traitlets import TraitError

from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.execution.cluster.pools import Pool
from jupyter_mlpipe.execution.runs.offers import Account, WorkerUse
from jupyter_mlpipe.model.resources import Offer
from jupyter_mlpipe.notebook.running.config import MLPipe
from jupyter_mlpipe.notebook.running.pools import parse_pools
from jupyter_mlpipe.notebook.show.clusterview import describe_workers
from tests.support.kernel import MIME, Kernel, Result

Start = Callable[..., Kernel]


def test_pools_as_they_are_typed() -> None:
    assert parse_pools(
        ["cpu:workers=2,cpus=1,memory=2GB", "highmem:memory=16GB", "gpu: gpus=1, licence=2.5"]
    ) == [
        Pool("cpu", 2, cpus=1.0, memory_bytes=2 * 10**9),
        Pool("highmem", memory_bytes=16 * 10**9),
        Pool("gpu", gpus=1, custom=(("licence", 2.5),)),
    ]


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["cpu"], r"'cpu' does not say what its workers offer\. Write NAME:workers=N"),
        (["cpu:"], "does not say what its workers offer"),
        ([":cpus=1"], "expected a name first"),
        (["my pool:cpus=1"], "expected a name first"),
        (["workers=2,cpus=1"], "expected a name first"),
        (["cpu:2"], r"expected NAME=AMOUNT, found '2'"),
        (["cpu:cpus="], r"expected NAME=AMOUNT, found 'cpus='"),
        (["cpu:cpus=1,"], r"expected NAME=AMOUNT, found ''"),
        (["cpu:cpus=1,cpus=2"], "'cpus' is given twice"),
        (["cpu:cpus=two"], r"cpus=two: expected a number such as 2 or 0\.5\. Write, for example, cpus=2"),
        (["cpu:cpus=0"], "must be more than zero"),
        (["cpu:workers=0"], r"must be at least 1\. Write, for example, workers=2"),
        (["cpu:workers=1.5"], "expected a whole number"),
        (["gpu:gpus=0.5"], "expected a whole number"),
        (["gpu:gpus=-1"], "must not be negative"),
        (["cpu:memory=2GiBs"], "unknown unit 'GiBs'"),
        (["cpu:cpu=2"], "write cpus=2, not cpu=2"),
        (["cpu:CPUS=2"], "write cpus=2, not CPUS=2"),
        (["cpu:MEM=2GB"], "write memory=2GB"),
        (["cpu:wrokers=2"], "write workers=2"),
        (["gpu:licence=many"], "licence=many: expected a number"),
        (["gpu:licence=0"], "must be more than zero"),
        (["cpu:cpus=1", "cpu:cpus=2"], "'cpu' is given twice"),
    ],
)
def test_what_cannot_be_understood_says_what_to_write(texts: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse_pools(texts)


def test_configuration_that_cannot_be_understood_is_refused() -> None:
    with pytest.raises(TraitError, match=r"c\.MLPipe\.pools: Pool 'cpu' does not say"):
        MLPipe(pools=["cpu"])


def show_cluster_until(kernel: Kernel, holds: Callable[[dict[str, Any]], Any]) -> Result:
    deadline = time.monotonic() + 60
    while not holds((shown := kernel.run("%pipeline cluster").check()).facts):
        assert time.monotonic() < deadline, shown.facts
    return shown


def used_by(facts: dict[str, Any]) -> list[str]:
    return sorted(use["step"] for worker in facts["workers"].values() for use in worker["in_use"])


WAIT = """
import os, time
while not os.path.exists("go"):
    time.sleep(0.01)
"""


def test_steps_go_to_their_pools_and_the_cluster_shows_who_uses_what(kernel: Kernel, tmp_path: Path) -> None:
    pools = "--pool cpu:workers=2,cpus=1,memory=2GB --pool lab:cpus=1,memory=1GB,licence=1"
    planned = kernel.run(f"%pipeline cluster local {pools}").check().facts
    assert list(planned["workers"]) == ["cpu-0", "cpu-1", "lab-0"]
    kernel.run("%pipeline mode background").check()
    kernel.run(f"%%component fit --pool lab --resource licence=1{WAIT}a = 1").check()
    kernel.run(f"%%component tune --resource licence=1{WAIT}b = 2").check()
    kernel.run(f"%%component clean --pool cpu --memory 1GB{WAIT}c = 3").check()
    shown = show_cluster_until(kernel, lambda facts: used_by(facts) == ["clean", "fit"] and facts["waiting"])
    workers = shown.facts["workers"]
    assert workers["lab-0"]["pools"] == ["lab"]
    assert workers["lab-0"]["offers"] == {"CPU": 1.0, "MEMORY": 1e9, "licence": 1.0}
    [used] = workers["lab-0"]["in_use"]
    assert (used["step"], used["amounts"]) == ("fit", {"CPU": 1.0, "licence": 1.0})
    [waiting] = shown.facts["waiting"]
    assert [step["step"] for step in waiting["steps"]] == ["tune"]
    assert waiting["why"] == "waits for 1 CPU and 1 licence: in use by fit on lab-0"
    [text] = [output["data"]["text/plain"] for output in shown.outputs if MIME in output.get("data", {})]
    assert re.search(r"lab-0 +lab +CPU=1, MEMORY=1\.0 GB, licence=1 +CPU=1, licence=1 by fit", text)
    (tmp_path / "go").touch()
    assert kernel.value("(a, b, c)") == (1, 2, 3)
    workers = kernel.run("%pipeline cluster").check().facts["workers"]
    assert [worker["in_use"] for worker in workers.values()] == [[], [], []]


def test_pool_that_is_not_there_fails_with_close_matches(kernel: Kernel) -> None:
    kernel.run("%pipeline cluster local --pool gpus:cpus=1 --pool cpu:cpus=1").check()
    failed = kernel.run("%%component fit --pool gpu\nx = 1")
    assert "Step 'fit' asks for pool 'gpu', and there is no such pool. Did you mean" in failed.traceback
    assert "(pool gpus)" in failed.traceback


def test_pools_are_refused_where_the_cluster_is_not_ours_or_has_no_such_gpus(kernel: Kernel) -> None:
    refused = kernel.run("%pipeline cluster tcp://127.0.0.1:9 --pool gpu:gpus=1").printed_error
    assert "write %pipeline cluster local --pool gpu:gpus=1" in refused
    assert 'dask worker --resources "pool.gpu=1,GPU=1"' in refused
    assert (
        "does not say what its workers offer"
        in kernel.run("%pipeline cluster local --pool gpu").printed_error
    )
    none = kernel.run("%pipeline cluster local --pool gpu:gpus=1000").printed_error
    assert "ask for 1000 GPUs (gpu: 1 x 1000), and this machine has" in none


def test_pools_of_the_configuration_are_those_of_the_cluster_that_starts(
    start_kernel: Start, tmp_path: Path
) -> None:
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text('c.MLPipe.pools = ["small:workers=2,cpus=0.5,memory=1GB"]\n')
    kernel = start_kernel(IPYTHONDIR=os.fspath(profile.parent))
    kernel.run("%%component half --pool small --cpus 0.5\nx = 1").check()
    workers = kernel.run("%pipeline cluster").check().facts["workers"]
    assert {name: worker["offers"] for name, worker in workers.items()} == {
        name: {"CPU": 0.5, "MEMORY": 1e9} for name in ("small-0", "small-1")
    }
    kernel.run('%config MLPipe.pools = ["other:cpus=10000"]').check()
    kernel.run("%%component whole --pool other\ny = 1").check()
    facts = kernel.run("%pipeline cluster").check().facts
    assert list(facts["workers"]) == ["other-0"]
    assert facts["excess"].startswith("The pools offer 10000 CPUs, and this machine has ")


def test_workers_that_have_the_same_gpus_say_so() -> None:
    both = Offer({"CPU": 1.0, "GPU": 2.0}, devices=frozenset({"host/0", "host/1"}))
    account = Account((WorkerUse("v", both, {}), WorkerUse("w", both, {}), WorkerUse("x", Offer(), {})))
    offers = [row["offers"] for row in describe_workers(account)["workers"]]
    assert offers == [
        "CPU=1, GPU=2, the GPUs shared with w",
        "CPU=1, GPU=2, the GPUs shared with v",
        "nothing",
    ]
