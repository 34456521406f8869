"""What a front end shows of a cell while it is typed: mistakes where they are, and what is inferred."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from jupyter_mlpipe.cells.located import Located, Span, locate, place_of
from jupyter_mlpipe.cells.parameters import parse_parameters
from jupyter_mlpipe.errors import MLPipeError, UsageError
from jupyter_mlpipe.model.pipeline import Binding, FromParameter, FromStep, Step
from jupyter_mlpipe.notebook.making import is_registered
from jupyter_mlpipe.notebook.page.checkinglines import line_flaws
from jupyter_mlpipe.notebook.page.reading import Reading, read_cell
from jupyter_mlpipe.notebook.show.words import plain
from jupyter_mlpipe.notebook.steps.contracts import check_contract, check_resolved

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session

Facts = dict[str, Any]
_MAX_NAMES = 8
_MAX_TEXT = 1000  # characters of a message


def check_cell(session: Session, cell: str, cell_id: str | None) -> Facts:
    """Return the flaws of a cell, with what is inferred of its signature; runs nothing.

    Returns
    -------
    dict
        ``flaws``: each with ``from``, ``to``, ``text`` and ``severity``, and ``beside``, the id of
        another cell that it is about, if it is. ``at``: where the header ends, None without a header.
        ``inferred``: the part of the signature that is not written, "" where all is, None where it
        cannot be said. ``told``: the same in words. ``edited``: what to say of a step's cell whose text
        is not the one that was run, "" otherwise. Offsets are in the text as given.
    """
    located = locate(cell)
    if located is None:
        flaws = [
            # What is not known yet may be once other cells have run.
            _flaw(span, error, "error" if isinstance(error, UsageError) else "warning")
            for span, error in line_flaws(cell, session.check_line)
        ]
        return {"flaws": flaws, "at": None, "inferred": "", "told": "", "edited": ""}
    is_edited = session.components.of_cell(cell_id) is not None and not is_registered(session, cell, cell_id)
    edited = "edited since it was run" if is_edited else ""
    facts: Facts = {"flaws": [], "at": located.above[1], "inferred": None, "told": "", "edited": edited}
    try:
        if located.kind == "parameters":
            _check_parameters(located)
            facts["inferred"] = ""
        else:
            reading = read_cell(session, located, cell_id)
            facts["inferred"], facts["told"] = _inferred(session, reading)
            facts["flaws"] = list(_flaws(session, cell, located, reading, cell_id))
    except MLPipeError as error:
        facts["flaws"] = [_flaw(place_of(error, cell, located), error)]
    except SyntaxError:
        pass  # of the code below, which may be half typed: Python says it when the cell is run
    return facts


def _check_parameters(located: Located) -> None:
    if located.header.strip():
        raise UsageError(f"%%parameters takes nothing on its line, but found '{located.header.strip()}'.")
    parse_parameters(located.body, header_lines=located.header_lines)


def _flaws(
    session: Session, cell: str, located: Located, reading: Reading, cell_id: str | None
) -> Iterator[Facts]:
    component = reading.component
    try:
        check_contract(Step(component, reading.bindings))
        if component.inputs_declared:
            check_resolved(component, reading.unknown, session.registry.known_names)
    except MLPipeError as error:
        # A cell that has not run yet may make what is missing.
        severity: Literal["error", "warning"] = "warning" if reading.unknown else "error"
        yield _flaw(place_of(error, cell, located), error, severity)
    other = session.registry.placed.get(component.name)
    if cell_id and other is not None and other.component.cell_id not in (None, cell_id):
        span = located.span(reading.header.ends[0] - len(component.name), reading.header.ends[0])
        taken = UsageError(
            f"Another cell is component '{component.name}', too: running this one takes its place. "
            "Give one of them another name."
        )
        yield {**_flaw(span, taken, "warning"), "beside": other.component.cell_id}


def _flaw(span: Span, error: MLPipeError, severity: Literal["error", "warning"] = "error") -> Facts:
    return {"from": span[0], "to": span[1], "text": str(error)[:_MAX_TEXT], "severity": severity}


def _inferred(session: Session, reading: Reading) -> tuple[str, str]:
    """Return the part of a signature that its header does not say: short, and in words."""
    component = reading.component
    if component.function is not None:
        return ("", "") if reading.header.outputs_declared else (f"→ {component.outputs[0]}", "")
    short: list[str] = []
    told: list[str] = []
    if not component.inputs_declared:
        names, words = [], []
        for name in component.reads:
            if (source := reading.bindings.get(name)) is not None:
                names.append(_short(session, name, source))
                words.append(f"{name} {_source(source)}")
            elif name in reading.unknown:
                names.append(f"{name}?")
                words.append(f"{name}, which nothing provides yet")
        short.append(_listed(names))
        told.append(f"reads {_listed(words)}" if words else "reads nothing")
    if not component.outputs_declared:
        short.append(f"→ {_listed(reading.writes)}" if reading.writes else "")
        told.append(f"writes {_listed(reading.writes)}" if reading.writes else "writes nothing")
    return " ".join(part for part in short if part), "; ".join(told)


def _short(session: Session, name: str, source: Binding) -> str:
    if isinstance(source, FromStep) and (source.output != name or session.registry.is_shared(name)):
        return f"{name} ({source.step})"
    return name


def _source(source: Binding) -> str:
    if isinstance(source, FromStep):
        return f"of {source.step}"
    return "(a parameter)" if isinstance(source, FromParameter) else "of the notebook"


def _listed(names: list[str] | tuple[str, ...]) -> str:
    more = [f"{len(names) - _MAX_NAMES} more"] if len(names) > _MAX_NAMES else []
    return ", ".join([*(plain(name, 60) for name in names[:_MAX_NAMES]), *more])
