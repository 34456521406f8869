"""Which paths count for a step, and under which names."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator
from typing import Any

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


class Paths:
    """The paths that count for a step of a notebook, and how the step means them.

    Parameters
    ----------
    folder
        The notebook's: files below it count even where the system's folders do not.
    ignored
        Further folders to leave out, such as the store.
    """

    def __init__(self, folder: str, ignored: Iterable[str] = ()) -> None:
        self.base = os.path.abspath(folder)
        self._folder = os.path.join(os.path.realpath(folder), "")
        self.ignored = tuple(os.path.join(os.path.realpath(path), "") for path in ignored)
        excluded = excluded_folders()
        # A notebook's folder may lie in an excluded one, as /usr/src/app does in many containers.
        self._excluded_inside = tuple(path for path in excluded if not self._folder.startswith(path))
        self._excluded_outside = excluded
        self.relative: set[str] = set()  # named as seen from the notebook's folder
        self.absolute: set[str] = set()  # written out in full by the code or its values
        self._around: set[str] = set()  # named as seen from a folder above the notebook's

    def named_by(self, path: Any) -> str | None:
        """Return a path that the code names in full; None for what can be none."""
        absolute = absolute_path(path)
        if absolute is not None:
            self.note_relative(path, absolute)
        return absolute

    def named_in(self, folder: str) -> tuple[str, bool] | None:
        """Return a folder that the code names in full, and whether it is seen from the notebook's."""
        absolute = absolute_path(folder or ".")
        if absolute is None:
            return None
        is_relative = not os.path.isabs(folder) and is_below(os.getcwd(), self.base)
        return os.path.join(absolute, ""), is_relative

    def note_relative(self, path: Any, absolute: str) -> None:
        # The code may have removed the folder that it is in.
        with contextlib.suppress(OSError):
            if not os.path.isabs(os.fsdecode(path)):
                here = os.getcwd()
                if is_below(here, self.base):
                    self.relative.add(absolute)
                elif is_below(self.base, here):
                    self._around.add(absolute)

    def note_inside(self, absolute: str) -> None:
        """Note what is named as seen from an open folder: as that was named, or one that it is in."""
        for named in (self.relative, self._around):
            if named and any(map(named.__contains__, folders_above(absolute))):
                named.add(absolute)

    def as_meant(self, path: str) -> str:
        """Return the name for records: the same notebook in another folder means the files there."""
        path = self.as_in_base(path)
        plain = path.rstrip(os.sep)
        if plain not in self.relative and (plain in self.absolute or not is_below(plain, self.base)):
            return path
        if plain.startswith(self.base + os.sep):
            return path[len(self.base) + 1 :]
        return os.path.relpath(plain, self.base) + path[len(plain) :]

    def as_in_base(self, path: str) -> str:
        """Return a path as seen through the notebook's folder, which may be a link."""
        if path.startswith(self._folder):
            return os.path.join(self.base, path[len(self._folder) :])
        return path

    def name_of_written(self, path: str) -> str | None:
        """Return the name for records of what a step wrote; None where it does not count."""
        real = os.path.realpath(path)
        if self.is_excluded(real) or self.is_excluded(os.path.join(real, "")):
            return None
        if "__pycache__" in path:
            return None
        if self.is_temporary(real) and not self._is_meant(path):
            return None
        name = self.as_meant(path)
        home = os.path.join(os.path.expanduser("~"), "")
        return os.path.join("~", name[len(home) :]) if name.startswith(home) else name

    def _is_meant(self, path: str) -> bool:
        """Tell whether a temporary path is more than a library's own: it is named, or lies in what is."""
        if path in self.relative or path in self._around:
            return True
        return any(
            above in self.absolute and self.is_temporary(above) for above in (path, *folders_above(path))
        )

    def is_left_out(self, folder: str) -> bool:
        return any(os.path.realpath(folder).startswith(path.rstrip(os.sep)) for path in self.ignored)

    def is_above(self, folder: str) -> bool:
        """Tell whether the notebook's folder lies in a folder."""
        return self._folder.startswith(os.path.join(os.path.realpath(folder), ""))

    def is_temporary(self, real: str) -> bool:
        return real.startswith(_real_folder(tempfile.gettempdir())) and not real.startswith(self._folder)

    def is_of_libraries(self, path: str) -> bool:
        """Tell whether a path is in a folder of the user's home where libraries keep files."""
        return path.startswith(_folders_at_home())

    def is_installed(self, real: str) -> bool:
        """Tell whether a path, links resolved, is out of the notebook's folder and came with some program."""
        return real.startswith(_places_of_programs()) and not real.startswith(self._folder)

    def is_excluded(self, real: str) -> bool:
        """Tell whether what is at a path, links resolved, says nothing about a step."""
        if "/site-packages/" in real or "/dist-packages/" in real:
            return True
        if real.startswith(self.ignored):
            return True
        inside = real.startswith(self._folder)
        return real.startswith(self._excluded_inside if inside else self._excluded_outside)


@functools.cache
def _real_folder(folder: str) -> str:
    return os.path.join(os.path.realpath(folder), "")


@functools.cache
def _folders_at_home() -> tuple[str, ...]:
    home = os.path.expanduser("~")
    return tuple(os.path.join(home, name, "") for name in _IN_HOME)


@functools.cache
def _places_of_programs() -> tuple[str, ...]:
    folders = {sys.prefix, sys.base_prefix, "/var/cache", "/var/log", "/var/spool", "/snap", "/boot"}
    return tuple(os.path.join(os.path.realpath(folder), "") for folder in folders)


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


def is_below(path: str, folder: str) -> bool:
    """Tell whether a path is a folder, or in it."""
    return path == folder or path.startswith(os.path.join(folder, ""))


def folders_above(path: str) -> Iterator[str]:
    """Give the folders that a path lies in, the nearest first."""
    while (above := os.path.dirname(path)) != path:
        yield above
        path = above


def absolute_path(path: Any) -> str | None:
    """Return a path in full; None for what can be none."""
    try:
        text = os.fsdecode(path)
        os.fsencode(text)  # text of the code that no path can hold
        return None if "\0" in text else os.path.abspath(text)
    except (TypeError, ValueError, OSError):
        return None


def path_seen_from(path: Any, folder: int | None = None) -> Any:
    """Return a path as seen from an open folder, or where an open file is; None where nobody knows.

    Parameters
    ----------
    path
        A descriptor stands for what it was opened on.
    folder
        A descriptor; None for the working directory.
    """
    if isinstance(path, int):
        folder, place = path, ""
    else:
        place = os.fspath(path)
    if folder is None or os.path.isabs(place):
        return place
    try:
        above = os.readlink(f"/proc/self/fd/{folder}")
    except OSError:
        return None
    if not os.path.isabs(above) or above.endswith(" (deleted)"):
        return None  # a pipe
    return os.path.join(above, os.fsdecode(place)) if place else above
