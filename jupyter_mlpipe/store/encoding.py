"""What a codec is: how a value becomes bytes and comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from blake3 import blake3

if TYPE_CHECKING:
    from jupyter_mlpipe.store.objects import Objects


class Sink(Protocol):
    """Where a codec writes; any object with the buffer protocol is accepted."""

    def write(self, data: Any, /) -> int: ...


@dataclass(frozen=True, slots=True)
class Encoding:
    """A value ready to be written.

    Parameters
    ----------
    write
        Called once, with the place to write to.
    n_bytes
        About how much that will be.
    keep
        Called before `write`: stores what lies beside the bytes that it writes.
    needs, modules, codecs, detached
        As in `jupyter_mlpipe.store.records.Artifact`.
    """

    write: Callable[[Sink], None]
    preview: str
    n_bytes: int = 0
    needs: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()
    codecs: Mapping[str, str] = field(default_factory=dict)
    detached: bool = False
    keep: Callable[[Objects], None] | None = None


@dataclass(frozen=True, slots=True)
class Codec:
    """A way to store values of some types.

    Parameters
    ----------
    encode
        Given the value and the notebook's namespace; None where the round trip would not be exact.
    decode
        Given all the bytes, valid for as long as they are referenced, and where definitions of the notebook
        are looked up (None: ``__main__``). Where the bytes can be written to they are for this one reader.
    """

    id: str
    version: int
    encode: Callable[[Any, Mapping[str, object]], Encoding | None]
    decode: Callable[[memoryview, dict[str, Any] | None], Any]


def digest_content(encoding: Encoding) -> str:
    """Return the BLAKE3 digest of the bytes that would be written."""
    hasher = _Hasher()
    encoding.write(hasher)
    return hasher.hexdigest()


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
