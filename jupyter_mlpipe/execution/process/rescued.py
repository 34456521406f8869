"""What a cell whose code failed leaves behind, as any cell of a notebook does. Nothing of it is reused."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jupyter_mlpipe.keys.given import Effects
from jupyter_mlpipe.store.records import Artifact, artifact_from_json, artifact_to_json


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
    """

    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    bound: Sequence[str] | None = None
    effects: Effects | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what a step's process sends."""
        return {
            "outputs": {name: artifact_to_json(artifact) for name, artifact in self.outputs.items()},
            "bound": self.bound,
            "effects": base64.b64encode(self.effects.to_bytes()).decode() if self.effects else None,
        }

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> Rescued:
        """Read back what `to_json` gave."""
        effects = found["effects"]
        return Rescued(
            {name: artifact_from_json(artifact) for name, artifact in found["outputs"].items()},
            found["bound"],
            Effects.from_bytes(memoryview(base64.b64decode(effects))) if effects else None,
        )
