"""How an audit hook sees what a step does with files: reads, listings, questions, changes, command lines.

Only what Python itself opens, lists and asks for is seen, and the files on the command lines of programs
that it starts.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any
from urllib.parse import unquote, urlsplit

from jupyter_mlpipe.execution.process.archives import imported_from
from jupyter_mlpipe.execution.process.files import names_digest
from jupyter_mlpipe.execution.process.forks import Forks
from jupyter_mlpipe.execution.process.paths import Paths, absolute_path, is_below, path_seen_from
from jupyter_mlpipe.execution.process.programs import PROGRAM_EVENTS, Programs
from jupyter_mlpipe.execution.process.questions import (
    Questions,
    is_asked_by_user,
    is_users,
    opened_by,
)
from jupyter_mlpipe.execution.process.searches import Searches
from jupyter_mlpipe.execution.process.seen import Seen
from jupyter_mlpipe.execution.process.variables import Variables
from jupyter_mlpipe.execution.process.workers import Workers
from jupyter_mlpipe.execution.process.writes import is_forgiving
from jupyter_mlpipe.keys.codes import nested_codes

_AuditHook = Callable[[str, tuple[Any, ...]], None]

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_NO_DIRECTORY = -1
_MAX_FRAMES = 12
_IMPORTERS = re.compile(r"^<frozen importlib|/importlib/(?!resources/)|/pkg_resources/")
_LOOKS_FOR_MODULES = re.compile(r"/pkgutil\.py$|/importlib/resources/")
_REMOVERS = frozenset({"rmtree", "_rmtree_safe_fd", "_rmtree_safe_fd_step"})
_WALKERS = _REMOVERS | {"_fwalk"}
_VARIABLE = "mlpipe.variable"
_CHANGES = frozenset(
    {
        "os.rename",
        "os.remove",
        "os.rmdir",
        "os.mkdir",
        "os.link",
        "os.symlink",
        "os.truncate",
        "os.chmod",
        "os.utime",
    }
)
_EVENTS = (_CHANGES | PROGRAM_EVENTS) | {
    "open",
    "sqlite3.connect",
    "os.listdir",
    "os.scandir",
    "os.fork",
    "os.chdir",
    "shutil.rmtree",
}


class Sightings:
    """Notes what this process does with files from `start` on, until `stop`.

    Parameters
    ----------
    seen
        Takes it.
    """

    def __init__(self, seen: Seen) -> None:
        self._seen = seen
        self._paths = seen.paths
        self._programs = Programs(seen)
        self._questions = Questions(self._counts_as_one)
        self._searches = Searches()
        self._variables = Variables(self._note_variable)
        self._forks = Forks(self._begin_telling, seen.hear)
        self._workers = Workers(self._forks.place, seen.paths.base, seen.paths.ignored)
        self._active = False
        self._noting: set[int] = set()  # threads

    def start(self) -> None:
        """Begin; who was told before is told no more."""
        self._active = True
        _follow(self._hook)
        self._questions.start()
        self._searches.start()
        self._forks.start()
        self._workers.start()
        self._variables.start()

    def stop(self) -> None:
        self._active = False
        self._variables.stop()
        _leave(self._hook)
        self._questions.stop()
        self._searches.stop()
        self._programs.stop()
        self._note_questions()
        self._workers.stop()
        self._forks.stop()

    def tell_to(self, place: str) -> None:
        """Begin, and tell it all to the process that has this place (`Forks.place`)."""
        self.start()
        self._forks.tell_to(place)

    @property
    def variables(self) -> Mapping[str, str]:
        """All environment variables as they were at the start."""
        return self._variables.started

    @property
    def has_lost(self) -> bool:
        """Whether a forked process was killed while it told what it sees."""
        return self._forks.has_lost

    def _begin_telling(self, tell: Callable[..., None]) -> None:
        """Tell the process that has forked this one what is seen from here on."""
        self._seen.begin_telling(tell)
        self._noting.clear()  # threads that are not here
        self._questions.stop()
        self._questions = Questions(lambda folder: False, self._seen.tell_answer)
        self._questions.start()
        self._searches.stop()
        self._searches = Searches(self._tell_searches)
        self._searches.start()

    def _tell_searches(self) -> None:
        for path in self._searches.take(self._may_be_users):
            self._seen.tell_answer("there", path, None)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Have nothing noted meanwhile."""
        self._active = False
        try:
            yield
        finally:
            self._active = True

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._active:
            return
        thread = threading.get_ident()
        if thread in self._noting:
            return  # what is opened to digest it
        self._noting.add(thread)
        try:
            self._note_event(event, args)
        finally:
            self._noting.discard(thread)

    def _note_event(self, event: str, args: tuple[Any, ...]) -> None:
        if event == _VARIABLE:
            self._seen.note("variables", *args)
        elif event == "open":
            path, mode, flags = args
            if not isinstance(path, int):
                self._note_open(path, mode or "", flags)
        elif event == "sqlite3.connect":
            self._note_database(args[0])
        elif event in ("os.listdir", "os.scandir"):
            self._note_told(args[0])
            if not _imports(sys._getframe(3)):
                self._note_listing(args[0], sys._getframe(3))
        elif event in PROGRAM_EVENTS:
            self._programs.note(event, args, sys._getframe(3))
        elif event == "os.chdir":
            self._note_questions()
        elif event == "os.fork":
            self._seen.writes.has_children = True
        elif event == "shutil.rmtree":
            self._named_in(*args)
        elif event in _CHANGES:
            self._forks.listen()
            self._note_change(event, args)
            self._seen.tell_touched()

    def _note_open(self, path: Any, mode: str, flags: int) -> None:
        frame, folder = opened_by(sys._getframe(4))
        if folder is not None and (path := path_seen_from(path, folder)) is None:
            return
        if not flags & _WRITES and "w" not in mode:
            if frame.f_code.co_name not in _WALKERS:
                taken = imported_from(path, frame)
                if taken is path and path in sys.path and _imports(frame):
                    taken = None  # installed packages are looked for in it
                if taken != path and (archive := absolute_path(path)) is not None:
                    self._seen.note("archives", archive)
                if taken is not None:
                    self._seen.note_read(taken)
                    self._note_own(path, frame)
        elif (absolute := self._paths.named_by(path)) is not None:
            exclusive = "x" in mode or bool(flags & os.O_EXCL and flags & os.O_CREAT)
            exclusive = exclusive and not is_forgiving(frame)
            anew = "w" in mode or bool(flags & os.O_TRUNC)
            self._forks.listen()
            self._seen.writes.open(absolute, anew=anew, exclusive=exclusive)
            self._seen.note_written(absolute)
            self._seen.tell_touched()

    def _note_own(self, path: Any, frame: FrameType) -> None:
        """Note what the user's code opens where libraries keep what is theirs."""
        absolute = absolute_path(path)
        if absolute is not None and self._paths.is_of_libraries(absolute) and is_asked_by_user(frame):
            self._seen.note("own", absolute)

    def _note_change(self, event: str, args: tuple[Any, ...]) -> None:
        writes = self._seen.writes
        if event in ("os.rename", "os.link", "os.symlink"):
            source = self._named_in(args[0], args[2] if event != "os.symlink" else _NO_DIRECTORY)
            target = self._named_in(args[1], args[-1])
            if source is None or target is None:
                return
            self._seen.written.add(target)
            if event == "os.rename":
                self._seen.written.add(source)
                writes.rename(source, target)
            else:
                writes.link(target)
            return
        if isinstance(args[0], int):
            return  # it was opened before
        path = self._named_in(args[0], args[-1] if event != "os.truncate" else _NO_DIRECTORY)
        if path is None:
            return
        if event == "os.chmod":
            writes.set_mode(path)
            return
        forgiving = is_forgiving(sys._getframe(4))
        if event in ("os.remove", "os.rmdir"):
            writes.remove(path, is_strict=not forgiving)
        elif event == "os.mkdir":
            writes.make_folder(path, is_strict=not forgiving)
        elif os.path.isfile(path):
            writes.open(path, anew=False)
        self._seen.written.add(path)

    def _named_in(self, path: Any, folder: Any) -> str | None:
        """Return a path in full, as seen from an open folder where there is one."""
        if not isinstance(folder, int) or folder == _NO_DIRECTORY:
            return self._paths.named_by(path)
        absolute = absolute_path(path_seen_from(path, folder))
        if absolute is not None:
            self._paths.note_inside(absolute)
        return absolute

    def _note_database(self, name: Any) -> None:
        try:
            path = os.fsdecode(name)
        except TypeError:
            return
        if path.startswith("file:"):
            path = unquote(urlsplit(path).path)
        if path and path != ":memory:" and (absolute := self._paths.named_by(path)) is not None:
            if _logs_ahead(absolute):
                self._seen.note_read(f"{path}-wal")
            # It may be written to: SQLite tells nobody.
            self._forks.listen()
            self._seen.writes.open(absolute, anew=False)
            self._seen.note_written(absolute)
            self._seen.tell_touched()

    def _note_variable(self, name: str) -> None:
        self._hook(_VARIABLE, (name,))

    def _note_told(self, folder: Any) -> None:
        if (
            not isinstance(folder, int)
            and (absolute := absolute_path("." if folder is None else folder)) is not None
        ):
            self._seen.told.add(os.path.join(absolute, ""))

    def _note_listing(self, folder: Any, frame: FrameType) -> None:
        if isinstance(folder, int):
            if frame.f_code.co_name in _REMOVERS:
                return
            folder = path_seen_from(folder)
            if folder is None:
                return
        absolute = absolute_path("." if folder is None else folder)
        if absolute is None:
            return
        if is_users(frame.f_code.co_filename) and any(
            "stat" in code.co_names for code in nested_codes(frame.f_code)
        ):
            self._seen.note("looked_through", absolute)
        if absolute in self._seen.listed or os.path.basename(absolute) == "__pycache__":
            return
        with self.paused():
            digest = names_digest(absolute)
        self._seen.note_listed(absolute, digest)

    def _note_questions(self) -> None:
        """Note what was asked since the working directory last changed."""
        named_in = functools.cache(self._paths.named_in)
        looked_for = self._searches.take(self._may_be_users)
        for kind, path, answer in (*self._questions.take(), *(("there", path, None) for path in looked_for)):
            if (absolute := self._named_by(path, named_in)) is not None:
                self._seen.note_answer(absolute, kind, answer)

    def _may_be_users(self, folder: str) -> bool:
        absolute = absolute_path(folder)
        return absolute is not None and not self._paths.is_excluded(
            os.path.join(os.path.realpath(absolute), "")
        )

    def _counts_as_one(self, folder: str) -> bool:
        """Tell whether a folder counts instead of the files that are looked for in it; note it then."""
        absolute = self._paths.named_by(folder) if folder else None
        # What lies around the notebook holds more than a step means, and what is written is no input.
        if absolute is None or self._seen.written or is_below(self._paths.base, absolute):
            return False
        self._seen.asked_in.add(absolute)
        return True

    def _named_by(self, path: Any, named_in: Callable[[str], tuple[str, bool] | None]) -> str | None:
        """Return a path in full: very many are asked for in a few folders."""
        folder, slash, name = path.rpartition("/") if type(path) is str else ("", "", "")
        if name in ("", ".", "..") or "\0" in name or (slash and not folder) or not name.isascii():
            return self._paths.named_by(path)
        if (found := named_in(folder)) is None:
            return None
        absolute = found[0] + name
        if found[1]:
            self._paths.relative.add(absolute)
        return absolute


def tell_to(place: str, folder: str, ignored: tuple[str, ...]) -> None:
    """Have this process tell another one what it sees of files, until it ends.

    Parameters
    ----------
    place
        From `Forks.place`.
    folder, ignored
        As in `Paths`.
    """
    Sightings(Seen(Paths(folder, ignored))).tell_to(place)


# Python takes no audit hook out again: there is one for the process, told to whoever follows it last.
_FOLLOWING: list[_AuditHook] = []
_IS_ADDED: list[bool] = []


def _tell(
    event: str,
    args: tuple[Any, ...],
    events: frozenset[str] = _EVENTS,
    following: list[_AuditHook] = _FOLLOWING,
) -> None:
    # Called for every audit event there is, each look at a frame among them: the common case leaves at once.
    if event in events:
        for hook in following:
            hook(event, args)


def _follow(hook: _AuditHook) -> None:
    _FOLLOWING[:] = [hook]
    if not _IS_ADDED:
        _IS_ADDED.append(True)
        sys.addaudithook(_tell)


def _leave(hook: _AuditHook) -> None:
    if hook in _FOLLOWING:
        _FOLLOWING.clear()


def _imports(frame: FrameType | None) -> bool:
    """Tell whether a folder is looked through for modules or for installed packages."""
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return False
        file_name = frame.f_code.co_filename
        if _IMPORTERS.search(file_name):
            return True
        if _LOOKS_FOR_MODULES.search(file_name):
            return not is_asked_by_user(frame)
        frame = frame.f_back
    return False


def _logs_ahead(database: str) -> bool:
    """Tell whether an SQLite database has its latest changes in a file beside it."""
    try:
        with open(database, "rb", buffering=0) as file:
            header = file.read(20)
    except OSError:
        return False
    return header[18:20] == b"\x02\x02"  # https://www.sqlite.org/fileformat.html
