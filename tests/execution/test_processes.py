"""What Linux says of processes."""

from __future__ import annotations

import os
import subprocess
import sys

from jupyter_mlpipe.execution.process.processes import has_idle_cpu
from tests.support.dask_cluster import wait_for


def test_no_cpu_is_idle_where_more_run_than_there_are() -> None:
    spinning = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)
    ]
    try:
        # This process is one more that runs, while it asks.
        wait_for(lambda: not has_idle_cpu())
    finally:
        for process in spinning:
            process.kill()
            process.wait()
