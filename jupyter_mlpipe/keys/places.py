"""What is in a `File` or `Folder`: each file's content, by relative name. Where it lies is no part of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from jupyter_mlpipe.errors import PlaceError, close_matches
from jupyter_mlpipe.keys import remote
from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.moment import once
from jupyter_mlpipe.keys.stats import MEMO
from jupyter_mlpipe.model.files import File, Folder, Place


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, a folder, or a link that leads nowhere, in a place.

    Parameters
    ----------
    path
        As seen from the place, parts separated by ``/``; empty for the one file of a `File`.
    digest
        Of a file's content; empty for all else.
    link
        Where a broken link leads.
    """

    path: str
    digest: str = ""
    size: int = 0
    is_executable: bool = False
    link: str = ""

    @property
    def is_file(self) -> bool:
        return self.digest != ""


def entries_of(place: Place) -> tuple[Entry, ...]:
    """Return what is in a place, in order of names, as seen from the working directory.

    Links count as what they lead to.

    Raises
    ------
    PlaceError
        It is not there, is of the other kind, or cannot be read: says what to do.
    """
    return once((type(place).__name__, str(place), os.getcwd()), None, lambda: _look_at(place))


def _look_at(place: Place) -> tuple[Entry, ...]:
    path = str(local_place(place))
    try:
        found = os.stat(path)
        if isinstance(place, Folder):
            if not stat.S_ISDIR(found.st_mode):
                raise PlaceError(
                    f"Folder '{place}' is a file. Declare it as a File, or name the folder around it."
                )
            own = os.path.realpath(MEMO.folder) if MEMO.folder else ""
            return tuple(_walk(path, "", (os.path.realpath(path),), own))
        if stat.S_ISDIR(found.st_mode):
            raise PlaceError(f"File '{place}' is a folder. Declare it as a Folder, or name a file in it.")
        if not stat.S_ISREG(found.st_mode):
            raise PlaceError(
                f"File '{place}' is no ordinary file (a pipe, a device): it has no content to know."
            )
        return (_entry(path, "", found),)
    except OSError as error:
        raise _explained(place, error) from None


def place_digest(place: Place) -> str:
    """Return the digest of what is in a place; see `entries_of`."""
    return entries_digest(entries_of(place))


def entries_digest(entries: tuple[Entry, ...]) -> str:
    return digest("place", [(e.path, e.digest, e.is_executable, e.link) for e in entries])


def local_place(place: Place) -> Place:
    """Return the place itself, or a local copy of one that is remote; see `entries_of` for errors."""
    return remote.fetch(place) if place.is_remote else place


def _walk(folder: str, inside: str, above: tuple[str, ...], own: str) -> Iterator[Entry]:
    with os.scandir(folder) as scan:
        names = sorted(entry.name for entry in scan)
    for name in names:
        path, relative = os.path.join(folder, name), f"{inside}{name}"
        try:
            found = os.stat(path)
        except OSError:
            if not os.path.islink(path):
                raise
            yield Entry(relative, link=os.readlink(path))
            continue
        if stat.S_ISREG(found.st_mode):
            yield _entry(path, relative, found)
        elif not stat.S_ISDIR(found.st_mode):
            raise PlaceError(
                f"'{path}' is no ordinary file (a pipe, a socket, a device), and its folder was declared as "
                "a Folder: it has no content to know. Move it elsewhere, or declare the files one by one."
            )
        else:
            real = os.path.realpath(path)
            if real == own:
                continue
            yield Entry(f"{relative}/")
            if real not in above:  # a link that leads upwards
                yield from _walk(path, f"{relative}/", (*above, real), own)


def _entry(path: str, relative: str, found: os.stat_result) -> Entry:
    return Entry(relative, MEMO.digest(path), found.st_size, bool(found.st_mode & stat.S_IXUSR))


def _explained(place: Place, error: OSError) -> PlaceError:
    what = f"{type(place).__name__} '{place}'"
    where = "" if os.path.isabs(place) else f", as seen from {os.getcwd()}"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return PlaceError(
            f"{what} does not exist{where}.{_close(place)} Correct the path, or run what makes it first."
        )
    if isinstance(error, PermissionError):
        return PlaceError(
            f"{what} cannot be read: permission is denied ({error.filename or place}). "
            "Change its permissions, or name another one."
        )
    return PlaceError(f"{what} cannot be read: {error}.")


def _close(place: Place) -> str:
    folder, name = os.path.split(os.path.normpath(str(place)))
    try:
        names = os.listdir(folder or ".")
    except OSError:
        missing = folder
        while missing and not os.path.isdir(os.path.dirname(missing) or "."):
            missing = os.path.dirname(missing)
        return f" There is no folder '{missing}'."
    hint = close_matches(name, names)
    kind = os.path.isfile if isinstance(place, File) else os.path.isdir
    others = sorted(n for n in names if not n.startswith(".") and kind(os.path.join(folder or ".", n)))
    if hint or not others:
        return hint
    listed = ", ".join(others[:5]) + (", …" if len(others) > 5 else "")
    return f" There: {listed}."
