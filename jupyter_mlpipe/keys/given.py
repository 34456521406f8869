"""What the notebook had set when a step's cell was last run, and the part of it that can affect the step.

A `Snapshot` belongs to the cell and is taken on the main thread; what a step is `Given` follows from
it and from what its code reaches. Random states are sent along too, but are no part of the key.
"""

from __future__ import annotations

import functools
import os
import pickle
import sys
from collections.abc import Hashable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from itertools import chain
from types import MappingProxyType
from typing import Any, TypeVar

from jupyter_mlpipe.errors import EncodingError
from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.displays import INTERACTIVITY
from jupyter_mlpipe.keys.held import DefinitionPickle
from jupyter_mlpipe.keys.installed import PACKAGES, installed_now, of_package, packages_digest
from jupyter_mlpipe.keys.late import AtImport
from jupyter_mlpipe.keys.logs import LOGGING
from jupyter_mlpipe.keys.options import OF_LIBRARIES
from jupyter_mlpipe.keys.parallel import JOBLIB, START
from jupyter_mlpipe.keys.patched import PATCHES, of_modules
from jupyter_mlpipe.keys.payload import dump_closure, find_unpicklable, load_closure
from jupyter_mlpipe.keys.process import (
    ENVIRONMENT,
    LIMITS,
    LOCALE,
    PATH,
    WARNINGS,
    ZONE,
)
from jupyter_mlpipe.keys.providers import Changes, list_in_words
from jupyter_mlpipe.keys.randomness import RANDOM_STATES, from_system, state_digest
from jupyter_mlpipe.keys.readable import short_value
from jupyter_mlpipe.keys.registries import REGISTRIES
from jupyter_mlpipe.keys.relayed import Relayed
from jupyter_mlpipe.keys.state import STATE, of_reached
from jupyter_mlpipe.keys.values import Digester, Undigestable, digest_with_definitions
from jupyter_mlpipe.keys.variables import named_after, of_environment, of_variable, states_now, value_of
from jupyter_mlpipe.model.status import Ingredient, Reason

PROVIDERS = {
    p.name: p
    for p in (
        *(*OF_LIBRARIES, *REGISTRIES),
        *(WARNINGS, LOGGING, LOCALE, ENVIRONMENT, ZONE, START, JOBLIB, LIMITS, PATH, PATCHES, STATE),
    )
}
STATES = {state.name: state for state in RANDOM_STATES}
# Whatever calls into a library may warn, log, ask for the time, write a number as the locale says, or start
# processes.
OF_ALL_LIBRARIES = (WARNINGS.name, LOGGING.name, LOCALE.name, ZONE.name, START.name, JOBLIB.name)
OF_ALL_CODE = (INTERACTIVITY.name, LIMITS.name, PATCHES.name, *(p.name for p in REGISTRIES))
_BY_MODULE: dict[str, list[str]] = {}
for _provider in PROVIDERS.values():
    _BY_MODULE.setdefault(_provider.module, []).append(_provider.name)
for _state in STATES.values():
    _BY_MODULE.setdefault(_state.module, []).append(_state.name)
FOLDER = "folder"
_Found = TypeVar("_Found", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Affected:
    """By which settings code can be affected.

    Parameters
    ----------
    providers, states
        Names of providers, and of random states.
    libraries
        Top-level modules that it reaches.
    variables
        Environment variables that it names.
    any_variable
        Whether it also reads some whose names are not written out.
    folder
        Whether it asks for the working directory.
    uncounted
        By local module, the names in it that it does not reach; None where it reaches nothing of it.
    packages
        Packages after which it asks by name.
    any_package
        Whether it also asks for some whose names are not written out.
    programs
        Whether it may start other programs, which get the environment.
    """

    providers: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    libraries: frozenset[str] = frozenset()
    variables: tuple[str, ...] = ()
    any_variable: bool = False
    folder: bool = False
    uncounted: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    any_package: bool = False
    programs: bool = False

    def with_inputs(self, libraries: Set[str]) -> Affected:
        """Return by which settings code can be affected that is given objects of these libraries."""
        own = [p.name for p in OF_LIBRARIES if p.module in libraries and p.travels_back]
        providers = tuple(name for name in own if name not in self.providers)
        drawn = [n for n, state in STATES.items() if state.module.partition(".")[0] in libraries]
        states = tuple(name for name in drawn if name not in self.states)
        if not providers and not states:
            return self
        return replace(self, providers=(*self.providers, *providers), states=(*self.states, *states))


@dataclass(frozen=True, slots=True)
class Given:
    """The settings that a step is given.

    Parameters
    ----------
    changes
        A pickle of the changes by provider; empty where there are none.
    states
        Random states by name.
    environment
        Variables to set, or to remove where None.
    ingredients, problems
        What of it is part of the step's key, and what has no digest.
    unshippable
        What of it cannot be sent.
    reads
        Names of the notebook that functions among it read.
    """

    changes: bytes = b""
    states: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str | None] = field(default_factory=dict)
    ingredients: tuple[Ingredient, ...] = ()
    problems: tuple[Reason, ...] = ()
    unshippable: tuple[Reason, ...] = ()
    reads: tuple[str, ...] = ()


UNAFFECTED = Affected()
NOTHING = Given()


class Snapshot:
    """The settings of the notebook at one moment; each part is read when it is first asked for.

    Parameters
    ----------
    before, own
        What the same cell was given the last time that it was run, and what it set then: to run it twice
        gives the same as to run it once.
    """

    def __init__(
        self, before: Snapshot | None = None, own: Mapping[str, Changes] = MappingProxyType({})
    ) -> None:
        self.folder = os.getcwd()
        self._changes: dict[str, Changes] = {}
        self._unchanged: frozenset[str] = frozenset()
        self._states: dict[str, Any] = {}
        self._before = {n: before.changes(n) for n in before._known()} if before is not None else {}
        self._own = own

    def changes(self, provider: str) -> Changes:
        found = self._changes.get(provider)
        if found is None:
            if provider in self._unchanged:
                return _NOTHING
            found = _read_changes(provider)
            if provider in self._own and provider in self._before:
                found = PROVIDERS[provider].without(found, self._before[provider], self._own[provider])
            self._changes[provider] = found
        return found

    def read(self) -> None:
        """Read options and states of all libraries that are loaded: which ones count may show only later."""
        for provider in OF_LIBRARIES:
            if provider.travels_back:
                self.changes(provider.name)
        for name, state in STATES.items():
            if state.loaded is not None:
                self.state(name)
        # Each of thousands of components has a snapshot, and of most providers there is nothing to say.
        self._unchanged = one_of_equals(frozenset(n for n in self._known() if not self.changes(n)))
        self._changes = {name: found for name, found in self._changes.items() if found}

    def _known(self) -> Set[str]:
        return self._changes.keys() | self._unchanged

    def state(self, name: str) -> Any:
        if name not in self._states:
            found = STATES[name].state()
            self._states[name] = LATE.state(name) if found is None else found
        return self._states[name]

    def after(self, effects: Iterable[Effects], namespace: dict[str, Any]) -> Snapshot:
        """Return the settings as they are when steps have ended that set something."""
        later = Snapshot.__new__(Snapshot)
        later.folder, later._before, later._own = self.folder, {}, {}
        later._unchanged = self._unchanged
        later._changes, later._states = dict(self._changes), dict(self._states)
        for effect in effects:
            later.folder = effect.folder or later.folder
            later._states.update(effect.states)
            for name, encoded in effect.changes.items():
                changes = load_closure(encoded, namespace)
                later._changes[name] = PROVIDERS[name].join(later.changes(name), changes)
        return later


@dataclass(frozen=True, slots=True)
class Effects:
    """What a step set that was not so before: a pickle of the changes by provider, and random states.

    Parameters
    ----------
    altered
        What definitions of the notebook hold otherwise, as `jupyter_mlpipe.keys.held` says it.
    made
        Definitions of its cell as it made them, where their source alone does not give that.
    logged
        What it has logged for handlers of the notebook.
    """

    changes: Mapping[str, bytes] = field(default_factory=dict)
    states: Mapping[str, Any] = field(default_factory=dict)
    folder: str = ""
    altered: DefinitionPickle | None = None
    made: DefinitionPickle | None = None
    logged: Relayed = ()

    def to_bytes(self) -> bytes:
        """Return what is kept in a store."""
        parts = dict(self.changes), dict(self.states), self.folder, self.altered, self.made, self.logged
        return pickle.dumps(parts, protocol=5)

    @staticmethod
    def from_bytes(content: memoryview) -> Effects:
        """Read back what `to_bytes` gave."""
        return Effects(*pickle.loads(content))


def one_of_equals(found: _Found) -> _Found:
    """Return the first of those that are equal: thousands of components hold the same."""
    first: _Found = _first_of_equals(found)
    return first


@functools.lru_cache(maxsize=4096)
def _first_of_equals(found: Hashable) -> Any:
    return found


def give(snapshot: Snapshot, affected: Affected, namespace: Mapping[str, Any]) -> Given:
    """Return the part of a snapshot that can affect code."""
    ingredients: list[Ingredient] = []
    problems: list[Reason] = []
    unshippable: tuple[Reason, ...] = ()
    changed = {name: found for name in affected.providers if (found := snapshot.changes(name))}
    tops = {"builtins", *(library.partition(".")[0] for library in affected.libraries)}
    patches = of_modules(changed.pop(PATCHES.name, {}), tops)
    kept = of_reached(changed.pop(STATE.name, {}), affected.uncounted)
    parts = [(_title(name), _plain(changes)) for name, changes in changed.items()]
    parts += _by_place(patches)
    parts += _by_place({place: value.value for place, value in kept.items()})
    changed |= {name: found for name, found in ((PATCHES.name, patches), (STATE.name, kept)) if found}
    encoded = b""
    reads: dict[str, None] = {}
    if changed:
        for title, part in parts:
            digester = Digester(namespace)
            try:
                content = digest_with_definitions(part, digester)
            except Undigestable as error:
                problems.append(Reason("unhashable", title, str(error)))
            else:
                ingredients.append(
                    Ingredient("setting", title, content, list_in_words(part) or short_value(part))
                )
            reads |= digester.reach.names
        encoded, unshippable = _dump(changed, namespace)
    environment = snapshot.changes(ENVIRONMENT.name)
    for variable in affected.variables:
        ingredients.append(of_variable(variable, value_of(variable, environment)))
    others = {*environment} if affected.programs else named_after(affected.libraries, environment)
    for variable in sorted(others.difference(affected.variables)):
        ingredients.append(of_variable(variable, value_of(variable, environment)))
    if affected.any_variable:
        ingredients.append(of_environment(environment))
    ingredients += [of_package(name) for name in affected.packages]
    if affected.any_package:
        ingredients.append(Ingredient("package", PACKAGES, packages_digest()))
    if affected.folder:
        folder = snapshot.folder
        ingredients.append(Ingredient("setting", FOLDER, digest("folder", folder), folder))
    sent = {
        **environment,
        **{variable: value_of(variable, environment) for variable in affected.variables},
    }
    states = {name: state for name in affected.states if (state := snapshot.state(name)) is not None}
    return Given(
        encoded,
        states,
        sent,
        tuple(ingredients),
        (*problems, *unshippable),
        unshippable,
        tuple(n for n in reads if n in namespace),
    )


def _dump(changed: Mapping[str, Changes], namespace: Mapping[str, Any]) -> tuple[bytes, tuple[Reason, ...]]:
    """Pickle changes by provider, and say what is left out, as it cannot be sent."""
    try:
        return dump_closure(changed, namespace), ()
    except EncodingError:
        refused: list[Reason] = []
        sent: dict[str, Changes] = {}
        for name, changes in changed.items():
            failed = find_unpicklable(changes, namespace)
            refused += [
                Reason("unhashable", place.replace(":", ".") or _title(name), why)
                for place, why in failed.items()
            ]
            sent[name] = {place: value for place, value in changes.items() if place not in failed}
        return dump_closure(sent, namespace), tuple(refused)


def _by_place(changes: Changes) -> list[tuple[str, Any]]:
    return [(place.replace(":", "."), value) for place, value in sorted(changes.items())]


def _title(provider: str) -> str:
    return provider if provider in (*OF_ALL_LIBRARIES, *OF_ALL_CODE[1:]) else f"{provider} options"


def _plain(changes: Changes) -> Any:
    return dict(sorted(changes.items()))


def _read_changes(provider: str) -> Changes:
    found = PROVIDERS[provider]
    if found.loaded is None:
        return LATE.changes.get(provider) or _NOTHING
    changes = found.changed()
    if provider == ENVIRONMENT.name:
        # A fork server may have been started while a variable was set that is gone.
        gone = {name: None for name in _SEEN - changes.keys() if name not in os.environ}
        _SEEN.update(changes)
        changes = {**changes, **gone}
    return changes or _NOTHING


_SEEN: set[str] = set()
_NOTHING: Changes = {}  # one for all: each component keeps what each provider said


# In the notebook


class _Late:
    """What waits for a library to be loaded."""

    def __init__(self) -> None:
        self.changes: dict[str, Changes] = {}
        self.states: dict[str, Any] = {}
        self._hook = AtImport((), self._apply)

    def wait(self, name: str) -> None:
        self._hook.modules.add((PROVIDERS.get(name) or STATES[name]).module)
        self._hook.install()

    def state(self, name: str) -> Any:
        """Return the state that a library will begin with: chosen now, so that steps draw from it too."""
        if name not in self.states:
            self.states[name] = from_system()
            self.wait(name)
        return self.states[name]

    def _apply(self, module: str) -> None:
        for name in _BY_MODULE.get(module, ()):
            if name in self.changes:
                PROVIDERS[name].write(sys.modules[module], self.changes.pop(name))
            elif name in self.states:
                STATES[name].set(sys.modules[module], self.states.pop(name))


LATE = _Late()


def apply(effects: Effects, namespace: dict[str, Any]) -> dict[str, Changes]:
    """Set in this process what a step set in its own; return the changes by provider."""
    own: dict[str, Changes] = {}
    for name, encoded in effects.changes.items():
        provider = PROVIDERS[name]
        changes = own[name] = load_closure(encoded, namespace)
        if (module := provider.loaded) is not None:
            provider.write(module, changes)
        else:
            LATE.changes[name] = provider.join(LATE.changes.get(name, {}), changes)
            LATE.wait(name)
    for name, state in effects.states.items():
        if (module := STATES[name].loaded) is not None:
            STATES[name].set(module, state)
        else:
            LATE.states[name] = state
            LATE.wait(name)
    if effects.folder:
        os.chdir(effects.folder)
    return own


def differing(before: Mapping[str, str], given: Given, folder: str, *, elsewhere: bool) -> tuple[str, ...]:
    """Return the names of the states which a record rests on and which are not as they were.

    Parameters
    ----------
    elsewhere
        As in `jupyter_mlpipe.keys.variables.states_now`.
    """
    now = {name: state_digest(name, state) for name, state in given.states.items() if name in before}
    of_system = (states_now, installed_now)
    for name, content in chain(*(f(before, given.environment, elsewhere=elsewhere) for f in of_system)):
        now[name] = content if content is not None else before[name]
    if FOLDER in before:
        now[FOLDER] = digest("folder", folder)
    return tuple(name for name, content in before.items() if not content or now.get(name) != content)
