"""What pickle leaves out of an object although code can see it.

Attributes of arrays of other classes, hard masks, images of files, figures of plotly, what led to an
exception, and what pickles of the user's own classes leave out. Digests of values and pickles of them hold it
alike. Libraries are looked at, never imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyter_mlpipe.keys.charts import find_chart
from jupyter_mlpipe.keys.images import reduce_opened
from jupyter_mlpipe.keys.imported import imported
from jupyter_mlpipe.keys.leftout import may_leave_out, reduce_whole
from jupyter_mlpipe.keys.views import reduce_layout

Reduced = tuple[Any, ...]

# Of any masked array; what they hold is in the state that it gives, if not seen to below.
_OF_MASKED = frozenset(
    {"_mask", "_fill_value", "_hardmask", "_sharedmask", "_isfield", "_baseclass", "_optinfo", "_basedict"}
)
_CAUSES = ("__cause__", "__context__", "__suppress_context__")


def find_lossless(kind: type) -> Callable[[Any], Reduced | None] | None:
    """Return what reduces the objects of a type without a loss; None where pickle loses nothing.

    It gives None for those that have nothing to lose.
    """
    if issubclass(kind, BaseException):
        return _reduce_exception
    if str(kind.__module__).startswith("PIL.") and (files := imported("PIL.ImageFile")) is not None:
        return reduce_opened if issubclass(kind, files.ImageFile) else None
    if str(kind.__module__).startswith("plotly."):
        return find_chart(kind)
    numpy = imported("numpy")
    if numpy is not None and kind in (numpy.finfo, numpy.iinfo):
        return _reduce_limits
    if numpy is not None and kind is numpy.ndarray:
        return reduce_layout
    if numpy is None or not issubclass(kind, numpy.ndarray):
        return reduce_whole if may_leave_out(kind) else None
    if issubclass(kind, numpy.memmap):
        return None
    base = numpy.ma.MaskedArray if issubclass(kind, numpy.ma.MaskedArray) else numpy.ndarray
    own = all(getattr(kind, n) is getattr(base, n) for n in ("__reduce__", "__reduce_ex__", "__setstate__"))
    if own or kind.__module__.partition(".")[0] == "numpy":
        return _reduce_array
    return reduce_whole if may_leave_out(kind) else None


def add_causes(error: BaseException, reduced: Reduced) -> Reduced:
    """Return what reduces an exception with those that led to it."""
    causes = {name: found for name in _CAUSES if (found := getattr(error, name))}
    make, args, state, *rest = (*reduced, None) if len(reduced) < 3 else reduced
    keeps = type(error).__setstate__ is BaseException.__setstate__  # which sets attributes
    if not causes or not keeps or not isinstance(state, dict | None):
        return reduced
    return (make, args, {**(state or {}), **causes}, *rest)


def _reduce_exception(error: BaseException) -> Reduced | None:
    if error.__cause__ is None and error.__context__ is None:
        return None
    reduced = error.__reduce_ex__(4)
    return add_causes(error, reduced) if isinstance(reduced, tuple) else None


def _reduce_limits(limits: Any) -> Reduced:
    """Make ``numpy.finfo`` anew, whose pickles cannot be read."""
    return type(limits), (limits.dtype,)


def _reduce_array(array: Any) -> Reduced | None:
    own: dict[str, Any] = dict(getattr(array, "__dict__", {}))
    if "_hardmask" in own and "_baseclass" in own:
        mask, fill_value, is_hard = own["_mask"], own["_fill_value"], own["_hardmask"]
        infos = {name: own[name] for name in ("_optinfo", "_basedict") if own.get(name)}
        own = {name: part for name, part in own.items() if name not in _OF_MASKED} | infos
        # What is None or no array would come back as the default, or as an array of it.
        own |= {"_fill_value": None} if fill_value is None else {}
        own |= {} if type(mask).__name__ == "ndarray" else {"_mask": mask}
        own |= {"_hardmask": True} if is_hard else {}
    if not own:
        return None
    make, args, state = array.__reduce__()
    return make, args, (state, own), None, None, set_array


# Named in pickles: renaming it makes stored artifacts unreadable.
def set_array(array: Any, state: tuple[Any, dict[str, Any]]) -> None:
    """Give an array its content and its attributes."""
    content, own = state
    array.__setstate__(content)
    array.__dict__.update(own)
