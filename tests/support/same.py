"""A notebook's story: what a reader sees below each cell, and what its names stand for in the end."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from typing import Any

from tests.support.kernel import Kernel, Result

# Colours, addresses and ids, the names of cells and their lines: ours count the line on top.
_OTHERWISE = (
    (r"\x1b\[[0-9;]*m", ""),
    (r"0x[0-9a-f]{6,}", "<address>"),
    (r'id="[^"]*"', "<id>"),
    (r"\S+/ipykernel_\d+/\d+\.py|\d+\.py(?=, line)|Cell In\[\d+\]", "<cell>"),
    (r"(<cell>:|line )\d+", r"\1<n>"),
)


def cells_of(text: str) -> list[tuple[str, bool]]:
    parts = re.split(r"^# %%( plain)?\n", text.lstrip(), flags=re.MULTILINE)
    return [(code.removesuffix("\n"), not mark) for mark, code in zip(parts[1::2], parts[2::2], strict=True)]


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        for pattern, mark in _OTHERWISE:
            value = re.sub(pattern, mark, value)
        return value
    if isinstance(value, dict):
        return {name: _normal(part) for name, part in value.items()}
    return value


def seen(result: Result) -> list[Any]:
    """What a reader sees below the cell."""
    seen: list[Any] = []
    for output in result.own:
        kind = output["type"]
        if kind == "clear_output":
            if not output["wait"]:
                seen.clear()
            else:
                seen.append("clear")
            continue
        if seen and seen[-1] == "clear":
            seen.clear()
        if kind == "stream":
            # A kernel flushes its two streams apart: their order between displays is chance.
            last = seen.pop() if seen and seen[-1][0] == "text" else ("text", {"stdout": "", "stderr": ""})
            text = {**last[1], output["name"]: last[1][output["name"]] + _normal(output["text"])}
            seen.append(("text", text))
        elif kind != "error":
            seen.append((kind, _normal(output["data"]), output["metadata"]))
    error = result.error and (result.error["ename"], _normal(result.error["evalue"]))
    return [*seen, ("error", error)]


def tell(kernel: Kernel, cells: list[tuple[str, bool]], lines: Callable[[int], bool]) -> list[Any]:
    """Run cells, with our line on those that `lines` says, where they may have it."""
    story = []
    for number, (code, may_have_line) in enumerate(cells):
        line = f"%%component c{number}\n" if may_have_line and lines(number) else ""
        story.append((code, seen(kernel.run(line + code))))
    return story


_NAMES = """
print([n for n in globals() if not n.startswith('_') and n not in
      ('In', 'Out', 'exit', 'quit', 'get_ipython', 'open')])
"""


def names_of(kernel: Kernel) -> list[str]:
    names: list[str] = ast.literal_eval(kernel.run(_NAMES).check().printed)
    return names


def values_of(kernel: Kernel, names: Sequence[str]) -> dict[str, Any]:
    found = {}
    for name in names:
        found[name] = seen(kernel.run(f"print(type({name}).__name__, {name})"))
    return found
