"""Our lines in a cell's text: told apart, put on top, taken out again without touching the rest."""

from __future__ import annotations

import re

from jupyter_mlpipe.cells.header import comment_header

LOAD_LINE = "%load_ext jupyter_mlpipe"

_MAGIC = re.compile(r"(\s*)%%(component|parameters)(?![\w])[^\n]*(\n|\Z)")
_LOAD = re.compile(r"^[ \t]*%(?:re)?load_ext[ \t]+jupyter_mlpipe[ \t]*(?:\r?\n|\Z)", re.MULTILINE)
_PIPELINE = re.compile(r"^\s*(?:[\w, ]+=\s*)?%pipeline(?![\w])", re.MULTILINE)


def has_our_line(source: str) -> bool:
    """Tell whether a cell is a component or declares parameters."""
    return _MAGIC.match(source) is not None or comment_header(source) is not None


def loads_extension(source: str) -> bool:
    """Tell whether a cell loads this extension."""
    return _LOAD.search(source) is not None


def uses_pipeline(source: str) -> bool:
    """Tell whether a cell has a ``%pipeline`` line."""
    return _PIPELINE.search(source) is not None


def is_about_pipeline(source: str) -> bool:
    """Tell whether a cell only loads this extension or asks it something."""
    lines = [line for line in source.splitlines() if line.strip()]
    return bool(lines) and all(loads_extension(line) or uses_pipeline(line) for line in lines)


def put_line(source: str, line: str) -> str:
    """Return the cell with a line on top."""
    return f"{line}\n{source}"


def take_line(source: str) -> str:
    """Return the cell without its header, be it a magic or a comment; all else stays as it is."""
    found = _MAGIC.match(source)
    if found is not None:
        return found[1] + source[found.end() :]
    header = comment_header(source)
    if header is None:
        return source
    lines = re.findall(r"[^\n]*\n|[^\n]+\Z", source)
    first = next(number for number, line in enumerate(lines) if line.strip())
    return "".join([*lines[:first], *lines[header[1] :]])


def take_load_line(source: str) -> str:
    """Return the cell without the line that loads this extension."""
    return _LOAD.sub("", source, count=1)


def begins(source: str) -> str:
    """Return the first telling line of a cell, shortened."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    first = next((line for line in lines if not line.startswith("#")), lines[0] if lines else "")
    return first if len(first) <= 40 else f"{first[:39]}…"
