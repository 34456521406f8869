"""What a step has printed, every line of it, wherever that is kept."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from jupyter_mlpipe.errors import (
    ArtifactCorruptError,
    ArtifactMissingError,
    UsageError,
)
from jupyter_mlpipe.store.logs import log_path
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.store import Store

_PIECE_BYTES = 1 << 20


def text_of(outputs: list[dict[str, object]]) -> str:
    """Return the text of what was shown."""
    return "".join(str(output["text"]) for output in outputs if output["output_type"] == "stream")


def whole_log(store: Store, record: Record | None, key: str | None, text: str) -> Iterator[bytes]:
    """Give all that a step has printed, in pieces, as UTF-8.

    Parameters
    ----------
    record
        What the step made; None where it has not ended well.
    key
        Its key, where it may have printed more than `text`.
    text
        What is known of it in any case.
    """
    if record is not None and record.log is not None:
        with contextlib.suppress(ArtifactMissingError, ArtifactCorruptError):
            content = store.objects.read(record.log)
            for start in range(0, len(content), _PIECE_BYTES):
                yield bytes(content[start : start + _PIECE_BYTES])
            return
    elif record is None and key:
        with contextlib.suppress(FileNotFoundError), open(log_path(store.root, key), "rb") as file:
            while piece := file.read(_PIECE_BYTES):
                yield piece
            return
    yield text.encode(errors="backslashreplace")


def with_heads(logs: Iterable[tuple[str, Iterator[bytes]]]) -> Iterator[bytes]:
    """Give logs of several steps one after the other, as ``tail`` does of several files."""
    for number, (name, pieces) in enumerate(logs):
        yield f"{chr(10) * bool(number)}==> {name} <==\n".encode()
        last = b"\n"
        for piece in pieces:
            yield piece
            last = piece or last
        if not last.endswith(b"\n"):
            yield b"\n"


def save(pieces: Iterator[bytes], path: str | os.PathLike[str]) -> Path:
    """Write pieces to a file, in place of what is there.

    Raises
    ------
    UsageError
        It cannot be written.
    """
    target = Path(path)
    try:
        with target.open("wb") as file:
            for piece in pieces:
                file.write(piece)
    except OSError as error:
        raise UsageError(f"The log cannot be written to {target}: {error.strerror or error}.") from None
    return target
