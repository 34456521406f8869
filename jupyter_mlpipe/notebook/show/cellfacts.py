"""A snapshot as JupyterLab's extension shows it on the notebook's cells, words included; see `facts.ts`."""

from __future__ import annotations

from jupyter_mlpipe.execution.runs.accept import is_accepted
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot
from jupyter_mlpipe.notebook.show.graphfacts import State, run_facts, step_facts
from jupyter_mlpipe.notebook.show.look import look_of
from jupyter_mlpipe.notebook.show.notebooks import split_cell
from jupyter_mlpipe.notebook.show.stale import stale_facts
from jupyter_mlpipe.notebook.show.words import plain


def cell_facts(snapshot: RunSnapshot) -> State:
    """Return what the extension is told: the run, its steps by name, what is stale."""
    stale = stale_facts(snapshot)
    return {
        "run": run_facts(snapshot),
        "steps": {plain(step.name): _facts(step) for step in snapshot.steps},
        "stale": {"n": stale["count"], "text": stale["text"].capitalize()},
    }


def _facts(step: StepSnapshot) -> State:
    took = step.seconds if step.status in ("succeeded", "failed") else step.saved_seconds
    facts = step_facts(step)
    cell, notebook = split_cell(step.cell_id or "")
    if step.is_stale:
        # On a cell, what holds no more looks like what would run.
        look = look_of(None, step.plan)
        facts.update(sign=look.sign, colour=look.stroke)
    return {
        **facts,
        "cell": cell,
        "notebook": notebook,
        "reads": [[plain(name), plain(source)] for name, source in step.reads.items()],
        "stale": step.is_stale,
        "accepted": is_accepted(step.reasons),
        "took": describe_seconds(took) if took else "",
    }
