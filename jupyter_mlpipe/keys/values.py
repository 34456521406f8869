"""Digest of any value by its content, functions and classes inside it included.

Plain values are written canonically, arrays and tables by their bytes, everything else by what a
pickle of it would hold (`__reduce_ex__`). Which of its parts are one object counts where that can change.
Never a constant, never a sample: what cannot be digested is refused with the way to it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import CodeType, FunctionType
from typing import Any, TypeAlias

from jupyter_mlpipe.errors import MLPipeError, PlaceError
from jupyter_mlpipe.keys import canonical
from jupyter_mlpipe.keys.codes import code_reads
from jupyter_mlpipe.keys.cycles import Form, Node, Token, join, resolve
from jupyter_mlpipe.keys.describe import describe, describe_definition
from jupyter_mlpipe.keys.libraries import identify_array
from jupyter_mlpipe.keys.loaded import digest_loaded
from jupyter_mlpipe.keys.moment import once
from jupyter_mlpipe.keys.parts import Bytes, Description, Item, Packed
from jupyter_mlpipe.keys.places import place_digest
from jupyter_mlpipe.keys.sharing import Sharing
from jupyter_mlpipe.model.files import Place

UNREADABLE = "unreadable"
"""Stands for the content of a place that cannot be read: whoever is to run refuses it before."""

_MAX_VISITS = 5_000_000
_Describer: TypeAlias = "Callable[[Any, Digester], Description]"


class Undigestable(MLPipeError):  # noqa: N818
    """A value that has no digest.

    Parameters
    ----------
    type_name
        The type in the way, which may sit deep inside the value.
    why
        The reason, in words.
    path
        Where inside the value it sits, such as ``['lock']`` or ``.connection``.
    """

    def __init__(self, type_name: str, why: str, path: str = "") -> None:
        super().__init__(type_name, why, path)
        self.type_name = type_name
        self.why = why
        self.path = path

    def __str__(self) -> str:
        where = f" (at {self.path})" if self.path else ""
        return f"holds a {self.type_name}{where}, which has no digest: {self.why}. {self.remedy}"

    @property
    def remedy(self) -> str:
        return "Make it inside the cell that uses it, or pass what it is made of as a parameter."

    def inside(self, step: str) -> Undigestable:
        """Return the same error as seen from the value around it."""
        return Undigestable(self.type_name, self.why, step + self.path)


@dataclass(slots=True)
class Reach:
    """What digesting came upon and did not write out: it is named in the digest, and followed elsewhere.

    Parameters
    ----------
    names
        Names of the notebook that functions read as globals, or whose definitions values refer to.
    modules
        Modules to which values refer, by full name.
    symbols
        Names in modules to which values refer: (module, qualified name); "" for the module's import alone.
    imports
        Import statements inside functions whose code is not in `codes`: (module, level, names).
    codes
        The code of each function of the notebook met, by identity.
    attributes
        All attribute and global names in that code.
    words
        Names in texts that it may evaluate: read where the notebook has them.
    texts
        All texts in that code.
    places
        Files and folders among values, of which only the paths are written out; see `digest_places`.
    """

    names: dict[str, None] = field(default_factory=dict)
    modules: dict[str, None] = field(default_factory=dict)
    symbols: dict[tuple[str, str], None] = field(default_factory=dict)
    imports: dict[tuple[str, int, tuple[str, ...]], None] = field(default_factory=dict)
    codes: dict[int, CodeType] = field(default_factory=dict)
    attributes: set[str] = field(default_factory=set)
    words: dict[str, None] = field(default_factory=dict)
    texts: dict[str, None] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)


class Digester:
    """Digests values and definitions, one after the other.

    Parameters
    ----------
    namespace
        The ``__dict__`` of the notebook's module.
    loosely
        To compare a value with what it was: definitions of the notebook stand for themselves by their names,
        earlier versions too, and which of its parts are one object does not count.
    """

    def __init__(
        self, namespace: Mapping[str, Any], reach: Reach | None = None, *, loosely: bool = False
    ) -> None:
        self.namespace = namespace
        self.loosely = loosely
        self.reach = Reach() if reach is None else reach
        self._known: dict[int, bytes] = {}
        self._alive: list[object] = []  # so that no id in _known is used twice
        self._sharing = Sharing()
        self._stack: list[Node] = []  # what is not known yet, in the order in which it was met
        self._open: dict[int, Node] = {}
        self._written_out: dict[int, Node] = {}
        self._lowest = 0  # index of the first of _stack to which something below it refers
        self._n_visits = 0

    def digest_value(self, value: object) -> str:
        """Return the digest of a value; definitions of the notebook that it refers to enter by name."""
        if type(value) in canonical.SCALARS:
            return canonical.digest("value", value)
        content = self._guarded(describe, value)
        shared = self._sharing.found()
        if shared and not self.loosely:
            return canonical.digest("value", content, shared)
        return canonical.digest("value", content)

    def shared_with_others(self) -> tuple[dict[int, tuple[int, ...]], list[object]]:
        """Return what the last value holds that another one may hold as well, by identity, in order.

        These hold as long as what comes with them lives.
        """
        return self._sharing.open_to_others, self._alive

    def digest_definition(self, definition: object) -> str:
        """Return the digest of a notebook's function or class itself, what it reads entering by name."""
        return canonical.digest("definition", self._guarded(describe_definition, definition))

    def _guarded(self, describe_it: _Describer, value: object) -> bytes:
        self._n_visits = 0
        # What is shared among several values is for their readers to know.
        self._known, self._alive, self._sharing = {}, [], Sharing()
        try:
            token = self._visit(value, describe_it) if describe_it is not describe else self._token(value)
        except RecursionError:
            raise Undigestable(_type_name(value), "it is nested too deeply") from None
        finally:
            self._stack.clear()
            self._open.clear()
            self._written_out.clear()
        assert type(token) is bytes
        return token

    def _token(self, value: object) -> Token:
        if type(value) in canonical.SCALARS:
            return canonical.encode(value)
        self._sharing.meet(value)
        known = self._known.get(id(value))
        if known is not None:
            return known
        node = self._written_out.get(id(value)) or self._open.get(id(value))
        if node is not None:
            self._lowest = min(self._lowest, node.index)
            return node
        if (identity := identify_array(value)) is None:
            return self._visit(value, describe)
        return self._once(identity, value, lambda: self._visit(value, describe))

    def _packed(self, array: Any) -> Token:
        numpy = sys.modules["numpy"]
        if (identity := identify_array(array)) is None:
            return self._token(numpy.ascontiguousarray(array))
        self._sharing.meet(array)
        # The copy, if it is one, is gone at once: a table may have hundreds of columns.
        packed = partial(numpy.ascontiguousarray, array)
        return self._once(("packed", identity), array, lambda: self._content(packed(), describe))

    def _once(self, identity: Hashable, array: Any, work_out: Callable[[], Token]) -> Token:
        """Return the token of a large array: several steps may read it in one moment."""
        self._alive.append(array)
        self.reach.modules["numpy"] = None
        return once(identity, array, work_out)

    def _visit(self, value: object, describe_it: _Describer) -> Token:
        """Return the token of a value that was not met before; of one in a cycle, once that is complete."""
        self._count(value, 1)
        is_written_out = describe_it is not describe
        node = Node(value, len(self._stack), is_written_out)
        self._stack.append(node)
        (self._written_out if is_written_out else self._open)[id(value)] = node
        around, self._lowest = self._lowest, node.index
        node.form = self._content(value, describe_it)
        if is_written_out:
            del self._written_out[id(value)]
        lowest, self._lowest = self._lowest, around
        if lowest < node.index:
            self._lowest = min(around, lowest)
            return node
        return self._close(node)

    def _close(self, node: Node) -> bytes:
        """Settle the tokens of all that the objects met since `node` was refer to, and that refers to it."""
        members = self._stack[node.index :]
        del self._stack[node.index :]
        if type(node.form) is bytes:
            tokens = [node.form]
        else:
            tokens = resolve(members, partial(self._count, node.value))
        for member, token in zip(members, tokens, strict=True):
            if not member.is_written_out:
                del self._open[id(member.value)]
                self._known[id(member.value)] = token
                self._alive.append(member.value)
        return tokens[0]

    def _count(self, value: object, n_visits: int) -> None:
        self._n_visits += n_visits
        if self._n_visits > _MAX_VISITS:
            raise Undigestable(_type_name(value), "too many objects in it refer to each other")

    def _content(self, value: Any, describe_it: _Describer) -> bytes | Form:
        kind = type(value)
        token = self._token
        scalars, encode = canonical.SCALARS, canonical.encode
        if kind is list or kind is tuple:
            parts: list[Token] = []
            for index, item in enumerate(value):
                try:
                    parts.append(encode(item) if type(item) in scalars else token(item))
                except Undigestable as error:
                    raise error.inside(f"[{index}]") from None
            return join(b"[" if kind is list else b"(", parts)
        if kind is dict:
            parts = []
            for key, item in value.items():
                try:
                    parts.append(encode(key) if type(key) in scalars else token(key))
                    parts.append(encode(item) if type(item) in scalars else token(item))
                except Undigestable as error:
                    raise error.inside(_key_step(key)) from None
            return join(b"d", parts)
        if kind is set or kind is frozenset:
            with self._sharing.in_set():
                parts = [*map(token, value)]
            return join(b"{" if kind is set else b"<", parts, is_set=True)
        with self._sharing.inside(kind):
            return self._described(describe_it(value, self))

    def _described(self, description: Description) -> bytes | Form:
        parts: list[Token] = [canonical.encode(description.tag)]
        for item in description.items:
            try:
                parts.append(self._item(item))
            except Undigestable as error:
                raise error.inside(item.step) from None
        return join(b"o", parts)

    def _item(self, item: Item) -> Token:
        value = item.value
        if isinstance(value, Bytes):
            return b"h%d:" % len(value.content) + value.content
        if isinstance(value, Packed):
            return self._packed(value.array)
        if isinstance(value, Description):
            return self._described(value)
        if type(value) in canonical.SCALARS:
            return canonical.encode(value)
        if item.is_inline:
            return self._visit(value, describe_definition)
        # Lists and dicts that were made for a description are gone a moment later; their ids return.
        return self._content(value, describe) if item.is_temporary else self._token(value)

    def refuse(self, value: object, why: str) -> Undigestable:
        return Undigestable(_type_name(value), why)


def digest_value(value: object, digester: Digester | None = None) -> str:
    """Return the digest of any value.

    Parameters
    ----------
    digester
        Notes the notebook's definitions that the value refers to, for the caller to follow. Without
        one they are part of the digest, with the definitions that they read in turn.

    Raises
    ------
    Undigestable
        Names the type in the way, where it sits, why, and the remedy.
    """
    if digester is not None:
        return digester.digest_value(value)
    own, places = digest_with_places(value)
    return canonical.digest("value with places", own, [(repr(p), d) for p, d in places]) if places else own


def digest_with_places(value: object) -> tuple[str, tuple[tuple[Place, str], ...]]:
    """Return the digest of a value with the places in it as paths, and each of these with its own."""
    if type(value) in canonical.SCALARS:
        return canonical.digest("value", value), ()
    digester = Digester(vars(sys.modules["__main__"]))
    own = digest_with_definitions(value, digester)
    return own, digest_places(digester.reach.places.values())


def digest_with_definitions(value: object, digester: Digester) -> str:
    """Return the digest of a value with the notebook's definitions that it refers to, and what these read."""
    own = digester.digest_value(value)
    reached = _reached_definitions(digester)
    return canonical.digest("value with definitions", own, reached) if reached else own


def places_in(value: object) -> tuple[Place, ...]:
    """Return the files and folders in a value; none where it has no digest."""
    if type(value) in canonical.SCALARS:
        return ()
    digester = Digester(vars(sys.modules["__main__"]))
    with contextlib.suppress(Undigestable):
        digester.digest_value(value)
    return tuple(digester.reach.places.values())


def digest_definition(definition: object, namespace: Mapping[str, Any]) -> str:
    """Return the digest of a notebook's function or class with all that it reads, in turn."""
    digester = Digester(namespace)
    own = digester.digest_definition(definition)
    return canonical.digest("definitions", own, _reached_definitions(digester), *_own_places(digester))


def digest_named(name: str, namespace: Mapping[str, Any]) -> str:
    """Return the digest of whatever a name of the notebook stands for, with all that it reads, in turn."""
    digester = Digester(namespace)
    own = _digest_reached(namespace[name], digester)
    return canonical.digest("definitions", own, _reached_definitions(digester), *_own_places(digester))


def is_definition(value: object, namespace: Mapping[str, Any]) -> bool:
    """Tell whether a value is a function or class of the notebook, wrapped ones (`lru_cache`) included."""
    for _ in range(100):
        if isinstance(value, type):
            return value.__module__ == "__main__"
        if isinstance(value, FunctionType) and value.__globals__ is namespace:
            return True
        wrapped = getattr(value, "__wrapped__", None) if callable(value) else None
        if wrapped is None or wrapped is value:
            return False
        value = wrapped
    return False


def is_closure(value: object) -> bool:
    """Tell whether a value is a function that another one made, with variables of its own."""
    return (
        isinstance(value, FunctionType) and value.__closure__ is not None and "<locals>" in value.__qualname__
    )


def _reached_definitions(digester: Digester) -> list[tuple[str, str]]:
    """Return a digest for each name that definitions met so far read, in turn, and for their modules."""
    namespace, reach = digester.namespace, digester.reach
    found: dict[str, str] = {}
    pending = [*reach.names, *reach.words]
    while pending:
        name = pending.pop()
        if name in found or name not in namespace:
            continue
        found[name] = _digest_reached(namespace[name], digester)
        pending.extend(reached for reached in (*reach.names, *reach.words) if reached not in found)
    modules = [*reach.modules, *(module for module, _ in reach.symbols)]
    for imports in (reach.imports, *(code_reads(code).imports for code in reach.codes.values())):
        modules += [module for module, level, _ in imports if level == 0]
    found.update((f"module {name}", content) for name, content in digest_loaded(modules).items())
    return sorted(found.items())


def digest_places(places: Iterable[Place]) -> tuple[tuple[Place, str], ...]:
    """Return, with each place, the digest of what is in it; of one that cannot be read, `UNREADABLE`."""
    found = []
    for place in places:
        try:
            found.append((place, place_digest(place)))
        except PlaceError:
            found.append((place, UNREADABLE))
    return tuple(found)


def _own_places(digester: Digester) -> list[tuple[str, str]]:
    return [(repr(place), content) for place, content in digest_places(digester.reach.places.values())]


def _digest_reached(value: object, digester: Digester) -> str:
    if is_definition(value, digester.namespace):
        return digester.digest_definition(value)
    try:
        return digester.digest_value(value)
    except Undigestable:
        # Such as a lock: nothing says that it is the same, so it never is.
        return os.urandom(32).hex()


def _key_step(key: object) -> str:
    return f"[{key!r}]" if isinstance(key, str | int) else f"[a {type(key).__name__}]"


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
