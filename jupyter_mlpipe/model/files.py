"""`File` and `Folder`: paths that count by what is there.

Texts, so that every library takes them for the path that they are, remote ones (``s3://...``) included.
A step gets one that leads to a local file, whatever the notebook's leads to.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from jupyter_mlpipe.errors import UsageError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)")
_LOCAL = re.compile(r"(file|local)://")
_EXAMPLES = {"File": "data/raw.csv", "Folder": "data"}

_standing_in: dict[str, str] = {}


class Place(str):
    """What `File` and `Folder` have in common.

    Parameters
    ----------
    path
        As seen from the notebook's folder, in full, from the home (``~/``), or any URL that fsspec knows.
        Nothing is looked at before it is needed.
    """

    __slots__ = ()

    def __new__(cls, path: str | os.PathLike[str]) -> Place:
        text: object = path
        with contextlib.suppress(TypeError):
            text = os.fspath(path)
        if not isinstance(text, str) or not text.strip() or "\0" in text:
            raise UsageError(
                f"{cls.__name__} takes a path, but found {path!r}. "
                f'Example: {cls.__name__}("{_EXAMPLES.get(cls.__name__, "data")}")'
            )
        if _LOCAL.match(text):
            parts = urlsplit(text)
            text = unquote(parts.netloc + parts.path)
        elif text.startswith("~"):
            text = os.path.expanduser(text)
        return super().__new__(cls, text)

    @property
    def is_remote(self) -> bool:
        """Whether it is a URL."""
        return _URL.match(self) is not None

    @property
    def path(self) -> Path:
        """The same as a `pathlib.Path`."""
        return Path(str(self))

    @property
    def name(self) -> str:
        """The last part of the path."""
        text = str(self)
        if self.is_remote:
            text = text.partition("::")[0] if "://" in text.partition("::")[0] else text.rpartition("::")[2]
            text = unquote(urlsplit(text).path) or urlsplit(text).netloc
        return os.path.basename(os.path.normpath(text).rstrip("/")) or os.path.basename(os.path.abspath(text))

    def __fspath__(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), str(self))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> dict[str, Any]:
        # Written out, since what makes them is pydantic's own module.
        convert = {"type": "function-plain", "function": {"type": "no-info", "function": cls._from_text}}
        return {
            "type": "lax-or-strict",
            "lax_schema": convert,
            "strict_schema": {"type": "is-instance", "cls": cls},
        }

    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str | os.PathLike) or (isinstance(value, Place) and type(value) is not cls):
            raise ValueError(f"expected a path, found a {type(value).__name__}")
        return value if type(value) is cls else cls(value)


class File(Place):
    """A file that counts by its content: ``File("data/raw.csv")``.

    As a value of the notebook, a parameter (``path: File = "data/raw.csv"``) or an input it is part of what
    a step is known by. As an output its content is kept in the store, and readers get a copy of their own.
    """

    __slots__ = ()


class Folder(Place):
    """A folder that counts by what is in it, names and contents, at any depth: ``Folder("data")``.

    Links count as what they lead to. See `File`.
    """

    __slots__ = ()

    def __truediv__(self, name: str | os.PathLike[str]) -> Path:
        return self.path / name


def stand_in(places: Mapping[str, str]) -> None:
    """Have places that are unpickled in this process lead elsewhere: by path, the path of what is there."""
    _standing_in.update(places)


def _restored(cls: type[Place], path: str) -> Place:
    return cls(_standing_in.get(path, path))
