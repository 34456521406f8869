"""What a step has printed, as its worker sees it: also while the step's process cannot say so.

Code that holds the interpreter's lock keeps the thread from running that sends what was printed. The worker
reads it from memory then, line by line, and leaves it out when the process tells it later.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from typing import Any

from jupyter_mlpipe.execution.process.outputs import Output, stream_output
from jupyter_mlpipe.execution.process.shown import Shown

SILENCE_S = 0.25
_NAMES = ("stdout", "stderr")
_AHEAD_BYTES = 1 << 16
_REST_BYTES = 1 << 20


class Printed:
    """Keeps count of what was told.

    Parameters
    ----------
    descriptors
        Of what was written to standard output and to standard error.
    shares_position
        Whether they stand where the process has read to; where not, nobody knows what of a long text it has.
    """

    def __init__(self, descriptors: Sequence[int], *, shares_position: bool = True) -> None:
        self._descriptors = dict(zip(_NAMES, descriptors, strict=True))
        self._shares_position = shares_position
        # How far each stream was told by the process, and was shown, in bytes.
        self._told = dict.fromkeys(_NAMES, 0)
        self._shown = dict.fromkeys(_NAMES, 0)
        self._skip = dict.fromkeys(_NAMES, 0)
        self._tells_all = True

    def take(self, output: Output, upto: Sequence[int] | None) -> Output | None:
        """Return what is new of an output; None where it was shown already.

        Parameters
        ----------
        upto
            How far the streams are told with this output; None where not all is told.
        """
        if upto is None:
            self._tells_all = False
            return output
        new: Output | None = output
        name = output.get("name", "")
        if output["output_type"] == "stream" and (skip := self._skip[name]):
            content = output["text"].encode()
            self._skip[name] = max(0, skip - len(content))
            text = content[skip:].decode(errors="ignore")
            new = {**output, "text": text} if text else None
        told = dict(zip(_NAMES, upto, strict=True))
        if told != self._told:
            self._told = told
            self._skip = {name: max(0, self._shown[name] - told[name]) for name in _NAMES}
        return new

    def ahead(self) -> list[Output]:
        """Return whole lines that were printed, and that the process has not told."""
        found = []
        for name in _NAMES if self._tells_all else ():
            start = max(self._told[name], self._shown[name])
            content = _read_at(self._descriptors[name], _AHEAD_BYTES, start)
            content = content[: content.rfind(b"\n") + 1]
            if content:
                self._shown[name] = start + len(content)
                self._skip[name] = self._shown[name] - self._told[name]
                found.append(stream_output(name, content.decode(errors="replace")))
        return found

    def append_rest(self, path: str) -> None:
        """Write what a process that is gone had printed, and not read itself, to the end of its log."""
        if not self._shares_position:
            return
        with contextlib.suppress(OSError), open(path, "ab") as log:
            for descriptor in self._descriptors.values():
                # What it has read is where the descriptor stands, which both have.
                start = os.lseek(descriptor, 0, os.SEEK_CUR)
                while content := _read_at(descriptor, _REST_BYTES, start):
                    start += log.write(content)

    def rest(self) -> list[Output]:
        """Return all that is left, once the process is gone: the last words of a C library, such as."""
        found: list[Any] = []
        for name, descriptor in self._descriptors.items():
            size = os.fstat(descriptor).st_size
            start = max(self._told[name], self._shown[name])
            if self._shares_position and size - start > _REST_BYTES:
                # Of so much the process may have given the beginning back to the system.
                start = max(start, os.lseek(descriptor, 0, os.SEEK_CUR))
            shown = Shown()
            while content := _read_at(descriptor, _REST_BYTES, start):
                start += len(content)
                shown.add(stream_output(name, content.decode(errors="replace")))
            found += shown.to_list()
        return found


def _read_at(descriptor: int, n_bytes: int, start: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, n_bytes, start)
    os.lseek(descriptor, start, os.SEEK_SET)  # where nobody shares the position
    return os.read(descriptor, n_bytes)
