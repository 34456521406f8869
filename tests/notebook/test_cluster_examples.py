"""The clusters of CLUSTERS.md that need what is not here: its cells run, on workers of this machine.

What stands in for Kubernetes and for a gateway has the calls that the examples make, on a real scheduler;
workers are started by the commands that the examples give.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.dask_cluster import wait_for
from tests.support.kernel import Kernel

CLUSTERS = Path(__file__).parents[2] / "jupyter_mlpipe" / "CLUSTERS.md"

KUBERNETES = """
import atexit, os, subprocess, sys
from distributed import LocalCluster

class KubeCluster(LocalCluster):
    def __init__(self, *, name, image, n_workers):
        here = {"protocol": "tcp://", "host": "127.0.0.1", "dashboard_address": None}
        super().__init__(n_workers=0, processes=False, **here)
        self._launch("default", ["dask", "worker"])

    def add_worker_group(self, name, *, n_workers, resources, worker_command):
        assert resources["limits"]["nvidia.com/gpu"] == "1"
        self._launch(name, worker_command)

    def _launch(self, group, command):
        # The operator's pods are told where the scheduler is, and what they are called.
        there = {**os.environ, "DASK_SCHEDULER_ADDRESS": self.scheduler_address}
        words = [sys.executable, "-m", *command, "--name", f"{group}-0", "--no-dashboard"]
        worker = subprocess.Popen(words, env=there, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        atexit.register(worker.terminate)
"""

GATEWAY = """
from distributed import LocalCluster

class Gateway:
    def new_cluster(self, *, worker_cores, worker_memory):
        return LocalCluster(
            n_workers=0, processes=False, protocol="tcp://", host="127.0.0.1", dashboard_address=None,
            threads_per_worker=worker_cores, memory_limit=f"{worker_memory}GiB",
        )
"""


def example(words: str) -> str:
    """The example of CLUSTERS.md in which these words are."""
    [found] = [
        code for code in re.findall(r"```python\n(.*?)```", CLUSTERS.read_text(), re.DOTALL) if words in code
    ]
    return str(found)


@pytest.fixture
def notebook(start_kernel: Callable[..., Kernel], tmp_path: Path) -> Kernel:
    libraries = tmp_path / "libraries"
    (libraries / "dask_kubernetes").mkdir(parents=True)
    (libraries / "dask_kubernetes" / "operator.py").write_text(KUBERNETES)
    (libraries / "dask_gateway.py").write_text(GATEWAY)
    return start_kernel(PYTHONPATH=str(libraries))


def workers(notebook: Kernel, n_workers: int) -> dict[str, Any]:
    """What is told of each worker, once so many are there."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = notebook.run("%pipeline cluster").check().facts["workers"]
        return found if len(found) == n_workers else None

    there: dict[str, Any] = wait_for(look)
    return there


def test_worker_groups_of_kubernetes_are_pools(notebook: Kernel) -> None:
    notebook.run(example("KubeCluster")).check()
    shown = workers(notebook, 2)
    assert shown["gpu-0"]["pools"] == ["gpu"]
    assert (shown["gpu-0"]["offers"]["GPU"], "GPU" in shown["default-0"]["offers"]) == (1.0, False)
    notebook.run("%pipeline mode register").check()
    notebook.run("%%component fit --pool gpu --gpus 1\nx = 1").check()
    notebook.run("%%component clean\ny = 2").check()
    notebook.run("run = %pipeline run\nassert run.wait().status == 'succeeded', run").check()
    assert notebook.value("[run.steps[name].worker for name in ('fit', 'clean')]") == ["gpu-0", "default-0"]


def test_a_cluster_of_a_gateway_is_used_as_it_is(notebook: Kernel) -> None:
    notebook.run(example("Gateway")).check()
    shown = workers(notebook, 4)
    assert {(offer["CPU"], offer["MEMORY"]) for offer in (w["offers"] for w in shown.values())} == {
        (4.0, 16 * 2**30)
    }
    assert notebook.run("%%component wide --cpus 4 --memory 16GB\nx = 1\nx").check().result == "1"
