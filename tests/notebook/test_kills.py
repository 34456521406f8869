"""Kills in the middle of a run on a cluster of others: nothing finished is lost, only what ran runs again."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.execution.test_dask import ForeignCluster
from tests.notebook.test_robustness import go_on, pid_of, wait_until, waits
from tests.support.alive import is_alive
from tests.support.dask_cluster import DaskCluster, end
from tests.support.kernel import Kernel

CELLS = (
    "%%component first\nimport uuid\nmark = uuid.uuid4().hex",
    "%%component second" + waits("second") + "marks = [mark, os.getpid()]",
    "%%component third\nmarks_read = marks",
)


@pytest.mark.parametrize("victim", ["worker", "fork server"])
def test_what_ended_is_kept_and_what_ran_runs_again(
    foreign_cluster: ForeignCluster, kernel: Kernel, victim: str
) -> None:
    kernel.run(f"%pipeline cluster {foreign_cluster.address}").check()
    kernel.run("%pipeline mode register").check()
    for cell in CELLS:
        kernel.run(cell).check()
    kernel.run("run = %pipeline run").check()
    step = psutil.Process(pid_of(kernel, "second"))
    mark = kernel.value("run['mark']")
    server = step.parent()
    assert server is not None
    worker = server.parent()
    assert worker is not None
    (kernel.folder / "second.pid").unlink()
    {"worker": worker, "fork server": server}[victim].kill()
    wait_until(lambda: not is_alive(step.pid), "the step ends with it")
    if victim == "worker":
        # Which is not the step's fault: it runs again, in the same run.
        assert pid_of(kernel, "second") != step.pid
        go_on(kernel, "second")
        assert kernel.value("run.wait(60).steps['first'].status") == "succeeded"
    else:
        assert kernel.value("run.wait(60).status") == "failed"
        go_on(kernel, "second")
        kernel.run("run = %pipeline run").check()
        assert kernel.value("run.wait(60).steps['first'].status") == "reused"
    assert kernel.value("(run['marks_read'][0], run.steps['second'].status)") == (mark, "succeeded")
    assert kernel.value("run['marks_read'][1]") != step.pid


def test_without_its_scheduler_a_run_fails_and_the_next_one_goes_on(kernel: Kernel, tmp_path: Path) -> None:
    folder = tmp_path / "dask"
    folder.mkdir()
    cluster = DaskCluster(folder)
    try:
        worker = cluster.worker("w", "--nthreads", "1")
        kernel.run(f"%pipeline cluster {cluster.file}").check()
        kernel.run("%pipeline mode register").check()
        for cell in CELLS:
            kernel.run(cell).check()
        kernel.run("run = %pipeline run").check()
        pid_of(kernel, "second")
        mark = kernel.value("run['mark']")
        end(cluster.scheduler)
        assert kernel.value("run.wait(60).status") == "failed"
        assert "is gone" in kernel.value("str(run.steps['second'].error)")
        # Its process may still be there, and come to its end: neither way anything is lost.
        go_on(kernel, "second")
        end(worker)
        cluster.start_scheduler()
        cluster.worker("v", "--nthreads", "1")
        kernel.run(f"%pipeline cluster {cluster.file}").check()
        kernel.run("run = %pipeline run").check()
        assert kernel.value("run.wait(60).status") == "succeeded"
        assert kernel.value("(run.steps['first'].status, run['marks_read'][0])") == ("reused", mark)
    finally:
        cluster.close()
