"""Independent steps: 8 of one second on 2 workers, and 1,000 tiny ones, against bare Dask tasks.

Run: ``python tests/benchmarks/bench_parallel.py [steps]``. Ours are ``%%component`` cells of an IPython
shell, every step in a process of its own; the cluster is up, as after the first step of a notebook.
Dask's are ``client.submit`` on workers of one thread, which start no process and keep nothing. The steps of
one second sleep, so that other work on the machine counts only where it delays what is ours; the ideal is
4 seconds.
How long the tiny ones take depends on what else the machine does, what they cost the CPUs much less.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from support import environment, ms, print_table

ROUNDS = 3
N_LONG = 8
N_WORKERS = 2


def run_ours(n_steps: int) -> dict[str, float]:
    import io

    from IPython.core.interactiveshell import InteractiveShell

    from jupyter_mlpipe import current

    shell = InteractiveShell.instance()

    def cell(text: str) -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            shell.run_cell(text).raise_error()

    def run(names: list[str]) -> float:
        started = time.perf_counter()
        done = current().run(targets=names).wait()
        assert {step.status for step in done.steps.values()} == {"succeeded"}, done
        return time.perf_counter() - started

    cell("%load_ext jupyter_mlpipe\n%pipeline mode register")
    cell(f"%pipeline cluster local --pool cpu:workers={N_WORKERS},cpus=1")
    cell("%%component first\nnothing = 0")
    run(["first"])
    for i in range(N_LONG):
        cell(f"%%component long{i}\nimport time\ntime.sleep(1)\ny{i} = {i}")
    for i in range(n_steps):
        cell(f"%%component s{i}\nx{i} = {i}")
    long = run([f"long{i}" for i in range(N_LONG)])
    before = cpu_seconds()
    tiny = run([f"s{i}" for i in range(n_steps)])
    return {"long": long, "tiny": tiny, "cpu": cpu_seconds() - before}


def cpu_seconds() -> float:
    """Return the CPU seconds of this process, those it has started, and those that have ended below them."""
    own = psutil.Process()
    seconds = sum(own.cpu_times()[:4])
    for child in own.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended meanwhile, and counts with its parent
            seconds += sum(child.cpu_times()[:4])
    return seconds


def run_dask(n_steps: int) -> dict[str, float]:
    import distributed

    def sleep(i: int) -> int:
        time.sleep(1)
        return i

    with (
        distributed.LocalCluster(
            n_workers=N_WORKERS,
            threads_per_worker=1,
            processes=False,
            dashboard_address=None,
            security=True,
            host="127.0.0.1",
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.gather(client.map(abs, range(4), pure=False))
        seconds: dict[str, float] = {}
        for name, n, work in (("long", N_LONG, sleep), ("tiny", n_steps, lambda i: i)):
            started, before = time.perf_counter(), cpu_seconds()
            client.gather([client.submit(work, i, pure=False) for i in range(n)])
            seconds[name] = time.perf_counter() - started
            seconds["cpu"] = cpu_seconds() - before
        return seconds


def main(n_steps: int) -> None:
    seconds: dict[str, dict[str, list[float]]] = {}
    loads = []
    for _ in range(ROUNDS):
        for peer in ("ours", "dask"):
            loads.append(os.getloadavg()[0])
            with tempfile.TemporaryDirectory() as folder:
                done = subprocess.run(
                    [sys.executable, __file__, peer, str(n_steps)],
                    env=environment(Path(folder)),
                    cwd=folder,
                    stdout=subprocess.PIPE,
                    text=True,
                    check=True,
                )
            for part, taken in json.loads(done.stdout.splitlines()[-1]).items():
                seconds.setdefault(peer, {}).setdefault(part, []).append(taken)
    ideal = N_LONG / N_WORKERS
    print(
        f"{N_WORKERS} workers of 1 CPU: median (worst) of {ROUNDS} rounds, "
        f"load of the machine before each {min(loads):.1f} to {max(loads):.1f}\n"
    )
    rows = []
    for peer, label in (("ours", "jupyter_mlpipe"), ("dask", "client.submit")):
        long, tiny = seconds[peer]["long"], seconds[peer]["tiny"]
        rows.append(
            (
                label,
                f"{ideal / statistics.median(long):.3f} ({ideal / max(long):.3f})",
                f"{statistics.median(tiny):.2f} s ({max(tiny):.2f} s)",
                ms(statistics.median(tiny) / n_steps),
                ms(statistics.median(seconds[peer]["cpu"]) / n_steps),
            )
        )
    head = (
        "",
        f"{N_LONG} of one second, part of the ideal",
        f"{n_steps:,} tiny ones",
        "milliseconds each",
        "CPU milliseconds each",
    )
    print_table(head, rows)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        measured = {"ours": run_ours, "dask": run_dask}[sys.argv[1]](int(sys.argv[2]))
        print(json.dumps(measured))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
