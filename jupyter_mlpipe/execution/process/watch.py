"""Which files a step reads: seen while it runs, and digested after it.

Before the result is reused, their digests are taken again.

An audit hook sees what Python itself does (`jupyter_mlpipe.execution.process.sightings`). For libraries
that open files in C++ or Rust, files that the code or its values name count as read
(`jupyter_mlpipe.execution.process.mentions`) unless they were changed while the step ran; so do those in
the notebook's folder that the system says were opened (`jupyter_mlpipe.execution.process.opens`).
"""

from __future__ import annotations

import functools
import importlib.util
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from jupyter_mlpipe.execution.process.declared import Declared
from jupyter_mlpipe.execution.process.files import (
    ABSENT,
    AND,
    CHANGED,
    MISSING,
    NO_LINK,
    digest_as_before,
    digest_states,
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
from jupyter_mlpipe.execution.process.paths import Paths, absolute_path, folders_above, is_below
from jupyter_mlpipe.execution.process.questions import MANY, digest_answer
from jupyter_mlpipe.execution.process.seen import Seen
from jupyter_mlpipe.execution.process.sightings import Sightings
from jupyter_mlpipe.execution.process.writes import state_of
from jupyter_mlpipe.keys.installed import folder_of_packages, packages_state
from jupyter_mlpipe.keys.variables import variable_states
from jupyter_mlpipe.store.files import FileKeeper, Written

_MAX_FOLDER_FILES = 1000
_MAX_FOLDER_BYTES = 256 << 20


class FileWatch:
    """Notes the files that this process opens from `start` on, until `stop`.

    Parameters
    ----------
    folder, ignored
        As in `Paths`.
    declared
        What is in the step's key already.
    """

    def __init__(self, folder: str, ignored: Iterable[str] = (), declared: Declared | None = None) -> None:
        self._declared = declared or Declared()
        self._paths = Paths(folder, ignored)
        self._seen = Seen(self._paths)
        self._sightings = Sightings(self._seen)
        self._mentioned = self._seen.mentioned
        self._snapshot: Snapshot | None = None
        self._unseen: list[Unseen] = []
        self._written = self._seen.written  # by this step, seen or not
        self._opens = Opens()
        self._started_ns = 0

    def start(self) -> None:
        self._started_ns = time.time_ns()
        self._sightings.start()

    def look_around(self) -> None:
        """Note what is in the notebook's folder, just before the code runs."""
        with self._sightings.paused():
            self._snapshot = look_around(self._paths.base, self._paths.is_left_out)

    def see_opens(self) -> None:
        """Note also what code in other languages opens in the notebook's folder; for a process of its own."""
        if self._snapshot is not None:
            self._opens.watch([self._paths.base, *self._snapshot.folders])
            self._opens.watch_anywhere()

    def stop(self) -> None:
        self._sightings.stop()

    def mention(self, mentions: Mentions) -> None:
        """Count files as read that the code or its values name, if they were there all the time."""
        for path, may_be_folder in mentions.paths.items():
            absolute = absolute_path(os.path.expanduser(path))
            if absolute is None or (is_pattern(absolute) and self._paths.is_above(folder_of(absolute))):
                continue
            if os.path.isabs(path):
                self._paths.absolute.add(absolute)
            else:
                self._paths.relative.add(absolute)
            self._mentioned[absolute] = self._mentioned.get(absolute, False) or may_be_folder
        writes = self._seen.writes
        writes.has_children = writes.has_children or (self._opens.is_open and _has_had_children())
        own, of_children = self._opens.take(
            has_children=writes.has_children,
            children=self._seen.children,
            programs_after=self._seen.programs_after,
        )
        self._note_opened(own - self._seen.told)
        if self._snapshot is not None:
            after = look_around(self._paths.base, self._paths.is_left_out)
            self._unseen = find_unseen(
                self._snapshot, after, self._seen.writes, mentions, self._mentioned, self._paths.base
            )
            self._written.update(change.path for change in self._unseen)
        self._note_opened(of_children - self._written)
        for folder in {folder for path in of_children if (folder := folder_of_packages(path)) is not None}:
            self._seen.note_state(*packages_state(folder))

    def _note_opened(self, paths: set[str]) -> None:
        """Count what was opened unseen by Python as if the code named it: it may be there to be written."""
        paths = {self._paths.as_in_base(path) for path in paths if self._may_be_data(path)}
        folders = {path.rstrip(os.sep) for path in paths if path.endswith(os.sep)}
        paths = {path for path in paths if not path.endswith(os.sep)}
        # Whoever imports lists the import path.
        listed = {absolute_path(place) for place in ("", *sys.path)} | self._seen.listed.keys()
        for folder in folders - listed - set(map(os.path.realpath, self._seen.listed)):
            if not any(written.startswith(folder + os.sep) for written in self._written):
                self._seen.listed[folder] = names_digest(folder)
        known = self._seen.read.keys() | self._seen.archives
        opened = paths - known
        if not opened:
            return
        seen = set(map(os.path.realpath, known))  # by links
        for path in opened:
            # What SQLite has beside a database is looked at where that is opened.
            if os.path.realpath(path) not in seen and path.rpartition("-")[0] not in self._written:
                self._mentioned.setdefault(path, False)
                if is_below(path, self._paths.base):
                    self._paths.relative.add(path)

    def _may_be_data(self, path: str) -> bool:
        return not self._paths.is_excluded(path) and not self._paths.is_installed(path)

    def written(self, mentions: Mentions, keeper: FileKeeper) -> tuple[Written, ...]:
        """Return what the step left on disk, kept in the store as far as its limits allow."""
        return describe_written(
            self._seen.writes, self._unseen, mentions, keeper, self._paths.name_of_written
        )

    def files(self) -> dict[str, str]:
        """Return the digests of the files read, by path; folders that were listed end with a slash.

        Paths in the notebook's folder are relative to it: the same notebook in another folder means
        the files there.
        """
        self.stop()
        found = self._required()
        for path, before in self._seen.read.items():
            if path in found or self._declares(path):
                continue
            if os.path.basename(os.path.dirname(path)) == "__pycache__" and path.endswith(".pyc"):
                try:
                    path = importlib.util.source_from_cache(path)
                except ValueError:
                    continue
                before = state_of(path)
            real = os.path.realpath(path)
            if self._paths.is_excluded(real) and path not in self._seen.own:
                continue
            try:
                if not stat.S_ISREG(os.stat(path).st_mode):
                    continue
            except OSError:
                if self._paths.is_temporary(real) and before is not None:
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
        return dict(sorted((self._paths.as_meant(path), digest) for path, digest in found.items()))

    def lost(self) -> dict[str, str]:
        """Return why it is not known which files were read, as `Record.live` has it; nothing where it is."""
        why = "a process that it had forked was killed while it told which files it reads"
        return {"": why} if self._sightings.has_lost else {}

    def sources(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Return digests of programs' files as of files read, by path, where they hold the texts that ran."""
        found = {}
        for path, text in texts.items():
            if not text and not os.path.lexists(path):
                found[self._paths.as_meant(path)] = MISSING  # a folder without code
                continue
            before = state_of(path)
            try:
                with open(path, "rb") as file:
                    is_same = importlib.util.decode_source(file.read()) == text
            except (OSError, SyntaxError, ValueError):
                is_same = False
            content = file_digest(path) if is_same else CHANGED
            found[self._paths.as_meant(path)] = content if state_of(path) == before else CHANGED
        return found

    def states(self, environment: Mapping[str, str | None]) -> dict[str, str]:
        """Return what a record rests on of the system: environment variables, programs, packages.

        Parameters
        ----------
        environment
            The variables that the notebook has changed.
        """
        of_variables = variable_states(self._seen.variables, self._sightings.variables, environment)
        return {**of_variables, **self._seen.states}

    def _declares(self, path: str) -> bool:
        return path not in self._written and self._declared.covers(path)

    def _required(self) -> dict[str, str]:
        """Return what was there before the step wrote to it, where its result rests on that."""
        return {
            path: digest
            for path, digest in self._seen.writes.required.items()
            if self._paths.name_of_written(path) is not None
        }

    def _listings(self) -> Iterator[tuple[str, str]]:
        for folder, before in self._seen.listed.items():
            real = os.path.join(os.path.realpath(folder), "")
            if self._declares(folder):
                continue
            if self._paths.is_excluded(real) or (self._paths.is_temporary(real) and before == MISSING):
                continue
            after = names_digest(folder)
            wrote = any(os.path.dirname(path) == folder for path in self._written)
            if after == MISSING:
                if before == MISSING and not wrote:
                    yield folder, ABSENT
                continue  # made and removed again
            yield os.path.join(folder, ""), before if after == before or wrote else CHANGED
            if folder in self._seen.looked_through and not wrote:
                yield os.path.join(folder, "*"), states_digest(os.path.join(folder, "*"))

    def _answers(self) -> Iterator[tuple[str, str]]:
        """Give what the step was told of files; of very many, which folders hold them."""
        looked_at = functools.cache(self._in_folder)
        around = {above for path in self._written for above in folders_above(path)}
        is_many = len(self._seen.asked) > MANY
        folders = {
            folder: False
            for folder in self._seen.asked_in - self._seen.listed.keys()
            if not any(looked_at(folder)) and not self._declares(folder)
        }
        for path, answers in self._seen.asked.items():
            folder = path.rpartition(os.sep)[0] or os.sep
            is_out, is_temporary, is_above = looked_at(folder)
            if is_out or path in self._written or path in around or self._declares(path):
                continue
            only_there = len(answers) == 1 and "there" in answers
            if only_there and (folder in self._seen.listed or folder in folders):
                continue
            if is_many and not is_above:
                names_say_all = all(kind == "there" or a == NO_LINK for kind, a in answers.items())
                folders[folder] = folders.get(folder, False) or not names_say_all
                continue
            if only_there:
                before = digest_answer("there", answers["there"], path) or ""
            else:
                before = joint_digest(sorted({str(a) for kind, a in answers.items() if kind != "there"}))
            is_same = digest_as_before(path, before) == before
            if is_same or not is_temporary:  # else made and removed by a library or a child process
                yield path, before if is_same else CHANGED
        for folder, beside_names in folders.items():
            yield os.path.join(folder, ""), names_digest(folder)
            if beside_names:
                yield os.path.join(folder, "*"), states_digest(os.path.join(folder, "*"))

    def _in_folder(self, folder: str) -> tuple[bool, bool, bool]:
        """Tell of what lies in a folder: it does not count, it is temporary, the notebook lies there, too."""
        real = os.path.join(os.path.realpath(folder), "")
        is_above = is_below(self._paths.base, folder)
        return self._paths.is_excluded(real), self._paths.is_temporary(real), is_above

    def _named(self, path: str, may_be_folder: bool) -> Iterator[tuple[str, str]]:
        real = os.path.realpath(path)
        if self._paths.is_excluded(real):
            return
        if is_pattern(path):
            # Where Python itself has looked it up, it listed the folder.
            if folder_of(path) not in self._seen.listed:
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
        if not may_be_folder or not stat.S_ISDIR(status.st_mode) or self._paths.is_above(real):
            return
        # Named to look for very many files in it. A folder without others in it has two links.
        if path in self._seen.asked_in and status.st_nlink == 2 and self._opens.sees(path):
            return  # those that were opened count by themselves
        # A folder that the step writes to is for its results.
        if not any(written.startswith(path + os.sep) for written in self._written):
            yield from self._together(os.path.join(path, ""), names_digest)

    def _together(self, place: str, digest_of: Callable[[str], str]) -> Iterator[tuple[str, str]]:
        """Give the files of a folder or pattern, if they were there all the time, and which ones they are."""
        held = files_in(place)
        if not held or not all(self._is_old(found) and path not in self._written for path, found in held):
            return
        if len(held) > _MAX_FOLDER_FILES or sum(s.st_size for _, s in held) > _MAX_FOLDER_BYTES:
            yield place.rstrip(os.sep), digest_states(held)
            return
        for file, _ in held:
            yield file, file_digest(file)
        yield place, digest_of(place)

    def _is_old(self, found: os.stat_result) -> bool:
        # Both times: a file that was moved there keeps the first.
        return max(found.st_mtime_ns, found.st_ctime_ns) < self._started_ns


def _has_had_children() -> bool:
    """Tell whether this process has started others, told to Python or not: their memory is counted."""
    import resource  # which Windows has not

    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0
