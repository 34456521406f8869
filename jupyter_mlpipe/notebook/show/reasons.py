"""Reasons as a notebook shows them: each on a line of its own, with what changed folded below it."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from jupyter_mlpipe.model.diffs import count_changes, shorten_diff
from jupyter_mlpipe.model.status import readable
from jupyter_mlpipe.notebook.show.look import FAINT_STYLE, LOOKS

_MAX_REASONS = 8
_MAX_LINES = 60  # of one diff
_OPEN_LINES = 24

_CODE = (
    "font-family:var(--jp-code-font-family,monospace);font-size:90%;line-height:1.45;white-space:pre;"
    "overflow-x:auto;max-width:100%;margin:3px 0 6px 1px;"
    "border-left:2px solid var(--jp-border-color1,#bdbdbd)"
)


def reasons_html(reasons: Sequence[Mapping[str, str]], *, unfold: bool = False) -> str:
    """Return reasons, as `reasons_json` gives them, as HTML.

    Parameters
    ----------
    unfold
        Show what changed at once, where it is short.
    """
    found = readable(reasons)
    lines = [_reason(text, diff, unfold=unfold) for text, diff in found[:_MAX_REASONS]]
    if len(found) > _MAX_REASONS:
        lines.append(f'<div style="color:{FAINT_STYLE}">{len(found) - _MAX_REASONS} more</div>')
    return "".join(lines)


def reasons_text(reasons: Sequence[Mapping[str, str]], indent: str = "  ") -> list[str]:
    """Return reasons as lines of text, what changed below each."""
    lines: list[str] = []
    for text, diff in readable(reasons):
        lines.append(indent + text)
        lines += [f"{indent}    {line}".rstrip() for line in shorten_diff(diff, _MAX_LINES).splitlines()]
    return lines


def _reason(text: str, diff: str, *, unfold: bool) -> str:
    words = html.escape(text)
    if not diff:
        return f"<div>{words}</div>"
    lines = shorten_diff(diff, _MAX_LINES).splitlines()
    is_open = " open" if unfold and len(lines) <= _OPEN_LINES else ""
    counts = f'<span style="color:{FAINT_STYLE}">&ensp;{count_changes(diff)}</span>'
    body = "".join(map(_line, lines))
    return (
        f'<details style="margin:0"{is_open}><summary style="cursor:pointer">{words}{counts}</summary>'
        f'<div style="{_CODE}">{body}</div></details>'
    )


def _line(line: str) -> str:
    colour = {"+": LOOKS["succeeded"], "-": LOOKS["failed"]}.get(line[:1])
    if colour is not None:
        style = f"{colour.text_style};background:color-mix(in srgb,{colour.stroke} 12%,transparent)"
    else:
        style = f"color:{FAINT_STYLE}"
    return f'<div style="{style};padding:0 8px">{html.escape(line) or "&nbsp;"}</div>'
