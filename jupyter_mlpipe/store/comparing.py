"""Whether a value still is what the store has: for values that somebody may have changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from blake3 import blake3

from jupyter_mlpipe.errors import EncodingError, StoreError
from jupyter_mlpipe.keys.values import Digester, Undigestable
from jupyter_mlpipe.store.codecs import choose
from jupyter_mlpipe.store.records import Artifact
from jupyter_mlpipe.store.store import Store


def holds(store: Store, artifact: Artifact, value: object, namespace: dict[str, Any]) -> bool:
    """Tell whether `value`, which was decoded from `artifact`, has the same content still.

    Parameters
    ----------
    namespace
        Of the notebook. Its definitions count by name only: that of a class may have been run again since.
    """
    if content_of(value, namespace) == (artifact.codec, artifact.blob.object):
        return True
    # A pickle may come out otherwise for an equal value: by which of its parts are one object.
    try:
        untouched = store.get_value(artifact, namespace)
    except (StoreError, EncodingError):
        return True  # there is nothing to compare it with
    try:
        before, now = (Digester(namespace, names_only=True).digest_value(v) for v in (untouched, value))
        return before == now
    except Undigestable:
        return content_of(value, namespace) == content_of(untouched, namespace)


def content_of(value: object, namespace: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return codec and digest of the bytes as which a value would be stored; None where it cannot be."""
    try:
        codec, encoding = choose(value, namespace)
        hasher = _Hasher()
        encoding.write(hasher)
    except EncodingError:
        return None
    return codec.id, hasher.hexdigest()


class _Hasher:
    """Takes the bytes of an encoding without keeping them."""

    closed = False  # Arrow asks

    def __init__(self) -> None:
        self._hasher = blake3()

    def write(self, content: Any, /) -> int:
        view = memoryview(content).cast("B")
        self._hasher.update(view)
        return view.nbytes

    def hexdigest(self) -> str:
        return self._hasher.hexdigest()
