"""Which files a step reads: seen by an audit hook, and digested after the step.

Before the result is reused, their digests are taken again.

Only what Python itself opens is seen. Libraries that open files in C++ or Rust are not; what they
read has to be declared.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import stat
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from blake3 import blake3

MISSING = "missing"
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
_IN_HOME = (".cache", ".config", ".ipython", ".jupyter", ".local", ".matplotlib", ".nv", ".dask")
_WRITES = os.O_WRONLY | os.O_TRUNC | os.O_CREAT | os.O_EXCL
_known: dict[tuple[str, int, int, int, int], str] = {}


def file_digest(path: str) -> str:
    """Return the digest of a file's content, or `MISSING` where there is none to read.

    A file whose size, times and inode are those of the last time is not read again.
    """
    try:
        found = os.stat(path)
        identity = (path, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        digest = _known.get(identity)
        if digest is None:
            hasher = blake3()
            if found.st_size:
                hasher.update_mmap(path)
            digest = hasher.hexdigest()
            # The clock of a file system may be coarse: a change within the same tick keeps the times.
            if _is_settled(found):
                _known[identity] = digest
    except OSError:
        return MISSING
    return digest


def _is_settled(found: os.stat_result) -> bool:
    return time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > 2_000_000_000


class FileWatch:
    """Notes the files that this process opens from `start` on. The hook stays for the process's life.

    Parameters
    ----------
    folder
        The notebook's: files below it count even where the system's folders do not.
    ignored
        Further folders to leave out, such as the store.
    """

    def __init__(self, folder: str, ignored: Iterable[str] = ()) -> None:
        self._folder = os.path.join(os.path.realpath(folder), "")
        self._ignored = tuple(os.path.join(os.path.realpath(path), "") for path in ignored)
        self._read: dict[str, None] = {}
        self._written: set[str] = set()
        self._active = False

    def start(self) -> None:
        self._active = True
        sys.addaudithook(self._hook)

    def stop(self) -> None:
        self._active = False

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        # Called for every audit event there is: the common case must leave at once.
        if event == "open":
            if not self._active:
                return
            path, mode, flags = args
            if isinstance(path, int):
                return
            anew = mode is not None and ("w" in mode or "x" in mode)
            if anew or (flags & _WRITES and not flags & os.O_RDWR):
                self._note(path, self._written)
            else:
                self._note(path, self._read)
        elif event == "sqlite3.connect" and self._active:
            self._note_database(args[0])

    def _note(self, path: Any, seen: dict[str, None] | set[str]) -> None:
        try:
            absolute = os.path.abspath(os.fsdecode(path))
        except (TypeError, ValueError, OSError):
            return
        if isinstance(seen, set):
            # What is made anew is no input; what was read before stays one.
            if absolute not in self._read:
                seen.add(absolute)
        elif absolute not in self._written:
            seen[absolute] = None

    def _note_database(self, name: Any) -> None:
        try:
            path = os.fsdecode(name)
        except TypeError:
            return
        if path.startswith("file:"):
            path = unquote(urlsplit(path).path)
        if path and path != ":memory:" and os.path.exists(path):
            self._note(path, self._read)

    def files(self) -> dict[str, str]:
        """Return the digests of the files read, by path."""
        self.stop()
        found: dict[str, str] = {}
        for path in self._read:
            if os.path.basename(os.path.dirname(path)) == "__pycache__" and path.endswith(".pyc"):
                try:
                    path = importlib.util.source_from_cache(path)
                except ValueError:
                    continue
            real = os.path.realpath(path)
            if self._is_excluded(real):
                continue
            try:
                if not stat.S_ISREG(os.stat(path).st_mode):
                    continue
            except OSError:
                temporary = os.path.join(os.path.realpath(tempfile.gettempdir()), "")
                if real.startswith(temporary) and not real.startswith(self._folder):
                    continue  # made and removed by a library or a child process
            found[path] = file_digest(path)
        return dict(sorted(found.items()))

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
