"""What the steps of the notebook have printed, in this session or an earlier one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.execution.runs.logs import with_heads
from jupyter_mlpipe.execution.runs.past import list_runs, past_log

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session

_MOST_RUNS = 1000


def logs_of(session: Session, steps: Sequence[str] = ()) -> Iterator[bytes]:
    """Give all that steps have printed the last time, all by default: of one without a heading.

    Raises
    ------
    UnknownStepError
        There is no such step.
    UsageError
        One that was named has not run.
    """
    for step in steps:
        session.registry.check(step)
    if len(steps) == 1:
        return _log_of(session, steps[0])
    found = []
    for step in steps or session.registry.placed:
        try:
            found.append((step, _log_of(session, step)))
        except UsageError:
            if steps:
                raise
    return with_heads(found)


def _log_of(session: Session, step: str) -> Iterator[bytes]:
    run = session.states.run_of(step)
    if run is not None and run.steps[step].status in ("running", "succeeded", "reused", "failed"):
        return run.steps[step].log_pieces()
    store = session.backend.store
    for entry in list_runs(store, session.name, _MOST_RUNS):
        if entry.details["steps"].get(step, {}).get("status") in ("succeeded", "reused", "failed"):
            return past_log(store, entry, step)
    raise UsageError(f"Step '{step}' has not run yet: nothing is known of what it prints.")
