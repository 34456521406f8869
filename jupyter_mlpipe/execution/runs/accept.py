"""``accept``: somebody vouches that an edit changes nothing, and the kept result counts for the new key.

That is recorded in the store, shown wherever the step is reused, and taken back by `revoke`. It is for
the step exactly as it stands: the next edit has another key. Only what a person can judge by reading it
is accepted; an input, a parameter or a file that changed is another question, and runs the step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.keys.derive import explain, key_of, keys_beside
from jupyter_mlpipe.model.status import Ingredient, Reason, describe_reason, describe_reasons
from jupyter_mlpipe.store.accepted import Accepted, all_accepted, put_accepted, remove_accepted
from jupyter_mlpipe.store.history import History
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import Store
from jupyter_mlpipe.store.texts import unpack_texts

if TYPE_CHECKING:
    from jupyter_mlpipe.execution.runs.plan import Plan

ACCEPTABLE = frozenset({"code", "helper", "value", "setting", "package"})
"""Kinds of reasons for which a person can vouch."""

_BARS = frozenset({"reuse", "unhashable", "forced", "expired", "corrupt"})
_NAME = "accepted"
_ONLY = (
    "Only edits of code and changes of values, settings and packages can be, where the outputs stay what "
    "they are. Run the step."
)


def accepted_reasons(
    accepted: Accepted, record: Record, ingredients: Sequence[Ingredient]
) -> tuple[Reason, ...]:
    """Return why a step is reused whose edit was accepted, part by part."""
    changed = explain(unpack_texts(record.ingredients, record.texts), ingredients)
    return tuple(
        replace(reason, kind="reuse", name=_NAME, detail=f"{_edit(reason)} ({accepted.by})")
        for reason in changed
    )


def is_accepted(reasons: Sequence[Reason]) -> bool:
    """Tell whether a step is reused because somebody accepted an edit."""
    return any(reason.kind == "reuse" and reason.name == _NAME for reason in reasons)


def accept(
    step: str,
    make_plan: Callable[[], Plan],
    store: Store,
    history: History | None,
    *,
    pipeline: str,
    user: str,
) -> Accepted:
    """Let an earlier result of a step count for the step as it stands; returns what was recorded.

    It is the latest one from which the step differs only in what a person can judge: a run with other
    parameters may have come in between.

    Parameters
    ----------
    make_plan
        Plans the step and what is above it, as it stands at each call.

    Raises
    ------
    UsageError
        There is nothing to accept, or it is not for a person to judge.
    """
    plan = make_plan()
    decided = plan.decided[step]
    key, why = decided.plan.key, describe_reasons(decided.plan.reasons)
    if decided.plan.decision == "reuse":
        raise UsageError(f"There is nothing to accept: '{step}' is reused as it is ({why}).")
    if decided.plan.decision == "undecided":
        raise UsageError(
            f"Whether '{step}' has to run is not known yet ({why}). Run or accept what is above it first."
        )
    keys = history.latest_keys(pipeline, step) if history is not None else []
    if not keys:
        raise UsageError(f"'{step}' never ran: there is no result that its code could be said to give.")
    is_barred = any(reason.kind in _BARS for reason in decided.plan.reasons)
    if key is None or is_barred or store.get_record(key) is not None:
        raise UsageError(f"'{step}' cannot be accepted: {why}. {_ONLY}")
    outputs = plan.tasks[step].step.component.outputs_of_key
    earlier = [record for k in keys if (record := store.get_record(k)) is not None]
    record, changed = _nearest(earlier, decided.ingredients, outputs)
    if record is None:
        raise UsageError(f"'{step}' cannot be accepted: {why}. {_ONLY}")
    changes = tuple(describe_reason(reason) for reason in changed)
    accepted = Accepted(key, record.key, step, pipeline, changes, user, time.time())
    put_accepted(store, accepted)
    found = make_plan()[step]
    if found.decision != "reuse":
        # The kept result is too old, or gone, or rests on files that have changed.
        remove_accepted(store, key)
        raise UsageError(f"'{step}' cannot be accepted: {describe_reasons(found.reasons)}. Run the step.")
    return accepted


def _nearest(
    earlier: Sequence[Record], ingredients: Sequence[Ingredient], outputs: Sequence[str]
) -> tuple[Record | None, tuple[Reason, ...]]:
    """Return the first record from which a step differs only in what can be accepted, and in what."""
    for record in earlier:
        changed = explain(unpack_texts(record.ingredients, record.texts), ingredients)
        # With other names, or another order of names, it would make something else.
        has_same_outputs = record.key in keys_beside(key_of(record.ingredients, outputs))
        if changed and has_same_outputs and all(reason.kind in ACCEPTABLE for reason in changed):
            return record, changed
    return None, ()


def revoke(step: str, key: str | None, store: Store, *, pipeline: str) -> list[Accepted]:
    """Take back what was accepted for a step; returns it.

    Parameters
    ----------
    key
        The step's key as it stands, where it is known: it may have been accepted elsewhere.

    Raises
    ------
    UsageError
        Nothing was.
    """
    found = [
        accepted
        for accepted in all_accepted(store)
        if accepted.key == key or (accepted.step == step and accepted.pipeline == pipeline)
    ]
    if not found:
        raise UsageError(f"There is nothing to take back: no edit of '{step}' was accepted.")
    for accepted in found:
        remove_accepted(store, accepted.key)
    return found


def _edit(reason: Reason) -> str:
    if reason.kind == "code":
        return "edit of the cell"
    if reason.kind == "helper":
        return f"edit of helper {reason.name}"
    return f"change of {describe_reason(reason)}"
