"""Places on other machines, through fsspec: known by what their file system says of them, read where it says
too little, and kept as local copies for the steps that open them."""

from __future__ import annotations

import atexit
import contextlib
import datetime
import functools
import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jupyter_mlpipe.errors import PlaceError, close_matches
from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.stats import MEMO
from jupyter_mlpipe.model.files import Folder, Place

# By these a file system tells one content from another. (A `ukey` may be made from the address alone.)
_TAGS = re.compile(
    r"etag|(content-?)?md5(hash)?|sha(1|256|512)?|crc32c|checksum|digest|(content|ns)_?hash|generation|version_?id"
    r"|blob_?id|oid|hex"
)
_TIMES = re.compile(r"mtime|(last[-_]?)?modified|updated")
_TICK_S = 60.0  # the clock there need not be ours
_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
    "adl": "adlfs",
    "http": "aiohttp requests",
    "https": "aiohttp requests",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "smb": "smbprotocol",
    "hdfs": "pyarrow",
    "webhdfs": "requests",
    "github": "requests",
    "hf": "huggingface_hub",
    "oci": "ocifs",
}
CACHE = "files"
"""The folder of copies, inside the store's."""

_TRIES = 3
_STALE_S = 24 * 3600.0


def fetch(place: Place) -> Place:
    """Return a local copy of a remote place as it is now; nobody may write to it.

    One whose file system says that it has not changed is not read again.

    Raises
    ------
    PlaceError
        It is not there, is of the other kind, cannot be read, or its protocol is not installed.
    """
    with _explained(place):
        folder = f"remote-{digest('url', str(place))[:16]}"
        local = _fetch(place, os.path.join(copies_folder(MEMO.folder), folder))
    return type(place)(local)


def copies_folder(store: str) -> str:
    """Return where copies of a store go: into it; where it cannot be written, elsewhere for this process."""
    if store and os.access(store, os.W_OK):
        return os.path.join(store, CACHE)
    return _folder_of_process()


@functools.cache
def _folder_of_process() -> str:
    folder = tempfile.mkdtemp(prefix="mlpipe-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _fetch(place: Place, folder: str) -> str:
    fs, path = _file_system(place)
    for _ in range(_TRIES):
        files = _files(place, fs, path)
        token = _token(files)
        kept = _read_note(folder)
        if token is not None and kept.get("token") == token:
            copy = os.path.join(folder, kept["copy"])
            if _content(copy) == kept["copy"]:
                return os.path.join(copy, place.name)
        temporary = os.path.join(folder, f"{secrets.token_hex(8)}.part")
        try:
            _download(fs, path, files, os.path.join(temporary, place.name), isinstance(place, Folder))
            if _token(_files(place, fs, path)) == token:
                return _keep(place, folder, temporary, token)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    raise PlaceError(f"'{place}' changes while it is read. Wait until it is complete, and run it again.")


def _keep(place: Place, folder: str, temporary: str, token: str | None) -> str:
    copy = _content(temporary)
    target = os.path.join(folder, copy)
    if os.path.exists(target) and _content(target) != copy:
        os.rename(target, os.path.join(folder, f"{secrets.token_hex(8)}.changed"))
    # Else what is there already is the same: some step may be reading it.
    with contextlib.suppress(OSError):
        os.rename(temporary, target)
    local = os.path.join(target, place.name)
    note = os.path.join(folder, f"{secrets.token_hex(8)}.note")
    with open(note, "w") as file:
        json.dump({"token": token, "copy": copy}, file)
    os.replace(note, os.path.join(folder, "note"))
    _sweep(folder, copy)
    return local


def _content(folder: str) -> str:
    found = []
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            found.append((os.path.relpath(path, folder), MEMO.digest(path)))
    return digest("remote copy", sorted(found))[:16]


def _sweep(folder: str, kept: str) -> None:
    oldest = time.time() - _STALE_S
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name not in (kept, "note") and entry.stat().st_mtime < oldest:
                shutil.rmtree(entry.path, ignore_errors=True)


def _read_note(folder: str) -> dict[str, Any]:
    try:
        with open(os.path.join(folder, "note")) as file:
            found = json.load(file)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("copy"), str) else {}


def _file_system(place: Place) -> tuple[Any, str]:
    try:
        import fsspec.core
    except ImportError:
        raise PlaceError(
            f"'{place}' is read through fsspec, which is not installed: pip install fsspec."
        ) from None
    protocol = re.split(r"://|::", place)[0].lower()
    try:
        return fsspec.core.url_to_fs(str(place))  # type: ignore[no-any-return]
    except ImportError as error:
        package = package_for(place)
        remedy = f"pip install {package}" if package else str(error)
        raise PlaceError(f"'{place}' needs a package that is not installed: {remedy}.") from None
    except ValueError as error:
        if "rotocol" not in str(error):
            raise
        known = {*fsspec.available_protocols(), *fsspec.registry}
        raise PlaceError(
            f"fsspec knows no protocol '{protocol}', of '{place}'.{close_matches(protocol, known)} "
            "Write s3://, gs://, https:// or another one that is installed; a local path has none."
        ) from None


def package_for(address: str) -> str:
    """Return what pip installs so that fsspec reads an address; empty where that is not known."""
    return _PACKAGES.get(re.split(r"://|::", address)[0].lower(), "")


def _files(place: Place, fs: Any, path: str) -> dict[str, Mapping[str, Any]]:
    """Return what is said of each file, by its path there."""
    fs.invalidate_cache()
    if not isinstance(place, Folder):
        info = fs.info(path)
        if info.get("type") == "directory":
            raise PlaceError(f"File '{place}' is a folder. Declare it as a Folder, or name a file in it.")
        return {path: info}
    if fs.isfile(path):
        raise PlaceError(f"Folder '{place}' is a file. Declare it as a File, or name the folder around it.")
    found: dict[str, Mapping[str, Any]] = fs.find(path, detail=True)
    if not found and not fs.isdir(path):
        raise FileNotFoundError(path)
    return found


def _token(files: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return what stands for the content of all files; None where their file system does not say enough."""
    parts = []
    for path, info in sorted(files.items()):
        size = info.get("size")
        tags = [(n.lower(), str(v)) for n, v in info.items() if v and _TAGS.fullmatch(n.lower())]
        tags = [(name, tag) for name, tag in tags if not tag.startswith("W/")]
        if not tags:
            times = [(n.lower(), v) for n, v in info.items() if v and _TIMES.fullmatch(n.lower())]
            # A change within the same tick keeps the time.
            tags = [(name, str(value)) for name, value in times if _age(value) > _TICK_S]
            if not tags or not isinstance(size, int):
                return None
        parts.append((path, str(size), sorted(tags)))
    return digest("remote", parts)


def _age(value: Any) -> float:
    try:
        if isinstance(value, str):
            import email.utils  # loads much, for the few that say it in words

            value = email.utils.parsedate_to_datetime(value)
        if isinstance(value, datetime.datetime):
            value = value if value.tzinfo else value.replace(tzinfo=datetime.UTC)
            value = value.timestamp()
        return time.time() - float(value)
    except (TypeError, ValueError):
        return 0.0


def _download(fs: Any, root: str, files: Iterable[str], target: str, is_folder: bool) -> None:
    os.makedirs(target if is_folder else os.path.dirname(target), mode=0o700, exist_ok=True)
    for path in files:
        inside = os.path.relpath(path, root)
        if inside.startswith(".."):
            raise PlaceError(f"'{path}' is listed in '{root}', but lies outside of it.")
        local = os.path.join(target, inside) if is_folder else target
        os.makedirs(os.path.dirname(local), exist_ok=True)
        fs.get_file(path, local)
        os.chmod(local, 0o444)


@contextlib.contextmanager
def _explained(place: Place) -> Iterator[None]:
    what = f"{type(place).__name__} '{place}'"
    try:
        yield
    except PlaceError:
        raise
    except FileNotFoundError:
        raise PlaceError(
            f"{what} does not exist.{_close(place)} Correct the address, or put it there first."
        ) from None
    except PermissionError as error:
        raise PlaceError(
            f"{what} cannot be read: permission is denied ({error}). See to your credentials."
        ) from None
    except Exception as error:  # each file system has errors of its own
        raise PlaceError(f"{what} cannot be read: {type(error).__name__}: {error}.") from None


def _close(place: Place) -> str:
    with contextlib.suppress(Exception):  # what the file system cannot list is no help
        fs, path = _file_system(place)
        names: list[str] = fs.ls(os.path.dirname(path), detail=False)
        return close_matches(place.name, [os.path.basename(name.rstrip("/")) for name in names])
    return ""
