"""How costs grow with the number of steps: registering them, reusing all of them, planning, memory.

Run: ``python tests/benchmarks/bench_scale.py [steps]...``, such as ``1000 10000 50000``. Components are cells
of one line in an IPython shell, a hundred chains side by side. One process registers them and writes the
records that their steps would have given (to run them takes minutes); a new one registers and reuses them.
What is timed is the process's own CPU: nothing here waits, and other work of the machine counts for less.
"""

from __future__ import annotations

import contextlib
import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from support import environment, ms, print_table

STEPS = (1_000, 10_000)
N_CHAINS = 100
WARM_ROUNDS = 3


def register(n_steps: int) -> list[float]:
    """Run the cells in this process; return the seconds of each."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    seconds = []

    def cell(text: str) -> float:
        with contextlib.redirect_stdout(io.StringIO()):
            started = time.process_time()
            shell.run_cell(text).raise_error()
            return time.process_time() - started

    cell("%load_ext jupyter_mlpipe\n%pipeline mode register")
    for i in range(n_steps):
        above = f"x{i - N_CHAINS}" if i >= N_CHAINS else str(i)
        seconds.append(cell(f"%%component s{i}\nx{i} = {above} + 1"))
    return seconds


def fill() -> None:
    """Write a record for each step of the notebook, as if all had run."""
    from jupyter_mlpipe.execution.runs.decide import decide
    from jupyter_mlpipe.execution.runs.inputs import take_inputs
    from jupyter_mlpipe.notebook.extension import current_session
    from jupyter_mlpipe.store.records import Record
    from jupyter_mlpipe.store.texts import pack_texts

    session = current_session()
    store = session.backend.store
    records: dict[str, Record] = {}
    for name, task in session.registry.tasks().items():
        inputs = take_inputs(task, {above: records[above] for above in task.step.upstream})
        decided = decide(task, inputs, store, companions={}, last=lambda: None, now=time.time())
        ingredients, texts = pack_texts(decided.ingredients)
        records[name] = Record(
            decided.plan.key or "",
            {output: store.put_value(name) for output in task.step.component.outputs},
            ingredients=ingredients,
            texts=texts,
            seconds=1.0,
            step=name,
            created_at=time.time(),
        )
        store.put_record(records[name])


def reuse() -> dict[str, float]:
    from jupyter_mlpipe import current

    def run() -> None:
        done = current().run().wait()
        assert {step.status for step in done.steps.values()} == {"reused"}, done

    def plan() -> None:
        assert current().plan().wholly_reused

    return {
        "new process": timed(run),
        "run": min(timed(run) for _ in range(WARM_ROUNDS)),
        "plan": min(timed(plan) for _ in range(WARM_ROUNDS)),
    }


def timed(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def peak_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def measure(n_steps: int, *, is_first: bool) -> dict[str, float]:
    """Return what one process takes, in seconds a step or MB."""
    cells = register(n_steps)
    if is_first:
        fill()
        return {}
    # The median: now and then Python's collector goes through all that there is.
    found = {"first cells": median(cells[:N_CHAINS]), "last cells": median(cells[-N_CHAINS:])}
    return {**found, **{part: taken / n_steps for part, taken in reuse().items()}, "MB": peak_mb()}


def in_new_process(n_steps: int, folder: Path, part: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, str(n_steps), part],
        env={**environment(folder / "store"), "IPYTHONDIR": str(folder / "ipython")},
        cwd=folder,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(sizes: tuple[int, ...]) -> None:
    rows = []
    for n_steps in sizes:
        with tempfile.TemporaryDirectory() as name:
            in_new_process(n_steps, Path(name), "fill")
            found = in_new_process(n_steps, Path(name), "reuse")
        parts = ("first cells", "last cells", "new process", "run", "plan")
        rows.append((f"{n_steps:,}", *(ms(found[part]) for part in parts), f"{found['MB']:.0f}"))
    print(f"CPU milliseconds a step: once, or minimum of {WARM_ROUNDS} in the same process; memory at most\n")
    head = (
        f"register: first {N_CHAINS}",
        f"last {N_CHAINS}",
        "plan and reuse, new process",
        "... same process",
        "plan alone, same process",
        "MB",
    )
    print_table(("steps", *head), rows)


if __name__ == "__main__":
    if sys.argv[2:] in (["fill"], ["reuse"]):
        print(json.dumps(measure(int(sys.argv[1]), is_first=sys.argv[2] == "fill")))
    else:
        main(tuple(int(n.replace("_", "")) for n in sys.argv[1:]) or STEPS)
