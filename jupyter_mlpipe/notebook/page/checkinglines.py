"""What cannot be understood in the ``%pipeline`` lines of a cell, said before they are run."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from IPython.core.inputtransformer2 import TransformerManager

from jupyter_mlpipe.cells.located import Span
from jupyter_mlpipe.errors import MLPipeError

_LINE = re.compile(r"^[ \t]*(?:\w[\w, ]*=[ \t]*)?(?P<magic>%pipeline(?!\w)(?P<words>.*))$", re.MULTILINE)
_CALL = re.compile(r"run_line_magic\('pipeline', (.*)\)$", re.MULTILINE)


def line_flaws(cell: str, check: Callable[[str], None]) -> Iterator[tuple[Span, MLPipeError]]:
    """Yield what is wrong with a plain cell's lines, with where that is.

    Parameters
    ----------
    check
        Raises an error of what stands behind ``%pipeline``, and does nothing of what it says.
    """
    found = list(_LINE.finditer(cell))
    real = _words_of_calls(cell) if found else []
    for match in found:
        if (words := match["words"].strip()) not in real:
            continue  # of a text, or of a statement that goes on
        real.remove(words)
        try:
            check(words)
        except MLPipeError as error:
            yield _place(error, match), error


def _words_of_calls(cell: str) -> list[str]:
    """Return what stands behind ``%pipeline`` where IPython takes it for a magic."""
    try:
        code = TransformerManager().transform_cell(cell)  # type: ignore[no-untyped-call]
    except SyntaxError:
        return []  # half typed
    return [ast.literal_eval(words).strip() for words in _CALL.findall(code)]


def _place(error: MLPipeError, line: re.Match[str]) -> Span:
    """Return where the words stand that a message names; the whole line where it names none."""
    said = str(error).partition(". ")[0]  # what is wrong; then what there is
    start = line.start("words")
    words = list(re.finditer(r"\S+", line["words"]))
    # Each message begins with the subcommand, where it is one.
    typed = words if said.startswith("%pipeline has no") else words[1:]
    named = [
        word for word in typed if any(_names(said, part) for part in (word[0], word[0].partition("=")[0]))
    ]
    if not named:
        return line.start("magic"), line.start("magic") + len(line["magic"].rstrip())
    return start + named[0].start(), start + named[-1].end()


def _names(said: str, word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", said) is not None
