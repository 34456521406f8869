"""What a reused step costs: a chain of 100 steps, each with 20 ingredients besides its input.

Run: ``python tests/benchmarks/bench_reuse.py [steps]``. No step runs, no cluster starts, no artifact is read.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from support import ms, print_table

from jupyter_mlpipe.execution.runs.plan import plan_steps
from jupyter_mlpipe.execution.runs.runner import Runner
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.closure import Closure
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.pipeline import FromStep, Step
from jupyter_mlpipe.model.status import Ingredient
from jupyter_mlpipe.store.history import History
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import Store, open_store

ROUNDS = 9


def make_chain(n_steps: int) -> dict[str, StepTask]:
    tasks = {}
    for i in range(n_steps):
        code = f"x{i} = x{i - 1} + 1"
        ingredients = tuple(
            Ingredient("helper", f"helper{j}", digest("helper", i, j), "def helper(x):\n    return x\n" * 5)
            for j in range(20)
        )
        bindings = {f"x{i - 1}": FromStep(f"s{i - 1}", f"x{i - 1}")} if i else {}
        step = Step(Component(f"s{i}", code, code, outputs=(f"x{i}",)), bindings)
        tasks[step.name] = StepTask(step, Closure(ingredients=ingredients), {"seed": 7})
    return tasks


def record_all(tasks: dict[str, StepTask], store: Store) -> None:
    while not (plan := plan_steps(tasks, store, stop_at_first_run=True)).wholly_reused:
        name, decided = list(plan.decided.items())[-1]
        assert decided.plan.key is not None
        outputs = {output: store.put_value(name) for output in tasks[name].step.component.outputs}
        store.put_record(Record(decided.plan.key, outputs, ingredients=decided.ingredients, seconds=1.0))


def best_seconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def no_cluster(ahead: Sequence[str]) -> NoReturn:
    raise AssertionError("a reused step must not start a cluster")


def main() -> None:
    n_steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    tasks = make_chain(n_steps)
    with tempfile.TemporaryDirectory() as folder:
        store, history = open_store(folder), History(Path(folder) / "history.db")
        record_all(tasks, store)
        runner = Runner(store, no_cluster, history)
        plan_s = best_seconds(lambda: plan_steps(tasks, store, history, pipeline="bench"))
        run_s = best_seconds(lambda: runner.start(tasks, pipeline="bench"))
        print(f"{n_steps} reused steps, milliseconds a step: minimum of {ROUNDS}\n")
        print_table(("", "ms"), [("plan", ms(plan_s / n_steps)), ("run", ms(run_s / n_steps))])
        history.close()


if __name__ == "__main__":
    main()
