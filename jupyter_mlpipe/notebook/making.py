"""From the text of a cell under our magic to its component, as this notebook's shell reads it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from jupyter_mlpipe.cells.compile import compile_cell
from jupyter_mlpipe.cells.header import parse_header
from jupyter_mlpipe.cells.magics import LineMagic, expand_magics
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.futures import POSTPONED
from jupyter_mlpipe.notebook.running.here import HereCell, read_here

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session

_RUN = re.compile(r"^\s*%run\s", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Made:
    """A component of a cell.

    Parameters
    ----------
    here
        What the kernel runs where it runs the step itself.
    for_kernel
        Magics of the cell that are the kernel's to run.
    """

    component: Component
    here: HereCell | None
    for_kernel: tuple[LineMagic, ...]


def make_component(
    session: Session, line: str, cell: str, *, cell_id: str | None = None, title: str = ""
) -> Made:
    """Make a component of what stands behind ``%%component`` and below it; see `compile_cell` for errors."""
    shell = session.shell
    header = parse_header(line)
    runs_script = _RUN.search(cell) is not None
    if runs_script and not header.options.background:
        # Its script may bind and read any name of the notebook.
        header = replace(header, options=replace(header.options, here=True))
    here = read_here(shell, cell) if header.options.here else None
    body = expand_magics(cell, lambda text: str(shell.transform_cell(text)))
    if here is not None:
        # They run with the rest of the code, and what they give is kept with it.
        salt = " ".join([header.options.salt, *(f"%{m.name} {m.line}" for m in body.for_kernel)])
        header = replace(header, options=replace(header.options, salt=salt.strip()))
        looks = tuple(f"%{magic.name}" for magic in body.for_kernel if magic.looks_around)
        here = replace(here, looks_around=(*looks, "%run") if runs_script else looks)
    component = compile_cell(
        f"%%component {line}\n{cell}",
        header=header,
        body=body.code,
        cell_id=cell_id,
        title=title,
        postponed=bool(shell.compile.flags & POSTPONED),
    )
    return Made(component, here, body.for_kernel)


def under_magic(session: Session, text: str) -> tuple[str, str] | None:
    """Return what IPython gives to ``%%component`` of a cell: its line and its body; None of another cell."""
    lines = [*text.splitlines(keepends=True)]
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    for transform in session.shell.input_transformers_cleanup:
        lines = transform(lines)
    magic, _, line = (lines[0] if lines else "").rstrip().partition(" ")
    return (line, "".join(lines[1:])) if magic == "%%component" else None


def is_registered(session: Session, text: str, cell_id: str | None) -> bool:
    """Tell whether a cell's component is registered as its text stands."""
    placed = session.registry.placed.get(session.components.of_cell(cell_id) or "")
    typed = under_magic(session, text)
    if placed is None or typed is None:
        return False
    return placed.component.cell.rstrip("\n") == f"%%component {typed[0]}\n{typed[1]}".rstrip("\n")
