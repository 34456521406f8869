"""Where things lie in the text of a cell with our line: its header, its body, and what an error is about."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from jupyter_mlpipe.cells.header import comment_header
from jupyter_mlpipe.cells.magics import component_first
from jupyter_mlpipe.errors import HeaderError, MLPipeError, PipelineError

Span = tuple[int, int]
"""Two offsets in the text of a cell."""

_LINE = re.compile(r"(?P<indent>[ \t]*)(?P<magic>%%(?P<kind>component|parameters))(?!\w)(?P<header>.*)")
_COMMENT_START = re.compile(r"\s*#\|\s*component\s*:\s*")
_COMMENT_GOES_ON = re.compile(r"\s*#\|\s*")


@dataclass(frozen=True, slots=True)
class Located:
    """A cell with our line, taken apart.

    Parameters
    ----------
    header
        What `parse_header` reads; empty above parameters.
    places
        For each character of the header, and for its end, the offset in the cell.
    above
        The whole of the header's lines in the cell, ``%%component`` included.
    body
        The lines that belong to the component.
    header_lines
        Lines of the cell before those of the body.
    """

    kind: Literal["component", "parameters"]
    header: str
    places: Sequence[int]
    above: Span
    body: str
    header_lines: int

    def span(self, start: int, end: int) -> Span:
        """Return where a part of the header lies in the cell."""
        if start >= end:
            return self.places[start], self.places[start]
        return self.places[start], self.places[end - 1] + 1


def locate(cell: str) -> Located | None:
    """Take a cell apart; None for one without our line.

    Parameters
    ----------
    cell
        Its text, lines ended by ``\\n`` alone.
    """
    lines = cell.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    n_blank = next((number for number, line in enumerate(lines) if line.strip()), len(lines))
    below = component_first(lines[n_blank:])
    match = _LINE.fullmatch(below[0]) if below else None
    if match is not None:
        number = next(n for n in range(n_blank, len(lines)) if lines[n] == below[0])
        start = starts[number] + match.start("header")
        header = match["header"].rstrip()
        return Located(
            kind="component" if match["kind"] == "component" else "parameters",
            header=header,
            places=range(start, start + len(header) + 1),
            above=(starts[number] + match.start("magic"), start + len(header)),
            body="\n".join(below[1:]),
            header_lines=n_blank + 1,
        )
    found = comment_header(cell)
    return None if found is None else _locate_comment(lines, starts, n_blank, found[1])


def _locate_comment(lines: Sequence[str], starts: Sequence[int], first: int, end: int) -> Located:
    text, places = "", list[int]()
    for number in range(first, end):
        match = (_COMMENT_START if number == first else _COMMENT_GOES_ON).match(lines[number])
        assert match is not None
        line = lines[number]
        # The header goes on, on one line: what stands between is one blank.
        text += line[match.end() :] + (" " if number < end - 1 else "")
        places += range(starts[number] + match.end(), starts[number] + len(line) + (number < end - 1))
    blank = len(text) - len(text.lstrip())
    text = text.rstrip()
    places = places[blank : len(text)]
    behind = places[-1] + 1 if places else starts[end - 1] + len(lines[end - 1])
    return Located(
        kind="component",
        header=text.lstrip(),
        places=[*places, behind],
        above=(starts[first] + len(lines[first]) - len(lines[first].lstrip()), behind),
        body="\n".join(lines[end:]),
        header_lines=end,
    )


def place_of(error: MLPipeError, cell: str, located: Located) -> Span:
    """Return what an error is about, as offsets in the cell: its header where nothing better is known."""
    if isinstance(error, HeaderError) and error.span is not None:
        return located.span(*error.span)
    if isinstance(error, PipelineError):
        if error.line:
            return _find_on_line(cell, error.word, error.line)
        # The last one: outputs stand behind inputs.
        found = [m.span() for m in re.finditer(rf"(?<!\w){re.escape(error.word)}(?!\w)", located.header)]
        if error.word and found:
            return located.span(*found[-1])
    return located.above


def _find_on_line(cell: str, word: str, line: int) -> Span:
    lines = cell.split("\n")
    text = lines[line - 1] if line <= len(lines) else ""
    start = sum(len(before) + 1 for before in lines[: line - 1])
    columns = list(_columns_of(text, word))
    if columns:
        return start + columns[0], start + columns[0] + len(word)
    return start + len(text) - len(text.lstrip()), start + len(text.rstrip())


def _columns_of(text: str, word: str) -> Iterator[int]:
    """Yield where a name stands in a line of Python, as a name by itself."""
    before = ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text.lstrip()).readline):
            if token.type == tokenize.NAME and token.string == word and before != ".":
                yield token.start[1] + len(text) - len(text.lstrip())
            before = token.string
    except (tokenize.TokenError, SyntaxError):
        pass  # the line is a part of a longer statement
