"""Thousands of short steps while their processes and workers are killed: are results right, does memory grow?

Run: ``python tests/benchmarks/bench_soak.py [steps] [seconds between kills]``, such as ``2000 1.5``. A kernel
runs ten chains of five steps again and again on a Dask cluster with two workers, each round with another
parameter. What was killed is started again by the same run, and else by the next one.
Prints the memory of each role as rounds go by, in MB: shared pages divided among who shares them (PSS).
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import psutil
from support import environment, kernel, print_table

N_CHAINS, N_LINKS = 10, 5
_SERVER = "jupyter_mlpipe.execution.process.server"
STEPS = N_CHAINS * N_LINKS
SAMPLES = 12
ROLES = ("kernel", "scheduler", "worker", "fork server", "step")

DEFINE = """\
import os, jupyter_mlpipe
pipeline = jupyter_mlpipe.current()
def run_until_done(seed):
    for attempt in range(100):
        run = pipeline.run(params={"seed": seed})
        if run.wait(120).status == "succeeded":
            return run["total"], attempt + 1
    raise SystemExit(f"not done after {attempt + 1} runs: {run}")
"""


def cells() -> list[str]:
    found = ["%%parameters\nseed = 0"]
    for chain in range(N_CHAINS):
        for link in range(N_LINKS):
            before = f"v{chain}_{link - 1} + 1" if link else f"1000 * seed + {chain}"
            body = f"import time\ntime.sleep(0.02)\nv{chain}_{link} = {before}"
            found.append(f"%%component c{chain}_{link} --retries 3\n{body}")
    total = " + ".join(f"v{chain}_{N_LINKS - 1}" for chain in range(N_CHAINS))
    return [*found, f"%%component total\ntotal = {total}"]


def expected(seed: int) -> int:
    return sum(1000 * seed + chain + N_LINKS - 1 for chain in range(N_CHAINS))


class Cluster:
    """A scheduler and two workers from the command line; their nannies start killed ones again."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "scheduler.json"
        # Dask keeps the latest 1,000 messages of each connection, and an hour of profiles: here as much as in
        # clusters that we start. And what it knew of workers that are gone, for an hour.
        short_logs = {
            "DASK_DISTRIBUTED__ADMIN__LOW_LEVEL_LOG_LENGTH": "100",
            "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
            "DASK_DISTRIBUTED__SCHEDULER__EVENTS_CLEANUP_DELAY": "30s",
        }
        self._environment = {**environment(folder / "store"), **short_logs}
        where = ["--scheduler-file", str(self.file)]
        self._scheduler = self._start("scheduler", *where, "--port", "0", "--no-dashboard")
        while not self.file.exists():
            time.sleep(0.1)
        self._nannies = [self._start("worker", *where, "--nthreads", "1", "--no-dashboard") for _ in range(2)]

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *words]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(command, env=self._environment, **quiet)

    def by_role(self, kernel_pid: int) -> dict[str, list[psutil.Process]]:
        """Return the processes that live, by what they are for."""
        found = {role: list[psutil.Process]() for role in ROLES}
        found["kernel"] = [psutil.Process(kernel_pid)]
        found["scheduler"] = [psutil.Process(self._scheduler.pid)]
        workers = [child for nanny in self._nannies for child in children_of(psutil.Process(nanny.pid))]
        # A nanny has a process that looks after what multiprocessing shares, too.
        found["worker"] = [worker for worker in workers if "resource_tracker" not in line_of(worker)]
        servers = [child for worker in found["worker"] for child in children_of(worker)]
        found["fork server"] = [server for server in servers if _SERVER in line_of(server)]
        found["step"] = [child for server in found["fork server"] for child in children_of(server)]
        return found

    def close(self) -> None:
        """End it."""
        for process in (*self._nannies, self._scheduler):
            process.terminate()
            process.wait(60)


def line_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def children_of(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []


def memory_of(processes: list[psutil.Process]) -> float:
    total = 0
    for process in processes:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total / 1e6


def growth_after(rows: list[list[object]], column: int) -> float:
    """Return by how much the median of a column is larger in the second half."""
    values = [float(str(row[column])) for row in rows]
    middle = len(values) // 2
    return median(values[middle:]) - median(values[:middle] or values)


class Killer(threading.Thread):
    """Kills a step's process most of the time, a fork server or a worker now and then."""

    def __init__(self, find: Callable[[], dict[str, list[psutil.Process]]], pause_s: float) -> None:
        super().__init__(daemon=True)
        self.kills: Counter[str] = Counter()
        self._find = find
        self._pause_s = pause_s
        self._stopped = threading.Event()
        self._random = random.Random(0)

    def run(self) -> None:
        while not self._stopped.wait(self._random.uniform(0.5, 1.5) * self._pause_s):
            role = self._random.choices(ROLES[2:], (1, 1, 8))[0]
            victims = self._find()[role]
            if victims:
                try:
                    self._random.choice(victims).kill()
                    self.kills[role] += 1
                except psutil.NoSuchProcess:
                    pass

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def main(n_steps: int, pause_s: float) -> None:
    rounds = max(1, n_steps // STEPS)
    every = max(1, rounds // SAMPLES)
    rows: list[list[object]] = []
    wrong, n_runs = 0, 0
    told: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name, kernel(Path(name), Path(name) / "store") as running:
        cluster = Cluster(Path(name))
        running.run("%load_ext jupyter_mlpipe")
        running.run(f"%pipeline cluster {cluster.file}")
        running.run("%pipeline mode register")
        for cell in cells():
            running.run(cell)
        find = partial(cluster.by_role, int(running.run_and_read(DEFINE + "print(os.getpid())")[1]))
        killer = Killer(find, pause_s)
        killer.start()
        try:
            for seed in range(rounds):
                seconds, printed = running.run_and_read(f"print(*run_until_done({seed + 1}))")
                *said, result = printed.splitlines()  # said: what the notebook was told meanwhile
                total, attempts = (int(word) for word in result.split())
                told.update(line.partition("'")[0].strip() for line in said)
                wrong += total != expected(seed + 1)
                n_runs += attempts
                if seed % every == 0 or seed == rounds - 1:
                    found = find()
                    memory = [f"{memory_of(found[role]):.0f}" for role in ROLES[:4]]
                    rows.append([(seed + 1) * STEPS, f"{seconds:.1f}", *memory, sum(killer.kills.values())])
        finally:
            killer.stop()
            cluster.close()
    head = ["steps", "s, this round", *(f"{role}, MB" for role in ROLES[:4]), "kills"]
    print_table(head, rows)
    kills = ", ".join(f"{count} {role}" for role, count in sorted(killer.kills.items()))
    halves = [f"{role} {growth_after(rows, number):+.0f}" for number, role in enumerate(ROLES[:4], 2)]
    print(f"\nMB from the first to the second half, medians: {', '.join(halves)}")
    print(f"{rounds} rounds in {n_runs} runs; killed: {kills}; wrong results: {wrong}")
    for line, count in told.most_common(5):
        print(f"told {count} times: {line}")
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    given = sys.argv[1:]
    main(int(given[0]) if given else 2000, float(given[1]) if len(given) > 1 else 1.5)
