"""What a cell that runs in the kernel shows: kept for its record, while it appears as it always does."""

from __future__ import annotations

import contextlib
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jupyter_mlpipe.execution.process.outputs import (
    Output,
    display_output,
    error_output,
    plain,
    result_output,
    stream_output,
)
from jupyter_mlpipe.execution.process.shown import Shown

WIDGET = "application/vnd.jupyter.widget-view+json"
_STREAMS = ("stdout", "stderr")
_INLINE = "matplotlib_inline.backend_inline"
_DRAIN_S = 0.5


class LiveCapture:
    """A context in which all that the kernel shows is kept as well.

    Parameters
    ----------
    shows
        Whether it appears at all.

    Attributes
    ----------
    has_widget
        Whether some of it was a widget: what stands behind it lives in this process.
    """

    def __init__(self, shell: Any, *, shows: bool = True) -> None:
        self._shell = shell
        self._shows = shows
        self._kept = Shown()
        self._lock = threading.Lock()
        self._undo = contextlib.ExitStack()
        self._publish: Callable[..., None] = shell.display_pub.publish
        self.has_widget = False

    def __enter__(self) -> LiveCapture:
        for name in _STREAMS:
            self._watch_stream(name)
        publisher, hook = self._shell.display_pub, self._shell.displayhook
        self._replace(publisher, "publish", self._publishing(publisher.publish))
        self._replace(publisher, "clear_output", self._clearing(publisher.clear_output))
        self._replace(hook, "write_format_data", self._formatting(hook.write_format_data))
        self._replace(self._shell, "_showtraceback", self._showing_error(self._shell._showtraceback))
        if (payloads := getattr(self._shell, "payload_manager", None)) is not None:
            self._replace(payloads, "write_payload", self._paging(payloads.write_payload))
        return self

    def __exit__(self, *_error: object) -> None:
        with contextlib.suppress(ValueError, OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        self._undo.close()

    def finish(self) -> list[Output]:
        """Show what IPython shows when a cell ends; return all that was shown."""
        inline = sys.modules.get(_INLINE)
        if inline is not None and inline.flush_figures in self._shell.events.callbacks["post_execute"]:
            inline.flush_figures()
        for name in _STREAMS:
            _drain(getattr(sys, name))
        with self._lock:
            return self._kept.to_list()

    def add(self, output: Output) -> None:
        """Keep something that is shown in another way."""
        self.has_widget = self.has_widget or WIDGET in output.get("data", ())
        with self._lock:
            self._kept.add(output)

    def show_result(self, output: Output) -> None:
        """Show a last expression where it is not that of the running cell."""
        self.add(output)
        if self._shows:
            self._publish(output["data"], output["metadata"])

    def _watch_stream(self, name: str) -> None:
        stream = getattr(sys, name)
        write = stream.write

        def keep_and_write(text: str) -> Any:
            if not isinstance(text, str):
                return write(text)  # it says what is wrong with that
            if text:
                self.add(stream_output(name, text))
            return write(text) if self._shows else len(text)

        try:
            self._replace(stream, "write", keep_and_write)
        except AttributeError:
            # A terminal's own stream cannot be changed: another one stands for it.
            self._replace(sys, name, _Stream(stream, keep_and_write))

    def _replace(self, owner: Any, name: str, new: Any) -> None:
        had_own = name in vars(owner)
        before = getattr(owner, name)
        setattr(owner, name, new)

        def restore() -> None:
            if had_own:
                setattr(owner, name, before)
            else:
                delattr(owner, name)

        self._undo.callback(restore)

    def _publishing(self, publish: Callable[..., None]) -> Callable[..., None]:
        def keep_and_publish(
            data: Mapping[str, Any],
            metadata: Mapping[str, Any] | None = None,
            *arguments: Any,
            transient: Mapping[str, Any] | None = None,
            update: bool = False,
            **options: Any,
        ) -> None:
            output = display_output(data, metadata, transient=transient, update=update)
            self.add(output)
            if self._shows:
                publish(data, metadata, *arguments, transient=transient, update=update, **options)

        return keep_and_publish

    def _clearing(self, clear: Callable[[bool], None]) -> Callable[..., None]:
        def keep_and_clear(wait: bool = False) -> None:
            self.add({"output_type": "clear_output", "wait": wait})
            if self._shows:
                clear(wait)

        return keep_and_clear

    def _showing_error(self, show: Callable[..., None]) -> Callable[..., None]:
        def keep_and_show(error: type[BaseException], value: object, traceback: Sequence[str]) -> None:
            # A kernel's hook has a message while it shows the last expression.
            of_result = getattr(self._shell.displayhook, "msg", None) is not None
            self.add(error_output(error.__name__, str(value), traceback, fails_cell=of_result))
            if self._shows:
                show(error, value, traceback)

        return keep_and_show

    def _paging(self, write: Callable[..., None]) -> Callable[..., None]:
        def keep_and_write(payload: Mapping[str, Any], *arguments: Any, **options: Any) -> None:
            if payload.get("source") == "page":
                start = payload.get("start") or 0
                self.add({"output_type": "page", "data": plain(payload["data"]), "start": start})
            if self._shows:
                write(payload, *arguments, **options)

        return keep_and_write

    def _formatting(self, write: Callable[..., None]) -> Callable[..., None]:
        def keep_and_write(data: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> None:
            self.add(result_output(data, metadata))
            write(data, metadata)

        return keep_and_write


class _Stream:
    """Stands for a stream, but for what is written."""

    def __init__(self, stream: Any, write: Callable[[str], Any]) -> None:
        self._stream = stream
        self.write = write

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _drain(stream: Any) -> None:
    """Wait until a kernel's stream has taken over what C code and child processes wrote."""
    descriptor = getattr(stream, "_fid", None)
    if not isinstance(descriptor, int):
        return
    deadline = time.monotonic() + _DRAIN_S
    with contextlib.suppress(OSError):
        while time.monotonic() < deadline:
            if not _n_waiting(descriptor):
                return
            time.sleep(0.001)


def _n_waiting(descriptor: int) -> int:
    """Return how many bytes of a pipe nobody has read yet."""
    try:
        import fcntl
        import termios
    except ImportError:  # Windows, where a kernel does not watch descriptors
        return 0
    (n_bytes,) = struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, b"\0" * 4))
    return int(n_bytes)
