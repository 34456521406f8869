"""The pipeline as a picture: one DOT source, laid out once; the state of a step never moves anything.

Each node's second line is laid out at a fixed width and filled with the state afterwards, so that
the same picture serves before, during and after a run.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path

from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.execution.runs.accept import is_accepted
from jupyter_mlpipe.model.metrics import describe_progress
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot, describe_reason, shorten
from jupyter_mlpipe.notebook.look import FAINT, FAINT_STYLE, TEXT_STYLE, look_of

_SLOT = "state of %s"
_WIDTH = 20
_FONT = "Helvetica"  # its metrics are known to all layout programs
_STROKE = "#757575"
_EDGE = "#9e9e9e"


def pipeline_dot(snapshot: RunSnapshot) -> str:
    """Return the DOT source of a pipeline: its steps and what flows between them.

    Parameters and notebook values stand in the nodes that read them: as nodes of their own they
    would cover the graph with edges.
    """
    from graphviz import Digraph  # every notebook imports this module, few draw

    dot = Digraph(
        "pipeline",
        graph_attr={
            "rankdir": "TB",
            "nodesep": "0.35",
            "ranksep": "0.45",
            "bgcolor": "transparent",
            "pad": "0.25,0.05",
        },
        node_attr={
            "shape": "box",
            "style": "rounded,filled",
            "fillcolor": "white",
            "color": _STROKE,
            "fontname": _FONT,
            "fontsize": "12",
            "margin": "0.14,0.08",
        },
        edge_attr={
            "fontname": _FONT,
            "fontsize": "10",
            "color": _EDGE,
            "fontcolor": FAINT,
            "arrowsize": "0.7",
        },
    )
    names = {step.name for step in snapshot.steps}
    for step in snapshot.steps:
        slot = (_SLOT % _number(snapshot, step)).center(_WIDTH, "_")
        lines = [f"<B>{html.escape(step.name)}</B>", f'<FONT POINT-SIZE="11">{slot}</FONT>']
        others = shorten(
            [name for name, source in step.reads.items() if source == "parameter"]
            + [name for name, source in step.reads.items() if source not in (*names, "parameter")]
        )
        if others:
            lines.append(f'<FONT POINT-SIZE="10.5" COLOR="{FAINT}">{html.escape(others)}</FONT>')
        dot.node(f"step {step.name}", label=f"<{'<BR/>'.join(lines)}>", id=f"step-{step.name}")
    for step in snapshot.steps:
        flows: dict[str, list[str]] = {}
        for name, source in step.reads.items():
            if source in names:
                flows.setdefault(source, []).append(name)
        for source, read in flows.items():
            # Flush left: a font wider than the layout's then grows away from the edge, not over it.
            dot.edge(f"step {source}", f"step {step.name}", label=f" {shorten(read)}\\l")
    return str(dot.source)


def pipeline_svg(snapshot: RunSnapshot) -> str:
    """Return the picture with each step's state, as SVG without an XML header."""
    return paint(snapshot, layout(pipeline_dot(snapshot)))


def layout(dot: str, kind: str = "svg") -> str:
    """Lay DOT out by Graphviz' ``dot`` where it is installed, else by the package graphviz-pure.

    Raises
    ------
    MLPipeError
        Neither is there, or it refused the source.
    """
    program = shutil.which("dot") or str(Path(sysconfig.get_path("scripts")) / "graphviz-pure")
    try:
        done = subprocess.run(
            [program, f"-T{kind}"], input=dot, capture_output=True, text=True, check=True, timeout=60
        )
    except FileNotFoundError:
        raise MLPipeError(
            "The graph cannot be drawn: neither Graphviz' 'dot' nor 'graphviz-pure' was found. "
            "Install one: pip install graphviz-pure"
        ) from None
    except subprocess.CalledProcessError as error:
        raise MLPipeError(f"The graph cannot be drawn: {program} said: {error.stderr.strip()}") from None
    picture = done.stdout
    start = picture.find("<svg") if kind == "svg" else 0
    return picture[max(start, 0) :]


def paint(snapshot: RunSnapshot, svg: str) -> str:
    """Fill a laid out picture with the state of each step."""
    for step in snapshot.steps:
        state = f"{look_of(step.status, step.plan).sign} {_state(step)}"
        slot = (_SLOT % _number(snapshot, step)).center(_WIDTH, "_")
        svg = svg.replace(slot, html.escape(state))
        svg = _paint_node(svg, step)
    label = html.escape(_describe(snapshot), quote=True)
    svg = re.sub(r'font-family="[^"]*"', 'font-family="Helvetica,Arial,sans-serif"', svg)
    # Styles follow the front end's theme; where they are taken out, the attributes hold.
    svg = svg.replace(f' fill="{FAINT}"', f' fill="{FAINT}" style="fill:{FAINT_STYLE}"')
    width = re.search(r'width="([\d.]+)pt"', svg)
    # A wide graph shrinks to the page, but not below what can be read.
    size = f"max-width:max(100%,{float(width[1]) * 0.6:.0f}pt);height:auto" if width else ""
    head = f'<svg role="img" aria-label="{label}" class="mlpipe-graph" style="{size}" '
    return svg.replace("<svg ", head, 1)


def describe_pipeline(snapshot: RunSnapshot) -> str:
    """Return the pipeline as text, one line a step."""
    width = max((len(step.name) for step in snapshot.steps), default=0)
    lines = []
    for step in snapshot.steps:
        state = f"{look_of(step.status, step.plan).sign} {step.name:<{width}}  {_state(step):<18}"
        reads = ", ".join(step.reads)
        lines.append(f"{state}  {reads} -> {', '.join(step.outputs)}")
    return "\n".join(lines)


def _paint_node(svg: str, step: StepSnapshot) -> str:
    # Graphviz writes some characters of an id as entities; both spellings name the same node.
    found = re.search(
        rf'<g id="step(?:-|&#45;){re.escape(step.name)}" class="node">(.*?)</g>', svg, re.DOTALL
    )
    if found is None:
        return svg
    look = look_of(step.status, step.plan)
    attributes = f'data-mlpipe-step="{step.name}"'
    if step.status:
        attributes += f' data-mlpipe-status="{step.status}"'
    if step.plan:
        attributes += f' data-mlpipe-plan="{step.plan}"'
    body = re.sub(r'fill="white"', f'fill="{look.fill}" style="{look.node_style}"', found[1], count=1)
    body = re.sub(rf'stroke="{_STROKE}"', f'stroke="{look.stroke}"', body, count=1)
    # Lines of a label are laid out from their left; centred they stay so in a font of other widths.
    path = re.search(r' d="([^"]*)"', body)
    xs = [float(x) for x in re.findall(r"(-?[\d.]+),-?[\d.]+", path[1])] if path else []
    if xs:
        middle = f'text-anchor="middle" x="{(min(xs) + max(xs)) / 2:.2f}"'
        body = re.sub(r'text-anchor="start" x="[^"]*"', middle, body)
    # Shown smaller than laid out: lines of a label stand too close otherwise.
    body = body.replace('font-size="11.00"', 'font-size="10"').replace('font-size="10.50"', 'font-size="9"')
    body = re.sub(r"(<text(?:(?! fill=)[^>])*)>", rf'\1 fill="#212121" style="fill:{TEXT_STYLE}">', body)
    title = html.escape("; ".join([step.name, *(describe_reason(r) for r in step.reasons)]))
    body = re.sub(r"<title>.*?</title>", lambda _: f"<title>{title}</title>", body, count=1)
    node = f'<g id="step-{step.name}" class="node" {attributes}>{body}</g>'
    return svg[: found.start()] + node + svg[found.end() :]


def _state(step: StepSnapshot) -> str:
    """Return a step's state in words: ``ran 2.2 s``."""
    word = look_of(step.status, step.plan).word
    if step.status == "reused" and is_accepted(step.reasons):
        return f"{word}, accepted"
    if step.status == "reused":
        return f"{word}, saved {describe_seconds(step.saved_seconds)}" if step.saved_seconds else word
    if step.status in ("succeeded", "failed") and step.seconds is not None:
        return f"{word} {describe_seconds(step.seconds)}"
    if step.progress is not None and step.progress[0] is not None:
        return f"{word} {describe_progress(step.progress[0], '')}"
    return word


def _describe(snapshot: RunSnapshot) -> str:
    states = ", ".join(f"{s.name}: {_state(s)}" for s in snapshot.steps)
    return f"pipeline of {len(snapshot.steps)} steps. {states}"


def _number(snapshot: RunSnapshot, step: StepSnapshot) -> str:
    # Numbered, so that no step's name can be taken for another's slot.
    return f"{snapshot.steps.index(step):04d}"
