"""What is worked out once only while no code of the user runs, and nothing can change."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

_T = TypeVar("_T")
_moment: ContextVar[dict[Hashable, tuple[Any, object]] | None] = ContextVar("moment", default=None)


@contextlib.contextmanager
def one_moment() -> Iterator[None]:
    """Work out once within the block what `once` is asked for; blocks inside it are of the same moment."""
    token = _moment.set({} if _moment.get() is None else _moment.get())
    try:
        yield
    finally:
        _moment.reset(token)


def once(asked: Hashable, held: object, work_out: Callable[[], _T]) -> _T:
    """Return what `work_out` returns, or has returned in this moment.

    Parameters
    ----------
    held
        What must not go away meanwhile, as `asked` names it by its address.
    """
    moment = _moment.get()
    if moment is None:
        return work_out()
    if asked not in moment:
        moment[asked] = work_out(), held
    found: _T = moment[asked][0]
    return found


def forget() -> None:
    """Begin a new moment: code of the user has run."""
    if (moment := _moment.get()) is not None:
        moment.clear()
