"""Everything that a cell's code reaches: digested for its key and pickled for its step, in one go.

Each name that the cell reads is an output or parameter that somebody provides, or an import, or it
is captured: a helper with what it reads in turn, or a value by its content.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jupyter_mlpipe.errors import EncodingError
from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.celltext import read_cell_text
from jupyter_mlpipe.keys.derive import place_ingredients
from jupyter_mlpipe.keys.given import UNAFFECTED, Affected
from jupyter_mlpipe.keys.modules import Modules
from jupyter_mlpipe.keys.payload import LivePickle, dump_live, find_unpicklable
from jupyter_mlpipe.keys.readable import source_kept
from jupyter_mlpipe.keys.sources import ModuleSource
from jupyter_mlpipe.keys.values import digest_places
from jupyter_mlpipe.keys.walk import Walk
from jupyter_mlpipe.keys.witness import Scope, Witness
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.files import Place
from jupyter_mlpipe.model.status import Ingredient, Reason

__all__ = ["Closure", "Closures", "ModuleSource", "take_closure"]


@dataclass(frozen=True, slots=True)
class Closure:
    """What a cell's code reaches, as it was at one moment.

    Parameters
    ----------
    provided_reads
        Provided names that the cell, or a helper that it reaches, reads.
    imports
        Name -> (module, attribute or None) to bind in the step by import. A dotted name is a
        submodule that must be imported for its parent to have it.
    payload, names
        One pickle of the captured objects (`jupyter_mlpipe.keys.payload.load_closure`) and the
        names that it binds. Large arrays in it are not copied before it is sealed.
    sources
        File name -> text of captured code, for tracebacks.
    modules
        Local modules by full name.
    packages
        Distribution -> version.
    tops
        The top-level modules of packages that it reaches, also of those that are not installed here.
    places
        Files and folders that were declared among captured values.
    preload
        Installed modules worth importing ahead.
    ingredients
        All parts of the key but parameters, inputs and settings, sorted.
    affected
        By which settings of the notebook the code can be affected.
    may_set
        Whether something in it looks as if it set one, or drew random numbers.
    unresolved
        Names found nowhere.
    problems
        Why it has no digest: it can run, but is never reused.
    unshippable
        Why it cannot be sent: it cannot run.
    """

    provided_reads: tuple[str, ...] = ()
    imports: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    payload: bytes | LivePickle = b""
    names: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, ModuleSource] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    tops: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    preload: tuple[str, ...] = ()
    ingredients: tuple[Ingredient, ...] = ()
    affected: Affected = UNAFFECTED
    may_set: bool = False
    unresolved: tuple[str, ...] = ()
    problems: tuple[Reason, ...] = ()
    unshippable: tuple[Reason, ...] = ()

    def sealed_payload(self) -> bytes:
        """Return the pickle with all that is in it.

        Raises
        ------
        EncodingError
            Something in it has been changed since.
        """
        return self.payload.seal() if isinstance(self.payload, LivePickle) else self.payload


class Closures:
    """Takes closures, and gives those taken before where nothing that they hold has changed."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Component, Witness, Closure]] = {}

    def take(self, component: Component, scope: Scope, modules: Modules) -> Closure:
        """Return the closure of a component; see `take_closure`."""
        known = self._known.get(component.name)
        if known is not None and known[0] == component and known[1].holds(scope, modules):
            return known[2]
        closure, witness = _take(component, scope, modules)
        if witness.is_complete and not closure.problems and not closure.unshippable:
            self._known[component.name] = (component, witness, closure)
        else:
            self._known.pop(component.name, None)
        return closure


def take_closure(
    component: Component,
    namespace: Mapping[str, Any],
    provided: Container[str],
    *,
    modules: Modules,
    kept: Mapping[str, Any] | None = None,
) -> Closure:
    """Resolve all that a component's code reaches, digest it, and pickle what must be sent.

    Parameters
    ----------
    namespace
        The ``__dict__`` itself of the notebook's module, not a copy: its functions are told by it.
    provided
        Names that steps and parameters provide; they go before the namespace.
    kept
        Values that stand for those of the namespace: what a name held before a step replaced it.
    """
    return _take(component, Scope(namespace, provided, kept or {}), modules)[0]


def _take(component: Component, scope: Scope, modules: Modules) -> tuple[Closure, Witness]:
    namespace = scope.namespace
    cell = read_cell_text(component.code)
    walk = Walk(scope)
    walk.attributes |= cell.attributes
    walk.digester.reach.words.update(dict.fromkeys(cell.words))
    walk.digester.reach.texts.update(dict.fromkeys(cell.texts))
    walk.follow(component.reads)
    walk.add_shared()
    starred = [(name, ()) for name in component.star_imports]
    reached = walk.follow_modules(cell, starred, modules, as_wholes=component.options.here)
    walk.add("code", "", digest("code", cell.digest, cell.is_quiet), source_kept(component.code))
    walk.add("python", "", digest("python", *sys.version_info[:2]), "{}.{}".format(*sys.version_info))
    if component.postponed:
        walk.add("code", "annotations", digest("postponed"), "from __future__ import annotations")
    if orders := walk.orders(cell):
        walk.add("code", "order of attributes", digest("order", orders))
    affected, may_set = walk.find_settings(cell.settings, reached, shows=component.shows)
    if walk.shows_texts:
        texts = {component.code, *walk.sources().values(), *(m.content for m in reached.local.values())}
        walk.add("code", "docstrings and comments", digest("texts", sorted(texts)))
    places = tuple(walk.digester.reach.places.values())
    walk.ingredients += place_ingredients(digest_places(places))
    payload, names, unshippable = _pickle(walk.captured, namespace)
    closure = Closure(
        provided_reads=tuple(walk.provided_reads),
        imports=walk.imports,
        payload=payload,
        names=names,
        sources=walk.sources(),
        modules={
            name: replace(module.source, uncounted=reached.counted.uncounted[name])
            for name, module in reached.local.items()
            if module.source is not None
        },
        packages={package.name: package.version for package in reached.distributions.values()},
        tops=(*reached.tops, *(top for top in reached.unknown if top not in sys.modules)),
        places=places,
        preload=_modules_ahead(walk.witness.wanted, reached.tops),
        ingredients=tuple(sorted(walk.ingredients, key=lambda i: (i.kind, i.name, i.digest))),
        affected=affected,
        may_set=may_set,
        unresolved=tuple(walk.unresolved),
        problems=tuple(dict.fromkeys(walk.problems)),
        unshippable=(*walk.bound, *unshippable),
    )
    return closure, walk.witness


def _modules_ahead(wanted: Iterable[tuple[str, tuple[str, ...]]], tops: Collection[str]) -> tuple[str, ...]:
    """Return the installed modules that the code imports, by full name."""
    named = {module for module, _ in wanted if module.partition(".")[0] in tops}
    return tuple(sorted({*tops, *named}))


def _pickle(
    captured: Mapping[str, Any], namespace: Mapping[str, Any]
) -> tuple[bytes | LivePickle, tuple[str, ...], tuple[Reason, ...]]:
    if not captured:
        return b"", (), ()
    unshippable: tuple[Reason, ...] = ()
    try:
        payload = dump_live(captured, namespace)
    except EncodingError:
        failed = find_unpicklable(captured, namespace)
        unshippable = tuple(Reason("unhashable", name, why) for name, why in failed.items())
        captured = {name: value for name, value in captured.items() if name not in failed}
        payload = dump_live(captured, namespace) if captured else b""
    return payload, tuple(captured), unshippable
