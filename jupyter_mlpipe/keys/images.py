"""Images that Pillow opened from files: their own pickles keep pixels, and nothing of the file.

What code can see beside these: the format's own attributes (``quantization``, ``text``), and the other frames
of a file that has several. Such a file stays open; its content goes along. Pixels are loaded, so that an
image whose pixels somebody has looked at counts as the same. Pillow is looked at, never imported.
"""

from __future__ import annotations

import contextlib
import importlib
import io
from typing import Any

_PLAIN = (bool, int, float, str, bytes, type(None))
# Made anew when asked for, or part of the pixels' state.
_LEFT_OUT = frozenset(
    {"info", "palette", "tile", "map", "fp", "_fp", "_im", "_mode", "_size", "_exif", "_n_frames", "readonly"}
)


def reduce_opened(image: Any) -> tuple[Any, ...] | None:
    """Reduce an image of a file; None leaves it to Pillow, for what has no pixels to be loaded."""
    own = vars(image)
    if not own.get("tile") and own.get("_im") is None:
        return None
    pixels = importlib.import_module("PIL.Image").Image.__getstate__(image)  # which loads them
    file = own.get("_fp")
    content = _content(file) if isinstance(file, io.IOBase) and not file.closed else None
    attributes = {name: part for name, part in own.items() if name not in _LEFT_OUT and _is_plain(part)}
    if content is not None:
        # The rest is where it stands in the file.
        attributes = {"filename": own.get("filename", "")}
    frame = image.tell() if content is not None else 0
    return _make_opened, (type(image), pixels, attributes, content, frame)


def _content(file: Any) -> bytes:
    position = file.tell()
    file.seek(0)
    content: bytes = file.read()
    file.seek(position)
    return content


def _is_plain(value: Any) -> bool:
    if type(value) in _PLAIN:
        return True
    if type(value) is dict:
        return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    return type(value) in (list, tuple) and all(map(_is_plain, value))


# Named in pickles: renaming it makes stored artifacts unreadable.
def _make_opened(
    kind: Any, pixels: list[Any], attributes: dict[str, Any], content: bytes | None, frame: int
) -> Any:
    images = importlib.import_module("PIL.Image").Image
    image = kind.__new__(kind)
    if content is None:
        image.tile = []
        images.__setstate__(image, pixels)
        vars(image).update(attributes)
        return image
    image.__init__(io.BytesIO(content))
    vars(image).update(attributes)
    image._exclusive_fp = True
    image.seek(frame)
    with contextlib.suppress(OSError):  # as truncated as it was
        image.load()
    if images.__getstate__(image) != pixels:
        drawn = images.__new__(images)
        images.__setstate__(drawn, pixels)
        image.info, image.palette = drawn.info, drawn.palette
        image._mode, image._size, image.im = drawn.mode, drawn.size, drawn.im
    return image
