"""Pickles of what a step stores: definitions of the notebook by name, large buffers beside them."""

from __future__ import annotations

import contextlib
import io
import pickle
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from jupyter_mlpipe.errors import EncodingError
from jupyter_mlpipe.keys.pickles import FindReduce, Pickler, loading_into

OUT_OF_BAND_BYTES = 64 * 1024
"""Buffers from this size on are kept beside the pickle, not copied into it."""


@dataclass(frozen=True, slots=True)
class ArtifactPickle:
    """A stored value: its pickle, the large buffers beside it, and what the notebook must define.

    Parameters
    ----------
    needs
        For each name of the notebook by which a class or function is referred to, or which a
        function that is part of the pickle reads: a digest of what it stands for.
    modules
        Top-level modules of all classes and functions that are referred to by name.
    codecs
        Versions of the codecs of users by which parts of it are stored, by name.
    """

    stream: bytes
    buffers: tuple[memoryview, ...] = ()
    needs: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    codecs: Mapping[str, str] = field(default_factory=dict)


def dump_artifact(
    value: object,
    namespace: Mapping[str, Any],
    reduced: Mapping[int, tuple[Any, ...]] | None = None,
    find_reduce: FindReduce | None = None,
    changed: Iterable[str] = (),
) -> ArtifactPickle:
    """Pickle a value to be stored. Lambdas and closures travel by value, definitions by name.

    Parameters
    ----------
    reduced
        For objects inside the value, by `id`: what ``__reduce__`` is to give for them.
    find_reduce
        Gives for the type of any other object what reduces it; None where that is left to the object. What
        it gives may leave single ones to themselves.
    changed
        Names of classes whose methods travel by value: where the pickle is read they may be others.

    Raises
    ------
    EncodingError
        Names the type that cannot be pickled, and why.
    """
    # Not at the top: most artifacts refer to no definition.
    from jupyter_mlpipe.keys.values import Undigestable, digest_named

    buffers: list[memoryview] = []

    def keep(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < OUT_OF_BAND_BYTES:
            return True
        buffers.append(raw)
        return False

    file = io.BytesIO()
    pickler = Pickler(file, namespace, by_name=True, buffer_callback=keep)
    pickler.reduced = reduced or {}
    pickler.is_artifact = True
    pickler.find_reduce = find_reduce
    pickler.changed = frozenset(changed)
    if isinstance(value, FunctionType):
        # Who keeps a method under a name of its own is about to put another one in its place.
        pickler.changed |= {value.__qualname__.partition(".")[0]}
    pickler.dump_or_explain(value)
    # What functions sent by value read must be there too when they are called.
    named = {*pickler.named, *(name for name in pickler.read if name in namespace)}
    try:
        needs = {name: digest_named(name, namespace) for name in sorted(named)}
    except Undigestable as error:
        raise EncodingError(f"it refers to a definition that {error}") from None
    modules = tuple(sorted(pickler.modules))
    return ArtifactPickle(file.getvalue(), tuple(buffers), needs, modules, pickler.codecs)


def dump_definitions(
    definitions: Mapping[str, object], namespace: Mapping[str, Any], also: Iterable[str] = ()
) -> tuple[bytes, tuple[str, ...]]:
    """Pickle functions and classes of the notebook by value, and give the names of others they refer to.

    Parameters
    ----------
    also
        Names by which the notebook has them as well.
    """
    file = io.BytesIO()
    pickler = Pickler(file, namespace, by_name=True)
    pickler.by_value = frozenset((*definitions, *also))
    pickler.dump_or_explain(dict(definitions))
    return file.getvalue(), tuple(sorted(pickler.named))


def load_artifact(
    stream: bytes | memoryview,
    buffers: Sequence[bytearray | bytes | memoryview] = (),
    namespace: dict[str, Any] | None = None,
) -> Any:
    """Return the value of `dump_artifact`.

    Parameters
    ----------
    buffers
        As dumped, in order. Arrays use them without a copy: pass writable ones for a writable value.
    namespace
        Where definitions are looked up; ``__main__`` of this process by default.

    Raises
    ------
    UnknownNameError
        The value refers to a class or function that the namespace does not define.
    """
    with loading_into(namespace) if namespace is not None else contextlib.nullcontext():
        return pickle.loads(stream, buffers=buffers)


def parts_of(value: object, namespace: Mapping[str, Any]) -> list[object]:
    """Return the objects inside a value that a pickle of it would meet; as far as it can be pickled."""
    pickler = Pickler(_Nowhere(), namespace, by_name=True, buffer_callback=lambda buffer: False)
    with contextlib.suppress(EncodingError):
        pickler.dump_or_explain(value)
    return [part for _position, part in pickler.memo.copy().values()]


class _Nowhere(io.BytesIO):
    """A file that keeps nothing."""

    def write(self, content: Any, /) -> int:
        return len(content)
