"""What a cell whose code failed leaves behind, as any cell of a notebook does. Nothing of it is reused."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.keys.given import Effects
from jupyter_mlpipe.store.records import Artifact
from jupyter_mlpipe.store.store import Store

# IPython shows the first otherwise; two end generators and loops; the last are not made of one text.
_NOT_RAISED_AGAIN = (SyntaxError, StopIteration, StopAsyncIteration, BaseExceptionGroup)


@dataclass(frozen=True, slots=True)
class Rescued:
    """What the code had done when it failed.

    Parameters
    ----------
    outputs
        What it had bound or changed, as far as that can be stored.
    bound
        The names that it had bound; None where nobody knows.
    effects
        What it had set.
    error
        The error itself, as `store_error` keeps it.
    left_out
        What it had bound or changed and cannot be stored: by name, why.
    deleted
        Names that it had taken away.
    """

    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    bound: Sequence[str] | None = None
    effects: Effects | None = None
    error: Artifact | None = None
    left_out: Mapping[str, str] = field(default_factory=dict)
    deleted: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Return what a step's process sends."""
        return {
            "outputs": msgspec.to_builtins(self.outputs),
            "bound": self.bound,
            "effects": base64.b64encode(self.effects.to_bytes()).decode() if self.effects else None,
            "error": msgspec.to_builtins(self.error),
            "left_out": dict(self.left_out),
            "deleted": self.deleted,
        }

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> Rescued:
        """Read back what `to_json` gave."""
        effects, error = found["effects"], found.get("error")
        return Rescued(
            msgspec.convert(found["outputs"], dict[str, Artifact]),
            found["bound"],
            Effects.from_bytes(memoryview(base64.b64decode(effects))) if effects else None,
            msgspec.convert(error, Artifact | None),
            found.get("left_out", {}),
            found.get("deleted", ()),
        )


def store_error(error: BaseException, store: Store, namespace: Mapping[str, object]) -> Artifact | None:
    """Store an error without its frames, for `sys.last_value`; None where that cannot be done."""
    if not isinstance(error, Exception) or isinstance(error, (MLPipeError, *_NOT_RAISED_AGAIN)):
        return None
    name = getattr(error, "name", None)
    if type(error) is AttributeError:
        # Not with the object that has no such attribute, which may be of any size.
        kept, error = vars(error), AttributeError(*error.args)
        error.__dict__.update(kept)
    with contextlib.suppress(Exception):  # what it holds may be anything
        return store.put_value((error, name if isinstance(name, str) else None), namespace)
    return None


def raised_again(stored: tuple[Exception, str | None]) -> Exception:
    """Return an error that `store_error` has stored."""
    error, name = stored
    if name is not None and isinstance(error, NameError | AttributeError):
        error.name = name  # a pickle leaves it out
    return error
