"""What a step asks of files without opening them: whether they are there, how large, from when.

Python raises no audit event for it. So `os.stat` and `os.lstat`, to which `os.path.exists`, `Path.is_file`
and their like lead, are other functions while a step runs. Only what the user's own code asks counts:
libraries look around for many reasons.
"""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from jupyter_mlpipe.execution.process.files import size_digest, state_digest, there_digest

_DIGEST_BY_QUESTION: dict[str | None, Callable[[str], str]] = {
    **dict.fromkeys(("exists", "lexists", "isfile", "isdir", "islink", "is_file", "is_dir"), there_digest),
    "is_symlink": there_digest,
    "getsize": size_digest,
    **dict.fromkeys(("", "stat", "lstat", "getmtime", "getctime"), state_digest),
}
_NAMES = ("stat", "lstat")
_OTHERS = ("/site-packages/", "/dist-packages/")
_OWN = os.path.join(Path(__file__).parents[2], "")
_STDLIB = os.path.join(sysconfig.get_path("stdlib"), "")


class Questions:
    """Notes what is asked from `start` until `stop`.

    Parameters
    ----------
    note
        Called with the path as it was given, and with what gives the digest of the answer.
    """

    def __init__(self, note: Callable[[Any, Callable[[str], str]], None]) -> None:
        self._note = note
        self._originals: dict[str, Any] = {}

    def start(self) -> None:
        for name in _NAMES:
            original = self._originals[name] = getattr(os, name)
            noting = self._noting(original)
            for supporting in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
                if original in supporting:
                    supporting.add(noting)
            setattr(os, name, noting)

    def stop(self) -> None:
        """Leave all as it was; may be called twice."""
        while self._originals:
            name, original = self._originals.popitem()
            for supporting in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
                supporting.discard(getattr(os, name))
            setattr(os, name, original)

    def _noting(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def ask(path: Any, **options: Any) -> Any:
            if not isinstance(path, int) and options.get("dir_fd") is None:
                question = _question(sys._getframe(1))
                if question in _DIGEST_BY_QUESTION:
                    self._note(path, _DIGEST_BY_QUESTION[question])
            return original(path, **options)

        return ask


def _question(frame: FrameType | None) -> str | None:
    """Return the function of the standard library that the user's code called; None where others did."""
    name = ""
    while frame is not None:
        file_name = frame.f_code.co_filename
        if not file_name.startswith(("<frozen ", _STDLIB)) or any(other in file_name for other in _OTHERS):
            is_own = file_name.startswith(_OWN) or any(other in file_name for other in _OTHERS)
            return None if is_own else name
        name = frame.f_code.co_name
        frame = frame.f_back
    return None
