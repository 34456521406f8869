"""What a step asks of files without opening them: whether they are there, how large, where a link leads.

Python raises no audit event for it. So `os.stat` and its like, to which `os.path.exists`, `Path.is_file` and
`Path.resolve` lead, are other functions while a step runs. What the user's own code asks counts; of
libraries, which look around for many reasons, what they look for in vain (`load_dotenv`). Code may ask a
hundred thousand times: an answer is noted as it is, and looked at when the step has ended. Of very many, only
in which folders they are looked for is noted.
"""

from __future__ import annotations

import functools
import os
import stat
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from jupyter_mlpipe.execution.process.files import (
    ABSENT,
    IS_FILE,
    IS_FOLDER,
    NOWHERE,
    STATUS_DIGESTS,
    THERE,
    link_digest,
    status_digest,
)

# By the function of the standard library that the user's code calls.
_KINDS: dict[str, str] = {
    **dict.fromkeys(("exists", "lexists", "isfile", "isdir", "is_file", "is_dir"), "there"),
    **dict.fromkeys(("islink", "is_symlink"), "whether a link"),
    "getsize": "size",
    **dict.fromkeys(("stat", "lstat", "getmtime", "getctime"), "state"),
    **dict.fromkeys(("access", "which"), "rights"),
    **dict.fromkeys(("owner", "group"), "owner"),
    **dict.fromkeys(("readlink", "realpath", "resolve", "samefile"), "link"),
}
_NAMES = ("stat", "lstat", "access", "readlink")
_SUPPORTED = (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids)
_OTHERS = ("/site-packages/", "/dist-packages/")
_OWN = os.path.join(Path(__file__).parents[2], "")
_STDLIB = os.path.join(sysconfig.get_path("stdlib"), "")
MANY = 1000
MISSED = "looked for in vain by a library"
_NO_NAMES = frozenset({"", ".", ".."})
_LIBRARY, _USERS, _STANDARD, _OURS = range(1, 5)
_WHOSE: dict[str, int] = {}


def _what(found: os.stat_result) -> str | Literal[True]:
    kind = stat.S_IFMT(found.st_mode)
    return IS_FOLDER if kind == stat.S_IFDIR else True if kind == stat.S_IFLNK else IS_FILE


_KEPT = {
    **dict.fromkeys(("rights", "owner", "link", "whether a link"), None),
    "there": _what,
    "size": STATUS_DIGESTS["size"],
    "state": STATUS_DIGESTS["state"],
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
    """

    def __init__(self, counts_as_one: Callable[[str], bool]) -> None:
        self._counts_as_one = counts_as_one
        self._folders: dict[str, bool] = {}
        self._originals: dict[str, Any] = {}
        self._answers: dict[str, dict[Any, Any]] = {kind: {} for kind in (*_KINDS.values(), MISSED)}

    def start(self) -> None:
        for name in _NAMES:
            original = self._originals[name] = getattr(os, name)
            noting = self._noting(original, name)
            for supporting in _SUPPORTED:
                if original in supporting:
                    supporting.add(noting)
            setattr(os, name, noting)

    def stop(self) -> None:
        """Leave all as it was; may be called twice."""
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

    def _noting(self, original: Callable[..., Any], name: str) -> Callable[..., Any]:
        known, get_frame, standard, users = _WHOSE, sys._getframe, _STANDARD, _USERS
        noted = {function: (self._answers[kind], _KEPT[kind]) for function, kind in _KINDS.items()}
        looked_for, folders, counts_as_one = self._answers["there"], self._folders, self._counts_as_one
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
            if (
                whose != users
                or asked not in noted
                or type(path) is int
                or (options and options.get("dir_fd") is not None)
            ):
                try:
                    return original(path, *more, **options)
                except OSError:
                    is_look = whose == _LIBRARY and _KINDS.get(asked) == "there" and type(path) is not int
                    if is_look and len(missed) < MANY and not _is_imported(frame):
                        missed[os.fspath(path)] = None
                    raise
            answers, kept = noted[asked]
            place = path if type(path) is str else os.fspath(path)
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
    while frame is not None:
        if (whose := _whose(frame.f_code.co_filename)) != _STANDARD:
            return whose == _USERS
        frame = frame.f_back
    return False


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
    if kind == "whether a link":
        return link_digest(path)
    if kind == "link":
        # Whoever wants to know where a path leads asks for each of its parts: few of them are links.
        return link_digest(path) if os.path.islink(path) else None
    if kind in ("rights", "owner"):
        return status_digest(path, STATUS_DIGESTS[kind])
    if not answer:
        # What leads nowhere is not there for some questions.
        return NOWHERE if os.path.islink(path) else ABSENT
    return THERE if answer is True else answer
