"""What a step shows, in order: text at the file descriptor, displays, results. Sent at once, and kept.

Descriptors 1 and 2 point at memory files, not at pipes: whoever writes there, C code or child
processes, can never block, and what was written before a crash can still be read by the worker.
"""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import io
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

FLUSH_S = 0.05
FLUSH_CHARS = 8192
KEPT_CHARS = 16_000_000  # of text, in one output of the record
_PUNCH_BYTES = 1 << 24
_NAMES = ("stdout", "stderr")

OURS = "application/vnd.mlpipe+json"
"""The mime type that tells what we add to a cell's output from the cell's own."""

Output = dict[str, Any]


class Shown:
    """The outputs as a notebook would hold them: streams merged, clears and updates applied."""

    def __init__(self) -> None:
        self._outputs: list[Output] = []
        self._clear_waits = False

    def add(self, output: Output) -> None:
        kind = output["output_type"]
        if kind == "clear_output":
            if output.get("wait"):
                self._clear_waits = True
            else:
                self._outputs.clear()
            return
        if kind == "update_display_data":
            self._update(output)
            return
        if self._clear_waits:
            self._outputs.clear()
            self._clear_waits = False
        if kind != "stream":
            self._outputs.append(dict(output))
            return
        last = self._outputs[-1] if self._outputs else None
        if last is None or last["output_type"] != "stream" or last["name"] != output["name"]:
            last = {"output_type": "stream", "name": output["name"], "pieces": [], "chars": 0}
            self._outputs.append(last)
        if last["chars"] < KEPT_CHARS:
            last["pieces"].append(output["text"])
            last["chars"] += len(output["text"])
            if last["chars"] >= KEPT_CHARS:
                last["pieces"].append("\n[the rest of this text was not kept]\n")

    def _update(self, output: Output) -> None:
        display_id = output.get("transient", {}).get("display_id")
        for shown in self._outputs:
            if display_id is not None and shown.get("transient", {}).get("display_id") == display_id:
                shown["data"], shown["metadata"] = output["data"], output["metadata"]

    def to_list(self) -> list[Output]:
        """Return outputs as nbformat has them, with the ids by which later cells may update them."""
        outputs: list[Output] = []
        for output in self._outputs:
            if output["output_type"] == "stream":
                text = "".join(output["pieces"])
                outputs.append({"output_type": "stream", "name": output["name"], "text": text})
            else:
                outputs.append(dict(output))
        return outputs


def stream_output(name: str, text: str) -> Output:
    """Return a piece of text as an output."""
    return {"output_type": "stream", "name": name, "text": text}


def error_output(name: str, value: str, traceback: Sequence[str], *, fails_cell: bool) -> Output:
    """Return an error that IPython has shown and gone on from.

    Parameters
    ----------
    fails_cell
        It came of showing the last expression: recent kernels answer that such a cell has failed.
    """
    output = {"output_type": "error", "ename": name, "evalue": value, "traceback": list(traceback)}
    return {**output, "fails_cell": True} if fails_cell else output


class Tail:
    """Reads what was written to a descriptor; whoever else holds the descriptor shares the position."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._read = self._punched = 0

    def read(self, *, final: bool = False) -> str:
        pieces = []
        while chunk := os.read(self.descriptor, 1 << 18):
            self._read += len(chunk)
            pieces.append(self._decoder.decode(chunk))
            if self._read - self._punched >= _PUNCH_BYTES:
                self._give_back_memory()
        if final:
            pieces.append(self._decoder.decode(b"", final=True))
        return "".join(pieces)

    def _give_back_memory(self) -> None:
        import ctypes

        # A hole, and not a truncation: truncating would lose what is written in between.
        keep_size, punch_hole = 1, 2
        fallocate = ctypes.CDLL(None).fallocate
        fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
        fallocate(self.descriptor, keep_size | punch_hole, 0, self._read)
        self._punched = self._read


class Capture:
    """Owns descriptors 1 and 2 and `sys.stdout` and `sys.stderr` of this process from `start` on.

    Parameters
    ----------
    send
        Called with each output, from one thread at a time.
    """

    def __init__(self, send: Callable[[Output], None]) -> None:
        self.shown = Shown()
        self._send = send
        self._lock = threading.RLock()
        self._pending: list[tuple[str, list[str]]] = []
        self._n_pending = 0
        self._turn = 1
        self._stopped = threading.Event()
        self._pid = os.getpid()
        self._tails: dict[int, Tail] = {}

    def start(self) -> tuple[int, int]:
        """Take over the descriptors; return those from which a survivor may read the rest."""
        for target, name in zip((1, 2), _NAMES, strict=True):
            memory = os.memfd_create(f"mlpipe-{name}", os.MFD_CLOEXEC)
            # Appending: a child process that opens /dev/stdout anew must not write over the rest.
            fcntl.fcntl(memory, fcntl.F_SETFL, os.O_APPEND)
            os.dup2(memory, target, inheritable=True)
            self._tails[target] = Tail(os.open(f"/proc/self/fd/{memory}", os.O_RDWR | os.O_CLOEXEC))
            os.close(memory)
        for descriptor, name in zip((1, 2), _NAMES, strict=True):
            stream = StepStream(self, descriptor)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        return self._tails[1].descriptor, self._tails[2].descriptor

    def follow(self) -> None:
        """Send text at a steady rhythm from here on."""
        threading.Thread(target=self._follow, name="mlpipe-output", daemon=True).start()

    def _follow(self) -> None:
        while not self._stopped.wait(FLUSH_S):
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
            text = self._tails[descriptor].read(final=final)
            if not text:
                continue
            name = _NAMES[descriptor - 1]
            if not self._pending or self._pending[-1][0] != name:
                self._pending.append((name, []))
            self._pending[-1][1].append(text)
            self._n_pending += len(text)
        if self._n_pending >= FLUSH_CHARS:
            self._send_pending()

    def _send_pending(self) -> None:
        pending, self._pending, self._n_pending = self._pending, [], 0
        for name, pieces in pending:
            self._emit(stream_output(name, "".join(pieces)))

    def _emit(self, output: Output) -> None:
        self.shown.add(output)
        self._send(output)

    def flush(self) -> None:
        """Send the text written so far."""
        # A process forked by the step shares the position and the connection, but must touch neither.
        if os.getpid() != self._pid:
            return
        with self._lock:
            self._collect()
            self._send_pending()

    def show(self, output: Output) -> None:
        """Send something that is no text, after the text written before it."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            self._collect()
            self._send_pending()
            self._emit(output)

    def stop(self) -> list[Output]:
        """Send the last text; return all that was shown."""
        self._stopped.set()
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
