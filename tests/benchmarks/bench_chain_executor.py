"""100 trivial steps, each after the other, against a chain of bare `client.submit(...).result()` calls.

Run as ``python tests/benchmarks/bench_chain_executor.py``; prints a table.
"""

from __future__ import annotations

import queue
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path

import distributed
from support import print_table

from jupyter_mlpipe.execution.cluster.dask import DaskExecutor
from jupyter_mlpipe.execution.cluster.executor import Event, StepMessage
from jupyter_mlpipe.execution.process.spec import StepSpec
from jupyter_mlpipe.store.store import open_store

N_STEPS = 100
N_REPEATS = 3


def _increment(n: int) -> int:
    return n + 1


def time_bare(client: distributed.Client) -> float:
    started = time.perf_counter()
    n = 0
    for _ in range(N_STEPS):
        n = client.submit(_increment, n, pure=False).result()
    assert n == N_STEPS
    return (time.perf_counter() - started) / N_STEPS * 1000


def time_steps(executor: DaskExecutor, events: queue.SimpleQueue[Event], folder: Path) -> float:
    store = open_store(folder / ".store")
    artifact = store.put_value(0)
    started = time.perf_counter()
    for _ in range(N_STEPS):
        spec = StepSpec(
            step="increment",
            key=uuid.uuid4().hex * 2,
            code="m = n + 1",
            inputs={"n": artifact},
            outputs=("m",),
            store=str(store.root),
            folder=str(folder),
            sys_path=tuple(sys.path),
        )
        executor.submit(spec.key, "local", spec.to_bytes(), {"CPU": 1})
        while True:
            event = events.get()
            assert isinstance(event, StepMessage)
            message = event.message
            if message["type"] == "ended":
                break
        assert message["status"] == "succeeded", message
        record = store.get_record(spec.key)
        assert record is not None
        artifact = record.outputs["m"]
    assert store.get_value(artifact) == N_STEPS
    return (time.perf_counter() - started) / N_STEPS * 1000


def main() -> None:
    rows = []
    for modules in ((), ("numpy", "pandas"), ("numpy", "pandas", "pyarrow", "sklearn.ensemble")):
        ratios, steps, bares = [], [], []
        with tempfile.TemporaryDirectory() as name:
            executor = DaskExecutor()
            events: queue.SimpleQueue[Event] = queue.SimpleQueue()
            executor.listen(events.put)
            executor.start()
            executor.preload(modules)
            time.sleep(4 if modules else 1)
            with (
                distributed.LocalCluster(
                    n_workers=1, processes=False, dashboard_address=":0", security=True, host="127.0.0.1"
                ) as cluster,
                distributed.Client(cluster, set_as_default=False) as client,
            ):
                for _ in range(N_REPEATS):
                    steps.append(time_steps(executor, events, Path(name)))
                    bares.append(time_bare(client))
                    ratios.append(steps[-1] / bares[-1])
            executor.close()
        middle = (statistics.median(values) for values in (steps, bares, ratios))
        step, bare, ratio = middle
        rows.append((", ".join(modules) or "nothing", f"{step:.1f}", f"{bare:.1f}", f"{ratio:.2f}"))
    print(f"{N_STEPS} steps in a row, milliseconds a step: median of {N_REPEATS}\n")
    print_table(("imported ahead", "steps", "client.submit", "ratio"), rows)


if __name__ == "__main__":
    main()
