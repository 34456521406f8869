"""What steps set reaches the notebook when their cells end, whether they ran or were reused."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.settings import effects_of
from jupyter_mlpipe.keys.given import PROVIDERS, STATES, Effects, apply
from jupyter_mlpipe.keys.providers import Changes
from jupyter_mlpipe.model.status import ENDED
from jupyter_mlpipe.notebook.steps.unsettled import Unsettled
from jupyter_mlpipe.store.store import Store


class SettingsOfSteps:
    """Which steps have yet to set something in the notebook, and what each one set last.

    Parameters
    ----------
    store
        Gives the store of the moment.
    namespace
        The notebook's names.
    define
        Takes over what a step did to definitions; whether its own cell was run, last.

    Attributes
    ----------
    unsettled
        Steps whose cells were run, and whose settings have not reached the notebook.
    """

    def __init__(
        self,
        store: Callable[[], Store],
        namespace: dict[str, Any],
        define: Callable[[str, Effects, bool], None],
    ) -> None:
        self._define = define
        self._store = store
        self._namespace = namespace
        self.unsettled = Unsettled()
        self._set: dict[str, str] = {}
        self._own: dict[str, dict[str, Changes]] = {}

    def set_by(self, name: str) -> dict[str, Changes]:
        """Return what a step has set the last time, by provider."""
        return self._own.get(name, {})

    def expect(self, name: str, place: int) -> None:
        """Note that a step's cell was run: what it sets is the notebook's, however often it did so before."""
        self.unsettled.expect(name, place)

    def forget(self, name: str) -> None:
        self.unsettled.settle(name)

    def take(self, run: Run, names: Iterable[str]) -> None:
        """Set what the steps of a run have set; on the main thread.

        A step above that is only looked up again sets nothing: its cell was not run.
        """
        for name in names:
            step = run.steps[name]
            if step.status not in ENDED:
                continue
            is_expected = name in self.unsettled
            self.unsettled.settle(name)
            record = step.record
            if step.status == "failed" and is_expected and step.rescued.effects is not None:
                # The next time, it sets them as if it had never been run.
                self._set.pop(name, None)
                self._apply(name, step.rescued.effects, is_of_cell=True)
            if record is None or step.status not in ("succeeded", "reused"):
                continue
            content = record.settings.object if record.settings is not None else ""
            ran_anew = step.status == "succeeded" and self._set.get(name, "") != content
            if not (is_expected or ran_anew):
                continue
            self._set[name] = content
            self._own.pop(name, None)
            if (effects := effects_of(record, self._store())) is not None:
                self._apply(name, effects, is_of_cell=is_expected)

    def _apply(self, name: str, effects: Effects, *, is_of_cell: bool) -> None:
        try:
            self._own[name] = apply(effects, self._namespace)
            self._define(name, effects, is_of_cell)
        except Exception as error:  # such as a library that only the worker has: the cell is done
            warnings.warn(f"What step '{name}' set cannot be set here: {error}", stacklevel=3)


@contextlib.contextmanager
def put_back() -> Iterator[None]:
    """Put settings, random states and the folder back after the block as they are now."""
    settings = {n: p.state() for n, p in PROVIDERS.items() if p.travels_back and p.loaded is not None}
    states = {name: state.state() for name, state in STATES.items() if state.loaded is not None}
    folder = os.getcwd()
    try:
        yield
    finally:
        os.chdir(folder)
        set_states(states)
        for name, before in settings.items():
            provider = PROVIDERS[name]
            now = provider.state()
            if before is not None and now is not None and (changes := provider.differ(now, before)):
                provider.write(provider.loaded, changes)


def set_states(states: Mapping[str, Any]) -> None:
    """Set random states, by name, of the libraries that are loaded."""
    for name, state in states.items():
        if state is not None and (module := sys.modules.get(STATES[name].module)) is not None:
            STATES[name].set(module, state)
