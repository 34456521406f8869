"""The store that a command without a notebook means."""

from __future__ import annotations

import argparse
from pathlib import Path

from jupyter_mlpipe.errors import UsageError
from jupyter_mlpipe.store.place import find_store, is_remote
from jupyter_mlpipe.store.store import Store, open_store


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add ``--store`` to a command."""
    parser.add_argument(
        "--store",
        metavar="FOLDER|ADDRESS",
        help="the store; MLPIPE_STORE without it, else the .mlpipe of this folder or of those above it",
    )


def open_asked(asked: argparse.Namespace) -> Store:
    """Open the store that ``--store`` names.

    Raises
    ------
    UsageError
        There is none.
    """
    address = asked.store or find_store(Path.cwd())
    if not is_remote(address) and not Path(address).expanduser().is_dir():
        raise UsageError(
            f"There is no store at '{address}'. Name it with --store or MLPIPE_STORE, or go to the "
            "notebook's folder."
        )
    return open_store(address)
