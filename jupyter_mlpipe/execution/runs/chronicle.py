"""What the history of runs is told: for people to look at, reuse never depends on it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from jupyter_mlpipe.execution.runs.state import RunState
from jupyter_mlpipe.model.metrics import numbers_to_json
from jupyter_mlpipe.model.status import RunStatus, reasons_json
from jupyter_mlpipe.store.history import HAS_RUN, History, RunEntry

_KEPT_LINES = 100  # of each diff


class Chronicle:
    """Writes down what runs come to; nothing where there is no history."""

    def __init__(self, history: History | None) -> None:
        self._history = history
        self._noted: dict[tuple[str, str], str] = {}

    def note_steps(self, state: RunState, steps: Iterable[str]) -> None:
        """Write down which records steps came to."""
        if self._history is None:
            return
        ended = []
        for step in steps:
            record, place = state.steps[step].record, (state.pipeline, step)
            # A notebook reuses the same steps over and over; only a change is worth a write.
            if record is not None and self._noted.get(place) != record.key:
                self._noted[place] = record.key
                ended.append((step, record.key, record.seconds))
        self._history.remember_all(state.pipeline, ended, "succeeded")

    def note_end(self, state: RunState, status: RunStatus) -> None:
        """Write down a run, which is about to end."""
        if self._history is None:
            return
        seconds = time.perf_counter() - state.started
        # Of a run that only reused there is no course of time to show.
        is_timed = any(step.status in HAS_RUN for step in state.steps.values())
        steps = {
            name: {
                "status": step.status,
                "key": step.key,
                "seconds": step.seconds,
                **({"reached": _rounded(step.reached), "worker": step.worker} if is_timed else {}),
                **({"reads": {n: s.step for n, s in read.items()}} if (read := step.task.inputs) else {}),
                **({"metrics": numbers_to_json(found)} if (found := step.all_metrics()) else {}),
                # Of the others it says nothing that a plan does not say again.
                **(
                    {"reasons": reasons_json(step.reasons, diff_lines=_KEPT_LINES)}
                    if step.status in HAS_RUN
                    else {}
                ),
            }
            for name, step in state.steps.items()
        }
        parameters: dict[str, object] = {}
        for step in state.steps.values():
            parameters.update(step.task.parameters)
        details = {"steps": steps, "parameters": parameters, "targets": state.targets}
        entry = RunEntry(state.id, state.pipeline, status, time.time() - seconds, seconds, details)
        self._history.add_run(entry)


def _rounded(reached: Mapping[str, float]) -> dict[str, float]:
    """Return when a step came to its states, to the millisecond."""
    return {status: round(at, 3) for status, at in reached.items() if status != "waiting"}
