"""Files in a place on other machines, by name, through fsspec. Knows nothing of what they mean.

fsspec runs requests of many files side by side on a loop in a thread of its own, which does not survive a
fork: each process connects for itself, at its first request.
"""

from __future__ import annotations

import contextlib
import datetime
import os
import re
import threading
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jupyter_mlpipe.errors import StoreError
from jupyter_mlpipe.keys.remote import package_for
from jupyter_mlpipe.store.disk import is_space_error

_TIMES = ("LastModified", "mtime", "updated", "last_modified", "modified", "created")
_TAGS = ("ETag", "etag", "md5Hash", "content_md5")
_NO_CREDENTIALS = re.compile(r"credential|token|accesskey|signature|login|unauthorized", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is said of a file in a listing.

    Parameters
    ----------
    time_ns
        When it was written, in ns since 1970; 0 where that is not said.
    tag
        What tells its content from another, where there is such a thing.
    """

    size: int
    time_ns: int
    tag: str = ""

    @property
    def stamp_ns(self) -> int:
        """A time for copies of just this state of the file: its own to the second, the rest from its tag."""
        return self.time_ns // 10**9 * 10**9 + zlib.crc32(f"{self.time_ns} {self.tag}".encode()) % 10**9


class Bucket:
    """The files below an address such as ``s3://bucket/prefix``."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._connected: tuple[int, Any, str] | None = None

    def list(self) -> dict[str, Seen]:
        """Return all files by name; a thousand take one request of S3."""
        with self._explained("listed"):
            fs, root = self._connect()
            fs.invalidate_cache()
            return {path[len(root) + 1 :]: _seen(info) for path, info in fs.find(root, detail=True).items()}

    def look(self, name: str) -> Seen | None:
        """Return what is said of one file; None where it is not there."""
        with self._explained("read"):
            fs, root = self._connect()
            fs.invalidate_cache()
            try:
                return _seen(fs.info(f"{root}/{name}"))
            except FileNotFoundError:
                return None

    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """Return the content of small files, read side by side; what is not there is left out."""
        with self._explained("read"):
            fs, root = self._connect()
            paths = {f"{root}/{name}": name for name in names}
            if not paths:
                return {}
            found = fs.cat([*paths], on_error="return")
            for error in found.values():
                if isinstance(error, BaseException) and not isinstance(error, FileNotFoundError):
                    raise error
            return {paths[path]: content for path, content in found.items() if isinstance(content, bytes)}

    def fetch(self, name: str, path: str) -> bool:
        """Write a file's content to a local one that is there; False where the file is not."""
        with self._explained("read"):
            fs, root = self._connect()
            try:
                fs.get_file(f"{root}/{name}", path)
            except FileNotFoundError:
                return False
            return True

    def write(self, contents: Mapping[str, bytes]) -> None:
        """Write small files, side by side."""
        with self._explained("written"):
            fs, root = self._connect()
            paths = {f"{root}/{name}": content for name, content in contents.items()}
            _with_folders(fs, root, paths, lambda: fs.pipe(paths))

    def send(self, name: str, path: str) -> None:
        """Write a local file's content."""
        with self._explained("written"):
            fs, root = self._connect()
            target = f"{root}/{name}"
            _with_folders(fs, root, [target], lambda: fs.put_file(path, target))

    def move(self, name: str, to: str) -> None:
        """Rename a file; nothing where it is not there."""
        with self._explained("written"), contextlib.suppress(FileNotFoundError):
            fs, root = self._connect()
            _with_folders(fs, root, [f"{root}/{to}"], lambda: fs.mv(f"{root}/{name}", f"{root}/{to}"))

    def remove(self, name: str) -> None:
        """Remove a file; nothing where it is not there."""
        with self._explained("written"), contextlib.suppress(FileNotFoundError):
            fs, root = self._connect()
            fs.rm_file(f"{root}/{name}")

    def _connect(self) -> tuple[Any, str]:
        with self._lock:
            if self._connected is None or self._connected[0] != os.getpid():
                self._connected = (os.getpid(), *_open(self.address))
            return self._connected[1:]

    @contextlib.contextmanager
    def _explained(self, asked: str) -> Iterator[None]:
        try:
            yield
        except (StoreError, KeyboardInterrupt):
            raise
        except Exception as error:  # each file system has errors of its own
            if isinstance(error, OSError) and is_space_error(error):
                raise  # on this machine: a copy of something has no room
            raise _explain(error, self.address, asked) from error


def _open(address: str) -> tuple[Any, str]:
    import fsspec.core

    try:
        fs, root = fsspec.core.url_to_fs(
            address, skip_instance_cache=True, use_listings_cache=False, **_options(address)
        )
    except ImportError as error:
        package = package_for(address)
        remedy = f"pip install {package}" if package else str(error)
        raise StoreError(
            f"The shared store at {address} needs a package that is not installed: {remedy}."
        ) from None
    except ValueError as error:
        raise StoreError(
            f"The address of the shared store, {address}, cannot be understood: {error}. Write it as "
            "s3://bucket/prefix, or as fsspec does for another kind of place."
        ) from None
    return fs, root.rstrip("/")


def _options(address: str) -> dict[str, Any]:
    return {"auto_mkdir": True} if address.startswith(("file://", "local://")) else {}


def _with_folders(fs: Any, root: str, paths: Iterable[str], write: Any) -> None:
    """Write, and where that fails for want of folders, make them first; those above the store never."""
    try:
        write()
    except FileNotFoundError:
        # S3 says so of a bucket that is not there, and fsspec would make one.
        if not fs.exists(root):
            raise
        for folder in {path.rpartition("/")[0] for path in paths}:
            fs.makedirs(folder, exist_ok=True)
        write()


def _seen(info: Mapping[str, Any]) -> Seen:
    found = next((info[name] for name in _TIMES if info.get(name)), 0)
    if isinstance(found, str):
        with contextlib.suppress(ValueError):
            found = datetime.datetime.fromisoformat(found)
    if isinstance(found, datetime.datetime):
        found = found.replace(tzinfo=found.tzinfo or datetime.UTC).timestamp()
    time_ns = int(found * 1e9) if isinstance(found, int | float) else 0
    return Seen(int(info.get("size") or 0), time_ns, next((str(info[t]) for t in _TAGS if info.get(t)), ""))


def _explain(error: Exception, address: str, asked: str) -> StoreError:
    name, text = type(error).__name__, str(error).strip().rstrip(".")
    said = f"{name}: {text}" if text else name
    local = "or unset MLPIPE_STORE to go on with a store on this machine"
    if isinstance(error, FileNotFoundError):
        why, remedy = f"there is no such place ({said})", f"Correct the address, make the bucket, {local}"
    elif isinstance(error, PermissionError):
        why = f"access is denied ({said})"
        remedy = f"See that your credentials allow to list, read and write there, {local}"
    elif _NO_CREDENTIALS.search(name):
        why = f"there are no credentials for it ({said})"
        remedy = f"Give them as its tools expect them (for S3: AWS_PROFILE, or AWS_ACCESS_KEY_ID), {local}"
    else:
        why = f"it does not answer as it should ({said})"
        remedy = f"See to the network and the address (for S3 also AWS_ENDPOINT_URL), {local}"
    return StoreError(
        f"The shared store at {address} cannot be {asked}: {why}. {remedy}. What is stored stays as it is."
    )
