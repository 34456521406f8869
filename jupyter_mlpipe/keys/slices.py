"""What counts of local modules: the names that code reaches in them, and all that importing them does.

A module counts as a whole where it cannot be taken apart, where it is used in another way than for its
attributes, and where something that is reached looks at code.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.pieces import Pieces
from jupyter_mlpipe.keys.settings import Settings
from jupyter_mlpipe.keys.sources import LocalModule
from jupyter_mlpipe.keys.uses import Import, Uses, shows_code, wanted_of

_BUILTINS = frozenset(vars(builtins))
_EXISTS = "?"  # before a name that an import takes from a module, whatever it is


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a key: a module, or a name in it."""

    name: str
    digest: str
    text: str = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Counted:
    """What counts of local modules.

    Parameters
    ----------
    settings
        What was found in the code that counts.
    tops
        Top-level modules that this code imports, of any kind.
    uncounted
        By module, the names in it that do not count; None where nothing of it does.
    """

    parts: tuple[Part, ...] = ()
    settings: tuple[Settings, ...] = ()
    tops: frozenset[str] = frozenset()
    uncounted: Mapping[str, frozenset[str] | None] = field(default_factory=dict)


def narrow(imports: Iterable[Import], local: Mapping[str, LocalModule]) -> Counted:
    """Return what counts of local modules for code that imports this.

    Parameters
    ----------
    local
        All local modules that can be reached by imports.
    """
    wanted = [*imports]
    walk = _Walk(local)
    walk.follow(wanted)
    if walk.is_open:
        walk = _Walk(local)
        walk.follow([(module, ()) for module, _ in wanted] + [(module, ()) for module in local])
    return walk.counted()


class _Walk:
    def __init__(self, local: Mapping[str, LocalModule]) -> None:
        self._local = local
        self._pending: list[Import] = []
        self._tops: set[str] = set()
        self._whole: set[str] = set()
        self._names: dict[str, set[str]] = {}  # of the modules that are imported
        self.is_open = False

    def follow(self, imports: Iterable[Import]) -> None:
        self._pending += imports
        seen: set[Import] = set()
        while self._pending:
            wanted = self._pending.pop()
            if wanted in seen:
                continue
            seen.add(wanted)
            module, names = wanted
            self._tops.add(module.partition(".")[0])
            self.is_open = self.is_open or shows_code(wanted)
            self._import(module)
            if not names:
                self._take_whole(module)
            for name in names:
                if name.startswith(_EXISTS):
                    self._take_existing(module, name.removeprefix(_EXISTS))
                elif name:
                    self._take(module, name)

    def _import(self, module: str) -> None:
        """Count what an import of a module does: that of the packages around it, too."""
        parent = module.rpartition(".")[0]
        if parent:
            self._import(parent)
        if module not in self._local or module in self._names:
            return
        self._names[module] = set()
        pieces = self._local[module].pieces
        if pieces is None:
            self._take_whole(module)
            return
        self._pending += pieces.imports
        for statement in pieces.frame:
            self._use(module, pieces, statement.uses)
            for _, bound in statement.uses.imports:
                # Who uses what the frame binds is not followed.
                self._pending.append((bound.module, ()))
                self._pending.append((f"{bound.module}.{bound.name}", ()))
        for header in pieces.headers:
            for name, chains in header.uses.chains.items():
                if name in pieces.imported:
                    self._take_chains(module, name, chains)

    def _take_whole(self, module: str) -> None:
        if module not in self._local or module in self._whole:
            return
        self._whole.add(module)
        self.is_open = self.is_open or any(found.uses.is_open for found in self._local[module].statements)
        self._take_whole(module.rpartition(".")[0])
        for imported, names in self._local[module].imports:
            self._pending.append((imported, ()))
            self._pending += [(f"{imported}.{name}", ()) for name in names]

    def _take_existing(self, module: str, name: str) -> None:
        """Count that a module has a name, as an import of it would fail without."""
        found = self._local.get(module)
        if found is None or found.pieces is None or found.pieces.binds(name):
            return
        if f"{module}.{name}" in self._local:
            self._import(f"{module}.{name}")
        else:
            self._take_whole(module)

    def _take(self, module: str, chain: str) -> None:
        """Count what a dotted name in a module leads to."""
        name, _, rest = chain.partition(".")
        inner = f"{module}.{name}"
        if inner in self._local:
            self._pending.append((inner, (rest,) if rest else ()))
        found = self._local.get(module)
        if found is None or module in self._whole or found.pieces is None:
            return
        pieces, names = found.pieces, self._names[module]
        if name in pieces.imported:
            names.add(name)
            self._pending += wanted_of(pieces.imported[name], [rest])
        elif name in pieces.symbols:
            if name not in names:
                names.add(name)
                self._use(module, pieces, pieces.symbols[name].uses)
        elif name not in pieces.frame_names and inner not in self._local and name not in _BUILTINS:
            # Such as `__dict__`, or what it is given from outside.
            self._take_whole(module)

    def _take_chains(self, module: str, name: str, chains: Iterable[str]) -> None:
        for chain in chains:
            self._take(module, f"{name}.{chain}" if chain else name)

    def _use(self, module: str, pieces: Pieces, uses: Uses) -> None:
        self.is_open = self.is_open or uses.is_open
        self._pending += uses.wanted()
        for name, chains in uses.chains.items():
            if pieces.binds(name) or f"{module}.{name}" in self._local:
                self._take_chains(module, name, chains)

    def counted(self) -> Counted:
        parts: list[Part] = []
        settings: list[Settings] = []
        uncounted: dict[str, frozenset[str] | None] = dict.fromkeys(self._local)
        for name, names in self._names.items():
            module = self._local[name]
            if module.pieces is None or name in self._whole:
                parts.append(Part(name, module.digest, module.source.source if module.source else ""))
                settings.append(module.settings)
                uncounted[name] = frozenset()
                continue
            pieces = module.pieces
            parts.append(Part(name, _frame_digest(module, pieces, names), pieces.frame_text))
            settings += [part.settings(pieces.around) for part in (*pieces.frame, *pieces.headers)]
            for symbol in sorted(names & pieces.symbols.keys()):
                found = pieces.symbols[symbol]
                parts.append(Part(f"{name}.{symbol}", digest("module symbol", found.digest), found.text))
                settings.append(found.settings(pieces.around))
            uncounted[name] = frozenset((pieces.symbols.keys() | pieces.imported.keys()) - names)
        parts.sort(key=lambda part: (part.name, part.digest))
        return Counted(tuple(parts), tuple(settings), frozenset(self._tops), uncounted)


def _frame_digest(module: LocalModule, pieces: Pieces, names: set[str]) -> str:
    # What is reached of it in its place: a name that is bound too late for a call at the top is an error.
    order: list[object] = []
    for piece in pieces.pieces:
        if not piece.names:
            order.append(piece.statement.digest)
        for name in piece.names:
            if name in names:
                bound = pieces.imported.get(name)
                order.append((name, bound.module, bound.name) if bound is not None else (name,))
    headers = [header.digest for header in pieces.headers]
    is_package = module.source is not None and module.source.is_package
    return digest("module frame", module.name, is_package, order, list(pieces.imports), headers)
