"""Which cells of a notebook are worth a ``%%component`` line: by their text and by how long they took."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from jupyter_mlpipe.cells.judge import Above, judge
from jupyter_mlpipe.cells.naming import suggest_name
from jupyter_mlpipe.model.resources import describe_seconds

WORTH_S = 1.0
"""A cell that takes less than this has little to win."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A cell and what is known of its last run.

    Parameters
    ----------
    seconds
        None where it was not measured.
    unstorable
        Names that it bound to values that cannot be stored, each with what it is; None where it is not known.
    """

    source: str
    seconds: float | None = None
    has_failed: bool = False
    unstorable: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Advice:
    """What is said of a cell.

    Parameters
    ----------
    name
        Of the component that it would be; empty where it had better stay as it is.
    why
        The reason, either way.
    """

    name: str
    why: str
    seconds: float | None = None

    @property
    def line(self) -> str:
        """The line to put on top; empty where there is none."""
        return f"%%component {self.name}" if self.name else ""


def advise(cells: Sequence[Seen], *, all_cells: bool = False, taken: Collection[str] = ()) -> list[Advice]:
    """Say for each cell of a notebook, in order, whether it is worth the line, and why.

    Parameters
    ----------
    all_cells
        Take also those that are quick, and those that only show something.
    taken
        Names that components have.
    """
    above = Above()
    names = set(taken)
    found = []
    for cell in cells:
        judged = judge(cell.source, above, cell.unstorable)
        why = judged.why
        is_worth = False
        if judged.kind in ("computes", "shows"):
            is_worth, why = _weigh(cell, judged.kind == "shows", judged.binds, all_cells=all_cells)
        name = ""
        if is_worth:
            assert judged.tree is not None
            name = suggest_name(judged.tree, judged.binds, names)
            names.add(name)
        found.append(Advice(name, why, cell.seconds))
    return found


def _weigh(cell: Seen, only_shows: bool, binds: Sequence[str], *, all_cells: bool) -> tuple[bool, str]:
    what = "what it shows is kept" if only_shows else f"keeps {_listed(binds)}"
    if cell.has_failed:
        return False, "failed when it last ran"
    if all_cells:
        return True, what
    if cell.seconds is None:
        return (False, "only shows something, and was not measured") if only_shows else (True, what)
    if cell.seconds < WORTH_S:
        quick = f"takes {describe_seconds(cell.seconds)}"
        return False, f"only shows something, and {quick}" if only_shows else quick
    return True, what


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:4])
    return f"{shown} and {len(names) - 4} more" if len(names) > 4 else shown
