"""What a component's code reached when its cell was run, where later cells brought the changes since.

A notebook goes on: what a later cell binds or changes is not what an earlier one read. But a helper that
was edited, or a cell that was run again, makes the step stale.
"""

from __future__ import annotations

from dataclasses import replace

from jupyter_mlpipe.execution.runs.resolve import Choose
from jupyter_mlpipe.keys.closure import Closure
from jupyter_mlpipe.model.pipeline import FromNotebook, Step
from jupyter_mlpipe.notebook.steps.names import Names
from jupyter_mlpipe.notebook.steps.placed import Placed

# With a digest and without one.
_VALUES = frozenset({"value", "unhashable"})


def as_run(placed: Placed, closure: Closure, names: Names) -> Closure:
    """Return the closure as it was when the cell was last run where only later cells changed it."""
    taken = placed.taken
    if taken is None or taken is closure or not {*taken.unresolved} <= {*closure.unresolved}:
        return closure
    before, after = (by_name(c) for c in (taken, closure))
    redefined = rests_on_redefined = False
    for name, digests in before.items():
        now = after.get(name)
        if now is None and digests.keys() <= _VALUES and names.owner(name) is not None:
            redefined = True  # a later step has taken the name
            continue
        if now == digests or (now is None and digests.keys() != {"helper"}):
            continue
        if _is_of_later_cell(placed, names, name, {*digests, *(now or ())}):
            redefined = True
        elif now is not None:
            # A class keeps the base that it was made of: written out, once another one has its name.
            maker = names.maker(name)
            if maker is None or maker != placed.makers.get(name):
                return closure
            rests_on_redefined = True
    if rests_on_redefined and not redefined:
        return closure
    # What only one of two definitions of a name reaches comes with it.
    alone = () if redefined else before.keys() ^ after.keys()
    for name in alone:
        kinds = {**before, **after}[name].keys()
        # A function with variables of its own is a value, too: what changes these makes it anew.
        values = {*_VALUES, "helper"} if name in placed.choices else _VALUES
        if not kinds <= values or _is_made_anew(placed, names, name):
            return closure
    return taken


def bind_as_run(step: Step, closure: Closure, choose: Choose) -> Step:
    """Return a step with the bindings that an earlier closure needs."""
    bindings = {
        name: binding
        for name, binding in step.bindings.items()
        if isinstance(binding, FromNotebook) or name in closure.provided_reads
    }
    for name in closure.provided_reads:
        if name not in bindings and (found := choose(name)) is not None:
            bindings[name] = found
    return replace(step, bindings=bindings)


def _is_of_later_cell(placed: Placed, names: Names, name: str, kinds: set[str]) -> bool:
    """Tell whether a name stands for something else because another cell bound it."""
    maker, before = names.maker(name), placed.makers.get(name)
    if kinds & _VALUES and kinds <= {*_VALUES, "helper"}:
        return not _is_made_anew(placed, names, name)
    if kinds != {"helper"} or maker is None or before is None:
        return False
    # Who does not name the cells runs each of them once, in order: nbclient, papermill, a terminal.
    return maker.cell_id is None or maker.cell_id != before.cell_id


def _is_made_anew(placed: Placed, names: Names, name: str) -> bool:
    """Tell whether the cell that made a value, or one of those that share something, was run again."""
    makers = ((names.maker(each), placed.makers.get(each)) for each in name.split(", "))
    return any(maker and maker.made_anew(before) for maker, before in makers)


def by_name(closure: Closure) -> dict[str, dict[str, str]]:
    """Return the digests of a closure's ingredients by name and kind."""
    found: dict[str, dict[str, str]] = {}
    for ingredient in closure.ingredients:
        found.setdefault(ingredient.name, {})[ingredient.kind] = ingredient.digest
    return found
