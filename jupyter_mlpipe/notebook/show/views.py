"""The graph, and what is shown as a table: one bundle of HTML, text and JSON each."""

from __future__ import annotations

import base64
import html
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from jupyter_mlpipe.model.groups import fold
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot, describe_reasons, shorten
from jupyter_mlpipe.notebook.show.drawing import describe_pipeline, layout, pipeline_dot
from jupyter_mlpipe.notebook.show.look import FAINT_STYLE, look_of
from jupyter_mlpipe.notebook.show.output import MIME
from jupyter_mlpipe.notebook.show.painting import outline, paint
from jupyter_mlpipe.notebook.show.words import plain, run_words
from jupyter_mlpipe.store.accepted import Accepted

Bundle = dict[str, Any]


def graph_bundle(
    snapshot: RunSnapshot,
    *,
    saved: bool = False,
    graph: str = "",
    folded: Collection[str] = (),
    svg: str = "",
) -> Bundle:
    """Return the picture of a pipeline with the state of each step.

    Parameters
    ----------
    saved
        For a notebook that no front end shows: as an image alone. GitHub prefers HTML where both
        are there, and takes drawings out of it; JupyterLab prefers HTML too, and there the nodes
        can be reached by style and by tests, which an image hides. So HTML holds both.
    graph
        By which the browser finds it, to make it live.
    folded
        Groups that the picture shows as one step each.
    svg
        The picture, where it has been drawn.
    """
    svg = svg or kept_svg(fold(snapshot, folded))
    bundle: Bundle = {"text/plain": describe_pipeline(snapshot, _MAX_ROWS), "image/svg+xml": svg}
    if not saved:
        bundle["text/html"] = (
            f'<div class="mlpipe mlpipe-root" data-mlpipe-graph="{graph}">'
            f'<div class="mlpipe-picture" style="overflow-x:auto">{svg}</div>{_image(snapshot, svg)}'
            f'<details class="mlpipe-steps"><summary style="cursor:pointer;color:{FAINT_STYLE}">'
            f"{html.escape(run_words(snapshot))}</summary>{_steps_table(snapshot)}</details></div>"
        )
        if len(svg) > _MAX_AGAIN:
            del bundle["image/svg+xml"]
    return {**bundle, MIME: {"kind": "graph", **_kept_facts(snapshot)}}


_MAX_ROWS = 40  # of the table below a picture
_MAX_WHOLE = 75_000  # characters of a drawing that is kept as it is
_MAX_PAINTED = 200  # steps: of more it is larger in any case
_MAX_AGAIN = 24_000  # and of one that is kept again, as an image
_MAX_FACTS = 80  # steps of which all is kept for programs


def kept_svg(snapshot: RunSnapshot) -> str:
    """Return the picture as the notebook keeps it: of very many steps, their outline."""
    laid_out = layout(pipeline_dot(snapshot))
    if len(snapshot.steps) <= _MAX_PAINTED and len(svg := paint(snapshot, laid_out)) <= _MAX_WHOLE:
        return svg
    return outline(snapshot, laid_out)


def _image(snapshot: RunSnapshot, svg: str) -> str:
    """Return the picture as an image, seen only where drawings and styles are taken out of HTML.

    So does GitHub, and JupyterLab where a notebook is not trusted. Of a large picture it is the outline;
    where that is large too, the table is left.
    """
    drawn = svg if len(svg) <= _MAX_AGAIN else outline(snapshot, layout(pipeline_dot(snapshot)))
    content = base64.b64encode(drawn.encode()).decode()
    if len(svg) + len(content) > _MAX_WHOLE:
        return ""
    words = html.escape(run_words(snapshot))
    return (
        "<style>.mlpipe-image{display:none}</style>"
        f'<img class="mlpipe-image" alt="{words}" src="data:image/svg+xml;base64,{content}"/>'
    )


def _kept_facts(snapshot: RunSnapshot) -> dict[str, Any]:
    """Return what programs find in the notebook: what says nothing is left out.

    Of very many steps `steps` holds those with an error or stale, and `states` how many are in each state.
    """
    facts = snapshot.to_json()
    if len(snapshot.steps) > _MAX_FACTS:
        facts["states"] = dict(Counter(map(_state, snapshot.steps)))
        told = [step for step in snapshot.steps if step.error or step.is_stale][:_MAX_FACTS]
        names = ("status", "plan", "is_stale", "error")
        facts["steps"] = {step.name: {n: facts["steps"][step.name][n] for n in names} for step in told}
    for step, part in facts["steps"].items():
        facts["steps"][step] = {n: value for n, value in part.items() if value or n == "status"}
    return facts


_TABLE_STYLE = (
    "<style>.mlpipe-steps :is(td,th){text-align:left;vertical-align:top;padding:3px 16px 3px 0}</style>"
)


def _steps_table(snapshot: RunSnapshot) -> str:
    rows: list[tuple[str, ...]] = [
        (
            plain(step.name, 40),
            _state(step),
            _took(step),
            plain(describe_reasons(step.reasons)),
        )
        for step in snapshot.steps[:_MAX_ROWS]
    ]
    if (n_more := len(snapshot.steps) - len(rows)) > 0:
        rows.append((f"{n_more} more", "", "", ""))
    heads = "".join(f"<th>{head}</th>" for head in ("step", "status", "took", "why"))
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"{_TABLE_STYLE}<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def status_bundle(snapshot: RunSnapshot) -> Bundle:
    """Return the state of each step."""
    rows = [
        (
            step.name,
            _state(step),
            _took(step),
            step.error.partition("\n")[0] if step.error else describe_reasons(step.reasons),
        )
        for step in snapshot.steps
    ]
    head = f"run: {snapshot.status}" if snapshot.status else "not run yet"
    if snapshot.seconds is not None:
        head += f", {describe_seconds(snapshot.seconds)}"
    facts = {"kind": "status", **snapshot.to_json()}
    return table_bundle(head, ("step", "status", "took", "why"), rows, facts, "status")


def table_bundle(
    head: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    facts: Mapping[str, Any],
    attribute: str | None = None,
) -> Bundle:
    """Return a table as text, as HTML and for programs.

    Parameters
    ----------
    attribute
        Mark each row's first column as ``data-mlpipe-step`` and its second as ``data-mlpipe-…``.
    """
    widths = [max(len(str(row[i])) for row in [columns, *rows]) for i in range(len(columns))]
    lines = [head]
    for row in [columns, *rows] if columns else []:
        lines.append("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    table = _table(columns, rows, attribute) if rows else ""
    return {
        "text/plain": "\n".join(lines),
        "text/html": f'<div class="mlpipe"><div>{html.escape(head)}</div>{table}</div>',
        MIME: dict(facts),
    }


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], attribute: str | None) -> str:
    heads = "".join(f'<th style="{CELL}">{html.escape(column)}</th>' for column in columns)
    body = "".join(_table_row(row, attribute) for row in rows)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div style="overflow-x:auto">{table}</div>'


def accepted_bundle(edits: Sequence[Accepted]) -> Bundle:
    """Return what was accepted, the latest first."""
    rows = [(edit.step, shorten(edit.changes, limit=6), edit.by) for edit in edits]
    facts = {"kind": "accepted", "edits": [asdict(edit) for edit in edits]}
    head = f"accepted: {len(rows)} edit{'s' * (len(rows) > 1)}" if rows else "no edit is accepted"
    return table_bundle(head, ("step", "edit", "by"), rows, facts)


def said_bundle(text: str, facts: Mapping[str, Any]) -> Bundle:
    """Return a few lines of text, as HTML too."""
    lines = "".join(f"<div>{html.escape(line)}</div>" for line in text.splitlines())
    return {"text/plain": text, "text/html": f'<div class="mlpipe">{lines}</div>', MIME: dict(facts)}


_SHORT = 20  # characters
CELL = "text-align:left;vertical-align:top;padding:3px 16px 3px 0"


def _table_row(row: Sequence[str], attribute: str | None) -> str:
    if attribute is None:
        return f"<tr>{''.join(table_cell(str(cell)) for cell in row)}</tr>"
    step, state, *rest = row
    look = look_of(state)
    marks = f'data-mlpipe-step="{html.escape(step)}" data-mlpipe-{attribute}="{html.escape(state)}"'
    cells = [
        f'<td style="{CELL}"><b>{html.escape(step)}</b></td>',
        f'<td style="{CELL};white-space:nowrap;{look.text_style}">{look.sign} {html.escape(state)}</td>',
        # What is reused needs no attention.
        *(table_cell(str(cell), is_faint=state in ("reuse", "reused")) for cell in rest),
    ]
    return f"<tr {marks}>{''.join(cells)}</tr>"


def table_cell(text: str, *, is_faint: bool = False) -> str:
    colour = f";color:{FAINT_STYLE}" if is_faint else ""
    # Dates and times are read as one.
    space = ";white-space:nowrap" if len(text) <= _SHORT else ""
    return f'<td style="{CELL}{colour}{space}">{html.escape(text)}</td>'


def _state(step: StepSnapshot) -> str:
    return step.status or step.plan or "registered"


def _took(step: StepSnapshot) -> str:
    if step.status == "reused":
        return f"saved {describe_seconds(step.saved_seconds)}" if step.saved_seconds else ""
    return describe_seconds(step.seconds) if step.seconds else ""
