"""What a step does to files, as Python's audit events tell it: which path, and what was there before.

What was there matters where the code adds to it, reads it first, or fails on it. What is there in the end
is looked at after the body (`jupyter_mlpipe.execution.process.leftovers`).
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import FrameType

from jupyter_mlpipe.execution.process.archives import archive_of
from jupyter_mlpipe.execution.process.files import ABSENT, CHANGED, MISSING, THERE, file_digest, files_in

State = tuple[int, int, int, int]

FOLDER = "folder"
_MAX_REMOVED_BYTES = 1 << 30
_MAX_MOVED = 2000
_MAX_COMMAND_FILE_BYTES = 256 << 20
_MAX_FRAMES = 4
_REDIRECTED = re.compile(r"(?:^|[^>&\w])[1&]?>\s*([^\s>&|;<]+)")


@dataclass(slots=True)
class Touch:
    """The first that the step did to a path.

    Parameters
    ----------
    before
        What was there: None where nothing was.
    digest
        Of what was there; empty where it is not known.
    is_strict
        The code would fail where this is not so again.
    """

    before: State | None
    digest: str = ""
    is_removal: bool = False
    is_strict: bool = False
    makes_link: bool = False
    sets_mode: bool = False
    only_mode: bool = False


def state_of(path: str) -> State | None:
    """Return what tells one version of a file from another; None where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        archive = archive_of(path)
        return state_of(archive) if archive is not None else None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class Writes:
    """The paths that a step wrote to, in order.

    Parameters
    ----------
    read
        The files that it has opened for reading so far, each with what it was like then.
    """

    def __init__(self, read: Mapping[str, State | None]) -> None:
        self.read = read
        self.touched: dict[str, Touch] = {}
        self.required: dict[str, str] = {}
        self.has_children = False
        self.on_command_lines: dict[str, str] = {}  # with the digest before the command ran
        self.redirected_to: set[str] = set()
        self._left_bytes = _MAX_REMOVED_BYTES

    def open(self, path: str, *, anew: bool, exclusive: bool = False) -> None:
        """Note that a file is opened for writing: it is still as it was."""
        if path in self.touched:
            self.touched[path].only_mode = False
            return
        touch = self.touched[path] = Touch(state_of(path))
        if exclusive:
            self.required[path] = ABSENT if touch.before is None else THERE
        elif not anew:
            touch.digest = self.required[path] = file_digest(path)
        else:
            self._require_what_was_read(path, touch)

    def remove(self, path: str, *, is_strict: bool) -> None:
        """Note that a file or an empty folder is about to go."""
        touch = self.touched.get(path)
        if touch is not None:
            touch.is_removal = touch.is_removal or touch.before is not None
            return
        touch = self.touched[path] = Touch(state_of(path), is_removal=True, is_strict=is_strict)
        if touch.before is None and not os.path.islink(path):
            return
        touch.digest = self._digest_of_removed(path)
        self._require_what_was_read(path, touch)

    def rename(self, source: str, target: str) -> None:
        """Note that a file or folder is about to move."""
        self.remove(source, is_strict=True)
        if not os.path.isdir(source):
            self.open(target, anew=True)
            return
        self.make_folder(target, is_strict=False)
        for number, (path, _) in enumerate(files_in(source)):
            if number == _MAX_MOVED:
                self.required[source] = CHANGED
                return
            self.remove(path, is_strict=True)
            self.open(target + path[len(source) :], anew=True)

    def make_folder(self, path: str, *, is_strict: bool) -> None:
        if path not in self.touched and not os.path.lexists(path):
            self.touched[path] = Touch(None, is_strict=is_strict)

    def link(self, path: str) -> None:
        """Note that a link is about to be made."""
        if path in self.touched:
            self.touched[path].makes_link = True
        else:
            self.touched[path] = Touch(state_of(path), makes_link=True)
            self.required[path] = THERE if os.path.lexists(path) else ABSENT

    def set_mode(self, path: str) -> None:
        touch = self.touched.get(path)
        if touch is None:
            touch = self.touched[path] = Touch(state_of(path), only_mode=True)
        touch.sets_mode = True

    def start_command(self, text: str, named: Iterable[str], folder: str) -> None:
        """Note what a command line names, before the command runs."""
        self.has_children = True
        for path in named:
            if path not in self.on_command_lines:
                found = state_of(path)
                is_known = found is not None and found[1] <= _MAX_COMMAND_FILE_BYTES
                self.on_command_lines[path] = file_digest(path) if is_known else MISSING
                if found is not None and not is_known:
                    self.on_command_lines[path] = CHANGED
        for word in _REDIRECTED.findall(text):
            self.redirected_to.add(os.path.abspath(os.path.join(folder, word.strip("'\""))))

    def _require_what_was_read(self, path: str, touch: Touch) -> None:
        if path in self.read and path not in self.required:
            same = self.read[path] == touch.before
            self.required[path] = touch.digest = file_digest(path) if same else CHANGED

    def _digest_of_removed(self, path: str) -> str:
        found = os.lstat(path)
        if stat.S_ISDIR(found.st_mode):
            return FOLDER
        if not stat.S_ISREG(found.st_mode) or found.st_size > self._left_bytes:
            return ""
        self._left_bytes -= found.st_size
        return file_digest(path)


def is_forgiving(frame: FrameType | None) -> bool:
    """Tell whether a function of the standard library does not mind: `exist_ok`, or a name that it draws."""
    for _ in range(_MAX_FRAMES):
        if frame is None:
            return False
        if frame.f_code.co_name in ("mkdtemp", "_mkstemp_inner"):
            return True
        if frame.f_code.co_name in ("makedirs", "mkdir", "unlink", "rmtree", "_rmtree_safe_fd"):
            names = frame.f_locals
            if names.get("exist_ok") or names.get("missing_ok") or names.get("ignore_errors"):
                return True
        frame = frame.f_back
    return False
