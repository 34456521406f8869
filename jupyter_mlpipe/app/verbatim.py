"""Notebooks changed in places: what is not changed stays as it is written, byte for byte.

nbformat lays a notebook out in its own way; here the file keeps the layout that its front end gave it.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_mlpipe.app.document import Cell, Notebook, read_any_notebook, write_aside
from jupyter_mlpipe.errors import UsageError


@dataclass(frozen=True, slots=True)
class Layout:
    """How a notebook's JSON is written."""

    indent: int | str | None = 1
    separators: tuple[str, str] = (",", ": ")
    is_ascii: bool = False
    line_end: str = "\n"
    tail: str = "\n"

    def text_of(self, notebook: Notebook) -> str:
        """Return the notebook's file."""
        text = json.dumps(
            notebook, indent=self.indent, separators=self.separators, ensure_ascii=self.is_ascii
        )
        return text.replace("\n", self.line_end) + self.tail


def read_verbatim(path: Path) -> tuple[Notebook, Layout]:
    """Read a notebook as it is written: a cell's source stays a text, or the list of its lines.

    Raises
    ------
    UsageError
        It is not there, is no notebook of format 4, or is not Python's.
    """
    checked = read_any_notebook(path)
    with path.open(encoding="utf-8", newline="") as file:
        text = file.read()
    notebook: Notebook = json.loads(text)
    if notebook["nbformat"] != 4:
        raise UsageError(
            f"'{path}' is of notebook format {notebook['nbformat']}. Save it in format 4 first: "
            f"jupyter nbconvert --to notebook --inplace {path}"
        )
    metadata = checked["metadata"]
    language = metadata.get("kernelspec", {}).get("language") or metadata.get("language_info", {}).get("name")
    if language and language.lower() not in ("python", "python3", "ipython"):
        raise UsageError(f"'{path}' is a notebook for {language}; components are cells of Python.")
    return notebook, _layout_of(text, notebook)


def write_verbatim(notebook: Notebook, layout: Layout, target: Path) -> None:
    """Write a notebook in the layout that it was read in.

    Raises
    ------
    MLPipeError
        It cannot be written.
    """
    write_aside(layout.text_of(notebook), target)


def source_of(cell: Cell) -> str:
    """Return a cell's text."""
    return "".join(cell["source"])


def set_source(cell: Cell, text: str) -> None:
    """Set a cell's text, written as it was: in one, or as a list of which the end is kept."""
    before = cell["source"]
    if not isinstance(before, list):
        cell["source"] = text
        return
    n_kept, kept = 0, ""
    while n_kept < len(before) and text.endswith(before[-1 - n_kept] + kept):
        kept = before[-1 - n_kept] + kept
        n_kept += 1
    cell["source"] = [*lines_of(text[: len(text) - len(kept)]), *before[len(before) - n_kept :]]


def lines_of(text: str) -> list[str]:
    """Return the lines as notebooks hold them."""
    return text.splitlines(keepends=True)


def has_lists(notebook: Notebook) -> bool:
    """Tell whether the notebook holds its sources as lists of lines, as front ends write them."""
    return any(isinstance(cell["source"], list) for cell in notebook["cells"])


def _layout_of(text: str, notebook: Any) -> Layout:
    """Return the layout that gives back the text; the usual one where none does."""
    line_end = "\r\n" if "\r\n" in text else "\n"
    tail = text[len(text.rstrip()) :]
    found = re.match(r"\{\r?\n([ \t]*)", text)
    if found is None:
        indents: list[int | str | None] = [None]
    else:
        indents = [found[1] if "\t" in found[1] else len(found[1])]
    separators = [(",", ": ")] if found else [(", ", ": "), (",", ":"), (",", ": ")]
    for indent, separator, is_ascii in itertools.product(indents, separators, (False, True)):
        layout = Layout(indent, separator, is_ascii, line_end, tail)
        if layout.text_of(notebook) == text:
            return layout
    return Layout(indents[0], separators[0], tail=tail, line_end=line_end)
