"""The kernel's end of what JupyterLab's extension shows: a comm of a known id, on which it only tells.

So a page that is loaded again hears it at once, whatever the kernel does. A front end without the extension
does not know the id: it hears nothing and says nothing. What the extension asks comes by `Link`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATE = "jupyter-mlpipe-state"
"""Target and id of the comm, the same in `kernel.ts`."""


class CellsComm:
    """Tells the extension, where there is one. Outside of a kernel it does nothing."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._comm: Any = None

    def open(self) -> None:
        """Say that the notebook's steps are here to be asked for."""
        if getattr(self._shell, "kernel", None) is None:
            return
        from comm import create_comm, get_comm_manager

        self._comm = create_comm(target_name=STATE, comm_id=STATE, primary=False)
        get_comm_manager().register_comm(self._comm)
        self.send({"here": True})

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message, from any thread."""
        if self._comm is not None:
            self._comm.send(dict(message))

    def close(self) -> None:
        """Say that there are no steps any more."""
        if self._comm is not None:
            self._comm.close()
            self._comm = None
