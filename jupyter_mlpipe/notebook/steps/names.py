"""Who bound each name of the notebook last, and the outputs of steps that wait to be read.

Outputs are ordinary variables, but loaded only when a later cell first reads them. The namespace
is the user's own: what a plain cell binds anew or changes is the user's from then on.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.model.parsed import parse
from jupyter_mlpipe.notebook.steps.reached import reached_from

PARAMETERS = "%%parameters"
"""The owner of names that a parameters cell declared; no component can have this name."""

_UNCHANGING = frozenset({int, float, complex, bool, str, bytes, type(None)})
_WORD = re.compile(r"[^\W\d]\w*")
_EVALUATE = frozenset({"eval", "exec", "query", "run_cell_magic", "run_line_magic"})
_LISTS = frozenset({"globals", "locals", "vars", "who", "whos", "who_ls"})
_LISTING = re.compile(
    r"\b(?:dir|globals|locals|vars)\s*\(\s*\)|\bwho(?:s|_ls)?\b|^\s*%run\s|run_line_magic\(['\"]run['\"]",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Pending:
    """An output that is not in the namespace yet.

    Parameters
    ----------
    version
        Digest of the artifact, or None while the step may still run.
    load
        Returns the value; waits for the step where it still runs; raises its error where it failed.
    is_ready
        Tells whether `load` would return at once.
    """

    component: str
    version: str | None
    load: Callable[[], Any]
    is_ready: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Maker:
    """One execution of a plain cell.

    Parameters
    ----------
    cell_id
        None where the front end sends none.
    number
        Counts the executions.
    """

    cell_id: str | None
    number: int

    def made_anew(self, before: Maker | None) -> bool:
        """Tell whether this is a later execution of the same cell."""
        return (
            before is not None
            and self.cell_id is not None
            and self.cell_id == before.cell_id
            and self.number != before.number
        )


@dataclass(frozen=True, slots=True)
class _Binding:
    """What a name stands for at one moment."""

    owner: str | None
    pending: Pending | None
    value: Any
    is_there: bool
    is_ours: bool
    version: str | None
    is_held: bool


class Names:
    """The namespace as components see it.

    Parameters
    ----------
    is_as_loaded
        Tells whether the value that an output was loaded to still is what the store has.
    loaded_version
        Gives the digest of the artifact that a name was last loaded from.
    """

    def __init__(
        self,
        namespace: dict[str, Any],
        is_as_loaded: Callable[[str, Any], bool] = lambda name, value: True,
        loaded_version: Callable[[str], str | None] = lambda name: None,
    ) -> None:
        self.namespace = namespace
        self._is_as_loaded = is_as_loaded
        self._loaded_version = loaded_version
        self._unchecked: set[str] = set()  # loaded, and plain cells have run since they were last compared
        self.pending: dict[str, Pending] = {}
        self._owner: dict[str, str] = {}
        self._owned: dict[str, dict[str, None]] = {}  # the same the other way round
        self._bound: dict[str, Any] = {}  # what we put there, to tell when the user puts something else
        self._version: dict[str, str | None] = {}
        self._generation: dict[str, int] = {}
        self._maker: dict[str, Maker] = {}
        self._held: set[str] = set()
        self._missed: dict[str, str] = {}
        self._n_cells = 0

    def maker(self, name: str) -> Maker | None:
        """Return which plain cell bound `name` last, as far as its code shows."""
        return self._maker.get(name)

    def note_maker(self, names: Iterable[str], component: str) -> None:
        """Note that running a component's cell has defined names."""
        self._n_cells += 1
        self._maker.update(dict.fromkeys(names, Maker(cell_of(component), self._n_cells)))

    def note_change(self, names: Iterable[str], cell_id: str | None) -> None:
        """Note that a plain cell has changed definitions themselves: a later cell made them so."""
        self._n_cells += 1
        maker = Maker(cell_id or f"<cell {self._n_cells}>", self._n_cells)
        self._maker.update(dict.fromkeys(names, maker))

    def owner(self, name: str) -> str | None:
        """Return the component that bound `name` last, PARAMETERS, or None for a plain cell."""
        return self._owner.get(name)

    def owned_by(self, component: str) -> frozenset[str]:
        """Return the names that a component bound last."""
        return frozenset(self._owned.get(component, ()))

    def is_loaded(self, name: str) -> bool:
        """Tell whether a name stands for an output of a step that was loaded."""
        return name in self._bound and self._owner.get(name) != PARAMETERS

    def release(self, name: str) -> None:
        """Take what a name stands for as the user's own."""
        self._release(name)

    def is_held(self, name: str) -> bool:
        """Tell whether a name stands for what its component made before it failed."""
        return name in self._held

    def hold(self, names: Iterable[str]) -> None:
        """Note that running the component of these names again would not give what they stand for."""
        self._held.update(names)

    def missed_by(self, name: str) -> str | None:
        """Return the component that failed before it bound a name that stands for nothing, if any."""
        return self._missed.get(name) if name not in self.namespace and name not in self.pending else None

    def give_back(self, names: Iterable[str], before: Mapping[str, _Binding], component: str) -> None:
        """Let names that a component failed to bind stand for what they stood for before, if anything."""
        for name in names:
            if name in before:
                self.restore({name: before[name]})
                if self.owner(name) == component:
                    self.hold([name])
            else:
                self.drop(name)
                self._missed[name] = component

    def generation(self, name: str) -> int:
        """Return how often plain cells have bound `name` anew since a component first owned it."""
        return self._generation.get(name, 0)

    def bind(self, name: str, value: Any, owner: str) -> None:
        """Bind a value at once, on behalf of `owner`."""
        self.pending.pop(name, None)
        self.namespace[name] = value
        self._own(name, owner)
        self._bound[name] = value
        self._version[name] = None

    def offer(self, name: str, pending: Pending, *, claim: bool) -> None:
        """Let `name` be loaded from `pending` when it is next read.

        Parameters
        ----------
        claim
            The component's own cell was run: it is the last to have bound the name. Without it
            (a step above ran again), nothing changes where somebody else has bound the name since.
        """
        self.settle(name)
        if not claim and pending.component not in (self._owner.get(name), self.missed_by(name)):
            return
        unchanged = (
            self._owner.get(name) == pending.component
            and pending.version is not None
            and self._version.get(name) == pending.version
            and name in self._bound
        )
        self._own(name, pending.component)
        self._held.discard(name)
        self._missed.pop(name, None)
        if unchanged:
            self.pending.pop(name, None)
            return
        self.namespace.pop(name, None)
        self._bound.pop(name, None)
        self.pending[name] = pending

    def adopt(self, name: str, component: str, version: str) -> None:
        """Take what a name stands for as an output of a component, whose code has bound it right here."""
        self.pending.pop(name, None)
        self._held.discard(name)
        self._missed.pop(name, None)
        self._own(name, component)
        self._bound[name] = self.namespace[name]
        self._version[name] = version

    def remember(self, names: Iterable[str]) -> dict[str, _Binding]:
        """Return what names stand for, for `restore`; those that stand for nothing left out."""
        return {
            name: _Binding(
                self._owner.get(name),
                self.pending.get(name),
                self.namespace.get(name),
                name in self.namespace,
                name in self._bound,
                self._version.get(name),
                name in self._held,
            )
            for name in names
            if name in self.namespace or name in self.pending
        }

    def restore(self, remembered: Mapping[str, _Binding]) -> None:
        """Let names stand for what they stood for: a step that failed has not bound them."""
        for name, binding in remembered.items():
            self._release(name)
            if binding.owner is not None:
                self._own(name, binding.owner)
            if binding.pending is not None:
                self.pending[name] = binding.pending
            if binding.is_there:
                self.namespace[name] = binding.value
            if binding.is_ours:
                self._bound[name] = binding.value
                self._version[name] = binding.version
            if binding.is_held:
                self._held.add(name)

    def forget(self, component: str, names: Iterable[str] | None = None) -> None:
        """Give up names of a component; values already loaded stay as plain variables."""
        for name in list(self._owned.get(component, ())):
            if names is None or name in names:
                self._release(name)

    def drop(self, name: str) -> None:
        """Remove a name that a step deleted."""
        self._release(name)
        self.namespace.pop(name, None)

    def unchecked(self) -> list[str]:
        """Return the names of loaded outputs that plain cells may have changed in place since."""
        return [*self._unchecked]

    def settle(self, name: str) -> None:
        """Hand a loaded output over to the user where a plain cell has changed it in place.

        A helper or another name of the same object may have done so, which no code shows: its content
        is compared with the store's.
        """
        if name in self._unchecked:
            self._unchecked.discard(name)
            value = self.namespace.get(name)
            if name in self._bound and type(value) not in _UNCHANGING and not self._is_as_loaded(name, value):
                self._release(name)

    def prepare(self, text: str, code: str, *, may_wait: bool = True) -> None:
        """Load what a cell may read, before it runs.

        Names that its code reads, itself or through the notebook's functions, must be there: a step
        that still runs is waited for, and one that failed is an error. Any other word of its text
        (in a string: ``df.query("@limit")``) is loaded where that can be done at once; where
        the cell evaluates text, it is waited for, if `may_wait`.

        Parameters
        ----------
        text, code
            The cell as typed, and as plain Python.

        Raises
        ------
        StepError
            A step that makes a name which the code reads failed.
        """
        if not self.pending:
            return
        words = set(_WORD.findall(text))
        certain = self.reached_from(_names_read(code))
        self.load(name for name in list(self.pending) if name in certain)
        waits = may_wait and bool(words & _EVALUATE)
        lists = bool(words & _LISTS) or lists_names(text)
        for name in [name for name in self.pending if name in words or lists]:
            pending = self.pending.get(name)  # one may bring others along
            if pending is not None and (waits or pending.is_ready()):
                # A word in a text is no reading: where it cannot be had, the cell may not need it.
                with suppress(Exception):
                    self.load([name])

    def reached_from(self, names: Iterable[str]) -> set[str]:
        """Return `names` and the global names that the notebook's functions of these names read."""
        return reached_from(names, self.namespace)

    def load(self, names: Iterable[str]) -> None:
        """Bind pending outputs.

        Raises
        ------
        StepError
            The step that makes one of them failed.
        """
        for name in names:
            pending = self.pending.get(name)
            if pending is None:
                continue
            value = pending.load()
            if name in self.pending or name not in self.namespace:
                self.put(name, value)

    def put(self, name: str, value: Any) -> None:
        """Bind the value of a pending output."""
        pending = self.pending.pop(name, None)
        self.namespace[name] = value
        self._bound[name] = value
        # A step that still ran when its output was offered had no version then.
        self._version[name] = self._loaded_version(name) or (pending.version if pending is not None else None)
        # The cell that reads it is about to run.
        self._unchecked.add(name)

    def is_version(self, name: str, version: str) -> bool:
        """Tell whether a name stands for what was loaded from this artifact."""
        return name in self._bound and self._version.get(name) == version

    def observe(
        self, bound: Iterable[str] = (), changed: Iterable[str] = (), cell_id: str | None = None
    ) -> None:
        """Note what a plain cell did, after it ran.

        Parameters
        ----------
        bound, changed
            Names that its code binds or changes in place; names bound in ways that the code does
            not show (``exec``, a helper with ``global``) are found by comparing the values.
        """
        self._n_cells += 1
        self._maker.update(dict.fromkeys(bound, Maker(cell_id, self._n_cells)))
        for name in [*bound, *changed]:
            if name in self._owner and name not in self.pending:
                self._release(name)
        for name, value in list(self._bound.items()):
            if self.namespace.get(name, self) is not value:
                self._release(name)
        for name in [name for name in self.pending if name in self.namespace]:
            self._release(name)
        self._unchecked = {name for name in self._bound if self._owner.get(name) != PARAMETERS}

    def _own(self, name: str, owner: str) -> None:
        if self._owner.get(name) == owner:
            return
        self._disown(name)
        self._owner[name] = owner
        self._owned.setdefault(owner, {})[name] = None

    def _disown(self, name: str) -> None:
        if (owner := self._owner.pop(name, None)) is not None:
            del self._owned[owner][name]

    def _release(self, name: str) -> None:
        self._disown(name)
        self._bound.pop(name, None)
        self._version.pop(name, None)
        self._held.discard(name)
        self._missed.pop(name, None)
        self.pending.pop(name, None)
        self._generation[name] = self._generation.get(name, 0) + 1


def cell_of(component: str) -> str:
    """Return by what the cell of a component is known as a maker of names."""
    return f"%%component {component}"


def reads_any_name(words: set[str]) -> bool:
    """Tell whether a cell with these words may look at names that it does not mention."""
    return bool(words & (_EVALUATE | _LISTS))


def lists_names(text: str) -> bool:
    """Tell whether a cell looks at all names that there are: those of definitions too."""
    return bool(_LISTING.search(text))


def _names_read(code: str) -> set[str]:
    """Return the names that code reads; none where it is no Python."""
    try:
        tree = parse(code)
    except SyntaxError:
        return set()
    changed = {id(node.target) for node in ast.walk(tree) if isinstance(node, ast.AugAssign)}
    return {
        node.id
        for node in ast.walk(tree)
        # What is bound anew need not be there, and what is deleted must be.
        if isinstance(node, ast.Name) and (not isinstance(node.ctx, ast.Store) or id(node) in changed)
    }
