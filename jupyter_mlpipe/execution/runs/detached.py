"""Runs in a process of their own: their files, and how they are found again and cancelled.

Each has a private folder in the store, ``runs/ID``. The notebook writes ``work`` there, which the process
(`jupyter_mlpipe.execution.runs.driver`) reads once and removes. While it lives it holds ``driver`` (the lock
on it ends with it, however it ends) and reads ``asked``, a pipe that takes what others ask of it. What stays
is ``events``: all that happened, in order. So nothing listens on a port, and readers need only files.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_mlpipe.errors import UsageError, close_matches
from jupyter_mlpipe.execution.runs.eventlog import RESERVE, EventReader
from jupyter_mlpipe.store.locks import holder
from jupyter_mlpipe.store.users import user_id

CANCEL = b"cancel\n"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The files of one detached run."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def events(self) -> Path:
        return self.path / "events"

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def asked(self) -> Path:
        return self.path / "asked"

    @property
    def held(self) -> str:
        return str(self.path / "driver")

    @property
    def printed(self) -> Path:
        """What the process says past its events: of interest only where it fails."""
        return self.path / "printed"

    def is_live(self) -> bool:
        """Tell whether its process lives."""
        return holder(self.held) is not None

    def begin(self) -> dict[str, Any]:
        """Return the first event: pipeline, when it began, where."""
        return next(iter(EventReader(self.events).read()))

    def cancel(self) -> None:
        """Ask its process to cancel the run; nothing where there is none any more.

        Raises
        ------
        UsageError
            It is on another machine.
        """
        try:
            fd = os.open(self.asked, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno not in (errno.ENXIO, errno.ENOENT):
                raise
            where = holder(self.held)
            if where is not None and not where.endswith(f" on {socket.gethostname()}"):
                raise UsageError(
                    f"Run {self.id} can be cancelled on its own machine only: {where}."
                ) from None
            return
        try:
            os.write(fd, CANCEL)
        finally:
            os.close(fd)


def runs_of(root: Path, pipeline: str | None = None) -> list[RunFolder]:
    """Return the detached runs that the store in a folder still has a log of, the latest first.

    Only this user's own: what another one left there is never read, as it would be unpickled.
    """
    found: list[tuple[float, RunFolder]] = []
    # A store that is not there, or cannot be read, has none; what is wrong with it is told by who needs it.
    with contextlib.suppress(OSError):
        for entry in os.scandir(root / "runs"):
            folder = RunFolder(Path(entry.path))
            with contextlib.suppress(OSError, StopIteration, ValueError):
                if entry.stat(follow_symlinks=False).st_uid != user_id():
                    continue
                begin = folder.begin()
                if pipeline is None or begin["pipeline"] == pipeline:
                    found.append((begin["at"], folder))
    return [folder for _, folder in sorted(found, key=lambda each: -each[0])]


def find_run(root: Path, given: str) -> RunFolder:
    """Return the detached run whose id begins with `given`.

    Raises
    ------
    UsageError
        There is none, or several.
    """
    runs = runs_of(root)
    found = [folder for folder in runs if folder.id.startswith(given)]
    if len(found) != 1:
        ids = [folder.id[:8] for folder in runs]
        what = "Several detached runs begin" if found else "No detached run begins"
        raise UsageError(
            f"{what} with '{given}'.{close_matches(given, ids)} There are {', '.join(ids[:10]) or 'none'}."
        )
    return found[0]


def finish(folder: RunFolder, lines: Iterable[Mapping[str, Any]] = ()) -> None:
    """Write the last events of a run, and remove what only its process needs. Whoever holds it may."""
    with contextlib.suppress(OSError), folder.events.open("ab") as file:
        for line in lines:
            file.write(json.dumps(line).encode() + b"\n")
    for path in (folder.work, folder.asked, folder.path / RESERVE):
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        if not folder.printed.stat().st_size:
            folder.printed.unlink()
