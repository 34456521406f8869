"""What a step asks of files without opening them: whether they are there, how large, where a link leads.

Python raises no audit event for it. So `os.stat` and its like, to which `os.path.exists`, `Path.is_file` and
`Path.resolve` lead, are other functions while a step runs. What the user's own code asks counts; of
libraries, which look around for many reasons, what they look for in vain (`load_dotenv`). What goes through
`os.path.expanduser` counts as if the code named it: Arrow, Polars and others do that before they open a file.
Code may ask a hundred thousand times: an answer is noted as it is, and looked at when the step has ended. Of
very many, only in which folders they are looked for is noted.
"""

from __future__ import annotations

import functools
import os
import stat
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Literal

from jupyter_mlpipe.execution.process.files import (
    ABSENT,
    IS_FILE,
    IS_FOLDER,
    NOWHERE,
    STATUS_DIGESTS,
    THERE,
    attributes_digest,
    link_digest,
    status_digest,
)
from jupyter_mlpipe.execution.process.paths import path_seen_from

# By the function of the standard library that the user's code calls.
_KINDS: dict[str, str] = {
    **dict.fromkeys(("exists", "lexists", "isfile", "isdir", "is_file", "is_dir"), "there"),
    **dict.fromkeys(("islink", "is_symlink"), "whether a link"),
    "getsize": "size",
    **dict.fromkeys(("stat", "lstat", "fstat", "getmtime", "getctime", "cmp", "cmpfiles"), "state"),
    "getatime": "last read",
    **dict.fromkeys(("access", "which"), "rights"),
    **dict.fromkeys(("is_fifo", "is_socket", "is_block_device", "is_char_device"), "rights"),
    **dict.fromkeys(("owner", "group"), "owner"),
    **dict.fromkeys(("readlink", "realpath", "resolve", "samefile"), "link"),
    **dict.fromkeys(("getxattr", "listxattr"), "attributes"),
}
_NAMES = tuple(
    name
    for name in ("stat", "lstat", "fstat", "access", "readlink", "getxattr", "listxattr")
    if hasattr(os, name)
)
_SUPPORTED = (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids)
_OTHERS = ("/site-packages/", "/dist-packages/")
_OWN = os.path.join(Path(__file__).parents[2], "")
_STDLIB = os.path.join(sysconfig.get_path("stdlib"), "")
MANY = 1000
MISSED, NAMED = "looked for in vain by a library", "made a path in full"
_NO_NAMES = frozenset({"", ".", ".."})
_LIBRARY, _USERS, _STANDARD, _OURS = range(1, 5)
_WHOSE: dict[str, int] = {}


def _what(found: os.stat_result) -> str | Literal[True]:
    kind = stat.S_IFMT(found.st_mode)
    return IS_FOLDER if kind == stat.S_IFDIR else True if kind == stat.S_IFLNK else IS_FILE


_KEPT = {
    **dict.fromkeys(("rights", "owner", "link", "whether a link", "attributes"), None),
    "there": _what,
    "size": STATUS_DIGESTS["size"],
    "state": STATUS_DIGESTS["state"],
    "last read": STATUS_DIGESTS["last read"],
}


Answer = str | Literal[True] | None
"""A digest, True where something was found, None where nothing was."""


class Questions:
    """Notes what is asked from `start` until `stop`.

    Parameters
    ----------
    counts_as_one
        Called with a folder, as it was given, in which very many files are looked for: may it be noted
        instead of them?
    tell
        Called at once with the kind, the path and the answer, if it is a new one.
    """

    def __init__(
        self,
        counts_as_one: Callable[[str], bool],
        tell: Callable[[str, Any, Answer], None] | None = None,
    ) -> None:
        self._counts_as_one = counts_as_one
        self._folders: dict[str, bool] = {}
        self._originals: dict[str, Any] = {}
        self._expanduser: Any = os.path.expanduser
        self._answers: dict[str, dict[Any, Any]] = {
            kind: {} if tell is None else _Told(kind, tell) for kind in (*_KINDS.values(), MISSED, NAMED)
        }
        self._noted = {name: (self._answers[kind], _KEPT[kind]) for name, kind in _KINDS.items()}

    def start(self) -> None:
        for name in (*_NAMES, "open"):
            original = self._originals[name] = getattr(os, name)
            noting = _opening(original) if name == "open" else self._noting(original, name)
            for supporting in _SUPPORTED:
                if original in supporting:
                    supporting.add(noting)
            setattr(os, name, noting)
        self._expanduser = os.path.expanduser
        setattr(os.path, "expanduser", self._expanding(self._expanduser))  # noqa: B010 - as for the others

    def stop(self) -> None:
        """Leave all as it was; may be called twice."""
        if self._originals:
            setattr(os.path, "expanduser", self._expanduser)  # noqa: B010
        while self._originals:
            name, original = self._originals.popitem()
            for supporting in _SUPPORTED:
                supporting.discard(getattr(os, name))
            setattr(os, name, original)

    def take(self) -> Iterator[tuple[str, Any, Answer]]:
        """Give what was asked since this was last called: the kind, the path as it was given, the answer.

        To be called before the working directory changes, as seen from which paths may be.
        """
        self._folders.clear()
        for kind, answers in self._answers.items():
            while answers:
                yield kind, *answers.popitem()

    def _expanding(self, original: Callable[[Any], Any]) -> Callable[[Any], Any]:
        named = self._answers[NAMED]

        @functools.wraps(original)
        def expanduser(path: Any) -> Any:
            found = original(path)
            if len(named) < MANY:
                named[found] = None
            return found

        return expanduser

    def _noting(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        known, get_frame, standard, users = _WHOSE, sys._getframe, _STANDARD, _USERS
        noted = self._noted
        is_there = looked_for, _ = self._answers["there"], _KEPT["there"]
        folders, counts_as_one = self._folders, self._counts_as_one
        missed = self._answers[MISSED]

        @functools.wraps(original)
        def ask(path: Any, *more: Any, **options: Any) -> Any:
            # Written out, for this is all that it costs who asks very often.
            asked, frame = name, get_frame(1)
            code = frame.f_code
            while (whose := known.get(code.co_filename) or _whose(code.co_filename)) == standard:
                if (above := frame.f_back) is None:
                    break
                asked, frame = code.co_name, above
                code = frame.f_code
            if whose != users:
                try:
                    return original(path, *more, **options)
                except OSError:
                    is_look = whose == _LIBRARY and _KINDS.get(asked) == "there" and type(path) is not int
                    if is_look and len(missed) < MANY and not _is_imported(frame):
                        missed[os.fspath(path)] = None
                    raise
            # Whatever else Python's own library asks for the user, as `glob` does: is something there?
            answers, kept = noted.get(asked, is_there)
            place = path
            if type(path) is not str or options:
                is_own = type(path) is int and asked != name  # a descriptor of the library's
                place = None if is_own else path_seen_from(path, options.get("dir_fd"))
                if place is None:
                    return original(path, *more, **options)
            if answers is looked_for and len(answers) >= MANY and type(place) is str:
                folder, _, file_name = place.rpartition("/")
                if folder not in folders:
                    folders[folder] = counts_as_one(folder)
                if folders[folder] and file_name not in _NO_NAMES:
                    return original(path, *more, **options)
            try:
                found = original(path, *more, **options) if more or options else original(path)
            except OSError:
                answers[place] = None
                raise
            # As little as possible: what is kept the collector of cycles would look through.
            answers[place] = True if kept is None else kept(found)
            return found

        return ask


class _Told(dict[Any, Any]):
    """Answers of one kind, each of which is told once."""

    def __init__(self, kind: str, tell: Callable[[str, Any, Answer], None]) -> None:
        self._kind = kind
        self._tell = tell

    def __setitem__(self, place: Any, answer: Any) -> None:
        if place not in self or self[place] != answer:
            super().__setitem__(place, answer)
            self._tell(self._kind, place, answer)


def _opening(original: Callable[..., int]) -> Callable[..., int]:
    def open_from(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        return original(path, flags, mode, dir_fd=dir_fd)

    if not _OPENING:
        _OPENING.append(open_from.__code__)
    return functools.update_wrapper(open_from, original)


_OPENING: list[CodeType] = []


def opened_by(frame: FrameType) -> tuple[FrameType, int | None]:
    """Return who has called what opens a file, and from which open folder that is seen: no event tells."""
    if frame.f_code not in _OPENING or frame.f_back is None:
        return frame, None
    return frame.f_back, frame.f_locals["dir_fd"]


def _is_imported(frame: FrameType | None) -> bool:
    """Tell whether a library asks while it is imported: the fork server may have done so ahead."""
    while frame is not None and _whose(frame.f_code.co_filename) != _USERS:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def is_ours(file_name: str) -> bool:
    """Tell whether code of this file is our own."""
    return _whose(file_name) == _OURS


def is_users(file_name: str) -> bool:
    """Tell whether code of this file is the user's own."""
    return _whose(file_name) == _USERS


def is_asked_by_user(frame: FrameType | None) -> bool:
    """Tell whether the user's own code has called what runs here, with nothing but Python's own between."""
    return _asker(frame) == _USERS


def is_asked_by_us(frame: FrameType | None) -> bool:
    """Tell the same of our own code."""
    return _asker(frame) == _OURS


def _asker(frame: FrameType | None) -> int:
    while frame is not None:
        file_name = frame.f_code.co_filename
        # Functions of this file stand for Python's own.
        if file_name != __file__ and (whose := _whose(file_name)) != _STANDARD:
            return whose
        frame = frame.f_back
    return _STANDARD


def _whose(file_name: str) -> int:
    if (found := _WHOSE.get(file_name)) is None:
        if file_name.startswith(_OWN):
            found = _OURS
        elif any(other in file_name for other in _OTHERS):
            found = _LIBRARY
        else:
            found = _STANDARD if file_name.startswith(("<frozen ", _STDLIB)) else _USERS
        _WHOSE[file_name] = found
    return found


def digest_answer(kind: str, answer: Answer, path: str) -> str | None:
    """Return the digest of an answer; None of one that says nothing."""
    if kind in ("link", "whether a link"):
        return link_digest(path)
    if kind in ("rights", "owner"):
        return status_digest(path, STATUS_DIGESTS[kind])
    if kind == "attributes":
        return attributes_digest(path)
    if not answer:
        # What leads nowhere is not there for some questions.
        return NOWHERE if os.path.islink(path) else ABSENT
    return THERE if answer is True else answer
