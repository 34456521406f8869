"""A chain of 100 tiny steps: run, reused in the same process, reused in a new one; beside two peers.

Run: ``python tests/benchmarks/bench_chain.py [steps]``. Ours are ``%%component`` cells of an IPython shell,
run by ``current().run().wait()``: from the cells' closures to the end of the run, every step in a process of
its own. The peers' steps run in one process each: ``client.submit(...).result()`` on a Dask cluster as ours
is, which keeps nothing, and ``joblib.Memory``, which looks at a function's own text only.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support import environment, ms, print_table

ROUNDS = 5
WARM_RUNS = 5


def run_ours(n_steps: int) -> dict[str, float]:
    import contextlib
    import io

    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_mlpipe import current

    shell = InteractiveShell.instance()

    def cell(text: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            shell.run_cell(text).raise_error()

    cell("%load_ext jupyter_mlpipe\n%pipeline mode register")
    for i in range(n_steps):
        cell(f"%%component s{i}\nx{i} = {f'x{i - 1}' if i else '0'} + 1")

    def run() -> str:
        done = current().run().wait()
        assert done.status == "succeeded", done
        statuses = {step.status for step in done.steps.values()}
        assert len(statuses) == 1
        return statuses.pop()

    found, status = timed(run)
    if status == "succeeded":
        # Closures, packages and modules were looked at while the cells were registered.
        return {"cold": found, "warm": min(timed(run)[0] for _ in range(WARM_RUNS))}
    return {"new process": found}


def run_joblib(n_steps: int, folder: str) -> dict[str, float]:
    import joblib

    is_cold = not (Path(folder) / "joblib").exists()
    memory = joblib.Memory(folder, verbose=0)
    scope: dict[str, object] = {}
    source = "\n".join(f"def s{i}(n):\n    return n + 1\n" for i in range(n_steps))
    path = Path(folder) / "steps.py"
    path.write_text(source)
    exec(compile(source, str(path), "exec"), scope)
    steps = [memory.cache(scope[f"s{i}"]) for i in range(n_steps)]

    def run() -> int:
        n = 0
        for step in steps:
            n = step(n)
        return n

    found, n = timed(run)
    assert n == n_steps
    if is_cold:
        return {"cold": found, "warm": min(timed(run)[0] for _ in range(WARM_RUNS))}
    return {"new process": found}


def run_dask(n_steps: int) -> dict[str, float]:
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=1, processes=False, dashboard_address=":0", security=True, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):

        def run() -> int:
            n = 0
            for _ in range(n_steps):
                n = client.submit(lambda n: n + 1, n, pure=False).result()
            return n

        run()
        return {"cold": timed(run)[0]}


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def in_new_process(peer: str, n_steps: int, folder: Path) -> dict[str, float]:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, __file__, peer, str(n_steps), str(folder)],
        env=environment(folder),
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(n_steps: int) -> None:
    seconds: dict[str, dict[str, list[float]]] = {}
    for round_ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as name:
            for peer, n_processes in (("ours", 2), ("dask", 1), ("joblib", 2)):
                for _ in range(n_processes):
                    found = in_new_process(peer, n_steps, Path(name, f"{peer}{round_}"))
                    for part, taken in found.items():
                        seconds.setdefault(peer, {}).setdefault(part, []).append(taken / n_steps)
    labels = {
        "ours": "jupyter_mlpipe",
        "dask": "client.submit(...).result()",
        "joblib": "joblib.Memory",
    }
    print(f"{n_steps} steps in a row, milliseconds a step: median (minimum) of {ROUNDS} rounds\n")
    rows = []
    for peer, parts in seconds.items():
        cells = [
            f"{ms(statistics.median(parts[part]))} ({ms(min(parts[part]))})" if part in parts else ""
            for part in ("cold", "warm", "new process")
        ]
        rows.append((labels[peer], *cells))
    print_table(("", "run", "again, same process", "again, new process"), rows)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        _, peer, n, folder = sys.argv
        measured = {
            "ours": lambda: run_ours(int(n)),
            "dask": lambda: run_dask(int(n)),
            "joblib": lambda: run_joblib(int(n), folder),
        }[peer]()
        print(json.dumps(measured))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
