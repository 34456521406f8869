"""Where the store of a notebook is: a folder, or an address such as ``s3://bucket/prefix``."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(://|::)")


def find_store(folder: Path, given: str = "") -> str:
    """Return where the store of a notebook in `folder` is.

    Parameters
    ----------
    given
        What its configuration says; `MLPIPE_STORE` stands above that.
    """
    said = os.environ.get("MLPIPE_STORE") or given
    if is_remote(said):
        return said.rstrip("/")
    return str(folder / Path(said).expanduser()) if said else str(default_store(folder))


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


def is_remote(address: str) -> bool:
    """Tell whether a store is a shared one, in a place that is reached through fsspec."""
    return _URL.match(address) is not None


def local_folder(address: str) -> Path:
    """Return the folder of a store on this machine: of a shared one, that of its copy."""
    if not is_remote(address):
        return Path(address).expanduser().absolute()
    import platformdirs

    name = hashlib.sha256(address.rstrip("/").encode()).hexdigest()[:16]
    return Path(platformdirs.user_cache_dir("jupyter-mlpipe", appauthor=False)) / "stores" / name
