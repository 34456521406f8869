"""What to put in place of a cell's text: our line on top, taken out again, the signature written into it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from jupyter_mlpipe.cells.header import Header
from jupyter_mlpipe.cells.judge import Above, Judgement, judge, names_bound
from jupyter_mlpipe.cells.lines import has_our_line, is_about_pipeline, take_line
from jupyter_mlpipe.cells.located import Located
from jupyter_mlpipe.cells.naming import suggest_name
from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.model.component import Input


@dataclass(frozen=True, slots=True)
class Edit:
    """A part of a cell's text, by offsets, and what comes in its place.

    Parameters
    ----------
    select
        What to select then, as offsets in the new text: a name that was made up.
    note
        What the user should know of it.
    """

    start: int
    end: int
    text: str
    select: tuple[int, int] | None = None
    note: str = ""

    def apply(self, cell: str) -> str:
        """Return the cell with the edit made."""
        return cell[: self.start] + self.text + cell[self.end :]


def to_component(cell: str, taken: Collection[str] = ()) -> Edit:
    """Put our line on top of a plain cell, with a name from what the cell does.

    Parameters
    ----------
    taken
        Names that components have.

    Raises
    ------
    UsageError
        There is nothing in it that could be a step.
    """
    if has_our_line(cell):
        raise UsageError("This cell has our line already.")
    if is_about_pipeline(cell):
        raise UsageError("This cell only speaks to jupyter_mlpipe: it is no step.")
    if not cell.strip():
        raise UsageError("This cell is empty: write its code first.")
    judged = judge(cell, Above())
    named = judge(cell.lstrip().partition("\n")[2], Above()) if cell.lstrip().startswith("%%") else judged
    name = _free("step", taken)
    if named.tree is not None:
        name = suggest_name(named.tree, named.binds or names_bound(cell), taken)
        if named.kind == "leave" and name.startswith("show"):
            name = _free("setup", taken)  # imports, functions: it shows nothing
    before = "%%component "
    start, end = len(before), len(before) + len(name)
    return Edit(0, 0, f"{before}{name}\n", (start, end), _note(named))


def to_plain(cell: str) -> Edit:
    """Take our line out of a cell; all else stays as it is.

    Raises
    ------
    UsageError
        It has none.
    """
    if not has_our_line(cell):
        raise UsageError("This cell has no %%component line.")
    left = take_line(cell)
    start = next((n for n, (was, now) in enumerate(zip(cell, left, strict=False)) if was != now), len(left))
    return Edit(start, start + len(cell) - len(left), "")


def lock_signature(
    cell: str, located: Located, header: Header, inputs: Sequence[Input], outputs: Sequence[str]
) -> Edit:
    """Write what a component reads and writes into its header; what is declared there stays as written.

    Raises
    ------
    UsageError
        Both are declared.
    """
    if header.inputs_declared and header.outputs_declared:
        raise UsageError(f"The signature of '{header.name}' is written in its header already.")
    text = ""
    if not header.inputs_declared:
        text = f"({', '.join(_as_written(declared) for declared in inputs)})"
    at = located.span(*(header.ends[1],) * 2)[0]
    if not header.outputs_declared:
        text += f" -> {', '.join(outputs) or 'None'}"
    return Edit(at, at, text)


def _as_written(declared: Input) -> str:
    """Return an input as it stands in a signature, spaces as in PEP 8."""
    text = declared.name
    if declared.annotation is not None:
        text += f": {declared.annotation}"
    if declared.default is not None:
        text += f" = {declared.default}" if declared.annotation is not None else f"={declared.default}"
    return text


def _note(judged: Judgement) -> str:
    if judged.kind != "leave":
        return ""
    return f"Perhaps better left without the line: it {judged.why}."


def _free(name: str, taken: Collection[str]) -> str:
    number, offer = 2, name
    while offer in taken:
        offer, number = f"{name}_{number}", number + 1
    return offer
