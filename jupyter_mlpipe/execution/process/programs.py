"""Which programs a step starts, and what their command lines say of files.

A program can read any file and any environment variable: Python tells of neither.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from jupyter_mlpipe.execution.process.files import is_pattern, names_digest
from jupyter_mlpipe.execution.process.opens import newest_process
from jupyter_mlpipe.execution.process.paths import absolute_path
from jupyter_mlpipe.execution.process.seen import Seen
from jupyter_mlpipe.execution.process.variables import ALL
from jupyter_mlpipe.keys.installed import program_states

PROGRAM_EVENTS = frozenset({"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.forkpty"})
"""Audit events that tell of programs."""

_MAX_FRAMES = 12
_MAX_WORDS = 32  # looked for on `PATH`: the others are mostly files
_WORD_ENDS = re.compile(r"[=<>|;&()]+")


class Programs:
    """Notes what audit events tell of programs, until `stop`.

    Parameters
    ----------
    seen
        Takes it.
    """

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._starts: dict[tuple[str, str], Any] = {}

    def stop(self) -> None:
        """Leave all as it was; may be called twice."""
        while self._starts:
            (module, name), original = self._starts.popitem()
            setattr(sys.modules[module], name, original)

    def note(self, event: str, args: tuple[Any, ...], frame: FrameType) -> None:
        """Note one of `PROGRAM_EVENTS`, which was told of in this frame."""
        self._seen.note("variables", ALL)
        if event == "subprocess.Popen":
            self._note_command(args[1], args[2])
            self._note_processes()
        elif event == "os.system":
            self._note_command(args[0], None)
            self._seen.note_program_after(newest_process())
        elif event == "os.posix_spawn":
            self._note_command(args[1], None)
            if frame.f_code is not _start.__code__:
                self._seen.note_program_after(newest_process())
        elif event == "os.exec":
            self._seen.note_program_after(os.getpid())
        else:
            # What the child is to run is told in the child only: a `!command` line comes this way.
            self._note_command(_command_of(frame), None)

    def _note_processes(self) -> None:
        """Have it noted which processes `subprocess` starts: these have ended when somebody asks for them."""
        for module, name in (("subprocess", "_fork_exec"), ("os", "posix_spawn")):  # the latter from 3.13 on
            original = getattr(sys.modules.get(module), name, None)
            if original is not None and (module, name) not in self._starts:
                self._starts[module, name] = original
                noting = functools.partial(_start, original, self._seen.note_program)
                setattr(sys.modules[module], name, functools.update_wrapper(noting, original))

    def _note_command(self, command: Any, folder: Any) -> None:
        parts = [command] if isinstance(command, str | bytes | os.PathLike) else list(command or ())
        base = absolute_path("." if folder is None else folder) or os.getcwd()
        self._seen.writes.has_children = True
        said: set[str] = set()
        folders: set[str] = set()
        for part in parts:
            try:
                text = os.fsdecode(part)
                words = shlex.split(text, comments=False)
            except (TypeError, ValueError):
                continue
            named = {text, *words, *(piece for w in words for piece in _WORD_ENDS.split(w))}
            paths = {word: os.path.join(base, os.path.expanduser(word)) for word in named if word}
            said.update(words)
            for word in words[:_MAX_WORDS]:
                for state in program_states(word, base):
                    self._seen.note_state(*state)
            inside = [path for path in paths.values() if os.path.isdir(path)]
            folders.update(map(os.path.abspath, inside))
            for folder in inside:
                # `cd data && cat rows.csv`
                paths |= {os.path.join(folder, word): os.path.join(folder, word) for word in words}
            self._seen.writes.start_command(text, map(os.path.abspath, paths.values()), base)
            for word, path in paths.items():
                if os.path.isfile(path) or (is_pattern(path) and "**" not in path):
                    # It may be there to be written to: then it changes while the step runs.
                    absolute = os.path.abspath(path)
                    if path != word:
                        self._seen.paths.relative.add(absolute)
                    self._seen.note_mentioned(absolute)
        if "du" in said or ("ls" in said and any(word[:1] == "-" and "l" in word for word in said)):
            for folder in folders or {base}:
                self._seen.listed.setdefault(folder, names_digest(folder))
                self._seen.looked_through.add(folder)


def _start(start: Callable[..., int], note: Callable[[int], None], *args: Any, **options: Any) -> int:
    process = start(*args, **options)
    note(process)
    return process


def _command_of(frame: FrameType | None) -> object:
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return None
        if frame.f_code.co_name == "system" and "cmd" in frame.f_locals:
            return frame.f_locals["cmd"]
        frame = frame.f_back
    return None
