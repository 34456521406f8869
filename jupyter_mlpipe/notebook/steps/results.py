"""`_`, `Out[n]` and `In` of cells that are components: values kept with the step, loaded when first read."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.model.parsed import parse
from jupyter_mlpipe.notebook.show.output import Shown
from jupyter_mlpipe.notebook.steps.names import reads_any_name

_LATEST = ("_", "__", "___")
_NUMBERED = re.compile(r"_(\d+)")
_ALL = frozenset({"Out", "_oh"})
_TYPED = re.compile(r"_i+|_ih|In|_i\d+|_dh")
_WORD = re.compile(r"[^\W\d]\w*")


def is_history(name: str) -> bool:
    """Tell whether IPython keeps `name`: what cells gave, and what was typed."""
    return name in _LATEST or name in _ALL or bool(_NUMBERED.fullmatch(name) or _TYPED.fullmatch(name))


class Results:
    """What stands for results in IPython's history until something reads them.

    Parameters
    ----------
    load
        Returns the value of the last expression of a step of a run.
    """

    def __init__(self, shell: Any, load: Callable[[Run, str], Any]) -> None:
        self._shell = shell
        self._load = load
        self._waiting: dict[int, tuple[Shown, Callable[[], Any]]] = {}

    def take(self, shown: Shown | None, run: Run, step: str) -> None:
        """Keep the result of the cell that has just run.

        Parameters
        ----------
        shown
            What stands in the history; None where the value was not shown as a result, because it
            displays itself.
        """
        record = run.steps[step].record
        if record is None or record.result is None:
            return
        hook = self._shell.displayhook
        if shown is None:
            if hook.quiet():
                return
            shown = Shown()
            hook.update_user_ns(shown)
        number: int = hook.prompt_count
        self._waiting[number] = (shown, lambda: self._load(run, step))
        if record.result.blob.inline is not None and not record.result.needs:
            self._settle([number])

    def prepare(self, text: str, code: str) -> None:
        """Load what a plain cell may read, before it runs."""
        if self._waiting:
            words = set(_WORD.findall(text))
            if not words.isdisjoint(_LATEST) and not _is_read(code, _LATEST):
                words.difference_update(_LATEST)  # `for _ in range(3)`
            if reads_any_name(words):
                self._settle(list(self._waiting))
            else:
                self.load_read(words)

    def load_read(self, names: Iterable[str]) -> None:
        """Load the results that the history has under these names."""
        if not self._waiting:
            return
        hook = self._shell.displayhook
        numbers: set[int] = set()
        for name in names:
            if name in _ALL:
                numbers.update(self._waiting)
            elif name in _LATEST:
                latest = getattr(hook, name, None)
                numbers.update(n for n, (shown, _) in self._waiting.items() if shown is latest)
            elif (match := _NUMBERED.fullmatch(name)) is not None:
                numbers.add(int(match[1]))
        self._settle(sorted(numbers & self._waiting.keys()))

    def _settle(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            shown, load = self._waiting[number]
            # What the history cannot show stays what was shown.
            with suppress(MLPipeError):
                self._replace(number, shown, load())
                del self._waiting[number]

    def _replace(self, number: int, shown: Shown, value: Any) -> None:
        shell = self._shell
        hook = shell.displayhook
        for name in (*_LATEST, f"_{number}"):
            for names in (shell.user_ns, shell.user_ns_hidden):
                if names.get(name) is shown:
                    names[name] = value
            if getattr(hook, name, None) is shown:
                setattr(hook, name, value)
        kept = shell.user_ns.get("_oh", {})
        if kept.get(number) is shown:
            kept[number] = value
        if hook.exec_result is not None and hook.exec_result.result is shown:
            hook.exec_result.result = value


def history_read(code: str, namespace: Mapping[str, Any]) -> dict[str, Any]:
    """Return what code reads of IPython's history, as it is when the cell runs.

    Of `Out` and `In`, only the entries that it reads by number: the whole changes with every cell.
    """
    tree = parse(code)
    whole: dict[str, bool] = {}
    entries: dict[str, set[int]] = {}
    numbered: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
            index = node.slice
            if isinstance(index, ast.Constant) and isinstance(index.value, int):
                entries.setdefault(node.value.id, set()).add(index.value)
                numbered.add(id(node.value))
        elif isinstance(node, ast.Name) and is_history(node.id):
            whole.setdefault(node.id, False)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in whole and id(node) not in numbered:
            whole[node.id] = True
    found: dict[str, Any] = {}
    for name, is_whole in whole.items():
        if name not in namespace:
            continue
        value = namespace[name]
        if isinstance(value, dict) and name in _ALL:
            wanted = value.keys() if is_whole else entries[name] & value.keys()
            found[name] = {number: value[number] for number in value if number in wanted}
        elif isinstance(value, list) and not is_whole and name in entries and min(entries[name]) >= 0:
            last = max(entries[name])
            found[name] = [text if i in entries[name] else "" for i, text in enumerate(value[: last + 1])]
        else:
            found[name] = list(value) if isinstance(value, list) and _TYPED.fullmatch(name) else value
    return found


def _is_read(code: str, names: Iterable[str]) -> bool:
    try:
        tree = parse(code)
    except SyntaxError:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in names and isinstance(node.ctx, ast.Load):
            return True
        text = node.value if isinstance(node, ast.Constant) else None
        # A magic's line is a text.
        if isinstance(text, str) and any(name in text.split() for name in names):
            return True
    return False
