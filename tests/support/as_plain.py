"""Runs a notebook plainly and with our line on its cells, and compares what a reader sees."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from typing import Any

from tests.support.kernel import Kernel, Result

Start = Callable[..., Kernel]

# Colours, addresses and ids, the names of cells and their lines: ours count the line on top.
_OTHERWISE = (
    (r"\x1b\[[0-9;]*m", ""),
    (r"0x[0-9a-fA-F]{6,}", "<address>"),
    (r'id="[^"]*"', "<id>"),
    (r"\S+/ipykernel_\d+/\d+\.py|\d+\.py(?=, line)|Cell In\[\d+\]", "<cell>"),
    (r"(<cell>:|line )\d+", r"\1<n>"),
    (r"(CPU times|Wall time):.*", r"\1"),
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
    """Return what a reader sees below the cell."""
    found: list[Any] = []
    for output in result.own:
        kind = output["type"]
        if kind == "clear_output":
            if not output["wait"]:
                found.clear()
            else:
                found.append("clear")
            continue
        if found and found[-1] == "clear":
            found.clear()
        if kind == "stream":
            # A kernel flushes its two streams apart: their order between displays is chance.
            last = found.pop() if found and found[-1][0] == "text" else ("text", {"stdout": "", "stderr": ""})
            text = {**last[1], output["name"]: last[1][output["name"]] + _normal(output["text"])}
            found.append(("text", text))
        elif kind == "error":
            found.append((kind, output["ename"], _normal(output["evalue"])))
        else:
            found.append((kind, _normal(output["data"]), output["metadata"]))
    error = result.error and (result.error["ename"], _normal(result.error["evalue"]))
    pages = [("page", _normal(page["data"]), page["start"]) for page in result.pages]
    return [*found, *pages, ("error", error)]


CHOICES: dict[str, Callable[[int], bool]] = {
    "all": lambda number: True,
    "even": lambda number: number % 2 == 0,
    "odd": lambda number: number % 2 == 1,
}
"""Which cells get our line, by their number."""


def run_cells(
    kernel: Kernel, cells: list[tuple[str, bool]], chosen: Callable[[int], bool], options: str = ""
) -> list[Any]:
    story = []
    for number, (code, may_have_line) in enumerate(cells):
        line = f"%%component c{number}{options}\n" if may_have_line and chosen(number) else ""
        story.append((code, seen(kernel.run(line + code))))
    return story


_NAMES = """
print([n for n in globals() if not n.startswith('_') and n not in
      ('In', 'Out', 'exit', 'quit', 'get_ipython', 'open')])
"""


def _final(kernel: Kernel, names: list[str]) -> dict[str, Any]:
    found = {}
    for name in names:
        found[name] = seen(kernel.run(f"print(type({name}).__name__, {name})"))
    return found


def assert_same_as_plain(
    text: str, start_kernel: Start, choices: Iterable[str] = ("all",), options: str = ""
) -> None:
    """Compare what cells show, fresh and reused, and the values of all names at the end."""
    cells = cells_of(text)
    plain = start_kernel(load=False)
    plain.run("pass")  # stands for the cell that loads the extension: cells have numbers
    expected = run_cells(plain, cells, lambda number: False)
    names = ast.literal_eval(plain.run(_NAMES).check().printed)
    values = _final(plain, names)
    plain.close()
    for choice in [choice for choice in choices for _ in ("first", "reused")]:
        kernel = start_kernel()
        told = run_cells(kernel, cells, CHOICES[choice], options)
        for (code, ours), (_, plainly) in zip(told, expected, strict=True):
            assert ours == plainly, f"{choice}: {code}\n  plain: {plainly}\n  ours:  {ours}"
        for name, ours in _final(kernel, names).items():
            assert ours == values[name], f"{choice}: {name}\n  plain: {values[name]}\n  ours:  {ours}"
        kernel.close()
