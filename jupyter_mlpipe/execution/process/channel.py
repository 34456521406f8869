"""How a step process and its worker talk: length-marked frames over a socket pair, or over two pipes."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable
from typing import IO, Any

_LENGTH = struct.Struct("!Q")
_HELLO = struct.Struct("!q")
_SMALL_BYTES = 1 << 16


def socket_pair(kind: int = socket.SOCK_STREAM) -> tuple[socket.socket, socket.socket]:
    """Return two ends that wait for each other, whatever timeout user code has set for sockets.

    With such a timeout they would not block, and a process that is given one of them would not know it.
    """
    ends = socket.socketpair(socket.AF_UNIX, kind)
    for end in ends:
        end.settimeout(None)
    return ends


class Channel:
    """One end of the connection; sending is safe from several threads, receiving is for one."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self.is_shut = False

    @property
    def descriptor(self) -> int:
        return self._connection.fileno()

    def send_bytes(self, content: bytes) -> None:
        head = _LENGTH.pack(len(content))
        # Few bytes in one piece: the other end wakes up once.
        pieces = (head + content,) if len(content) <= _SMALL_BYTES else (head, content)
        with self._lock:
            for piece in pieces:
                self._send_piece(piece)

    def _send_piece(self, piece: bytes) -> None:
        self._connection.sendall(piece)

    def send(self, message: Any) -> None:
        """Send plain JSON values."""
        self.send_bytes(json.dumps(message, separators=(",", ":")).encode())

    def wait(self, seconds: float) -> bool:
        """Wait for a message, or for the other end to be gone; False where neither comes in time."""
        # Not `select`, which knows small descriptors only.
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def receive_bytes(self) -> bytes | None:
        """Return the next frame, or None where the other end is gone."""
        head = self._receive_exactly(_LENGTH.size)
        return None if head is None else self._receive_exactly(_LENGTH.unpack(head)[0])

    def receive(self) -> Any:
        """Return the next message, or None where the other end is gone."""
        content = self.receive_bytes()
        return None if content is None else json.loads(content)

    def send_hello(self, pid: int, descriptors: tuple[int, ...]) -> None:
        """Say who serves, and hand over what the worker reads after a crash."""
        socket.send_fds(self._connection, [_HELLO.pack(pid)], descriptors)

    def receive_hello(self) -> tuple[int, list[int]] | None:
        """Return the pid and the descriptors, or None where nobody serves."""
        try:
            content, descriptors, _flags, _address = socket.recv_fds(
                self._connection, _HELLO.size, 2, socket.MSG_CMSG_CLOEXEC
            )
        except ConnectionError:
            return None
        return (_HELLO.unpack(content)[0], descriptors) if content else None

    def shut(self) -> None:
        """End what is said and heard here, from any thread; who waits for a message waits no longer."""
        self.is_shut = True
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._connection.close()

    def _receive_exactly(self, n_bytes: int) -> bytes | None:
        content = bytearray()
        while len(content) < n_bytes:
            try:
                piece = self._connection.recv(min(n_bytes - len(content), 1 << 20))
            except ConnectionError:
                return None
            if not piece:
                return None
            content += piece
        return bytes(content)


class PipeChannel(Channel):
    """The same over two pipes, which every system can give to a process that it starts.

    A thread reads them, as not every system can wait for a pipe for a while only.

    Parameters
    ----------
    on_end
        Called from the thread when the other end is gone, unless this one is closed.
    """

    def __init__(
        self, reading: IO[bytes], writing: IO[bytes], on_end: Callable[[], None] | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._reading = reading
        self._writing = writing
        self._on_end = on_end
        self._frames: deque[bytes] = deque()
        self._changed = threading.Condition()
        self._has_ended = False
        self.has_heard = False
        threading.Thread(target=self._read, name="mlpipe-pipe", daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            while len(head := self._reading.read(_LENGTH.size)) == _LENGTH.size:
                (size,) = _LENGTH.unpack(head)
                if len(content := self._reading.read(size)) < size:
                    break
                with self._changed:
                    self._frames.append(content)
                    self.has_heard = True
                    self._changed.notify()
        with contextlib.suppress(OSError):
            self._reading.close()
        with self._changed:
            self._has_ended = True
            self._changed.notify()
        if (on_end := self._on_end) is not None:
            on_end()

    def _send_piece(self, piece: bytes) -> None:
        self._writing.write(piece)
        self._writing.flush()

    def wait(self, seconds: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._frames) or self._has_ended, seconds)

    def receive_bytes(self) -> bytes | None:
        with self._changed:
            self._changed.wait_for(lambda: self._frames or self._has_ended)
            return self._frames.popleft() if self._frames else None

    def end(self) -> None:
        """Hear no more, whoever still holds the pipe."""
        with self._changed:
            self._has_ended = True

    def close(self) -> None:
        self._on_end = None
        with contextlib.suppress(OSError):
            self._writing.close()
