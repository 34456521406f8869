"""What only running a step in the kernel gives: its record alone would not stand in for that."""

from __future__ import annotations

import ast
import builtins
import contextlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jupyter_mlpipe.execution.process.outcome import Outcome
from jupyter_mlpipe.execution.process.own_state import OwnState
from jupyter_mlpipe.execution.process.spec import CLOSED_FILE, NOT_BOUND
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.keys.given import Snapshot, give
from jupyter_mlpipe.keys.randomness import state_digest
from jupyter_mlpipe.notebook.show.cellview import patches_of

LAST_ERROR = r"\bsys\.last_\w+"
"""By which code looks at the last error of the kernel."""

_BEYOND = re.compile(
    r"\b(?:globals|locals|vars|dir)\s*\(\s*\)|\bget_ipython\b|\bimport __main__\b|" + LAST_ERROR
)
_CHANGED = "is changed itself, in the kernel only"


@contextlib.contextmanager
def asking(shell: Any) -> Iterator[list[bool]]:
    """Give a list that is not empty once somebody was asked: by `input`, `getpass` or a debugger."""
    asked: list[bool] = []
    kernel = getattr(shell, "kernel", None)
    owner, name = (kernel, "_input_request") if hasattr(kernel, "_input_request") else (builtins, "input")
    before = getattr(owner, name)

    def ask(*arguments: Any, **options: Any) -> Any:
        asked.append(True)
        return before(*arguments, **options)

    setattr(owner, name, ask)
    try:
        yield asked
    finally:
        setattr(owner, name, before)


def unlike_key(task: StepTask, namespace: dict[str, Any]) -> str:
    """Return what of the notebook is not as the step's key has it; nothing where all is."""
    now = give(Snapshot(), task.closure.affected, namespace)
    if now.ingredients != task.given.ingredients or os.getcwd() != (task.folder or os.getcwd()):
        return "the notebook's settings were"
    for name, state in now.states.items():
        if state_digest(name, state) != state_digest(name, task.given.states.get(name)):
            return "the notebook's random state was"
    return ""


def what_lives(
    task: StepTask, outcome: Outcome, own_state: OwnState, namespace: Mapping[str, Any]
) -> dict[str, str]:
    """Return what the step did to this process that only running it does."""
    live = {
        name: f"lives in the kernel only: {why.rstrip('.')}"
        for name, why in outcome.left_out.items()
        if why not in (NOT_BOUND, CLOSED_FILE)
    }
    for definitions in (own_state.altered, own_state.made):
        if definitions is not None:
            live |= dict.fromkeys(definitions.names, _CHANGED)
    live |= dict.fromkeys(own_state.untold, _CHANGED)
    patches = patches_of(task.step.component, namespace)
    live |= dict.fromkeys(patches, "changes a library, in the kernel only")
    return live


def looks_beyond(magics: Iterable[str], texts: Iterable[str]) -> dict[str, str]:
    """Return what looks at more of the notebook than the step's text shows, each with why that counts.

    In a step's process there are no other names than those that it shows.

    Parameters
    ----------
    magics
        Those that show what the kernel has.
    texts
        Of the cell and of what it calls.
    """
    found = dict.fromkeys(magics, "looks at the kernel")
    why = "may read any name there is"
    for text in texts:
        found.update(dict.fromkeys(_BEYOND.findall(text), why))
        with contextlib.suppress(SyntaxError):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    is_written = bool(node.args) and isinstance(node.args[0], ast.Constant)
                    if node.func.id in ("eval", "exec") and not is_written:
                        found[f"{node.func.id}()"] = why
    return found
