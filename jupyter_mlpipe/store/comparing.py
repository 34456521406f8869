"""Whether a value still is what the store has: for values that somebody may have changed in place."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_mlpipe.errors import EncodingError, StoreError
from jupyter_mlpipe.keys.artifacts import parts_of
from jupyter_mlpipe.keys.earlier import find_earlier
from jupyter_mlpipe.keys.values import Digester, Undigestable
from jupyter_mlpipe.store import shared
from jupyter_mlpipe.store.codecs import choose
from jupyter_mlpipe.store.drawn import figure_of_all
from jupyter_mlpipe.store.encoding import digest_content
from jupyter_mlpipe.store.records import Artifact
from jupyter_mlpipe.store.store import Store

Content = tuple[str, str]
"""A codec, and the digest of the bytes that it gives."""


def holds(store: Store, artifact: Artifact, value: object, namespace: dict[str, Any]) -> bool:
    """Tell whether `value`, which was decoded from `artifact`, has the same content still.

    Parameters
    ----------
    namespace
        Of the notebook. Its definitions count by name only: that of a class may have been run again since.
        But a registry may hold what was defined anew under a name of something that it held.
    """
    earlier = find_earlier(artifact.needs, namespace)
    anew = [namespace[n] for n, before in earlier.items() if namespace.get(n, before) is not before]
    if refers_to_any(anew, value, namespace):
        return False
    content = content_of(value, namespace)
    if content == (artifact.codec, artifact.blob.object):
        return True
    try:
        untouched = store.get_value(artifact, namespace)
    except (StoreError, EncodingError):
        return True  # there is nothing to compare it with
    return is_same(untouched, value, content, namespace)


def refers_to_any(definitions: Sequence[object], value: object, namespace: Mapping[str, Any]) -> bool:
    """Tell whether a value refers to one of these very functions and classes."""
    wanted = {id(definition) for definition in definitions}
    return bool(wanted) and any(id(part) in wanted for part in parts_of(value, namespace))


def is_same(before: object, value: object, content: Content | None, namespace: dict[str, Any]) -> bool:
    """Tell whether two values have the same content.

    Parameters
    ----------
    content
        What `content_of` gives for `value`; None where it cannot be stored, or is not to be compared so.
    namespace
        As in `holds`.
    """
    if content is not None and content == content_of(before, namespace):
        return True
    # A pickle may come out otherwise for an equal value: by which of its parts are one object.
    try:
        digests = {Digester(namespace, loosely=True).digest_value(v) for v in (before, value)}
        return len(digests) == 1
    except Undigestable:
        return False


def are_same(before: Mapping[str, object], values: Mapping[str, object], namespace: dict[str, Any]) -> bool:
    """Tell whether values that are stored together have the same content.

    Both are as they were decoded, or have been changed since.
    """
    with contextlib.suppress(EncodingError):
        digests = {digest_content(shared.encode(dict(each), namespace)) for each in (before, values)}
        # A digest of a figure, part by part, costs twenty times as much, and what draws does change it.
        if len(digests) == 1 or figure_of_all(values.values()) is not None:
            return len(digests) == 1
    return is_same(before, values, None, namespace)


def can_store(value: object, namespace: Mapping[str, Any]) -> bool:
    """Tell whether some codec can store a value; its content is not digested for that."""
    try:
        choose(value, namespace)
    except EncodingError:
        return False
    return True


def content_of(value: object, namespace: Mapping[str, Any]) -> Content | None:
    """Return codec and digest of the bytes as which a value would be stored; None where it cannot be."""
    try:
        codec, encoding = choose(value, namespace)
        return codec.id, digest_content(encoding)
    except EncodingError:
        return None
