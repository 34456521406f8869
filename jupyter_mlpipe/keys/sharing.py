"""What several parts of one value refer to, where it can be changed through one and seen through another.

``[[0] * 3] * 3`` equals ``[[0] * 3 for _ in range(3)]`` until someone assigns to an element.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import types
import weakref
from collections.abc import Iterator
from typing import Any

from jupyter_mlpipe.keys.imported import imported

# They compare by identity, or not at all, and still nobody changes them, or all refer to the one there is.
_UNCHANGING = (
    type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, types.CodeType,
    types.CellType, types.MappingProxyType, types.MethodWrapperType, types.WrapperDescriptorType,
    types.MethodDescriptorType, types.ClassMethodDescriptorType, types.MemberDescriptorType,
    types.GetSetDescriptorType, property, staticmethod, classmethod, functools.partial, slice, enum.Enum,
    weakref.ref,
)  # fmt: skip

# Whose instances hold what the notebook put there.
_OPEN = frozenset({"__main__", "builtins", "collections", "types"})


class Sharing:
    """Notes, while a value is walked through in order, what is met again, and what others may hold as well.

    The elements of a set come in any order: of what is met among them, only how often it is met counts.
    """

    def __init__(self) -> None:
        self._met: dict[int, int] = {}
        self._again: list[tuple[int, int]] = []
        self._n_in_sets = 0
        self._set_begins: int | None = None
        self._is_changing: dict[type, bool] = {}
        self._is_inside_library = False
        self.open_to_others: dict[int, tuple[int, ...]] = {}
        """By identity, in which order what another value may hold as well was met; -1 for what sets hold.
        For an array, where in the memory that it is a view of it begins, and again for each further view."""

    def meet(self, value: object) -> None:
        """Note that a part refers to `value`, which must live as long as this does."""
        kind = type(value)
        is_changing = self._is_changing.get(kind)
        if is_changing is None:
            is_changing = self._is_changing[kind] = can_be_changed(kind)
        if not is_changing:
            return
        owner: Any = value if self._is_inside_library else _owner(value)
        identity = id(owner)
        if not self._is_inside_library or _may_be_elsewhere(kind):
            known = self.open_to_others.get(identity, ())
            if not known:
                known = (len(self.open_to_others) if self._set_begins is None else -1,)
                self.open_to_others[identity] = known
            if owner is not value:
                self.open_to_others[identity] = (*known, _offset(value, owner))
        n_met = len(self._met)
        first = self._met.setdefault(identity, n_met if self._set_begins is None else self._set_begins)
        if len(self._met) == n_met:
            if self._set_begins is None:
                self._again.append((first, n_met))
            else:
                self._n_in_sets += 1

    @contextlib.contextmanager
    def in_set(self) -> Iterator[None]:
        """Treat what is met as met in no order."""
        around = self._set_begins
        if around is None:
            self._set_begins = len(self._met)
        yield
        self._set_begins = around

    @contextlib.contextmanager
    def inside(self, kind: type) -> Iterator[None]:
        """Treat what is met as a part of an instance of `kind`.

        Objects of libraries are full of views that come back as copies from a pickle: the coefficients and
        the intercept of a linear model are two of one array.
        """
        around = self._is_inside_library
        self._is_inside_library = around or kind.__module__ not in _OPEN
        yield
        self._is_inside_library = around

    def found(self) -> tuple[int, ...]:
        """Return numbers that are equal for equal sharing; none where nothing is shared."""
        if not self._again and not self._n_in_sets:
            return ()
        return (self._n_in_sets, *(number for pair in self._again for number in pair))


@functools.cache
def _may_be_elsewhere(kind: type) -> bool:
    """Tell whether an object inside one of a library may be one that the notebook put there.

    Containers and arrays are the library's own, or its defaults; an index nobody changes.
    """
    return kind.__module__.partition(".")[0] not in ("builtins", "numpy", "pandas")


def can_be_changed(kind: Any) -> bool:
    """Tell whether instances may change; those that have a hash of their content must not."""
    has_own_hash = kind.__hash__ is not None and kind.__hash__ is not object.__hash__
    return not has_own_hash and not issubclass(kind, _UNCHANGING)


def _owner(value: Any) -> Any:
    """Return the array of whose memory an array is a view; anything else is its own."""
    numpy = imported("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        # Views of one memory change together.
        while isinstance(value.base, numpy.ndarray):
            value = value.base
    return value


def _offset(view: Any, owner: Any) -> int:
    """Return how many bytes into its owner's memory a view begins."""
    first: int = view.__array_interface__["data"][0]
    return first - int(owner.__array_interface__["data"][0])
