"""Tab on the lines of our magics: options, names, subcommands and steps."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from IPython.core.completer import SimpleCompletion, context_matcher

from jupyter_mlpipe.cells.cache_words import CACHE_WORDS
from jupyter_mlpipe.cells.header import OPTIONS
from jupyter_mlpipe.notebook.commands import HELP
from jupyter_mlpipe.notebook.running.config import MODES
from jupyter_mlpipe.notebook.session import Session

_RUN_OPTIONS = ("-p", "--force", "--only", "--from")
_PRUNE_OPTIONS = ("--max-size", "--older-than", "--dry-run", "--json")
_TAKES_STEPS = ("plan", "run", "why", "accept", "remove")


def make_matcher(session: Session) -> Callable[[Any], dict[str, Any]]:
    """Return a matcher for IPython's completer."""

    @context_matcher(identifier="mlpipe.magics")  # type: ignore[untyped-decorator]
    def match(context: Any) -> dict[str, Any]:
        lines = context.full_text.splitlines() or [""]
        line = lines[context.cursor_line] if context.cursor_line < len(lines) else ""
        text = line[: context.cursor_position]
        # What stands right before the cursor is completed; the words before it say where we are.
        fragment = re.search(r"(?:--?[\w-]*|\w*)$", text)[0]  # type: ignore[index]
        words = text[: len(text) - len(fragment)].split()
        if not words:
            return {"completions": []}
        found = None
        if words[0] in ("%%component", "#|") and context.cursor_line == 0:
            found = _component_words(session, fragment)
        elif words[0] == "%pipeline":
            found = _pipeline_words(session, words[1:], fragment)
        if found is None:
            return {"completions": []}
        return {
            "completions": [
                SimpleCompletion(word, type=kind) for word, kind in found if word.startswith(fragment)
            ],
            "matched_fragment": fragment,
            "suppress": True,
        }

    return match  # type: ignore[no-any-return]


def _component_words(session: Session, fragment: str) -> list[tuple[str, str]]:
    if fragment.startswith("-"):
        return [(option.flag, "option") for option in OPTIONS]
    return [(name, "step") for name in session.registry.placed] + [
        (name, "name") for name in sorted(session.registry.known_names())
    ]


def _pipeline_words(session: Session, before: list[str], fragment: str) -> list[tuple[str, str]]:
    if not before:
        return [(name, "command") for name in HELP]
    command = before[0]
    steps = [(name, "step") for name in session.registry.placed]
    if command in ("run", "plan"):
        if before[-1] == "-p":
            return [(f"{name}=", "parameter") for name in sorted(session.registry.parameter_names())]
        if fragment.startswith("-"):
            return [(option, "option") for option in _RUN_OPTIONS]
    if command in _TAKES_STEPS:
        return steps
    if command == "mode":
        return [(mode, "mode") for mode in MODES]
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
        return [("--pool", "option")] if fragment.startswith("-") else [("local", "cluster")]
    return []
