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
from jupyter_mlpipe.model.resources import describe_seconds
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot

_SLOT = "state of %s"
_WIDTH = 20

_LOOK = {  # status or plan -> sign, word, fill, stroke
    "succeeded": ("✓", "ran", "#e3f4e6", "#2e7d32"),
    "reused": ("↻", "reused", "#e3f0fa", "#1565c0"),
    "running": ("▶", "running", "#fff6d6", "#b28704"),
    "queued": ("…", "queued", "#fffbea", "#b28704"),
    "waiting": ("…", "waiting", "#f5f5f5", "#757575"),
    "failed": ("✗", "failed", "#fbe4e4", "#c62828"),
    "skipped": ("–", "skipped", "#f5f5f5", "#9e9e9e"),
    "cancelled": ("■", "cancelled", "#f3ece4", "#8d6e63"),
    "reuse": ("↻", "would be reused", "#ffffff", "#1565c0"),
    "run": ("▷", "would run", "#ffffff", "#b28704"),
    "undecided": ("?", "undecided", "#ffffff", "#757575"),
    "": ("·", "registered", "#ffffff", "#757575"),
}


def pipeline_dot(snapshot: RunSnapshot) -> str:
    """Return the DOT source of a pipeline: its steps, its parameters, and what flows between them."""
    # Here, as every notebook imports this module, and few draw a graph.
    from graphviz import Digraph

    dot = Digraph(
        "pipeline",
        graph_attr={"rankdir": "TB", "nodesep": "0.3", "ranksep": "0.42", "bgcolor": "transparent"},
        node_attr={
            "shape": "box",
            "style": "rounded,filled",
            "fillcolor": "white",
            "color": "#757575",
            "fontname": "Helvetica",
            "fontsize": "12",
            "margin": "0.16,0.09",
        },
        edge_attr={
            "fontname": "Helvetica",
            "fontsize": "10",
            "color": "#9e9e9e",
            "fontcolor": "#616161",
            "arrowsize": "0.7",
        },
    )
    names = {step.name for step in snapshot.steps}
    for step in snapshot.steps:
        slot = (_SLOT % _number(snapshot, step)).center(_WIDTH, "_")
        dot.node(f"step {step.name}", label=f"{step.name}\n{slot}", id=f"step-{step.name}")
    sources: dict[tuple[str, str], list[str]] = {}
    for step in snapshot.steps:
        flows: dict[str, list[str]] = {}
        for name, source in step.reads.items():
            if source in names:
                flows.setdefault(source, []).append(name)
            else:
                sources.setdefault((source, name), []).append(step.name)
        for source, read in flows.items():
            dot.edge(f"step {source}", f"step {step.name}", label=" " + ", ".join(read), weight="6")
    for (source, name), readers in sources.items():
        node = f"{source} {name}"
        shape = "ellipse" if source == "parameter" else "note"
        dot.node(
            node,
            label=name,
            shape=shape,
            style="filled",
            fillcolor="#fafafa",
            fontsize="10",
            height="0.3",
            margin="0.08,0.03",
            id=f"{source}-{name}",
        )
        for reader in readers:
            dot.edge(node, f"step {reader}", style="dashed", arrowsize="0.5")
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
        sign, word, fill, stroke = _LOOK[step.status or step.plan or ""]
        state = f"{sign} {word}{_time(step)}"
        slot = (_SLOT % _number(snapshot, step)).center(_WIDTH, "_")
        svg = svg.replace(slot, html.escape(state))
        svg = _paint_node(svg, step, fill, stroke)
    label = html.escape(_describe(snapshot), quote=True)
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" class="mlpipe-graph" ', 1)


def describe_pipeline(snapshot: RunSnapshot) -> str:
    """Return the pipeline as text, one line a step."""
    width = max((len(step.name) for step in snapshot.steps), default=0)
    lines = []
    for step in snapshot.steps:
        sign, word, *_ = _LOOK[step.status or step.plan or ""]
        reads = ", ".join(step.reads)
        lines.append(
            f"{sign} {step.name:<{width}}  {word + _time(step):<18}  {reads} -> {', '.join(step.outputs)}"
        )
    return "\n".join(lines)


def _paint_node(svg: str, step: StepSnapshot, fill: str, stroke: str) -> str:
    # Graphviz writes some characters of an id as entities; both spellings name the same node.
    found = re.search(
        rf'<g id="step(?:-|&#45;){re.escape(step.name)}" class="node">(.*?)</g>', svg, re.DOTALL
    )
    if found is None:
        return svg
    attributes = f'data-mlpipe-step="{step.name}"'
    if step.status:
        attributes += f' data-mlpipe-status="{step.status}"'
    if step.plan:
        attributes += f' data-mlpipe-plan="{step.plan}"'
    body = re.sub(r'fill="white"', f'fill="{fill}"', found[1], count=1)
    body = re.sub(r'stroke="#757575"', f'stroke="{stroke}"', body, count=1)
    title = html.escape("; ".join([step.name, *(str(r) for r in step.reasons)]))
    body = re.sub(r"<title>.*?</title>", lambda _: f"<title>{title}</title>", body, count=1)
    node = f'<g id="step-{step.name}" class="node" {attributes}>{body}</g>'
    return svg[: found.start()] + node + svg[found.end() :]


def _time(step: StepSnapshot) -> str:
    if step.status == "reused":
        return f", saved {describe_seconds(step.saved_seconds)}" if step.saved_seconds else ""
    if step.status in ("succeeded", "failed") and step.seconds is not None:
        return f" {describe_seconds(step.seconds)}"
    return ""


def _describe(snapshot: RunSnapshot) -> str:
    states = ", ".join(f"{s.name}: {_LOOK[s.status or s.plan or ''][1]}" for s in snapshot.steps)
    return f"pipeline of {len(snapshot.steps)} steps. {states}"


def _number(snapshot: RunSnapshot, step: StepSnapshot) -> str:
    # Numbered, so that no step's name can be taken for another's slot.
    return f"{snapshot.steps.index(step):04d}"
