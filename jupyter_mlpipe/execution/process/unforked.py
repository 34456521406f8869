"""Where nothing is forked ahead: a new interpreter for each step, and one that waits for the next.

It is sent modules to import while it waits, then one step (`waiting.wait_in`), by pipes that are its standard
input and output: they have no name, so nobody else can connect. What it prints lies in two files of a folder.
Weaker than the fork server: what a step starts, and is parted from it, is not found if it crashes; a worker
that is killed ends a step only where that lets other threads run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from jupyter_mlpipe.errors import ClusterError
from jupyter_mlpipe.execution.process.channel import Channel, PipeChannel
from jupyter_mlpipe.execution.process.elsewhere import end_all, family_of
from jupyter_mlpipe.execution.process.interpreter import command_of, environment_of
from jupyter_mlpipe.execution.process.printed import Printed
from jupyter_mlpipe.store.disk import BINARY

_BOOT = "from jupyter_mlpipe.execution.process.waiting import wait_in; wait_in(sys.argv[1])"
_END_WAIT_S = 5.0
_PRINTED = ("stdout", "stderr")


class Unforked:
    """Starts interpreters, one ahead."""

    name = "interpreter for steps"

    def __init__(self, first: Sequence[str] = ()) -> None:
        self._lock = threading.Lock()
        self._modules = dict.fromkeys(first)
        self._is_closed = False
        self._last_words = "it ended before it said anything"
        self._ahead: UnforkedStep | None = self._start()

    def is_alive(self) -> bool:
        return True

    def preload(self, modules: list[str]) -> None:
        """Have modules imported for the steps to come."""
        with self._lock:
            self._modules.update(dict.fromkeys(modules))
            if self._ahead is not None:
                self._ahead.preload(modules)

    def read_ahead(self, files: Iterable[str]) -> None:
        """Do nothing: to read them would keep the interpreter that waits from taking a step."""

    def begin(
        self, sent: Mapping[str, Any], spec: bytes, note: Callable[[Channel], None]
    ) -> UnforkedStep | None:
        """Give a step to the interpreter that waits, and start the next one; None where it had ended."""
        with self._lock:
            ready, self._ahead = self._ahead or self._start(), None
        try:
            ready.channel.send(sent)
            ready.channel.send_bytes(spec)
        except OSError:
            ready.wait()  # which notes its last words
            ready.close()
            return None
        with self._lock:
            if self._ahead is None and not self._is_closed:
                with contextlib.suppress(ClusterError):  # the next step tries again
                    self._ahead = self._start()
        return ready

    def _start(self) -> UnforkedStep:
        started = UnforkedStep(self)
        started.preload(list(self._modules))
        return started

    def note_last_words(self, text: str) -> None:
        if lines := text.strip().splitlines():
            self._last_words = lines[-1]

    def last_words(self) -> str:
        """Return the end of what an interpreter printed that did not come to its step."""
        return self._last_words

    def close(self) -> None:
        """End the one that waits."""
        with self._lock:
            self._is_closed = True
            ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.kill()
            ahead.bury()


class UnforkedStep:
    """An interpreter that waits for its step, or has it.

    Raises
    ------
    ClusterError
        It cannot be started.
    """

    def __init__(self, source: Unforked) -> None:
        self._source = source
        self._folder = tempfile.mkdtemp(prefix="mlpipe-printed-")
        files = [open(os.path.join(self._folder, name), "ab") for name in _PRINTED]  # noqa: SIM115
        reading = os.O_RDONLY | BINARY
        self._descriptors = [os.open(os.path.join(self._folder, name), reading) for name in _PRINTED]
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                command_of(_BOOT, self._folder),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=files[1],
                cwd=os.path.abspath(os.sep),
                env=environment_of(),
                # An interrupt from the keyboard is for whoever has the terminal.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError as error:
            self._remove()
            raise ClusterError(f"The interpreter for a step cannot be started: {error}") from error
        finally:
            for file in files:
                file.close()
        self.pid = self._process.pid
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.channel = _StepChannel(self._process.stdout, self._process.stdin, self._process)
        self.printed = Printed(self._descriptors, shares_position=False)
        self._is_over = False

    def preload(self, modules: list[str]) -> None:
        """Have it import modules while it waits."""
        with contextlib.suppress(OSError):
            self.channel.send({"preload": modules})

    def kill(self) -> None:
        """Kill it and what descends from it."""
        if self._process.poll() is None:
            _end_group(self._process, family=True)

    def wait(self) -> tuple[int | None, int]:
        """Return its exit code, None where it had not come to its step; its peak memory is not known."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_WAIT_S)
        _end_group(self._process)
        if not self.channel.has_heard:
            self._source.note_last_words(Path(self._folder, "stderr").read_text(errors="replace"))
            return None, 0
        return self._process.returncode, 0

    def close(self) -> None:
        # It takes a while to end, which nobody has to wait for. Without its connection it would end at once.
        threading.Thread(target=self.bury, name="mlpipe-bury", daemon=True).start()

    def bury(self) -> None:
        """Wait for its end, and remove what is left of it."""
        try:
            self._process.wait(2 * _END_WAIT_S)
        except subprocess.TimeoutExpired:
            _end_group(self._process, family=True)
            self._process.wait()
        _end_group(self._process)
        self.channel.close()
        self._remove()

    def _remove(self) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)
        shutil.rmtree(self._folder, ignore_errors=True)


class _StepChannel(PipeChannel):
    """Notices the end of a process whose pipe somebody else holds: a child that it has forked."""

    def __init__(self, reading: IO[bytes], writing: IO[bytes], process: subprocess.Popen[bytes]) -> None:
        self._process = process
        super().__init__(reading, writing)

    def wait(self, seconds: float) -> bool:
        if super().wait(seconds):
            return True
        if self._process.poll() is None:
            return False
        _end_group(self._process)
        self.end()
        return True


def _end_group(process: subprocess.Popen[bytes], *, family: bool = False) -> None:
    """Kill a process and what it has started, as far as the system says what that is."""
    found = family_of(process.pid) if family else []
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    end_all(found)
