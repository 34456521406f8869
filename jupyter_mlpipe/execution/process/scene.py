"""The settings of a step's process: as the notebook's before the body, compared with these after it."""

from __future__ import annotations

import builtins
import functools
import importlib
import os
import random
import sys
from collections.abc import Callable, Container, Mapping
from typing import Any

from jupyter_mlpipe.errors import EncodingError
from jupyter_mlpipe.execution.process.spec import StepSpec
from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.given import FOLDER, PROVIDERS, STATES, Effects
from jupyter_mlpipe.keys.late import AtImport, as_import
from jupyter_mlpipe.keys.payload import dump_closure, load_closure
from jupyter_mlpipe.keys.process import PATH, WARNINGS
from jupyter_mlpipe.keys.providers import LIST, Changes, State, change_list
from jupyter_mlpipe.keys.randomness import RandomState, state_digest
from jupyter_mlpipe.keys.relayed import forget_relayed, take_relayed

_USED = ("used",)
_LISTS = (WARNINGS.name, PATH.name)


class Scene:
    """Sets what the notebook has set, then notes what the code sets.

    Parameters
    ----------
    changes
        By provider.
    states
        Random states by name; one that is not given is drawn from the system.
    local
        The user's own modules.
    """

    def __init__(
        self, changes: Mapping[str, Changes], states: Mapping[str, Any], local: Container[str] = ()
    ) -> None:
        self._changes = changes
        self._local = local
        self._importing = False
        self._states = states
        self._before: dict[str, State] = {}
        self._drawn_from: dict[str, Any] = {}
        self._independent: dict[str, bool] = {}
        self._originals: list[tuple[Any, str, Any]] = []
        self._folder = ""
        self._begun = False
        self._hook = AtImport((), self._imported)

    def set(self) -> None:
        """Do as the notebook did, where the libraries are loaded; where they are not, once they are."""
        for name, provider in PROVIDERS.items():
            if name in self._changes and provider.is_early:
                importlib.import_module(provider.module)
            if (module := provider.loaded) is None:
                self._hook.modules.add(provider.module)
            elif name in self._changes:
                provider.write(module, self._changes[name])
        for name, state in STATES.items():
            if (module := state.loaded) is None:
                self._hook.modules.add(state.module)
            else:
                self._set_state(name, state, module)
        self._hook.install()

    def keep(self) -> None:
        """Leave all as it is, in the notebook's own process; look out for libraries that are loaded later."""
        missing = [provider.module for provider in PROVIDERS.values() if provider.loaded is None]
        missing += [state.module for state in STATES.values() if state.loaded is None]
        self._hook.modules.update(missing)
        self._hook.install()

    def leave(self) -> None:
        """Take out what `keep` and `begin` put in; may be called twice."""
        self._hook.remove()
        while self._originals:
            setattr(*self._originals.pop())

    def begin(self) -> None:
        """Note how all stands, right before the body."""
        self._begun = True
        forget_relayed()
        for name in PROVIDERS:
            self._note(name)
        for name, state in STATES.items():
            if state.loaded is not None:
                self._watch(name, state)
        self._folder = os.getcwd()
        self._originals.append((builtins, "__import__", builtins.__import__))
        builtins.__import__ = self._importer(builtins.__import__)

    def end(self, namespace: Mapping[str, Any]) -> tuple[Effects | None, dict[str, str]]:
        """Return what the code set, and digests of the random states that it drew from."""
        for owner, name, original in self._originals:
            setattr(owner, name, original)
        changes: dict[str, bytes] = {}
        rests_on: dict[str, str] = {}
        for name, before in self._before.items():
            now = PROVIDERS[name].state()
            if now is not None and (found := PROVIDERS[name].differ(before, now)):
                try:
                    changes[name] = dump_closure(found, namespace)
                except EncodingError:
                    rests_on[name] = ""  # it cannot be set elsewhere: the code runs each time
        states: dict[str, Any] = {}
        for name, state in STATES.items():
            if state.loaded is None:
                continue
            left, drawn_from = state.state(), self._drawn_from.get(name)
            is_independent = self._independent.get(name, False)
            if state.is_opaque:
                if left == _USED and not is_independent:
                    rests_on[name] = ""
            elif left != drawn_from:
                states[name] = left
                if not is_independent:
                    rests_on[name] = state_digest(name, self._states.get(name))
        folder = _folder()
        if folder == self._folder:
            folder = ""
        else:
            # Another folder's notebook means another folder.
            rests_on[FOLDER] = digest("folder", self._folder)
        logged = take_relayed()
        if not (changes or states or folder or logged):
            return None, rests_on
        return Effects(changes, states, folder, logged=logged), rests_on

    def _imported(self, module: str) -> None:
        for name, provider in PROVIDERS.items():
            if provider.module == module:
                if name in self._changes:
                    provider.write(sys.modules[module], self._changes[name])
                if self._begun:
                    self._note(name)
        for name, state in STATES.items():
            if state.module == module:
                self._set_state(name, state, sys.modules[module])
                if self._begun:
                    self._watch(name, state)

    def _note(self, name: str) -> None:
        found = PROVIDERS[name].state() if PROVIDERS[name].travels_back else None
        if found is not None:
            self._before[name] = found

    def _set_state(self, name: str, state: RandomState, module: Any) -> None:
        # Fork copies the state of generators: two steps must not draw the same numbers.
        if name in self._states:
            state.set(module, self._states[name])
        else:
            state.renew(module)

    def _watch(self, name: str, state: RandomState) -> None:
        self._drawn_from[name] = state.state()
        module = state.loaded
        for seeder in state.seeders:
            original = getattr(module, seeder)
            self._originals.append((module, seeder, original))
            setattr(module, seeder, self._noting(name, state, original))

    def _importer(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """Return an import for which a library may draw, and see to its own warnings, as it likes.

        Some do when they are loaded, and whether one is loaded already depends on the worker.
        """

        @as_import
        def import_quietly(
            name: str,
            globals: Any = None,  # noqa: A002 - the names that callers use
            locals: Any = None,  # noqa: A002
            fromlist: Any = (),
            level: int = 0,
        ) -> Any:
            module = sys.modules.get(name)
            is_loaded = module is not None and all(part in vars(module) for part in fromlist or ())
            if level or is_loaded or self._importing or name.partition(".")[0] in self._local:
                return original(name, globals, locals, fromlist, level)
            self._importing, before = True, random.getstate()
            lists = {name: PROVIDERS[name].state() for name in _LISTS}
            try:
                return original(name, globals, locals, fromlist, level)
            finally:
                self._importing = False
                random.setstate(before)
                for name, state in lists.items():
                    self._leave_out(name, state)

        return import_quietly

    def _leave_out(self, provider: str, before: State | None) -> None:
        """Count what changed since `before` as having been so from the start."""
        after = PROVIDERS[provider].state()
        if before is None or after is None or provider not in self._before:
            return
        if changes := PROVIDERS[provider].differ(before, after):
            known = list(self._before[provider][LIST])
            change_list(known, changes)
            self._before[provider] = {LIST: tuple(known)}

    def _noting(self, name: str, state: RandomState, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def seed(*args: Any, **options: Any) -> Any:
            given = any(value is not None for value in (*args, *options.values()))
            if name not in self._independent:
                # Whatever was drawn before rests on the state before.
                is_untouched = state.state() == self._drawn_from.get(name)
                self._independent[name] = given and is_untouched
            return original(*args, **options)

        return seed


def make_scene(spec: StepSpec, namespace: dict[str, Any]) -> Scene:
    """Set what the notebook had set for a step."""
    scene = Scene(load_closure(spec.options, namespace) if spec.options else {}, spec.states, spec.modules)
    scene.set()
    return scene


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""  # it was removed
