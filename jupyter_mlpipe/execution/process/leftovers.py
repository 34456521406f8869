"""What a step left on disk: the paths that it was seen to touch, and those that changed unseen.

Libraries in C++ or Rust, and programs that the step starts, write without a word to Python. Of files that
changed below the notebook's folder while the step ran, those that its code, its values or its command
lines name are taken for its own. Others may be somebody else's: the notebook itself, a log, another
step's. What only resembles a name of the code is never written again, but has to be the same.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from jupyter_mlpipe.execution.process.files import ABSENT, CHANGED, MISSING, THERE, file_digest
from jupyter_mlpipe.execution.process.mentions import Mentions
from jupyter_mlpipe.execution.process.writes import FOLDER, State, Touch, Writes, state_of
from jupyter_mlpipe.store.files import FileKeeper, Written

_MAX_ENTRIES = 2000
_MIN_LIKENESS = 3
_IS_FOLDER = (0, -1, 0, 0)
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})
_TICK_NS = 1_000_000_000
_LAG_NS = 10_000_000
# Without the metaclass of `io.IOBase`, which asks all classes below whenever it sees a new type.
_STREAM: type = io.IOBase.__mro__[1]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What files there were below a folder; hidden ones and those of environments left out.

    Parameters
    ----------
    links
        Those that lead to folders.
    """

    states: Mapping[str, State]
    is_whole: bool
    taken_ns: int
    links: tuple[str, ...] = ()

    @property
    def folders(self) -> list[str]:
        return [*(path for path, state in self.states.items() if state is _IS_FOLDER), *self.links]


@dataclass(frozen=True, slots=True)
class Unseen:
    """A change that Python was not told about.

    Parameters
    ----------
    is_sure
        The step's own, by all that can be known.
    """

    path: str
    is_sure: bool
    existed: bool = False
    is_gone: bool = False
    digest: str = ""


def look_around(folder: str, is_excluded: Callable[[str], bool]) -> Snapshot:
    """Note what is below a folder, the nearest first, up to a number of entries."""
    taken_ns = time.time_ns()
    states: dict[str, State] = {}
    links: list[str] = []
    pending = deque([folder])
    n_left = _MAX_ENTRIES
    while pending:
        try:
            with os.scandir(pending.popleft()) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or entry.name in _SKIPPED:
                        continue
                    n_left -= 1
                    if n_left < 0:
                        return Snapshot(states, False, taken_ns, tuple(links))
                    if entry.is_dir(follow_symlinks=False):
                        if not is_excluded(os.path.join(entry.path, "")) and not os.path.exists(
                            os.path.join(entry.path, "pyvenv.cfg")
                        ):
                            states[entry.path] = _IS_FOLDER
                            pending.append(entry.path)
                    elif (found := state_of(entry.path)) is not None:
                        states[entry.path] = found
                        if entry.is_symlink() and os.path.isdir(entry.path):
                            links.append(entry.path)
        except OSError:
            continue
    return Snapshot(states, True, taken_ns, tuple(links))


def find_unseen(
    before: Snapshot,
    after: Snapshot,
    writes: Writes,
    mentions: Mentions,
    mentioned: Mapping[str, bool],
    base: str,
) -> list[Unseen]:
    """Return the changes that the step made unseen, and note in `writes` what these rest on.

    Parameters
    ----------
    mentioned
        Paths in full that the code, its values or its command lines name, each with whether it may stand
        for what is in that folder.
    base
        The notebook's folder.
    """
    words: set[str] = set(writes.on_command_lines)
    if writes.has_children:
        words |= {os.path.abspath(os.path.join(base, word)) for word in mentions.words()}
    targets = {os.path.abspath(os.path.join(base, os.path.expanduser(path))) for path in mentions.targets}
    candidates = dict.fromkeys(
        path for path in (*after.states, *before.states) if _is_other(path, before, after)
    )
    candidates.update(dict.fromkeys(path for path in {*mentioned, *words} if _is_fresh(path, before)))
    found = []
    for path in candidates:
        if path in writes.touched or path in writes.read or path.endswith(".ipynb"):
            continue
        existed = path in before.states
        is_gone = not os.path.lexists(path)
        known = writes.on_command_lines.get(path, "")
        named = path in mentioned or any(mentioned.get(folder) for folder in _folders(path, base))
        if path in words:
            if path not in writes.redirected_to:
                was = known or (CHANGED if existed else MISSING)
                writes.required[path] = was if not is_gone or known else THERE
            found.append(Unseen(path, True, existed, is_gone, known))
        elif named and not is_gone and (not existed or path in targets):
            if not mentions.writes and after.states.get(path) != _IS_FOLDER:
                writes.required[path] = MISSING
            found.append(Unseen(path, True, existed))
        elif named and not writes.has_children:
            # Who changed it, and what was read of it, nobody can say.
            writes.required[path] = CHANGED
        elif writes.has_children or named or _resembles(path, base, mentions):
            found.append(Unseen(path, False, existed, is_gone))
    return found


def _is_other(path: str, before: Snapshot, after: Snapshot) -> bool:
    if path in before.states and path in after.states:
        return before.states[path] != after.states[path]
    if before.is_whole and after.is_whole:
        return True
    return not os.path.lexists(path) if path in before.states else _is_fresh(path, before)


def _is_fresh(path: str, before: Snapshot) -> bool:
    if path in before.states:
        return False
    found = state_of(path)
    # The clock of a file system ticks coarsely, and lags behind.
    return found is not None and max(found[2:]) >= before.taken_ns - _LAG_NS and not os.path.isdir(path)


def _folders(path: str, base: str) -> Iterator[str]:
    """Give the folders that a path lies in, up to the notebook's: that one holds more than a step means."""
    while (path := os.path.dirname(path)) not in (base, os.path.dirname(path)):
        yield path


def _resembles(path: str, base: str, mentions: Mentions) -> bool:
    name, seen = os.path.basename(path), os.path.relpath(path, base)
    return any(name in code for code in mentions.codes) or any(
        len(text) >= _MIN_LIKENESS and text in seen for text in mentions.paths
    )


def describe_written(
    writes: Writes,
    unseen: Iterable[Unseen],
    mentions: Mentions,
    keeper: FileKeeper,
    name_of: Callable[[str], str | None],
) -> tuple[Written, ...]:
    """Keep what the step left, and note in `writes` what has to be so again.

    Parameters
    ----------
    name_of
        Gives a path as the record has it; None where it does not count.
    """
    removed: list[Written] = []
    folders: list[Written] = []
    files: list[Written] = []
    # Asked for, the file decides what the code does.
    careful = mentions.asks
    is_tolerant = (mentions.asks or mentions.forgives) and not mentions.decides
    for path, touch in writes.touched.items():
        name = name_of(path)
        if name is None:
            writes.required.pop(path, None)
            continue
        if not os.path.lexists(path):
            _forget_temporary(path, touch, writes)
            if touch.before is not None:
                removed.append(Written(name, "removed", touch.digest if touch.is_removal else ""))
                if touch.is_strict and not is_tolerant:
                    writes.required[path] = THERE if touch.digest in ("", FOLDER) else touch.digest
            continue
        if touch.is_strict and not is_tolerant:
            writes.required.setdefault(path, ABSENT if touch.before is None else THERE)
        if touch.only_mode and touch.before is not None:
            files.append(Written(name, "mode", mode=_mode(path)))
        elif os.path.isdir(path) and not os.path.islink(path):
            if touch.before is None:
                folders.append(Written(name, "folder", mode=_mode(path)))
        elif not _is_untouched(path, touch):
            entry = _describe(path, name, keeper, is_link=touch.makes_link or touch.before is None)
            if entry is not None:
                # What `touch` finds, it leaves.
                is_empty = writes.required.get(path) == MISSING and not os.path.getsize(path)
                if is_empty:
                    del writes.required[path]
                files.append(replace(entry, sets_mode=touch.sets_mode, careful=careful or is_empty))
    for change in unseen:
        name = name_of(change.path)
        if name is None:
            writes.required.pop(change.path, None)
        elif change.is_gone:
            removed.append(Written(name, "removed", change.digest))
        elif os.path.isdir(change.path):
            if change.is_sure:
                folders.append(Written(name, "folder", mode=_mode(change.path)))
        elif (
            entry := _describe(
                change.path, name, keeper if change.is_sure else None, is_link=not change.existed
            )
        ) is not None:
            files.append(replace(entry, careful=careful))
    folders.sort(key=lambda entry: entry.path)
    removed.sort(key=lambda entry: (entry.digest == FOLDER, -entry.path.count(os.sep)))
    return (*removed, *folders, *files)


def _forget_temporary(path: str, touch: Touch, writes: Writes) -> None:
    """Of what was made and removed again, as under a name that is drawn, nothing is required."""
    if touch.before is None and writes.required.get(path) in (ABSENT, MISSING):
        del writes.required[path]


def _is_untouched(path: str, touch: Touch) -> bool:
    before = touch.before
    if before is None or os.path.islink(path):
        return False
    if touch.digest and not touch.is_removal and touch.digest == file_digest(path):
        return True
    # Opening it failed. What was written just before may have the same time all the same.
    return state_of(path) == before and time.time_ns() - before[3] > _TICK_NS


def _describe(path: str, name: str, keeper: FileKeeper | None, *, is_link: bool) -> Written | None:
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode) and is_link:
            return Written(name, "link", os.readlink(path))
        if stat.S_ISREG(os.stat(path).st_mode):
            blob = keeper.keep(path) if keeper is not None else None
            digest = blob.object if blob is not None else file_digest(path)
            return Written(name, "file", digest, _mode(path), blob)
    return None


def _mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def flush_files(namespace: Mapping[str, object]) -> None:
    """Write out what files that are still open hold back: nobody else can do so any more."""
    for value in list(namespace.values()):
        if isinstance(value, _STREAM):
            with contextlib.suppress(OSError, ValueError):
                value.flush()  # type: ignore[attr-defined]
