"""The pipeline as DOT, laid out once: the state of a step never moves anything.

Each node's second line, and that of each edge's label, is laid out at a fixed width and filled
afterwards (`painting.py`), so that the same picture serves before, during and after a run.
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
from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot, shorten
from jupyter_mlpipe.notebook.show.look import FAINT, look_of
from jupyter_mlpipe.notebook.show.words import plain, state_words

_STATE_SLOT = "_______%06d_______"
_SIZE_SLOT = "............%06d............"
SLOT = re.compile(r"[_.]{7,12}(\d{6})[_.]{7,12}")
_FONT = "Helvetica"  # its metrics are known to all layout programs
_STROKE = "#757575"
EDGE = "#9e9e9e"
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


def boxed(snapshot: RunSnapshot) -> list[str]:
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
            "color": EDGE,
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
                "color": EDGE,
                "margin": "10",
            },
        )
        for number, group in enumerate(boxed(snapshot))
    }
    for number, step in enumerate(snapshot.steps):
        name = plain(step.group if step.members else step.name, 40)
        lines = [
            # Fonts of pages are wider than the layout's.
            f"<B>{html.escape(name)}{'&#160;' * (len(name) // 6)}</B>",
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


def describe_pipeline(snapshot: RunSnapshot, limit: int | None = None) -> str:
    """Return the pipeline as text, one line a step, of `limit` steps at most."""
    steps = snapshot.steps[:limit]
    names = {step.name: plain(step.name, 60) for step in steps}
    width = max(map(len, names.values()), default=0)
    lines = []
    for step in steps:
        sign = look_of(step.status, step.plan).sign
        state = f"{sign} {names[step.name]:<{width}}  {state_words(step):<18}"
        reads, outputs = (", ".join(plain(name, 60) for name in part) for part in (step.reads, step.outputs))
        lines.append(f"{state}  {reads} -> {outputs}")
    if len(steps) < len(snapshot.steps):
        lines.append(f"… and {len(snapshot.steps) - len(steps)} more")
    return "\n".join(lines)


def describe_in_a_sentence(steps: Sequence[StepSnapshot], limit: int = 20) -> str:
    """Return the pipeline as what is read out in place of the picture."""
    states = [f"{plain(step.name, 40)}: {state_words(step)}" for step in steps[:limit]]
    more = [f"{len(steps) - limit} more"] if len(steps) > limit else []
    return f"pipeline of {len(steps)} steps. {', '.join([*states, *more])}"
