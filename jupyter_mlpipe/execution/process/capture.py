"""What a step shows, in order: text at the file descriptor, displays, results. Sent at once, and kept.

Descriptors 1 and 2 point at files, in memory on Linux, not at pipes: whoever writes there, C code or child
processes, can never block, and what was written before a crash can still be read by the worker.
"""

from __future__ import annotations

import _thread
import codecs
import contextlib
import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

from jupyter_mlpipe.execution.process.outputs import Output, stream_output
from jupyter_mlpipe.execution.process.shown import HEAD_CHARS, OUTPUT_CHARS, Shown
from jupyter_mlpipe.execution.process.wholelog import WholeLog
from jupyter_mlpipe.store.disk import BINARY

FLUSH_S = 0.05
FLUSH_CHARS = 8192
_GLIMPSE_CHARS, _GLIMPSE_S = 4096, 0.25
_IN_PART = "\n[from here on, only a part of what is printed is shown as it comes]\n"
_CHUNK_BYTES = 1 << 18
_PUNCH_BYTES = 1 << 24
_NAMES = ("stdout", "stderr")
_sleep = time.sleep  # whatever code puts in its place


class Tail:
    """Reads what was written to a descriptor; whoever else holds the descriptor shares the position.

    Parameters
    ----------
    give_back
        Given the descriptor and how much of it was read, frees the memory of that much.
    """

    def __init__(self, descriptor: int, give_back: Callable[[int, int], None] | None) -> None:
        self.descriptor = descriptor
        self._give_back = give_back
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.n_read = self._given_back = 0

    def read(self, *, final: bool = False) -> Iterator[str]:
        """Give what is there, in pieces: a program may write more than there is room for."""
        while chunk := os.read(self.descriptor, _CHUNK_BYTES):
            self.n_read += len(chunk)
            if text := self._decoder.decode(chunk):
                yield text
            if self._give_back is not None and self.n_read - self._given_back >= _PUNCH_BYTES:
                self._give_back(self.descriptor, self.n_read)
                self._given_back = self.n_read
        if final and (text := self._decoder.decode(b"", final=True)):
            yield text


class Capture:
    """Owns descriptors 1 and 2 and `sys.stdout` and `sys.stderr` of this process from `start` on.

    Parameters
    ----------
    send
        Called with each output, from one thread at a time.

    Attributes
    ----------
    folder
        Where what is printed lies, if not in memory.
    log
        Takes every line, where there are very many; set by whoever knows the step.
    sent_upto
        How many bytes of the two streams are told with the output that is sent; None where there is too much.
    """

    def __init__(self, send: Callable[[Output], None]) -> None:
        self.shown = Shown()
        self._send = send
        self._lock = threading.RLock()
        self._pending: list[tuple[str, list[str]]] = []
        self._n_pending = 0
        self._n_sent = 0
        self._is_in_part = False
        self.sent_upto: list[int] | None = [0, 0]
        self.log: WholeLog | None = None
        self._next_glimpse = 0.0
        self._turn = 1
        self._is_stopped = False
        self._pid = os.getpid()
        self._tails: dict[int, Tail] = {}
        self.folder: str | None = None

    def start(self) -> tuple[int, int]:
        """Take over the descriptors; return those from which a survivor may read the rest. Linux only."""
        from jupyter_mlpipe.execution.process.linux import give_back, open_memory

        for target, name in zip((1, 2), _NAMES, strict=True):
            writing, reading = open_memory(f"mlpipe-{name}")
            self._take_over(target, writing, Tail(reading, give_back))
        self._stand_for_streams()
        return self.descriptors

    def start_in(self, folder: str) -> None:
        """Take over the descriptors, with files in a folder, from which others read as they like."""
        self.folder = folder
        for target, name in zip((1, 2), _NAMES, strict=True):
            path = os.path.join(folder, name)
            writing = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | BINARY, 0o600)
            self._take_over(target, writing, Tail(os.open(path, os.O_RDONLY | BINARY), None))
        self._stand_for_streams()

    def _take_over(self, target: int, writing: int, tail: Tail) -> None:
        os.dup2(writing, target, inheritable=True)
        os.close(writing)
        self._tails[target] = tail

    def resume(self, descriptors: tuple[int, int]) -> None:
        """Go on with what another interpreter has started in this process. Linux only."""
        from jupyter_mlpipe.execution.process.linux import give_back

        for target, found in zip((1, 2), descriptors, strict=True):
            self._tails[target] = Tail(found, give_back)
        self._stand_for_streams()

    @property
    def descriptors(self) -> tuple[int, int]:
        """From which what is printed is read."""
        return self._tails[1].descriptor, self._tails[2].descriptor

    def _stand_for_streams(self) -> None:
        for descriptor, name in zip((1, 2), _NAMES, strict=True):
            stream = StepStream(self, descriptor)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)

    def follow(self) -> None:
        """Send text at a steady rhythm from here on."""
        # Neither of the two waits for the other, as both do where `threading` starts and stops one: this one
        # ends with the process, or when it next looks.
        _thread.start_new_thread(self._follow, ())

    def _follow(self) -> None:
        while True:
            _sleep(FLUSH_S)
            if self._is_stopped:
                return
            self.flush()

    def take_turn(self, descriptor: int) -> None:
        """Keep the order of text written to the two descriptors by turns."""
        if self._turn != descriptor and os.getpid() == self._pid:
            with self._lock:
                self._collect()
                self._turn = descriptor

    def _collect(self, *, final: bool = False) -> None:
        # The turn began with a write to its stream; only C code and child processes write out of turn.
        for descriptor in (self._turn, 3 - self._turn):
            for text in self._tails[descriptor].read(final=final):
                self._take_text(_NAMES[descriptor - 1], text)

    def _take_text(self, name: str, text: str) -> None:
        self.shown.add(stream_output(name, text))
        if self.log is not None:
            if self.log.has_begun:
                self.log.add(text)
            elif not self.shown.is_short:
                self.log.begin(self.shown.texts())
        if not self._pending or self._pending[-1][0] != name:
            self._pending.append((name, []))
        self._pending[-1][1].append(text)
        self._n_pending += len(text)
        if self._n_pending >= FLUSH_CHARS:
            if self._n_sent < HEAD_CHARS:
                self._send_pending()
            else:
                self._keep_a_glimpse()

    def _keep_a_glimpse(self) -> None:
        """Let go of what would be sent at the next tick, but for the last of it."""
        name, pieces = self._pending[-1]
        text = "".join(pieces)
        if len(text) > _GLIMPSE_CHARS:
            # From the beginning of a line on, where there is one.
            text = text[-_GLIMPSE_CHARS:]
            text = text[text.find("\n") + 1 :]
        if not self._is_in_part:
            self._is_in_part, self.sent_upto = True, None
            self._send(stream_output(name, _IN_PART))
        self._pending, self._n_pending = [(name, [text])], len(text)

    def _send_at_leisure(self) -> None:
        if self._n_sent >= HEAD_CHARS:
            if self._n_pending > _GLIMPSE_CHARS:
                self._keep_a_glimpse()
            now = time.monotonic()
            if now < self._next_glimpse:
                return
            self._next_glimpse = now + _GLIMPSE_S
        self._send_pending()

    def _send_pending(self) -> None:
        pending, self._pending, self._n_pending = self._pending, [], 0
        for number, (name, pieces) in enumerate(pending, 1):
            text = "".join(pieces)
            if number == len(pending):
                self.sent_upto = None if self._is_in_part else [tail.n_read for tail in self._tails.values()]
            self._n_sent += len(text) + OUTPUT_CHARS
            self._send(stream_output(name, text))

    def flush(self) -> None:
        """Send the text written so far."""
        # A process forked by the step shares the position and the connection, but must touch neither.
        if os.getpid() != self._pid:
            return
        with self._lock:
            self._collect()
            self._send_at_leisure()

    def show(self, output: Output) -> None:
        """Send something that is no text, after the text written before it."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            self._collect()
            self._send_pending()
            self.shown.add(output)
            self._send(output)

    def stop(self) -> list[Output]:
        """Send the last text; return all that was shown."""
        self._is_stopped = True
        with contextlib.suppress(ValueError, OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        with self._lock:
            self._collect(final=True)
            self._send_pending()
        return self.shown.to_list()


class StepStream(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` of a step: writes through, so that a crash loses nothing."""

    def __init__(self, capture: Capture, descriptor: int) -> None:
        self._capture = capture
        self._descriptor = descriptor
        self.name = f"<{_NAMES[descriptor - 1]}>"
        self.mode = "w"
        self.buffer = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "backslashreplace"

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._capture.take_turn(self._descriptor)
        encoded = text.encode("utf-8", "backslashreplace")
        while encoded:
            encoded = encoded[os.write(self._descriptor, encoded) :]
        return len(text)

    def reconfigure(self, **options: object) -> None:
        """Accept what `io.TextIOWrapper` does; there is nothing to set."""

    def close(self) -> None:
        """Stay open: what libraries close at their end is still needed here."""
