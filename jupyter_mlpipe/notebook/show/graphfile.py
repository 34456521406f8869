"""The graph as a file: SVG, PNG, DOT, or a page of HTML."""

from __future__ import annotations

import html
import re
from pathlib import Path

from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.model.status import RunSnapshot
from jupyter_mlpipe.notebook.show.drawing import SLOT, flows_of, pipeline_dot, render
from jupyter_mlpipe.notebook.show.look import look_of
from jupyter_mlpipe.notebook.show.painting import pipeline_svg
from jupyter_mlpipe.notebook.show.views import graph_bundle
from jupyter_mlpipe.notebook.show.words import size_words, state_words

KINDS = ("svg", "png", "dot", "html")
_DPI = "160"


def write_graph(snapshot: RunSnapshot, target: Path) -> None:
    """Write the pipeline with the state of each step.

    Raises
    ------
    UsageError
        The file's name ends in none of `KINDS`.
    """
    kind = check_file(target)
    if kind == "png":
        target.write_bytes(render(_painted_dot(snapshot), "png"))
    elif kind == "dot":
        target.write_text(pipeline_dot(snapshot), encoding="utf-8")
    elif kind == "svg":
        target.write_text(pipeline_svg(snapshot), encoding="utf-8")
    else:
        target.write_text(_page(snapshot), encoding="utf-8")


def check_file(target: str | Path) -> str:
    """Return which of `KINDS` a file's name ends in, else raise UsageError."""
    kind = Path(target).suffix.lstrip(".")
    if kind not in KINDS:
        raise UsageError(
            f"A graph is written as {', '.join(f'.{known}' for known in KINDS)}, but found '{target}'."
        )
    return kind


def _page(snapshot: RunSnapshot) -> str:
    body = graph_bundle(snapshot)["text/html"]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>pipeline</title></head>\n'
        f'<body style="font:14px/1.4 system-ui,sans-serif;margin:24px">{body}</body></html>\n'
    )


def _painted_dot(snapshot: RunSnapshot) -> str:
    """Return DOT with the states in it: a PNG cannot be painted afterwards."""
    steps = {step.name: step for step in snapshot.steps}
    flows = flows_of(snapshot)

    def fill(found: re.Match[str]) -> str:
        number = int(found[1])
        if found[0].startswith("_"):
            # Without its sign, which the font that graphviz-pure brings does not have.
            return html.escape(state_words(snapshot.steps[number]))
        return size_words(flows[number].names, steps[flows[number].source])

    def colour(found: re.Match[str]) -> str:
        step = snapshot.steps[int(found[1])]
        look = look_of(step.status, step.plan)
        return f'{found[0]} fillcolor="{look.fill}" color="{look.stroke}"'

    dot = SLOT.sub(fill, pipeline_dot(snapshot))
    dot = re.sub(r'id="step-(\d+)"', colour, dot)
    return dot.replace("bgcolor=transparent", f"bgcolor=white dpi={_DPI}", 1)
