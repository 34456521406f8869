"""What a codec is: how a value becomes bytes and comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


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
    needs, modules
        As in `jupyter_mlpipe.store.records.Artifact`.
    """

    write: Callable[[Sink], None]
    preview: str
    n_bytes: int = 0
    needs: Mapping[str, str] = field(default_factory=dict)
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Codec:
    """A way to store values of some types.

    Parameters
    ----------
    encode
        Given the value and the notebook's namespace; None where the round trip would not be exact.
    decode
        Given all the bytes, read-only and valid for as long as they are referenced, and where
        definitions of the notebook are looked up (None: ``__main__``). What it returns must not let
        anyone write to the bytes.
    """

    id: str
    version: int
    encode: Callable[[Any, Mapping[str, object]], Encoding | None]
    decode: Callable[[memoryview, dict[str, Any] | None], Any]
