"""The pipeline as a picture: one DOT source, laid out once; the state of a step never moves anything.

Each node's second line, and that of each edge's label, is laid out at a fixed width and filled
afterwards, so that the same picture serves before, during and after a run.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from jupyter_mlpipe.errors import CycleError, MLPipeError
from jupyter_mlpipe.model import graph
from jupyter_mlpipe.model.groups import groups_of
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot, describe_reason, shorten
from jupyter_mlpipe.notebook.show.look import FAINT, FAINT_STYLE, TEXT_STYLE, look_of
from jupyter_mlpipe.notebook.show.words import plain, size_words, state_words

_STATE_SLOT = "_______%06d_______"
_SIZE_SLOT = "............%06d............"
SLOT = re.compile(r"[_.]{7,12}(\d{6})[_.]{7,12}")
_GROUP = re.compile(r'<g id="(step|flow)(?:-|&#45;)(\d+)" class="(?:node|edge)">(.*?)</g>', re.DOTALL)
_BOX = re.compile(r'<g id="group(?:-|&#45;)(\d+)" class="cluster">(.*?)</g>', re.DOTALL)
_OUTLINE = re.compile(r'<(?:path|polygon)[^>]* (?:d|points)="([^"]*)"')
_POINT = re.compile(r"(-?[\d.]+),(-?[\d.]+)")
_TEXT = re.compile(r'<text[^>]* x="(-?[\d.]+)" y="(-?[\d.]+)"[^>]*>(.*?)</text>', re.DOTALL)
_LONG = re.compile(r"(\.\d)\d+")  # numbers are laid out to a hundredth of a point
_FONT = "Helvetica"  # its metrics are known to all layout programs
_FONTS = "Helvetica,Arial,sans-serif"
_STROKE = "#757575"
_EDGE = "#9e9e9e"
# Their spaces keep labels off their edges.
_EDGES = f'<g xml:space="preserve" fill="{FAINT}" style="fill:{FAINT_STYLE};white-space:pre">'
_NODES = f'<g text-anchor="middle" fill="#212121" style="fill:{TEXT_STYLE}">'
_SCALE = 1.1  # pixels for a point: names at 13 px
_LAYOUT_S = 60
# Labels make dot slow where edges pass many ranks: 100 steps have taken it 20 seconds.
_MAX_LABELLED_RANKS = 500


class Flow(NamedTuple):
    """What one step reads from another: names of outputs of `source`."""

    source: str
    target: str
    names: tuple[str, ...]


def flows_of(snapshot: RunSnapshot) -> list[Flow]:
    """Return what flows between the steps, in the order of those that read."""
    names = {step.name for step in snapshot.steps}
    found: dict[tuple[str, str], list[str]] = {}
    for step in snapshot.steps:
        for name, source in step.reads.items():
            if source in names:
                found.setdefault((source, step.name), []).append(name)
    return [Flow(source, target, tuple(read)) for (source, target), read in found.items()]


def _ranks_passed(snapshot: RunSnapshot, flows: Sequence[Flow]) -> int:
    """Return how many ranks the edges pass together, each as long as the longest way beside it."""
    upstream: dict[str, list[str]] = {step.name: [] for step in snapshot.steps}
    for flow in flows:
        upstream[flow.target].append(flow.source)
    rank: dict[str, int] = {}
    try:
        order = graph.topological_order(upstream)
    except CycleError:  # a folded group may read what a step gives that reads from it
        return len(flows)
    for name in order:
        rank[name] = max((rank[above] + 1 for above in upstream[name]), default=0)
    return sum(rank[flow.target] - rank[flow.source] for flow in flows)


def _boxed(snapshot: RunSnapshot) -> list[str]:
    """Return the groups that are drawn as a box around their steps."""
    return [name for name, steps in groups_of(snapshot).items() if not steps[0].members]


def pipeline_dot(snapshot: RunSnapshot) -> str:
    """Return the DOT source of a pipeline: its steps and what flows between them.

    Parameters and notebook values stand in the nodes that read them: as nodes of their own they
    would cover the graph with edges.
    """
    from graphviz import Digraph, escape  # every notebook imports this module, few draw

    flows = flows_of(snapshot)
    has_labels = _ranks_passed(snapshot, flows) <= _MAX_LABELLED_RANKS
    dot = Digraph(
        "pipeline",
        graph_attr={
            "rankdir": "TB",
            "nodesep": "0.3",
            "ranksep": "0.4",
            "bgcolor": "transparent",
            "pad": "0.1,0.1",
            **({} if has_labels else {"nslimit": "2", "mclimit": "0.2"}),
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
            "arrowsize": "0.6",
        },
    )
    numbers = {step.name: number for number, step in enumerate(snapshot.steps)}
    boxes = {
        group: Digraph(
            f"cluster_{number}",
            graph_attr={
                "id": f"group-{number}",
                "label": group,
                "labeljust": "l",
                "fontname": _FONT,
                "fontsize": "11",
                "style": "rounded",
                "color": _EDGE,
                "margin": "10",
            },
        )
        for number, group in enumerate(_boxed(snapshot))
    }
    for number, step in enumerate(snapshot.steps):
        lines = [
            f"<B>{html.escape(plain(step.group if step.members else step.name, 40))}</B>",
            f'<FONT POINT-SIZE="11">{_STATE_SLOT % number}</FONT>',
        ]
        others = shorten(
            [plain(name, 24) for name, source in step.reads.items() if source == "parameter"]
            + [plain(n, 24) for n, source in step.reads.items() if source not in (*numbers, "parameter")]
        )
        if step.members:
            others = f"{len(step.members)} step{'s' * (len(step.members) > 1)}"
        if others:
            lines.append(f'<FONT POINT-SIZE="10.5" COLOR="{FAINT}">{html.escape(others)}</FONT>')
        # Numbered, so that nothing that a step may be called means anything here.
        place = boxes[step.group] if step.group and not step.members else dot
        place.node(f"step {number}", label=f"<{'<BR/>'.join(lines)}>", id=f"step-{number}")
    for box in boxes.values():
        dot.subgraph(box)
    for number, flow in enumerate(flows):
        names = escape(shorten([plain(name, 24) for name in flow.names]))
        # Flush left: a font wider than the layout's then grows away from the edge, not over it.
        label = f" {names}\\l {_SIZE_SLOT % number}\\l" if has_labels else ""
        ends = f"step {numbers[flow.source]}", f"step {numbers[flow.target]}"
        dot.edge(*ends, label=label, id=f"flow-{number}")
    return str(dot.source)


def pipeline_svg(snapshot: RunSnapshot) -> str:
    """Return the picture with each step's state, as SVG without an XML header."""
    return paint(snapshot, layout(pipeline_dot(snapshot)))


@lru_cache(maxsize=8)
def layout(dot: str) -> str:
    """Lay DOT out as SVG without an XML header; see `render`."""
    picture = render(dot, "svg").decode()
    return picture[max(picture.find("<svg"), 0) :]


def render(dot: str, kind: str) -> bytes:
    """Have DOT drawn by Graphviz' ``dot`` where it is installed, else by the package graphviz-pure.

    Raises
    ------
    MLPipeError
        Neither is there, or it refused the source, or it took too long.
    """
    program = shutil.which("dot") or str(Path(sysconfig.get_path("scripts")) / "graphviz-pure")
    try:
        done = subprocess.run(
            [program, f"-T{kind}"], input=dot.encode(), capture_output=True, check=True, timeout=_LAYOUT_S
        )
    except FileNotFoundError:
        raise MLPipeError(
            "The graph cannot be drawn: neither Graphviz' 'dot' nor 'graphviz-pure' was found. "
            "Install one: pip install graphviz-pure"
        ) from None
    except subprocess.TimeoutExpired:
        raise MLPipeError(
            f"The graph cannot be drawn: {program} was not done with it after {_LAYOUT_S} seconds. "
            "'%pipeline status' lists the steps."
        ) from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise MLPipeError(f"The graph cannot be drawn: {program} said: {said}") from None
    return done.stdout


def paint(snapshot: RunSnapshot, svg: str) -> str:
    """Fill a laid out picture with the state of each step, and the size of what flows."""
    flows = flows_of(snapshot)
    steps = {step.name: step for step in snapshot.steps}

    nodes: dict[int, str] = {}
    edges: list[str] = []

    def take(found: re.Match[str]) -> str:
        number = int(found[2])
        if found[1] == "step":
            nodes[number] = _paint_node(snapshot.steps[number], found[3])
        else:
            edges.append(_paint_flow(number, flows[number], steps[flows[number].source], found[3]))
        return ""

    boxed = _boxed(snapshot)
    svg = _BOX.sub(lambda found: _paint_box(boxed[int(found[1])], found[2]), svg)
    svg = _GROUP.sub(take, svg)
    # What all edges share, and all nodes, is said once: large pictures are kept in notebooks, too.
    # Styles follow the front end's theme; where they are taken out, the attributes hold.
    end = svg.rindex("</g>")
    in_order = [nodes[number] for number in sorted(nodes)]
    svg = "".join((svg[:end].rstrip(), _EDGES, *edges, "</g>", _NODES, *in_order, "</g>", svg[end:]))
    svg = re.sub(r"<!--.*?-->\n?|<title>pipeline</title>\n?", "", svg, flags=re.DOTALL)
    svg = svg.replace(' id="graph0"', "", 1)  # a page may hold several
    size = ""
    found = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', svg)
    if found is not None:
        width, height = float(found[1]) * _SCALE, float(found[2]) * _SCALE
        svg = svg.replace(found[0], f'width="{width:.0f}" height="{height:.0f}"', 1)
        # A wide graph shrinks to the page, but not below what can be read.
        size = f"max-width:max(100%,{width * 0.6:.0f}px);height:auto;"
    style = f"{size}font-family:var(--jp-ui-font-family,{_FONTS})"
    label = html.escape(describe_in_a_sentence(snapshot.steps), quote=True)
    head = (
        f'<svg role="img" aria-label="{label}" class="mlpipe-graph" font-family="{_FONTS}" style="{style}" '
    )
    return svg.replace("<svg ", head, 1)


def describe_pipeline(snapshot: RunSnapshot) -> str:
    """Return the pipeline as text, one line a step."""
    names = {step.name: plain(step.name, 60) for step in snapshot.steps}
    width = max(map(len, names.values()), default=0)
    lines = []
    for step in snapshot.steps:
        sign = look_of(step.status, step.plan).sign
        state = f"{sign} {names[step.name]:<{width}}  {state_words(step):<18}"
        reads, outputs = (", ".join(plain(name, 60) for name in part) for part in (step.reads, step.outputs))
        lines.append(f"{state}  {reads} -> {outputs}")
    return "\n".join(lines)


def describe_in_a_sentence(steps: Sequence[StepSnapshot], limit: int = 20) -> str:
    """Return the pipeline as what is read out in place of the picture."""
    states = [f"{plain(step.name, 40)}: {state_words(step)}" for step in steps[:limit]]
    more = [f"{len(steps) - limit} more"] if len(steps) > limit else []
    return f"pipeline of {len(steps)} steps. {', '.join([*states, *more])}"


def _paint_box(group: str, laid_out: str) -> str:
    name = html.escape(group)
    xs, box = _box_of(laid_out)
    labels = "".join(
        f'<text x="{min(xs) + 10:.6g}" y="{y}" font-size="10">{name}</text>'
        for _, y, _ in _TEXT.findall(laid_out)
    )
    return (
        f'<g class="mlpipe-group" data-mlpipe-group="{name}" fill="{FAINT}" style="fill:{FAINT_STYLE}">'
        f'<rect {box} rx="8" fill="none" stroke="{_EDGE}" style="fill:none"/>{labels}</g>'
    )


def _box_of(laid_out: str) -> tuple[list[float], str]:
    """Return how far what is laid out goes to the left and right, and it as a rectangle."""
    outline = _OUTLINE.search(laid_out)
    corners = _POINT.findall(outline[1]) if outline else []
    xs, ys = [float(x) for x, _ in corners] or [0.0], [float(y) for _, y in corners] or [0.0]
    size = f'width="{max(xs) - min(xs):.6g}" height="{max(ys) - min(ys):.6g}"'
    return xs, f'x="{min(xs):.6g}" y="{min(ys):.6g}" {size}'


def _paint_node(step: StepSnapshot, laid_out: str) -> str:
    look = look_of(step.status, step.plan)
    look = look.hollow if step.is_stale else look
    attributes = f'data-mlpipe-step="{html.escape(plain(step.name))}"'
    if step.members:
        attributes += f' data-mlpipe-group="{html.escape(step.group)}"'
    if step.status:
        attributes += f' data-mlpipe-status="{step.status}"'
    if step.plan:
        attributes += f' data-mlpipe-plan="{step.plan}"'
    xs, box = _box_of(laid_out)
    # Lines are laid out from their left; centred they stay so in a font of other widths.
    middle = f"{(min(xs) + max(xs)) / 2:.6g}"
    lines = [(y, text) for _, y, text in _TEXT.findall(laid_out)]
    state = html.escape(f"{look.sign} {state_words(step)}")
    # Smaller than laid out: lines of a label stand too close otherwise.
    kinds = ('class="mlpipe-name" font-size="12" font-weight="bold"', 'class="mlpipe-state" font-size="10"')
    faint = f'class="mlpipe-others" font-size="9" fill="{FAINT}" style="fill:{FAINT_STYLE}"'
    texts = [
        f'<text {kind} x="{middle}" y="{y}">{state if SLOT.fullmatch(text) else text}</text>'
        for kind, (y, text) in zip((*kinds, faint), lines, strict=False)
    ]
    # A folded group looks like what it is: more than one.
    behind = (
        f'<rect class="mlpipe-behind" {box} rx="8" transform="translate(3 3)" fill="{look.fill}" '
        f'stroke="{look.stroke}" style="{look.node_style}"/>'
        if step.members
        else ""
    )
    title = html.escape("; ".join([plain(step.name), *(describe_reason(r) for r in step.reasons)]))
    return (
        f'<g class="node" {attributes}>'
        f"<title>{title}</title>"
        f'{behind}<rect class="mlpipe-box" {box} rx="8" fill="{look.fill}" stroke="{look.stroke}" '
        f'style="{look.node_style}"/>{"".join(texts)}</g>'
    )


def _paint_flow(number: int, flow: Flow, source: StepSnapshot, laid_out: str) -> str:
    source_name, target = (html.escape(plain(name)) for name in (flow.source, flow.target))
    ends = f'data-mlpipe-flow="{number}" data-mlpipe-from="{source_name}" data-mlpipe-to="{target}"'
    size = html.escape(size_words(flow.names, source))
    drawn = _LONG.sub(r"\1", "".join(re.findall(r"<(?:path|polygon)[^>]*/>", laid_out)))
    texts = [
        f'<text class="mlpipe-size" font-size="8.5" x="{x}" y="{y}"> {size}</text>'
        if SLOT.fullmatch(text.strip())
        else f'<text font-size="10" x="{x}" y="{y}">{text}</text>'
        for x, y, text in _TEXT.findall(laid_out)
    ]
    return f'<g class="edge" {ends}>{drawn}{"".join(texts)}</g>'
