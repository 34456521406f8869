"""What was seen of files and variables.

By this process, and by those that it has forked, which tell it (`forks.py`).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from jupyter_mlpipe.execution.process.paths import Paths, is_below
from jupyter_mlpipe.execution.process.questions import MISSED, NAMED, Answer, digest_answer
from jupyter_mlpipe.execution.process.writes import State, Touch, Writes, state_of

_SETS = frozenset({"archives", "own", "looked_through", "variables"})


class Seen:
    """Takes what is seen; in a forked process it tells the one above, too.

    Parameters
    ----------
    paths
        Learns which of them the code names as seen from the notebook's folder.

    Attributes
    ----------
    read
        With what each file was like when it was first opened: None where it was not there.
    archives
        On the import path: what was taken of them is in `read`.
    written
        Paths that were opened to be written to, or changed in another way.
    listed
        Folder -> digest of the names in it.
    own
        Files of the user's among those that libraries keep in the home folder.
    told
        Folders, each with its final slash, that Python has listed for whatever reason.
    looked_through
        Folders whose entries bring what `os.stat` says.
    mentioned
        Paths on the command lines of other programs -> whether they may be folders.
    asked
        Path -> kind of question -> digest of the answer; of "there", the answer.
    asked_in
        Folders in which very many were looked for.
    variables
        Names of environment variables that were asked for; an empty one stands for all of them.
    states
        What else of the system the result rests on, by name, as `Record.states` has it.
    children
        Processes that this one is known to have started.
    programs_after
        Numbers of processes after which programs were started, which may start others in turn.
    """

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.read: dict[str, State | None] = {}
        self.archives: set[str] = set()
        self.writes = Writes(self.read)
        self.written: set[str] = set()
        self.listed: dict[str, str] = {}
        self.told: set[str] = set()
        self.own: set[str] = set()
        self.looked_through: set[str] = set()
        self.mentioned: dict[str, bool] = {}
        self.asked: dict[str, dict[str, Answer]] = {}
        self.asked_in: set[str] = set()
        self.variables: set[str] = set()
        self.states: dict[str, str] = {}
        self.children: set[int] = set()
        self.programs_after: set[int] = set()
        self._tell: Callable[..., None] | None = None
        self._n_told = 0

    def note(self, what: str, name: str) -> None:
        """Add a path to `archives`, `own` or `looked_through`, or a name to `variables`."""
        getattr(self, what).add(name)
        self._pass_on(what, name)

    def note_state(self, name: str, digest: str) -> None:
        if name not in self.states:
            self.states[name] = digest
            self._pass_on("state", name, digest)

    def note_read(self, path: Any) -> None:
        absolute = self.paths.named_by(path)
        # What is made anew is no input; what was read before stays one.
        if absolute is not None and absolute not in self.written and absolute not in self.read:
            self.read[absolute] = state_of(absolute)
            # A process that is started anew reads a thousand files of libraries.
            if "/site-packages/" not in absolute and not self.paths.is_installed(absolute):
                self._pass_on("read", absolute, self.read[absolute])

    def note_written(self, absolute: str) -> None:
        self.written.add(absolute)
        self._pass_on("written", absolute)

    def note_listed(self, absolute: str, digest: str) -> None:
        self.listed[absolute] = digest
        self._pass_on("listed", absolute, digest)

    def note_mentioned(self, absolute: str) -> None:
        self.mentioned.setdefault(absolute, False)
        self._pass_on("mentioned", absolute)

    def note_program(self, process: int) -> None:
        """Note a program by its process."""
        self.children.add(process)
        if self._tell is not None:
            self._tell("forked", "", False, process)
        self.note_program_after(process)

    def note_program_after(self, process: int) -> None:
        """Note that a program's process, or what that starts in turn, comes soon after another one."""
        self.programs_after.add(process)
        if self._tell is not None:
            self._tell("programs", "", False, process)

    def note_answer(self, absolute: str, kind: str, answer: Answer) -> None:
        if absolute in self.written or is_below(self.paths.base, absolute):
            return
        if kind == NAMED:
            self.mentioned.setdefault(absolute, False)
            return
        if kind == MISSED:
            if is_below(absolute, self.paths.base):
                self.asked.setdefault(absolute, {}).setdefault("there", answer)
            return
        # Of very many, only in which folders they are may be asked for.
        digest = answer if kind == "there" else digest_answer(kind, answer, absolute)
        if digest is not None or kind == "there":
            # The last answer counts: code may wait for a file.
            self.asked.setdefault(absolute, {})[kind] = digest

    # Between processes

    def begin_telling(self, tell: Callable[..., None]) -> None:
        """Tell the process that has forked this one what is seen from here on."""
        self._tell = tell
        self._n_told = len(self.writes.touched)
        tell("forked", "", False, os.getpid())

    def tell_touched(self) -> None:
        """Tell what has been written to, moved or removed since this was last called."""
        if self._tell is None:
            return
        touched = self.writes.touched
        for path in itertools.islice(touched, self._n_told, None):
            self._pass_on("touched", path, asdict(touched[path]), self.writes.required.get(path))
        self._n_told = len(touched)

    def tell_answer(self, kind: str, path: Any, answer: Answer) -> None:
        """Tell what this process, a forked one, was told of a file."""
        absolute = self.paths.named_by(path)
        if absolute is not None:
            self._pass_on("asked", absolute, kind, answer)

    def _pass_on(self, what: str, absolute: str, *more: Any) -> None:
        if self._tell is not None:
            self._tell(what, absolute, absolute in self.paths.relative, *more)

    def hear(self, what: str, path: str, is_relative: bool, *more: Any) -> None:
        """Note what a forked process tells."""
        if is_relative:
            self.paths.relative.add(path)
        if what == "forked":
            self.children.update(more)
        elif what == "programs":
            self.programs_after.update(more)
        elif what == "read":
            state = tuple(more[0]) if more[0] is not None else None
            touch = self.writes.touched.get(path)
            # What this process has written in between is no input.
            if path not in self.written or (touch is not None and touch.before == state):
                self.read.setdefault(path, state)
        elif what == "written":
            self.written.add(path)
        elif what == "state":
            self.states.setdefault(path, *more)
        elif what == "listed":
            self.listed.setdefault(path, *more)
        elif what == "mentioned":
            self.mentioned.setdefault(path, False)
        elif what == "touched":
            self._hear_touched(path, *more)
        elif what in _SETS:
            getattr(self, what).add(path)
        else:
            self.note_answer(path, *more)

    def _hear_touched(self, path: str, touch: dict[str, Any], required: str | None) -> None:
        self.written.add(path)
        if path not in self.writes.touched:
            before = touch.pop("before")
            self.writes.touched[path] = Touch(tuple(before) if before is not None else None, **touch)
            if required is not None:
                self.writes.required.setdefault(path, required)
