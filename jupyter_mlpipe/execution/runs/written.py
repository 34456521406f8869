"""Files that reused steps wrote: whether they can be as they were left, and making them so.

Running a cell leaves its files on disk, whatever was there before; so does reusing its step. But nothing is
lost for that: what cannot be made again, and what may be the user's own, makes the step run instead.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence

from jupyter_mlpipe.execution.process.files import (
    ABSENT,
    CHANGED,
    IS_FILE,
    IS_FOLDER,
    MISSING,
    THERE,
    digest_as_before,
    file_digest,
    is_names,
    names_digest,
)
from jupyter_mlpipe.execution.process.writes import FOLDER
from jupyter_mlpipe.execution.runs.task import StepTask
from jupyter_mlpipe.model.graph import topological_order
from jupyter_mlpipe.model.status import Reason
from jupyter_mlpipe.store.files import Written, explained, write_file
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import Store

Ahead = Mapping[str, str]
"""By path, what reused steps that come first will have made of it: a digest, or `MISSING`."""

_OTHER = "another kind of thing"


def place(path: str, folder: str | None) -> str:
    """Return in full a path that a record names."""
    return os.path.normpath(os.path.join(folder or os.getcwd(), os.path.expanduser(path)))


def file_reasons(
    record: Record, task: StepTask, store: Store, ahead: Ahead, *, as_made: bool = False
) -> Iterator[Reason]:
    """Give why a record cannot be reused for the files that the step read and wrote.

    Where its cell was run before, and the step is only looked up for those below it, what it wrote is
    as the notebook has it: nothing is made again, and what it rested on has been changed by itself.

    Parameters
    ----------
    as_made
        The record is what the cell gave. It read what was there, whatever cells further down have written.
    """
    is_done = task.made is not None
    own = {place(entry.path, task.folder) for entry in record.written}
    later: Sequence[tuple[str, Written]] | None = None
    for path, before in record.files.items():
        full = place(path, task.folder)
        if is_done and full in own:
            continue
        found = _digest(full, before, ahead)
        if found != before:
            if as_made and before != CHANGED:
                if later is None:
                    later = [
                        (place(e.path, folder), e) for made, folder in task.later() for e in made.written
                    ]
                if _is_of_later(full, before, later, record, task.folder):
                    continue
            gone = "no longer there" if found in (MISSING, ABSENT) else "changed"
            gone = CHANGED if before == CHANGED else gone
            yield Reason("file", path, "is there already" if before in (MISSING, ABSENT) else gone)
    if not is_done:
        for entry in record.written:
            reason = _why_not(entry, place(entry.path, task.folder), own, store, ahead)
            if reason is not None:
                yield reason


def note_ahead(record: Record, folder: str | None, ahead: MutableMapping[str, str]) -> None:
    """Note what will be on disk when a step has been reused."""
    for entry in record.written:
        if entry.kind != "mode":
            ahead[place(entry.path, folder)] = MISSING if entry.kind == "removed" else _left(entry)


def restore(steps: Iterable[tuple[Record, str | None]], store: Store) -> None:
    """Make files as the steps left them, the later step's where several wrote one.

    Parameters
    ----------
    steps
        In order, the record of each and the folder that it ran in.

    Raises
    ------
    RestoreError
        A file cannot be written.
    ArtifactMissingError, ArtifactCorruptError
        The store does not have the content any more.
    """
    last: dict[str, Written] = {}
    for record, folder in steps:
        for entry in record.written:
            path = place(entry.path, folder)
            last.pop(path, None)
            last[path] = entry
    for path, entry in last.items():
        _restore(entry, path, store)


def file_order(tasks: Mapping[str, StepTask], last: Callable[[str], Record | None]) -> dict[str, list[str]]:
    """Return, by step, those that come first because of files that the one wrote and the other used.

    So it was the last time; of steps that have no record, nothing is known. What names say goes before.
    """
    writers: dict[str, list[str]] = {}
    readers: dict[str, list[str]] = {}
    behind: dict[str, list[str]] = {}
    for name in topological_order({name: task.step.upstream for name, task in tasks.items()}):
        task = tasks[name]
        record = task.made[1] if task.made is not None else last(name)
        if record is None:
            continue
        read = {place(path, task.folder) for path in record.files}
        wrote = {place(entry.path, task.folder) for entry in record.written}
        # A folder that is listed, or made, has to do with all that comes and goes in it.
        around = {os.path.dirname(path) for path in wrote}
        found = dict.fromkeys(above for path in sorted(read | wrote) for above in writers.get(path, ()))
        found.update((above, None) for path in sorted(wrote | around) for above in readers.get(path, ()))
        behind[name] = [above for above in found if above not in task.step.upstream]
        for path in wrote | around:
            writers.setdefault(path, []).append(name)
        for path in read:
            readers.setdefault(path, []).append(name)
    return behind


def _is_of_later(
    path: str, before: str, later: Sequence[tuple[str, Written]], record: Record, folder: str | None
) -> bool:
    """Tell whether a path is not as a step has read it for what others have left there, and nothing else."""
    if any(other == path and _is_left(entry, path) for other, entry in later):
        return True
    if not is_names(before):
        return False
    known = {place(name, folder) for name, then in record.files.items() if then not in (MISSING, ABSENT)}
    undone = {
        os.path.basename(other): _there(entry.digest) if entry.kind == "removed" else MISSING
        for other, entry in later
        if os.path.dirname(other) == path
        and (entry.kind == "removed" or other not in known)
        and _is_left(entry, other)
    }
    return bool(undone) and names_digest(path, undone) == before


def _is_left(entry: Written, path: str) -> bool:
    if entry.kind == "removed":
        return not os.path.lexists(path)
    return entry.kind != "mode" and _present(path, entry.kind, {}) == _left(entry)


def _digest(path: str, before: str, ahead: Ahead) -> str:
    if is_names(before):
        added = {os.path.basename(p): left for p, left in ahead.items() if os.path.dirname(p) == path}
        if added:
            return names_digest(path, {name: _there(left) for name, left in added.items()})
    elif path in ahead:
        if before in (ABSENT, THERE):
            return ABSENT if ahead[path] == MISSING else THERE
        return _there(ahead[path]) if before in (IS_FOLDER, IS_FILE) else ahead[path]
    return digest_as_before(path, before)


def _there(left: str) -> str:
    return MISSING if left == MISSING else IS_FOLDER if left == FOLDER else IS_FILE


def _left(entry: Written) -> str:
    return FOLDER if entry.kind == "folder" else entry.digest


def _present(path: str, kind: str, ahead: Ahead) -> str:
    """Return the digest of what is at a path."""
    if path in ahead:
        return ahead[path]
    try:
        found = os.lstat(path)
        if kind == "link" and stat.S_ISLNK(found.st_mode):
            return os.readlink(path)
        if stat.S_ISLNK(found.st_mode):
            found = os.stat(path)
    except OSError:
        return _OTHER if os.path.lexists(path) else MISSING
    if stat.S_ISDIR(found.st_mode):
        return FOLDER
    return file_digest(path) if stat.S_ISREG(found.st_mode) else _OTHER


def _why_not(entry: Written, path: str, own: set[str], store: Store, ahead: Ahead) -> Reason | None:
    present = _present(path, entry.kind, ahead)
    if entry.kind == "removed":
        if present == MISSING or (present == entry.digest == FOLDER and _holds_only(path, own)):
            return None
        same = present == entry.digest != FOLDER
        return None if same else Reason("file", entry.path, "which it removed, is another one")
    if entry.kind == "mode":
        return None if present != MISSING else Reason("file", entry.path, "no longer there")
    if present == _left(entry):
        return None
    what = "is no longer there" if present == MISSING else "was changed"
    if entry.kind == "file":
        if entry.blob is None:
            return Reason("file", entry.path, f"which it wrote, {what}, and is not kept")
        if not store.objects.has(entry.blob):
            return Reason("missing", entry.path, "is no longer in the store")
    is_in_the_way = present in (FOLDER, _OTHER) or entry.kind != "file" or entry.careful
    if present != MISSING and is_in_the_way:
        return Reason("file", entry.path, f"which it wrote, {what}")
    return None


def _holds_only(folder: str, own: set[str]) -> bool:
    for root, folders, names in os.walk(folder):
        if any(os.path.join(root, name) not in own for name in (*folders, *names)):
            return False
    return True


def _restore(entry: Written, path: str, store: Store) -> None:
    present = _present(path, entry.kind, {})
    if entry.kind == "file" and present != entry.digest and entry.blob is not None:
        write_file(store.objects, entry.blob, path, entry.mode, sets_mode=entry.sets_mode)
        return
    with explained(path):
        if entry.kind == "folder":
            os.makedirs(path, exist_ok=True)
        elif entry.kind == "link" and present == MISSING:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.symlink(entry.digest, path)
        elif entry.kind == "removed" and present != MISSING and present == entry.digest:
            if present == FOLDER:
                os.rmdir(path)
            else:
                os.unlink(path)
        elif (entry.sets_mode or entry.kind == "mode") and entry.mode != stat.S_IMODE(os.stat(path).st_mode):
            os.chmod(path, entry.mode)
