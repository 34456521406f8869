"""``--spawn``: the process that took a step becomes a new interpreter, for libraries that bear no fork.

It stays the same process to all others: its number, its worker's connection, what it prints to, and its end
with the fork server. Only what was loaded is gone.
"""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any, NoReturn

from jupyter_mlpipe.execution.process.interpreter import command_of

_BOOT = "from jupyter_mlpipe.execution.process.waiting import resume; resume()"


def start_anew(connection: int, tails: tuple[int, int], sent: Any) -> NoReturn:
    """Become a new interpreter, which calls `jupyter_mlpipe.execution.process.waiting.resume`.

    Parameters
    ----------
    connection, tails
        Descriptors: of the connection to the worker, and from which what is printed is read.
    sent
        What the worker has sent so far.
    """
    kept = os.memfd_create("mlpipe-sent")
    with open(kept, "wb", closefd=False) as file:
        pickle.dump(sent, file)
    descriptors = (connection, *tails, kept)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, True)
    os.execv(sys.executable, command_of(_BOOT, *descriptors))


def sent_before() -> tuple[int, tuple[int, int], Any]:
    """Return what `start_anew` was given, in the new interpreter."""
    connection, out, err, kept = map(int, sys.argv[1:5])
    for descriptor in (connection, out, err):
        os.set_inheritable(descriptor, False)
    os.lseek(kept, 0, os.SEEK_SET)
    with open(kept, "rb") as file:
        return connection, (out, err), pickle.load(file)
