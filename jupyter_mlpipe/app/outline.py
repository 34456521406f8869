"""What a notebook's text says of its pipeline, before any cell runs: its steps and parameters.

Enough to refuse a misspelt ``--target`` or ``-p`` at once. What the text does not show (a cell that
cannot be parsed without IPython) is left to the kernel.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jupyter_mlpipe.cells.compile import compile_cell
from jupyter_mlpipe.cells.header import comment_header, parse_header
from jupyter_mlpipe.cells.parameters import parse_parameters
from jupyter_mlpipe.errors import MLPipeError, UsageError, close_matches
from jupyter_mlpipe.model.component import Component

_MAGIC = "%%component"


def header_of(source: str) -> tuple[str, str] | None:
    """Return the header of a component's cell and the text below its first line."""
    text = source.lstrip()
    first, _, body = text.partition("\n")
    if first.startswith(_MAGIC):
        return first.removeprefix(_MAGIC), body
    found = comment_header(text)
    return (" ".join(found[0].split()), body) if found else None


def step_of(source: str) -> str | None:
    """Return the name of the step that a cell makes; None where it makes none, or cannot be read."""
    found = header_of(source)
    if found is None:
        return None
    try:
        return parse_header(found[0]).name
    except MLPipeError:
        return None


def steps_of(notebook: Any) -> list[str]:
    """Return the names of the notebook's steps, as far as its text shows them."""
    found = (step_of(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code")
    return [name for name in found if name]


def is_tolerated(cell: Any) -> bool:
    """Tell whether the cell says that it may raise."""
    return "raises-exception" in cell["metadata"].get("tags", ())


def read_parameters(pairs: Sequence[str]) -> dict[str, str]:
    """Read the ``NAME=VALUE`` words of ``-p``; what a value means is settled in the kernel.

    Raises
    ------
    UsageError
        A word is not of this form.
    """
    parameters = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not all(part.isidentifier() for part in name.split(".")):
            raise UsageError(f"-p expects NAME=VALUE, but found {pair!r}. Example: -p seed=8")
        parameters[name] = value
    return parameters


def check_words(
    notebook: Any, *, targets: Iterable[str], force: Iterable[str], parameters: Iterable[str]
) -> None:
    """Refuse steps and parameters that the notebook does not have.

    Raises
    ------
    UsageError
        With close matches.
    """
    steps: list[str] = []
    known: set[str] = set()
    complete = True
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        try:
            component = _component(cell["source"])
            if component is not None:
                steps.append(component.name)
                names = [i.name for i in component.inputs if i.default is not None]
                known.update(names, (f"{component.name}.{name}" for name in names))
            elif cell["source"].lstrip().startswith("%%parameters"):
                known.update(i.name for i in parse_parameters(cell["source"].lstrip().partition("\n")[2]))
        except (MLPipeError, SyntaxError):
            complete = False
    if not complete:
        return
    for name in (*targets, *force):
        if name not in steps:
            raise UsageError(
                f"There is no step '{name}'.{close_matches(name, steps)} Steps: {', '.join(steps)}."
            )
    for name in parameters:
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise UsageError(
                f"There is no parameter '{name}'.{close_matches(name, known)} Parameters: {listed}."
            )


def _component(source: str) -> Component | None:
    found = header_of(source)
    if found is None:
        return None
    header, body = found
    return compile_cell(source, header=parse_header(header), body=body)
