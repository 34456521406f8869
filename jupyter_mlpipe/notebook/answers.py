"""What the command line asks of the session in the kernel; each answer is JSON text."""

from __future__ import annotations

import json
from collections.abc import Sequence

from IPython.core.getipython import get_ipython

from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.model.planned import plan_json
from jupyter_mlpipe.notebook import accepting, checkup
from jupyter_mlpipe.notebook.adopt import unstorable_values
from jupyter_mlpipe.notebook.extension import current_session
from jupyter_mlpipe.notebook.session import Session
from jupyter_mlpipe.notebook.show.drawing import pipeline_dot
from jupyter_mlpipe.notebook.show.painting import pipeline_svg
from jupyter_mlpipe.notebook.show.tracebacks import render


def finish(targets: Sequence[str]) -> str:
    """Reach the targets, if any were asked for, and wait for everything that runs."""
    session = current_session()
    missing = [name for name in targets if session.states.run_of(name) is None]
    if missing:
        session.start(missing)
    session.wait()
    return _state(session)


def cancel() -> str:
    """Cancel what runs, and wait until it is gone."""
    session = current_session()
    session.runs.cancel()
    session.wait()
    return _state(session)


def _state(session: Session) -> str:
    tracebacks = {name: render(error) for name, error in session.states.errors().items()}
    return json.dumps({**session.standing.snapshot(plan=False).to_json(), "tracebacks": tracebacks})


def plan(targets: Sequence[str], force: Sequence[str]) -> str:
    """Return the plan of the whole pipeline, or of the targets and what is above them."""
    return json.dumps(plan_json(current_session().standing.plan(targets or None, force=force)))


def why(steps: Sequence[str]) -> str:
    """Return why a step ran the last time, and what a plan says of it now."""
    (step,) = steps
    return json.dumps(accepting.why(current_session(), step).to_json())


def accept(steps: Sequence[str], takes_back: Sequence[str]) -> str:
    """Accept an edit of a step, or take back what was accepted where `takes_back` is not empty."""
    (step,) = steps
    try:
        return json.dumps(accepting.accepted_facts(current_session(), step, takes_back=bool(takes_back)))
    except UsageError as error:
        return json.dumps({"refused": str(error)})


def unstorable(names: Sequence[str]) -> str:
    """Return which of the names stand for what cannot be stored; for a notebook without our extension too."""
    return json.dumps(unstorable_values(names, getattr(get_ipython(), "user_ns", {})))


def graph(targets: Sequence[str], force: Sequence[str]) -> str:
    """Return the picture of the pipeline as SVG and as DOT."""
    snapshot = current_session().standing.snapshot()
    return json.dumps({"svg": pipeline_svg(snapshot), "dot": pipeline_dot(snapshot)})


def check() -> str:
    """Return where the store is, and what a check of the kernel's installation finds."""
    return json.dumps(checkup.facts(current_session()))


def begin_trial(folders: Sequence[str]) -> str:
    """Have the steps to come run on a cluster of their own, and be kept in a folder."""
    (folder,) = folders
    checkup.begin_trial(current_session(), folder)
    return json.dumps({})
