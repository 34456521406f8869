"""Digest of any value by its content, functions and classes inside it included.

Plain values are written canonically, arrays and tables by their bytes, everything else by what a
pickle of it would hold (`__reduce_ex__`), without a pickle's memory of which objects were shared.
Never a constant, never a sample: what cannot be digested is refused with the way to it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any

from blake3 import blake3

from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.keys import canonical
from jupyter_mlpipe.keys.describe import describe, describe_definition
from jupyter_mlpipe.keys.loaded import digest_loaded
from jupyter_mlpipe.keys.parts import Description, Item, Token

_MAX_VISITS = 5_000_000
_FREE = 1 << 60  # a level below all others


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
    imports
        Import statements inside functions: (module, level, names).
    codes
        The code of each function of the notebook met, by identity.
    attributes
        All attribute and global names in that code.
    words
        Names in texts that it may evaluate: read where the notebook has them.
    """

    names: dict[str, None] = field(default_factory=dict)
    modules: dict[str, None] = field(default_factory=dict)
    imports: dict[tuple[str, int, tuple[str, ...]], None] = field(default_factory=dict)
    codes: dict[int, CodeType] = field(default_factory=dict)
    attributes: set[str] = field(default_factory=set)
    words: dict[str, None] = field(default_factory=dict)


class Digester:
    """Digests values and definitions; remembers what was shared among them.

    Parameters
    ----------
    namespace
        The ``__dict__`` of the notebook's module.
    names_only
        Let definitions of the notebook stand for themselves by their names, earlier versions too.
    """

    def __init__(
        self, namespace: Mapping[str, Any], reach: Reach | None = None, *, names_only: bool = False
    ) -> None:
        self.namespace = namespace
        self.names_only = names_only
        self.reach = Reach() if reach is None else reach
        self._known: dict[int, bytes] = {}
        self._alive: list[object] = []  # so that no id in _known is used twice
        self._path: dict[int, int] = {}
        self._lowest = _FREE
        self._n_visits = 0

    def digest_value(self, value: object) -> str:
        """Return the digest of a value; definitions of the notebook that it refers to enter by name."""
        if type(value) in canonical.SCALARS:
            return canonical.digest("value", value)
        return canonical.digest("value", self._guarded(self._token, value))

    def digest_definition(self, definition: object) -> str:
        """Return the digest of a notebook's function or class itself, what it reads entering by name."""
        return canonical.digest("definition", self._guarded(self._definition_token, definition))

    def _guarded(self, write: Callable[[Any], bytes], value: object) -> bytes:
        self._n_visits = 0
        try:
            return write(value)
        except RecursionError:
            raise Undigestable(_type_name(value), "it is nested too deeply") from None
        finally:
            self._path.clear()
            self._lowest = _FREE

    def _definition_token(self, definition: object) -> bytes:
        return self._visit(definition, describe_definition)

    def _token(self, value: object) -> bytes:
        if type(value) in canonical.SCALARS:
            return canonical.encode(value)
        known = self._known.get(id(value))
        if known is not None:
            return known
        level = self._path.get(id(value))
        if level is not None:
            # How far up, not which number: the same for every way into a cycle.
            self._lowest = min(self._lowest, level)
            return b"^%d;" % (len(self._path) - level)
        return self._visit(value, describe)

    def _visit(self, value: object, describe_it: Callable[[Any, Digester], Description]) -> bytes:
        self._n_visits += 1
        if self._n_visits > _MAX_VISITS:
            raise Undigestable(_type_name(value), "too many objects in it refer to each other")
        level = len(self._path)
        self._path[id(value)] = level
        around, self._lowest = self._lowest, _FREE
        try:
            token = self._content(value, describe_it)
        finally:
            self._path.pop(id(value), None)
            lowest, self._lowest = self._lowest, around
        if lowest >= level:
            # Nothing in it points above it, so that it reads the same wherever it stands. A definition
            # that is written out must not stand for those that refer to it by its name.
            if describe_it is not describe:
                return token
            self._known[id(value)] = token
            self._alive.append(value)
        else:
            self._lowest = min(around, lowest)
        return token

    def _content(self, value: Any, describe_it: Callable[[Any, Digester], Description]) -> bytes:
        kind = type(value)
        token = self._token
        scalars, encode = canonical.SCALARS, canonical.encode
        if kind is list or kind is tuple:
            parts = []
            for index, item in enumerate(value):
                try:
                    parts.append(encode(item) if type(item) in scalars else token(item))
                except Undigestable as error:
                    raise error.inside(f"[{index}]") from None
            return _hashed(b"[" if kind is list else b"(", parts)
        if kind is dict:
            parts = []
            for key, item in value.items():
                try:
                    parts.append(encode(key) if type(key) in scalars else token(key))
                    parts.append(encode(item) if type(item) in scalars else token(item))
                except Undigestable as error:
                    raise error.inside(_key_step(key)) from None
            return _hashed(b"d", parts)
        if kind is set or kind is frozenset:
            return _hashed(b"{" if kind is set else b"<", sorted(map(token, value)))
        return self._described(describe_it(value, self))

    def _described(self, description: Description) -> bytes:
        parts = [canonical.encode(description.tag)]
        for item in description.items:
            try:
                parts.append(self._item(item))
            except Undigestable as error:
                raise error.inside(item.step) from None
        return _hashed(b"o", parts)

    def _item(self, item: Item) -> bytes:
        value = item.value
        if isinstance(value, Token):
            return b"h%d:" % len(value.content) + value.content
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
    if type(value) in canonical.SCALARS:
        return canonical.digest("value", value)
    digester = Digester(vars(sys.modules["__main__"]))
    own = digester.digest_value(value)
    reached = _reached_definitions(digester)
    return canonical.digest("value with definitions", own, reached) if reached else own


def digest_definition(definition: object, namespace: Mapping[str, Any]) -> str:
    """Return the digest of a notebook's function or class with all that it reads, in turn."""
    digester = Digester(namespace)
    own = digester.digest_definition(definition)
    return canonical.digest("definitions", own, _reached_definitions(digester))


def digest_named(name: str, namespace: Mapping[str, Any]) -> str:
    """Return the digest of whatever a name of the notebook stands for, with all that it reads, in turn."""
    digester = Digester(namespace)
    own = _digest_reached(namespace[name], digester)
    return canonical.digest("definitions", own, _reached_definitions(digester))


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
    modules = [*reach.modules, *(module for module, level, _ in reach.imports if level == 0)]
    found.update((f"module {name}", content) for name, content in digest_loaded(modules).items())
    return sorted(found.items())


def _digest_reached(value: object, digester: Digester) -> str:
    if is_definition(value, digester.namespace):
        return digester.digest_definition(value)
    try:
        return digester.digest_value(value)
    except Undigestable:
        # Such as a lock: nothing says that it is the same, so it never is.
        return os.urandom(32).hex()


def _hashed(tag: bytes, parts: list[bytes]) -> bytes:
    return tag + blake3(b"%d:" % len(parts) + b"".join(_marked(parts))).digest()


def _marked(parts: list[bytes]) -> Iterator[bytes]:
    for part in parts:
        yield b"%d:" % len(part)
        yield part


def _key_step(key: object) -> str:
    return f"[{key!r}]" if isinstance(key, str | int) else f"[a {type(key).__name__}]"


def _type_name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
