"""Where a store has the logs of steps that print very much, while they run and where they failed."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = "logs"

KEPT_S = 7 * 24 * 3600.0
"""How long the log of a step that failed is kept at least."""


def log_path(root: str | Path, key: str) -> str:
    """Return the file of the latest attempt to compute a key."""
    return os.path.join(root, FOLDER, key)
