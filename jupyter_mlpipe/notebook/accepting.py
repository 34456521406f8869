"""Why a step of the notebook ran or would run, and what somebody accepts of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.execution.runs.accept import accept, revoke
from jupyter_mlpipe.execution.runs.why import Why, last_run
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import shorten
from jupyter_mlpipe.store.accepted import Accepted, all_accepted
from jupyter_mlpipe.store.users import user_name

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session


def why(session: Session, step: str) -> Why:
    """Say why a step ran in its last run, and what a plan says of it now."""
    session.registry.check(step)
    last = last_run(step, session.states.run_of(step), session.backend.runner.history, session.name)
    try:
        return Why(step, last, session.standing.plan([step])[step])
    except MLPipeError as error:
        # Why it ran is known all the same.
        return Why(step, last, None, str(error))


def accept_step(session: Session, step: str) -> Accepted:
    """Let an earlier result of a step count for its code as it stands; see `execution.runs.accept.accept`."""
    session.registry.check(step)
    runner = session.backend.runner
    return accept(
        step,
        lambda: session.standing.plan([step]),
        runner.store,
        runner.history,
        pipeline=session.name,
        user=user_name(),
    )


def revoke_step(session: Session, step: str) -> list[Accepted]:
    """Take back what was accepted for a step; see `execution.runs.accept.revoke`."""
    session.registry.check(step)
    try:
        key = session.standing.plan([step])[step].key
    except MLPipeError:
        key = None  # it may be taken back where no plan can be made, too
    return revoke(step, key, session.backend.store, pipeline=session.name)


def accepted_facts(session: Session, step: str, *, takes_back: bool = False) -> dict[str, Any]:
    """Accept an edit of a step, or take back what was accepted; returns what to say of it."""
    if takes_back:
        found = revoke_step(session, step)
        changes = [change for accepted in found for change in accepted.changes]
        text = f"{step}: no longer accepted: {shorten(changes, limit=6)}"
        return {"kind": "accept", "step": step, "accepted": False, "changes": changes, "text": text}
    accepted = accept_step(session, step)
    record = session.backend.store.get_record(accepted.record)
    saved = (
        f", which saves {describe_seconds(record.seconds)}" if record is not None and record.seconds else ""
    )
    return {
        "kind": "accept",
        "step": step,
        "accepted": True,
        "changes": list(accepted.changes),
        "key": accepted.key,
        "record": accepted.record,
        "user": accepted.user,
        "at": accepted.at,
        "text": f"{step}: accepted as unchanged: {shorten(accepted.changes, limit=6)}\n"
        f"its kept result counts for the code as it stands{saved}; "
        f"%pipeline accept {step} --revoke takes it back",
    }


def accepted_of(session: Session) -> list[Accepted]:
    """Return what was accepted of this notebook's steps, the latest first."""
    return [found for found in all_accepted(session.backend.store) if found.pipeline == session.name]
