"""A laid out picture filled with states and sizes, as SVG; of very many steps, their outline.

Large pictures are kept in notebooks, too: what all nodes share is said once, numbers are short.
Colours follow the front end's theme by a style sheet within; where that is taken out, the attributes hold.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from jupyter_mlpipe.model.status import RunSnapshot, StepSnapshot, describe_reason
from jupyter_mlpipe.notebook.show.drawing import (
    EDGE,
    SLOT,
    Flow,
    boxed,
    describe_in_a_sentence,
    flows_of,
    layout,
    pipeline_dot,
)
from jupyter_mlpipe.notebook.show.look import FAINT, FAINT_FILL, TEXT_FILL, Look, look_of
from jupyter_mlpipe.notebook.show.words import plain, size_words, state_words

_PART = re.compile(
    r'<g id="(step|flow|group)(?:-|&#45;)(\d+)" class="(?:node|edge|cluster)">(.*?)</g>', re.DOTALL
)
_OUTLINE = re.compile(r'<(?:path|polygon)[^>]* (?:d|points)="([^"]*)"')
_POINT = re.compile(r"(-?[\d.]+),(-?[\d.]+)")
_TEXT = re.compile(r'<text[^>]* x="(-?[\d.]+)" y="(-?[\d.]+)"[^>]*>(.*?)</text>', re.DOTALL)
_MOVED = re.compile(r'transform="([^"]*)"')
_SIZE = re.compile(r'width="([\d.]+)pt" height="([\d.]+)pt"\s*viewBox="([^"]*)"')
_FONTS = "Helvetica,Arial,sans-serif"
_GRID = 4  # points, of an outline
_SCALE = 1.1  # pixels for a point: names at 13 px
# Smaller than laid out: lines of a label stand too close otherwise.
_STYLE = (
    f".mlpipe-graph{{font-family:var(--jp-ui-font-family,{_FONTS})}}"
    f".mlpipe-graph text{{fill:{TEXT_FILL};white-space:pre}}"
    ".mlpipe-name{font-size:12px;font-weight:700}.mlpipe-others{font-size:9.5px}.mlpipe-size{font-size:9px}"
    ".mlpipe-graph :is(.mlpipe-others,.mlpipe-edges text,.mlpipe-group text)"
    f"{{fill:{FAINT_FILL};stroke:none}}"
    # Colours that users force leave drawings as they are.
    "@media(forced-colors:active){.mlpipe-graph :is(.mlpipe-edges,.mlpipe-group) text{fill:CanvasText}}"
)


_Point = tuple[float, float]
_Drawn = tuple[tuple[int, int], tuple[int, int], str]  # where a shape begins and ends, and its path


class _Laid(NamedTuple):
    """What the layout program has drawn: the attributes of the whole, and its parts by their numbers."""

    width: float
    height: float
    view: str
    moved: str
    nodes: dict[int, str]
    flows: dict[int, str]
    groups: dict[int, str]


class _Box(NamedTuple):
    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    def __str__(self) -> str:
        sizes = zip(("x", "y", "width", "height"), self, strict=True)
        return " ".join(f'{name}="{_short(value)}"' for name, value in sizes)


def pipeline_svg(snapshot: RunSnapshot) -> str:
    """Return the picture with each step's state, as SVG without an XML header."""
    return paint(snapshot, layout(pipeline_dot(snapshot)))


def paint(snapshot: RunSnapshot, svg: str) -> str:
    """Fill a laid out picture with the state of each step, and the size of what flows."""
    laid = _read(svg)
    steps = {step.name: step for step in snapshot.steps}
    numbers = {name: number for number, name in enumerate(steps)}
    flows = flows_of(snapshot)
    looks = [_look(step) for step in snapshot.steps]
    groups = boxed(snapshot)
    parts = [
        *(_group(groups[number], drawn) for number, drawn in laid.groups.items()),
        f'<g class="mlpipe-edges" xml:space="preserve" font-size="10" fill="none" stroke="{EDGE}">',
    ]
    for number, drawn in sorted(laid.flows.items()):
        flow = flows[number]
        ends = f"{number} {numbers[flow.source]} {numbers[flow.target]}"
        parts.append(_flow(ends, flow, steps[flow.source], drawn))
    parts.append('</g><g text-anchor="middle" font-size="10" fill="#212121">')
    for number, drawn in sorted(laid.nodes.items()):
        parts.append(_node(snapshot.steps[number], looks[number], drawn))
    return _whole(snapshot, svg, laid, looks, [*parts, "</g>"])


def outline(snapshot: RunSnapshot, svg: str) -> str:
    """Return a laid out picture as it is seen from afar: boxes by their states, names, straight lines.

    The browser asks the kernel for all of it (`mlpipe-outline`).
    """
    laid = _read(svg)
    looks = [_look(step) for step in snapshot.steps]
    boxes: dict[Look, list[_Drawn]] = {}
    names: list[tuple[int, int, str]] = []
    for number, drawn in laid.nodes.items():
        box = _box_of(drawn)
        at, (width, height) = _coarse(box.x, box.y), _coarse(box.width, box.height)
        boxes.setdefault(looks[number], []).append((at, at, f"h{width}v{height}h{-width}z"))
        name = html.escape(_brief(snapshot.steps[number].name))
        middle, base = _coarse(box.middle, box.y + box.height / 2 + 4)
        names.append((base, middle, name))
    lines = []
    for drawn in laid.flows.values():
        curve, *heads = _points_of(drawn)
        begin, end = _coarse(*curve[0]), _coarse(*(heads[0][1] if heads else curve[-1]))
        lines.append((begin, end, f"l{_pair(end[0] - begin[0], end[1] - begin[1], 'l')}"))
    parts = [
        f'<g transform="scale({_GRID})" stroke-width="{1 / _GRID}">',
        f'<path fill="none" stroke="{EDGE}" d="{_chain(lines)}"/>',
        *(f'<path {_fill(look)} d="{_chain(shapes)}"/>' for look, shapes in boxes.items()),
        f'<text text-anchor="middle" font-size="{12 / _GRID:g}" fill="#212121" stroke="none">',
        *_lines_of(names),
        "</text></g>",
    ]
    return _whole(snapshot, svg, laid, looks, parts, kind=" mlpipe-outline")


def _brief(name: str) -> str:
    """Return a name in at most 16 letters; where names are long it is their ends that differ."""
    text = plain(name)
    return text if len(text) <= 16 else f"{text[:9]}…{text[-6:]}"


def _lines_of(names: Iterable[tuple[int, int, str]]) -> Iterator[str]:
    """Yield names as parts of one text, each line by how far it is below the one before."""
    at = 0
    for y, x, name in sorted(names):
        # Quotes of this kind are not escaped where notebooks are kept.
        down = f" dy='{y - at}'" if y != at else ""
        yield f"<tspan x='{x}'{down}>{name}</tspan>"
        at = y


def _coarse(x: float, y: float) -> tuple[int, int]:
    """Return a point of an outline, on a grid that keeps its numbers short."""
    return round(x / _GRID), round(y / _GRID)


def _chain(drawn: Iterable[_Drawn]) -> str:
    """Return shapes as one path, rank by rank, each by how far it is from the one before."""
    path, at = "", (0, 0)
    for begin, end, shape in sorted(drawn, key=lambda one: (one[0][1], one[0][0])):
        path += f"m{_pair(begin[0] - at[0], begin[1] - at[1], 'm')}{shape}"
        at = end
    return path


def _whole(
    snapshot: RunSnapshot, svg: str, laid: _Laid, looks: Iterable[Look], parts: Iterable[str], kind: str = ""
) -> str:
    names = "\n".join(step.name for step in snapshot.steps)
    # Tells the browser whether what it shows is what is drawn here.
    drawing = hashlib.blake2b(f"{names}\n{svg}".encode(), digest_size=6).hexdigest()
    width, height = laid.width * _SCALE, laid.height * _SCALE
    colours = "".join(
        f'.mlpipe-graph [fill="{look.fill}"]{{{look.node_style}}}' for look in dict.fromkeys(looks)
    )
    label = html.escape(describe_in_a_sentence(snapshot.steps), quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" class="mlpipe-graph{kind}" '
        f'data-mlpipe-drawing="{drawing}" width="{width:.0f}" height="{height:.0f}" viewBox="{laid.view}" '
        # A wide graph shrinks to the page, but not below what can be read.
        f'font-family="{_FONTS}" style="max-width:max(100%,{width * 0.9:.0f}px);height:auto">'
        f'<style>{_STYLE}{colours}</style><g transform="{laid.moved}">{"".join(parts)}</g></svg>'
    )


def _read(svg: str) -> _Laid:
    found: dict[str, dict[int, str]] = {"step": {}, "flow": {}, "group": {}}
    for kind, number, drawn in _PART.findall(svg):
        found[kind][int(number)] = drawn
    size, moved = _SIZE.search(svg), _MOVED.search(svg)
    width, height, view = size.groups() if size is not None else ("0", "0", "0 0 0 0")
    whole = moved[1].replace("scale(1 1) rotate(0) ", "") if moved is not None else ""
    return _Laid(float(width), float(height), view, whole, found["step"], found["flow"], found["group"])


def _look(step: StepSnapshot) -> Look:
    look = look_of(step.status, step.plan)
    return look.hollow if step.is_stale else look


def _fill(look: Look) -> str:
    return f'fill="{look.fill}" stroke="{look.stroke}"'


def _group(group: str, laid_out: str) -> str:
    name = html.escape(group)
    box = _box_of(laid_out)
    labels = "".join(
        f'<text x="{_short(box.x + 10)}" y="{y}">{name}</text>' for _, y, _ in _TEXT.findall(laid_out)
    )
    return (
        f'<g class="mlpipe-group" data-mlpipe-group="{name}" font-size="10" fill="{FAINT}">'
        f'<rect {box} rx="8" fill="none" stroke="{EDGE}"/>{labels}</g>'
    )


def _box_of(laid_out: str) -> _Box:
    drawn = _OUTLINE.search(laid_out)
    corners = _POINT.findall(drawn[1]) if drawn else []
    xs, ys = [float(x) for x, _ in corners] or [0.0], [float(y) for _, y in corners] or [0.0]
    return _Box(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))


def _node(step: StepSnapshot, look: Look, laid_out: str) -> str:
    attributes = f'data-mlpipe-step="{html.escape(plain(step.name))}"'
    if step.members:
        attributes += f' data-mlpipe-group="{html.escape(step.group)}"'
    if step.status:
        attributes += f' data-mlpipe-status="{step.status}"'
    if step.plan:
        attributes += f' data-mlpipe-plan="{step.plan}"'
    box = _box_of(laid_out)
    # Lines are laid out from their left; centred they stay so in a font of other widths.
    middle = _short(box.middle)
    state = html.escape(f"{look.sign} {state_words(step)}")
    kinds = (("name", -1), ("state", 1), ("others", 1))  # names stand off a little
    texts = [
        f'<text class="mlpipe-{kind}" x="{middle}" y="{_short(float(y) + down)}">'
        f"{state if SLOT.fullmatch(text) else text.rstrip()}</text>"
        for (kind, down), (_, y, text) in zip(kinds, _TEXT.findall(laid_out), strict=False)
    ]
    # A folded group looks like what it is: more than one.
    behind = (
        f'<rect class="mlpipe-behind" {box} rx="8" transform="translate(3 3)" {_fill(look)}/>'
        if step.members
        else ""
    )
    title = html.escape("; ".join([plain(step.name), *(describe_reason(r) for r in step.reasons)]))
    return (
        f'<g class="node" {attributes}><title>{title}</title>{behind}'
        f'<rect class="mlpipe-box" {box} rx="8" {_fill(look)}/>{"".join(texts)}</g>'
    )


def _flow(ends: str, flow: Flow, source: StepSnapshot, laid_out: str) -> str:
    # Their spaces keep labels off their edges.
    size = html.escape(size_words(flow.names, source))
    texts = [
        f'<text class="mlpipe-size" x="{x}" y="{y}"> {size}</text>'
        if SLOT.fullmatch(text.strip())
        else f'<text x="{x}" y="{y}">{text}</text>'
        for x, y, text in _TEXT.findall(laid_out)
    ]
    return f'<g data-mlpipe-flow="{ends}"><path d="{_path(laid_out)}"/>{"".join(texts)}</g>'


def _points_of(laid_out: str) -> list[list[_Point]]:
    """Return the points of an edge: of its curve, as Bézier's take them, and of its head."""
    return [[(float(x), float(y)) for x, y in _POINT.findall(drawn)] for drawn in _OUTLINE.findall(laid_out)]


@lru_cache(maxsize=2048)  # what is laid out is painted again and again
def _path(laid_out: str) -> str:
    """Return an edge as one line with an open head, each point by how far it is from the one before."""
    curve, *heads = _points_of(laid_out)
    moves = [("M", curve[:1]), ("c", curve[1:])]
    for left, tip, right, *_ in heads:
        moves += [("l", [tip]), ("M", [left]), ("l", [tip, right])]
    path, at = "", (0.0, 0.0)
    for command, points in moves:
        path += command
        for number, point in enumerate(points):
            before = at
            at = (round(point[0], 1), round(point[1], 1))
            # The three points of a curve's part are all seen from where it begins.
            seen_from = (0.0, 0.0) if command == "M" else before
            if command == "c":
                if number % 3 == 0:
                    begin = before
                seen_from = begin
            path += _pair(at[0] - seen_from[0], at[1] - seen_from[1], path)
    return path


def _pair(x: float, y: float, before: str) -> str:
    first, second = _short(x), _short(y)
    gap = "" if before[-1].isalpha() or first.startswith("-") else " "
    return f"{gap}{first}{second if second.startswith('-') else f' {second}'}"


def _short(value: float) -> str:
    text = f"{value:.1f}".removesuffix(".0")
    if text == "-0":
        return "0"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text
