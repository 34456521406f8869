"""``%pipeline adopt``: the cells that have run, and what is said of each."""

from __future__ import annotations

import html
from collections.abc import Sequence

from jupyter_mlpipe.cells.adopt import Advice
from jupyter_mlpipe.cells.lines import begins
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.notebook.adopt import CellRun
from jupyter_mlpipe.notebook.show.look import FAINT_STYLE
from jupyter_mlpipe.notebook.show.views import CELL, Bundle, table_bundle, table_cell


def adopt_bundle(cells: Sequence[CellRun], advice: Sequence[Advice]) -> Bundle:
    """Return which cells are worth the line, and the line to put on top of each."""
    rows = [
        (
            f"In [{cell.number}]",
            said.line or "–",
            _seconds(said.seconds),
            said.why,
            begins(cell.source),
        )
        for cell, said in zip(cells, advice, strict=True)
    ]
    facts = {
        "kind": "adopt",
        "cells": [
            {
                "number": cell.number,
                "cell_id": cell.cell_id,
                "name": said.name or None,
                "line": said.line or None,
                "why": said.why,
                "seconds": said.seconds,
            }
            for cell, said in zip(cells, advice, strict=True)
        ],
    }
    n_worth = sum(bool(said.name) for said in advice)
    head = f"adopt: {n_worth} of {len(rows)} cells are worth a line of their own" + (
        ", to put on top of each" if n_worth else ""
    )
    columns = ("cell", "line to put on top", "took", "why", "begins")
    bundle = table_bundle(head, columns, rows, facts)
    heads = "".join(f'<th style="{CELL}">{html.escape(column)}</th>' for column in columns)
    body = "".join(_adopt_row(row, is_worth=bool(a.name)) for row, a in zip(rows, advice, strict=True))
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    return {**bundle, "text/html": f'<div class="mlpipe"><div>{html.escape(head)}</div>{table}</div>'}


def _adopt_row(row: Sequence[str], *, is_worth: bool) -> str:
    cell, line, took, why, text = row
    code = f'<code style="white-space:pre;user-select:all">{html.escape(line)}</code>' if is_worth else line
    return (
        f'<tr data-mlpipe-adopt="{"step" if is_worth else "leave"}">'
        f'<td style="{CELL};white-space:nowrap">{html.escape(cell)}</td><td style="{CELL}">{code}</td>'
        f"{table_cell(took, is_faint=not is_worth)}{table_cell(why, is_faint=not is_worth)}"
        f'<td style="{CELL};color:{FAINT_STYLE}"><code>{html.escape(text)}</code></td></tr>'
    )


def _seconds(seconds: float | None) -> str:
    return "not measured" if seconds is None else describe_seconds(seconds)
