"""``--scratch``: a working folder of the step's own, with nothing but what it was declared to read.

It lies as deep as the notebook's does, so that a declared ``../data/raw.csv`` is where it says, as a link.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable

from jupyter_mlpipe.errors import PlaceError
from jupyter_mlpipe.execution.process.declared import DeclaredPlace


class Scratch:
    """A folder for one step; made when this is made.

    Parameters
    ----------
    notebook
        The notebook's folder.

    Attributes
    ----------
    root
        What is to be removed.
    """

    def __init__(self, notebook: str) -> None:
        self._notebook = os.path.abspath(notebook)
        self.root = os.path.realpath(tempfile.mkdtemp(prefix="mlpipe-scratch-"))
        self._folder = self.root + os.path.splitdrive(self._notebook)[1]

    def enter(self, places: Iterable[DeclaredPlace]) -> None:
        """Make it the folder of this process, with links to what the step was declared to read.

        Raises
        ------
        PlaceError
            A declared folder holds the notebook's own, so that there is no empty one in it.
        """
        os.makedirs(self._folder)
        relative = {str(p.local) for p in places if not os.path.isabs(os.path.expanduser(p.local))}
        # A folder before what is in it, which its link brings along.
        for path in sorted(relative, key=len):
            link = os.path.normpath(os.path.join(self._folder, path))
            if os.path.join(self._folder, "").startswith(os.path.join(link, "")):
                raise PlaceError(
                    f"With --scratch, the declared folder '{path}' cannot be there: it holds the step's own "
                    "working folder. Declare what the step reads in it, or leave out --scratch."
                )
            if link.startswith(os.path.join(self.root, "")) and not os.path.lexists(link):
                os.makedirs(os.path.dirname(link), exist_ok=True)
                os.symlink(os.path.normpath(os.path.join(self._notebook, path)), link)
        os.chdir(self._folder)

    def come_back(self) -> None:
        """Return to it: what leads into it leads nowhere, once it is gone."""
        try:
            here = os.getcwd()
        except OSError:
            here = self.root
        if os.path.join(here, "").startswith(os.path.join(self.root, "")):
            os.makedirs(self._folder, exist_ok=True)
            os.chdir(self._folder)

    def word_on(self, error: BaseException) -> str:
        """Say why a file is not there that the notebook's folder has; nothing for any other error."""
        path = error.filename if isinstance(error, FileNotFoundError) else None
        if not isinstance(path, str) or os.path.isabs(path):
            return ""
        if not os.path.exists(os.path.join(self._notebook, path)):
            return ""
        return (
            f"With --scratch a step runs in an empty folder: declare what it reads, such as "
            f"File({path!r}) as a parameter, or leave out --scratch."
        )

    def remove(self) -> None:
        os.chdir(os.sep)
        remove_scratch(self.root)


def remove_scratch(root: str) -> None:
    """Remove such a folder, and nothing else."""
    if os.path.basename(root).startswith("mlpipe-scratch-"):
        shutil.rmtree(root, ignore_errors=True)
