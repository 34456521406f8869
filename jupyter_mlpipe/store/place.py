"""Where the store of a notebook is when nobody says so."""

from __future__ import annotations

from pathlib import Path


def default_store(folder: Path) -> Path:
    """Return the nearest `.mlpipe` at or above `folder`, else where one is to be made."""
    above = [folder, *folder.parents]
    for candidate in above:
        if (candidate / ".mlpipe").is_dir():
            return candidate / ".mlpipe"
    for candidate in above:
        if any((candidate / mark).exists() for mark in ("pyproject.toml", ".git")):
            return candidate / ".mlpipe"
    return folder / ".mlpipe"
