"""Tab on the lines of our magics: options, names, subcommands and steps."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from jupyter_mlpipe.cells.cache_words import CACHE_WORDS
from jupyter_mlpipe.cells.editing import to_component
from jupyter_mlpipe.cells.header import OPTIONS
from jupyter_mlpipe.cells.located import locate
from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.notebook.commands import HELP
from jupyter_mlpipe.notebook.page.reading import names_of
from jupyter_mlpipe.notebook.running.config import LEVELS, MODES
from jupyter_mlpipe.notebook.session import Session

_OPTIONS = {
    "run": ("-p", "--force", "--only", "--from", "--detach"),
    "plan": ("-p", "--force", "--only", "--from"),
    "show": ("--output",),
    "accept": ("--revoke",),
    "log": ("--output",),
    "debug": ("--no-run", "--as"),
    "adopt": ("--all",),
    "runs": ("--limit", "--all"),
    "cluster": ("--pool",),
    "auto": ("--budget",),
}
_PRUNE_OPTIONS = ("--max-size", "--older-than", "--dry-run", "--json")
_TAKES_STEPS = ("plan", "run", "why", "accept", "remove", "debug", "log")
_BINDS = re.compile(r"^\s*[\w, ]+=\s*(?=%)")  # run = %pipeline run


def complete_lines(completer: Any, session: Session) -> Callable[[], None]:
    """Have IPython's completer ask about lines of ours; returns what takes that back."""
    try:
        matchers, matcher = completer.custom_matchers, _make_matcher(session)
    except ImportError:  # before IPython 8.6
        matchers, matcher = completer.magic_arg_matchers, _make_line_matcher(completer, session)
    matchers.append(matcher)
    return lambda: matchers.remove(matcher)


def _make_matcher(session: Session) -> Any:
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher(identifier="mlpipe.magics")  # type: ignore[untyped-decorator]
    def match(context: Any) -> dict[str, Any]:
        lines = context.full_text.splitlines() or [""]
        line = lines[context.cursor_line] if context.cursor_line < len(lines) else ""
        found, fragment = _words(
            session, context.full_text, line[: context.cursor_position], context.cursor_line
        )
        if found is None:
            return {"completions": []}
        return {
            "completions": [SimpleCompletion(word, type=kind) for word, kind in found],
            "matched_fragment": fragment,
            "suppress": True,
        }

    return match


def _make_line_matcher(completer: Any, session: Session) -> Callable[[str], list[str]]:
    """Return what is told one line, and whose words stand for all since the last space or bracket."""

    def match(line: str) -> list[str]:
        text = completer.text_until_cursor
        # It may go on with a header above it.
        above = "" if line.startswith(("%", "#| component:")) else "#| component: it\n"
        found, fragment = _words(session, above + line, text, above.count("\n"))
        since = completer.splitter.split_line(text).removesuffix(fragment)
        return [since + word for word, _ in found or ()]

    return match


def _words(session: Session, cell: str, line: str, number: int) -> tuple[list[tuple[str, str]] | None, str]:
    """Return what can stand at a line's end, each with its kind, and what of it is typed; None elsewhere.

    Parameters
    ----------
    line, number
        Of the cell, up to the cursor.
    """
    text = _BINDS.sub("", line)
    # What stands right before the cursor is completed; the words before it say where we are.
    fragment = re.search(r"(?:--?[\w-]*|\w*)$", text)[0]  # type: ignore[index]
    before = text[: len(text) - len(fragment)]
    words = before.split()
    found = None
    if words[:1] == ["%%component"] or (before.startswith("#|") and _is_header(cell, number)):
        found = _component_words(session, cell, before, fragment)
    elif words[:1] == ["%pipeline"]:
        found = _pipeline_words(session, words[1:], fragment)
    if found is None:
        return None, fragment
    return [(word, kind) for word, kind in found if word.startswith(fragment)], fragment


def _is_header(cell: str, line: int) -> bool:
    located = locate(cell)
    return located is not None and line < located.header_lines


def _component_words(session: Session, cell: str, before: str, fragment: str) -> list[tuple[str, str]]:
    """Return what can stand next in a header: its name, inputs, outputs, an option or its value."""
    placed = session.registry.placed
    words = before.split()
    if fragment.startswith("-"):
        typed = {word for word in words if word != "--resource"}
        return [(option.flag, "option") for option in OPTIONS if option.flag not in typed]
    if words[-1] == "--pool":
        return [(pool.name, "pool") for pool in session.backend.pools]
    steps = [(name, "step") for name in placed]
    if words in (["%%component"], ["#|", "component:"]):
        with suppress(MLPipeError):
            edit = to_component(located.body if (located := locate(cell)) is not None else "", {*placed})
            return [(edit.text.split()[1], "name"), *steps]
        return steps
    reads, binds = names_of(cell)
    if (producer := re.search(r"=\s*(\w+)\.$", before)) and producer[1] in placed:
        return [(name, "output") for name in placed[producer[1]].writes]
    if before.count("(") > before.count(")"):
        if before.rstrip().endswith("="):
            return steps  # that the input may be taken from
        known = sorted(session.registry.known_names())
        return [(name, "name") for name in reads if name in known] or [(name, "name") for name in known]
    if "->" in before and "--" not in before.rpartition("->")[2]:
        return [(name, "output") for name in binds]
    # What is typed by hand behind the name cannot be told from an option yet.
    return [("->", "outputs"), *((option.flag, "option") for option in OPTIONS)] if not fragment else []


def _pipeline_words(session: Session, before: list[str], fragment: str) -> list[tuple[str, str]]:
    if not before:
        return [(name, "command") for name in HELP]
    command = before[0]
    steps = [(name, "step") for name in session.registry.placed]
    if fragment.startswith("-") and command in _OPTIONS:
        return [(option, "option") for option in _OPTIONS[command]]
    if command in ("run", "plan") and before[-1] == "-p":
        return [(f"{name}=", "parameter") for name in sorted(session.registry.parameter_names())]
    if command in _TAKES_STEPS:
        return steps
    if command == "mode":
        return [(mode, "mode") for mode in MODES]
    if command == "auto":
        return [(mode, "mode") for mode in LEVELS]
    if command == "load":
        outputs = {o for p in session.registry.placed.values() for o in p.component.outputs}
        return [(name, "output") for name in sorted(outputs)]
    if command == "cache":
        if before[-1] in ("pin", "unpin"):
            return steps
        if before[-1] == "cache":
            return [(word, "command") for word in CACHE_WORDS]
        return [(option, "option") for option in _PRUNE_OPTIONS] if before[1] == "prune" else []
    if command == "cluster":
        return [("local", "cluster")]
    return []
