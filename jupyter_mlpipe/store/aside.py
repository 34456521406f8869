"""Files that are moved aside to be removed: there, whoever prunes looks at each once more.

Until then it may be needed, and whoever prunes may be killed. So its name aside says where it was, and
others put it back: whoever looks for an object, and the next one to prune.
"""

from __future__ import annotations

import contextlib
import os

from jupyter_mlpipe.store.disk import make_folder

FOLDER = "pruned"
_KINDS = ("records", "objects")
_SEPARATOR = ","


def path_aside(root: str | os.PathLike[str], path: str) -> str:
    """Return where a file of the store is for the moment in which it is removed."""
    return os.path.join(root, FOLDER, os.path.relpath(path, root).replace(os.sep, _SEPARATOR))


def put_back(root: str | os.PathLike[str], path: str) -> None:
    """Put a file back, never over one that was written anew; FileNotFoundError where it is not aside."""
    aside = path_aside(root, path)
    with contextlib.suppress(FileExistsError):
        os.link(aside, path)
    with contextlib.suppress(FileNotFoundError):  # another process does the same
        os.unlink(aside)


def put_all_back(root: str | os.PathLike[str]) -> None:
    """Put back what a process left aside that was killed, and have the folder there."""
    folder = os.path.join(root, FOLDER)
    make_folder(folder)
    for name in os.listdir(folder):
        if name.partition(_SEPARATOR)[0] in _KINDS:
            with contextlib.suppress(FileNotFoundError):
                put_back(root, os.path.join(root, *name.split(_SEPARATOR)))
