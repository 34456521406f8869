"""How Dask is set on clusters that we start, and for our connection to others. Does not import it."""

from __future__ import annotations

# Messages are kept after they were sent, what steps were sent included.
SHORT_LOGS: dict[str, object] = {"distributed.admin.low-level-log-length": 100}
OF_OURS: dict[str, object] = {
    # Retries are the run machine's.
    "distributed.scheduler.allowed-failures": 0,
    "distributed.scheduler.work-stealing": False,
    # It is idle between two cells, however long that is.
    "distributed.scheduler.idle-timeout": None,
    "distributed.scheduler.no-workers-timeout": None,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.profile.enabled": False,
    **SHORT_LOGS,
    # They tell whoever asks about tasks, calls and logs, also without a dashboard.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # Nobody looks at what these measure, all the time, in the notebook's own process.
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.log-length": 10,
    "distributed.diagnostics.computations.max-history": 1,
}
