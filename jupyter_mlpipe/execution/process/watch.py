"""Which files a step reads: seen by an audit hook, and digested after the step.

Before the result is reused, their digests are taken again.

Only what Python itself opens, lists and asks for is seen, and the files on the command lines of programs that
it starts. For libraries that open files in C++ or Rust, files that the code or its values name count
as read (`jupyter_mlpipe.execution.process.mentions`) unless they were changed while the step ran; so do
those in the notebook's folder that the system says were opened (`jupyter_mlpipe.execution.process.opens`).
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import re
import shlex
import stat
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import FrameType
from typing import Any
from urllib.parse import unquote, urlsplit

from jupyter_mlpipe.execution.process.declared import Declared
from jupyter_mlpipe.execution.process.files import (
    ABSENT,
    AND,
    CHANGED,
    MISSING,
    digest_as_before,
    file_digest,
    files_in,
    folder_of,
    is_beside_content,
    is_pattern,
    joint_digest,
    matches_digest,
    names_digest,
    states_digest,
)
from jupyter_mlpipe.execution.process.leftovers import (
    Snapshot,
    Unseen,
    describe_written,
    find_unseen,
    look_around,
)
from jupyter_mlpipe.execution.process.mentions import Mentions
from jupyter_mlpipe.execution.process.opens import Opens
from jupyter_mlpipe.execution.process.questions import Questions, is_asked_by_user, is_users
from jupyter_mlpipe.execution.process.writes import State, Writes, is_forgiving, state_of
from jupyter_mlpipe.keys.codes import nested_codes
from jupyter_mlpipe.store.files import FileKeeper, Written

_MAX_FOLDER_FILES = 1000
_MAX_ASKED = 1000
_MAX_FOLDER_BYTES = 256 << 20
_SYSTEM = (
    "/proc",
    "/sys",
    "/dev",
    "/usr",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/bin",
    "/sbin",
    "/run",
    "/var/lib",
)
_IN_HOME = (
    *(".cache", ".config", ".cupy", ".dask", ".ipython", ".jupyter", ".local", ".matplotlib", ".nv"),
    ".triton",
)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_NO_DIRECTORY = -1


AuditHook = Callable[[str, tuple[Any, ...]], None]
_MAX_FRAMES = 12
_IMPORTERS = re.compile(r"^<frozen importlib|/importlib/(?!resources/)|/pkg_resources/")
_LOOKS_FOR_MODULES = re.compile(r"/pkgutil\.py$|/importlib/resources/")
_REMOVERS = frozenset({"rmtree", "_rmtree_safe_fd", "_rmtree_safe_fd_step"})
_WALKERS = _REMOVERS | {"_fwalk"}
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
_EVENTS = _CHANGES | {
    "open",
    "sqlite3.connect",
    "os.listdir",
    "os.scandir",
    "subprocess.Popen",
    "os.system",
    "os.posix_spawn",
    "os.forkpty",
    "os.fork",
    "os.chdir",
}
_WORD_ENDS = re.compile(r"[=<>|;&()]+")


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


def _command_of(frame: FrameType | None) -> object:
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return None
        if frame.f_code.co_name == "system" and "cmd" in frame.f_locals:
            return frame.f_locals["cmd"]
        frame = frame.f_back
    return None


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(os.path.join(folder, ""))


def _folders_above(path: str) -> Iterator[str]:
    while (above := os.path.dirname(path)) != path:
        yield above
        path = above


def _logs_ahead(database: str) -> bool:
    """Tell whether an SQLite database has its latest changes in a file beside it."""
    try:
        with open(database, "rb", buffering=0) as file:
            header = file.read(20)
    except OSError:
        return False
    return header[18:20] == b"\x02\x02"  # https://www.sqlite.org/fileformat.html


def _absolute_in(path: Any, folder: Any) -> str | None:
    """Return a path in full, as seen from an open folder where there is one."""
    if not isinstance(folder, int) or folder == _NO_DIRECTORY or os.path.isabs(os.fsdecode(path)):
        return _absolute(path)
    try:
        return _absolute(os.path.join(os.readlink(f"/proc/self/fd/{folder}"), os.fsdecode(path)))
    except OSError:
        return None


def _absolute(path: Any) -> str | None:
    try:
        text = os.fsdecode(path)
        os.fsencode(text)  # text of the code that no path can hold
        return None if "\0" in text else os.path.abspath(text)
    except (TypeError, ValueError, OSError):
        return None


class FileWatch:
    """Notes the files that this process opens from `start` on, until `stop`.

    Parameters
    ----------
    folder
        The notebook's: files below it count even where the system's folders do not.
    ignored
        Further folders to leave out, such as the store.
    declared
        What is in the step's key already.
    """

    def __init__(self, folder: str, ignored: Iterable[str] = (), declared: Declared | None = None) -> None:
        self._declared = declared or Declared()
        self._base = os.path.abspath(folder)
        self._folder = os.path.join(os.path.realpath(folder), "")
        self._ignored = tuple(os.path.join(os.path.realpath(path), "") for path in ignored)
        # With what it was like when it was first opened: None where it was not there.
        self._read: dict[str, State | None] = {}
        self._writes = Writes(self._read)
        self._snapshot: Snapshot | None = None
        self._unseen: list[Unseen] = []
        self._written: set[str] = set()  # by this step, seen or not
        self._listed: dict[str, str] = {}
        self._looked_through: set[str] = set()  # entries bring what `os.stat` says
        self._mentioned: dict[str, bool] = {}
        self._asked: dict[str, dict[str, str]] = {}  # by kind of question
        self._questions = Questions()
        self._opens = Opens()
        self._relative: set[str] = set()  # named as seen from the notebook's folder
        self._absolute: set[str] = set()  # written out in full by the code or its values
        self._active = False
        self._noting: set[int] = set()  # threads
        self._started_ns = 0

    def start(self, add_hook: Callable[[AuditHook], None] = sys.addaudithook) -> None:
        """Begin.

        Parameters
        ----------
        add_hook
            Has a function called with each audit event. Python keeps such a hook for the process's life.
        """
        self._active = True
        self._started_ns = time.time_ns()
        add_hook(self._hook)
        self._questions.start()

    def look_around(self) -> None:
        """Note what is in the notebook's folder, just before the code runs."""
        self._active = False
        try:
            self._snapshot = look_around(self._base, self._is_left_out)
        finally:
            self._active = True

    def see_opens(self) -> None:
        """Note also what code in other languages opens in the notebook's folder; for a process of its own."""
        if self._snapshot is not None:
            self._opens.watch([self._base, *self._snapshot.folders])

    def stop(self) -> None:
        self._active = False
        self._questions.stop()
        self._note_questions()

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        # Called for every audit event there is: the common case must leave at once.
        if not self._active or event not in _EVENTS:
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
        if event == "open":
            path, mode, flags = args
            if not isinstance(path, int):
                self._note_open(path, mode or "", flags)
        elif event == "sqlite3.connect":
            self._note_database(args[0])
        elif event in ("os.listdir", "os.scandir"):
            if not _imports(sys._getframe(2)):
                self._note_listing(args[0], sys._getframe(2))
        elif event == "subprocess.Popen":
            self._note_command(args[1], args[2])
        elif event == "os.system":
            self._note_command(args[0], None)
        elif event == "os.posix_spawn":
            self._note_command(args[1], None)
        elif event == "os.forkpty":
            # What the child is to run is told in the child only: a `!command` line comes this way.
            self._note_command(_command_of(sys._getframe(2)), None)
        elif event == "os.chdir":
            self._note_questions()
        elif event == "os.fork":
            self._writes.has_children = True
        elif event in _CHANGES:
            self._note_change(event, args)

    def _note_open(self, path: Any, mode: str, flags: int) -> None:
        if not flags & _WRITES and "w" not in mode:
            # With an open folder before it, of which the event does not tell.
            if sys._getframe(3).f_code.co_name not in _WALKERS:
                self._note(path, self._read)
        elif (absolute := self._named_by(path)) is not None:
            exclusive = "x" in mode or bool(flags & os.O_EXCL and flags & os.O_CREAT)
            exclusive = exclusive and not is_forgiving(sys._getframe(3))
            self._writes.open(absolute, anew="w" in mode or bool(flags & os.O_TRUNC), exclusive=exclusive)
            self._written.add(absolute)

    def _note_change(self, event: str, args: tuple[Any, ...]) -> None:
        writes = self._writes
        if event in ("os.rename", "os.link", "os.symlink"):
            source = _absolute_in(args[0], args[2] if event != "os.symlink" else _NO_DIRECTORY)
            target = _absolute_in(args[1], args[-1])
            if source is None or target is None:
                return
            self._note_relative(args[0], source)
            self._note_relative(args[1], target)
            self._written.add(target)
            if event == "os.rename":
                self._written.add(source)
                writes.rename(source, target)
            else:
                writes.link(target)
            return
        if isinstance(args[0], int):
            return  # it was opened before
        path = _absolute_in(args[0], args[-1] if event != "os.truncate" else _NO_DIRECTORY)
        if path is None:
            return
        self._note_relative(args[0], path)
        if event == "os.chmod":
            writes.set_mode(path)
            return
        forgiving = is_forgiving(sys._getframe(3))
        if event in ("os.remove", "os.rmdir"):
            writes.remove(path, is_strict=not forgiving)
        elif event == "os.mkdir":
            writes.make_folder(path, is_strict=not forgiving)
        elif os.path.isfile(path):
            writes.open(path, anew=False)
        self._written.add(path)

    def _named_by(self, path: Any) -> str | None:
        absolute = _absolute(path)
        if absolute is not None:
            self._note_relative(path, absolute)
        return absolute

    def _note_relative(self, path: Any, absolute: str) -> None:
        # The code may have removed the folder that it is in.
        with contextlib.suppress(OSError):
            if not os.path.isabs(os.fsdecode(path)) and _is_below(os.getcwd(), self._base):
                self._relative.add(absolute)

    def _note(self, path: Any, seen: dict[str, State | None]) -> None:
        absolute = self._named_by(path)
        # What is made anew is no input; what was read before stays one.
        if absolute is not None and absolute not in self._written and absolute not in seen:
            seen[absolute] = state_of(absolute)

    def _note_database(self, name: Any) -> None:
        try:
            path = os.fsdecode(name)
        except TypeError:
            return
        if path.startswith("file:"):
            path = unquote(urlsplit(path).path)
        if path and path != ":memory:" and (absolute := self._named_by(path)) is not None:
            if _logs_ahead(absolute):
                self._note(f"{path}-wal", self._read)
            # It may be written to: SQLite tells nobody.
            self._writes.open(absolute, anew=False)
            self._written.add(absolute)

    def _note_listing(self, folder: Any, frame: FrameType) -> None:
        if isinstance(folder, int):
            if frame.f_code.co_name in _REMOVERS:
                return
            folder = f"/proc/self/fd/{folder}"
            folder = os.readlink(folder) if os.path.isdir(folder) else None
        absolute = _absolute("." if folder is None else folder)
        if absolute is None:
            return
        if is_users(frame.f_code.co_filename) and any(
            "stat" in code.co_names for code in nested_codes(frame.f_code)
        ):
            self._looked_through.add(absolute)
        if absolute in self._listed:
            return
        self._active = False
        try:
            self._listed[absolute] = names_digest(absolute)
        finally:
            self._active = True

    def _note_questions(self) -> None:
        """Note what was asked since the working directory last changed."""
        for kind, path, digest_of in self._questions.take():
            absolute = self._named_by(path)
            if absolute is None or absolute in self._written or _is_below(self._base, absolute):
                continue
            if (digest := digest_of(absolute)) is not None:
                # The last answer counts: code may wait for a file.
                self._asked.setdefault(absolute, {})[kind] = digest

    def _note_command(self, command: Any, folder: Any) -> None:
        parts = [command] if isinstance(command, str | bytes | os.PathLike) else list(command or ())
        base = _absolute("." if folder is None else folder) or os.getcwd()
        self._writes.has_children = True
        for part in parts:
            try:
                text = os.fsdecode(part)
                words = shlex.split(text, comments=False)
            except (TypeError, ValueError):
                continue
            named = {text, *words, *(piece for w in words for piece in _WORD_ENDS.split(w))}
            paths = {word: os.path.join(base, os.path.expanduser(word)) for word in named if word}
            for folder in [path for path in paths.values() if os.path.isdir(path)]:
                # `cd data && cat rows.csv`
                paths |= {os.path.join(folder, word): os.path.join(folder, word) for word in words}
            self._writes.start_command(text, map(os.path.abspath, paths.values()), base)
            for word, path in paths.items():
                if os.path.isfile(path) or (is_pattern(path) and "**" not in path):
                    # It may be there to be written to: then it changes while the step runs.
                    absolute = os.path.abspath(path)
                    self._mentioned.setdefault(absolute, False)
                    if path != word:
                        self._relative.add(absolute)

    def mention(self, mentions: Mentions) -> None:
        """Count files as read that the code or its values name, if they were there all the time."""
        for path, may_be_folder in mentions.paths.items():
            absolute = _absolute(os.path.expanduser(path))
            if absolute is None or (is_pattern(absolute) and self._is_above(folder_of(absolute))):
                continue
            if os.path.isabs(path):
                self._absolute.add(absolute)
            else:
                self._relative.add(absolute)
            self._mentioned[absolute] = self._mentioned.get(absolute, False) or may_be_folder
        self._note_opened()
        if self._snapshot is not None:
            after = look_around(self._base, self._is_left_out)
            self._unseen = find_unseen(
                self._snapshot, after, self._writes, mentions, self._mentioned, self._base
            )
            self._written.update(change.path for change in self._unseen)

    def _note_opened(self) -> None:
        """Count what was opened unseen by Python as if the code named it: it may be there to be written."""
        opened = self._opens.take() - self._read.keys()
        if not opened:
            return
        seen = set(map(os.path.realpath, self._read))  # by links
        for path in opened:
            # What SQLite has beside a database is looked at where that is opened.
            if os.path.realpath(path) not in seen and path.rpartition("-")[0] not in self._written:
                self._mentioned.setdefault(path, False)
                self._relative.add(path)

    def written(self, mentions: Mentions, keeper: FileKeeper) -> tuple[Written, ...]:
        """Return what the step left on disk, kept in the store as far as its limits allow."""
        return describe_written(self._writes, self._unseen, mentions, keeper, self._name_of_written)

    def _name_of_written(self, path: str) -> str | None:
        real = os.path.realpath(path)
        if self._is_excluded(real) or self._is_excluded(os.path.join(real, "")):
            return None
        if "__pycache__" in path or (self._is_temporary(real) and path not in self._absolute):
            return None
        name = self._as_meant(path)
        home = os.path.join(os.path.expanduser("~"), "")
        return os.path.join("~", name[len(home) :]) if name.startswith(home) else name

    def _is_left_out(self, folder: str) -> bool:
        return any(os.path.realpath(folder).startswith(path.rstrip(os.sep)) for path in self._ignored)

    def files(self) -> dict[str, str]:
        """Return the digests of the files read, by path; folders that were listed end with a slash.

        Paths in the notebook's folder are relative to it: the same notebook in another folder means
        the files there.
        """
        self.stop()
        found = self._required()
        for path, before in self._read.items():
            if path in found or self._declares(path):
                continue
            if os.path.basename(os.path.dirname(path)) == "__pycache__" and path.endswith(".pyc"):
                try:
                    path = importlib.util.source_from_cache(path)
                except ValueError:
                    continue
                before = state_of(path)
            real = os.path.realpath(path)
            if self._is_excluded(real):
                continue
            try:
                if not stat.S_ISREG(os.stat(path).st_mode):
                    continue
            except OSError:
                if self._is_temporary(real):
                    continue  # made and removed by a library or a child process
            is_same = path in self._written or state_of(path) == before
            found[path] = file_digest(path) if is_same else CHANGED
        found.update(self._listings())
        for path, may_be_folder in self._mentioned.items():
            if path not in found and path not in self._written and not self._declares(path):
                found.update(self._named(path, may_be_folder))
        for path, digest in self._answers():
            if path not in found:
                found[path] = digest
            elif found[path] not in (MISSING, CHANGED):
                beside = filter(is_beside_content, digest.split(AND))
                found[path] = joint_digest([*beside, found[path]])
        found.update(dict.fromkeys(self._declared.changed(self._written), CHANGED))
        return dict(sorted((self._as_meant(path), digest) for path, digest in found.items()))

    def sources(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return digests of programs' files as of files read, by path, where they hold the texts that ran."""
        found = {}
        for path, text in texts.items():
            if not text and not os.path.lexists(path):
                found[self._as_meant(path)] = MISSING  # a folder without code
                continue
            before = state_of(path)
            try:
                with open(path, "rb") as file:
                    is_same = importlib.util.decode_source(file.read()) == text
            except (OSError, SyntaxError, ValueError):
                is_same = False
            content = file_digest(path) if is_same else CHANGED
            found[self._as_meant(path)] = content if state_of(path) == before else CHANGED
        return found

    def _declares(self, path: str) -> bool:
        return path not in self._written and self._declared.covers(path)

    def _required(self) -> dict[str, str]:
        """Return what was there before the step wrote to it, where its result rests on that."""
        return {
            path: digest
            for path, digest in self._writes.required.items()
            if self._name_of_written(path) is not None
        }

    def _as_meant(self, path: str) -> str:
        plain = path.rstrip(os.sep)
        if plain not in self._relative and (plain in self._absolute or not _is_below(plain, self._base)):
            return path
        return os.path.relpath(plain, self._base) + path[len(plain) :]

    def _is_temporary(self, real: str) -> bool:
        temporary = os.path.join(os.path.realpath(tempfile.gettempdir()), "")
        return real.startswith(temporary) and not real.startswith(self._folder)

    def _listings(self) -> Iterator[tuple[str, str]]:
        for folder, before in self._listed.items():
            real = os.path.join(os.path.realpath(folder), "")
            if self._declares(folder):
                continue
            if self._is_excluded(real) or (self._is_temporary(real) and before == MISSING):
                continue
            after = names_digest(folder)
            wrote = any(os.path.dirname(path) == folder for path in self._written)
            if after == MISSING:
                if before == MISSING and not wrote:
                    yield folder, ABSENT
                continue  # made and removed again
            yield os.path.join(folder, ""), before if after == before or wrote else CHANGED
            if folder in self._looked_through and not wrote:
                yield os.path.join(folder, "*"), states_digest(os.path.join(folder, "*"))

    def _answers(self) -> Iterator[tuple[str, str]]:
        """Give what the step was told of files; of very many, which folders hold them."""
        real_folder = functools.cache(os.path.realpath)
        around = {above for path in self._written for above in _folders_above(path)}
        is_many = len(self._asked) > _MAX_ASKED
        folders: dict[str, bool] = {}
        for path, answers in self._asked.items():
            folder, name = os.path.split(path)
            real = os.path.join(real_folder(folder), name)
            if path in self._written or path in around or self._is_excluded(real) or self._declares(path):
                continue
            only_there = answers.keys() == {"there"}
            if self._is_temporary(real) or (folder in self._listed and only_there):
                continue
            if is_many and not _is_below(self._base, folder):
                folders[folder] = folders.get(folder, False) or not only_there
                continue
            if not only_there:
                answers = {kind: answer for kind, answer in answers.items() if kind != "there"}
            before = joint_digest(sorted(set(answers.values())))
            yield path, before if digest_as_before(path, before) == before else CHANGED
        for folder, beside_names in folders.items():
            yield os.path.join(folder, ""), names_digest(folder)
            if beside_names:
                yield os.path.join(folder, "*"), states_digest(os.path.join(folder, "*"))

    def _named(self, path: str, may_be_folder: bool) -> Iterator[tuple[str, str]]:
        real = os.path.realpath(path)
        if self._is_excluded(real):
            return
        if is_pattern(path):
            # Where Python itself has looked it up, it listed the folder.
            if folder_of(path) not in self._listed:
                yield from self._together(path, matches_digest)
            return
        try:
            status = os.stat(path)
        except OSError:
            return
        if stat.S_ISREG(status.st_mode):
            if self._is_old(status):
                yield path, file_digest(path)
            return
        # A folder above the notebook's holds more than a step means.
        if not may_be_folder or not stat.S_ISDIR(status.st_mode) or self._is_above(real):
            return
        # A folder that the step writes to is for its results.
        if not any(written.startswith(path + os.sep) for written in self._written):
            yield from self._together(os.path.join(path, ""), names_digest)

    def _together(self, place: str, digest_of: Callable[[str], str]) -> Iterator[tuple[str, str]]:
        """Give the files of a folder or pattern, if they were there all the time, and which ones they are."""
        held = files_in(place)
        if not held or not all(self._is_old(found) and path not in self._written for path, found in held):
            return
        if len(held) > _MAX_FOLDER_FILES or sum(s.st_size for _, s in held) > _MAX_FOLDER_BYTES:
            yield place.rstrip(os.sep), states_digest(place)
            return
        for file, _ in held:
            yield file, file_digest(file)
        yield place, digest_of(place)

    def _is_above(self, folder: str) -> bool:
        return self._folder.startswith(os.path.join(os.path.realpath(folder), ""))

    def _is_old(self, found: os.stat_result) -> bool:
        # Both times: a file that was moved there keeps the first.
        return max(found.st_mtime_ns, found.st_ctime_ns) < self._started_ns

    def _is_excluded(self, real: str) -> bool:
        if "/site-packages/" in real or "/dist-packages/" in real:
            return True
        if any(real.startswith(folder) for folder in self._ignored):
            return True
        # A notebook's folder may lie in an excluded one, as /usr/src/app does in many containers.
        inside = real.startswith(self._folder)
        return any(
            real.startswith(folder)
            for folder in excluded_folders()
            if not (inside and self._folder.startswith(folder))
        )


@functools.cache
def excluded_folders() -> tuple[str, ...]:
    """Return the folders, each with its final slash, whose files say nothing about a step."""
    paths = sysconfig.get_paths()
    home = os.path.expanduser("~")
    folders = {
        *(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts", "data")),
        *(os.path.join(prefix, "share") for prefix in (sys.prefix, sys.base_prefix)),
        *(os.path.join(prefix, "lib") for prefix in (sys.prefix, sys.base_prefix)),
        *(os.path.join(home, name) for name in _IN_HOME),
        *(
            os.environ[name]
            for name in ("MPLCONFIGDIR", "XDG_CACHE_HOME", "IPYTHONDIR")
            if name in os.environ
        ),
        *_SYSTEM,
    }
    both = {*folders, *map(os.path.realpath, folders)}
    return tuple(sorted(os.path.join(folder, "") for folder in both if folder != "/"))
